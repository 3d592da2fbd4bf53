"""The LLVM IR of loop nests, from their structure alone; `loops` decides which nest computes what.

A nest has an index space that the runtime cuts into chunks, and an innermost dimension along which it
computes with vectors. The three forms are

    flat      elements in order; a chunk begins and ends anywhere. Reductions give one partial result per
    chunk rows      the index space is rows; each is passed over once or several times, and reductions give
    row values columns   the innermost dimension is kept while `segments` are reduced; the index space is
    blocks of columns

Numbers, in order: length of the innermost dimension; sizes of the outer dimensions but the first; sizes of
the segment dimensions; for each operand its strides (in elements) along outer, segment and, if its class is
"s", the innermost dimension; the grain (flat reductions) or the splits of the segments (columns); then the
integers and the floats among the body's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import scalar
from .scalar import Body
from .vectors import ITEMSIZE, Text, Vec, literal

__all__ = ["Nest", "Pass", "identity", "module"]

# Additions into one accumulator before it is added to the next level's: keeps rounding errors of long
# sums from growing with their length.
_CASCADE: Final = 64


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass along the innermost dimension.

    Attributes:
        stores: pairs (operand, value): elementwise results.
        reductions: pairs (how, value) with how among "sum", "prod", "max", "min", "argmax", "argmin". Their
            results
            are the next row values.
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
        finish: pairs (operand, value): what is stored once a row (chunk, column), from row values.
        lanes: elements at once.
    """

    form: str
    outer: int
    segments: int
    operands: tuple[tuple[str, str], ...]
    body: Body
    passes: tuple[Pass, ...]
    finish: tuple[tuple[int, int], ...]
    lanes: int

    def name(self) -> str:
        """Everything above, as text."""
        operands = ",".join(a + b for a, b in self.operands)
        passes = "/".join(f"{p.stores}{p.reductions}" for p in self.passes)
        return (
            f"{self.form} {self.outer} {self.segments} {self.lanes}|{operands}|{passes}|{self.finish}|"
            f"{self.body.structure()}"
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


def module(nest: Nest) -> str:
    """The IR of a nest.

    Args:
        nest: the structure.

    Returns:
        The text of a module that defines `@kernel`.
    """
    return _Writer(nest).module()


class _Writer:
    """Writes one kernel."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.t = Text()
        self.rows: list[Vec] = []
        self._scalars: dict[tuple[str, int], Vec] = {}
        self._slot = 0

    # The frame.

    def module(self) -> str:
        t, nest = self.t, self.nest
        t.label("entry")
        self._read_arguments()
        if nest.form == "flat":
            self._flat()
        elif nest.form == "rows":
            self._rows()
        else:
            self._columns()
        t.line("ret void")
        head = "define void @kernel(ptr noalias %buffers, ptr noalias %numbers, i64 %begin, i64 %end) #0 {"
        attributes = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'
        return "\n".join([*t.declarations, head, *t.lines, "}", attributes, ""])

    def i64(self, name: str) -> Vec:
        return Vec(self.t, name, "i64", 1)

    def _number(self) -> Vec:
        """The next number, an i64."""
        t = self.t
        address = t.fresh("p")
        t.line(f"{address} = getelementptr i64, ptr %numbers, i64 {self._slot}")
        self._slot += 1
        return t.op(f"load i64, ptr {address}", "i64", 1)

    def _read_arguments(self) -> None:
        t, nest = self.t, self.nest
        self.inner = self._number()
        self.outer_sizes = [self._number() for _ in range(max(nest.outer - 1, 0))]
        self.segment_sizes = [self._number() for _ in range(nest.segments)]
        self.bases: list[str] = []
        self.outer_strides: list[list[Vec]] = []
        self.segment_strides: list[list[Vec]] = []
        self.inner_strides: list[Vec] = []
        for i, (_, sort) in enumerate(nest.operands):
            slot, base = t.fresh("p"), t.fresh("base")
            t.line(f"{slot} = getelementptr ptr, ptr %buffers, i64 {i}")
            t.line(f"{base} = load ptr, ptr {slot}")
            self.bases.append(base)
            self.outer_strides.append([self._number() for _ in range(nest.outer)])
            self.segment_strides.append([self._number() for _ in range(nest.segments)])
            self.inner_strides.append(
                self._number() if sort == "s" else t.const(1 if sort == "c" else 0, "i64", 1)
            )
        if nest.form == "columns" or (nest.form == "flat" and nest.finish):
            self.extra = self._number()
        leaves = nest.body.leaves("num")
        for i, kind in sorted(leaves, key=lambda leaf: leaf[1] in ("f32", "f64")):
            word = self._number()
            if kind in ("f32", "f64"):
                self._scalars["num", i] = word.bits("f64").cast(kind)
            else:
                self._scalars["num", i] = word.cast(kind)

    def _loop(self, stop: Vec, step: int, body: Callable[[Vec], None], start: Vec | None = None) -> None:
        """`for i in range(start, stop, step)` without carried values; `step` divides what is passed over."""
        t = self.t
        before, head, inside, after = (t.new_label(s) for s in ("before", "head", "inside", "after"))
        first = start.name if start is not None else "0"
        i, following = t.fresh("i"), t.fresh("next")
        t.line(f"br label %{before}")
        t.label(before)
        t.line(f"br label %{head}")
        t.label(head)
        position = len(t.lines)
        t.line("")
        go = self.i64(i).compare("lt", stop)
        t.line(f"br i1 {go.name}, label %{inside}, label %{after}")
        t.label(inside)
        body(self.i64(i))
        t.line(f"{following} = add nsw i64 {i}, {step}")
        latch = t.new_label("latch")
        t.line(f"br label %{latch}")
        t.label(latch)
        t.line(f"br label %{head}")
        t.lines[position] = f"  {i} = phi i64 [{first}, %{before}], [{following}, %{latch}]"
        t.label(after)

    def _moved(self, base: str, kind: str, elements: Vec) -> str:
        """An address some elements further."""
        name = self.t.fresh("p")
        size = ITEMSIZE[kind]
        offset = elements * size
        self.t.line(f"{name} = getelementptr inbounds i8, ptr {base}, i64 {offset.name}")
        return name

    def _positions(self, index: Vec, sizes: Sequence[Vec]) -> list[Vec]:
        """The coordinates of a linear index; the size of the first dimension is not needed."""
        found: list[Vec] = []
        t = self.t
        for size in reversed(sizes):
            rest = t.op(f"udiv i64 {index.name}, {size.name}", "i64", 1)
            found.append(index - rest * size)
            index = rest
        return [index, *reversed(found)]

    def _pointers(self, index: Vec, column: Vec | None = None) -> list[str]:
        """Where the operands' rows begin, for a linear index over the outer dimensions."""
        nest = self.nest
        coordinates = self._positions(index, self.outer_sizes) if nest.outer else []
        pointers = []
        for i, (kind, _) in enumerate(nest.operands):
            pointer = self.bases[i]
            offset: Vec | None = None
            for at, stride in zip(coordinates, self.outer_strides[i]):
                offset = at * stride if offset is None else offset + at * stride
            if column is not None and self.nest.operands[i][1] != "b":
                shift = column * self.inner_strides[i]
                offset = shift if offset is None else offset + shift
            pointers.append(pointer if offset is None else self._moved(pointer, kind, offset))
        return pointers

    # Values.

    def _invariant(self, refs: Sequence[int]) -> set[int]:
        """Which nodes do not change along the innermost dimension."""
        nest = self.nest
        constant: set[int] = set()
        for position in scalar.needed(nest.body, refs):
            name, _, *rest = nest.body.nodes[position]
            if name in ("num", "const", "row"):
                constant.add(position)
            elif name == "in":
                if nest.operands[rest[0]][1] == "b":
                    constant.add(position)
            elif name != "index" and all(r in constant for r in rest):
                constant.add(position)
        return constant

    def _row_leaf(self, pointers: Sequence[str]) -> Callable[..., Vec]:
        """Leaves as scalars."""

        def leaf(sort: str, kind: str, *rest: int) -> Vec:
            if sort == "num":
                return self._scalars["num", rest[0]]
            if sort == "row":
                return self.rows[rest[0]]
            return self.t.load(pointers[rest[0]], self.nest.operands[rest[0]][0], 1)

        return leaf

    def _hoisted(self, refs: Sequence[int], pointers: Sequence[str], lanes: int) -> dict[int, Vec]:
        """The invariant values that others are made of, computed once and spread over the lanes."""
        nest, t = self.nest, self.t
        constant = self._invariant(refs)
        used: set[int] = {r for r in refs if r in constant}
        for position in scalar.needed(nest.body, refs):
            name, _, *rest = nest.body.nodes[position]
            if position not in constant and name not in ("in", "index"):
                used.update(r for r in rest if r in constant)
        order = [r for r in sorted(used) if nest.body.nodes[r][0] != "const"]
        values = scalar.emit(t, nest.body, order, 1, self._row_leaf(pointers))
        return {r: t.splat(v, lanes) for r, v in zip(order, values)}

    def _values(
        self, refs: Sequence[int], pointers: Sequence[str], j: Vec, lanes: int, mask: Vec | None,
        hoisted: dict[int, Vec], base: Vec | None = None,
    ) -> list[Vec]:  # fmt: skip
        """The values of some nodes at position j along the innermost dimension."""
        nest, t = self.nest, self.t

        def leaf(sort: str, kind: str, *rest: int) -> Vec:
            if sort == "index":
                start = j if base is None else j + base
                return t.splat(start, lanes) + t.iota("i64", lanes)
            stored, how = nest.operands[rest[0]]
            if how == "b":
                return t.splat(t.load(pointers[rest[0]], stored, 1), lanes)
            stride = self.inner_strides[rest[0]]
            pointer = self._moved(pointers[rest[0]], stored, j * stride if how == "s" else j)
            if how == "c":
                return t.load(pointer, stored, lanes, mask)
            return t.gather(pointer, stride, stored, lanes, mask)

        return scalar.emit(t, nest.body, refs, lanes, leaf, hoisted)

    def _store(self, operand: int, value: Vec, pointers: Sequence[str], j: Vec, mask: Vec | None) -> None:
        t = self.t
        kind, how = self.nest.operands[operand]
        stride = self.inner_strides[operand]
        pointer = self._moved(pointers[operand], kind, j * stride if how == "s" else j)
        if how == "s":
            t.scatter(value, pointer, stride, kind, mask)
        else:
            t.store(value, pointer, kind, mask)

    # Passing along the innermost dimension.

    def _mask(self, left: Vec, lanes: int) -> Vec:
        """The first `left` lanes."""
        t = self.t
        kind = "i32"
        return t.iota(kind, lanes).compare("lt", t.splat(left.cast(kind), lanes))

    def _pass(self, work: Pass, pointers: list[str], length: Vec) -> None:
        """One pass over `length` elements from the pointers; appends row values."""
        if work.reductions:
            raise NotImplementedError
        lanes = self.nest.lanes
        refs = [ref for _, ref in work.stores]
        hoisted = self._hoisted(refs, pointers, lanes)
        whole = length & -lanes

        def step(j: Vec, mask: Vec | None) -> None:
            for (operand, _), value in zip(
                work.stores, self._values(refs, pointers, j, lanes, mask, hoisted)
            ):
                self._store(operand, value, pointers, j, mask)

        self._loop(whole, lanes, lambda j: step(j, None))
        self._tail(whole, length, lambda mask: step(whole, mask))

    def _tail(self, whole: Vec, length: Vec, work: Callable[[Vec], Any]) -> None:
        """What is left after whole vectors, if anything."""
        t = self.t
        inside, after = t.new_label("tail"), t.new_label("after")
        some = whole.compare("lt", length)
        t.line(f"br i1 {some.name}, label %{inside}, label %{after}")
        t.label(inside)
        work(self._mask(length - whole, self.nest.lanes))
        t.line(f"br label %{after}")
        t.label(after)

    # The three forms.

    def _flat(self) -> None:
        t, nest = self.t, self.nest
        begin, end = self.i64("%begin"), self.i64("%end")
        if not nest.outer:
            pointers = self._pointers(begin, begin)
            for work in nest.passes:
                self._pass(work, pointers, end - begin)
            return
        # Rows, of which the first and the last may be partial.
        entry, head, inside, after = (t.new_label(s) for s in ("first", "row", "inside", "done"))
        t.line(f"br label %{entry}")
        t.label(entry)
        row0 = t.op(f"udiv i64 %begin, {self.inner.name}", "i64", 1)
        column0 = begin - row0 * self.inner
        t.line(f"br label %{head}")
        t.label(head)
        at = len(t.lines)
        t.lines += ["", "", ""]
        i, row, column = self.i64(t.fresh("i")), self.i64(t.fresh("row")), self.i64(t.fresh("column"))
        t.line(f"br i1 {(i < end).name}, label %{inside}, label %{after}")
        t.label(inside)
        length = t.minimum(self.inner - column, end - i)
        pointers = self._pointers(row, column)
        for work in nest.passes:
            self._pass(work, pointers, length)
        i1, row1 = i + length, row + 1
        latch = t.new_label("latch")
        t.line(f"br label %{latch}")
        t.label(latch)
        t.line(f"br label %{head}")
        for k, (value, first, then) in enumerate(
            ((i, "%begin", i1.name), (row, row0.name, row1.name), (column, column0.name, "0"))
        ):
            t.lines[at + k] = f"  {value.name} = phi i64 [{first}, %{entry}], [{then}, %{latch}]"
        t.label(after)

    def _rows(self) -> None:
        raise NotImplementedError

    def _columns(self) -> None:
        raise NotImplementedError
