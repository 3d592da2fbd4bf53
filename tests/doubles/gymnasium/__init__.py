"""Stands in for gymnasium where a program balances a pole on a cart.

The equations of motion are those of A. G. Barto, R. S. Sutton and C. W. Anderson, "Neuronlike adaptive
elements that can solve difficult learning control problems", IEEE Transactions on Systems, Man, and
Cybernetics 13 (1983), without friction, in steps of Euler's method. Only what such programs ask for is here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["make"]

GRAVITY: Final = 9.8
CART, POLE, HALF_LENGTH = 1.0, 0.1, 0.5  # kg, kg, m
PUSH: Final = 10.0  # N, to the right for action 1, to the left for 0
STEP: Final = 0.02  # s
END_OF_TRACK: Final = 2.4  # m
FALLEN: Final = math.radians(12)
LONGEST: Final = 500


@dataclass(frozen=True)
class Spec:
    """What an environment says about itself."""

    reward_threshold: float = 475.0


class CartPole:
    """A cart on a track with a pole on it; the state is place, speed, angle and its speed."""

    spec = Spec()

    def __init__(self) -> None:
        self._random = np.random.default_rng()
        self._state = np.zeros(4)
        self._steps = 0

    def reset(self, *, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start near the middle, the pole nearly upright."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self._state = self._random.uniform(-0.05, 0.05, 4)
        self._steps = 0
        return self._state.astype(np.float32), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Push the cart for one step of time; each step that the pole stands is worth one."""
        place, speed, angle, turning = self._state
        mass = CART + POLE
        push = (PUSH if action == 1 else -PUSH) + POLE * HALF_LENGTH * turning**2 * math.sin(angle)
        lever = HALF_LENGTH * (4 / 3 - POLE * math.cos(angle) ** 2 / mass)
        turn = (GRAVITY * math.sin(angle) - math.cos(angle) * push / mass) / lever
        pull = (push - POLE * HALF_LENGTH * turn * math.cos(angle)) / mass
        self._state = np.array(
            [place + STEP * speed, speed + STEP * pull, angle + STEP * turning, turning + STEP * turn]
        )
        self._steps += 1
        fallen = abs(self._state[0]) > END_OF_TRACK or abs(self._state[2]) > FALLEN
        return self._state.astype(np.float32), 1.0, bool(fallen), self._steps >= LONGEST, {}

    def render(self) -> None:
        """Nothing is shown."""


def make(name: str, render_mode: str | None = None) -> CartPole:
    """The environment of that name."""
    if name not in ("CartPole-v0", "CartPole-v1"):
        raise ValueError(f"this double knows the cart pole only, not {name!r}")
    return CartPole()
