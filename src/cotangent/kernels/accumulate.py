"""Adding many rows at given places of a matrix: threads own columns, so that none needs a lock.

Each thread adds all rows, in order, in its columns. So the sums are those of a loop over the rows, whatever
the number of threads. (Ranges of the target's rows in place of columns would have each thread look through
all indices, which took four times as long as adding them.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import settings
from . import jit, loops, runtime
from .vectors import Text, Vec

__all__ = ["add_rows"]


def add_rows(out: Any, rows: Any, values: Any) -> bool:
    """`out[rows] += values` for a contiguous float32 or float64 matrix.

    Args:
        out: [n, width...], contiguous.
        rows: integers, each in [0, n).
        values: [len(rows), width...] of the same type.

    Returns:
        False if nothing was done, because the operands are of another kind.
    """
    kind = loops.kind_of(out.dtype)
    if kind not in ("f32", "f64") or not out.flags.c_contiguous or values.dtype != out.dtype:
        return False
    width = out.size // len(out)
    matrix = values.reshape(len(rows), width)
    same = matrix.strides[1] == 0
    if not same and matrix.strides[1] != out.itemsize:
        matrix = np.ascontiguousarray(matrix)
    index = np.ascontiguousarray(rows, np.int64)
    kernel = jit.function(f"add rows by columns {kind} {same:d}", lambda: _text(kind, same))
    stride = matrix.strides[0] // out.itemsize
    blocks = -(-width // _lanes(kind))
    grain = -(-blocks // settings.thread_count())
    runtime.launch(kernel, blocks, grain, 3, 3, out, index, matrix, len(rows), width, stride)
    return True


def _lanes(kind: str) -> int:
    """Columns of a block: two vectors, or two lines of the cache, which threads should not share."""
    return max(2 * jit.host().vector_bytes, 128) // (4 if kind == "f32" else 8)


def _text(kind: str, same: bool) -> str:
    """The kernel: buffers target, indices, values; numbers rows of values, width, stride of values."""
    lanes = _lanes(kind)
    size = 4 if kind == "f32" else 8
    t = Text()

    def row(lanes: int) -> None:
        """Adds `lanes` elements at %j."""
        t.line(f"%to{lanes} = getelementptr i8, ptr %target, i64 %offset{lanes}")
        if same:
            value = t.splat(Vec(t, "%one", kind, 1), lanes)
        else:
            t.line(f"%from{lanes} = getelementptr i8, ptr %source, i64 %offset{lanes}")
            value = t.load(f"%from{lanes}", kind, lanes)
        t.store(t.load(f"%to{lanes}", kind, lanes) + value, f"%to{lanes}", kind)

    t.line("%out = load ptr, ptr %buffers")
    for i, name in enumerate(("index", "values"), 1):
        t.line(f"%p{name} = getelementptr ptr, ptr %buffers, i64 {i}")
        t.line(f"%{name} = load ptr, ptr %p{name}")
    t.line("%n = load i64, ptr %numbers")
    for i, name in enumerate(("width", "stride"), 1):
        t.line(f"%p{name} = getelementptr i64, ptr %numbers, i64 {i}")
        t.line(f"%{name} = load i64, ptr %p{name}")
    t.line(f"%left_edge = mul i64 %begin, {lanes}")
    t.line(f"%far = mul i64 %end, {lanes}")
    t.line("%inside = icmp slt i64 %far, %width")
    t.line("%right_edge = select i1 %inside, i64 %far, i64 %width")
    t.line("%span = sub i64 %right_edge, %left_edge")
    t.line(f"%blocks = and i64 %span, {-lanes}")
    t.line("%whole = add i64 %left_edge, %blocks")
    t.line("br label %rows")
    t.label("rows")
    t.line("%i = phi i64 [0, %entry], [%i1, %next]")
    t.line("%more = icmp slt i64 %i, %n")
    t.line("br i1 %more, label %start, label %out_of")
    t.label("start")
    t.line("%pi = getelementptr i64, ptr %index, i64 %i")
    t.line("%d = load i64, ptr %pi")
    t.line("%target_at = mul i64 %d, %width")
    t.line(f"%target = getelementptr {'float' if size == 4 else 'double'}, ptr %out, i64 %target_at")
    t.line("%source_at = mul i64 %i, %stride")
    t.line(f"%source = getelementptr {'float' if size == 4 else 'double'}, ptr %values, i64 %source_at")
    t.line(f"%one = load {'float' if size == 4 else 'double'}, ptr %source")
    t.line("br label %vectors")
    t.label("vectors")
    t.line("%j = phi i64 [%left_edge, %start], [%j1, %vector]")
    t.line("%wide = icmp slt i64 %j, %whole")
    t.line("br i1 %wide, label %vector, label %rest")
    t.label("vector")
    t.line(f"%offset{lanes} = mul i64 %j, {size}")
    row(lanes)
    t.line(f"%j1 = add i64 %j, {lanes}")
    t.line("br label %vectors")
    t.label("rest")
    t.line("%k = phi i64 [%j, %vectors], [%k1, %element]")
    t.line("%left = icmp slt i64 %k, %right_edge")
    t.line("br i1 %left, label %element, label %next")
    t.label("element")
    t.line(f"%offset1 = mul i64 %k, {size}")
    row(1)
    t.line("%k1 = add i64 %k, 1")
    t.line("br label %rest")
    t.label("next")
    t.line("%i1 = add i64 %i, 1")
    t.line("br label %rows")
    t.label("out_of")
    t.line("ret void")
    head = "define void @kernel(ptr %buffers, ptr %numbers, i64 %begin, i64 %end) #0 {\nentry:"
    attributes = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'
    return "\n".join([*t.declarations, head, *t.lines, "}", attributes, ""])
