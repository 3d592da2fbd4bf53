"""Running a graph: the Python text of its run, written once and compiled.

The run takes the arrays of the inputs and the numbers the function is given, in order, and returns the
wanted arrays, or None where a guard does not hold (nothing has been changed then but random streams, whose
states are put back).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..kernels import disk
from ..kernels.fperr import QUIET, reset_errors, set_errors
from .graph import Graph
from .number import SYMBOL
from .tape import Instruction

_numbers: Final = itertools.count()


class Writer:
    """The text of one run.

    Args:
        graph: what to run.
        streams: the random streams it draws from.
    """

    def __init__(self, graph: Graph, streams: list[Any]) -> None:
        self.graph = graph
        self.scope: dict[str, Any] = {
            "__name__": None, "asarray": np.asarray, "QUIET": QUIET, "set_errors": set_errors,
            "reset_errors": reset_errors, "streams": streams,
        }  # fmt: skip
        self.lines: list[str] = []
        self.made: set[str] = set()
        self.numbers: dict[int, str] = {}  # followed numbers by identity
        self.depth = 2

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def bound(self, kind: str, value: Any) -> str:
        """The name of an object of the compiler's that the text uses."""
        name = f"{kind}{len(self.scope)}"
        self.scope[name] = value
        return name

    def value(self, n: int) -> str:
        """The name of a value, constants and followed numbers included."""
        n = self.graph.of(n)
        name = f"v{n}"
        if n in self.graph.constants:
            self.scope[name] = self.graph.constants[n]
        elif n in self.graph.scalars and name not in self.made:
            held, d = self.graph.scalars[n]
            self.add(f"{name} = asarray({self.number(held)}, {self.bound('d', d)})")
            self.made.add(name)
        return name

    def number(self, held: Any) -> str:
        """The name of a followed number, computed where it is first needed."""
        how = getattr(held, "how", None)
        if how is None:
            return repr(held) if held == held and abs(held) != float("inf") else self.bound("f", held)
        if id(held) in self.numbers:
            return self.numbers[id(held)]
        name = self.numbers[id(held)] = f"n{len(self.numbers)}"
        if how[0] == "given":
            text = f"given[{how[1]}]"
        elif how[0] == "item":
            text = f"float({self.value(how[1])}.reshape(())[()])"
        elif how[0] in ("neg", "abs"):
            text = f"-{self.number(how[1])}" if how[0] == "neg" else f"abs({self.number(how[1])})"
        else:
            text = f"{self.number(how[1])} {SYMBOL[how[0]]} {self.number(how[2])}"
        self.add(f"{name} = {text}")
        return name

    def guard(self, guard: tuple[Any, ...]) -> str:
        """The text of a condition."""
        if guard[0] == "value":
            want = self.bound("w", guard[2])
            return f"{self.value(guard[1])}.reshape(())[()] == {want}" if guard[2] == guard[2] else "True"
        if guard[0] == "array":
            return f"{self.value(guard[1])}.tobytes() == {self.bound('w', guard[2])}"
        if guard[0] == "same":
            name = self.number(guard[1])
            return f"{name} == {self.number(guard[2])}" if guard[2] == guard[2] else f"{name} != {name}"
        name, a, b, outcome = guard
        test = f"{self.number(a)} {SYMBOL[name]} {self.number(b)}"
        return test if outcome else f"not ({test})"

    def static(self, value: Any) -> str:
        """A static argument."""
        if hasattr(value, "how"):
            return self.number(value)
        if value is None or value.__class__ in (bool, int):
            return repr(value)
        return self.bound("s", value)

    def step(self, step: Instruction) -> None:
        """One instruction through its kernel."""
        operands = [
            f"[{', '.join(self.value(i) for i in o)}]"
            if isinstance(o, tuple)
            else "None"
            if o is None
            else self.value(o)
            for o in step.operands
        ]
        operands += [self.static(s) for s in step.statics]
        call = f"{self.bound('k', step.op.kernel)}({', '.join(operands)})"
        if step.many:
            names = [f"v{r}" for r in step.results]
            self.add(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {call}")
            for name, d in zip(names, step.dtypes, strict=True):
                self.settle(name, d)
        else:
            self.add(f"v{step.results[0]} = {call}")
            self.settle(f"v{step.results[0]}", step.dtypes[0])

    def settle(self, name: str, d: Any) -> None:
        """Make a kernel's result an array of the right dtype."""
        self.add(f"if {name}.__class__ is not ndarray or {name}.dtype is not {self.bound('d', d)}:")
        self.scope["ndarray"] = np.ndarray
        self.add(f"    {name} = settled({name}, {self.bound('d', d)})")
        self.scope["settled"] = _settled

    def last_uses(self, steps: list[Instruction]) -> list[list[int]]:
        """Per step the values nobody needs after it."""
        graph = self.graph
        kept = {*graph.roots(), *graph.constants, *graph.scalars}
        for step in steps:
            for s in step.statics:
                kept.update(graph.items(s))
        for held, _ in graph.scalars.values():
            kept.update(graph.items(held))
        out: list[list[int]] = [[] for _ in steps]
        for at in range(len(steps) - 1, -1, -1):
            for n in dict.fromkeys([*steps[at].reads(), *steps[at].results]):
                if n not in kept:
                    kept.add(n)
                    out[at].append(n)
        return out

    def run(self) -> Callable[[Any, Any], Any]:
        """The function."""
        graph = self.graph
        first = guard_steps(graph)
        if graph.inputs:
            self.add(f"{', '.join(f'v{n}' for n in graph.inputs)}, = arrays")
        early = set(map(id, first))
        rest = [step for step in graph.steps if id(step) not in early]
        last = self.last_uses(rest)
        for step in first:
            self.step(step)
        for guard in graph.guards:
            condition = self.guard(guard)
            self.add(f"if not ({condition}):")
            self.add("    return None")
        for at, step in enumerate(rest):
            self.step(step)
            if last[at]:
                self.add(" = ".join(f"v{n}" for n in last[at]) + " = None")
        told = "".join(f"{self.number(held)}, " for held in graph.told)
        self.add(f"return ({''.join(f'{self.value(n)}, ' for n in graph.wanted)}), ({told})")
        text = "def run(arrays, given):\n    token = set_errors(QUIET)\n    try:\n" + "\n".join(self.lines)
        text += "\n    finally:\n        reset_errors(token)\n"
        filename = f"<cotangent compiled {next(_numbers)}>"
        disk.execute(text, filename, self.scope)
        function: Callable[[Any, Any], Any] = self.scope["run"]
        return function


def _settled(value: Any, d: Any) -> Any:
    array = np.asarray(value)
    return array if array.dtype == d else array.astype(d)


def guard_steps(graph: Graph) -> list[Instruction]:
    """The instructions that guards depend on, in order; with a draw, all draws before it."""
    need: set[int] = set()
    for guard in graph.guards:
        if guard[0] in ("value", "array"):
            need.add(graph.of(guard[1]))
        else:
            for part in guard[1:]:
                need.update(graph.items(part))
    if not need:
        return []
    last_draw = -1
    chosen: set[int] = set()
    for at in range(len(graph.steps) - 1, -1, -1):
        step = graph.steps[at]
        if any(r in need for r in step.results) or (step.effect and at < last_draw):
            chosen.add(at)
            if step.effect:
                last_draw = max(last_draw, at)
            for n in step.reads():
                need.add(n)
                if n in graph.scalars:
                    need.update(graph.items(graph.scalars[n][0]))
            for s in step.statics:
                need.update(graph.items(s))
    return [step for at, step in enumerate(graph.steps) if at in chosen]
