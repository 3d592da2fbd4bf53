"""Sums, means and maxima over bags of rows; -1 stands for rows in no bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import in_float
from .index import add_rows

Array = np.ndarray[Any, Any]


def bag_ids(indices: Array, offsets: Array, padding: int, include_last: bool) -> Array:
    """The bag of each index, by where the bags begin; none for the padding and what follows a last end."""
    found = np.searchsorted(offsets, np.arange(indices.size), side="right") - 1
    if include_last:
        found[found == offsets.size - 1] = -1
    if padding >= 0:
        found[indices == padding] = -1
    return found


def bag_sizes(bags: Array, count: int) -> Array:
    """How many rows each bag has."""
    return np.bincount(bags[bags >= 0], minlength=count)


def _shares(bags: Array, count: int, dtype: Any) -> Array:
    """One over the size of each bag, as a column."""
    return (1.0 / np.maximum(bag_sizes(bags, count), 1)).astype(dtype)[:, None]


@in_float
def bag_sum(rows: Array, bags: Array, count: int, mean: bool) -> Array:
    """The sum (or mean) of the rows of each bag; zeros for empty bags."""
    found = np.zeros((count, rows.shape[1]), rows.dtype)
    there = bags >= 0
    add_rows(found, bags[there], rows[there])
    return found * _shares(bags, count, rows.dtype) if mean else found


@in_float
def bag_spread(g: Array, bags: Array, count: int, mean: bool) -> Array:
    """The transpose of `bag_sum`."""
    if mean:
        g = g * _shares(bags, count, g.dtype)
    found = np.zeros((bags.size, g.shape[1]), g.dtype)
    there = bags >= 0
    found[there] = g[bags[there]]
    return found


def bag_tops(rows: Array, bags: Array, count: int) -> Array:
    """For each bag and column the row where the maximum is; -1 for empty bags."""
    found = np.full((count, rows.shape[1]), -1, np.int64)
    places = np.flatnonzero(bags >= 0)
    ends = np.flatnonzero(np.diff(bags[places], append=-1)) + 1 if places.size else places
    first = 0
    for end in ends.tolist():
        own = places[first:end]
        found[bags[own[0]]] = own[rows[own].argmax(0)]
        first = end
    return found


def bag_max(rows: Array, tops: Array) -> Array:
    """The rows' elements at the places of the maxima; 0 where there is none."""
    if not rows.shape[0]:
        return np.zeros(tops.shape, rows.dtype)
    found = np.take_along_axis(rows, np.maximum(tops, 0), 0)
    found[tops < 0] = 0
    return found


@in_float
def bag_max_spread(g: Array, tops: Array, count: int) -> Array:
    """The transpose of `bag_max`: (count, columns)."""
    found = np.zeros((count, g.shape[1]), g.dtype)
    bag, column = np.nonzero(tops >= 0)
    found[tops[bag, column], column] = g[bag, column]
    return found
