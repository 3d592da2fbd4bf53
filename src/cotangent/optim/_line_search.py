"""A line search for the strong Wolfe conditions.

It brackets a minimum along a direction, then narrows the bracket by cubic interpolation: algorithms 3.5 and
3.6 of Nocedal and Wright, Numerical Optimization, 2006. The safeguards have PyTorch's values, so that the
same points are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Loss and gradient at a step length.
Objective = Callable[[Any], tuple[float, Any]]

# Sufficient decrease, and flatness.
_C1 = 1e-4
_C2 = 0.9


class _Point(NamedTuple):
    """A step length, with what is known there: the loss, the gradient, and the slope along the direction."""

    t: Any
    loss: Any
    gradient: Any
    slope: Any


def _minimum_between(a: _Point, b: _Point, low: Any = None, high: Any = None) -> Any:
    """Where the cubic through two points with their slopes is lowest, within bounds."""
    if low is None:
        low, high = (a.t, b.t) if a.t <= b.t else (b.t, a.t)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0 or np.isnan(square):
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    left, right = (a, b) if a.t <= b.t else (b, a)
    lowest = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(lowest, low), high)


def strong_wolfe(
    objective: Objective,
    t: Any,
    direction: Any,
    loss: float,
    gradient: Any,
    slope: Any,
    tolerance_change: float = 1e-9,
    max_evaluations: int = 25,
) -> tuple[Any, Any, Any, int]:
    """Find a step length that lowers the loss enough and makes the slope flat enough.

    Args:
        objective: gives loss and gradient at a step length.
        t: the first step length to try.
        direction: the direction, a vector.
        loss: the loss at 0.
        gradient: the gradient at 0, a vector.
        slope: the slope along the direction at 0, negative.
        tolerance_change: length of a bracket, as change of a parameter, that is not narrowed further.
        max_evaluations: bound on the number of steps of the search.

    Returns:
        Loss, gradient and step length of the best point, and how often the objective was asked.
    """
    start = _Point(0, loss, gradient, slope)
    asked = 0

    def at(step: Any) -> _Point:
        nonlocal asked
        asked += 1
        value, vector = objective(step)
        return _Point(step, value, vector, vector.dot(direction))

    def too_high(point: _Point) -> bool:
        return bool(point.loss > loss + _C1 * point.t * slope)

    def flat(point: _Point) -> bool:
        return bool(abs(point.slope) <= -_C2 * slope)

    before, here = start, at(t)
    rounds = 0
    bracket: list[_Point] = [start, here]
    done = False
    while rounds < max_evaluations:
        bracket = [before, here]
        if too_high(here) or (rounds > 1 and here.loss >= before.loss):
            break
        if flat(here):
            bracket, done = [here], True
            break
        if here.slope >= 0:
            break
        # Still going down: further out, but not by more than ten times.
        reach = here.t + 0.01 * (here.t - before.t)
        t = _minimum_between(before, here, reach, here.t * 10)
        before, here = here, at(t)
        rounds += 1
    else:
        bracket = [start, here]

    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    largest = np.abs(direction).max()
    stuck = False
    while not done and rounds < max_evaluations:
        if abs(bracket[1].t - bracket[0].t) * largest < tolerance_change:
            break
        t = _minimum_between(*bracket)
        # A point close to an end tells little. It is moved inwards the second time in a row, or if it lies
        # on the end itself.
        nearest, furthest = sorted((bracket[0].t, bracket[1].t))
        margin = 0.1 * (furthest - nearest)
        if min(furthest - t, t - nearest) < margin:
            if stuck or t >= furthest or t <= nearest:
                closer_to_end = abs(t - furthest) < abs(t - nearest)
                t = furthest - margin if closer_to_end else nearest + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        here = at(t)
        rounds += 1
        if too_high(here) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if flat(here):
                done = True
            elif here.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = here
    best = bracket[low]
    return best.loss, best.gradient, best.t, asked
