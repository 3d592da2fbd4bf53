"""Copies between arrays that lie in memory in different orders, as generated kernels.

If elements lie side by side along different dimensions, NumPy copies one by one and comes back to each line
of the cache once for each of its elements. Here squares are read as vectors, turned in registers, and written
as vectors. If it is the same dimension, but a short one, what costs is NumPy's way from one row to the next.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

from . import jit, runtime
from .contract_micro import turn
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec

__all__ = ["transfer"]

_BY_SIZE: Final = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
_CHUNK: Final = 1 << 14
# Dimensions besides the two that are turned.
_OUTER: Final = 2
# Narrower than this there is nothing to turn.
_LEAST: Final = 4
# Bytes of a row up to which NumPy's own loop over rows takes longer than the copying.
_SHORT: Final = 256


def transfer(target: Any, source: Any) -> bool:
    """Copy an array into another one, if the two lie in memory as the kernel wants it.

    Args:
        target: what is written; elements that are not shared with the source.
        source: of its shape and type.

    Returns:
        False if nothing was done.
    """
    kind = _BY_SIZE.get(target.itemsize)
    if kind is None or target.dtype != source.dtype:
        return False
    dims = _merged(target, source)
    # Each of size, stride in the target, stride in the source (of elements).
    along = next((i for i, (_, step, _) in enumerate(dims) if step == 1), None)
    across = next((i for i, (_, _, step) in enumerate(dims) if step == 1), None)
    if along is None or across is None:
        return False
    outer = [d for i, d in enumerate(dims) if i not in (along, across)]
    if along == across:
        return _by_rows(kind, target, source, dims[along][0], outer)
    if len(outer) > _OUTER or min(dims[along][0], dims[across][0]) < _LEAST:
        return False
    outer = [(1, 0, 0)] * (_OUTER - len(outer)) + outer
    (length, _, source_step), (width, target_step, _) = dims[along], dims[across]
    lanes = min(jit.host().vector_bytes // max(target.itemsize, 4), 16)
    columns = min(lanes, 1 << (width.bit_length() - 1))
    rows = min(columns, 1 << (length.bit_length() - 1))
    kernel = jit.function(f"turned copy {kind} {columns} {rows}", lambda: _text(kind, columns, rows))
    blocks = -(-width // columns)
    count = blocks * prod(n for n, _, _ in outer)
    runtime.launch(
        kernel, count, max(_CHUNK // (length * columns), 1), 2, 10, target, source,
        width, length, target_step, source_step, blocks, outer[1][0],
        *[step for _, *steps in outer for step in steps],
    )  # fmt: skip
    return True


def _by_rows(kind: str, target: Any, source: Any, n: int, outer: list[tuple[int, int, int]]) -> bool:
    """`transfer` where rows of `n` elements are dense on both sides."""
    if len(outer) > _OUTER + 1 or not _LEAST * 4 <= n * target.itemsize <= _SHORT:
        return False
    outer = [(1, 0, 0)] * (_OUTER + 1 - len(outer)) + outer
    lanes = max(jit.host().vector_bytes // target.itemsize, 1)
    while lanes // 2 >= n:
        lanes //= 2
    kernel = jit.function(f"rows copy {kind} {lanes}", lambda: _rows_text(kind, lanes))
    count = outer[0][0] * outer[1][0]
    runtime.launch(
        kernel, count, max(_CHUNK // (n * outer[2][0]), 1), 2, 9, target, source, n, outer[1][0], outer[2][0],
        *[step for _, *steps in outer for step in steps],
    )  # fmt: skip
    return True


def _rows_text(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    n, second, third = (text.number(i) for i in range(3))
    steps = [text.number(i) * size for i in range(3, 9)]
    whole = n - text.divided(n, lanes)[1]
    with text.loop(text.argument("begin"), text.argument("end")) as place:
        one, two = text.divided(place, second)
        bases = [text.at(text.buffer(k), one * steps[k] + two * steps[2 + k]) for k in range(2)]
        with text.loop(0, third) as three:
            into, row = (text.at(base, three * steps[4 + k]) for k, base in enumerate(bases))
            for begin, end, width in ((0, whole, lanes), (whole, n, 1)):
                with text.loop(begin, end, width) as i:
                    text.store(text.load(text.at(row, i * size), kind, width), text.at(into, i * size), kind)
    return module([text])


def _merged(target: Any, source: Any) -> list[tuple[int, int, int]]:
    """The dimensions, those together that both arrays walk through in one; outermost in the target first."""
    size = target.itemsize
    dims = [
        (n, t // size, s // size)
        for n, t, s in zip(target.shape, target.strides, source.strides, strict=True)
        if n != 1
    ]
    dims.sort(key=lambda d: -d[1])
    merged: list[tuple[int, int, int]] = []
    for n, t, s in dims:
        if merged and merged[-1][1] == t * n and merged[-1][2] == s * n:
            merged[-1] = (merged[-1][0] * n, t, s)
        else:
            merged.append((n, t, s))
    return merged


def _text(kind: str, columns: int, rows: int) -> str:
    """The kernel: along `length` the target is dense, along `width` the source."""
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    width, length, target_step, source_step, blocks, second = (text.number(i) for i in range(6))
    steps = [text.number(i) * size for i in range(6, 10)]
    target_step, source_step = target_step * size, source_step * size
    with text.loop(text.argument("begin"), text.argument("end")) as chunk:
        place, block = text.divided(chunk, blocks)
        one, two = text.divided(place, second)
        first = block * columns
        target = text.at(text.buffer(0), one * steps[0] + two * steps[2] + first * target_step)
        source = text.at(text.buffer(1), one * steps[1] + two * steps[3] + first * size)
        left = width - first

        def single(begin: Vec, count: Vec) -> None:
            """Elements from `begin` on along the length, for the first `count` columns."""
            with text.loop(0, count) as k, text.loop(begin, length) as i:
                value = text.load(text.at(source, k * size + i * source_step), kind, 1)
                text.store(value, text.at(target, k * target_step + i * size), kind)

        def squares() -> None:
            whole = length - text.divided(length, rows)[1]
            with text.loop(0, whole, rows) as i:
                corner = text.at(source, i * source_step)
                found = [
                    text.load(text.at(corner, source_step * r if r else 0), kind, columns)
                    for r in range(rows)
                ]
                into = text.at(target, i * size)
                for k, value in enumerate(turn(text, found)):
                    text.store(value, text.at(into, target_step * k if k else 0), kind)
            single(whole, text.integer(columns))

        text.either(left >= columns, squares, lambda: single(text.integer(0), left))
    return module([text])
