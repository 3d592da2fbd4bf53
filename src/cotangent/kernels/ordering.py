"""Sorting and running reductions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .reduce import wide

Array = np.ndarray[Any, Any]


def sort(a: Array, dim: int, descending: bool) -> tuple[Array, Array]:
    """(sorted values, their positions), stable; nan counts as largest."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    key = a.astype(np.float32) if a.dtype.kind == "V" else a
    if descending:
        # A stable descending order: sort the reversed array ascending and read it backwards.
        flipped = np.flip(key, dim)
        order = np.flip(np.argsort(flipped, axis=dim, kind="stable"), dim)
        order = a.shape[dim] - 1 - order
    else:
        order = np.argsort(key, axis=dim, kind="stable")
    return np.take_along_axis(a, order, axis=dim), order


def topk(a: Array, k: int, dim: int, largest: bool, in_order: bool) -> tuple[Array, Array]:
    """(k largest or smallest values, their positions)."""
    if not a.ndim:
        return (
            (a.copy(), np.zeros((), np.int64)) if k else (np.empty((0,), a.dtype), np.empty((0,), np.int64))
        )
    values, order = sort(a, dim, largest)
    cut = (slice(None),) * dim + (slice(k),)
    return values[cut].copy(), order[cut].copy()


def cumsum(a: Array, dim: int) -> Array:
    """Running sums along `dim`."""
    if not a.ndim:
        return a.copy()
    return np.add.accumulate(a, axis=dim, dtype=wide(a)).astype(a.dtype, copy=False)


def reverse_cumsum(a: Array, dim: int) -> Array:
    """Running sums along `dim` from the end."""
    if not a.ndim:
        return a.copy()
    return np.flip(cumsum(np.flip(a, dim), dim), dim)


def cumprod(a: Array, dim: int) -> Array:
    """Running products along `dim`."""
    if not a.ndim:
        return a.copy()
    return np.multiply.accumulate(a, axis=dim, dtype=wide(a)).astype(a.dtype, copy=False)


def cumulative_extreme(a: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    """(running maxima or minima, positions of the latest element that attains them)."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    key = a.astype(np.float32) if a.dtype.kind == "V" else a
    values = (np.maximum if largest else np.minimum).accumulate(key, axis=dim)
    steps = np.arange(a.shape[dim]).reshape((1,) * dim + (-1,) + (1,) * (a.ndim - dim - 1))
    hit = (key == values) | (key != key)
    indices = np.maximum.accumulate(np.where(hit, steps, 0), axis=dim)
    return values.astype(a.dtype, copy=False), indices


def logcumsumexp(a: Array, dim: int) -> Array:
    """log of the running sums of exponentials along `dim`."""
    if not a.ndim:
        return a.copy()
    return np.logaddexp.accumulate(a.astype(wide(a), copy=False), axis=dim).astype(a.dtype, copy=False)
