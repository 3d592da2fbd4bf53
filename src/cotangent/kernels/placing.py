"""Combining elements at index arrays: what falls on one place is added, multiplied, compared, or replaced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from .. import lazy
from .sized import HEAVY, worthwhile

picking: Any = lazy.module("cotangent.kernels.picking")

Array = np.ndarray[Any, Any]


def open_grid(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """For each dimension the positions along it, in a shape that broadcasts to `shape`."""
    return _kept_grid(shape) if sum(shape) <= _SMALL else _grid(shape)


def _grid(shape: tuple[int, ...]) -> tuple[Array, ...]:
    rank = len(shape)
    return tuple(np.arange(n).reshape((1,) * d + (n,) + (1,) * (rank - d - 1)) for d, n in enumerate(shape))


_SMALL = 4096
_kept_grid = lru_cache(maxsize=64)(_grid)


def places(index: Array, dim: int) -> tuple[Any, ...]:
    """NumPy's key for `index` at `dim` and the positions of `index` itself elsewhere."""
    grid = open_grid(index.shape)
    return (*grid[:dim], index, *grid[dim + 1 :])


def taken(a: Array, index: Array, dim: int) -> Array:
    """The elements of `a` at `index` along `dim`, for positions that are not negative."""
    if index.size >= HEAVY and worthwhile(index.size):
        made: Array | None = picking.take(a, index, dim)
        if made is not None:
            return made
    return np.asarray(a[places(index, dim)])


_COMBINED: Final = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def combine(out: Array, index: Array, part: Array, dim: int, how: str) -> None:
    """Take elements of `out` together with those of `part`, in order.

    Args:
        out: what is written.
        index: positions along `dim`, not negative; of the rank of `out`.
        part: of the shape of the index and the type of `out`.
        dim: the dimension.
        how: "sum", "prod", "max", "min", or "last", which writes.
    """
    if index.size >= HEAVY and worthwhile(index.size) and picking.put(out, index, part, dim, how):
        return
    where = places(index, dim)
    if how == "last":
        out[where] = part
    else:
        combine_at(out, where, part, how)


def combine_at(out: Array, where: Sequence[Array], part: Array, how: str = "sum") -> None:
    """`combine` with index arrays for all dimensions, which may be negative."""
    if not out.flags.c_contiguous or not out.size:
        _COMBINED[how].at(out, tuple(where), part)
        return
    # NumPy is fast along a single dimension.
    found: Any = 0
    for n, index in zip(out.shape, where, strict=True):
        if not index.size:
            return
        if np.minimum.reduce(index, None) < 0:
            index = np.where(index < 0, index + n, index)
        found = found * n + index
    found = np.asarray(found)
    _COMBINED[how].at(out.reshape(-1), found.reshape(-1), np.broadcast_to(part, found.shape).reshape(-1))
