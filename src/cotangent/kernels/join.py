"""Arrays joined: along a dimension, along a new one, along the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .layout import lies_by_channels

Array = np.ndarray[Any, Any]


def cat(arrays: Sequence[Array], dim: int) -> Array:
    """Arrays one after the other along `dim`; empty vectors are passed over, as PyTorch does."""
    try:
        out = np.concatenate(arrays, dim)
    except ValueError:
        out = np.concatenate([a for a in arrays if a.shape != (0,)], dim)
    if out.flags.c_contiguous:
        return out
    return out if len({a.strides for a in arrays}) == 1 and lies_by_channels(arrays[0]) else out.copy()


def stack(arrays: Sequence[Array], dim: int) -> Array:
    """Arrays along a new dimension."""
    lead: tuple[Any, ...] = (slice(None),) * dim
    first = arrays[0]
    if not dim and first.ndim and first.flags.c_contiguous:
        return np.concatenate(arrays).reshape(len(arrays), *first.shape)
    out = np.empty(first.shape[:dim] + (len(arrays),) + first.shape[dim:], first.dtype)
    for i, a in enumerate(arrays):
        out[(*lead, i)] = a
    return out


def zeros_of(like: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` in the dtype of `like`."""
    return np.zeros(shape, like.dtype)


def block_diag(arrays: Sequence[Array]) -> Array:
    """Matrices along the diagonal of one; vectors and numbers are rows."""
    if not arrays:
        return np.zeros((1, 0), np.float32)
    blocks = [np.atleast_2d(a) for a in arrays]
    out = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)), blocks[0].dtype)
    row = column = 0
    for b in blocks:
        out[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out
