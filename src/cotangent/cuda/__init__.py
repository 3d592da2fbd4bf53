"""torch.cuda, as a machine without CUDA answers: there is no device, and asking is no error."""

from __future__ import annotations

from typing import Any

from .. import lazy
from ..device_errors import OutOfMemoryError as OutOfMemoryError
from ..errors import noted

amp: Any = lazy.deferred("cotangent.cuda.amp")


def is_available() -> bool:
    """Whether there is a CUDA device: no.

    Example:
        >>> import cotangent as torch
        >>> torch.cuda.is_available()
        False
    """
    return False


def is_initialized() -> bool:
    """Whether CUDA is in use: no."""
    return False


def device_count() -> int:
    """The number of CUDA devices: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed the current CUDA device's generator; without a device nothing happens, as in PyTorch."""


def manual_seed_all(seed: int) -> None:
    """Seed all CUDA devices' generators; without a device nothing happens, as in PyTorch."""


def empty_cache() -> None:
    """Free cached CUDA memory; without a device nothing happens, as in PyTorch."""


def current_device() -> Any:
    """The current CUDA device.

    Raises:
        AssertionError: always, with PyTorch's text.
    """
    raise noted(AssertionError("Torch not compiled with CUDA enabled"), "device")


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a CUDA device computes with bfloat16: there is none.

    Args:
        including_emulation: accepted as in PyTorch.
    """
    return False


def is_tf32_supported() -> bool:
    """Whether a CUDA device has TensorFloat-32: there is none."""
    return False
