"""`torch.cuda.random` without CUDA: generators of devices that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..absent import get_rng_state_all, manual_seed, manual_seed_all, refusing
from .texts import NO_CUDA

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed",
    "seed_all", "set_rng_state", "set_rng_state_all",
]  # fmt: skip

get_rng_state = refusing(__name__, "get_rng_state", AssertionError, NO_CUDA)
initial_seed = refusing(__name__, "initial_seed", AssertionError, NO_CUDA)


def seed() -> None:
    """Seed the device's generator from the system; without a device nothing happens, as in PyTorch."""


def seed_all() -> None:
    """Seed all devices' generators from the system; without a device nothing happens, as in PyTorch."""


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Set the state of a device's generator; without a device nothing happens, as in PyTorch.

    Args:
        new_state: bytes.
        device: which.
    """


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Set the states of all generators: there are none.

    Args:
        new_states: one for each.
    """
