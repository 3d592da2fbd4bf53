"""Normalisation of the last dimensions of arrays to mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .halves import in_float


def _last(ndim: int, count: int) -> int | tuple[int, ...]:
    return -1 if count == 1 else tuple(range(ndim - count, ndim))


def _size(a: Any, count: int) -> Any:
    return a.dtype.type(math.prod(a.shape[a.ndim - count :]))


def _standard(a: Any, count: int, eps: float) -> tuple[Any, Any]:
    """(the array with mean 0 and variance 1 over its last `count` dimensions, 1 / sqrt(variance + eps))."""
    axes = _last(a.ndim, count)
    n = _size(a, count)
    mean = np.add.reduce(a, axes, None, None, True)
    mean /= n
    t = np.subtract(a, mean, out=...)
    spread = np.add.reduce(np.multiply(t, t), axes, None, None, True)
    spread /= n
    spread += eps
    np.sqrt(spread, spread)
    np.reciprocal(spread, spread)
    t *= spread
    return t, spread


@in_float
def standard(a: Any, count: int, eps: float) -> Any:
    """(a - mean) / sqrt(variance + eps)."""
    return _standard(a, count, eps)[0]


@in_float
def inverse_spread(a: Any, count: int, eps: float) -> Any:
    """1 / sqrt(variance + eps), the reduced dimensions kept."""
    return _standard(a, count, eps)[1]


@in_float
def standard_backward(g: Any, a: Any, count: int, eps: float) -> Any:
    """The (symmetric) Jacobian of `standard` at `a` applied to g: r * (g - mean(g) - h * mean(g * h))."""
    h, r = _standard(a, count, eps)
    axes = _last(a.ndim, count)
    n = _size(a, count)
    t = np.multiply(g, h, out=...)
    along = np.add.reduce(t, axes, None, None, True)
    along /= n
    h *= along
    mean = np.add.reduce(g, axes, None, None, True)
    mean /= n
    np.subtract(g, mean, out=t)
    t -= h
    t *= r
    return t


@in_float
def layer_norm(a: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
    """`standard`, scaled and shifted."""
    t = _standard(a, count, eps)[0]
    if weight is not None:
        t *= weight
    if bias is not None:
        t += bias
    return t
