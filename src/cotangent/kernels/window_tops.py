"""The largest element of each window of planes and where it is, as a generated kernel.

Windows are given by tables, one for each of two dimensions: where each begins and how many elements it
has. So those that have
padding, gaps or changing sizes are all the same here. Whichever element is not a number counts as the
largest, the last of several; of equal ones it is the first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from . import jit, runtime
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["tops", "windows"]

Windows = tuple[Any, Any, int, int]
_CHUNK: Final = 1 << 14


@lru_cache(256)
def windows(n: int, k: int, s: int, p: int, d: int, out: int) -> Windows:
    """Evenly spaced windows along a dimension: (first elements, numbers of elements, step in a window,
    the largest number).

    Args:
        n: elements.
        k: of a window.
        s: from window to window.
        p: padding on both sides.
        d: from element to element of a window.
        out: windows.
    """
    start = np.arange(out) * s - p
    first = start + np.maximum(-(start // d), 0) * d
    end = np.minimum(start + d * (k - 1) + 1, n)
    count = np.maximum(-((first - end) // d), 0)
    return first.astype(np.int32), count.astype(np.int32), d, int(count.max())


def tops(a: Any, rows: Windows, columns: Windows) -> tuple[Any, Any]:
    """Elements and positions.

    Args:
        a: (planes, height, width), contiguous, float32 or float64, planes of less than 2^31 elements.
        rows: the windows along the height.
        columns: likewise along the width.

    Returns:
        The largest elements (planes, rows, columns) and their positions within a plane.
    """
    kind = kind_of(a.dtype) or ""
    planes, height, width = a.shape
    shape = (planes, len(rows[0]), len(columns[0]))
    best, index = np.empty(shape, a.dtype), np.empty(shape, np.int64)
    lanes = jit.host().vector_bytes // a.itemsize
    kernel = jit.function(f"window tops {kind} {lanes}", lambda: _text(kind, lanes))
    each = shape[2] * max(columns[3] * rows[3], 1)
    runtime.launch(
        kernel, planes * shape[1], max(_CHUNK // each, 1), 7, 7, a, best, index, *rows[:2], *columns[:2],
        height, width, shape[1], shape[2], rows[2], *columns[2:],
    )  # fmt: skip
    return best, index


def _text(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    a, best, index, top, down_count, left, across_count = (text.buffer(i) for i in range(7))
    height, width, down, across, down_step, across_step, widest = (text.number(i) for i in range(7))
    with text.loop(text.argument("begin"), text.argument("end")) as row:
        plane, y = text.divided(row, down)
        base = text.at(a, plane * height * width * size)
        begin = text.load(text.at(top, y * 4), "i32", 1).cast("i64")
        turns = text.load(text.at(down_count, y * 4), "i32", 1).cast("i64")
        with text.loop(0, across, lanes) as x:
            mask = text.mask(lanes, across - x)
            first = text.load(text.at(left, x * 4), "i32", lanes, mask)
            count = text.load(text.at(across_count, x * 4), "i32", lanes, mask)

            def along(i: Vec, found: list[Vec]) -> list[Vec]:
                line = text.splat(((begin + i * down_step) * width).cast("i32"), lanes) + first

                def element(j: Vec, found: list[Vec]) -> list[Vec]:
                    place = line + text.splat((j * across_step).cast("i32"), lanes)
                    inside = text.splat(j.cast("i32"), lanes) < count
                    value = text.picked(base, place, kind, inside)
                    above = ((value > found[0]) | value.is_nan()) & inside
                    return [above.select(value, found[0]), above.select(place, found[1])]

                return text.fold(0, widest, found, element)

            place = text.splat((begin * width).cast("i32"), lanes) + first
            value, place = text.fold(0, turns, [text.const(-np.inf, kind, lanes), place], along)
            out = row * across + x
            text.store(value, text.at(best, out * size), kind, mask)
            text.store(place.cast("i64"), text.at(index, out * 8), "i64", mask)
    return module([text])
