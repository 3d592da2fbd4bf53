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
        classes = []
        for s in self.sources:
            along, other = (s.rows, s.columns) if across else (s.columns, s.rows)
            classes.append(s.dtype + _class(along) + _class(other))
        return f"{self.body.structure()}>{self.value}|{','.join(classes)}"

    def numbers(self) -> list[float]:
        """Its entries among a kernel's numbers."""
        strides = [number for s in self.sources for number in s.numbers()]
        kinds = dict(self.body.leaves("num"))
        return strides + [
            float(x) if kinds.get(i, "f32") in ("f32", "f64") else int(x) for i, x in enumerate(self.scalars)
        ]


class Reader:
    """Writes a fusion's code for places relative to an origin, whose addresses are computed once.

    Args:
        fusion: the expression.
        text: where to write.
        place: outer, inner, row and column of the origin.
        first_buffer, first_number: where the fusion's buffers and numbers begin among the kernel's.
        across: vectors lie along the rows.
    """

    def __init__(
        self, fusion: Fusion, text: Text, place: tuple[Vec, Vec, Vec, Vec], first_buffer: int,
        first_number: int, across: bool = False,
    ) -> None:  # fmt: skip
        self.fusion, self.text, self.across = fusion, text, across
        self.origins: list[str] = []
        self.strides: list[tuple[Vec, Vec]] = []
        for i in range(len(fusion.sources)):
            strides = [text.number(first_number + STRIDES * i + j) for j in range(STRIDES)]
            pointer = text.buffer(first_buffer + i)
            for index, stride in zip(place, strides):
                pointer = text.at(pointer, index * stride)
            self.origins.append(pointer)
            self.strides.append((strides[2], strides[3]))
        self.scalars: dict[int, Vec] = {}
        for i, kind in fusion.body.leaves("num"):
            bits = text.number(first_number + STRIDES * len(fusion.sources) + i)
            self.scalars[i] = bits.bits("f64").cast(kind) if kind in ("f32", "f64") else bits.cast(kind)

    def apply(self, value: Vec, mask: Vec | None, row: int = 0, column: int = 0) -> Vec:
        """The expression of neighbouring elements of the matrix.

        Args:
            value: what passes by.
            mask: which of its lanes are inside.
            row, column: of the first lane, from the origin.

        Returns:
            The result.
        """

        def leaf(sort: str, kind: str, i: int) -> Vec:
            if sort == "num":
                return self.text.splat(self.scalars[i], value.lanes)
            return value if i == 0 else self._element(i - 1, value.lanes, mask, row, column)

        return scalar.emit(self.text, self.fusion.body, [self.fusion.value], value.lanes, leaf)[0]

    def _element(self, i: int, lanes: int, mask: Vec | None, row: int, column: int) -> Vec:
        text, source = self.text, self.fusion.sources[i]
        size, pointer = ITEMSIZE[source.dtype], self.origins[i]
        for count, stride, known in (
            (row, self.strides[i][0], source.rows),
            (column, self.strides[i][1], source.columns),
        ):
            if count and known:
                pointer = text.at(pointer, count * size if known == 1 else stride * count)
        along = _class(source.rows if self.across else source.columns)
        if along == "b":
            return text.splat(text.load(pointer, source.dtype, 1), lanes)
        if along == "c" or lanes == 1:
            return text.load(pointer, source.dtype, lanes, mask)
        stride = self.strides[i][0 if self.across else 1]
        elements = text.op(f"sdiv i64 {stride.name}, {size}", "i64", 1)
        return text.gather(pointer, elements, source.dtype, lanes, mask)


def _class(stride: int) -> str:
    return {0: "b", 1: "c"}.get(stride, "s")
