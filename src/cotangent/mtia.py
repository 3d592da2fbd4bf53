"""torch.mtia, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Any, Final

from .absent import refusing


def is_available() -> bool:
    """Whether there is such a device: no.

    Example:
        >>> import cotangent as torch
        >>> torch.mtia.is_available(), torch.mtia.device_count()
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


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all devices; without one nothing happens, as in PyTorch.

    Args:
        seed: any number.
    """


def is_initialized() -> bool:
    """Whether such a device is in use: no."""
    return False


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors hold on the device: none.

    Args:
        device: which.
    """
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors held on the device: none.

    Args:
        device: which.
    """
    return 0


def get_rng_state_all() -> list[Any]:
    """The states of all generators: none."""
    return []


# What asks the device, by the name of what PyTorch's error says that it cannot execute.
_ASKED: Final = {
    "getCurrentDevice": (
        "current_device current_stream default_stream get_device_capability get_device_properties synchronize"
    ),
    "emptyCache": "empty_cache",
    "setCurrentDevice": "set_device",
    "memorySnapshot": "snapshot",
}

for _asked, _names in _ASKED.items():
    for _name in _names.split():
        globals()[_name] = refusing(
            __name__, _name, RuntimeError, f"Cannot execute {_asked}() without MTIA backend."
        )
