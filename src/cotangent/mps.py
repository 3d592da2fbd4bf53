"""torch.mps, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Final

from .absent import refusing


def is_available() -> bool:
    """Whether there is such a device: no.

    Example:
        >>> import cotangent as torch
        >>> torch.mps.is_available(), torch.mps.device_count()
        (False, 0)
    """
    return False


def device_count() -> int:
    """The number of such devices: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed the generator of the device; without one nothing happens, as in PyTorch.

    Args:
        seed: any number.
    """


# What asks the device, by the name of what PyTorch's error says that it cannot execute.
_ASKED: Final = {
    "getCurrentAllocatedMemory": "current_allocated_memory",
    "getDriverAllocatedMemory": "driver_allocated_memory",
    "emptyCache": "empty_cache",
    "getDefaultGenerator": "get_rng_state set_rng_state seed",
    "getRecommendedMaxMemory": "recommended_max_memory",
    "setMemoryFraction": "set_per_process_memory_fraction",
    "deviceSynchronize": "synchronize",
}

for _asked, _names in _ASKED.items():
    for _name in _names.split():
        globals()[_name] = refusing(
            __name__, _name, RuntimeError, f"Cannot execute {_asked}() without MPS backend."
        )
