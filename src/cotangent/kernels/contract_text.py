"""What the contraction generators add to `vectors.Text`: addresses, loops, branches, shuffles.

Addresses are names of pointers, offsets and counters are Vecs of one i64; both are in bytes unless said
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from . import vectors
from .vectors import Vec

Integer = Vec | int


class Text(vectors.Text):
    """A function under construction."""

    def __init__(self, signature: str) -> None:
        super().__init__()
        self.signature = signature
        self.block = ""
        self.label("entry")

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.block = name
        super().label(name)

    def jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Vec, then: str, other: str) -> None:
        self.line(f"br i1 {condition.name}, label %{then}, label %{other}")

    def integer(self, value: Integer) -> Vec:
        return value if isinstance(value, Vec) else self.const(value, "i64", 1)

    def argument(self, name: str) -> Vec:
        """An i64 among the function's arguments."""
        return Vec(self, f"%{name}", "i64", 1)

    def at(self, pointer: str, offset: Integer) -> str:
        """The address `offset` bytes behind `pointer`."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        name = self.fresh("p")
        self.line(f"{name} = getelementptr i8, ptr {pointer}, i64 {self.integer(offset).name}")
        return name

    def number(self, index: int) -> Vec:
        """Entry `index` of the kernel's numbers."""
        return self.op(f"load i64, ptr {self.at('%numbers', 8 * index)}, align 8", "i64", 1)

    def buffer(self, index: int) -> str:
        """Entry `index` of the kernel's buffers."""
        name = self.fresh("p")
        self.line(f"{name} = load ptr, ptr {self.at('%buffers', 8 * index)}, align 8")
        return name

    def divided(self, a: Vec, b: Integer) -> tuple[Vec, Vec]:
        """Quotient and remainder of two that are not negative."""
        names = f"i64 {a.name}, {self.integer(b).name}"
        return self.op(f"udiv {names}", "i64", 1), self.op(f"urem {names}", "i64", 1)

    def mask(self, lanes: int, valid: Integer) -> Vec | None:
        """Lane i is on when i < `valid`; a single lane needs none."""
        if lanes == 1:
            return None
        limit = self.minimum(self.maximum(self.integer(valid), 0), lanes).cast("i32")
        return self.iota("i32", lanes) < self.splat(limit, lanes)

    def shuffle(self, a: Vec, b: Vec | None, lanes: Sequence[int]) -> Vec:
        """The lanes of `a` and then `b` that are listed."""
        if len(lanes) == 1:
            return self.op(f"extractelement {a.type} {a.name}, i64 {lanes[0]}", a.kind, 1)
        order = ", ".join(f"i32 {i}" for i in lanes)
        other = b.name if b else "poison"
        return self.op(
            f"shufflevector {a.type} {a.name}, {a.type} {other}, <{len(lanes)} x i32> <{order}>",
            a.kind,
            len(lanes),
        )

    def choose(self, condition: Vec, then: str, other: str) -> str:
        """One of two addresses."""
        name = self.fresh("p")
        self.line(f"{name} = select i1 {condition.name}, ptr {then}, ptr {other}")
        return name

    @contextmanager
    def loop(self, begin: Integer, end: Integer, step: int = 1) -> Iterator[Vec]:
        """Count from `begin` while smaller than `end`; yields the counter."""
        stem = self.new_label("loop")
        first, last = self.integer(begin), self.integer(end)
        before = self.block
        self.jump(f"{stem}.head")
        self.label(f"{stem}.head")
        counter = Vec(self, f"%{stem}.i", "i64", 1)
        self.line(f"{counter.name} = phi i64 [{first.name}, %{before}], [{counter.name}.next, %{stem}.latch]")
        self.branch(counter < last, f"{stem}.body", f"{stem}.exit")
        self.label(f"{stem}.body")
        yield counter
        self.jump(f"{stem}.latch")
        self.label(f"{stem}.latch")
        self.line(f"{counter.name}.next = add i64 {counter.name}, {step}")
        self.jump(f"{stem}.head")
        self.label(f"{stem}.exit")

    def fold(
        self,
        begin: Integer,
        end: Integer,
        carried: Sequence[Vec],
        body: Callable[[Vec, list[Vec]], Sequence[Vec]],
        step: int = 1,
    ) -> list[Vec]:
        """`loop` with values that are handed from one turn to the next.

        Args:
            begin: the counter's first value.
            end: the first value it does not reach.
            carried: the values of the first turn.
            body: writes a turn, called with the counter and the values; gives those of the next turn.
            step: what is added to the counter.

        Returns:
            The values after the last turn.
        """
        at = 0
        values: list[Vec] = []
        following: Sequence[Vec] = ()
        before = self.block
        with self.loop(begin, end, step) as i:
            # The values' phis belong behind the counter's, in the block before this one.
            at = next(k for k in range(len(self.lines) - 1, -1, -1) if " = phi i64 " in self.lines[k]) + 1
            values = [Vec(self, self.fresh("c"), c.kind, c.lanes) for c in carried]
            following = body(i, values)
        latch = i.name[1:-2] + ".latch"
        self.lines[at:at] = [
            f"  {value.name} = phi {value.type} [{first.name}, %{before}], [{then.name}, %{latch}]"
            for value, first, then in zip(values, carried, following, strict=True)
        ]
        return values

    @contextmanager
    def when(self, condition: Vec) -> Iterator[None]:
        """The lines inside run where `condition` holds."""
        stem = self.new_label("when")
        self.branch(condition, f"{stem}.then", f"{stem}.end")
        self.label(f"{stem}.then")
        yield
        self.jump(f"{stem}.end")
        self.label(f"{stem}.end")

    def either(self, condition: Vec, then: Callable[[], None], other: Callable[[], None]) -> None:
        """`then` writes what runs where `condition` holds, `other` what runs elsewhere."""
        stem = self.new_label("either")
        self.branch(condition, f"{stem}.then", f"{stem}.else")
        self.label(f"{stem}.then")
        then()
        self.jump(f"{stem}.end")
        self.label(f"{stem}.else")
        other()
        self.jump(f"{stem}.end")
        self.label(f"{stem}.end")


KERNEL = "define void @kernel(ptr noalias %buffers, ptr noalias %numbers, i64 %begin, i64 %end)"


def module(functions: Sequence[Text]) -> str:
    """The text of a module of finished functions."""
    declarations: dict[str, None] = {}
    parts = []
    for text in functions:
        declarations |= text.declarations
        parts += [text.signature + " {", *text.lines, "  ret void", "}", ""]
    return "\n".join([*parts, *declarations, ""])
