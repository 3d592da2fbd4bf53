"""The structure of loop nests: what a kernel is named by, and all that its code depends on.

A nest has an index space that the runtime cuts into chunks, and an innermost dimension along which it
computes with vectors. The three forms are

    flat      elements in order; a chunk begins and ends anywhere; no reductions
    rows      the index space is rows; each is passed over once or several times, reductions give row values
    columns   the innermost dimension is kept while `segments` are reduced, and each lane is a row of its own;
              the index space is blocks of columns

Numbers, in order: length of the innermost dimension; sizes of the outer dimensions but the first; sizes of
the segment dimensions; for each operand its strides (in elements) along outer, segment and, if its class is
"s", the innermost dimension; the whole size of the dimension that is split, if one is; then the integers and
the floats among the body's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .scalar import Body
from .vectors import ITEMSIZE, literal

__all__ = ["Nest", "Pass", "identity"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass along the innermost dimension.

    Attributes:
        stores: pairs (operand, value): elementwise results.
        reductions: pairs (how, value) with how among "sum", "prod", "max", "min", "argmax", "argmin". Their
            results are the next row values.
    """

    stores: tuple[tuple[int, int], ...] = ()
    reductions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Nest:
    """The structure of a kernel.

    Attributes:
        form: "flat", "rows" or "columns".
        outer: number of outer dimensions.
        segments: number of dimensions that are reduced besides the innermost (rows) or instead of it
            (columns).
        operands: for each, its type in memory and its class along the innermost dimension: "c" contiguous,
            "b"
            the same element throughout, "s" a stride.
        body: the expression.
        passes: what is done along the innermost dimension.
        finish: pairs (operand, value): what is stored once a row (or column), from row values.
        lanes: elements at once.
        split: whether the first outer dimension counts parts of the first segment dimension (of the innermost
            one if there are no segments).
    """

    form: str
    outer: int
    segments: int
    operands: tuple[tuple[str, str], ...]
    body: Body
    passes: tuple[Pass, ...]
    finish: tuple[tuple[int, int], ...]
    lanes: int
    split: bool = False

    def name(self) -> str:
        """Everything above, as text."""
        operands = ",".join(a + b for a, b in self.operands)
        passes = "/".join(f"{p.stores}{p.reductions}" for p in self.passes)
        return (
            f"{self.form} {self.outer} {self.segments} {self.lanes} {self.split:d}|{operands}|{passes}|"
            f"{self.finish}|{self.body.structure()}"
        )


def identity(how: str, kind: str) -> str:
    """What a reduction of nothing gives, as LLVM writes it."""
    if how in ("sum", "prod"):
        return literal(0 if how == "sum" else 1, kind)
    largest = how in ("max", "argmax")
    if kind in ("f32", "f64"):
        return literal(float("-inf") if largest else float("inf"), kind)
    bits = ITEMSIZE[kind] * 8
    if kind in ("u8", "b1"):
        return literal((0 if largest else 1) if kind == "b1" else (0 if largest else 255), kind)
    return str(-(1 << (bits - 1)) if largest else (1 << (bits - 1)) - 1)
