"""Makes a failing program short: drops steps while the same difference remains."""

from __future__ import annotations

from typing import Any

from .compare import Difference, compare
from .interpreter import run
from .program import Kind, Program, Step
from .rounding import within_rounding


def differ(program: Program, left: Any, right: Any, structure: bool = False) -> Difference | None:
    """Run a program on two libraries.

    Args:
        program: the program.
        left: the first library.
        right: the second.
        structure: see `compare`.

    Returns:
        The first difference that is more than PyTorch's own rounding, or None.
    """
    found = compare(program, run(left, program), run(right, program), structure)
    return None if found and within_rounding(program, found, left) else found


def reduce(
    program: Program, found: Difference, left: Any, right: Any, structure: bool = False
) -> tuple[Program, Difference]:
    """Drop steps, in ever smaller pieces, as long as the cause stays the same.

    Args:
        program: a program on which the libraries differ.
        found: their first difference.
        left: the first library.
        right: the second.
        structure: see `compare`.

    Returns:
        The short program and its difference.
    """
    cause = found.cause(program)
    program = Program(program.steps[: found.step + 1], program.watched)
    piece = max(len(program.steps) // 2, 1)
    while True:
        start, shorter = len(program.steps) - piece, False
        while start >= 0:
            candidate = _without(program, start, piece)
            smaller = 0 < len(candidate.steps) < len(program.steps)  # an end alone cannot be dropped
            difference = differ(candidate, left, right, structure) if smaller else None
            if difference and difference.cause(candidate) == cause:
                program = Program(candidate.steps[: difference.step + 1], candidate.watched)
                found, shorter = difference, True
            start -= piece
        if not shorter and piece == 1:
            return program, found
        piece = max(piece // 2, 1)


def _without(program: Program, start: int, piece: int) -> Program:
    """The program without some steps; dropping the opening of a block drops its end too."""
    kept: list[Step] = []
    blocks: list[bool] = []
    for number, step in enumerate(program.steps):
        inside = start <= number < start + piece
        if step.kind is Kind.ENTER:
            blocks.append(inside)
        elif step.kind is Kind.EXIT and blocks:
            inside = blocks.pop()
        if not inside:
            kept.append(step)
    return Program(tuple(kept), program.watched)
