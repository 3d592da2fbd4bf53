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

from .. import lazy
from .halves import in_float, is_half
from .layout import dense
from .sized import generated

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Sizes = tuple[int, ...]
Taps = list[tuple[Array, Array]]

sparse: Any = lazy.module("scipy.sparse")
mixing: Any = lazy.module("cotangent.kernels.mixing")
sample_taps: Any = lazy.module("cotangent.kernels.sample_taps")
_CUBIC: Final = -0.75
# Numbers from which launches are faster than NumPy and SciPy, step after step.
_FEW: Final = 64
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
    return np.clip(np.where(u == u, u, u.dtype.type(0)), 0, n - 1), inside.astype(u.dtype)  # nan is at 0


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
    flat = grid.reshape(grid.shape[0], math.prod(grid.shape[1:-1]), d)
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


def _stacked(grid: Array, sizes: Sizes, mode: str, padding: str, align: bool, orders: Sizes) -> Any:
    """(rows of all images (taps, places), their weights); None if there are no taps."""
    if generated(grid, _FEW):
        return sample_taps.taps(grid, sizes, mode, padding, align, orders)
    start = np.arange(grid.shape[0])[:, None] * math.prod(sizes)
    taps = _places(grid, sizes, mode, padding, align, orders)
    if not taps:
        return None
    rows = np.stack([(at + start).reshape(-1) for at, _ in taps])
    return rows, np.stack([weight.reshape(-1) for _, weight in taps])


def _matrix(taps: tuple[Array, Array], height: int) -> Any:
    """The weights as a sparse matrix (places, elements of all images), without taps outside of images."""
    rows, weights = taps
    places = np.tile(np.arange(rows.shape[1]), len(rows))
    used = (weights != 0).reshape(-1)
    entries = weights.reshape(-1)[used], (places[used], rows.reshape(-1)[used])
    return sparse.csr_matrix(entries, shape=(rows.shape[1], height))


def _channels_last(a: Array) -> Array:
    """(N, C, ...) as a matrix with a row of channels for every place."""
    n, c = a.shape[:2]
    places = math.prod(a.shape[2:])
    moved = a.reshape(n, c, places).swapaxes(1, 2)
    return (moved if moved.flags.c_contiguous else dense(moved)).reshape(n * places, c)


def _channels_second(rows: Array, n: int, sizes: Sizes) -> Array:
    """The reverse of `_channels_last`."""
    c = rows.shape[1]
    return dense(rows.reshape(n, math.prod(sizes), c).swapaxes(1, 2)).reshape(n, c, *sizes)


def sample(
    x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Sizes
) -> Array:
    """x (N, C, *sizes) at the places of grid (N, *out, D): (N, C, *out)."""
    if is_half(x.dtype) and not any(orders):
        found = _Rounded(x, grid, padding, align).read(mode)
        return found.reshape(*x.shape[:2], *grid.shape[1:-1])
    return _sampled(x, grid, mode, padding, align, orders)


@in_float
def _sampled(
    x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Sizes
) -> Array:
    taps = _stacked(grid, x.shape[2:], mode, padding, align, orders)
    n, out = x.shape[0], grid.shape[1:-1]
    if taps is None:
        return np.zeros((*x.shape[:2], *out), x.dtype)
    images = _channels_last(x)
    if generated(images, _FEW, taps[1]):
        mixed = mixing.mixed(images, *taps)
    else:
        mixed = _matrix(taps, len(images)) @ images
    found = _channels_second(mixed, n, out)
    if mode == "bicubic" or (mode == "bilinear" and padding == "zeros" and x.ndim == 4):
        known = np.isfinite(grid).all(-1)
        if not known.all():  # there is no weight for a place that is no number
            found = np.where(known[:, None], found, x.dtype.type(np.nan))
    return found


@in_float
def sample_back(
    g: Array, grid: Array, sizes: Sizes, mode: str, padding: str, align: bool, orders: Sizes
) -> Array:
    """Transpose of `sample` in x."""
    taps = _stacked(grid, sizes, mode, padding, align, orders)
    if taps is None:
        return np.zeros((*g.shape[:2], *sizes), g.dtype)
    height, rows = g.shape[0] * math.prod(sizes), _channels_last(g)
    if generated(rows, _FEW, taps[1]):
        return _channels_second(mixing.mixed_back(rows, *taps, height), g.shape[0], sizes)
    return _channels_second(_matrix(taps, height).T @ rows, g.shape[0], sizes)


def slopes(
    g: Array, x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Sizes
) -> Array | None:
    """The gradient in the grid of <g, sample(x, grid)>, (N, *out, D); None without a kernel."""
    d = len(orders)
    alike = g.dtype == x.dtype == grid.dtype and g.dtype in (np.float32, np.float64)
    if not (alike and generated(grid, _FEW) and generated(x, _FEW) and np.isfinite(grid).all()):
        return None
    images, wanted = _channels_last(x), _channels_last(g)
    found = np.zeros(grid.shape, grid.dtype)
    for i in range(d):
        more = tuple([o + (a == d - 1 - i) for a, o in enumerate(orders)])
        taps = sample_taps.taps(grid, x.shape[2:], mode, padding, align, more)
        if taps is not None:
            found[..., i] = mixing.dotted(images, *taps, wanted).reshape(grid.shape[:-1])
    return found


class _Rounded:
    """Reading images of 16-bit floats as PyTorch does, which rounds after every step, in its order."""

    def __init__(self, x: Array, grid: Array, padding: str, align: bool) -> None:
        self.sizes = x.shape[2:]
        self.d = len(self.sizes)
        self.kind = x.dtype.type
        self.flat = x.reshape(*x.shape[:2], math.prod(self.sizes))
        self.padding, self.align = padding, align
        places = grid.reshape(grid.shape[0], math.prod(grid.shape[1:-1]), self.d)
        # Coordinates in elements; the first is that of the last dimension.
        self.at = [self._unnormalized(places[..., i], self.sizes[self.d - 1 - i]) for i in range(self.d)]

    def _unnormalized(self, c: Array, n: int) -> Array:
        k = self.kind
        if self.d == 3:
            if self.align:
                return (c + k(1)) / k(2) * k(n - 1)
            return ((c + k(1)) * k(n) - k(1)) / k(2)
        scaled = (c + k(1)) * k((n - 1) / 2 if self.align else n / 2)
        return scaled if self.align else scaled - k(0.5)

    def _within(self, u: Array, i: int) -> Array:
        moved = _within(u, self.sizes[self.d - 1 - i], self.padding, self.align)[0]
        return moved.astype(u.dtype)

    def _taken(self, at: list[Array]) -> Array:
        """The elements at whole coordinates, zero outside: (N, C, places)."""
        flat: Any = 0
        inside: Any = True
        for i in range(self.d - 1, -1, -1):
            n = self.sizes[self.d - 1 - i]
            inside = inside & (at[i] >= 0) & (at[i] < n)
            flat = flat * n + np.clip(at[i], 0, n - 1)
        values = np.take_along_axis(self.flat, flat[:, None, :], 2)
        return np.where(inside[:, None, :], values, self.kind(0))

    def read(self, mode: str) -> Array:
        """(N, C, places)."""
        if mode == "bicubic":
            return self._cubic()
        near = [self._within(u, i) for i, u in enumerate(self.at)]
        if mode == "nearest":
            return self._taken([np.rint(_whole(u)).astype(np.int64) for u in near])
        lows = [np.floor(u) for u in near]
        parts = []
        for corner in product((0, 1), repeat=self.d):
            weight: Any = None
            for i, high in enumerate(reversed(corner)):
                share = near[i] - lows[i] if high else (lows[i] + self.kind(1)) - near[i]
                weight = share if weight is None else weight * share
            ends = zip(lows, reversed(corner), strict=True)
            values = self._taken([_whole(low).astype(np.int64) + high for low, high in ends])
            if self.d == 3:  # of volumes PyTorch leaves out what lies outside, whatever its weight
                weight = np.where(np.isfinite(weight), weight, self.kind(0))
            parts.append(values * weight[:, None, :])
        return sum(parts[1:], parts[0])

    def _cubic(self) -> Array:
        lows = [np.floor(u) for u in self.at]
        across, down = (self._cubic_weights(u - low) for u, low in zip(self.at, lows, strict=True))
        rows = []
        for j in range(4):
            y = self._within(lows[1] + self.kind(j - 1), 1)
            terms = []
            for i in range(4):
                x = self._within(lows[0] + self.kind(i - 1), 0)
                values = self._taken([_whole(x).astype(np.int64), _whole(y).astype(np.int64)])
                terms.append(values * across[i][:, None, :])
            rows.append(sum(terms[1:], terms[0]) * down[j][:, None, :])
        return sum(rows[1:], rows[0])

    def _cubic_weights(self, t: Array) -> tuple[Array, ...]:
        k = self.kind
        a, one = k(_CUBIC), k(1)

        def near(s: Array) -> Array:
            return (k(_CUBIC + 2) * s - k(_CUBIC + 3)) * s * s + one

        def far(s: Array) -> Array:
            return ((a * s - k(5 * _CUBIC)) * s + k(8 * _CUBIC)) * s - k(4 * _CUBIC)

        rest = one - t
        return far(t + one), near(t), near(rest), far(rest + one)


def _whole(u: Array) -> Array:
    """Coordinates in float32, those that no integer holds far outside."""
    wide = u.astype(np.float32)
    return np.where(np.abs(wide) < 2**30, wide, np.float32(_NOWHERE))


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
