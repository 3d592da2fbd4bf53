"""The taps of `gridsample` for many places by one generated kernel: the same computations, in one pass."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from .loops import Pass
from .rowwise import Context, run_rows
from .symbolic import Sym, call, where

__all__ = ["taps"]

_CUBIC = -0.75
_NOWHERE = -100.0


def taps(
    grid: Any, sizes: tuple[int, ...], mode: str, padding: str, align: bool, orders: tuple[int, ...]
) -> Any:
    """Rows of all images, an image's elements after another's, and their weights.

    Args:
        grid: (N, *out, D), float32 or float64.
        sizes: of an image.
        mode: "nearest", "bilinear" or "bicubic".
        padding: "zeros", "border" or "reflection".
        align: whether -1 and 1 are the middles of the outermost elements.
        orders: how often the weights along each dimension are differentiated.

    Returns:
        Two arrays (taps, places); None if the weights are zero for all that orders say.
    """
    most = {"nearest": 0, "bilinear": 1, "bicubic": 3}[mode]
    if max(orders) > most:
        return None
    n, d = grid.shape[0], len(sizes)
    count = {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode] ** d
    flat = grid.reshape(n, math.prod(grid.shape[1:-1]), d)
    # The first coordinate of a place is that of the last dimension.
    coordinates = [flat[..., d - 1 - a] for a in range(d)]
    rows, weights = (
        np.empty((count, *flat.shape[:2]), np.int64),
        np.empty((count, *flat.shape[:2]), grid.dtype),
    )
    start = np.arange(n).reshape(n, 1) * math.prod(sizes)
    single = tuple([size == 1 for size in sizes])

    def build(c: Context, *symbols: Sym) -> Any:
        along = [
            _along(symbols[a], c.number(a), single[a], mode, padding, align, orders[a]) for a in range(d)
        ]
        steps = [Sym(c.body, c.body.number(d + a, "i64")) for a in range(d)]
        stores = []
        for k, combination in enumerate(product(*along)):
            place, weight = symbols[d], None
            for (position, w), step in zip(combination, steps, strict=True):
                place = place + position * step
                weight = w if weight is None else weight * w
            assert weight is not None
            stores += [(d + 1 + k, place.ref), (d + 1 + count + k, weight.ref)]
        return (Pass(stores=tuple(stores)),), ()

    numbers = [*map(float, sizes), *[math.prod(sizes[a + 1 :]) for a in range(d)]]
    name = ("taps", mode, padding, align, orders, single)
    run_rows(name, build, [*coordinates, start, *rows, *weights], (), numbers)
    return rows.reshape(count, -1), weights.reshape(count, -1)


def _along(
    c: Sym, size: Sym, single: bool, mode: str, padding: str, align: bool, order: int
) -> list[tuple[Sym, Sym]]:
    """Positions along a dimension and their weights (see `gridsample`)."""
    ratio = (size - 1.0) * 0.5 if align else size * 0.5
    u = (c + 1.0) * ratio
    u = u if align else u - 0.5
    slope = ratio
    if mode != "bicubic" and padding != "zeros":
        u, inner = _within(u, size, single, padding, align)
        slope = ratio * inner
    u = where(abs(u) < 2.0**30, u, _NOWHERE)
    if mode == "nearest":
        found = [(call("round", u), u.like(1.0))]
    else:
        floor = call("floor", u)
        t = u - floor
        if mode == "bilinear":
            ends = (1.0 - t, t) if not order else (u.like(-1.0), u.like(1.0))
            found = [(floor, ends[0]), (floor + 1.0, ends[1])]
        else:
            near = [floor + float(k) for k in range(-1, 3)]
            if padding != "zeros":
                near = [_within(at, size, single, padding, align)[0] for at in near]
            found = [(at, _cubic_weight(k, t, order)) for k, at in zip(range(-1, 3), near, strict=True)]
    ready = []
    for at, weight in found:
        for _ in range(order):
            weight = weight * slope
        outside = (at < 0.0) | (at >= size)
        ready.append((where(outside, 0.0, at).cast("i64"), where(outside, 0.0, weight)))
    return ready


def _within(u: Sym, size: Sym, single: bool, padding: str, align: bool) -> tuple[Sym, Sym]:
    if padding == "border":
        return _clipped(u, size)
    if align and single:
        return u.like(0.0), u.like(0.0)
    low, high, span = (0.0, size - 1.0, size - 1.0) if align else (-0.5, size - 0.5, size)
    distance = abs(u - low)
    turns = call("floor", distance / span)
    rest = distance - turns * span
    half = turns * 0.5
    even = call("floor", half) == half
    one = u.like(1.0)
    turned = where(u < low, -1.0, one) * where(even, 1.0, -one)
    clipped, inside = _clipped(where(even, rest + low, high - rest), size)
    return clipped, turned * inside


def _clipped(u: Sym, size: Sym) -> tuple[Sym, Sym]:
    inside = (u > 0.0) & (u < size - 1.0)
    kept = call("minimum", call("maximum", where(u == u, u, 0.0), 0.0), size - 1.0)
    return kept, where(inside, 1.0, u.like(0.0))


def _cubic_weight(k: int, t: Sym, order: int) -> Sym:
    a = _CUBIC
    if k in (-1, 2):
        s, sign = (t + 1.0, 1.0) if k == -1 else (2.0 - t, -1.0)
        coefficients = np.array([a, -5 * a, 8 * a, -4 * a])
    else:
        s, sign = (t, 1.0) if k == 0 else (1.0 - t, -1.0)
        coefficients = np.array([a + 2, -(a + 3), 0.0, 1.0])
    value = t.like(0.0)
    for c in (np.polyder(coefficients, order) if order else coefficients).tolist():
        value = value * s + c
    return value * sign**order
