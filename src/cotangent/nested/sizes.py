"""The size of a ragged dimension: a symbol that equals only itself."""

from __future__ import annotations

import itertools
from typing import Any, Final

_count: Final = itertools.count(1)


class NestedInt:
    """The size of a ragged dimension, or a multiple of it; two are equal if they come from the same offsets.

    Args:
        number: which ragged dimension.
        times: how many times its size.
    """

    __slots__ = ("number", "times")

    def __init__(self, number: int, times: int = 1) -> None:
        self.number, self.times = number, times

    def __repr__(self) -> str:
        return f"j{self.number}" if self.times == 1 else f"{self.times}*j{self.number}"

    def __mul__(self, other: Any) -> NestedInt:
        return NestedInt(self.number, self.times * other) if isinstance(other, int) else NotImplemented

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NestedInt):
            return False
        return (self.number, self.times) == (other.number, other.times)

    def __hash__(self) -> int:
        return hash((self.number, self.times))

    def __ge__(self, other: Any) -> bool:
        if isinstance(other, NestedInt):
            if self.number == other.number:
                return self.times >= other.times
        elif other <= 2:
            return True
        raise ValueError("ge: relation is indeterminate")

    def __le__(self, other: Any) -> bool:
        if isinstance(other, NestedInt):
            return other >= self
        if other < 2:
            return False
        raise ValueError("ge: relation is indeterminate")

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __gt__(self, other: Any) -> bool:
        return not self <= other


def symbol_of(source: Any) -> NestedInt:
    """The size that a tensor of offsets (or of lengths) stands for, always the same one.

    Args:
        source: the tensor.
    """
    kept = source.__dict__
    if "nested int" not in kept:
        kept["nested int"] = NestedInt(next(_count))
    found: NestedInt = kept["nested int"]
    return found
