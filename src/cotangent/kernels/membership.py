"""Membership, positions of what is not zero, exclusive or of bit patterns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import wide

Array = np.ndarray[Any, Any]


def isin(a: Array, others: Array, invert: bool) -> Array:
    """Whether each element of `a` is among the others."""
    return np.asarray(np.isin(wide(a), wide(others), invert=invert))


def nonzero(a: Array, size: int, fill: int) -> Array:
    """The positions of the first `size` elements that are not zero, filled up with `fill`."""
    found = np.full((size, a.ndim), fill, np.int64)
    places = np.argwhere(a)[:size]
    found[: len(places)] = places
    return found


def hashed(a: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The exclusive or of the elements, widened to 64 bits, over `dims`."""
    if a.dtype.kind in "fV":
        bits = a.astype(np.float64).view(np.uint64)
    else:
        bits = a.astype(np.int64).view(np.uint64)
    return np.asarray(np.bitwise_xor.reduce(bits, axis=dims, keepdims=keepdim))
