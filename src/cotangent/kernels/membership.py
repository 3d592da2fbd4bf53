"""Membership, positions of what is not zero, exclusive or of bit patterns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import wide
from .ordering import sort

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


# A table of all integers between is made where there are at most so many for each element.
_SPACIOUS = 4
_SOME = 1024


def distinct(a: Array) -> tuple[Array, Array, Array]:
    """The different elements of a vector in order, which of them each one is, and how often they occur.

    Every element that is not a number is one of its own.
    """
    if a.size < _SOME or a.dtype.kind not in "iuf" or a.dtype.itemsize < 4:
        values, inverse, counts = np.unique(a, return_inverse=True, return_counts=True, equal_nan=False)
        return values, inverse, counts
    if a.dtype.kind != "f":
        least, most = int(a.min()), int(a.max())
        if most - least < _SPACIOUS * a.size:
            places = (a - a.dtype.type(least)).astype(np.int64)
            counts = np.bincount(places)
            found = np.flatnonzero(counts)
            rank = np.empty(counts.size, np.int64)
            rank[found] = np.arange(found.size)
            return found.astype(a.dtype) + a.dtype.type(least), rank[places], counts[found]
    ordered, order = sort(a, 0, False)
    begins = np.append(True, ordered[1:] != ordered[:-1])
    inverse = np.empty(a.size, np.int64)
    inverse[order] = np.cumsum(begins, dtype=np.int64) - 1
    first = np.flatnonzero(begins)
    return ordered[first], inverse, np.diff(first, append=a.size)
