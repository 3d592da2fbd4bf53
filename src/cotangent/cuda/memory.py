"""`torch.cuda.memory` without CUDA: nothing is held anywhere, and what needs a device says so."""

from __future__ import annotations

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from ..absent import max_memory_allocated, memory_allocated, refusing
from .texts import NO_CUDA, dummy

__all__ = [
    "MemPool", "caching_allocator_alloc", "caching_allocator_delete", "caching_allocator_disabled",
    "caching_allocator_enable", "change_current_allocator", "empty_cache", "get_allocator_backend",
    "get_per_process_memory_fraction", "host_memory_stats", "host_memory_stats_as_nested_dict",
    "list_gpu_processes", "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_cached", "memory_reserved", "memory_snapshot", "memory_stats",
    "memory_stats_as_nested_dict", "memory_summary", "reset_accumulated_host_memory_stats",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_host_memory_stats", "reset_peak_memory_stats", "set_per_process_memory_fraction",
    "use_mem_pool",
]  # fmt: skip

# What the allocator would keep beyond what tensors hold is as little as they hold.
memory_reserved = memory_allocated
max_memory_reserved = max_memory_allocated
MemPool = dummy("MemPool")

caching_allocator_alloc = refusing(__name__, "caching_allocator_alloc", AssertionError, NO_CUDA)
caching_allocator_delete = refusing(__name__, "caching_allocator_delete", AssertionError, NO_CUDA)
change_current_allocator = refusing(__name__, "change_current_allocator", AssertionError, NO_CUDA)
get_allocator_backend = refusing(__name__, "get_allocator_backend", AssertionError, NO_CUDA)
get_per_process_memory_fraction = refusing(
    __name__, "get_per_process_memory_fraction", AssertionError, NO_CUDA
)
mem_get_info = refusing(__name__, "mem_get_info", AssertionError, NO_CUDA)
memory_snapshot = refusing(__name__, "memory_snapshot", AssertionError, NO_CUDA)
memory_summary = refusing(__name__, "memory_summary", AssertionError, NO_CUDA)
reset_accumulated_host_memory_stats = refusing(
    __name__, "reset_accumulated_host_memory_stats", AssertionError, NO_CUDA
)
reset_accumulated_memory_stats = refusing(__name__, "reset_accumulated_memory_stats", AssertionError, NO_CUDA)
reset_max_memory_allocated = refusing(__name__, "reset_max_memory_allocated", AssertionError, NO_CUDA)
reset_max_memory_cached = refusing(__name__, "reset_max_memory_cached", AssertionError, NO_CUDA)
reset_peak_host_memory_stats = refusing(__name__, "reset_peak_host_memory_stats", AssertionError, NO_CUDA)
reset_peak_memory_stats = refusing(__name__, "reset_peak_memory_stats", AssertionError, NO_CUDA)
set_per_process_memory_fraction = refusing(
    __name__, "set_per_process_memory_fraction", AssertionError, NO_CUDA
)


def memory_cached(device: Any = None) -> int:
    """The former name of `memory_reserved`.

    Args:
        device: which.
    """
    text = "`torch.cuda.memory_cached` has been renamed to `torch.cuda.memory_reserved`"
    warnings.warn(text, FutureWarning, stacklevel=2)
    return 0


def max_memory_cached(device: Any = None) -> int:
    """The former name of `max_memory_reserved`.

    Args:
        device: which.
    """
    text = "`torch.cuda.max_memory_cached` has been renamed to `torch.cuda.max_memory_reserved`"
    warnings.warn(text, FutureWarning, stacklevel=2)
    return 0


def empty_cache() -> None:
    """Free cached CUDA memory; without a device nothing happens, as in PyTorch."""


def caching_allocator_enable(value: bool = True) -> None:
    """Switch the caching of freed memory; without a device nothing happens, as in PyTorch.

    Args:
        value: whether to cache.
    """


@contextlib.contextmanager
def caching_allocator_disabled() -> Iterator[None]:
    """For a block: freed memory is not cached; without a device nothing changes."""
    yield


@contextlib.contextmanager
def use_mem_pool(pool: Any, device: Any = None) -> Iterator[None]:
    """For a block: allocations come from a pool, which needs a device.

    Args:
        pool: the pool.
        device: which.

    Raises:
        AssertionError: always.
    """
    raise AssertionError(NO_CUDA)
    yield


def memory_stats(device: Any = None) -> OrderedDict[str, int]:
    """What the allocator counts: nothing.

    Args:
        device: which.
    """
    return OrderedDict()


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """What the allocator counts: nothing.

    Args:
        device: which.
    """
    return {}


def host_memory_stats() -> OrderedDict[str, int]:
    """What the allocator of pinned memory counts: nothing."""
    return OrderedDict()


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """What the allocator of pinned memory counts: nothing."""
    return {}


def list_gpu_processes(device: Any = None) -> str:
    """The processes that use the device, as a table; the library that would ask is not there.

    Args:
        device: which.
    """
    return "pynvml module not found, please install nvidia-ml-py"
