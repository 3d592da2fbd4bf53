"""Picking and placing elements by index arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .layout import as_indexed
from .placing import combine, combine_at
from .sized import HEAVY, generated

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
    """`out[indices] += values` where repeated places add up, 16-bit floats rounded after every addition."""
    if len(dims) == 1:
        d, index = dims[0], indices[0]
        full = (*out.shape[:d], *index.shape, *out.shape[d + 1 :])
        flat = np.broadcast_to(values, full).reshape(*out.shape[:d], index.size, *out.shape[d + 1 :])
        if d or out.ndim == 1:
            add_along(out, index.reshape(-1), flat, d)
        else:
            add_rows(out, index.reshape(-1), flat)
    elif len(dims) == out.ndim:
        combine_at(out, indices, values)
    else:
        np.add.at(out, key_of(indices, dims), values)


def add_along(out: Array, index: Array, values: Array, dim: int) -> None:
    """`out[..., index, ...] += values`, the index being one vector at `dim`."""
    if index.size and np.minimum.reduce(index, None) < 0:
        index = np.where(index < 0, index + out.shape[dim], index)
    shape = (1,) * dim + index.shape + (1,) * (out.ndim - dim - 1)
    combine(out, np.broadcast_to(index.reshape(shape), values.shape), values, dim, "sum")


def add_rows(out: Array, rows: Array, values: Array) -> None:
    """`out[rows] += values` along the first dimension."""
    if not len(rows):
        return
    least = np.minimum.reduce(rows, None)
    if least < 0:
        rows = np.where(rows < 0, rows + len(out), rows)
        least = np.minimum.reduce(rows, None)
    fits = out.size and values.shape == (len(rows), *out.shape[1:]) and least >= 0
    if fits and generated(values, HEAVY) and np.maximum.reduce(rows, None) < len(out):
        added = accumulate.add_rows(out, rows, values)
        if added:
            return
    add_along(out, rows, np.broadcast_to(values, (len(rows), *out.shape[1:])), 0)


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
    if accumulate and len(dims) == out.ndim:
        shape = np.broadcast_shapes(*(i.shape for i in indices))
        add_at(out, indices, dims, np.broadcast_to(values, shape))
    elif accumulate:
        add_at(out, indices, dims, np.broadcast_to(values, out[key].shape))
    else:
        out[key] = values
