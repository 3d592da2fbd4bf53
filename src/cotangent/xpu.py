"""torch.xpu, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Final

from .absent import (
    device_count as device_count,
    get_rng_state_all as get_rng_state_all,
    is_available as is_available,
    is_initialized as is_initialized,
    manual_seed as manual_seed,
    manual_seed_all as manual_seed_all,
    max_memory_allocated as max_memory_allocated,
    memory_allocated as memory_allocated,
    refusing,
)


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
