"""What is computed on the way into and out of a contraction.

A `Fusion` is an expression of `scalar` with a value that is passing by (input 0), elements of other arrays
(inputs 1, 2, ...) and run-time numbers. As a prologue it is applied to the elements of an operand while they
are packed, as an epilogue to the sums before they are stored: bias, activation, scale, residual, mask.

    body = Body()
    y = body.op("relu", body.op("add", body.input(0, "f32"), body.input(1, "f32")))
    bias_relu = Fusion(body, y, (Source("f32", rows=0, columns=1),))
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import scalar
from .contract_text import Text
from .scalar import Body
from .vectors import ITEMSIZE, Vec

# Entries among a kernel's numbers for each source: strides in bytes along outer, inner, rows and columns.
STRIDES = 4


@dataclass(frozen=True)
class Source:
    """Another array that an expression reads: one element for each of the matrix, or fewer.

    Attributes:
        dtype: type in memory.
        rows, columns, outer, inner: strides in elements, 0 where it is broadcast; rows and columns are
            those of the matrix that the expression is applied to.
    """

    dtype: str
    rows: int
    columns: int
    outer: int = 0
    inner: int = 0

    def numbers(self) -> tuple[int, ...]:
        size = ITEMSIZE[self.dtype]
        return self.outer * size, self.inner * size, self.rows * size, self.columns * size


@dataclass(frozen=True)
class Fusion:
    """An expression with what it reads.

    Attributes:
        body: the expression; input 0 is what passes by.
        value: its result.
        sources: inputs 1, 2, ... in order.
        scalars: the body's numbers.
    """

    body: Body
    value: int
    sources: tuple[Source, ...] = ()
    scalars: tuple[float, ...] = ()

    @property
    def reads_columns(self) -> bool:
        """Whether some source is better read along columns than along rows."""
        return any(s.columns not in (0, 1) for s in self.sources)

    def turned(self) -> Fusion:
        """The same for the transposed matrix."""
        return replace(self, sources=tuple(replace(s, rows=s.columns, columns=s.rows) for s in self.sources))

    def structure(self, across: bool = False) -> str:
        """What of it is part of a kernel's name; `across`: vectors lie along the rows."""
        classes = ",".join(s.dtype + _class(s.rows if across else s.columns) for s in self.sources)
        return f"{self.body.structure()}>{self.value}|{classes}"

    def numbers(self) -> list[float]:
        """Its entries among a kernel's numbers."""
        strides = [number for s in self.sources for number in s.numbers()]
        kinds = dict(self.body.leaves("num"))
        return strides + [
            float(x) if kinds.get(i, "f32") in ("f32", "f64") else int(x) for i, x in enumerate(self.scalars)
        ]

    def emit(
        self, text: Text, value: Vec, place: tuple[Vec, Vec, Vec, Vec], mask: Vec | None,
        first_buffer: int, first_number: int, across: bool = False,
    ) -> Vec:  # fmt: skip
        """Write the expression's code.

        Args:
            text: where to write.
            value: what passes by, `lanes` neighbouring elements of the matrix.
            place: outer, inner, row and column of the first one.
            mask: which of them are inside.
            first_buffer, first_number: where its buffers and numbers begin among the kernel's.
            across: they are neighbours in a column, not in a row.

        Returns:
            The result.
        """

        def leaf(sort: str, kind: str, i: int) -> Vec:
            if sort == "in" and i == 0:
                return value
            if sort == "in":
                return self._element(
                    text, i - 1, value.lanes, place, mask, first_buffer, first_number, across
                )
            bits = text.number(first_number + STRIDES * len(self.sources) + i)
            number = bits.bits("f64").cast(kind) if kind in ("f32", "f64") else bits.cast(kind)
            return text.splat(number, value.lanes)

        return scalar.emit(text, self.body, [self.value], value.lanes, leaf)[0]

    def _element(
        self, text: Text, i: int, lanes: int, place: tuple[Vec, Vec, Vec, Vec], mask: Vec | None,
        first_buffer: int, first_number: int, across: bool,
    ) -> Vec:  # fmt: skip
        source = self.sources[i]
        pointer = text.buffer(first_buffer + i)
        for j, index in enumerate(place):
            pointer = text.at(pointer, index * text.number(first_number + STRIDES * i + j))
        along = _class(source.rows if across else source.columns)
        if along == "b":
            return text.splat(text.load(pointer, source.dtype, 1), lanes)
        if along == "c" or lanes == 1:
            return text.load(pointer, source.dtype, lanes, mask)
        stride = text.number(first_number + STRIDES * i + (2 if across else 3))
        size = text.const(ITEMSIZE[source.dtype], "i64", 1)
        elements = text.op(f"sdiv i64 {stride.name}, {size.name}", "i64", 1)
        return text.gather(pointer, elements, source.dtype, lanes, mask)


def _class(stride: int) -> str:
    return {0: "b", 1: "c"}.get(stride, "s")
