"""Picking and placing elements by index arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .. import lazy
from .halves import is_half
from .layout import as_indexed
from .sized import LIGHT, generated

accumulate: Any = lazy.module("cotangent.kernels.accumulate")

Array = np.ndarray[Any, Any]


def key_of(indices: list[Array], dims: tuple[int, ...]) -> tuple[Any, ...]:
    """NumPy's key that applies `indices` to `dims` and takes all of the other dimensions."""
    key: list[Any] = [slice(None)] * (max(dims) + 1)
    for d, index in zip(dims, indices, strict=True):
        key[d] = index
    return tuple(key)


def index(a: Array, indices: list[Array], dims: tuple[int, ...]) -> Array:
    """`a[..., i, ..., j, ...]` with broadcast index arrays at `dims`."""
    if len(dims) == 1 and indices[0].ndim:
        made = a.take(indices[0], axis=dims[0], mode="wrap" if not a.shape[dims[0]] else "raise")
    else:
        made = np.asarray(a[key_of(indices, dims)])
    if a.flags.c_contiguous and made.flags.c_contiguous and all(i.flags.c_contiguous for i in indices):
        return made
    found: Array = as_indexed(made, a, indices, dims)
    return found


def open_grid(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """For each dimension the positions along it, in a shape that broadcasts to `shape`."""
    return _kept_grid(shape) if sum(shape) <= _SMALL else _grid(shape)


def _grid(shape: tuple[int, ...]) -> tuple[Array, ...]:
    rank = len(shape)
    return tuple(np.arange(n).reshape((1,) * d + (n,) + (1,) * (rank - d - 1)) for d, n in enumerate(shape))


_SMALL = 4096
_kept_grid = lru_cache(maxsize=64)(_grid)


def index_one(a: Array, index: Array, dim: int) -> Array:
    """`a[..., i, ...]` with one index array."""
    made = a.take(index, dim) if a.shape[dim] else a.take(index, dim, mode="wrap")
    if a.flags.c_contiguous and index.flags.c_contiguous:
        return made
    found: Array = as_indexed(made, a, [index], (dim,))
    return found


def index_back(g: Array, indices: list[Array], shape: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `g` added at the places that `index` took."""
    out = np.zeros(shape, g.dtype)
    add_at(out, indices, dims, g)
    return out


def add_at(out: Array, indices: list[Array], dims: tuple[int, ...], values: Array) -> None:
    """`out[indices] += values` where repeated places add up."""
    if (
        dims == (0,)
        and indices[0].ndim == 1
        and out.ndim > 1
        and values.shape == (len(indices[0]), *out.shape[1:])
    ):
        add_rows(out, indices[0], values)
        return
    np.add.at(out, key_of(indices, dims), values)


def add_rows(out: Array, rows: Array, values: Array) -> None:
    """`out[rows] += values`, sums of equal rows taken in sorted order (faster than `np.add.at`)."""
    if not len(rows):
        return
    rows = np.where(rows < 0, rows + len(out), rows)
    if generated(values, LIGHT) and out.size and values.shape == (len(rows), *out.shape[1:]):
        inside = np.minimum.reduce(rows, None) >= 0 and np.maximum.reduce(rows, None) < len(out)
        if inside and accumulate.add_rows(out, rows, values):
            return
    order = rows.argsort(kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if len(starts) == len(rows):
        out[rows] += values
        return
    if out.dtype.itemsize == 2 and out.dtype.kind not in "iu":
        _add_in_turn(out, ordered, values[order], starts)
        return
    sums = np.add.reduceat(values[order], starts, axis=0)
    out[ordered[starts]] += sums.astype(out.dtype, copy=False)


def _add_in_turn(out: Array, rows: Array, values: Array, starts: Array) -> None:
    """`out[rows] += values` for sorted rows of 16-bit floats, which are rounded after every addition."""
    counts = np.diff(starts, append=len(rows))
    for turn in range(int(counts.max())):
        at = starts[counts > turn] + turn
        out[rows[at]] += values[at]


def index_put(
    a: Array, values: Array, indices: list[Array], dims: tuple[int, ...], accumulate: bool
) -> Array:
    """A copy of `a` with `values` written (or added) at the indexed places."""
    out = a.copy("K")
    put_at(out, values, indices, dims, accumulate)
    return out


def put_at(out: Array, values: Array, indices: list[Array], dims: tuple[int, ...], accumulate: bool) -> None:
    """Write (or add) `values` at the indexed places of `out`."""
    key = key_of(indices, dims)
    if accumulate and is_half(out.dtype):
        np.add.at(out, key, values)  # PyTorch rounds sums of 16-bit floats at each step
    elif accumulate:
        add_at(out, indices, dims, np.broadcast_to(values, out[key].shape))
    else:
        out[key] = values
