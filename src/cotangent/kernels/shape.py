"""Views of arrays that NumPy offers under other rules than PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as _as_strided

Array = np.ndarray[Any, Any]


def view(a: Array, shape: tuple[int, ...]) -> Array:
    """`a` under another shape without copying.

    Raises:
        ValueError: if the memory layout does not allow it.
    """
    return np.reshape(a, shape, copy=False)


def can_view(a: Array, shape: tuple[int, ...]) -> bool:
    """Whether `view` would succeed."""
    if a.flags.c_contiguous:
        return True
    try:
        np.reshape(a, shape, copy=False)
    except ValueError:
        return False
    return True


def expand(a: Array, shape: tuple[int, ...]) -> Array:
    """`a` broadcast to `shape`; unlike `np.broadcast_to` the view may be written where it does not overlap."""
    lead = len(shape) - a.ndim
    strides = (0,) * lead + tuple(
        0 if n == 1 and m != 1 else s for n, m, s in zip(a.shape, shape[lead:], a.strides, strict=True)
    )
    return _as_strided(a, shape, strides)


def select(a: Array, dim: int, index: int) -> Array:
    """Element `index` of dimension `dim`, as a view also when it is 0-d."""
    return a[(slice(None),) * dim + (index, ...)]


def slice_(a: Array, dim: int, start: int, stop: int, step: int) -> Array:
    """Elements start, start+step, ... of dimension `dim`."""
    return a[(slice(None),) * dim + (slice(start, stop, step),)]


def select_backward(g: Array, shape: tuple[int, ...], dim: int, index: int) -> Array:
    """Zeros of `shape` with `g` at `index` of dimension `dim`."""
    out = np.zeros(shape, g.dtype)
    out[(slice(None),) * dim + (index,)] = g
    return out


def slice_backward(g: Array, shape: tuple[int, ...], dim: int, start: int, stop: int, step: int) -> Array:
    """Zeros of `shape` with `g` at the elements that `slice_` takes."""
    out = np.zeros(shape, g.dtype)
    out[(slice(None),) * dim + (slice(start, stop, step),)] = g
    return out


def as_strided(a: Array, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Array:
    """View with sizes and strides (in elements) of the memory that `a` looks into, from `offset`."""
    owner = a
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    item = a.itemsize
    start = offset * item
    flat = np.ndarray((max(owner.nbytes - start, 0) // item,), a.dtype, buffer=owner.data, offset=start) \
        if owner.flags.c_contiguous else owner.ravel(order="K")[offset:]
    return _as_strided(flat, size, tuple(s * item for s in stride))
