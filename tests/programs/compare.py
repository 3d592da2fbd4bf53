"""The first difference between two runs of one program."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from .interpreter import Record, numbers
from .program import Program, Step, follow

SINGLE = ("torch.float32", "torch.complex64")
STRUCTURE = frozenset(("next_functions", "is_contiguous"))
# How a derivative was computed shows in its own history; PyTorch promises nothing about that.
INTERNAL = frozenset(("grad_fn", "next_functions", "is_contiguous", "_base", "_version"))
NONE: frozenset[str] = frozenset()
NUMBER = re.compile(r"\d+")
CALL = re.compile(r"\.([A-Za-z_]\w*)\(")
OPERATOR = re.compile(r"(?<== )[\w.]+ ([-+*/%@<>=!]+) |^\w+(?:\[.*\])? ([-+*/]=) ")
ASSERTION = "INTERNAL ASSERT FAILED"
LITERAL = re.compile(r"torch\.tensor\(")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part.

    Args:
        step: number of the step.
        name: the variable, or "" where the step itself differs.
        what: the field that differs.
        left: what the first run saw.
        right: what the second run saw.
    """

    step: int
    name: str
    what: str
    left: Any
    right: Any

    def cause(self, program: Program) -> str:
        """A key that groups differences with the same likely cause.

        Args:
            program: the program that was run.

        Returns:
            A short text without variable names and numbers.
        """
        operation = _operation(program.steps[self.step])
        if self.what == "error" and str(self.right).startswith("AttributeError") and not self.left:
            return f"missing: {self.right}"
        if self.what == "error":
            return f"error: {_shape_of(self.left)} | {_shape_of(self.right)}"
        if self.what in ("grad_fn", "next_functions", "dtype", "is_leaf", "requires_grad", "shape"):
            return f"{self.what} @ {operation}: {_shape_of(self.left)} | {_shape_of(self.right)}"
        return f"{self.what} @ {operation}"

    def describe(self, program: Program, left: str = "torch", right: str = "cotangent") -> str:
        """Say the difference in a few lines.

        Args:
            program: the program that was run.
            left: name of the first library.
            right: name of the second.

        Returns:
            Text of several lines.
        """
        step = program.steps[self.step]
        where = f"{self.name}.{self.what}" if self.name else self.what
        seen = f"  {left}: {self.left}\n  {right}: {self.right}"
        return f"after step {self.step}: {step.text or 'exit'}\n  {where}\n{seen}"


def _operation(step: Step) -> str:
    """The name of what a step does: the last method called, or an operator, or the rule that drew it."""
    calls = CALL.findall(LITERAL.sub("(", step.text))
    if calls:
        return str(calls[-1])
    operator = OPERATOR.search(step.text)
    return (operator[1] or operator[2]) if operator else step.family


def _shape_of(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return NUMBER.sub("#", text.splitlines()[0] if text else "")[:90]


def compare(
    program: Program, left: Sequence[Record], right: Sequence[Record], structure: bool = False
) -> Difference | None:
    """Find the first difference between two runs, up to where PyTorch itself may die (see `death`).

    Args:
        program: the program both ran.
        left: records of the first run (its magnitudes set the tolerance).
        right: records of the second run.
        structure: look also at the edges of the graph and at the layout in memory.

    Returns:
        The difference, or None where the runs agree.
    """
    alive = min(death(left), garbled(program, left), undefined(program, left))
    left, right = left[:alive], right[:alive]
    tolerance = _Tolerance(left)
    passed = NONE if structure else STRUCTURE
    gradients: set[str] = set()
    for number, (one, two) in enumerate(zip(left, right, strict=True)):
        tolerance.advance(one)
        if one.error != two.error:
            if (
                not structure
                and number
                and _of_layout(program.steps[number], left[number - 1], right[number - 1])
            ):
                return None  # what follows differs as well
            return Difference(number, "", "error", one.error, two.error)
        if one.grad_mode != two.grad_mode:
            return Difference(number, "", "is_grad_enabled()", one.grad_mode, two.grad_mode)
        if one.names.keys() != two.names.keys():
            return Difference(number, "", "variables", sorted(one.names), sorted(two.names))
        follow(program.steps[number].text, gradients)
        for name, fields in one.names.items():
            ignored = passed | INTERNAL if name in gradients else passed
            found = _fields(fields, two.names[name], tolerance, ignored)
            if found:
                return Difference(number, name, *found)
    return None


def death(records: Sequence[Record]) -> int:
    """Find where PyTorch itself died: one of its own assertions failed, which is its bug and no behaviour.

    Args:
        records: what was seen of a run.

    Returns:
        The number of steps before that; all of them where it lived.
    """
    return sum(1 for _ in takewhile(_lives, records))


def garbled(program: Program, records: Sequence[Record]) -> int:
    """Find where PyTorch raises what it says only because of a bug of its own.

    Indexing a 0-d tensor reads the size of a dimension that it does not have (what lies there depends on
    earlier shapes); the derivative of `view_as_real` refuses an empty gradient for the strides that `expand`
    gave it.

    Args:
        program: the program that was run.
        records: what was seen of the run.

    Returns:
        The number of steps before that; all of them where there is none.
    """
    points: set[str] = set()
    for number, (step, record) in enumerate(zip(program.steps, records, strict=False)):
        told = record.error or ""
        if _NO_SIZE.search(told) and any(f"{name}[" in step.text for name in points):
            return number
        if "Tensor must have a last dimension with stride 1" in told and "view_as_complex" not in step.text:
            return number
        points = {name for name, fields in record.names.items() if fields.get("shape") == ()}
    return len(records)


_NO_SIZE = re.compile(r"out of bounds for dimension 0 with size [1-9]")


def undefined(program: Program, records: Sequence[Record]) -> int:
    """Find where what PyTorch computes depends on how its loops are cut into vectors and blocks.

    There are four such places: gelu of an infinity in float32, which its vector code makes nan and its scalar
    code does not; scans and row copies written into a tensor whose elements overlap in memory (`unfold`
    with a step below its size), whose result depends on the order of the writes; the sign of the zeros that
    the negation of complex numbers leaves (its vector code subtracts from zero, its scalar code turns the
    sign), which shows once a function with a cut is taken of it; and what an assignment to a list of indices
    has written by the time it meets one that is out of bounds.

    Args:
        program: the program that was run.
        records: what was seen of the run.

    Returns:
        The number of steps before that; all of them where there is none.
    """
    infinite: set[str] = set()
    overlapping: set[str] = set()
    negated: set[str] = set()
    for number, (step, record) in enumerate(zip(program.steps, records, strict=False)):
        target, _, source = step.text.strip().partition(" = ")
        if "gelu(" in source and any(f"gelu({name}" in source for name in infinite):
            return number
        if record.error and _OUT_OF_BOUNDS.match(record.error) and _LISTED.search(step.text):
            return number
        if _CUT.search(step.text) and any(re.search(rf"\b{name}\b", step.text) for name in negated):
            return number
        if _NEGATION.search(step.text) or any(re.search(rf"\b{name}\b", step.text) for name in negated):
            complex_ones = (n for n, f in record.names.items() if "complex" in str(f.get("dtype")))
            negated.update(n for n in complex_ones if n in target.split(", ") or n in step.text)
        if _SCAN.search(step.text) and any(_written(step.text, name) for name in overlapping):
            return number
        if ".unfold(" in source or any(re.search(rf"\b{name}\b", source) for name in overlapping):
            overlapping.update(name for name in target.split(", ") if name.isidentifier())
        for name, fields in record.names.items():
            if fields.get("dtype") == "torch.float32" and _holds_infinity(fields.get("value")):
                infinite.add(name)
    return len(records)


def _of_layout(step: Step, one: Record, two: Record) -> bool:
    """Whether a step asks for a view of what lies in memory in different orders, which is passed over."""
    return ".view(" in step.text and any(
        re.search(rf"\b{name}\.view\(", step.text)
        and fields.get("is_contiguous") != two.names[name].get("is_contiguous")
        for name, fields in one.names.items()
    )


_OUT_OF_BOUNDS = re.compile(r"IndexError: index -?\d+ is out of bounds")
_LISTED = re.compile(r"^\w+\[.*\[.*\].*\] [-+*/]?= ")
_NEGATION = re.compile(r"neg_?\(|= -t\d|negative")
_CUT = re.compile(r"sqrt|pow|\*\*|log|acos|asin|atan|angle")
_SCAN = re.compile(r"\.(cumsum_|cumprod_|index_copy_|index_add_|logcumsumexp_)\(")


def _written(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b[^=]*\.\w+_\(", text) is not None


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_infinity, value))
    return isinstance(value, float) and math.isinf(value)


def _lives(record: Record) -> bool:
    if record.error is not None and ASSERTION in record.error:
        return False
    return not any(
        isinstance(value, str) and ASSERTION in value
        for fields in record.names.values()
        for value in fields.values()
    )


def _fields(
    one: dict[str, Any], two: dict[str, Any], tolerance: _Tolerance, passed: frozenset[str]
) -> tuple[str, Any, Any] | None:
    if one.keys() != two.keys():
        return "fields", sorted(one), sorted(two)
    for what, left in one.items():
        right = two[what]
        if left == right or what in passed:
            continue
        if what == "grad" and isinstance(left, dict) and isinstance(right, dict):
            found = _fields(left, right, tolerance, INTERNAL)
            if found:
                return f"grad.{found[0]}", found[1], found[2]
        elif what != "value" or not tolerance.close(left, right):
            return what, left, right
    return None


class _Tolerance:
    """How far two values may lie apart: a rounding error times the largest number met so far."""

    def __init__(self, records: Sequence[Record]) -> None:
        single = any(fields.get("dtype") in SINGLE for record in records for fields in record.names.values())
        self.epsilon = 2e-5 if single else 1e-10
        self.scale = 1.0
        self.pending: list[Record] = []

    def advance(self, record: Record) -> None:
        self.pending.append(record)

    def close(self, left: Any, right: Any) -> bool:
        while self.pending:  # only a comparison that is not exact pays for the scale
            self.scale = max(self.scale, *numbers(self.pending.pop()), 1.0)
        return self._close(left, right)

    def _close(self, left: Any, right: Any) -> bool:
        if isinstance(left, list):
            if not isinstance(right, list) or len(left) != len(right):
                return False
            return all(self._close(one, two) for one, two in zip(left, right, strict=True))
        if isinstance(left, str) or isinstance(right, (str, list)) or type(left) is not type(right):
            return False
        if isinstance(left, complex):
            return self._close(left.real, right.real) and self._close(left.imag, right.imag)
        if left == right or (math.isnan(left) and math.isnan(right)):
            return True
        if not isinstance(left, float) or not math.isfinite(left):
            return False
        return bool(abs(left - right) <= self.epsilon * max(self.scale, abs(left)))
