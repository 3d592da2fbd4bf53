"""Resizing of arrays along dimensions one after the other: each output element mixes a few input elements.

What is mixed is a pair (index, weight) of arrays (outputs, taps) for each dimension. The transpose is of the
same form: every input element collects from the outputs that it went into.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import product
from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import in_float, is_half
from .pooling import adaptive_bounds
from .sized import generated

mixing: Any = lazy.module("cotangent.kernels.mixing")

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Taps = tuple[Array, Array]
# (kind, size before, size after, whether corners are aligned, scale factor or None)
Axis = tuple[str, int, int, bool, float | None]
Spec = tuple[Axis, ...]

# The constant of the cubic kernels: https://doi.org/10.1109/TASSP.1981.1163711 knows both.
_CUBIC: Final = -0.75
_CUBIC_ANTIALIASED: Final = -0.5
# Elements from which a launch is faster than NumPy, tap after tap.
_FEW: Final = 64


def _ratio(n: int, out: int, align: bool, scale: float | None, kind: Any) -> Any:
    """Input elements to one output element, in the precision that positions are computed in."""
    if align:
        return kind(n - 1) / kind(out - 1) if out > 1 else kind(0)
    if scale is not None and scale > 0:
        return kind(1.0 / scale)
    return kind(n) / kind(out)


def _centres(out: int, ratio: Any, align: bool, kind: Any) -> Array:
    at = np.arange(out).astype(kind)
    return at * ratio if align else ratio * (at + kind(0.5)) - kind(0.5)


def cubic(t: Array, a: float) -> Array:
    """The cubic convolution kernel at distances t >= 0."""
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _antialiased(n: int, out: int, ratio: float, filter_size: int) -> Taps:
    """Weights of a filter that is as wide as an output element where that is wider than an input element."""
    stretch = max(float(ratio), 1.0)
    support = filter_size / 2 * stretch
    centres = ratio * (np.arange(out) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    count = np.minimum((centres + support + 0.5).astype(np.int64), n) - first
    taps = np.arange(max(int(count.max(initial=1)), 1))
    distance = np.abs((taps + first[:, None] - centres[:, None] + 0.5) / stretch)
    raw = np.maximum(1 - distance, 0) if filter_size == 2 else cubic(distance, _CUBIC_ANTIALIASED)
    weight = np.where(taps < count[:, None], raw, 0.0)
    total = weight.sum(1, keepdims=True)
    weight /= np.where(total == 0, 1, total)
    return np.minimum(first[:, None] + np.minimum(taps, count[:, None] - 1), n - 1), weight


@lru_cache(maxsize=256)
def taps(axis: Axis, double: bool) -> Taps:
    """What each output element along a dimension mixes."""
    name, n, out, align, scale = axis
    kind = np.float64 if double else np.float32
    if name == "area":
        starts, stops = (np.array(b, np.int64) for b in adaptive_bounds(n, out))
        count = (stops - starts)[:, None]
        each = np.arange(int(count.max(initial=1)))
        return np.minimum(starts[:, None] + each, stops[:, None] - 1), np.where(each < count, 1 / count, 0.0)
    if name in ("nearest", "nearest-exact"):
        ratio = _ratio(n, out, False, scale, np.float32)
        at = np.arange(out).astype(np.float32) + np.float32(0.5 if name == "nearest-exact" else 0)
        return np.minimum((at * ratio).astype(np.int64), n - 1)[:, None], np.ones((out, 1))
    ratio = _ratio(n, out, align, scale, kind)
    if name in ("linear-aa", "cubic-aa"):
        return _antialiased(n, out, float(ratio), 2 if name == "linear-aa" else 4)
    centres = _centres(out, ratio, align, kind)
    if name == "linear":
        centres = np.maximum(centres, 0)
        low = np.minimum(centres.astype(np.int64), n - 1)
        part = np.clip(centres - low.astype(kind), 0, 1)
        high = low + (low < n - 1)
        return np.stack((low, high), 1), np.stack((1 - part, part), 1)
    floor = np.floor(centres)
    part = (centres - floor)[:, None]
    offsets = np.arange(-1, 3)
    weight = cubic(np.abs(offsets - part), _CUBIC)
    return np.clip(floor.astype(np.int64)[:, None] + offsets, 0, n - 1), weight


@lru_cache(maxsize=256)
def taps_back(axis: Axis, double: bool) -> Taps:
    """What each input element along a dimension collects."""
    n, out = axis[1:3]
    index, weight = taps(axis, double)
    dense = np.zeros((n, out))
    np.add.at(dense, (index, np.arange(out)[:, None]), weight)
    used = dense != 0
    count = used.sum(1)
    width = max(int(count.max(initial=1)), 1)
    order = np.argsort(~used, axis=1, kind="stable")[:, :width]
    each = np.arange(width) < count[:, None]
    # Places without a tap repeat the first one with weight 0, so that nothing else is touched.
    return np.where(each, order, order[:, :1]), np.where(each, np.take_along_axis(dense, order, 1), 0.0)


def _mixed(a: Array, d: int, found: Taps) -> Array:
    """`a` with dimension d replaced by mixtures of its elements."""
    index, weight = found
    if a.flags.c_contiguous and index.size and a.size and generated(a, _FEW):
        return mixing.along(a, d, index, weight)
    if index.shape[1] == 1 and (weight == 1).all():
        return a.take(index[:, 0], axis=d)
    shape = [1] * a.ndim
    shape[d] = index.shape[0]
    total: Any = None
    for k in range(index.shape[1]):
        part = a.take(index[:, k], axis=d)
        part *= weight[:, k].astype(a.dtype).reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    return np.asarray(total)


def _trivial(axis: Axis, found: Taps) -> bool:
    index, weight = found
    if index.shape[0] != axis[1]:
        return False
    return bool(((index == np.arange(axis[1])[:, None]) | (weight == 0)).all() and (weight.sum(1) == 1).all())


def resize(a: Array, spec: Spec) -> Array:
    """The last dimensions resized as `spec` says, from the last one to the first."""
    if not is_half(a.dtype):
        return _through(a, spec, taps)
    kind = spec[0][0]
    if kind == "area" and len(spec) == 3:
        return _rounded_means(a, spec)
    rounds = kind == "cubic" or (kind == "linear" and len(spec) != 2)
    table = partial(_rounded_taps, a.dtype) if rounds else taps
    return _through(a.astype(np.float32), spec, table).astype(a.dtype)


@lru_cache(maxsize=64)
def _rounded_taps(kind: Any, axis: Axis, double: bool) -> Taps:
    """`taps` with weights in 16 bits as PyTorch has them: of two, the first follows from the second."""
    index, weight = taps(axis, double)
    if axis[0] == "linear":
        second = weight[:, 1].astype(kind)
        rounded = np.stack((kind.type(1) - second, second), 1)
    else:
        rounded = weight.astype(kind)
    return index, rounded.astype(np.float64)


def _rounded_means(a: Array, spec: Spec) -> Array:
    """Means of boxes of 16-bit floats, where PyTorch rounds after every addition."""
    out = np.empty((*a.shape[: a.ndim - 3], *[axis[2] for axis in spec]), a.dtype)
    bounds = [adaptive_bounds(axis[1], axis[2]) for axis in spec]
    kind = a.dtype.type
    for place in np.ndindex(*out.shape[-3:]):
        ranges = [range(b[0][i], b[1][i]) for b, i in zip(bounds, place, strict=True)]
        total = np.zeros(out.shape[:-3], a.dtype)
        for at in product(*ranges):
            total = total + a[(..., *at)]
        for r in ranges:
            total = total / kind(len(r))
        out[(..., *place)] = total
    return out


@in_float
def resize_back(g: Array, spec: Spec) -> Array:
    """Transpose of `resize`."""
    return _through(g, spec, taps_back)


def _through(a: Array, spec: Spec, table: Any) -> Array:
    out = a
    for k in range(len(spec) - 1, -1, -1):
        found = table(spec[k], a.dtype == np.float64)
        if not _trivial(spec[k], found):
            out = _mixed(out, a.ndim - len(spec) + k, found)
    return out.copy() if out is a else out


def resize_bytes(a: Array, spec: Spec) -> Array:
    """`resize` of bytes: weights are integers, every dimension's result is rounded to bytes."""
    if all(axis[0].startswith("nearest") for axis in spec):
        return _through(a, spec, taps)
    out = a
    for k in range(len(spec) - 1, -1, -1):
        index, weight = taps(spec[k], True)
        if not _trivial(spec[k], (index, weight)):
            out = _mixed_bytes(out, a.ndim - len(spec) + k, index, weight)
    return out.copy() if out is a else out


def _mixed_bytes(a: Array, d: int, index: Array, weight: Array) -> Array:
    """`_mixed` with weights in as many bits as fit 16 with their sign."""
    bits = 0
    while bits < 22 and 0.5 + weight.max() * 2.0 ** (bits + 1) < 1 << 15:
        bits += 1
    scaled = np.trunc(weight * (1 << bits) + np.where(weight < 0, -0.5, 0.5)).astype(np.int64)
    shape = [1] * a.ndim
    shape[d] = index.shape[0]
    total: Any = 1 << (bits - 1)
    for k in range(index.shape[1]):
        total = total + a.take(index[:, k], axis=d).astype(np.int64) * scaled[:, k].reshape(shape)
    return np.clip(total >> bits, 0, 255).astype(a.dtype)
