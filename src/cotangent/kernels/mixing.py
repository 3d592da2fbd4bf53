"""Weighted sums of a few rows of a matrix for each of many places, and the transpose, as generated kernels.

Place i reads the rows at[0, i], at[1, i], ... with the weights weights[0, i], ...; what has no weight is not
read, so that it may be anything. It is the product with a sparse matrix of a known number of entries a row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..config import settings
from . import jit, runtime
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["along", "dotted", "mixed", "mixed_back"]

_CHUNK = 1 << 13


def mixed(rows: Any, at: Any, weights: Any) -> Any:
    """Weighted sums of rows.

    Args:
        rows: (height, width), contiguous, float32 or float64.
        at: (taps, places), int64, numbers of rows.
        weights: likewise, of the type of the rows.

    Returns:
        (places, width).
    """
    taps, places = at.shape
    out = np.empty((places, rows.shape[1]), rows.dtype)
    _run("mix", rows, at, weights, out, places, max(_CHUNK // (taps * rows.shape[1]), 1))
    return out


def dotted(rows: Any, at: Any, weights: Any, g: Any) -> Any:
    """The products of the rows of `g` with those of `mixed(rows, at, weights)`: (places,).

    Args:
        rows: as for `mixed`.
        at: likewise.
        weights: likewise.
        g: (places, width), contiguous.
    """
    taps, places = at.shape
    out = np.empty(places, rows.dtype)
    _run("mix dot", rows, at, weights, g, places, max(_CHUNK // (taps * rows.shape[1]), 1), out)
    return out


def mixed_back(g: Any, at: Any, weights: Any, height: int) -> Any:
    """The transpose of `mixed`.

    Args:
        g: (places, width), contiguous.
        at: as for `mixed`.
        weights: likewise.
        height: of the result.

    Returns:
        (height, width).
    """
    out = np.zeros((height, g.shape[1]), g.dtype)
    blocks = -(-g.shape[1] // _lanes(g))
    _run("mix back", out, at, weights, g, blocks, -(-blocks // settings.thread_count()))
    return out


def _lanes(a: Any) -> int:
    lanes: int = jit.host().vector_bytes // a.itemsize
    while lanes > 1 and lanes // 2 >= a.shape[1]:
        lanes //= 2
    return lanes


def _run(
    name: str, rows: Any, at: Any, weights: Any, beside: Any, count: int, grain: int, *result: Any
) -> None:
    kind, lanes = kind_of(rows.dtype) or "", _lanes(rows)
    kernel = jit.function(
        f"{name} {kind} x{lanes}",
        lambda: _mix_back(kind, lanes) if name == "mix back" else _mix(kind, lanes, bool(result)),
    )
    taps, places = at.shape
    runtime.launch(
        kernel, count, grain, 4 + len(result), 3, rows, np.ascontiguousarray(at),
        np.ascontiguousarray(weights), beside, *result, taps, places, rows.shape[1],
    )  # fmt: skip


def _mix(kind: str, lanes: int, dot: bool) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    taps, places, width = (text.number(i) for i in range(3))
    rows, at, weights, beside = (text.buffer(i) for i in range(4))
    with text.loop(text.argument("begin"), text.argument("end")) as i:

        def part(j: Vec, dots: list[Vec]) -> list[Vec]:
            """The sums of a vector's columns, or those added up with what they are multiplied by."""
            mask = text.mask(lanes, width - j)

            def turn(tap: Vec, carried: list[Vec]) -> list[Vec]:
                place = tap * places + i
                row = text.load(text.at(at, place * 8), "i64", 1)
                weight = text.splat(text.load(text.at(weights, place * size), kind, 1), lanes)
                value = text.load(text.at(rows, (row * width + j) * size), kind, lanes, mask)
                return [carried[0] + weight.compare("ne", 0).select(value * weight, 0)]

            total = text.fold(0, taps, [text.const(0, kind, lanes)], turn)[0]
            there = text.at(beside, (i * width + j) * size)
            if dot:
                return [dots[0] + total * text.load(there, kind, lanes, mask)]
            text.store(total, there, kind, mask)
            return dots

        found = text.fold(0, width, [text.const(0, kind, lanes)] if dot else [], part, lanes)
        if dot:
            product = text.reduce(found[0], "sum") if lanes > 1 else found[0]
            text.store(product, text.at(text.buffer(4), i * size), kind)
    return module([text])


def _mix_back(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    taps, places, width = (text.number(i) for i in range(3))
    out, at, weights, g = (text.buffer(i) for i in range(4))
    with text.loop(text.argument("begin"), text.argument("end")) as block:
        j = block * lanes
        mask = text.mask(lanes, width - j)
        with text.loop(0, places) as i:
            value = text.load(text.at(g, (i * width + j) * size), kind, lanes, mask)
            with text.loop(0, taps) as tap:
                place = tap * places + i
                weight = text.load(text.at(weights, place * size), kind, 1)
                with text.when(weight.compare("ne", 0)):
                    row = text.load(text.at(at, place * 8), "i64", 1)
                    into = text.at(out, (row * width + j) * size)
                    term = value * text.splat(weight, lanes)
                    text.store(text.load(into, kind, lanes, mask) + term, into, kind, mask)
    return module([text])


def along(a: Any, dim: int, index: Any, weight: Any) -> Any:
    """Elements along one dimension mixed: place o is the sum over k of weight[o, k] * a[index[o, k]].

    Args:
        a: contiguous, float32 or float64; less than 2^31 elements along the dimension.
        dim: the dimension.
        index: (outputs, taps), int64, within bounds.
        weight: likewise, float64.

    Returns:
        A new array, `outputs` long along the dimension. Products are added up in the order of the taps.
    """
    kind = kind_of(a.dtype) or ""
    outputs, taps = index.shape
    n, inner = a.shape[dim], math.prod(a.shape[dim + 1 :])
    outer = math.prod(a.shape[:dim])
    out = np.empty((*a.shape[:dim], outputs, *a.shape[dim + 1 :]), a.dtype)
    at = np.ascontiguousarray(index.T, np.int32)
    weights = np.ascontiguousarray(weight.T, a.dtype)
    lanes = jit.host().vector_bytes // a.itemsize
    write = _last if inner == 1 else _middle
    kernel = jit.function(f"along {kind} x{lanes} {inner == 1}", lambda: write(kind, lanes))
    count, each = (outer, outputs) if inner == 1 else (outer * outputs, inner)
    grain = max(_CHUNK // max(each * taps, 1), 1)
    runtime.launch(kernel, count, grain, 4, 4, a, at, weights, out, n, outputs, taps, inner)
    return out


def _last(kind: str, lanes: int) -> str:
    """The dimension is the last: vectors of places."""
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    a, at, weights, out = (text.buffer(i) for i in range(4))
    n, outputs, taps = (text.number(i) for i in range(3))
    with (
        text.loop(text.argument("begin"), text.argument("end")) as row,
        text.loop(0, outputs, lanes) as o,
    ):
        mask = text.mask(lanes, outputs - o)
        line = text.at(a, row * n * size)

        def turn(k: Vec, carried: list[Vec]) -> list[Vec]:
            place = k * outputs + o
            where = text.load(text.at(at, place * 4), "i32", lanes, mask)
            weight = text.load(text.at(weights, place * size), kind, lanes, mask)
            return [carried[0] + text.picked(line, where, kind, mask) * weight]

        total = text.fold(0, taps, [text.const(0, kind, lanes)], turn)[0]
        text.store(total, text.at(out, (row * outputs + o) * size), kind, mask)
    return module([text])


def _middle(kind: str, lanes: int) -> str:
    """Others come after the dimension: vectors of their elements."""
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    a, at, weights, out = (text.buffer(i) for i in range(4))
    n, outputs, taps, inner = (text.number(i) for i in range(4))
    with text.loop(text.argument("begin"), text.argument("end")) as place:
        row, o = text.divided(place, outputs)
        with text.loop(0, inner, lanes) as j:
            mask = text.mask(lanes, inner - j)

            def turn(k: Vec, carried: list[Vec]) -> list[Vec]:
                tap = k * outputs + o
                where = text.load(text.at(at, tap * 4), "i32", 1).cast("i64")
                weight = text.splat(text.load(text.at(weights, tap * size), kind, 1), lanes)
                value = text.load(text.at(a, ((row * n + where) * inner + j) * size), kind, lanes, mask)
                return [carried[0] + value * weight]

            total = text.fold(0, taps, [text.const(0, kind, lanes)], turn)[0]
            text.store(total, text.at(out, (place * inner + j) * size), kind, mask)
    return module([text])
