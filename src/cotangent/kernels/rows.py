"""Rows of a matrix by their numbers, as generated kernels: reading them (embedding), and adding to them.

    step = gather(kind, rows, width, height)   buffers: table, numbers of rows (i64), result
    step = scatter(kind, Adding(...))          buffers: rows to add, numbers of rows, result, more (`Adding`)

The indices of a gather are rows, those of a scatter blocks of columns, so that each element is added to by
one thread, in order. Numbers of rows below 0 count from the end; they are not checked here.
"""

from __future__ import annotations

from typing import NamedTuple

from ..config import settings
from . import jit
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec

__all__ = ["Adding", "RowStep", "gather", "scatter"]


class RowStep(NamedTuple):
    """What a step of `runtime` is made of, but for its buffers."""

    kernel: int
    numbers: tuple[int, ...]
    extent: int
    grain: int


class Adding(NamedTuple):
    """What a scatter adds: `out[to[i]] += weights[i] * rows[taken[i]]` for i below `n`.

    Attributes:
        n: how many rows are added.
        width: elements of a row.
        height: rows of the result.
        skipped: the number of rows that are left out.
        begun: whether another matrix (a buffer behind `out`) is what is added to, in place of zeros.
        taken: rows of the table, if the rows to add are taken from it by numbers (the next buffer); 0 if not.
        stride: elements from weight to weight, if there are weights (the last buffer); -1 if not.
    """

    n: int
    width: int
    height: int
    skipped: int = -1
    begun: bool = False
    taken: int = 0
    stride: int = -1


def _lanes(kind: str) -> int:
    return max(jit.host().vector_bytes // ITEMSIZE[kind], 1)


def gather(kind: str, rows: int, width: int, height: int) -> RowStep:
    """Rows of a contiguous table, one after the other.

    Args:
        kind: the element type.
        rows: how many are read.
        width: elements of a row.
        height: rows of the table.

    Returns:
        The step.
    """
    lanes = _lanes(kind)
    kernel = jit.function(f"rows gather {kind} {lanes}", lambda: _gather(kind, lanes))
    return RowStep(kernel, (width, height), rows, max(1, 8192 // max(width, 1)))


def scatter(kind: str, adding: Adding) -> RowStep:
    """A matrix with rows added where their numbers say.

    Args:
        kind: the element type, "f32" or "f64".
        adding: what is added.

    Returns:
        The step.
    """
    lanes = _lanes(kind)
    begun, taken, weighed = adding.begun, adding.taken > 0, adding.stride >= 0
    name = f"rows scatter {kind} {lanes}{' begun' * begun}{' taken' * taken}{' weighed' * weighed}"
    kernel = jit.function(name, lambda: _scatter(kind, lanes, begun, taken, weighed))
    numbers = (adding.n, adding.width, adding.height, adding.skipped, adding.taken, adding.stride)
    blocks = -(-adding.width // lanes)
    return RowStep(kernel, numbers, blocks, -(-blocks // settings.thread_count()))


def _copy(text: Text, kind: str, lanes: int, source: str, target: str, width: Vec) -> None:
    size = ITEMSIZE[kind]
    whole = width - text.divided(width, lanes)[1]
    with text.loop(0, whole, lanes) as j:
        value = text.load(text.at(source, j * size), kind, lanes)
        text.store(value, text.at(target, j * size), kind)
    with text.loop(whole, width) as j:
        value = text.load(text.at(source, j * size), kind, 1)
        text.store(value, text.at(target, j * size), kind)


def _row(text: Text, index: str, i: Vec, height: Vec) -> Vec:
    """Number i of some rows, counted from the beginning."""
    row = text.load(text.at(index, i * 8), "i64", 1)
    return (row < 0).select(row + height, row)


def _gather(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    table, index, out = (text.buffer(i) for i in range(3))
    width, height = text.number(0), text.number(1)
    with text.loop(text.argument("begin"), text.argument("end")) as i:
        row = _row(text, index, i, height)
        _copy(text, kind, lanes, text.at(table, row * width * size), text.at(out, i * width * size), width)
    return module([text])


def _scatter(kind: str, lanes: int, begun: bool, taken: bool, weighed: bool) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    rows, index, out = (text.buffer(i) for i in range(3))
    more = iter(range(3, 6))
    before = text.buffer(next(more)) if begun else ""
    source_index = text.buffer(next(more)) if taken else ""
    weights = text.buffer(next(more)) if weighed else ""
    count, width, height, skipped, source_height, stride = (text.number(i) for i in range(6))
    first = text.argument("begin") * lanes
    last = text.minimum(text.argument("end") * lanes, width)
    whole = last - text.divided(last - first, lanes)[1]
    with text.loop(0, height) as r:
        base = text.at(out, r * width * size)
        old = text.at(before, r * width * size) if begun else ""
        for begin, end, n in ((first, whole, lanes), (whole, last, 1)):
            with text.loop(begin, end, n) as j:
                value = text.load(text.at(old, j * size), kind, n) if begun else text.const(0, kind, n)
                text.store(value, text.at(base, j * size), kind)
    with text.loop(0, count) as i:
        row = _row(text, index, i, height)
        with text.when(row.compare("ne", skipped)):
            into = text.at(out, row * width * size)
            place = _row(text, source_index, i, source_height) if taken else i
            source = text.at(rows, place * width * size)
            weight = text.load(text.at(weights, i * stride * size), kind, 1) if weighed else None
            for begin, end, n in ((first, whole, lanes), (whole, last, 1)):
                with text.loop(begin, end, n) as j:
                    value = text.load(text.at(source, j * size), kind, n)
                    if weight is not None:
                        value = value * text.splat(weight, n)
                    target = text.at(into, j * size)
                    text.store(text.load(target, kind, n) + value, target, kind)
    return module([text])
