"""Pooling of arrays: the last dimensions are spatial, any others come before them."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from .. import lazy
from .halves import in_float
from .sized import generated

picking: Any = lazy.module("cotangent.kernels.picking")
window_tops: Any = lazy.module("cotangent.kernels.window_tops")

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Sizes = tuple[int, ...]
Pair = tuple[Array, Array]


def pooled_sizes(
    sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: bool
) -> Sizes:
    """How many windows there are along each dimension."""
    found = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        out = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1
        if ceil and (out - 1) * s >= n + p:
            out -= 1  # the last window would begin in the padding
        found.append(out)
    return tuple(found)


def _lowest(d: Any) -> Any:
    """What no element is below."""
    return np.iinfo(d).min if d.kind in "iu" else -np.inf


def _reach(n: int, k: int, s: int, p: int, d: int, out: int) -> int:
    """How far windows reach beyond the end of a dimension."""
    return max((out - 1) * s + d * (k - 1) + 1 - n - p, 0)


def _framed(
    a: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes, fill: Any
) -> Array:
    """`a` with borders of `fill` as wide as windows need them; itself if they need none."""
    sizes = a.shape[a.ndim - len(kernel) :]
    high = [_reach(*row) for row in zip(sizes, kernel, stride, padding, dilation, out, strict=True)]
    if not any(padding) and not any(high):
        return a
    lead = a.shape[: a.ndim - len(kernel)]
    whole = tuple(n + p + h for n, p, h in zip(sizes, padding, high, strict=True))
    frame: Array = np.full((*lead, *whole), fill, a.dtype)
    frame[(..., *[slice(p, p + n) for n, p in zip(sizes, padding, strict=True)])] = a
    return frame


def _at(place: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> Any:
    """Where the elements at one place of all windows are."""
    return (
        ...,
        *[
            slice(i * d, i * d + (o - 1) * s + 1, s)
            for i, s, d, o in zip(place, stride, dilation, out, strict=True)
        ],
    )


def _outer_sum(parts: list[Array]) -> Array:
    """The sum of one vector for each dimension, over all combinations."""
    total = np.zeros((), np.int64)
    for part in parts:
        total = total[..., None] + part
    return total


def _steps(sizes: Sizes) -> Sizes:
    """By how much a flat position grows along each dimension."""
    return tuple(math.prod(sizes[i + 1 :]) for i in range(len(sizes)))


# Elements from which a launch is faster than the dozens of steps that NumPy needs.
_FEW = 32


def _tops(a: Array, windows: list[Any]) -> Pair:
    """(largest element of each window, its flat position), by a kernel over planes or lines."""
    d = len(windows)
    if d == 1:
        windows = [window_tops.windows(1, 1, 1, 0, 1, 1), *windows]
    height, width = a.shape[-2:] if d == 2 else (1, a.shape[-1])
    planes = np.ascontiguousarray(a).reshape(-1, height, width)
    shape = (*a.shape[: a.ndim - d], *[len(w[0]) for w in windows[2 - d :]])
    best, index = window_tops.tops(planes, *windows)
    return best.reshape(shape), index.reshape(shape)


@in_float
def max_pool(a: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: bool) -> Pair:
    """(largest element of each window, its flat position among the spatial dimensions)."""
    sizes = a.shape[a.ndim - len(kernel) :]
    out = pooled_sizes(sizes, kernel, stride, padding, dilation, ceil)
    if len(sizes) < 3 and a.size and generated(a, _FEW):
        along = zip(sizes, kernel, stride, padding, dilation, out, strict=True)
        return _tops(a, [window_tops.windows(*row) for row in along])
    frame = _framed(a, kernel, stride, padding, dilation, out, _lowest(a.dtype))
    steps = _steps(sizes)
    starts, firsts = [], []
    for o, s, p, d, step in zip(out, stride, padding, dilation, steps, strict=True):
        start = np.arange(o) * s - p
        starts.append(start * step)
        firsts.append((start + np.maximum(-(start // d), 0) * d) * step)
    origin = _outer_sum(starts)
    best = np.empty((*a.shape[: a.ndim - len(kernel)], *out), a.dtype)
    places = list(product(*map(range, kernel)))
    # Which place of its window the largest element has, the last of those that were larger than all before.
    # Masked copies would be several times slower than a product and a maximum.
    number: Array = np.zeros(best.shape, np.uint8 if len(places) < 256 else np.int64)
    count = number.dtype.type
    best[...] = frame[_at(places[0], stride, dilation, out)]
    above = np.empty(best.shape, bool)
    for k, place in enumerate(places[1:], 1):
        values = frame[_at(place, stride, dilation, out)]
        np.greater(values, best, out=above)
        np.maximum(number, np.multiply(above, count(k), dtype=number.dtype), out=number)
        np.maximum(best, values, out=best)
    if a.dtype.kind == "f" and not (best == best).all():
        for k, place in enumerate(places):  # the last nan of a window is the one that counts
            values = frame[_at(place, stride, dilation, out)]
            np.copyto(number, count(k), where=values != values)
    offsets: Array = np.array(
        [sum(i * d * n for i, d, n in zip(place, dilation, steps, strict=True)) for place in places]
    )
    index = offsets.take(number)
    index += origin
    if any(padding):  # windows of nothing but the lowest value take the first place inside
        np.copyto(index, _outer_sum(firsts), where=number == 0)
    return best, index


def _rows(index: Array, spatial: int) -> tuple[int, Array]:
    rows = math.prod(index.shape[: index.ndim - spatial])
    return rows, index.reshape(rows, math.prod(index.shape[index.ndim - spatial :]))


@in_float
def scatter_windows(g: Array, index: Array, sizes: Sizes, adds: bool) -> Array:
    """Zeros with g at flat positions of the spatial dimensions; what meets adds up, or the last one stays."""
    rows, flat = _rows(index, len(sizes))
    volume = math.prod(sizes)
    out = np.zeros((*g.shape[: g.ndim - len(sizes)], *sizes), g.dtype)
    if generated(g, _FEW) and flat.max() < volume:
        lines = np.ascontiguousarray(g).reshape(flat.shape)
        picking.put(out.reshape(rows, volume), flat, lines, 1, "sum" if adds else "last")
        return out
    places = (flat + np.arange(rows)[:, None] * volume).reshape(-1)
    if adds:
        outside = flat.reshape(-1) >= volume  # of windows that lie in the padding entirely
        if outside.any():
            np.add.at(out.reshape(-1), places[~outside], g.reshape(-1)[~outside])
        else:
            np.add.at(out.reshape(-1), places, g.reshape(-1))
    else:
        out.reshape(-1)[places] = g.reshape(-1)
    return out


def gather_windows(a: Array, index: Array, spatial: int) -> Array:
    """The elements at flat positions of the spatial dimensions: the transpose of `scatter_windows`."""
    rows, flat = _rows(index, spatial)
    volume = math.prod(a.shape[a.ndim - spatial :])
    outside = flat >= volume
    places = (np.where(outside, 0, flat) + np.arange(rows)[:, None] * volume).reshape(-1)
    found = a.reshape(-1)[places].reshape(index.shape)
    return np.where(outside.reshape(index.shape), found.dtype.type(0), found) if outside.any() else found


# -- averages --------------------------------------------------------------------------------------------


def _counts(n: int, k: int, s: int, p: int, out: int, include: bool) -> Array:
    """How many elements each window of a dimension counts."""
    start = np.arange(out) * s - p
    stop = np.minimum(start + k, n + p)
    if include:
        return stop - start
    return np.minimum(stop, n) - np.maximum(start, 0)


def _divisor(
    sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, out: Sizes, include: bool, override: Any
) -> Any:
    """What sums over windows are divided by: a number or an array over windows."""
    if override is not None:
        return override
    if not any(padding) and all(
        (o - 1) * s + k <= n for n, k, s, o in zip(sizes, kernel, stride, out, strict=True)
    ):
        return math.prod(kernel)
    total: Array = np.ones((), np.int64)
    for row in zip(sizes, kernel, stride, padding, out, strict=True):
        total = total[..., None] * _counts(*row, include)
    return total


def _divided(a: Array, by: Any) -> Array:
    if a.dtype.kind in "iu":
        return np.asarray(np.sign(a) * np.sign(by) * (np.abs(a) // np.abs(by)), a.dtype)
    return np.divide(a, np.asarray(by, a.dtype), out=a)


@in_float
def avg_pool(
    a: Array, kernel: Sizes, stride: Sizes, padding: Sizes, ceil: bool, include: bool, override: Any
) -> Array:
    """The mean of each window."""
    d = len(kernel)
    one = (1,) * d
    sizes = a.shape[a.ndim - d :]
    out = pooled_sizes(sizes, kernel, stride, padding, one, ceil)
    sums = _framed(a, kernel, stride, padding, one, out, 0)
    for axis in range(d):  # sums over a box are sums over its edges in turn
        sums = _edge_sums(sums, a.ndim - d + axis, kernel[axis], stride[axis], out[axis])
    if sums is a:
        sums = a.copy()
    return _divided(sums, _divisor(sizes, kernel, stride, padding, out, include, override))


def _edge_sums(a: Array, axis: int, k: int, s: int, out: int) -> Array:
    """Sums of k neighbours along one dimension, every s-th of them."""
    if k == 1 and s == 1 and out == a.shape[axis]:
        return a
    lead = (slice(None),) * axis
    if out == 1:
        return np.asarray(np.add.reduce(a[(*lead, slice(0, k))], axis, a.dtype, None, True))
    total = a[(*lead, slice(0, (out - 1) * s + 1, s))].copy()
    for i in range(1, k):
        total += a[(*lead, slice(i, i + (out - 1) * s + 1, s))]
    return total


@in_float
def avg_pool_backward(
    g: Array, sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, ceil: bool, include: bool,
    override: Any,
) -> Array:  # fmt: skip
    """Transpose of `avg_pool`."""
    d = len(kernel)
    lead = g.ndim - d
    out = g.shape[lead:]
    shares = g / np.asarray(_divisor(sizes, kernel, stride, padding, out, include, override), g.dtype)
    for axis in range(d - 1, -1, -1):
        n, k, s, p, o = sizes[axis], kernel[axis], stride[axis], padding[axis], out[axis]
        before = (slice(None),) * (lead + axis)
        length = n + p + _reach(n, k, s, p, 1, o)
        shape = shares.shape
        whole = np.zeros((*shape[: lead + axis], length, *shape[lead + axis + 1 :]), g.dtype)
        for i in range(k):
            whole[(*before, slice(i, i + (o - 1) * s + 1, s))] += shares
        shares = whole[(*before, slice(p, p + n))]
    return np.ascontiguousarray(shares)


# -- windows of changing size ----------------------------------------------------------------------------


def adaptive_bounds(n: int, out: int) -> tuple[list[int], list[int]]:
    """(starts, stops) of `out` windows that cover n elements evenly."""
    return [i * n // out for i in range(out)], [-(-(i + 1) * n // out) for i in range(out)]


@lru_cache(256)
def _even(n: int, out: int) -> Any:
    """`adaptive_bounds` as `window_tops` takes them."""
    starts, stops = (np.array(ends, np.int32) for ends in adaptive_bounds(n, out))
    return starts, stops - starts, 1, int((stops - starts).max())


@in_float
def adaptive_max_pool(a: Array, out: Sizes) -> Pair:
    """`max_pool` with windows that cover the spatial dimensions evenly."""
    d = len(out)
    sizes = a.shape[a.ndim - d :]
    if all(o and n % o == 0 and n for n, o in zip(sizes, out, strict=True)):
        kernel = tuple(n // o for n, o in zip(sizes, out, strict=True))
        found: Pair = max_pool(a, kernel, kernel, (0,) * d, (1,) * d, False)
        return found
    shape = (*a.shape[: a.ndim - d], *out)
    if not math.prod(shape):
        return np.empty(shape, a.dtype), np.empty(shape, np.int64)
    if d < 3 and generated(a, _FEW):
        return _tops(a, [_even(n, o) for n, o in zip(sizes, out, strict=True)])
    # One dimension after the other, the last first, finds the same element of those that are equal.
    best: Array = a
    index: Any = 0
    for axis, step in zip(range(a.ndim - 1, a.ndim - d - 1, -1), reversed(_steps(sizes)), strict=True):
        best, at = _largest(best, axis, *adaptive_bounds(a.shape[axis], shape[axis]))
        index = at * step + (index if axis == a.ndim - 1 else np.take_along_axis(index, at, axis))
    return best, index


def _largest(a: Array, axis: int, starts: list[int], stops: list[int]) -> Pair:
    """(the largest element of each window along a dimension, where it is), the last nan before all else."""
    first, last = np.array(starts), np.array(stops) - 1
    width = int((last - first).max()) + 1
    if width > len(starts):  # few windows that are long
        at: Array = np.empty((*a.shape[:axis], len(starts), *a.shape[axis + 1 :]), np.int64)
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            window = a[(slice(None),) * axis + (slice(start, stop),)]
            found = window.argmax(axis)
            if a.dtype.kind == "f":
                missing = np.flip(window != window, axis)
                found = np.where(missing.any(axis), stop - start - 1 - missing.argmax(axis), found)
            at[(slice(None),) * axis + (i,)] = found + start
        return np.take_along_axis(a, at, axis), at
    # The k-th elements of all windows; of windows that are shorter it is the last once more.
    rows = [np.minimum(first + k, last) for k in range(width)]
    best = a.take(first, axis)
    number: Array = np.zeros(best.shape, np.uint8 if width < 256 else np.int64)
    count = number.dtype.type
    for k in range(1, width):
        values = a.take(rows[k], axis)
        np.maximum(number, np.multiply(values > best, count(k), dtype=number.dtype), out=number)
        np.maximum(best, values, out=best)
    if a.dtype.kind == "f" and not (best == best).all():
        for k in range(width):
            values = a.take(rows[k], axis)
            np.copyto(number, count(k), where=values != values)
    along = (-1, *(1,) * (a.ndim - axis - 1))
    return best, np.minimum(number + first.reshape(along), last.reshape(along))


def fractional_starts(samples: Array, n: int, out: int, k: int) -> Array:
    """Where windows of k elements begin: `out` of them spread over n elements, at random distances.

    Source: https://arxiv.org/abs/1412.6071
    """
    starts = np.empty((*samples.shape, out), np.int64)
    if not out:
        return starts
    starts[..., out - 1] = n - k
    if out > 1:
        kind = samples.dtype.type
        alpha = kind(kind(n - k) / kind(out - 1))
        steps = np.arange(out - 1).astype(samples.dtype)
        u = samples[..., None]
        starts[..., :-1] = ((steps + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
    return starts


def fractional_max_pool(a: Array, samples: Array, kernel: Sizes, out: Sizes) -> Pair:
    """`max_pool` with windows at pseudo-random places: samples (..., D) has a number for each dimension."""
    d = len(kernel)
    sizes = a.shape[a.ndim - d :]
    steps = _steps(sizes)
    lead = a.shape[: a.ndim - d]
    u = samples.reshape(*lead, d)
    order = range(d) if d == 3 else range(d - 1, -1, -1)  # PyTorch takes the width's first in two dimensions
    origin = np.zeros((*lead, *(1,) * d), np.int64)
    for axis, (n, o, k, step) in enumerate(zip(sizes, out, kernel, steps, strict=True)):
        start = fractional_starts(u[..., order[axis]], n, o, k) * step
        origin = origin + start.reshape(*lead, *[o if i == axis else 1 for i in range(d)])
    best: Any = None
    index: Any = None
    for place in product(*map(range, kernel)):
        at = origin + sum(i * step for i, step in zip(place, steps, strict=True))
        values = gather_windows(a, at, d)
        if best is None:
            best, index = values, at
            continue
        above = (values > best) | (values != values)
        best = np.where(above, values, best)
        index = np.where(above, at, index)
    return best, index
