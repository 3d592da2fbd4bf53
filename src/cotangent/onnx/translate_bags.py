"""Translations of rows of the identity, and of sums, means and maxima over bags of a table's rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import bags
from .translate import Call, maker, translates

_INTEGER = np.dtype(np.int64)


@translates("one_hot_of")
def _one_hot(c: Call) -> str:
    return c.g.op("OneHot", c[0], c.g.ints(c.whole("num_classes")), c.g.ints(0, 1), axis=-1)


@translates("bag_ids")
def _bag_ids(c: Call) -> str:
    """The number of the last bag that begins at or before each index, by comparing it with all beginnings."""
    padding, last = c.whole("padding"), bool(c.get("include_last"))
    begins = c.g.constants.get(c.operands[1])
    size = c.size(0)[0]
    if begins is not None and isinstance(size, int):
        found = c.g.constant(bags.bag_ids(np.arange(size), begins, -1, last))
    else:
        zero, one = c.g.ints(0, scalar=True), c.g.ints(1, scalar=True)
        places = c.g.unsqueeze(c.g.op("Range", zero, c.g.number(size), one), 0)
        offsets = c.g.unsqueeze(c.g.cast(c[1], c.kind(1), _INTEGER), 1)
        begun = c.g.cast(c.g.op("LessOrEqual", offsets, places), np.dtype(np.bool_), _INTEGER)
        found = c.g.op("Sub", c.g.reduce("ReduceSum", begun, [0], False), one)
        if last:
            count = c.g.op("Sub", c.g.number(c.size(1)[0]), one)
            found = c.g.op("Where", c.g.op("Equal", found, count), c.g.ints(-1, scalar=True), found)
    if padding < 0:
        return found
    hidden = c.g.op("Equal", c[0], c.g.scalar(padding, c.kind(0)))
    return c.g.op("Where", hidden, c.g.ints(-1, scalar=True), found)


def _gathered(
    c: Call, rows: str, ids: int, count: Any, columns: list[Any], reduction: str, first: Any
) -> str:
    """Rows that go to the same bag as one; those of no bag go to a bag after the last, which is cut off."""
    if c.g.opset < (18 if reduction == "max" else 16):
        c.g.refuse(f"needs opset {18 if reduction == 'max' else 16} or later")
    number = c.g.number(count)
    more = c.g.unsqueeze(c.g.op("Add", number, c.g.ints(1, scalar=True)), 0)
    shape = c.g.op("Concat", more, c.g.sizes(columns), axis=0) if columns else more
    start = c.g.op("Expand", c.g.constant(np.array(first, c.dtype)), shape)
    name = c.g.name(ids)
    nowhere = c.g.op("Less", name, c.g.ints(0, scalar=True))
    places = c.g.unsqueeze(c.g.op("Where", nowhere, number, name), 1)
    summed = c.g.op("ScatterND", start, places, rows, reduction=reduction)
    return c.g.op("Slice", summed, c.g.ints(0), c.g.unsqueeze(number, 0), c.g.ints(0))


def _counted(c: Call, ids: int, count: Any) -> str:
    """The number of rows in each bag, as a column."""
    ones = c.g.filled([c.g.shape(ids)[0]], 1, c.dtype)
    return c.g.unsqueeze(_gathered(c, ones, ids, count, [], "add", 0), 1)


@translates("bag_sum")
def _bag_sum(c: Call) -> str:
    return _summed(c, c[0], c.operands[1])


@translates("bag_of_rows")
def _bag_of_rows(c: Call) -> str:
    return _summed(c, c.g.op("Gather", c[0], c[1], axis=0), c.operands[2])


def _summed(c: Call, rows: str, ids: int) -> str:
    """The sums or means of rows, by bag."""
    found = _gathered(c, rows, ids, c.get("count"), [c.size(0)[1]], "add", 0)
    if not c.get("mean"):
        return found
    return c.g.op("Div", found, c.g.op("Max", _counted(c, ids, c.get("count")), c.scalar(1)))


@translates("bag_tops", "bag_sizes")
def _unread(c: Call) -> list[Any]:
    return [None]  # `bag_max` looks where its places come from; nothing else of a bag is read


@translates("bag_max")
def _bag_max(c: Call) -> str:
    tops = maker(c, c.operands[1], ("bag_tops",))
    if tops is None:
        return str(c.g.refuse("has a translation as a whole only"))
    ids, count = tops.operands[1], c.shape[0]
    found = _gathered(c, c[0], ids, count, [c.size(0)[1]], "max", np.finfo(c.dtype).min)
    empty = c.g.op("Equal", _counted(c, ids, count), c.scalar(0))
    return c.g.op("Where", empty, c.scalar(0), found)
