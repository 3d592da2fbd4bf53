"""Formulas over symbols: the form in which an elementwise kernel is given to the code generator.

A `Sym` is a value of a `Body` with operators. `form_of(kernel)` gives, for an elementwise kernel (a ufunc, or
a function that was declared with `@has_form(formula)`), the same computation over symbols: called with a Sym
for each array and Syms, numbers or whatever else for the other arguments, it gives a Sym. So

    body = Body()
    x = Sym(body, body.input(0, "f32"))
    y = form_of(np.exp)(x) * 2.0 + 1.0

makes the expression exp(x) * 2 + 1. All operands of an operation have the type of the first Sym among them;
numbers become constants (of that type), so what should be known only when the kernel runs is given as
`body.number`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .scalar import Body

__all__ = ["Form", "Sym", "call", "where"]

Form = Callable[..., Any]


class Sym:
    """A value of a body; see the module's text."""

    __slots__ = ("body", "ref")
    # Arrays leave operators to this class.
    __array_ufunc__ = None

    def __init__(self, body: Body, ref: int) -> None:
        self.body = body
        self.ref = ref

    @property
    def kind(self) -> str:
        """Its type ("f32", "b1", ...)."""
        return self.body.kind(self.ref)

    def __bool__(self) -> bool:
        raise TypeError("a symbol has no truth value")

    def like(self, value: Any) -> Sym:
        """`value` as a symbol; a number becomes a constant of this type."""
        return value if isinstance(value, Sym) else Sym(self.body, self.body.const(value, self.kind))

    def cast(self, kind: str) -> Sym:
        """This value in another type."""
        return Sym(self.body, self.body.cast(self.ref, kind))

    def _with(self, name: str, other: Any) -> Sym:
        a, b = self._paired(other)
        return Sym(self.body, self.body.op(name, a.ref, b.ref))

    def _after(self, name: str, other: Any) -> Sym:
        b, a = self._paired(other)
        return Sym(self.body, self.body.op(name, a.ref, b.ref))

    def _paired(self, other: Any) -> tuple[Sym, Sym]:
        """Both operands; truth values that meet numbers are 0 and 1."""
        b = other if isinstance(other, Sym) else None
        if b is not None and (self.kind == "b1") != (b.kind == "b1"):
            return (self.cast(b.kind), b) if self.kind == "b1" else (self, b.cast(self.kind))
        return self, self.like(other)

    def __add__(self, other: Any) -> Sym:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Sym:
        return self._after("add", other)

    def __sub__(self, other: Any) -> Sym:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Sym:
        return self._after("sub", other)

    def __mul__(self, other: Any) -> Sym:
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> Sym:
        return self._after("mul", other)

    def __truediv__(self, other: Any) -> Sym:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Sym:
        return self._after("div", other)

    def __pow__(self, other: Any) -> Sym:
        if isinstance(other, Sym) or other not in (1, 2, 3):
            return self._with("pow", other)
        square = call("square", self)
        return self if other == 1 else square if other == 2 else square * self

    def __abs__(self) -> Sym:
        return call("abs", self)

    def __neg__(self) -> Sym:
        return call("neg", self)

    def __invert__(self) -> Sym:
        return call("not", self)

    def __and__(self, other: Any) -> Sym:
        return self._with("and", other)

    def __or__(self, other: Any) -> Sym:
        return self._with("or", other)

    def __lt__(self, other: Any) -> Sym:
        return self._with("lt", other)

    def __le__(self, other: Any) -> Sym:
        return self._with("le", other)

    def __gt__(self, other: Any) -> Sym:
        return self._with("gt", other)

    def __ge__(self, other: Any) -> Sym:
        return self._with("ge", other)

    def __eq__(self, other: object) -> Sym:  # type: ignore[override]
        return self._with("eq", other)

    def __ne__(self, other: object) -> Sym:  # type: ignore[override]
        return self._with("ne", other)

    __hash__ = object.__hash__

    def is_nan(self) -> Sym:
        """Whether this is nan."""
        return self._with("ne", self)


def call(name: str, *operands: Any) -> Sym:
    """An operation of `scalar`'s vocabulary.

    Args:
        name: of the vocabulary.
        *operands: symbols and numbers, at least one symbol.

    Returns:
        The result.
    """
    model = next(o for o in operands if isinstance(o, Sym))
    return Sym(model.body, model.body.op(name, *(model.like(o).ref for o in operands)))


def where(condition: Sym, yes: Any, no: Any) -> Sym:
    """`yes` where the condition holds, else `no`; one of them is a symbol.

    Args:
        condition: a symbol of type "b1".
        yes: symbol or number.
        no: symbol or number.

    Returns:
        The result.
    """
    model = yes if isinstance(yes, Sym) else no
    refs = (condition.ref, model.like(yes).ref, model.like(no).ref)
    return Sym(condition.body, condition.body.op("where", *refs))
