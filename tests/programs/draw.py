"""Choices: reads small integers and turns them into names, shapes and numbers that fit what is live."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .interpreter import Machine, peek

Shape = tuple[int, ...]
T = TypeVar("T")
VALUES = (0.5, -1.0, 1.5, 0.25, 2.0, -0.75, 1.25, -1.5, 0.75, -2.0, 1.0, -0.25, 3.0, -0.5, 1.75, 0.0)
COUNTS = (1, 2, 0, -1, 3, 2, -2, 1)
SHAPES: tuple[Shape, ...] = (
    (2,), (3,), (2, 3), (), (2, 2), (3, 2), (1,), (3,), (2, 3), (1, 3), (2, 1), (2, 2, 2), (2, 1, 3),
    (2, 3, 2), (0,), (2, 0),
)  # fmt: skip
SCALARS = ("2", "0.5", "-1", "1.5", "3", "-0.5", "1", "0", "0.25", "True")
LARGEST = 24


def joined(parts: Sequence[int]) -> str:
    """The text of a tuple of sizes: `2, 3`, or `2,` for a single one where a tuple is meant by the caller."""
    return ", ".join(map(str, parts))


def broadcast(one: Shape, two: Shape) -> Shape | None:
    """The common shape of two shapes.

    Args:
        one: a shape.
        two: a shape.

    Returns:
        The shape, or None where they do not fit.
    """
    result: list[int] = []
    for back in range(1, max(len(one), len(two)) + 1):
        a = one[-back] if back <= len(one) else 1
        b = two[-back] if back <= len(two) else 1
        if a != b and 1 not in (a, b):
            return None
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


def flat(value: Any) -> list[Any]:
    """The numbers of a nested list.

    Args:
        value: a number or nested lists of numbers.

    Returns:
        All numbers in order.
    """
    return [number for item in value for number in flat(item)] if isinstance(value, list) else [value]


def gradient(tensor: Any) -> Any:
    """The gradient of a leaf.

    Args:
        tensor: any tensor.

    Returns:
        Its `.grad`, or None where it has none or its history cannot be read.
    """
    return tensor.grad if peek(lambda: tensor.is_leaf) is True else None


class Draw:
    """Choices for one step, all taken from one integer (0 always means the first, simplest choice).

    Args:
        machine: the library the program is drawn on.
        number: the integer that decides.
        fresh: gives a new number for a variable name.
    """

    def __init__(self, machine: Machine, number: int, fresh: Callable[[], int]) -> None:
        self.machine = machine
        self.number = number
        self.fresh = fresh
        tensor = machine.xp.Tensor
        self.tensors = {name: value for name, value in machine.live().items() if isinstance(value, tensor)}

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        self.number, choice = divmod(self.number, count)
        return choice

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def chance(self, part: int, of: int = 16) -> bool:
        """True in `part` of `of` cases, and never for the simplest program."""
        return self.below(of) >= of - part

    # -- tensors -------------------------------------------------------------------------------------------

    def name(self, fits: Callable[[str], bool] = lambda name: True) -> str | None:
        """A live tensor for which `fits` holds (half of the time among the newest), or None."""
        names = [name for name in reversed(self.tensors) if fits(name)]
        if not names:
            return None
        return self.pick(names[:3] if self.below(2) else names)

    def shape(self, name: str) -> Shape:
        """Its shape."""
        return tuple(self.tensors[name].shape)

    def real(self, name: str) -> bool:
        """Whether it holds real floating-point numbers."""
        return bool(self.tensors[name].is_floating_point())

    def smooth(self, name: str) -> bool:
        """Whether it holds real or complex floating-point numbers."""
        return self.real(name) or self.tensors[name].is_complex()

    def exact(self, name: str) -> bool:
        """Whether its values are short binary fractions, so that both libraries have the very same ones.

        What jumps (rounding, comparing, the place of a maximum) is drawn only on these.
        """
        values = flat(self.tensors[name].tolist())
        return all(isinstance(v, (int, float)) and v * 64 % 1 == 0 for v in values)  # nan and inf are not

    def partner(self, name: str, fits: Callable[[str], bool] = lambda name: True) -> str:
        """A tensor that broadcasts with `name` (and seldom one that may not)."""
        shape = self.shape(name)
        if self.chance(1, 24):
            return self.name() or name
        return self.name(lambda other: self._small(shape, self.shape(other)) and fits(other)) or name

    def _small(self, one: Shape, two: Shape) -> bool:
        common = broadcast(one, two)
        return common is not None and math.prod(common) <= LARGEST

    def like(self, shape: Shape) -> str | None:
        """A tensor that broadcasts to exactly `shape`."""
        return self.name(lambda other: broadcast(shape, self.shape(other)) == shape)

    def distinct(self, name: str) -> bool:
        """Whether no value occurs twice."""
        values = flat(self.tensors[name].tolist())
        return len(set(values)) == len(values)

    def internal(self, name: str) -> bool:
        """Whether it is a gradient or made from one: it may be a view of something that nobody can name."""
        return name in self.machine.gradients

    def writable(self, name: str, frozen: bool = False) -> bool:
        """Whether an in-place write is likely to be allowed; `frozen` takes leaves that refuse it, too."""
        if self.internal(name):
            return False
        tensor = self.tensors[name]
        leaf = tensor.requires_grad and peek(lambda: tensor.is_leaf) is True
        return frozen or not (leaf and self.machine.xp.is_grad_enabled())

    # -- arguments -----------------------------------------------------------------------------------------

    def dim(self, shape: Shape) -> int:
        """A dimension, counted from either end, seldom one too many."""
        rank = max(len(shape), 1)
        if self.chance(1, 40):
            return rank + self.below(2)
        return self.below(2 * rank) - rank if self.chance(5) else self.below(rank)

    def scalar(self) -> str:
        """A Python number."""
        return self.pick(SCALARS)

    def flag(self) -> str:
        """`True` or `False`."""
        return "True" if self.below(2) else "False"

    def assign(self, expression: str, count: int = 1) -> str:
        """A statement that binds the expression to new names."""
        return ", ".join(f"t{self.fresh()}" for _ in range(count)) + f" = {expression}"

    def data(self, shape: Shape, kind: str = "float") -> str:
        """Nested lists of fixed numbers, no number twice in the first sixteen."""
        start, stride = self.below(16), 2 * self.below(4) + 1
        count = math.prod(shape)
        values = [(start + stride * number) % 16 for number in range(count)]
        texts = [LITERAL[kind](value) for value in values]
        return nested(texts, shape)


LITERAL: dict[str, Callable[[int], str]] = {
    "float": lambda place: repr(VALUES[place]),
    "int": lambda place: repr(COUNTS[place % 8]),
    "bool": lambda place: repr(place % 3 > 0),
    "complex": lambda place: f"{VALUES[place]!r}{VALUES[(place + 5) % 16]:+}j",
}


def nested(texts: list[str], shape: Shape) -> str:
    """The text of nested lists of a shape.

    Args:
        texts: the items, row by row.
        shape: the shape; () gives the item itself.

    Returns:
        Text of a Python list.
    """
    if not shape:
        return texts[0]
    size = math.prod(shape[1:])
    return "[" + ", ".join(nested(texts[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])) + "]"
