"""Counting values in bins."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def limits(a: Array, low: float, high: float) -> tuple[float, float]:
    """The range of a histogram: as given, or that of the data if both ends are equal; never empty."""
    if low == high and a.size:
        low, high = float(a.min()), float(a.max())
    return (low - 1, high + 1) if low == high else (low, high)


def histc(a: Array, bins: int, low: float, high: float) -> Array:
    """How many elements lie in each of `bins` equal intervals; those outside and nan are left out."""
    low, high = limits(a, low, high)
    values = a.reshape(-1)
    values = values[(values >= low) & (values <= high)]
    size = values.dtype.type(high) - values.dtype.type(low)
    places = ((values - values.dtype.type(low)) * values.dtype.type(bins) / size).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(a.dtype)


def edges(points: Array, direction: int, bins: int, ends: tuple[float, float] | None) -> Array:
    """The edges of `bins` equal intervals over the range of one direction, spaced from both ends."""
    x = points[:, direction]
    if ends is None:
        ends = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if not (np.isfinite(ends[0]) and np.isfinite(ends[1])):
        raise RuntimeError(
            f"torch.histogramdd: dimension {direction}'s range [{ends[0]:g}, {ends[1]:g}] is not finite"
        )
    low, high = ends if ends[0] < ends[1] else (ends[0] - 0.5, ends[1] + 0.5)
    a, b = x.dtype.type(low), x.dtype.type(high)
    step = (b - a) / x.dtype.type(bins)
    i = np.arange(bins + 1)
    up, down = a + step * i.astype(x.dtype), b - step * (bins - i).astype(x.dtype)
    return np.asarray(np.where(i < (bins + 1) // 2, up, down), x.dtype)


def histogram(points: Array, weight: Array | None, edges: tuple[Array, ...], density: bool) -> Array:
    """How many points, or which weight, fall in each cell of a grid; its last edges belong to it.

    Args:
        points: (n, d).
        weight: (n,).
        edges: ascending ones of each of the d directions.
        density: divide by the total and by the cells' sizes.
    """
    shape = tuple(len(e) - 1 for e in edges)
    inside = np.ones(len(points), bool)
    place = np.zeros(len(points), np.int64)
    for k, e in enumerate(edges):
        x = points[:, k]
        at = np.searchsorted(e, x, "right") - 1
        at = np.where(x == e[-1], shape[k] - 1, at)
        inside &= (x >= e[0]) & (x <= e[-1])
        place = place * shape[k] + at
    weights = None if weight is None else weight[inside]
    counts = np.bincount(place[inside], weights, minlength=int(np.prod(shape)))
    found = counts.astype(points.dtype).reshape(shape)
    if density:
        size = found.sum()
        for k, e in enumerate(edges):
            along = [1] * len(shape)
            along[k] = -1
            size = size * np.diff(e).reshape(along)
        with np.errstate(all="ignore"):
            found = found / size
    return np.asarray(found.astype(points.dtype))
