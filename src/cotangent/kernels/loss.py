"""Losses over arrays. `reduction` is 0 for none, 1 for the mean, 2 for the sum."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from .. import lazy
from ..dtypes import SCALAR_NAME, from_numpy, promote_types
from ..errors import noted
from .activation import log_sigmoid
from .halves import in_float, is_half, wide
from .layout import as_chosen
from .sized import HEAVY, generated

loss_sums: Any = lazy.module("cotangent.kernels.loss_sums")


def reduced(values: Any, reduction: int) -> Any:
    """The losses of the elements, their mean or their sum."""
    if not reduction:
        return values
    total = np.add.reduce(values, axis=None)
    return np.asarray(total / values.dtype.type(values.size) if reduction == 1 else total)


def in_steps(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel`, its losses of 16-bit floats rounded after every step, as PyTorch's chains of operations are.

    The last argument says how to reduce, which is done in float32.
    """

    @wraps(kernel)
    def run(*args: Any) -> Any:
        d = args[0].dtype
        if not is_half(d):
            return kernel(*args)
        losses = np.asarray(kernel(*args[:-1], 0)).astype(d)
        return reduced(losses.astype(np.float32), args[-1]).astype(d) if args[-1] else losses

    return run


@in_float
def share(a: Any, count: float) -> Any:
    """a / count."""
    return np.divide(a, count, out=...)


def common_dtype(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """What PyTorch computes operands of two dtypes in."""
    return promote_types(from_numpy(a), from_numpy(b)).np


def together(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` of two operands, which may have different dtypes."""

    @wraps(kernel)
    def run(a: Any, b: Any, *statics: Any) -> Any:
        if a.dtype == b.dtype:
            return kernel(a, b, *statics)
        d = common_dtype(a.dtype, b.dtype)
        return kernel(a.astype(d, copy=False), b.astype(d, copy=False), *statics)

    return run


def _total_of_squares(d: Any) -> Any:
    flat = d.reshape(-1)
    return np.dot(flat, flat)


@together
@in_steps
def mse(a: Any, b: Any, reduction: int) -> Any:
    """(a - b)^2."""
    d = np.subtract(a, b, out=...)
    if not reduction:
        return as_chosen(np.multiply(d, d, out=d), (a, b))
    total = _total_of_squares(d)
    return np.asarray(total / d.dtype.type(d.size) if reduction == 1 else total)


@together
@in_float
def smooth_l1(a: Any, b: Any, reduction: int, beta: float) -> Any:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere."""
    if a.ndim and a.shape == b.shape and generated(a, HEAVY, b):
        found = loss_sums.lost("smooth_l1", (a, b), (beta,), reduction)
        return found if reduction else as_chosen(found, (a, b))
    d = np.abs(np.subtract(a, b), out=...)
    near = np.minimum(d, beta)
    d -= near
    near *= near
    near *= 0.5 / beta
    d += near
    return reduced(d, reduction) if reduction else as_chosen(d, (a, b))


def huber(a: Any, b: Any, reduction: int, delta: float) -> Any:
    """d^2 / 2 where |d| <= delta, delta * (|d| - delta / 2) elsewhere; in the dtype of `a`.

    Raises:
        RuntimeError: if that is no floating-point one.
    """
    if a.dtype.kind in "biu":
        wider = SCALAR_NAME[from_numpy(common_dtype(a.dtype, b.dtype))]
        own = SCALAR_NAME[from_numpy(a.dtype)]
        raise RuntimeError(f"result type {wider} can't be cast to the desired output type {own}")
    found = _huber(a, b, reduction, delta)
    if not reduction:
        found = as_chosen(found, (a, b))
    return found if found.dtype == a.dtype else found.astype(a.dtype)


@together
@in_float
def _huber(a: Any, b: Any, reduction: int, delta: float) -> Any:
    if a.ndim and a.shape == b.shape and generated(a, HEAVY, b):
        return loss_sums.lost("huber", (a, b), (delta,), reduction)
    d = np.abs(np.subtract(a, b), out=...)
    near = np.minimum(d, delta)
    d -= near
    d *= delta
    near *= near
    near *= 0.5
    d += near
    return reduced(d, reduction)


@in_steps
def soft_margin(a: Any, y: Any, reduction: int) -> Any:
    """log(1 + exp(-y a)), infinite in 16 bits as soon as the exponential is."""
    if is_half(a.dtype):
        return np.log1p(np.exp(-(y * a)))
    return reduced(np.negative(log_sigmoid(np.multiply(y, a)), out=...), reduction)


@in_float
def binary_cross_entropy(p: Any, y: Any, weight: Any, reduction: int) -> Any:
    """-(y log p + (1 - y) log(1 - p)), logarithms cut off at -100 as PyTorch does.

    Raises:
        RuntimeError: if an element of `p` is no probability.
    """
    if p.size and not (np.min(p) >= 0 and np.max(p) <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    right = np.maximum(np.log(p), -100.0, out=...)
    wrong = np.maximum(np.log1p(-p), -100.0, out=...)
    right -= wrong
    right *= y
    right += wrong
    if weight is not None:
        right = np.multiply(right, weight, out=...)
    return reduced(np.negative(right, out=right), reduction)


@in_steps
def binary_cross_entropy_with_logits(a: Any, y: Any, weight: Any, pos_weight: Any, reduction: int) -> Any:
    """(1 - y) a - (1 + (pos_weight - 1) y) log(sigmoid(a)): `binary_cross_entropy` of sigmoid(a)."""
    one = a.dtype.type(1)  # a Python number would widen bfloat16
    t = log_sigmoid(wide(a)).astype(a.dtype, copy=False)
    if pos_weight is not None:
        t = t * ((pos_weight - one) * y + one)
    found = np.subtract(one, y, out=...)
    found = found * a
    found = np.subtract(found, t, out=...)
    if weight is not None:
        found = found * weight
    return reduced(found, reduction)


# -- classes ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _count(n: int) -> Any:
    return np.arange(n)


def _places(target: Any, dim: int) -> tuple[Any, ...]:
    """The index tuple of each target's class in an array of classes along `dim`."""
    if not dim:
        return (target,)
    if target.ndim == 1:
        return (_count(len(target)), target)
    grids = np.ogrid[tuple(slice(n) for n in target.shape)]
    return (grids[0], target, *grids[1:])


def _checked(target: Any, classes: int, ignore_index: int) -> tuple[Any, Any]:
    """(targets as indices, mask of those to ignore or None).

    Raises:
        IndexError: for a class that does not exist.
    """
    if not target.size:
        return target, None
    if target.dtype != np.int64:
        target = target.astype(np.int64)
    # Negative numbers are large ones to the unsigned type: one pass sees to both bounds.
    if np.maximum.reduce(target.view(np.uint64), None) < classes and not 0 <= ignore_index < classes:
        return target, None
    ignored = target == ignore_index
    wrong = ((target < 0) | (target >= classes)) & ~ignored
    if wrong.any():
        found = target[wrong][0]
        error = IndexError(f"Target {found} is out of bounds.")
        raise noted(error, "target_range", classes=classes, last=classes - 1, found=found)
    return (np.where(ignored, 0, target), ignored) if ignored.any() else (target, None)


def _weights(target: Any, ignored: Any, weight: Any, dtype: Any) -> Any:
    """The weight of each element; None if all are one."""
    if weight is None:
        return None if ignored is None else np.logical_not(ignored).astype(dtype)
    found = np.asarray(weight[target])
    if ignored is not None:
        found = np.where(ignored, found.dtype.type(0), found)
    return found


@in_float
def nll(a: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
    """Minus the element of each target's class, weighted; the mean is over the weights."""
    dim = 1 if a.ndim > 1 else 0
    index, ignored = _checked(target, a.shape[dim], ignore_index)
    picked = a[_places(index, dim)]
    w = _weights(index, ignored, weight, a.dtype) if weight is not None or ignored is not None else None
    if w is None and reduction and picked.ndim:  # the sign last
        total = -np.add.reduce(picked, None)
        return np.asarray(total / a.dtype.type(picked.size) if reduction == 1 else total)
    picked = np.negative(picked, out=...)
    if w is not None:
        picked *= w
        if ignored is not None:
            picked[ignored] = 0
    if not reduction:
        return picked
    total = np.add.reduce(picked, axis=None)
    if reduction == 1:
        total = total / a.dtype.type(picked.size if w is None else np.add.reduce(w, axis=None))
    return np.asarray(total)


@in_float
def nll_backward(
    g: Any, target: Any, weight: Any, shape: tuple[int, ...], reduction: int, ignore_index: int
) -> Any:
    """The transpose of `nll`: -weight * g at each target's class, zeros elsewhere."""
    dim = 1 if len(shape) > 1 else 0
    index, ignored = _checked(target, shape[dim], ignore_index)
    w = _weights(index, ignored, weight, g.dtype)
    if reduction == 1:
        g = g / g.dtype.type(target.size if w is None else np.add.reduce(w, axis=None))
    value = np.negative(g, out=...)
    if w is not None:
        value = value * w
        if ignored is not None:
            value = np.where(ignored, value.dtype.type(0), value)
    found = np.zeros(shape, g.dtype)
    found[_places(index, dim)] = value
    return found
