"""Distances between all pairs of points."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .. import lazy
from .sized import generated, worthwhile

pair_sums: Any = lazy.module("cotangent.kernels.pair_sums")

Array = np.ndarray[Any, Any]
# Differences of that many numbers are held at a time.
_ROOM = 1 << 22


def cdist(a: Array, b: Array, p: float, by_products: bool) -> Array:
    """The distance of order p of every row of `a` to every row of `b`.

    Args:
        a: (..., n, m).
        b: (..., k, m), of the same batch shape.
        p: the order, not negative; 0 counts the coordinates that differ.
        by_products: whether |x - y|^2 is computed as |x|^2 - 2 x.y + |y|^2, by one product of matrices.
    """
    if by_products:
        left = np.concatenate((-2 * a, _squares(a), np.ones((*a.shape[:-1], 1), a.dtype)), -1)
        right = np.concatenate((b, np.ones((*b.shape[:-1], 1), b.dtype), _squares(b)), -1)
        return np.asarray(np.sqrt(np.maximum(left @ right.swapaxes(-1, -2), 0)))
    if a.shape[-1] and generated(a, 1, b) and worthwhile(a.size * b.shape[-2]):
        found: Array = pair_sums.lengths(a, b, p)
        return found
    out = np.empty((*a.shape[:-1], b.shape[-2]), a.dtype)
    step = max(1, _ROOM // max(1, math.prod(b.shape) * max(1, math.prod(out.shape[:-2]))))
    for i in range(0, a.shape[-2], step):
        sizes = np.abs(a[..., i : i + step, None, :] - b[..., None, :, :])
        out[..., i : i + step, :] = _length(sizes, p)
    return out


def _squares(a: Array) -> Array:
    return np.asarray((a * a).sum(-1, keepdims=True))


def _length(sizes: Array, p: float) -> Array:
    if not sizes.shape[-1]:
        return np.zeros(sizes.shape[:-1], sizes.dtype)
    if p == 0:
        return np.asarray(np.minimum(np.ceil(sizes), 1).sum(-1))
    if p == 1:
        return np.asarray(sizes.sum(-1))
    if p == 2:
        return np.asarray(np.sqrt((sizes * sizes).sum(-1)))
    if p == math.inf:
        return np.asarray(sizes.max(-1))
    return np.asarray(np.power(np.power(sizes, sizes.dtype.type(p)).sum(-1), sizes.dtype.type(1 / p)))


@lru_cache(16)
def _above(n: int) -> Array:
    """The flat positions of the elements above the diagonal."""
    return np.flatnonzero(np.arange(n)[:, None] < np.arange(n))


def pairs(square: Array) -> Array:
    """The elements above the diagonals, row by row."""
    n = square.shape[-1]
    return square.reshape(*square.shape[:-2], n * n).take(_above(n), -1)


def square(found: Array, n: int) -> Array:
    """Zeros with these elements above the diagonals: the transpose of `pairs`."""
    out = np.zeros((*found.shape[:-1], n * n), found.dtype)
    out[..., _above(n)] = found
    return out.reshape(*found.shape[:-1], n, n)


def pulled(g: Array, a: Array, b: Array) -> Array | None:
    """The cotangent of `a` from that of its distances of order 1 to `b`; None where there is no kernel."""
    if g.dtype != a.dtype or not g.size or not generated(a, 1, b) or not worthwhile(g.size):
        return None
    found: Array = pair_sums.pulled(g, a, b)
    return found
