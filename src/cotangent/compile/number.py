"""Python numbers that a compiled function takes anew at every call.

The learning rate of an optimizer, its step count and what is computed from them in Python are `Number`s
while a function is traced: floats that note how they came about, so that the compiled function computes
them again, in the same double precision. Code that decides by a number (`if lr > 0`), or takes it apart
where we cannot follow (`math.sqrt`, printing), gets the number it has now and leaves a guard behind.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "floordiv": operator.floordiv, "mod": operator.mod, "pow": operator.pow, "neg": operator.neg,
    "abs": operator.abs, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
SYMBOL: Final = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip


class Number(float):
    """A float with its origin.

    Attributes:
        trace: the trace it belongs to, which keeps its guards.
        how: ("given", slot), ("item", value number) or (operator, operands...).
    """

    trace: Any
    how: tuple[Any, ...]

    def known(self) -> float:
        """The number it is now; the compiled function will insist on it."""
        plain = float.__float__(self)
        self.trace.guard(("same", self, plain))
        return plain

    def __float__(self) -> float:
        return self.known()

    def __int__(self) -> int:
        return int(self.known())

    __trunc__ = __int__

    def __repr__(self) -> str:
        return repr(self.known())

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.known(), spec)

    def __bool__(self) -> bool:
        return bool(self != 0.0)

    def __round__(self, ndigits: Any = None) -> Any:
        return round(self.known()) if ndigits is None else round(self.known(), ndigits)

    def __floor__(self) -> int:
        return self.known().__floor__()

    def __ceil__(self) -> int:
        return self.known().__ceil__()

    def __divmod__(self, other: Any) -> Any:
        return divmod(self.known(), other)

    def __rdivmod__(self, other: Any) -> Any:
        return divmod(other, self.known())

    def __hash__(self) -> int:
        return float.__hash__(self)

    def __reduce__(self) -> Any:
        return float, (self.known(),)

    def is_integer(self) -> bool:
        """Whether it is whole."""
        return self.known().is_integer()

    def __pos__(self) -> Number:
        return self

    def __copy__(self) -> Number:
        return self

    def __deepcopy__(self, memo: Any) -> Number:
        return self


def make(trace: Any, value: float, how: tuple[Any, ...]) -> Number:
    """A number with its origin."""
    made = Number(value)
    made.trace = trace
    made.how = how
    return made


def plain(value: Any) -> Any:
    """The bare float behind a number, without a guard."""
    return float.__float__(value) if value.__class__ is Number else value


def _binary(name: str, swapped: bool = False) -> Callable[[Number, Any], Any]:
    function = OPERATORS[name]

    def method(self: Number, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        a, b = (other, self) if swapped else (self, other)
        value = function(plain(a), plain(b))
        if not isinstance(value, float):  # a negative number to a broken power: complex
            return function(a.known() if a is self else a, b.known() if b is self else b)
        return make(self.trace, value, (name, a, b))

    return method


def _comparison(name: str) -> Callable[[Number, Any], Any]:
    function = OPERATORS[name]

    def method(self: Number, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        outcome = function(plain(self), plain(other))
        self.trace.guard((name, self, other, outcome))
        return outcome

    return method


def _unary(name: str) -> Callable[[Number], Any]:
    function = OPERATORS[name]

    def method(self: Number) -> Any:
        return make(self.trace, function(plain(self)), (name, self))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Number, f"__{_name}__", _binary(_name))
    setattr(Number, f"__r{_name}__", _binary(_name, True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Number, f"__{_name}__", _comparison(_name))
for _name in ("neg", "abs"):
    setattr(Number, f"__{_name}__", _unary(_name))
