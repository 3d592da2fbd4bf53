"""Packing: an operand laid out as the micro-kernel reads it.

A packed operand is a row of panels; a panel holds `width` elements of the outer dimension (rows of A, columns
of B) for every step of the reduction, one step after the other. On the way the elements are converted to the
type that is computed in, and a prologue may be applied to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .contract_fusion import Fusion, Reader
from .contract_micro import turn
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec, compute_type


@dataclass(frozen=True)
class Packing:
    """The structure of a packing kernel.

    Attributes:
        width: elements of a panel's step.
        edge: the same for a last, narrower panel; 0 if all are alike.
        lanes: elements of a vector.
        dtype: of the source.
        along: "outer" (elements of one step side by side in the source), "steps" (steps side by side),
            "neither", or "table" (as neither; a table says where each step lies).
        prologue: its structure.
    """

    width: int
    edge: int
    lanes: int
    dtype: str
    along: str
    prologue: str = ""

    @property
    def height(self) -> int:
        """Rows that go through the registers at once where steps lie side by side."""
        most = min(self.width, self.lanes)
        return max(x for x in range(1, most + 1) if self.width % x == 0 and self.edge % x == 0)

    @property
    def name(self) -> str:
        if self.along == "steps":
            return f"contract pack turned {self.height} x{self.lanes} {self.dtype} {self.prologue}"
        return (
            f"contract pack {self.width} {self.edge} x{self.lanes} {self.dtype} {self.along} {self.prologue}"
        )


# What the numbers of a packing kernel are; strides and places are in bytes.
(
    EXTENT,  # elements of the outer dimension
    STEPS,
    OUTER_STRIDE,
    STEP_STRIDE,
    PANELS,
    CHUNKS,  # pieces in which a panel is packed
    CHUNK,  # steps of a piece
    INNER,  # size of the inner batch dimension
    BATCH_OUTER,
    BATCH_INNER,
    TARGET_BATCH,  # between the packed matrices
    TARGET,  # where they begin in the scratch memory
    SOURCE,  # where the operand begins in its buffer
    WIDTH,  # elements of a panel's step, in whole panels and in a last, narrower one
    EDGE,
) = range(15)
OPERANDS = 15
# Buffers: the source, the scratch memory, the table if there is one; otherwise the prologue's.
FIRST_OPERAND = 2


def write_pack(packing: Packing, prologue: Fusion | None) -> str:
    """The kernel; an index is a piece of a panel of a matrix.

    Args:
        packing: the structure.
        prologue: what is done with each element; rows of its matrix are the outer dimension, columns steps.

    Returns:
        LLVM's assembly.
    """
    text = Text(KERNEL)
    n = [text.number(i) for i in range(OPERANDS)]
    source, target = text.at(text.buffer(0), n[SOURCE]), text.at(text.buffer(1), n[TARGET])
    size = ITEMSIZE[compute_type(packing.dtype)]
    with text.loop(text.argument("begin"), text.argument("end")) as index:
        rest, chunk = text.divided(index, n[CHUNKS])
        batch, panel = text.divided(rest, n[PANELS])
        outer, inner = text.divided(batch, n[INNER])
        first = panel * n[WIDTH]
        begin = chunk * n[CHUNK]
        here = text.at(text.at(source, outer * n[BATCH_OUTER]), inner * n[BATCH_INNER])
        there = text.at(text.at(target, batch * n[TARGET_BATCH]), first * n[STEPS] * size)
        valid = n[EXTENT] - first
        writer = _Panel(
            text, packing, prologue, (outer, inner), n[OUTER_STRIDE], n[STEP_STRIDE],
            text.at(here, first * n[OUTER_STRIDE]), there, first, begin,
            text.minimum(begin + n[CHUNK], n[STEPS]), valid,
        )  # fmt: skip
        if packing.along == "steps":
            writer.turn((valid >= n[WIDTH]).select(n[WIDTH], n[EDGE]))
        else:
            text.either(
                valid >= packing.width,
                partial(writer.write, packing.width, False),
                partial(writer.write, packing.edge or packing.width, True),
            )
    return module([text])


@dataclass
class _Panel:
    """Writes the code for one piece of a panel."""

    text: Text
    packing: Packing
    prologue: Fusion | None
    batch: tuple[Vec, Vec]
    outer_stride: Vec
    step_stride: Vec
    source: str  # of the panel's first element in step 0
    target: str
    first: Vec
    begin: Vec
    end: Vec
    valid: Vec

    def write(self, width: int, cut: bool) -> None:
        if self.packing.along == "outer":
            self.copy(width, cut)
        elif self.packing.along == "table":
            self.gather_by_table(width, cut)
        else:
            self.gather(width)

    def elements(self, outer: Vec, step: Vec, place: str, lanes: int, mask: Vec | None) -> Vec:
        """Load, convert, apply the prologue."""
        value = self.text.load(place, self.packing.dtype, lanes, mask)
        if self.prologue is None:
            return value
        across = self.packing.along == "outer"
        where = *self.batch, outer, step
        return Reader(self.prologue, self.text, where, FIRST_OPERAND, OPERANDS, across).apply(value, mask)

    def place(self, step: Vec, width: Vec | int) -> str:
        return self.text.at(self.target, step * width * ITEMSIZE[compute_type(self.packing.dtype)])

    def copy(self, width: int, cut: bool) -> None:
        text, packing = self.text, self.packing
        computed = compute_type(packing.dtype)
        pieces = [(x, min(packing.lanes, width - x)) for x in range(0, width, packing.lanes)]
        masks = [text.mask(count, self.valid - x) if cut else None for x, count in pieces]
        with text.loop(self.begin, self.end) as step:
            row, there = text.at(self.source, step * self.step_stride), self.place(step, width)
            for (x, count), mask in zip(pieces, masks):
                value = self.elements(
                    self.first + x, step, text.at(row, x * ITEMSIZE[packing.dtype]), count, mask
                )
                text.store(value, text.at(there, x * ITEMSIZE[computed]), computed)

    def turn(self, width: Vec) -> None:
        """Rectangles of `height` x lanes elements through the registers."""
        text, lanes, height = self.text, self.packing.lanes, self.packing.height
        tail = (self.end - self.begin) & (lanes - 1)
        whole = self.end - tail
        with text.loop(0, width, height) as x:
            rows = self.row_addresses(x, height)
            with text.loop(self.begin, whole, lanes) as step:
                self.rectangle(rows, x, step, width, None)
            with text.when(tail > 0):
                self.rectangle(rows, x, whole, width, tail)

    def row_addresses(self, x: Vec, height: int) -> list[str]:
        """Where the rows from `x` on begin; one outside is replaced by the last one inside."""
        text = self.text
        rows = []
        for r in range(height):
            inside = text.minimum(x + r, self.valid - 1)
            rows.append(text.at(self.source, inside * self.outer_stride))
        return rows

    def rectangle(self, rows: list[str], x: Vec, step: Vec, width: Vec, left: Vec | None) -> None:
        text, lanes, dtype = self.text, self.packing.lanes, self.packing.dtype
        computed = compute_type(dtype)
        mask = text.mask(lanes, left) if left else None
        offset = step * ITEMSIZE[dtype]
        values = [
            self.elements(
                text.minimum(self.first + x + r, self.first + self.valid - 1),
                step,
                text.at(row, offset),
                lanes,
                mask,
            )
            for r, row in enumerate(rows)
        ]
        place = text.at(self.place(step, width), x * ITEMSIZE[computed])
        for s, column in enumerate(turn(text, values)):
            there = text.at(place, width * (s * ITEMSIZE[computed])) if s else place
            if left is None:
                text.store(column, there, computed)
            else:
                with text.when(left > s):
                    text.store(column, there, computed)

    def gather(self, width: int) -> None:
        text, dtype = self.text, self.packing.dtype
        computed = compute_type(dtype)
        with text.loop(self.begin, self.end) as step:
            row = text.at(self.source, step * self.step_stride)
            with text.loop(0, text.minimum(self.valid, width)) as r:
                value = self.elements(self.first + r, step, text.at(row, r * self.outer_stride), 1, None)
                text.store(value, text.at(self.place(step, width), r * ITEMSIZE[computed]), computed)

    def gather_by_table(self, width: int, cut: bool) -> None:
        text, dtype, lanes = self.text, self.packing.dtype, self.packing.lanes
        computed, size = compute_type(dtype), ITEMSIZE[dtype]
        table = text.buffer(2)
        elements, _ = text.divided(self.outer_stride, size)
        mask_of = {x: text.mask(lanes, self.valid - x) if cut else None for x in range(0, width, lanes)}
        with text.loop(self.begin, self.end) as step:
            offset = text.op(f"load i64, ptr {text.at(table, step * 8)}, align 8", "i64", 1)
            row, there = text.at(self.source, offset), self.place(step, width)
            for x, mask in mask_of.items():
                value = text.gather(text.at(row, self.outer_stride * x), elements, dtype, lanes, mask)
                text.store(value, text.at(there, x * ITEMSIZE[computed]), computed)
