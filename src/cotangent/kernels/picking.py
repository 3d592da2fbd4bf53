"""Elements taken from and put at positions along one dimension, as generated kernels.

An index array says for each of its places (i, j, k) which element along the middle dimension is meant:
`take` reads a[i, index[i, j, k], k], `put` combines out[i, index[i, j, k], k] with other[i, j, k], in the
order of the index. Any array may have any strides, so an index that is the same along a dimension is read as
it is. A position that is not within bounds, or below zero, is read as 0, and an error in the end.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from . import jit, runtime
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["put", "take"]

# Copies need to know sizes only.
_BY_SIZE: Final = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
_CHUNK: Final = 1 << 14
# Neighbours that `put` gives one thread: each of these columns belongs to that thread.
_COLUMNS: Final = 512
# Types that elements are combined in; 16-bit floats are rounded each time.
_COMBINED: Final = ("f32", "f64", "f16", "bf16", "i64", "i32")
_UNROLLED: Final = 4
_POSITIONS: Final = {"i4": "i32", "i8": "i64"}


def take(a: Any, index: Any, dim: int) -> Any:
    """The elements of `a` at `index` along a dimension.

    Args:
        a: an array.
        index: of its rank, int64 or int32, and not larger than it along other dimensions.
        dim: the dimension.

    Returns:
        A contiguous array of the shape of the index; None for elements of other than 1, 2, 4 or 8 bytes.

    Raises:
        IndexError: for a position out of bounds.
    """
    kind = _BY_SIZE.get(a.itemsize)
    if kind is None:
        return None
    out = np.empty(index.shape, a.dtype)
    _run("take", kind, a, index, out, dim)
    return out


def put(out: Any, index: Any, other: Any, dim: int, how: str) -> bool:
    """Combine elements of `out` at `index` along a dimension with those of another array.

    Args:
        out: a contiguous array.
        index: of its rank, int64 or int32, and of its size along other dimensions.
        other: of the shape of the index and the type of `out`.
        dim: the dimension.
        how: "sum", "prod", "max", "min", or "last": the other elements take the place.

    Returns:
        False if nothing was done, because the arrays are of another kind.

    Raises:
        IndexError: for a position out of bounds.
    """
    kind = _BY_SIZE.get(out.itemsize) if how == "last" else kind_of(out.dtype)
    if kind is None or (how != "last" and kind not in _COMBINED):
        return False
    sides = [(n, m) for d, (n, m) in enumerate(zip(out.shape, index.shape)) if d != dim]
    if out.dtype != other.dtype or not out.flags.c_contiguous or any(n != m for n, m in sides):
        return False
    _run(how, kind, out, index, other, dim)
    return True


def _run(how: str, kind: str, a: Any, index: Any, other: Any, dim: int) -> None:
    if a.shape != index.shape:
        a = a[tuple(slice(None if d == dim else m) for d, m in enumerate(index.shape))]
    outer, m, inner = math.prod(index.shape[:dim]), index.shape[dim], math.prod(index.shape[dim + 1 :])
    n = a.shape[dim]
    a = a.reshape(outer, n, inner)
    index, other = index.reshape(outer, m, inner), other.reshape(outer, m, inner)
    # Strides along the loops, the innermost of which is the last dimension that there is.
    beside = [[s // x.itemsize for s in x.strides] for x in (a, index, other)]
    step = beside[0][1]
    beside[0][1] = 0
    sizes = [outer, m, inner]
    if inner == 1:
        sizes = [outer, 1, m]
        beside = [[s[0], 0, s[1]] for s in beside]
    block = sizes[2]
    if how != "take" and inner > 1:
        block = min(block, _COLUMNS)
    blocks = -(-sizes[2] // block)
    positions = _POSITIONS[index.dtype.str[1:]]
    # What lies side by side along the innermost loop is known to the code.
    dense = "".join("c" if s[2] == 1 else "b" if s[2] == 0 else "s" for s in beside)
    kernel = jit.function(
        f"pick {how} {kind} {positions} {dense}", lambda: _text(how, kind, positions, dense)
    )
    wrong = np.zeros(1, np.int64)
    runtime.launch(
        kernel, outer * blocks, max(_CHUNK // (sizes[1] * block), 1), 4, 15, a, index, other, wrong,
        sizes[1], sizes[2], block, blocks, step, n, *beside[0], *beside[1], *beside[2],
    )  # fmt: skip
    if wrong[0]:
        bad = next(int(i) for i in index.flat if not 0 <= i < n)
        raise IndexError(f"index {bad} is out of bounds for dimension {dim} with size {n}")


def _text(how: str, kind: str, positions: str, dense: str) -> str:
    text = Text(KERNEL)
    middle, last, block, blocks, step, size = (text.number(i) for i in range(6))
    buffers = [text.buffer(i) for i in range(3)]
    kinds = (kind, positions, kind)
    strides = [[text.number(6 + 3 * i + d) * ITEMSIZE[kinds[i]] for d in range(3)] for i in range(3)]
    for own, sort, of in zip(strides, dense, kinds, strict=True):
        if sort != "s":
            own[2] = text.integer(ITEMSIZE[of] if sort == "c" else 0)
    step = step * ITEMSIZE[kind]
    with text.loop(text.argument("begin"), text.argument("end")) as chunk:
        p, b = text.divided(chunk, blocks)
        first = b * block
        end = text.minimum(first + block, last)
        with text.loop(0, middle) as q:
            a, index, other = (
                text.at(base, own[0] * p + own[1] * q) for base, own in zip(buffers, strides, strict=True)
            )

            def element(r: Vec) -> Vec:
                position = text.load(text.at(index, strides[1][2] * r), positions, 1).cast("i64")
                outside = text.op(f"icmp uge i64 {position.name}, {size.name}", "b1", 1)
                position = outside.select(0, position)
                place = text.at(text.at(a, strides[0][2] * r), position * step)
                there = text.at(other, strides[2][2] * r)
                if how == "take":
                    text.store(text.load(place, kind, 1), there, kind)
                else:
                    value = text.load(there, kind, 1)
                    if how != "last":
                        value = text.combine(text.load(place, kind, 1), value, how)
                    text.store(value, place, kind)
                return outside

            def turn(r: Vec, carried: list[Vec]) -> list[Vec]:
                found = carried[0]
                for k in range(unrolled):
                    found = found | element(r + k)
                return [found]

            whole = end - text.divided(end - first, _UNROLLED)[1]
            wrong = [text.const(False, "b1", 1)]
            for begin, stop, unrolled in ((first, whole, _UNROLLED), (whole, end, 1)):
                wrong = text.fold(begin, stop, wrong, turn, unrolled)
            with text.when(wrong[0]):
                text.store(text.const(1, "i64", 1), text.buffer(3), "i64")
    return module([text])
