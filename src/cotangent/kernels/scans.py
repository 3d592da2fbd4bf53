"""Running sums, products and extremes along a dimension, as generated kernels.

What runs along the last dimension is taken several rows at once, one element of each in turn, so that the
additions of one row do not wait for each other; along another dimension it is vectors of neighbouring
columns. Sums and products of float32 are kept in float64 and each is rounded once, as PyTorch's are; so what
comes out does not depend on which way it went.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from . import jit, runtime
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["extremes", "totals"]

# The type that sums and products are kept in, by the type in memory.
_WIDE: Final = {"f32": "f64", "f64": "f64", "f16": "f32", "bf16": "f32", "i64": "i64", "i32": "i32"}
_ROWS: Final = 4
# Elements of a chunk.
_CHUNK: Final = 1 << 14


def totals(a: Any, dim: int, how: str, backwards: bool = False) -> Any:
    """Running sums or products along a dimension; None for what there are no kernels for.

    Args:
        a: a contiguous array.
        dim: the dimension.
        how: "sum" or "prod".
        backwards: from the end.

    Returns:
        A new array.
    """
    kind = kind_of(a.dtype)
    if kind not in _WIDE:
        return None
    out = np.empty_like(a)
    _run(kind, how, a, dim, backwards, out)
    return out


def extremes(a: Any, dim: int, largest: bool) -> Any:
    """Running maxima or minima, and the positions of the latest elements that attain them; None as above.

    Args:
        a: a contiguous array.
        dim: the dimension.
        largest: maxima or minima.

    Returns:
        Values and positions.
    """
    kind = kind_of(a.dtype)
    if kind not in _WIDE:
        return None
    out, places = np.empty_like(a), np.empty(a.shape, np.int64)
    _run(kind, "max" if largest else "min", a, dim, False, out, places)
    return out, places


def _run(kind: str, how: str, a: Any, dim: int, backwards: bool, *results: Any) -> None:
    dim %= a.ndim
    n, inner = a.shape[dim], math.prod(a.shape[dim + 1 :])
    outer = math.prod(a.shape[:dim])
    lanes = 1 if inner == 1 else _lanes(kind, how)
    name = f"scan {how} {kind} x{lanes}{' backwards' * backwards}"
    kernel = jit.function(name, lambda: _text(kind, how, lanes, backwards))
    blocks = outer * -(-inner // lanes)
    grain = max(_CHUNK // (n * lanes), 1)
    if lanes == 1:
        grain = -(-grain // _ROWS) * _ROWS
    runtime.launch(kernel, blocks, grain, 1 + len(results), 2, a, *results, n, inner)


def _lanes(kind: str, how: str) -> int:
    """Columns at once: rows are read in runs of some length, and the results stay in registers."""
    return jit.host().vector_bytes // (4 if how in ("sum", "prod") else 8) * min(4 // ITEMSIZE[kind] + 1, 2)


def _text(kind: str, how: str, lanes: int, backwards: bool) -> str:
    text = Text(KERNEL)
    n, inner = text.number(0), text.number(1)
    begin, end = text.argument("begin"), text.argument("end")
    if lanes == 1:
        whole = end - text.divided(end - begin, _ROWS)[1]
        for first, last, rows in ((begin, whole, _ROWS), (whole, end, 1)):
            with text.loop(first, last, rows) as row:
                starts = [(row + r) * n for r in range(rows)]
                _along(text, kind, how, starts, n, text.integer(1), backwards, 1, None)
    else:
        across = text.divided(inner + (lanes - 1), lanes)[0]
        with text.loop(begin, end) as block:
            outer, number = text.divided(block, across)
            column = number * lanes
            mask = text.mask(lanes, inner - column)
            _along(text, kind, how, [outer * n * inner + column], n, inner, backwards, lanes, mask)
    return module([text])


def _along(
    text: Text,
    kind: str,
    how: str,
    starts: list[Vec],
    n: Vec,
    step: Vec,
    backwards: bool,
    lanes: int,
    mask: Vec | None,
) -> None:
    """Runs beside each other, from the elements at `starts` in steps of `step` elements."""
    a, out = text.buffer(0), text.buffer(1)
    size = ITEMSIZE[kind]

    def turn(i: Vec, carried: list[Vec]) -> list[Vec]:
        away = (n - 1 - i if backwards else i) * step
        offsets = [(start + away) * size for start in starts]
        found = [text.load(text.at(a, offset), kind, lanes, mask) for offset in offsets]
        if how in ("sum", "prod"):
            following = [
                text.combine(before, x.cast(wide), how) for before, x in zip(carried, found, strict=True)
            ]
            for value, offset in zip(following, offsets, strict=True):
                text.store(value.cast(found[0].kind), text.at(out, offset), kind, mask)
            return following
        pairs = zip(found, carried[::2], carried[1::2], strict=True)
        places = text.buffer(2)
        chosen: list[Vec] = []
        for (x, best, place), start in zip(pairs, starts, strict=True):
            take = x >= best if how == "max" else x <= best
            if x.kind in ("f32", "f64"):
                take = take | x.is_nan()
            best = take.select(x, best)
            place = take.select(text.splat(i, lanes), place)
            offset = start + away
            text.store(best, text.at(out, offset * size), kind, mask)
            text.store(place, text.at(places, offset * 8), "i64", mask)
            chosen += [best, place]
        return chosen

    if how in ("sum", "prod"):
        wide = _WIDE[kind]
        text.fold(0, n, [text.const(how == "prod", wide, lanes)] * len(starts), turn)
        return
    first: list[Vec] = []
    for start in starts:
        first += [text.load(text.at(a, start * size), kind, lanes, mask), text.const(0, "i64", lanes)]
    text.fold(0, n, first, turn)
