"""Sums, means and maxima over bags of rows; -1 stands for rows in no bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .embedding import embedding, embedding_backward
from .halves import in_float, is_half
from .index import add_rows
from .sized import generated, worthwhile

rows_kernel: Any = lazy.module("cotangent.kernels.rows")
window_tops: Any = lazy.module("cotangent.kernels.window_tops")
runtime: Any = lazy.module("cotangent.kernels.runtime")

Array = np.ndarray[Any, Any]
# Elements from which a launch is faster than NumPy's steps, bag after bag.
_FEW = 64


def bag_ids(indices: Array, offsets: Array, padding: int, include_last: bool) -> Array:
    """The bag of each index, by where the bags begin; none for the padding and what follows a last end."""
    n = indices.size
    if offsets.size and n and np.minimum.reduce(offsets, None) >= 0:  # how many begin up to each place
        found = np.cumsum(np.bincount(offsets, minlength=n)[:n], dtype=np.int64) - 1
    else:
        found = np.searchsorted(offsets, np.arange(n), side="right") - 1
    if include_last:
        found[found == offsets.size - 1] = -1
    if padding >= 0:
        found[indices == padding] = -1
    return found


def bag_sizes(bags: Array, count: int, counted: bool) -> Array:
    """How many rows each bag has; zeros where that is not wanted."""
    if not counted:
        return np.zeros(count, np.int64)
    return np.bincount(bags if _all_used(bags) else bags[bags >= 0], minlength=count)


def _all_used(bags: Array) -> bool:
    """Whether every row is in a bag."""
    return not bags.size or bool(np.minimum.reduce(bags, None) >= 0)


def _shares(bags: Array, count: int, dtype: Any) -> Array:
    """One over the size of each bag, as a column."""
    return (1.0 / np.maximum(bag_sizes(bags, count, True), 1)).astype(dtype)[:, None]


def bag_of_rows(
    weight: Array, indices: Array, bags: Array, count: int, mean: bool, padding: int, by_frequency: bool
) -> Array:
    """The sum (or mean) of the rows of a table that each bag names."""
    found = _mixed(weight, bags, indices, count)
    if found is None:
        return np.asarray(bag_sum(embedding(weight, indices), bags, count, mean))
    return found * _shares(bags, count, weight.dtype) if mean else found


def bag_of_rows_back(
    g: Array, indices: Array, bags: Array, shape: tuple[int, ...], mean: bool, padding: int,
    by_frequency: bool,
) -> Array:  # fmt: skip
    """The transpose of `bag_of_rows`."""
    count = len(g)
    if not by_frequency and not is_half(g.dtype):
        if mean:
            g, mean = g * _shares(bags, count, g.dtype), False
        found = _mixed(g, indices, bags, shape[0])
        if found is not None:
            return found
    spread = bag_spread(g, bags, count, mean)
    return np.asarray(embedding_backward(spread, indices, shape, padding, by_frequency))


def _mixed(table: Array, to: Array, taken: Array, height: int) -> Array | None:
    """Zeros with rows `taken` of a table added at rows `to`; None where no kernel does that."""
    n, width = taken.size, table.shape[1]
    kind = {"f4": "f32", "f8": "f64"}.get(table.dtype.str[1:])
    if not n or not width or not table.flags.c_contiguous or kind is None or not worthwhile(n * width):
        return None
    if not _all_used(to) or not _all_used(taken):
        return None
    out = np.empty((height, width), table.dtype)
    step = rows_kernel.scatter(kind, rows_kernel.Adding(n, width, height, taken=len(table)))
    places = [np.ascontiguousarray(i, np.int64) for i in (to, taken)]
    runtime.launch(
        step.kernel, step.extent, step.grain, 4, 6, table, places[0], out, places[1], *step.numbers
    )
    return out


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
    if _all_used(bags) and generated(rows, _FEW) and not np.isnan(rows).any():
        # A bag is a window of rows; along columns windows have one element.
        sizes = bag_sizes(bags, count, True).astype(np.int32)
        starts = np.cumsum(sizes, dtype=np.int32) - sizes
        width = rows.shape[1]
        across = window_tops.windows(width, 1, 1, 0, 1, width)
        _, index = window_tops.tops(
            np.ascontiguousarray(rows)[None], (starts, sizes, 1, int(sizes.max())), across
        )
        return np.where(sizes[:, None] > 0, index[0] // width, found)
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
