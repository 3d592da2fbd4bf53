"""Picking and placing along one dimension, with index arrays of the operand's rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import is_half, wide
from .index import add_along, add_rows
from .placing import combine, places, taken

Array = np.ndarray[Any, Any]


def gather(a: Array, index: Array, dim: int) -> Array:
    """`out[i][j] = a[index[i][j]][j]` for dim 0, and so on."""
    if not a.ndim:
        return np.full(index.shape, a)
    if not index.ndim:
        return np.asarray(a[index])
    return taken(a, index, dim)


def scatter_zeros(g: Array, index: Array, shape: tuple[int, ...], dim: int) -> Array:
    """Zeros of `shape` with `g` added where `gather` read."""
    return scatter_add(np.zeros(shape, g.dtype), index, g, dim)


def scatter_add(a: Array, index: Array, src: Array, dim: int) -> Array:
    """A copy of `a` with `src` added at the indexed places (repeated places add up)."""
    out = wide(a) if is_half(a.dtype) else a.copy()
    if not out.ndim:
        return np.asarray(out + wide(src).sum(), a.dtype)
    part = src if src.shape == index.shape else src[tuple(slice(n) for n in index.shape)]
    combine(out, index, wide(part), dim, "sum")
    return out.astype(a.dtype, copy=False)


def scatter(a: Array, index: Array, src: Array, dim: int) -> Array:
    """A copy of `a` with `src` written at the indexed places."""
    out = np.array(a, order="C")
    if not out.ndim:
        out[...] = src.reshape(-1)[-1] if src.size else out
        return out
    combine(out, index, src[tuple(slice(n) for n in index.shape)], dim, "last")
    return out


def scatter_value(a: Array, index: Array, dim: int, value: Any) -> Array:
    """A copy of `a` with one value written at the indexed places."""
    out = np.array(a, order="C")  # of no dimension, it may come as one of NumPy's numbers
    if not out.ndim:
        out[...] = value
        return out
    out[places(index, dim)] = value
    return out


def index_select(a: Array, index: Array, dim: int) -> Array:
    """The slices of `a` at `index` along `dim`."""
    if not a.ndim:
        return a.copy()
    return a.take(index.reshape(-1), axis=dim)


def index_add(a: Array, index: Array, source: Array, dim: int, alpha: Any) -> Array:
    """A copy of `a` with `alpha * source` added to its slices at `index`."""
    out = np.array(a)
    if not out.ndim:
        total = source.sum(dtype=np.float32 if is_half(a.dtype) else a.dtype)
        return np.asarray((out + total * np.asarray(alpha).astype(total.dtype)).astype(a.dtype))
    scaled = source if alpha == 1 else source * np.asarray(alpha).astype(source.dtype, casting="unsafe")
    if is_half(out.dtype) and alpha == 1 and out.ndim > 1 and dim in (0, out.ndim - 1):
        summed = wide(out)  # here PyTorch rounds once, elsewhere every sum
        add_along(summed, index.reshape(-1), wide(scaled), dim)
        return np.asarray(summed, out.dtype)
    if dim == 0 and out.ndim > 1 and out.flags.c_contiguous:
        add_rows(out, index.reshape(-1), scaled)
    else:
        add_along(out, index.reshape(-1), scaled if scaled.ndim else scaled.reshape(1), dim)
    return out


def index_copy(a: Array, index: Array, source: Array, dim: int) -> Array:
    """A copy of `a` with its slices at `index` replaced by those of `source`."""
    out = np.array(a)
    if not out.ndim:
        out[...] = source.reshape(())
        return out
    np.moveaxis(out, dim, 0)[index.reshape(-1)] = np.moveaxis(source, dim, 0)
    return out


def index_fill(a: Array, index: Array, dim: int, value: Any) -> Array:
    """A copy of `a` with its slices at `index` set to one value."""
    out = np.array(a)
    if not out.ndim:
        if index.size:
            out[...] = value
        return out
    np.moveaxis(out, dim, 0)[index.reshape(-1)] = value
    return out


def masked_select(a: Array, mask: Array) -> Array:
    """The elements where `mask` is true, in order, both broadcast."""
    a, mask = np.broadcast_arrays(a, mask)
    return np.asarray(a[mask])


def masked_scatter(a: Array, mask: Array, source: Array) -> Array:
    """A copy of `a` with the first elements of `source` where `mask` is true."""
    shape = np.broadcast_shapes(a.shape, mask.shape)
    out = np.array(np.broadcast_to(a, shape))
    where = np.broadcast_to(mask, shape)
    count = int(where.sum())
    if count > source.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    out[where] = source.reshape(-1)[:count]
    return out


def masked_select_back(g: Array, mask: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with the elements of `g` where `mask` is true."""
    full = np.broadcast_shapes(shape, mask.shape)
    out = np.zeros(full, g.dtype)
    out[np.broadcast_to(mask, full)] = g
    lead = out.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and full[i + lead] != 1)
    return np.asarray(out.sum(axis=axes, dtype=g.dtype)).reshape(shape) if axes else out


def masked_source(g: Array, mask: Array, shape: tuple[int, ...]) -> Array:
    """The elements of `g` where `mask` is true, then zeros, in `shape`."""
    picked = g[np.broadcast_to(mask, g.shape)]
    out = np.zeros(int(np.prod(shape, dtype=np.int64)), g.dtype)
    out[: len(picked)] = picked
    return out.reshape(shape)


def masked_source_back(g: Array, mask: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with the first elements of `g` where `mask` is true."""
    where = np.broadcast_to(mask, shape)
    out = np.zeros(shape, g.dtype)
    out[where] = g.reshape(-1)[: int(where.sum())]
    return out


def put(a: Array, index: Array, source: Array, accumulate: bool) -> Array:
    """A copy of `a` with `source` written (or added) at flat positions."""
    out = np.array(a, order="C")
    flat = out.reshape(-1)
    if accumulate:
        np.add.at(flat, index.reshape(-1), source.reshape(-1))
    else:
        flat[index.reshape(-1)] = source.reshape(-1)
    return out
