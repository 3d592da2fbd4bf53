"""Modes and medians along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from .extremes import at
from .halves import wide
from .ordering import ranked

Array = np.ndarray[Any, Any]


def mode(a: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(most frequent values, the least of several; a position of each) along `dim`."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    # Bytes of bools that are neither 0 nor 1 are True, too.
    x = np.moveaxis(wide(a) if a.dtype.kind != "b" else a.view(np.uint8) != 0, dim, -1)
    order = np.argsort(x, axis=-1, kind="stable")
    ordered = np.take_along_axis(x, order, -1)
    n = x.shape[-1]
    # The length of the run of equal elements that ends at each place: its first place is a running maximum.
    starts = np.ones(ordered.shape, bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(n), 0), axis=-1)
    length = np.arange(n) - first
    indices = np.take_along_axis(order, length.argmax(-1)[..., None], -1)
    indices = np.moveaxis(indices, -1, dim)
    if not keepdim:
        indices = indices.squeeze(dim)
    return at(a, indices, dim, keepdim), indices


def nanmedian(a: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """(lower medians of what is not nan, their positions) along `dim`; nan where all are."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    x = wide(a)
    n = a.shape[dim]
    count = np.count_nonzero(x == x, axis=dim, keepdims=True)
    if n and a.size and np.minimum.reduce(count, None) == n:
        indices = np.asarray(ranked(x, dim, (n - 1) // 2), order="C")
    else:
        order = np.argsort(x, axis=dim, kind="stable")
        indices = np.asarray(np.take_along_axis(order, np.maximum((count - 1) // 2, 0), dim), order="C")
    if not keepdim:
        indices = indices.squeeze(dim)
    return at(a, indices, dim, keepdim), indices
