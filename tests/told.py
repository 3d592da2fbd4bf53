"""Programs that tell what they see, run under PyTorch once and under cotangent in each test.

A program is a function `(torch, say)`. What it says is recorded from PyTorch by tools/record_told.py and
compared line by line: words exactly, numbers to rounding.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent / "data"
# Which modules hold programs, and the file with what PyTorch says to each.
SOURCES: dict[str, tuple[str, ...]] = {
    "autograd": (
        "graph_programs", "view_programs", "mode_programs", "custom_programs", "check_programs",
        "engine_programs", "forward_programs",
    ),
    "nn": ("nn_programs", "hook_programs", "init_programs", "image_programs"),
    "optim": ("optim_programs", "schedule_programs"),
    "utils": ("data_programs",),
}  # fmt: skip

Program = Callable[[Any, "Say"], None]
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+)(?:e[-+]?\d+)?")


def _text(value: Any) -> str:
    # Python 3.12 prints these dictionaries in another way; the records have the old one.
    return f"OrderedDict({list(value.items())})" if type(value) is OrderedDict and value else str(value)


class Say:
    """Collects what a program says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, *values: Any) -> None:
        # Types are printed with the name of the package they are from.
        self.lines += " ".join(map(_text, values)).replace("cotangent", "torch").split("\n")

    def numbers(self, *tensors: Any) -> None:
        """Say all values of tensors in full."""
        for tensor in tensors:
            self(list(tensor.shape), tensor.detach().tolist())

    def failure(self, function: Callable[[], Any]) -> None:
        """Say which exception a call ends with."""
        try:
            result = function()
        except Exception as error:
            self(type(error).__name__, error)
        else:
            self("no failure:", result)


def collector() -> tuple[dict[str, Program], Callable[[Program], Program]]:
    """A table of programs, and the decorator that enters them there."""
    programs: dict[str, Program] = {}

    def enter(program: Program) -> Program:
        programs[program.__name__] = program
        return program

    return programs, enter


def told(program: Program, torch: Any) -> list[str]:
    """What a program says, with its warnings at the end."""
    say = Say()
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        program(torch, say)
    for warning in caught:
        say("warning", warning.category.__name__, warning.message)
    return say.lines


def recorded(area: str) -> dict[str, list[str]]:
    """What PyTorch says to the programs of an area."""
    return json.loads((DATA / f"told_{area}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def difference(expected: list[str], got: list[str]) -> str | None:
    """The first line that differs, or None. Numbers may differ in the last digit printed, or by rounding."""
    for line, (one, other) in enumerate(zip(expected, got)):
        if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
            # Rounding may move a sign or a space in a printed tensor: then only the numbers count.
            return f"line {line}:\n  expected {one!r}\n  got      {other!r}"
        for a, b in zip(_NUMBER.findall(one), _NUMBER.findall(other)):
            decimals = len(a.partition(".")[2].partition("e")[0])
            last = 1.01 * 10.0**-decimals if decimals <= 4 and "e" not in a else 0.0
            if abs(float(a) - float(b)) > max(last, 2e-5 * abs(float(a)), 1e-6):
                return f"line {line}: {a} became {b} in\n  expected {one!r}\n  got      {other!r}"
    if len(expected) != len(got):
        return f"{len(expected)} lines expected, {len(got)} got; after the common ones:\n" + "\n".join(
            (expected if len(expected) > len(got) else got)[min(len(expected), len(got)) :]
        )
    return None
