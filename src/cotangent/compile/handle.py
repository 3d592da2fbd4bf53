"""Values as rules see them: with Python's operators, which make nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ir import Builder, Const


class Followed:
    """A followed number among the statics of an operation: nothing is known of it when a rule runs."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held


class H:
    """A value with operators, over a builder."""

    __slots__ = ("b", "v")

    def __init__(self, b: Builder, v: Any) -> None:
        self.b = b
        self.v = v

    @property
    def kind(self) -> str:
        """The element type."""
        return str(self.v.kind)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self.v.shape)

    def lift(self, x: Any) -> Any:
        """A number as a constant (or a followed number) of this type."""
        if isinstance(x, H):
            return x.v
        return self.b.number(x.held, self.kind) if isinstance(x, Followed) else Const(x, self.kind)

    def op(self, name: str, *others: Any) -> H:
        """A scalar operation."""
        return H(self.b, self.b.point(name, self.v, *[self.lift(o) for o in others]))

    def swapped(self, name: str, other: Any) -> H:
        """The operation with the operands exchanged."""
        return H(self.b, self.b.point(name, self.lift(other), self.v))

    def cast(self, kind: str) -> H:
        """In another type."""
        return H(self.b, self.b.cast(self.v, kind))

    def where(self, yes: Any, no: Any) -> H:
        """Where this condition holds `yes`, elsewhere `no`; one of them is a value."""
        like = yes if isinstance(yes, H) else no
        return H(self.b, self.b.point("where", self.v, like.lift(yes), like.lift(no)))

    def reduce(self, how: str, axes: Any) -> H:
        """Over some dimensions, which stay."""
        return H(self.b, self.b.reduce(how, self.v, axes))

    def sum(self, axes: Any) -> H:
        """The sum over some dimensions, which stay."""
        return self.reduce("sum", axes)

    def viewed(self, look: Callable[[Any], Any]) -> H:
        """What a NumPy function shows of it; a copy is made if need be."""
        shown = self.v.viewed(look)
        if shown is None:
            shown = self.b.copy(self.v).viewed(look)
        assert shown is not None
        return H(self.b, shown)

    def reshape(self, shape: tuple[int, ...]) -> H:
        """In another shape."""
        if shape == self.shape:
            return self
        return self.viewed(lambda a: np.reshape(a, shape))

    def __add__(self, o: Any) -> H:
        return self.op("add", o)

    def __radd__(self, o: Any) -> H:
        return self.swapped("add", o)

    def __sub__(self, o: Any) -> H:
        return self.op("sub", o)

    def __rsub__(self, o: Any) -> H:
        return self.swapped("sub", o)

    def __mul__(self, o: Any) -> H:
        return self.op("mul", o)

    def __rmul__(self, o: Any) -> H:
        return self.swapped("mul", o)

    def __truediv__(self, o: Any) -> H:
        return self.op("div", o)

    def __rtruediv__(self, o: Any) -> H:
        return self.swapped("div", o)

    def __neg__(self) -> H:
        return self.op("neg")

    def __gt__(self, o: Any) -> H:
        return self.op("gt", o)

    def __ge__(self, o: Any) -> H:
        return self.op("ge", o)

    def __lt__(self, o: Any) -> H:
        return self.op("lt", o)

    def __le__(self, o: Any) -> H:
        return self.op("le", o)
