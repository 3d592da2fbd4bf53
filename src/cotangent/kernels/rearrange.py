"""Arrays with their elements in other places: flipped, rolled, repeated, cut to a triangle, padded."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .reduce import sum_
from .shape import copied, diagonal

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Widths = tuple[tuple[int, int], ...]

_BACK = slice(None, None, -1)
_ALL = slice(None)


def flip(a: Array, dims: Shape) -> Array:
    """The order of elements reversed along `dims`."""
    return copied(a[tuple(_BACK if d in dims else _ALL for d in range(a.ndim))])


def roll(a: Array, shifts: Shape, dims: Shape) -> Array:
    """Elements moved on along `dims`, those pushed out coming in at the start; without dims as in one row."""
    if not dims:
        return roll(a.reshape(-1), shifts, (0,)).reshape(a.shape)
    out = a
    for shift, d in zip(shifts, dims, strict=True):
        n = out.shape[d]
        cut = -shift % n if n else 0
        if cut:
            lead = (_ALL,) * d
            out = np.concatenate((out[(*lead, slice(cut, None))], out[(*lead, slice(None, cut))]), d)
    return out.copy() if out is a else out


def rot90(a: Array, k: int, dims: Shape) -> Array:
    """Rotated `k` quarter turns in the plane of `dims`."""
    first, second = dims
    if k == 0:
        return a.copy()
    if k == 2:
        return flip(a, dims)
    return flip(a, (second,) if k == 1 else (first,)).swapaxes(first, second)


def repeat(a: Array, repeats: Shape) -> Array:
    """The array put side by side with itself; new dimensions come in front."""
    return np.tile(a, repeats) if a.ndim or repeats else a.copy()


def repeat_backward(g: Array, repeats: Shape, shape: Shape) -> Array:
    """The sum of the copies that `repeat` made of an array of that shape."""
    lead = len(repeats) - len(shape)
    sizes = (1,) * lead + tuple(shape)
    split: list[int] = []
    for r, n in zip(repeats, sizes, strict=True):
        split += (r, n)
    if not split:
        return g.copy()
    axes = tuple(range(0, 2 * len(repeats), 2))
    return sum_(g.reshape(split), axes, False).reshape(shape)


@lru_cache(maxsize=64)
def _small_triangle(rows: int, columns: int, diagonal: int) -> Array:
    return np.tri(rows, columns, diagonal, dtype=bool)


def _triangle(a: Array, diagonal: int) -> Array:
    """True on and below a diagonal of the matrices of `a`; kept for small ones."""
    rows, columns = a.shape[-2:]
    if rows * columns <= 65536:
        return _small_triangle(rows, columns, diagonal)
    return np.tri(rows, columns, diagonal, dtype=bool)


def tril(a: Array, diagonal: int) -> Array:
    """Zeros above a diagonal."""
    return np.where(_triangle(a, diagonal), a, np.zeros(1, a.dtype))


def triu(a: Array, diagonal: int) -> Array:
    """Zeros below a diagonal."""
    return np.where(_triangle(a, diagonal - 1), np.zeros(1, a.dtype), a)


def diag_embed(a: Array, offset: int, dim1: int, dim2: int) -> Array:
    """Matrices in `dim1` and `dim2` with the last dimension of `a` on a diagonal."""
    n = a.shape[-1] + abs(offset)
    shape = list(a.shape[:-1])
    for d in sorted((dim1, dim2)):
        shape.insert(d, n)
    out = np.zeros(shape, a.dtype)
    diagonal(out, offset, dim1, dim2)[...] = a
    return out


def trace(a: Array) -> Array:
    """The sum of the diagonal of a matrix: of integers in int64, of floats in twice their width."""
    kind, item = a.dtype.kind, a.itemsize
    if kind in "biu":
        return np.asarray(np.add.reduce(a.diagonal(), dtype=np.int64))
    wide = np.float32 if item == 2 else np.complex128 if kind == "c" else np.float64
    return np.asarray(np.add.reduce(a.diagonal(), dtype=wide)).astype(a.dtype)


# -- writing one part ------------------------------------------------------------------------------------


def select_scatter(a: Array, src: Array, dim: int, index: int) -> Array:
    """A copy of `a` with `src` at `index` of `dim`."""
    out = a.copy()
    out[(_ALL,) * dim + (index,)] = src
    return out


def slice_scatter(a: Array, src: Array, dim: int, start: int, stop: int, every: int) -> Array:
    """A copy of `a` with `src` at a slice of `dim`."""
    out = a.copy()
    out[(_ALL,) * dim + (slice(start, stop, every),)] = src
    return out


def diagonal_scatter(a: Array, src: Array, offset: int, dim1: int, dim2: int) -> Array:
    """A copy of `a` with `src` on diagonals."""
    out = a.copy()
    diagonal(out, offset, dim1, dim2)[...] = src
    return out


# -- padding ---------------------------------------------------------------------------------------------


def pad_constant(a: Array, widths: Widths, value: Any) -> Array:
    """`value` around `a`; negative widths cut off."""
    shape = tuple(n + low + high for n, (low, high) in zip(a.shape, widths, strict=True))
    out = np.empty(shape, a.dtype)
    out.fill(value) if a.dtype.kind != "V" else out.__setitem__(..., a.dtype.type(value))
    inside = tuple(slice(max(low, 0), n - max(high, 0)) for n, (low, high) in zip(shape, widths, strict=True))
    kept = tuple(
        slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(a.shape, widths, strict=True)
    )
    out[inside] = a[kept]
    return out


def border_index(n: int, low: int, high: int, mode: str) -> Array:
    """Which element each place of a padded dimension of `n` elements takes."""
    if mode == "circular":  # negative widths cut off first
        start, left = max(-low, 0), n + min(low, 0) + min(high, 0)
        return start + np.arange(-max(low, 0), left + max(high, 0)) % max(left, 1)
    at = np.arange(-low, n + high)
    if mode == "replicate":
        return np.clip(at, 0, n - 1)
    return np.where(at < 0, -at, np.where(at >= n, 2 * (n - 1) - at, at))


def pad_border(a: Array, widths: Widths, mode: str) -> Array:
    """`a` continued beyond its borders: reflected, replicated or from the other side; never `a` itself."""
    if not any(low or high for low, high in widths):
        return a.copy()
    if all(low >= 0 and high >= 0 for low, high in widths) and a.size:
        return _continued(a, widths, mode)
    for d, (low, high) in enumerate(widths):
        if low or high:
            a = a.take(border_index(a.shape[d], low, high, mode), axis=d)
    return a


def _continued(a: Array, widths: Widths, mode: str) -> Array:
    """`pad_border` to the outside: the borders are copied from the inside, one dimension after the other."""
    out = np.empty([n + low + high for n, (low, high) in zip(a.shape, widths, strict=True)], a.dtype)
    inside = [slice(low, low + n) for n, (low, _) in zip(a.shape, widths, strict=True)]
    out[tuple(inside)] = a
    for d in range(a.ndim - 1, -1, -1):
        (low, high), n = widths[d], a.shape[d]
        lead, end = tuple(inside[:d]), low + n
        part = out[lead]
        along = (_ALL,) * d
        if mode == "circular":
            sources = slice(n, n + low), slice(low, low + high)
        elif mode == "replicate":
            sources = slice(low, low + 1), slice(end - 1, end)
        else:
            sources = slice(2 * low, low, -1), slice(end - 2, end - 2 - high if end - 2 >= high else None, -1)
        if low:
            part[(*along, slice(low))] = part[(*along, sources[0])]
        if high:
            part[(*along, slice(end, None))] = part[(*along, sources[1])]
    return out


def pad_border_backward(g: Array, widths: Widths, mode: str) -> Array:
    """Transpose of `pad_border`: every border element is added to where it came from."""
    wide = np.float32 if g.itemsize == 2 and g.dtype.kind in "fV" else g.dtype
    out = g.astype(wide, copy=False)
    for d, (low, high) in enumerate(widths):
        if not (low or high):
            continue
        n = out.shape[d] - low - high
        index = border_index(n, low, high, mode)
        summed = np.zeros((*out.shape[:d], n, *out.shape[d + 1 :]), wide)
        lead = (_ALL,) * d
        first, last = max(low, 0), out.shape[d] - max(high, 0)
        if last < first:  # nothing of the inside is left
            first = last = 0
        else:
            summed[(*lead, slice(max(-low, 0), n - max(-high, 0)))] = out[(*lead, slice(first, last))]
        for place in (*range(first), *range(last, out.shape[d])):
            summed[(*lead, index[place])] += out[(*lead, place)]
        out = summed
    return np.array(out, g.dtype)
