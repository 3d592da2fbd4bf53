"""torch.xpu, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Any, Final

from .absent import refusing


def is_available() -> bool:
    """Whether there is such a device: no.

    Example:
        >>> import cotangent as torch
        >>> torch.xpu.is_available(), torch.xpu.device_count()
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


def empty_cache() -> None:
    """Free cached memory; without a device nothing happens, as in PyTorch."""


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a device computes with bfloat16: there is none.

    Args:
        including_emulation: accepted as in PyTorch.
    """
    return False


_TEXT: Final = "Torch not compiled with XPU enabled"
_NAMES: Final = (
    "current_device", "current_stream", "get_device_capability", "get_device_name", "get_device_properties",
    "get_rng_state", "init", "initial_seed", "mem_get_info", "set_device", "set_stream", "synchronize",
)  # fmt: skip

for _name in _NAMES:
    globals()[_name] = refusing(__name__, _name, AssertionError, _TEXT)
