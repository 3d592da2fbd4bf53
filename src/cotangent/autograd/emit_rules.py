"""Rules that are one arithmetic expression, written out in the node's `step`.

Calling a rule costs as much as a small array's product, and a number that meets an array costs more still,
because NumPy works out its dtype each time. So a rule like `g * (1.0 - out * out)` is written where it is
used: as it stands for most arrays, and step by step for float arrays, its numbers as arrays of their dtype,
and intermediate results overwritten by what is computed of them. Each step rounds as the expression does.

    e = expression(rule, ["g", "v_out"])       # None: the rule is more than that
    e.text()                                   # "g * (1.0 - (v_out * v_out))"
    e.steps("c")                               # ["x0 = v_out * v_out", "subtract(c0, x0, x0)"], "g * x0"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

_UFUNC: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "true_divide"}


class Term:
    """A value while a rule runs on names: a name, a number, or an operator between two of them."""

    __slots__ = ("sign", "left", "right", "uses")
    __array_ufunc__ = None  # kernels refuse it: a rule that calls one is not written out

    def __init__(self, sign: str, left: Any, right: Any = None) -> None:
        self.sign = sign  # "" for a name (`left`), "number" for a number
        self.left = left
        self.right = right
        self.uses = 0
        for part in (left, right):
            if isinstance(part, Term):
                part.uses += 1

    def __bool__(self) -> bool:
        raise TypeError("a name has no truth value")

    def __eq__(self, other: object) -> bool:
        raise TypeError("a name equals nothing")

    def __hash__(self) -> int:
        raise TypeError("a name has no hash")

    def __add__(self, other: Any) -> Term:
        return Term("+", self, _term(other))

    def __radd__(self, other: Any) -> Term:
        return Term("+", _term(other), self)

    def __sub__(self, other: Any) -> Term:
        return Term("-", self, _term(other))

    def __rsub__(self, other: Any) -> Term:
        return Term("-", _term(other), self)

    def __mul__(self, other: Any) -> Term:
        return Term("*", self, _term(other))

    def __rmul__(self, other: Any) -> Term:
        return Term("*", _term(other), self)

    def __truediv__(self, other: Any) -> Term:
        return Term("/", self, _term(other))

    def __rtruediv__(self, other: Any) -> Term:
        return Term("/", _term(other), self)

    def __neg__(self) -> Term:
        return Term("neg", self)

    def text(self) -> str:
        """The expression as Python writes it."""
        if self.sign in _UFUNC:
            return f"{self.left.inner()} {self.sign} {self.right.inner()}"
        if self.sign == "neg":
            return f"-{self.left.inner()}"
        return str(self.left)

    def inner(self) -> str:
        """`text` as a part of another expression."""
        return self.text() if self.sign in ("", "number") else f"({self.text()})"

    def parts(self) -> list[Term]:
        """This term and all it is made of."""
        below = [p for p in (self.left, self.right) if isinstance(p, Term)]
        return [self, *(q for p in below for q in p.parts())]

    def numbers(self) -> list[float]:
        """The numbers in it, in the order in which `steps` names them."""
        return [term.left for term in self.parts() if term.sign == "number"]

    def steps(self, constant: str) -> tuple[list[str], str]:
        """The lines that compute all but the last operation, and the last one as an expression.

        Args:
            constant: what the names of arrays that hold the numbers begin with.
        """
        lines: list[str] = []
        names = {id(t): f"{constant}{i}" for i, t in enumerate(t for t in self.parts() if t.sign == "number")}
        kept: set[str] = set()  # intermediate results: nobody else looks at their memory

        def name(term: Term) -> str:
            if term.sign in ("", "number"):
                return names.get(id(term)) or str(term.left)
            left, right = operands(term)
            free = left if left in kept else right if right in kept else None
            if free is not None:
                lines.append(f"{_UFUNC[term.sign]}({left}, {right}, {free})")
                return free
            found = f"x{len(kept)}"
            kept.add(found)
            lines.append(f"{found} = {left} {term.sign} {right}")
            return found

        def operands(term: Term) -> tuple[str, str]:
            return name(term.left), name(term.right)

        left, right = operands(self)
        return lines, f"{left} {self.sign} {right}"


def _term(value: Any) -> Term:
    if isinstance(value, Term):
        return value
    if value.__class__ is not float:
        raise TypeError(f"{value!r} is no number of a formula")
    return Term("number", value)


def expression(rule: Callable[..., Any], arguments: Sequence[Any]) -> Term | None:
    """The expression that `rule` computes, if it is one over names and numbers and nothing else.

    Args:
        rule: a rule over arrays.
        arguments: for each of its parameters a name (str), or any other value as it is.

    Returns:
        None where the rule branches on its arguments or calls a kernel with them.
    """
    try:
        found = rule(*(Term("", a) if a.__class__ is str else a for a in arguments))
    except Exception:  # whatever it needs of an array, a name does not have it
        return None
    return found if isinstance(found, Term) else None


def stepwise(found: Term) -> bool:
    """Whether `steps` pays: numbers meet arrays in it, and nothing is used twice or only negated."""
    operators = [term for term in found.parts() if term.sign not in ("", "number")]
    return (
        bool(found.numbers())
        and all(term.sign in _UFUNC for term in operators)
        and all(term.uses <= 1 for term in operators)
    )
