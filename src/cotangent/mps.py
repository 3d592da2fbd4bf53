"""torch.mps, as a machine without such a device answers: asking is no error, using it is PyTorch's."""

from __future__ import annotations

from typing import Final

from .absent import (
    device_count as device_count,
    enter_refusals,
    is_available as is_available,
    manual_seed as manual_seed,
)

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

enter_refusals(globals(), "MPS", _ASKED)
