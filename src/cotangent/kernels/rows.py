"""Rows of a matrix by their numbers, as generated kernels: reading them (embedding), and adding to them.

    step = gather(kind, rows, width)      buffers: table, numbers of rows (i64), result; indices are rows
    step = scatter(kind, count, width)    buffers: rows to add, numbers of rows, result; indices are blocks of
                                          columns, so that each element is added to by one thread, in order

Numbers of rows are not checked here.
"""

from __future__ import annotations

from typing import NamedTuple

from . import jit
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec

__all__ = ["RowStep", "gather", "scatter"]


class RowStep(NamedTuple):
    """What a step of `runtime` is made of, but for its buffers."""

    kernel: int
    numbers: tuple[int, ...]
    extent: int
    grain: int


def _lanes(kind: str) -> int:
    return max(jit.host().vector_bytes // ITEMSIZE[kind], 1)


def gather(kind: str, rows: int, width: int) -> RowStep:
    """Rows of a contiguous table, one after the other.

    Args:
        kind: the element type.
        rows: how many are read.
        width: elements of a row.

    Returns:
        The step.
    """
    lanes = _lanes(kind)
    kernel = jit.function(f"rows gather {kind} {lanes}", lambda: _gather(kind, lanes))
    return RowStep(kernel, (width,), rows, max(1, 8192 // max(width, 1)))


def scatter(kind: str, count: int, width: int, height: int, skipped: int = -1) -> RowStep:
    """Zeros, with rows added where their numbers say.

    Args:
        kind: the element type, "f32" or "f64".
        count: how many rows are added.
        width: elements of a row.
        height: rows of the result.
        skipped: the number of rows that are left out.

    Returns:
        The step.
    """
    lanes = _lanes(kind)
    kernel = jit.function(f"rows scatter {kind} {lanes}", lambda: _scatter(kind, lanes))
    return RowStep(kernel, (count, width, height, skipped), -(-width // (2 * lanes)), 1)


def _copy(text: Text, kind: str, lanes: int, source: str, target: str, width: Vec) -> None:
    size = ITEMSIZE[kind]
    whole = width - text.divided(width, lanes)[1]
    with text.loop(0, whole, lanes) as j:
        value = text.load(text.at(source, j * size), kind, lanes)
        text.store(value, text.at(target, j * size), kind)
    with text.loop(whole, width) as j:
        value = text.load(text.at(source, j * size), kind, 1)
        text.store(value, text.at(target, j * size), kind)


def _gather(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    table, index, out = (text.buffer(i) for i in range(3))
    width = text.number(0)
    with text.loop(text.argument("begin"), text.argument("end")) as i:
        row = text.load(text.at(index, i * 8), "i64", 1)
        _copy(text, kind, lanes, text.at(table, row * width * size), text.at(out, i * width * size), width)
    return module([text])


def _scatter(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    rows, index, out = (text.buffer(i) for i in range(3))
    count, width, height, skipped = (text.number(i) for i in range(4))
    block = 2 * lanes
    with text.loop(text.argument("begin"), text.argument("end")) as b:
        first = b * block
        last = text.minimum(first + block, width)
        whole = last - text.divided(last - first, lanes)[1]
        with text.loop(0, height) as r:
            base = text.at(out, r * width * size)
            with text.loop(first, whole, lanes) as j:
                text.store(text.const(0, kind, lanes), text.at(base, j * size), kind)
            with text.loop(whole, last) as j:
                text.store(text.const(0, kind, 1), text.at(base, j * size), kind)
        with text.loop(0, count) as i:
            row = text.load(text.at(index, i * 8), "i64", 1)
            with text.when(row.compare("ne", skipped)):
                into = text.at(out, row * width * size)
                source = text.at(rows, i * width * size)
                with text.loop(first, whole, lanes) as j:
                    _add(text, kind, lanes, text.at(source, j * size), text.at(into, j * size))
                with text.loop(whole, last) as j:
                    _add(text, kind, 1, text.at(source, j * size), text.at(into, j * size))
    return module([text])


def _add(text: Text, kind: str, lanes: int, source: str, target: str) -> None:
    value = text.load(target, kind, lanes) + text.load(source, kind, lanes)
    text.store(value, target, kind)
