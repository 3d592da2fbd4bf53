"""Matrix products of arrays, with PyTorch's accumulation for 16-bit floats (float32, rounded once)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import is_half
from .sized import worthwhile

generated: Any = lazy.module("cotangent.kernels.contract_eager")

Array = np.ndarray[Any, Any]

# Multiply-adds from which the generated kernels serve; also where OpenBLAS begins to use several threads.
LEAST: Final = 64**3
# Multiply-adds that count as one element does for `worthwhile`.
_AN_ELEMENT: Final = 32


_BOOL: Final = np.dtype(np.bool_)
# PyTorch's kernels by the operands' numbers of dimensions
_NAMES: Final = {(2, 2): "addmm_impl_cpu_", (2, 1): "addmv_impl_cpu", (1, 1): "dot"}


def matmul(a: Array, b: Array) -> Array:
    """`a @ b`, always an array."""
    d = a.dtype
    if d is _BOOL:
        name = _NAMES.get((a.ndim, b.ndim), "bmm")
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if a.ndim > 1 and b.ndim > 1 and a.size * b.shape[-1] >= LEAST and d.kind in "fV":
        product = _generated(a, b)
        if product is not None:
            return product
    if d.itemsize == 2 and d.kind not in "iu":
        return np.asarray(np.matmul(a.astype(np.float32), b.astype(np.float32))).astype(d)
    return _matmul(a, b)


def multiply(a: Array, b: Array, out: Array) -> None:
    """`a @ b` into `out`, for batches of matrices of one real float type of 32 or 64 bits."""
    if a.size * b.shape[-1] < LEAST or _generated(a, b, None, 0.0, 1.0, out) is None:
        np.matmul(a, b, out)


def _matmul(a: Array, b: Array) -> Array:
    if a.ndim == 2 and b.ndim == 2:
        product: Array = a.dot(b)  # the same routine of BLAS in two thirds of the time, for small matrices
        return product
    if a.ndim == 3 and b.ndim == 3 and a.size and b.size:
        return _batched(a, b)
    return np.asarray(np.matmul(a, b))


def _batched(a: Array, b: Array) -> Array:
    """Products of batches. A factor that all products share makes them one: vmap expands what it shares."""
    (n, rows, depth), columns = a.shape, b.shape[2]
    if depth == 1:
        product: Array = np.multiply(a, b, order="C")
        product += 0  # a sum of one product: it starts at zero, so there is no negative zero
        return product
    if b.shape[0] == n > 1:
        if not b.strides[0] and (rows == 1 or a.strides[0] == rows * a.strides[1]):
            return matmul(a.reshape(n * rows, depth), b[0]).reshape(n, rows, columns)
        if not a.strides[0] and columns == 1:
            return matmul(b.reshape(n, depth), a[0].T).reshape(n, rows, 1)
    return np.asarray(np.matmul(a, b))


def _generated(a: Array, b: Array, *rest: Any) -> Array | None:
    """A large product by generated kernels; None where they are not in use yet, or NumPy is faster."""
    if not worthwhile(a.size * b.shape[-1] // _AN_ELEMENT):
        return None
    product: Array | None = generated.product(a, b, *rest)
    return product


def add_product(c: Array, a: Array, b: Array, beta: Any, alpha: Any) -> Array:
    """`beta * c + alpha * (a @ b)`; `beta == 0` ignores `c`, nan and all."""
    d = a.dtype
    if a.ndim > 1 and b.ndim > 1 and a.size * b.shape[-1] >= LEAST and d.kind in "fV" and beta != 0:
        product = _generated(a, b, c, beta, alpha)
        if product is not None:
            return product
    if d.itemsize == 2 and d.kind not in "iu":
        wide = np.float32
        return add_product(c.astype(wide), a.astype(wide), b.astype(wide), beta, alpha).astype(d)
    out = _matmul(a, b)
    if alpha != 1:
        out = np.multiply(out, np.asarray(alpha).astype(d))
    if beta == 0:
        return out
    scaled = c if beta == 1 else np.multiply(c, np.asarray(beta).astype(d))
    if out.shape:
        np.add(out, scaled, out)
        return out
    return np.asarray(np.add(out, scaled))


def add_sum_of_products(c: Array, a: Array, b: Array, beta: Any, alpha: Any) -> Array:
    """`beta * c + alpha * (a @ b).sum(0)`: the batches side by side make it one product."""
    if is_half(a.dtype) and len(a):
        for left, right in zip(a, b, strict=True):  # PyTorch rounds 16-bit floats after every matrix
            c, beta = add_product(c, left, right, beta, alpha), 1
        return c
    many = a.shape[0] * a.shape[2]
    flat = a.transpose(1, 0, 2).reshape(a.shape[1], many)
    return add_product(c, flat, b.reshape(many, b.shape[2]), beta, alpha)


def add_outer(c: Array, a: Array, b: Array, beta: Any, alpha: Any) -> Array:
    """`beta * c + alpha * a[:, None] * b`."""
    d = a.dtype
    if d.kind not in "fV" or d.itemsize != 2:
        return add_product(c, a[:, None], b[None, :], beta, alpha)
    # PyTorch rounds 16-bit floats after every step here.
    out = a[:, None] if alpha == 1 else np.multiply(a[:, None], np.asarray(alpha).astype(d))
    out = np.multiply(out, b[None, :])
    if beta == 0:
        return out
    return np.asarray(np.add(c if beta == 1 else np.multiply(c, np.asarray(beta).astype(d)), out))


def cross(a: Array, b: Array, dim: int) -> Array:
    """The cross products of vectors along `dim`."""
    a, b = np.broadcast_arrays(a, b)
    out = np.empty(a.shape, a.dtype)
    x, y, z = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0), np.moveaxis(out, dim, 0)
    for i in range(3):
        j, h = (i + 1) % 3, (i + 2) % 3
        z[i] = x[j] * y[h] - x[h] * y[j]
    return out


def adjoint(a: Array) -> Array:
    """The conjugate of the transposed matrices."""
    flipped = a.swapaxes(-1, -2)
    return np.conjugate(flipped) if a.dtype.kind == "c" else flipped


def conj(a: Array) -> Array:
    """The complex conjugate; a real array is returned as it is."""
    return np.conjugate(a) if a.dtype.kind == "c" else a
