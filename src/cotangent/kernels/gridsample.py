"""Reading images at arbitrary places, with the slopes of every order, and the transpose of that.

An image (N, C, *sizes) is read at places (N, *out, D) between -1 and 1. Along each dimension a place becomes
a few taps: positions with weights that are piecewise polynomials of the coordinate. `orders` says how often
the weights along each dimension are differentiated; that is all a derivative of any order needs.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any, Final

import numpy as np

from .halves import in_float

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Sizes = tuple[int, ...]
Taps = list[tuple[Array, Array]]

_CUBIC: Final = -0.75
# Outside of every image, for coordinates that no integer holds.
_NOWHERE: Final = -100.0


def _reflected(u: Array, low: float, high: float) -> tuple[Array, Array]:
    """(u folded into [low, high], its slope)."""
    span = high - low
    if span <= 0:
        return np.zeros_like(u), np.zeros_like(u)
    distance = np.abs(u - low)
    turns = np.floor(distance / span)
    rest = distance - turns * span
    even = turns % 2 == 0
    slope = np.where(u < low, -1, 1) * np.where(even, 1, -1)
    return np.where(even, rest + low, high - rest), slope.astype(u.dtype)


def _clipped(u: Array, n: int) -> tuple[Array, Array]:
    inside = (u > 0) & (u < n - 1)
    return np.clip(u, 0, n - 1), inside.astype(u.dtype)


def _within(u: Array, n: int, padding: str, align: bool) -> tuple[Array, Array]:
    """(coordinates moved into the image as the padding wants, their slopes)."""
    if padding == "border":
        return _clipped(u, n)
    if padding == "reflection":
        folded, turned = _reflected(u, 0, n - 1) if align else _reflected(u, -0.5, n - 0.5)
        clipped, inside = _clipped(folded, n)
        return clipped, turned * inside
    return u, np.ones_like(u)


def _cubic_weight(k: int, t: Array, order: int) -> Array:
    """The weight of tap k (-1 to 2) at distance t behind tap 0, differentiated `order` times."""
    a = _CUBIC
    if k in (-1, 2):
        # a s^3 - 5 a s^2 + 8 a s - 4 a at distance s
        s, sign = (t + 1, 1.0) if k == -1 else (2 - t, -1.0)
        coefficients = np.array([a, -5 * a, 8 * a, -4 * a])
    else:
        s, sign = (t, 1.0) if k == 0 else (1 - t, -1.0)
        coefficients = np.array([a + 2, -(a + 3), 0.0, 1.0])
    found = np.polyval(np.polyder(coefficients, order) if order else coefficients, s)
    return np.asarray(found * sign**order, t.dtype)


def _taps(c: Array, n: int, mode: str, padding: str, align: bool, order: int) -> Taps:
    """Positions along a dimension of n elements and their weights, for normalised coordinates c."""
    ratio = c.dtype.type((n - 1) / 2 if align else n / 2)
    u = (c + 1) * ratio if align else (c + 1) * ratio - c.dtype.type(0.5)
    slope: Any = ratio
    if mode != "bicubic":
        u, inner = _within(u, n, padding, align)
        slope = ratio * inner
    u = np.where(np.abs(u) < 2**30, u, c.dtype.type(_NOWHERE))  # nan is nowhere, too
    found: Taps = []
    if mode == "nearest":
        if order:
            return []
        found = [(np.rint(u).astype(np.int64), np.ones_like(u))]
    elif mode == "bilinear":
        floor = np.floor(u)
        t = u - floor
        if order > 1:
            return []
        weights = (1 - t, t) if order == 0 else (-np.ones_like(t), np.ones_like(t))
        low = floor.astype(np.int64)
        found = [(low, weights[0]), (low + 1, weights[1])]
    else:
        floor = np.floor(u)
        t = u - floor
        if order > 3:
            return []
        for k in range(-1, 3):
            at, _ = _within(floor + k, n, padding, align)
            found.append((at.astype(np.int64), _cubic_weight(k, t, order)))
    factor = slope**order if order else None
    ready: Taps = []
    for at, weight in found:
        outside = (at < 0) | (at >= n)
        w = weight if factor is None else weight * factor
        ready.append((np.where(outside, 0, at), np.where(outside, 0, w).astype(c.dtype, copy=False)))
    return ready


def _places(grid: Array, sizes: Sizes, mode: str, padding: str, align: bool, orders: Sizes) -> Taps:
    """(flat positions (N, P), weights (N, P)) of all combinations of taps."""
    d = len(sizes)
    flat = grid.reshape(grid.shape[0], -1, d)
    along = [
        _taps(flat[..., d - 1 - a], sizes[a], mode, padding, align, orders[a]) for a in range(d)
    ]  # the first coordinate of a place is that of the last dimension
    steps = [math.prod(sizes[a + 1 :]) for a in range(d)]
    found: Taps = []
    for combination in product(*along):
        at: Any = 0
        weight: Any = None
        for (position, w), step in zip(combination, steps, strict=True):
            at = at + position * step
            weight = w if weight is None else weight * w
        found.append((at, weight))
    return found


@in_float
def sample(
    x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Sizes
) -> Array:
    """x (N, C, *sizes) at the places of grid (N, *out, D): (N, C, *out)."""
    n, c = x.shape[:2]
    sizes, out = x.shape[2:], grid.shape[1:-1]
    flat = x.reshape(n, c, math.prod(sizes))
    total = np.zeros((n, c, math.prod(out)), x.dtype)
    for at, weight in _places(grid, sizes, mode, padding, align, orders):
        total += np.take_along_axis(flat, at[:, None, :], 2) * weight[:, None, :]
    return total.reshape(n, c, *out)


@in_float
def sample_back(
    g: Array, grid: Array, sizes: Sizes, mode: str, padding: str, align: bool, orders: Sizes
) -> Array:
    """Transpose of `sample` in x."""
    n, c = g.shape[:2]
    volume = math.prod(sizes)
    flat = g.reshape(n, c, math.prod(g.shape[2:]))
    total = np.zeros((n, c, *sizes), g.dtype)
    rows = np.arange(n * c).reshape(n, c, 1) * volume
    for at, weight in _places(grid, sizes, mode, padding, align, orders):
        places = rows + at[:, None, :]
        np.add.at(total.reshape(-1), places.reshape(-1), (flat * weight[:, None, :]).reshape(-1))
    return total


def _base(size: Sizes, align: bool, d: Any) -> Array:
    """Coordinates between -1 and 1 of every place, last dimension first, and a 1: (places, D + 1)."""
    lines = []
    for n in size:
        line = np.linspace(-1, 1, n, dtype=d) if n > 1 else np.zeros(n, d)
        lines.append(line if align else line * d.type((n - 1) / n))
    mesh = np.meshgrid(*lines, indexing="ij")
    return np.stack([*[m.reshape(-1) for m in reversed(mesh)], np.ones(math.prod(size), d)], 1)


@in_float
def affine_grid(theta: Array, size: Sizes, align: bool) -> Array:
    """The places (N, *size, D) that affine maps (N, D, D + 1) take a regular grid to."""
    base = _base(size, align, theta.dtype)
    return np.matmul(base, theta.swapaxes(1, 2)).reshape(theta.shape[0], *size, len(size))


@in_float
def affine_grid_back(g: Array, align: bool) -> Array:
    """Transpose of `affine_grid`."""
    size = g.shape[1:-1]
    flat = g.reshape(g.shape[0], -1, len(size))
    return np.matmul(flat.swapaxes(1, 2), _base(size, align, g.dtype))
