"""Largest and smallest elements; a nan, once met, is the result, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .ordering import ranked
from .placing import open_grid
from .sized import LIGHT, generated

rowwise: Any = lazy.module("cotangent.kernels.rowwise")

Array = np.ndarray[Any, Any]


def _float_view(a: Array) -> Array:
    """16-bit brain floats compare as float32."""
    return a.astype(np.float32) if a.dtype.kind == "V" else a


def amax(a: Array, dims: tuple[int, ...] | None, keepdim: bool) -> Array:
    """Largest elements over `dims` (all if None)."""
    if generated(a, LIGHT):
        return np.asarray(rowwise.reduced(a, dims, keepdim, "max"))
    found: Array = np.maximum.reduce(_float_view(a), axis=dims, keepdims=keepdim)
    return np.asarray(found, a.dtype, order="C")


def amin(a: Array, dims: tuple[int, ...] | None, keepdim: bool) -> Array:
    """Smallest elements over `dims` (all if None)."""
    if generated(a, LIGHT):
        return np.asarray(rowwise.reduced(a, dims, keepdim, "min"))
    found: Array = np.minimum.reduce(_float_view(a), axis=dims, keepdims=keepdim)
    return np.asarray(found, a.dtype, order="C")


def argmax(a: Array, dim: int | None, keepdim: bool) -> Array:
    """Position of the first largest element (nan is largest); of the flattened array if `dim` is None."""
    if dim is None:
        out = np.asarray(_float_view(a).argmax())
        return out.reshape((1,) * a.ndim) if keepdim else out
    if not a.ndim:
        return np.zeros((), np.int64)
    return np.asarray(_float_view(a).argmax(axis=dim, keepdims=keepdim))


def argmin(a: Array, dim: int | None, keepdim: bool) -> Array:
    """Position of the first smallest element (nan is smallest); of the flattened array if `dim` is None."""
    if dim is None:
        out = np.asarray(_float_view(a).argmin())
        return out.reshape((1,) * a.ndim) if keepdim else out
    if not a.ndim:
        return np.zeros((), np.int64)
    return np.asarray(_float_view(a).argmin(axis=dim, keepdims=keepdim))


def at(a: Array, indices: Array, dim: int, keepdim: bool) -> Array:
    """The elements at `indices` along `dim`."""
    if not a.ndim:
        return a.copy()
    if a.ndim == 1:
        return np.asarray(a[indices])
    found = indices.squeeze(dim) if keepdim else indices
    grid = open_grid(found.shape)
    picked = a[(*grid[:dim], found, *grid[dim:])]
    return picked.reshape(indices.shape) if keepdim else picked


def max_dim(a: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(largest elements, their positions) along `dim`."""
    indices = argmax(a, dim, keepdim)
    return at(a, indices, dim, keepdim), indices


def min_dim(a: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(smallest elements, their positions) along `dim`."""
    indices = argmin(a, dim, keepdim)
    return at(a, indices, dim, keepdim), indices


def tie_weights(a: Array, extreme: Array, dims: tuple[int, ...] | None, keepdim: bool) -> Array:
    """1/n at each of the n elements equal to the extreme of their group, 0 elsewhere."""
    if dims is not None and not keepdim:
        extreme = np.expand_dims(extreme, tuple(sorted(dims)))
    mask = (a == extreme) | ((a != a) & (extreme != extreme))
    count = mask.sum(axis=dims, keepdims=True)
    return np.asarray((mask / count).astype(a.dtype))


def select_back(g: Array, indices: Array, shape: tuple[int, ...], dim: int, keepdim: bool) -> Array:
    """Zeros of `shape` with `g` at `indices` along `dim`."""
    out = np.zeros(shape, g.dtype)
    if not out.ndim:
        out[...] = g
        return out
    if not keepdim:
        indices, g = np.expand_dims(indices, dim), np.expand_dims(g, dim)
    np.put_along_axis(out, indices, g, axis=dim)
    return out


def median(a: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(lower medians, their positions) along `dim`; the first nan if there is one."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    indices = ranked(a, dim, (a.shape[dim] - 1) // 2)
    nans = np.isnan(_float_view(a)) if a.dtype.kind in "fV" else None
    if nans is not None and nans.any():
        first = np.expand_dims(nans.argmax(axis=dim), dim)
        indices = np.where(np.expand_dims(nans.any(axis=dim), dim), first, indices)
    if not keepdim:
        indices = indices.squeeze(dim)
    return at(a, indices, dim, keepdim), indices


def median_all(a: Array) -> Array:
    """The lower median of all elements; of none nan, or the least integer, as PyTorch converts it."""
    if a.size:
        return median(a.reshape(-1), 0, False)[0]
    if a.dtype.kind in "fV":
        return np.asarray(np.nan, a.dtype)
    return np.asarray(np.iinfo(a.dtype).min if a.dtype.itemsize >= 4 else 0, a.dtype)


def kthvalue(a: Array, k: int, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(k-th smallest elements, their positions) along `dim`, k from 1."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    indices = ranked(a, dim, k - 1)
    if not keepdim:
        indices = indices.squeeze(dim)
    return at(a, indices, dim, keepdim), indices
