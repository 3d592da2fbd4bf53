"""Writes the LLVM IR of a loop nest from its structure (see `nest`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from . import scalar
from .nest import Nest, Pass, identity
from .vectors import ITEMSIZE, Text, Vec

__all__ = ["module"]

# Additions into one accumulator before it is added to the next level's: keeps rounding errors of long
# sums from growing with their length.
_CASCADE: Final = 64
# Instructions of functions that are written inline, about, and the length from which a body is written once.
_LENGTHS: Final = {
    **dict.fromkeys(("exp", "exp2", "expm1", "sigmoid", "tanh", "erf", "log", "log1p"), 25), "lgamma": 250,
}  # fmt: skip
_LONG: Final = 80


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
        if nest.split:
            self.extra = self._number()
        leaves = nest.body.leaves("num")
        for i, kind in sorted(leaves, key=lambda leaf: leaf[1] in ("f32", "f64")):
            word = self._number()
            if kind in ("f32", "f64"):
                self._scalars["num", i] = word.bits("f64").cast(kind)
            else:
                self._scalars["num", i] = word.cast(kind)

    def _loop(
        self,
        stop: Vec,
        step: int | None,
        body: Callable[[Vec, list[Vec]], list[Vec]],
        carried: Sequence[Vec] = (),
        start: Vec | None = None,
    ) -> list[Vec]:
        """`for i in range(start, stop, step)`: `body(i, carried)` gives the next carried values.

        Where `step` is None, the last value that `body` gives is the step.
        """
        t = self.t
        before, head, inside, latch, after = (
            t.new_label(s) for s in ("before", "head", "inside", "latch", "after")
        )
        t.line(f"br label %{before}")
        t.label(before)
        t.line(f"br label %{head}")
        t.label(head)
        at = len(t.lines)
        i = self.i64(t.fresh("i"))
        values = [Vec(t, t.fresh("c"), c.kind, c.lanes) for c in carried]
        t.lines += [""] * (1 + len(values))
        t.line(f"br i1 {(i < stop).name}, label %{inside}, label %{after}")
        t.label(inside)
        following = body(i, values)
        next_i = i + (following.pop() if step is None else step)
        t.line(f"br label %{latch}")
        t.label(latch)
        t.line(f"br label %{head}")
        first = start if start is not None else t.const(0, "i64", 1)
        for k, (value, one, two) in enumerate(
            zip((i, *values), (first, *carried), (next_i, *following), strict=True)
        ):
            t.lines[at + k] = (
                f"  {value.name} = phi {value.type} [{one.name}, %{before}], [{two.name}, %{latch}]"
            )
        t.label(after)
        return values

    def _branch(self, condition: Vec, yes: Callable[[], list[Vec]], otherwise: Sequence[Vec]) -> list[Vec]:
        """What `yes` gives where the condition (a scalar) holds, else the other values."""
        t = self.t
        here, inside, end, after = (t.new_label(s) for s in ("here", "then", "end", "after"))
        t.line(f"br label %{here}")
        t.label(here)
        t.line(f"br i1 {condition.name}, label %{inside}, label %{after}")
        t.label(inside)
        values = yes()
        t.line(f"br label %{end}")
        t.label(end)
        t.line(f"br label %{after}")
        t.label(after)
        return [
            t.op(f"phi {a.type} [{b.name}, %{here}], [{a.name}, %{end}]", a.kind, a.lanes)
            for a, b in zip(values, otherwise, strict=True)
        ]

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
        """Which nodes do not change along the loop that a pass consists of."""
        nest = self.nest
        constant: set[int] = set()
        for position in scalar.needed(nest.body, refs):
            name, _, *rest = nest.body.nodes[position]
            if name in ("num", "const", "row"):
                constant.add(position)
            elif name == "in":
                if nest.form != "columns" and not nest.segments and nest.operands[rest[0]][1] == "b":
                    constant.add(position)
            elif name != "index" and all(r in constant for r in rest):
                constant.add(position)
        return constant

    def _leaf_outside(self, pointers: Sequence[str], lanes: int, mask: Vec | None) -> Callable[..., Vec]:
        """Leaves outside of loops: scalars, or in the columns form vectors of columns."""
        t, nest = self.t, self.nest

        def leaf(sort: str, kind: str, *rest: int) -> Vec:
            if sort == "num":
                return t.splat(self._scalars["num", rest[0]], lanes)
            if sort == "row":
                return self.rows[rest[0]]
            stored, how = nest.operands[rest[0]]
            if lanes > 1 and how == "c":
                return t.load(pointers[rest[0]], stored, lanes, mask)
            if lanes > 1 and how == "s":
                return t.gather(pointers[rest[0]], self.inner_strides[rest[0]], stored, lanes, mask)
            return t.splat(t.load(pointers[rest[0]], stored, 1), lanes)

        return leaf

    def _hoisted(self, refs: Sequence[int], pointers: Sequence[str]) -> dict[int, Vec]:
        """The invariant values that others are made of, computed once and spread over the lanes."""
        nest, t = self.nest, self.t
        constant = self._invariant(refs)
        used: set[int] = {r for r in refs if r in constant}
        for position in scalar.needed(nest.body, refs):
            name, _, *rest = nest.body.nodes[position]
            if position not in constant and name not in ("in", "index"):
                used.update(r for r in rest if r in constant)
        order = [r for r in sorted(used) if nest.body.nodes[r][0] != "const"]
        lanes = nest.lanes if nest.form == "columns" else 1
        values = scalar.emit(t, nest.body, order, lanes, self._leaf_outside(pointers, lanes, None))
        return {r: v if v.lanes > 1 else t.splat(v, nest.lanes) for r, v in zip(order, values)}

    def _values(
        self,
        refs: Sequence[int],
        pointers: Sequence[str],
        j: Vec,
        mask: Vec | None,
        hoisted: dict[int, Vec],
        index: Vec | None,
    ) -> list[Vec]:
        """The values of some nodes at position j of the pointers; `index` is the node "index"'s scalar."""
        nest, t, lanes = self.nest, self.t, self.nest.lanes

        def leaf(sort: str, kind: str, *rest: int) -> Vec:
            if sort == "index":
                start = t.splat(index if index is not None else j, lanes)
                return start if nest.form == "columns" else start + t.iota("i64", lanes)
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

    # Reductions: what is carried from element to element, as vectors.

    def _start(self, work: Pass) -> list[Vec]:
        t, lanes = self.t, self.nest.lanes
        carried = []
        for how, ref in work.reductions:
            kind = self.nest.body.kind(ref)
            word = Vec(t, identity(how, kind), kind, 1)
            carried.append(Vec(t, f"splat ({word.type} {word.name})", kind, lanes))
            if how.startswith("arg"):
                columns = self.nest.form == "columns"
                carried.append(t.const(0, "i64", lanes) if columns else t.iota("i64", lanes))
        return carried

    def _taken(
        self, work: Pass, carried: list[Vec], values: list[Vec], index: Vec, mask: Vec | None
    ) -> list[Vec]:
        """The carried values after the elements of one vector."""
        t, result, at = self.t, [], 0
        for (how, _), value in zip(work.reductions, values, strict=True):
            if how.startswith("arg"):
                best, where = carried[at : at + 2]
                better = self._better(how, value, best)
                if mask is not None:
                    better = better & mask
                result += [better.select(value, best), better.select(index, where)]
                at += 2
                continue
            if mask is not None:
                word = Vec(t, identity(how, value.kind), value.kind, 1)
                nothing = Vec(t, f"splat ({word.type} {word.name})", value.kind, value.lanes)
                value = mask.select(value, nothing)
            result.append(t.combine(carried[at], value, how))
            at += 1
        return result

    def _better(self, how: str, value: Vec, best: Vec) -> Vec:
        """Where a value replaces the best so far: strictly larger (smaller), or the first nan."""
        better = value > best if how == "argmax" else value < best
        if value.kind in ("f32", "f64"):
            better = better | (value.is_nan() & (best.is_nan() ^ True))
        return better

    def _merged(self, work: Pass, a: list[Vec], b: list[Vec]) -> list[Vec]:
        """Carried values of two stretches, the first one first."""
        result, at = [], 0
        for how, _ in work.reductions:
            if how.startswith("arg"):
                better = self._better(how, b[at], a[at])
                result += [better.select(b[at], a[at]), better.select(b[at + 1], a[at + 1])]
                at += 2
            else:
                result.append(self.t.combine(a[at], b[at], how))
                at += 1
        return result

    def _totals(self, work: Pass, carried: list[Vec]) -> list[Vec]:
        """Row values: the lanes of what was carried put together, unless lanes are columns."""
        t, found, at = self.t, [], 0
        columns = self.nest.form == "columns"
        for how, _ in work.reductions:
            if how.startswith("arg"):
                value, where = carried[at : at + 2]
                found.append(where if columns else self._first_best(how, value, where))
                at += 2
            else:
                found.append(carried[at] if columns else t.reduce(carried[at], how))
                at += 1
        return found

    def _first_best(self, how: str, value: Vec, where: Vec) -> Vec:
        """The least index among the lanes that hold the best value."""
        t = self.t
        best = t.splat(t.reduce(value, how[3:]), value.lanes)
        holds = value.compare("eq", best)
        if value.kind in ("f32", "f64"):
            holds = holds | (best.is_nan() & value.is_nan())
        return t.reduce(holds.select(where, (1 << 63) - 1), "min")

    # One pass.

    def _mask(self, left: Vec) -> Vec:
        """The first `left` lanes."""
        t, lanes = self.t, self.nest.lanes
        return t.iota("i32", lanes).compare("lt", t.splat(left.cast("i32"), lanes))

    def _sweep(
        self, work: Pass, pointers: list[str], length: Vec, carried: list[Vec], offset: Vec | None
    ) -> list[Vec]:
        """One pass over `length` elements of the innermost dimension; `offset` is the index of the first."""
        t, lanes = self.t, self.nest.lanes
        refs = [ref for _, ref in work.stores] + [ref for _, ref in work.reductions]
        hoisted = self._hoisted(refs, pointers)
        whole = length & -lanes

        def step(j: Vec, now: list[Vec], mask: Vec | None) -> list[Vec]:
            index = j if offset is None else j + offset
            values = self._values(refs, pointers, j, mask, hoisted, index)
            for (operand, _), value in zip(work.stores, values):
                self._store(operand, value, pointers, j, mask)
            positions = index
            if any(how.startswith("arg") for how, _ in work.reductions):
                positions = t.splat(index, lanes) + t.iota("i64", lanes)
            return self._taken(work, now, values[len(work.stores) :], positions, mask)

        def stretch(first: Vec, now: list[Vec]) -> list[Vec]:
            stop = t.minimum(first + lanes * _CASCADE, whole)
            part = self._loop(stop, lanes, lambda j, c: step(j, c, None), self._start(work), first)
            return self._merged(work, now, part)

        if any(how in ("sum", "prod") for how, _ in work.reductions):
            carried = self._loop(whole, lanes * _CASCADE, stretch, carried)
        elif self._long(work):
            every = lambda j, c: step(j, c, self._mask(t.minimum(length - j, lanes)))  # noqa: E731
            return self._loop(length, lanes, every, carried)
        else:
            carried = self._loop(whole, lanes, lambda j, c: step(j, c, None), carried)
        rest = length - whole
        return self._branch(rest > 0, lambda: step(whole, carried, self._mask(rest)), carried)

    def _long(self, work: Pass) -> bool:
        """Whether the elements at the end are better masked in the loop than computed by a copy of its body.

        Of a long expression the mask is a small part, while the copy takes LLVM as long as the body.
        """
        nest = self.nest
        if work.reductions or any(ITEMSIZE[kind] < 4 for kind, _ in nest.operands):
            return False
        return sum(_LENGTHS.get(node[0], 1) for node in nest.body.nodes) >= _LONG

    # The three forms.

    def _flat(self) -> None:
        t, nest = self.t, self.nest
        begin, end = self.i64("%begin"), self.i64("%end")
        work = nest.passes[0]
        if not nest.outer:
            self._sweep(work, self._pointers(begin, begin), end - begin, [], begin)
            return
        # Rows, of which the first and the last may be partial.
        row0 = t.op(f"udiv i64 %begin, {self.inner.name}", "i64", 1)
        column0 = begin - row0 * self.inner

        def row(i: Vec, state: list[Vec]) -> list[Vec]:
            at, column = state
            length = t.minimum(self.inner - column, end - i)
            self._sweep(work, self._pointers(at, column), length, [], i)
            return [at + 1, t.const(0, "i64", 1), length]

        self._loop(end, None, row, [row0, column0], begin)

    def _finish(self, pointers: list[str], mask: Vec | None) -> None:
        """Stores what is made of row values."""
        t, nest = self.t, self.nest
        columns = nest.form == "columns"
        lanes = nest.lanes if columns else 1
        refs = [ref for _, ref in nest.finish]
        values = scalar.emit(t, nest.body, refs, lanes, self._leaf_outside(pointers, lanes, mask))
        for (operand, _), value in zip(nest.finish, values):
            kind, how = nest.operands[operand]
            if columns and how == "s":
                t.scatter(value, pointers[operand], self.inner_strides[operand], kind, mask)
            else:
                t.store(value, pointers[operand], kind, mask)

    def _split_size(self, whole: Vec, coordinates: list[Vec]) -> Vec:
        """How much of the dimension that is split belongs to this part: `extra` is its whole size."""
        if not self.nest.split:
            return whole
        return self.t.minimum(whole, self.extra - coordinates[0] * whole)

    def _rows(self) -> None:
        nest = self.nest

        def row(i: Vec, _: list[Vec]) -> list[Vec]:
            coordinates = self._positions(i, self.outer_sizes) if nest.outer else []
            pointers = self._pointers(i)
            self.rows = []
            inner = self.inner
            sizes = list(self.segment_sizes)
            if nest.segments:
                sizes[0] = self._split_size(sizes[0], coordinates)
            else:
                inner = self._split_size(inner, coordinates)
            for work in nest.passes:
                carried = self._start(work)
                if nest.segments:

                    def segment(s: Vec, now: list[Vec], work: Pass = work) -> list[Vec]:
                        return self._sweep(work, self._segment(pointers, s), inner, now, s * inner)

                    carried = self._loop(self._product(sizes), 1, segment, carried)
                else:
                    carried = self._sweep(work, pointers, inner, carried, None)
                self.rows += self._totals(work, carried)
            self._finish(pointers, None)
            return []

        self._loop(self.i64("%end"), 1, row, (), self.i64("%begin"))

    def _product(self, sizes: list[Vec]) -> Vec:
        total = sizes[0]
        for size in sizes[1:]:
            total = total * size
        return total

    def _segment(self, pointers: list[str], s: Vec) -> list[str]:
        """The pointers moved to segment number s."""
        at = self._positions(s, self.segment_sizes[1:])
        moved = []
        for pointer, (kind, _), strides in zip(pointers, self.nest.operands, self.segment_strides):
            offset = at[0] * strides[0]
            for coordinate, stride in zip(at[1:], strides[1:]):
                offset = offset + coordinate * stride
            moved.append(self._moved(pointer, kind, offset))
        return moved

    def _columns(self) -> None:
        t, nest, lanes = self.t, self.nest, self.nest.lanes
        blocks = t.op(f"udiv i64 {(self.inner + (lanes - 1)).name}, {lanes}", "i64", 1)

        def block(i: Vec, _: list[Vec]) -> list[Vec]:
            outer = t.op(f"udiv i64 {i.name}, {blocks.name}", "i64", 1)
            column = (i - outer * blocks) * lanes
            left = self.inner - column
            pointers = self._pointers(outer, column)
            sizes = list(self.segment_sizes)
            if nest.split:
                sizes[0] = self._split_size(sizes[0], self._positions(outer, self.outer_sizes))
            count = self._product(sizes)
            full = left.compare("ge", lanes)
            self._branch(full, lambda: self._column_passes(pointers, count, None), ())
            self._branch(full ^ True, lambda: self._column_passes(pointers, count, self._mask(left)), ())
            return []

        self._loop(self.i64("%end"), 1, block, (), self.i64("%begin"))

    def _column_passes(self, pointers: list[str], count: Vec, mask: Vec | None) -> list[Vec]:
        t = self.t
        zero = t.const(0, "i64", 1)
        self.rows = []
        for work in self.nest.passes:
            refs = [ref for _, ref in work.stores] + [ref for _, ref in work.reductions]
            hoisted = self._hoisted(refs, pointers)

            def step(
                s: Vec, now: list[Vec], work: Pass = work, refs: list[int] = refs, h: dict[int, Vec] = hoisted
            ) -> list[Vec]:
                here = self._segment(pointers, s)
                values = self._values(refs, here, zero, mask, h, s)
                for (operand, _), value in zip(work.stores, values):
                    self._store(operand, value, here, zero, mask)
                index = t.splat(s, self.nest.lanes)
                return self._taken(work, now, values[len(work.stores) :], index, mask)

            def stretch(first: Vec, now: list[Vec], work: Pass = work, step: Any = step) -> list[Vec]:
                stop = t.minimum(first + _CASCADE, count)
                return self._merged(work, now, self._loop(stop, 1, step, self._start(work), first))

            carried = self._start(work)
            if any(how in ("sum", "prod") for how, _ in work.reductions):
                carried = self._loop(count, _CASCADE, stretch, carried)
            else:
                carried = self._loop(count, 1, step, carried)
            self.rows += self._totals(work, carried)
        self._finish(pointers, mask)
        return []
