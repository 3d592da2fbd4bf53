"""Memory of an accelerator, where there is none: `torch.accelerator.memory`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ._none import refuse

__all__ = [
    "empty_cache", "empty_host_cache", "get_memory_info", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
]  # fmt: skip


def empty_cache() -> None:
    """Free cached memory of the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def empty_host_cache() -> None:
    """Free cached memory of the host that the accelerator reaches.

    Raises:
        RuntimeError: always; there is no accelerator.
    """
    refuse()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Free and total memory of the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def memory_stats(device_index: Any = None, /) -> OrderedDict[str, Any]:
    """Counters of the accelerator's allocator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes that tensors hold on the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that tensors held on the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that the accelerator's allocator holds.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that the accelerator's allocator held.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """Start the accelerator's running counters anew.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Start the accelerator's peak counters anew.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()
