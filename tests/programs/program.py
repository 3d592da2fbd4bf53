"""A program: statements over named tensors, with blocks, that prints as ordinary Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

NAME = re.compile(r"\bt\d+\b")


class Kind(Enum):
    """What a step does: run a statement, open a `with` block, or close the innermost one."""

    DO = "do"
    ENTER = "enter"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Args:
        text: the statement, the context manager's expression, or nothing for an exit.
        kind: what to do with the text.
        family: the name of the rule that drew it, for grouping differences.
    """

    text: str
    kind: Kind = Kind.DO
    family: str = ""


EXIT = Step("", Kind.EXIT, "mode")


@dataclass(frozen=True, slots=True)
class Program:
    """Steps in order.

    Args:
        steps: the steps; blocks left open are closed at the end.
        watched: observe everything after every step. Reading `grad_fn` makes PyTorch bring a view's history
            up to date, so an unwatched program is observed lightly until its end, where a lazy rebuild that
            went wrong shows.
    """

    steps: tuple[Step, ...]
    watched: bool = True

    def source(self, errors: Mapping[int, str] | None = None) -> str:
        """Print the program as runnable Python.

        Args:
            errors: step number -> what it raises; those steps are printed inside `try`.

        Returns:
            The source text, ending in a newline.
        """
        raised = errors or {}
        lines = ["import torch"]
        depth, empty = 0, False
        for number, step in enumerate(self.steps):
            pad = "    " * depth
            if step.kind is Kind.ENTER:
                lines.append(f"{pad}with {step.text}:")
                depth, empty = depth + 1, True
            elif step.kind is Kind.EXIT:
                if empty:
                    lines.append(f"{pad}pass")
                depth, empty = max(depth - 1, 0), False
            else:
                lines.extend(_guarded(step.text, raised.get(number), pad))
                empty = False
        if empty:
            lines.append("    " * depth + "pass")
        return "\n".join(lines) + "\n"


def follow(text: str, gradients: set[str]) -> None:
    """Keep the names of gradients, and of what is made from them.

    Args:
        text: a statement.
        gradients: the names so far; new ones are added.
    """
    targets, equals, expression = text.partition(" = ")
    if equals and (".grad" in expression or not gradients.isdisjoint(NAME.findall(expression))):
        gradients.update(name for name in targets.split(", ") if NAME.fullmatch(name))


def _guarded(text: str, error: str | None, pad: str) -> Iterable[str]:
    if error is None:
        return (pad + text,)
    first = error.splitlines()[0] if error else ""
    return (
        f"{pad}try:",
        f"{pad}    {text}",
        f"{pad}except Exception as error:  # {first[:160]}",
        f"{pad}    print(type(error).__name__, error)",
    )
