"""The positions of the few largest or smallest elements of each row, as a generated kernel.

A row is compared, a vector at a time, with the last of those found so far; the few elements that are better
go into their place among these. Numbers are compared as integers of the same order, in which what is not a
number is the largest. Of equal elements the first come first.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from . import jit, runtime
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["places"]

_CHUNK: Final = 1 << 14
_BITS: Final = {"f32": ("i32", 31, 0x7FC00000), "f64": ("i64", 63, 0x7FF8000000000000)}


def places(rows: Any, k: int, largest: bool) -> Any:
    """Where the elements are.

    Args:
        rows: (number, n), contiguous, float32 or float64.
        k: how many of each row, from 1 to n.
        largest: those, or the smallest.

    Returns:
        Positions in a row (number, k), the best first.
    """
    kind = kind_of(rows.dtype) or ""
    lanes = jit.host().vector_bytes // rows.itemsize
    kernel = jit.function(f"row tops {kind} {lanes} {largest}", lambda: _text(kind, lanes, largest))
    found = np.empty((len(rows), k), np.int64)
    keys = np.empty((len(rows), k), np.int32 if kind == "f32" else np.int64)
    n = rows.shape[1]
    runtime.launch(kernel, len(rows), max(_CHUNK // n, 1), 3, 2, rows, found, keys, n, k)
    return found


def _text(kind: str, lanes: int, largest: bool) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    rows, found, keys = (text.buffer(i) for i in range(3))
    n, k = text.number(0), text.number(1)
    whole, last, unknown = _BITS[kind]
    lowest = text.const(-(1 << (8 * size - 1)), whole, 1)
    with text.loop(text.argument("begin"), text.argument("end")) as row:
        best, at = text.at(keys, row * k * size), text.at(found, row * k * 8)
        with text.loop(0, k) as i:
            text.store(lowest, text.at(best, i * size), whole)
            text.store(text.const(0, "i64", 1), text.at(at, i * 8), "i64")
        worst = text.at(best, (k - 1) * size)

        def ordered(place: Vec, count: int, mask: Vec | None) -> Vec:
            """Elements as integers of the same order (the other way round for the smallest)."""
            value = text.load(text.at(rows, (row * n + place) * size), kind, count, mask) + 0.0
            bits = value.bits(whole)
            bits = value.is_nan().select(unknown, bits ^ ((bits >> last) & ((1 << last) - 1)))
            return bits if largest else bits ^ -1

        with text.loop(0, n, lanes) as first:
            mask = text.mask(lanes, n - first)
            better = ordered(first, lanes, mask) > text.splat(text.load(worst, whole, 1), lanes)
            with (
                text.when(_any(text, better if mask is None else better & mask)),
                text.loop(first, text.minimum(first + lanes, n)) as place,
            ):
                key = ordered(place, 1, None)
                with text.when(key > text.load(worst, whole, 1)):
                    _insert(text, best, at, whole, k, key, place)
    return module([text])


def _any(text: Text, mask: Vec) -> Vec:
    if mask.lanes == 1:
        return mask
    word = text.intrinsic(f"llvm.vector.reduce.or.v{mask.lanes}i1", "i1", (mask.type, mask.name))
    return text.op(word, "b1", 1)


def _insert(text: Text, best: str, at: str, whole: str, k: Vec, key: Vec, place: Vec) -> None:
    """Put a key where the first smaller one is, and that and all after it one further."""
    size = ITEMSIZE[whole]

    def step(i: Vec, carried: list[Vec]) -> list[Vec]:
        one, spot, begun = carried
        here, there = text.at(best, i * size), text.at(at, i * 8)
        old, its = text.load(here, whole, 1), text.load(there, "i64", 1)
        begun = begun | (one > old)
        text.store(begun.select(one, old), here, whole)
        text.store(begun.select(spot, its), there, "i64")
        return [begun.select(old, one), begun.select(its, spot), begun]

    text.fold(0, k, [key, place, text.const(False, "b1", 1)], step)
