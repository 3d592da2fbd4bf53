"""Softmax and its logarithm over arrays, and their derivatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import in_float, is_half
from .sized import HEAVY, generated

rowwise: Any = lazy.module("cotangent.kernels.rowwise")

# Longer columns than this (along a dimension that is not the last) fall out of the cache between passes.
_COLUMN: Final = 1024


def _by_rows(a: Any, dim: int, *others: Any) -> bool:
    """Whether a generated kernel passes over rows (or short columns) of this array."""
    if not a.ndim or (dim != a.ndim - 1 and a.shape[dim] > _COLUMN):
        return False
    return generated(a, HEAVY, *others)


def softmax(a: Any, dim: int) -> Any:
    """exp(a) over its sum along `dim`, shifted by the maximum so that nothing overflows."""
    if _by_rows(a, dim):
        return rowwise.softmax(a, dim)
    return _softmax(a, dim)


@in_float
def _softmax(a: Any, dim: int) -> Any:
    if not a.size:
        return a.copy()
    axis = dim if a.ndim else None
    t = np.subtract(a, np.maximum.reduce(a, axis, None, None, True), out=..., order="C")
    np.exp(t, t)
    return np.divide(t, np.add.reduce(t, axis, None, None, True), t)


def log_softmax(a: Any, dim: int) -> Any:
    """The logarithm of `softmax`; along the last dimension PyTorch keeps sums of 16-bit floats in 16 bits."""
    if not is_half(a.dtype) and _by_rows(a, dim):
        return rowwise.log_softmax(a, dim)
    if not a.size:
        return a.copy()
    given = a.dtype
    axis = dim if a.ndim else None
    if is_half(given):
        a = a.astype(np.float32)
    t = np.subtract(a, np.maximum.reduce(a, axis, None, None, True), out=..., order="C")
    total = np.add.reduce(np.exp(t), axis, None, None, True)
    if is_half(given) and dim == a.ndim - 1:
        total = total.astype(given).astype(np.float32)
    return np.subtract(t, np.log(total), t).astype(given, copy=False)


def softmax_backward(g: Any, y: Any, dim: int) -> Any:
    """y * (g - sum(g * y)), where y = softmax(a)."""
    if _by_rows(y, dim, g):
        return rowwise.softmax_backward(g, y, dim)
    return _softmax_backward(g, y, dim)


@in_float
def _softmax_backward(g: Any, y: Any, dim: int) -> Any:
    t = np.multiply(g, y, out=...)
    total = np.add.reduce(t, axis=dim if y.ndim else None, keepdims=True)
    np.subtract(g, total, out=t)
    t *= y
    return t


def log_softmax_backward(g: Any, y: Any, dim: int) -> Any:
    """g - exp(y) * sum(g), where y = log_softmax(a)."""
    if _by_rows(y, dim, g):
        return rowwise.log_softmax_backward(g, y, dim)
    return _log_softmax_backward(g, y, dim)


@in_float
def _log_softmax_backward(g: Any, y: Any, dim: int) -> Any:
    t = np.exp(y, out=...)
    t *= np.add.reduce(g, axis=dim if y.ndim else None, keepdims=True)
    return np.subtract(g, t, out=t)
