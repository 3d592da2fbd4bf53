"""A tape made ready to be run: its instructions after the passes, with what goes in and what is wanted."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .tape import Instruction, text, type_text


class Graph:
    """Instructions over numbered values.

    Attributes:
        steps: the instructions in order.
        inputs: numbers of the values that are given.
        constants: arrays by value number.
        scalars: value number -> (followed number, dtype).
        wanted: values that must exist at the end.
        types: (shape, dtype) by value number.
        guards: conditions on values and numbers to check before anything is changed.
    """

    def __init__(
        self,
        steps: list[Instruction],
        inputs: list[int],
        constants: dict[int, Any],
        scalars: dict[int, tuple[Any, Any]],
        wanted: list[int],
        types: dict[int, tuple[tuple[int, ...], Any]],
        guards: list[tuple[Any, ...]],
        alias: dict[int, int] | None = None,
    ) -> None:
        self.steps = steps
        self.inputs = inputs
        self.constants = constants
        self.scalars = scalars
        self.wanted = wanted
        self.types = types
        self.guards = guards
        self.alias = alias or {}
        self.told: list[Any] = []  # followed numbers that are results

    def but(self, **changes: Any) -> Graph:
        """The graph with some of its parts replaced."""
        made = copy.copy(self)
        made.__dict__.update(changes)
        return made

    def of(self, n: int) -> int:
        """The value that stands for value `n` of the trace."""
        return self.alias.get(n, n)

    def roots(self) -> list[int]:
        """Values that something outside the instructions needs: results, and what guards look at."""
        out = [self.of(n) for n in self.wanted]
        for guard in self.guards:
            if guard[0] in ("value", "array"):
                out.append(self.of(guard[1]))
            else:
                for part in guard[1:]:
                    out.extend(self.items(part))
        for held in self.told:
            out.extend(self.items(held))
        return out

    def items(self, value: Any) -> list[int]:
        """The values whose elements a followed number is made from."""
        how = getattr(value, "how", None)
        if how is None or how[0] == "given":
            return []
        if how[0] == "item":
            return [self.of(how[1])]
        return [i for part in how[1:] for i in self.items(part)]

    def __str__(self) -> str:
        lines = [f"in    %{n}: {type_text(*reversed(self.types[n]))}" for n in self.inputs]
        lines += [f"const %{n}: {type_text(c.dtype, c.shape)}{_short(c)}" for n, c in self.constants.items()]
        lines += [f"num   %{n}: {type_text(d, ())} = {source(held)}" for n, (held, d) in self.scalars.items()]
        lines += [f"      {text(step)}" for step in self.steps]
        lines.append(f"out   {', '.join(f'%{self.of(n)}' for n in self.wanted)}")
        return "\n".join(lines)


def _short(c: Any) -> str:
    return f" = {c.item()}" if isinstance(c, np.ndarray) and c.ndim == 0 and c.dtype.kind != "V" else ""


def source(value: Any) -> str:
    """How a followed number is computed, as a person would write it."""
    how = getattr(value, "how", None)
    if how is None:
        return repr(value)
    if how[0] == "given":
        return str(how[2])
    if how[0] == "item":
        return f"%{how[1]}.item()"
    if len(how) == 2:
        return f"{how[0]}({source(how[1])})"
    return f"({source(how[1])} {how[0]} {source(how[2])})"
