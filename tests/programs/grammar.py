"""From integers to a program: every step is drawn to fit what is live after the steps before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any

from . import pointwise, state
from .draw import Draw, gradient
from .interpreter import Machine, magnitudes, peek, session
from .program import Program, Step

Rule = Callable[[Draw], str | Step | None]
RULES: tuple[tuple[Rule, int], ...] = (
    (pointwise.create, 9),
    (pointwise.binary, 13),
    (pointwise.unary, 9),
    (pointwise.number, 7),
    (state.view, 14),
    (pointwise.reduction, 6),
    (state.write, 9),
    (state.write_tensor, 8),
    (state.assign_index, 6),
    (state.backward, 9),
    (state.grad, 4),
    (state.copy, 7),
    (state.leaf, 7),
    (state.mode, 8),
    (state.views, 3),
    (pointwise.product, 5),
    (pointwise.join, 4),
    (pointwise.lookup, 4),
    (pointwise.along, 4),
    (pointwise.ternary, 3),
    (pointwise.create_filled, 3),
    (state.write_index, 3),
    (state.penalty, 2),
    (state.wrong, 4),
)
WHEEL = tuple(rule for rule, weight in RULES for _ in range(weight))
CHOICE = 2**20  # one of the integers a step is drawn from
TRIES = 4  # a rule may find nothing to work on
STRIDE = 53  # from one try to the next on the wheel
WIDTH = 4  # how many of them a step has
LIVE = 9
DROPPED = 3
MODERATE = 1000.0
Raw = Sequence[Sequence[int]]


def random_raw(generator: Random, longest: int = 30) -> list[tuple[int, ...]]:
    """Integers for one program.

    Args:
        generator: source of randomness.
        longest: largest number of drawn steps.

    Returns:
        One tuple of `WIDTH` integers for each step.
    """
    steps = generator.randint(1, longest)
    return [tuple(generator.randrange(CHOICE) for _ in range(WIDTH)) for _ in range(steps)]


def draw(xp: Any, raw: Raw, watched: bool = True) -> Program:
    """Draw a program while running it.

    A step after which a number is larger than `MODERATE` ends the program and is left out of it: rounding
    errors would grow past any tolerance.

    Args:
        xp: the library that decides what fits.
        raw: the integers.
        watched: see `Program`.

    Returns:
        The program.
    """
    steps: list[Step] = []
    names = count()
    with session(xp) as machine:
        for integers in raw:
            step = _step(machine, integers, names)
            machine.execute(step)
            if _largest(machine) > MODERATE:
                break
            steps.append(step)
            if len(machine.live()) > LIVE:
                steps.append(_drop(machine, integers[0]))
                machine.execute(steps[-1])
    return Program(tuple(steps), watched)


def _largest(machine: Machine) -> float:
    """The largest finite magnitude among the live values and their gradients."""
    largest = 0.0
    for value in machine.live().values():
        if isinstance(value, machine.xp.Tensor):
            largest = max(largest, *magnitudes(peek(value.tolist)), 0.0)
            grad = gradient(value)
            if grad is not None:
                largest = max(largest, *magnitudes(peek(grad.tolist)), 0.0)
    return largest


def _step(machine: Machine, integers: Sequence[int], names: count[int]) -> Step:
    number = 0
    for integer in reversed(integers[1:]):
        number = number * CHOICE + integer
    turn, rest = divmod(integers[0], len(WHEEL))
    chosen = Draw(machine, number * (CHOICE // len(WHEEL)) + turn, names.__next__)
    tries = (WHEEL[(rest + turns * STRIDE) % len(WHEEL)] for turns in range(TRIES))
    for rule in (*tries, pointwise.create) if len(chosen.tensors) > 1 else (pointwise.create,):
        result = rule(chosen)
        if isinstance(result, Step):
            return result
        if result is not None:
            return Step(result, family=rule.__name__)
    raise AssertionError("creation always draws a step")


def _drop(machine: Machine, choice: int) -> Step:
    """Forget three variables; views and graphs must outlive their names."""
    live = list(machine.live())
    start = choice % (len(live) - DROPPED)
    return Step(f"del {', '.join(live[start : start + DROPPED])}", family="del")
