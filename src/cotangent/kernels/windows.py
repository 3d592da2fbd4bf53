"""Window functions, in float64. Formulas: https://en.wikipedia.org/wiki/Window_function.

Each takes the number of points, and whether the window is symmetric; one that is not is the first part of a
symmetric window of one point more, so that it continues periodically.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .. import lazy

Array = np.ndarray[Any, Any]
special = lazy.module("scipy.special")


def _window(formula: Callable[..., Array]) -> Callable[..., Array]:
    """`formula(places, last place, ...)` as a function of the number of points and of the symmetry."""

    @wraps(formula)
    def window(count: int, symmetric: bool, *parameters: Any) -> Array:
        if count < 2:
            return np.ones(count)
        last = count - 1 if symmetric else count
        return formula(np.arange(count, dtype=np.float64), last, *parameters)

    return window


@_window
def general_cosine(k: Array, last: int, coefficients: Sequence[float]) -> Array:
    """A sum of cosines with alternating signs."""
    turn = 2 * np.pi / last * k
    total = np.zeros_like(k)
    for i, a in enumerate(coefficients):
        total += (-1) ** i * a * np.cos(i * turn)
    return total


@_window
def bartlett(k: Array, last: int) -> Array:
    """A triangle."""
    return np.asarray(1 - np.abs(2 * k / last - 1))


@_window
def kaiser(k: Array, last: int, beta: float) -> Array:
    """A Bessel function of half an ellipse."""
    arc = np.sqrt(np.maximum(1 - (2 * k / last - 1) ** 2, 0))
    return np.asarray(special.i0(beta * arc) / special.i0(beta))


@_window
def gaussian(k: Array, last: int, std: float) -> Array:
    """A bell."""
    return np.asarray(np.exp(-0.5 * ((k - last / 2) / std) ** 2))


@_window
def exponential(k: Array, last: int, center: float | None, tau: float) -> Array:
    """A double-sided decay."""
    return np.asarray(np.exp(-np.abs(k - (last / 2 if center is None else center)) / tau))


@_window
def cosine(k: Array, last: int) -> Array:
    """Half a period of a sine, sampled between the places."""
    return np.asarray(np.sin(np.pi / (last + 1) * (k + 0.5)))
