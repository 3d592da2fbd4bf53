"""Variances, norms and products of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ordering import running
from .reduce import count, rowwise, wide
from .sized import LIGHT, generated

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...] | None

# NumPy's stubs know no axis=None together with keepdims.
_sum: Any = np.add.reduce
_product: Any = np.multiply.reduce
_max: Any = np.maximum.reduce
_min: Any = np.minimum.reduce


def var(a: Array, dims: Dims, correction: Any, keepdim: bool) -> Array:
    """Variance over `dims` with divisor max(n - correction, 0); real also for complex input."""
    w = a.astype(wide(a), copy=False)
    n = count(a.shape, dims)
    centre = np.asarray(_sum(w, axis=dims, keepdims=True)) / w.dtype.type(max(n, 1))
    d = w - centre
    squares = (
        d.real * d.real + d.imag * d.imag
        if w.dtype.kind == "c"
        else np.multiply(d, d, out=d if d.ndim else None)
    )
    total = np.asarray(_sum(np.asarray(squares), axis=dims, keepdims=keepdim))
    out = total / total.dtype.type(max(n - correction, 0))
    return np.asarray(out, a.dtype if a.dtype.kind != "c" else total.dtype, order="C")


def std(a: Array, dims: Dims, correction: Any, keepdim: bool) -> Array:
    """Square root of `var`."""
    if a.dtype.itemsize == 2:
        return np.asarray(np.sqrt(var(a.astype(np.float32), dims, correction, keepdim)), a.dtype)
    if a.dtype == np.float32:  # a variance may be too large where its root is not
        wide_root = np.sqrt(var(a.astype(np.float64), dims, correction, keepdim))
        return np.asarray(wide_root, np.float32)
    return np.asarray(np.sqrt(var(a, dims, correction, keepdim)))


def centred(a: Array, dims: Dims) -> Array:
    """`a` minus its mean over `dims`."""
    n = max(count(a.shape, dims), 1)
    mean = np.asarray(_sum(a, axis=dims, dtype=wide(a), keepdims=True)) / n
    return np.asarray(a - mean, a.dtype)


def vector_norm(a: Array, ord: float, dims: Dims, keepdim: bool) -> Array:
    """The norm of order `ord` over `dims`."""
    if ord == 2 and a.ndim and (dims is None or dims) and generated(a):
        return np.asarray(rowwise.norm(a, dims, keepdim))
    w = a.astype(wide(a), copy=False)
    size = np.abs(w)
    real = size.dtype
    if ord == 2:
        squares = w * w if w.dtype.kind != "c" else w.real * w.real + w.imag * w.imag
        out = np.sqrt(_sum(np.asarray(squares), axis=dims, keepdims=keepdim))
    elif ord == 1:
        out = _sum(np.asarray(size), axis=dims, keepdims=keepdim)
    elif ord == 0:
        out = _sum(np.asarray(size != 0).astype(real), axis=dims, keepdims=keepdim)
    elif ord == np.inf:
        out = _max(np.asarray(size), axis=dims, keepdims=keepdim, initial=0 if 0 in a.shape else None)
    elif ord == -np.inf:
        out = _min(np.asarray(size), axis=dims, keepdims=keepdim)
    elif count(a.shape, dims) == 1:  # no power that may overflow
        out = _sum(np.asarray(size), axis=dims, keepdims=keepdim)
    else:
        powers = np.power(size, real.type(ord))
        out = np.power(_sum(np.asarray(powers), axis=dims, keepdims=keepdim), real.type(1 / ord))
    return np.asarray(out).astype(a.dtype if a.dtype.kind != "c" else real)


def directed_power(a: Array, ord: float) -> Array:
    """a |a|^(ord - 2), and zero at zero. (For orders below 2 infinities are those of PyTorch's formula.)"""
    power = a.real.dtype.type
    if ord < 2 and a.dtype.kind != "c":
        found = np.sign(a) * np.power(np.abs(a), power(ord - 1))
    else:
        found = a * np.power(np.abs(a), power(ord - 2))
    return np.where(a == 0, np.zeros((), a.dtype), found).astype(a.dtype)


def nansum(a: Array, dims: Dims, keepdim: bool) -> Array:
    """Sum over `dims` of what is not nan."""
    out = _sum(np.where(a == a, a, np.zeros((), a.dtype)), axis=dims, dtype=wide(a), keepdims=keepdim)
    return np.asarray(out, a.dtype, order="C")


def prod(a: Array, dims: Dims, keepdim: bool) -> Array:
    """Product over `dims`."""
    if generated(a, LIGHT):
        return np.asarray(rowwise.reduced(a, dims, keepdim, "prod"))
    return np.asarray(_product(a, axis=dims, dtype=wide(a), keepdims=keepdim), a.dtype, order="C")


def prod_others(a: Array, dim: int) -> Array:
    """At each place the product of all other elements along `dim`, zeros and all."""
    if not a.ndim:
        return np.ones_like(a)
    w = np.ascontiguousarray(a, wide(a))
    left, right = np.ones_like(w), np.ones_like(w)
    if a.shape[dim] > 1:
        before = (slice(None),) * (dim % a.ndim)
        most, rest = (*before, slice(-1)), (*before, slice(1, None))
        left[rest] = running(w, dim % a.ndim, "prod")[most]
        right[most] = running(w, dim % a.ndim, "prod", True)[rest]
    left *= right
    return left.astype(a.dtype, copy=False)


def logsumexp(a: Array, dims: Dims, keepdim: bool) -> Array:
    """log(sum(exp(a))) over `dims`, shifted by the largest element so that nothing overflows."""
    w = a.astype(wide(a), copy=False)
    if not w.size and (dims is None or any(not w.shape[d] for d in dims)):
        return np.asarray(np.log(_sum(w, axis=dims, keepdims=keepdim)), a.dtype)
    top = np.asarray(_max(w.real, axis=dims, keepdims=True))
    top = np.where(np.isfinite(top), top, top.dtype.type(0))
    total = np.asarray(_sum(np.exp(w - top), axis=dims, keepdims=True))
    out = np.log(total) + top
    if not keepdim:
        out = out.squeeze(dims) if dims is not None else out.reshape(())
    return np.asarray(out, a.dtype, order="C")
