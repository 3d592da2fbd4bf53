"""torch.mtia, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Final

from .absent import (
    device_count as device_count,
    enter_refusals,
    get_rng_state_all as get_rng_state_all,
    is_available as is_available,
    is_initialized as is_initialized,
    manual_seed as manual_seed,
    manual_seed_all as manual_seed_all,
    max_memory_allocated as max_memory_allocated,
    memory_allocated as memory_allocated,
)

# What asks the device, by the name of what PyTorch's error says that it cannot execute.
_ASKED: Final = {
    "getCurrentDevice": (
        "current_device current_stream default_stream get_device_capability get_device_properties synchronize"
    ),
    "emptyCache": "empty_cache",
    "setCurrentDevice": "set_device",
    "memorySnapshot": "snapshot",
}

enter_refusals(globals(), "MTIA", _ASKED)
