"""`torch.accelerator`, as a machine without an accelerator answers.

Asking whether there is one is no error; using one is, with the error that PyTorch raises.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from .. import lazy
from ..size import device as Device
from ..streams import Stream
from ._none import refuse
from .graphs import Graph
from .memory import (
    empty_cache,
    empty_host_cache,
    get_memory_info,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
)

__all__ = [
    "Graph", "current_accelerator", "current_device_idx", "current_device_index", "current_stream",
    "device_count", "device_index", "empty_cache", "empty_host_cache", "get_device_capability",
    "get_memory_info", "is_available", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_accumulated_memory_stats",
    "reset_peak_memory_stats", "set_device_idx", "set_device_index", "set_stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is an accelerator: no.

    Example:
        >>> import cotangent as torch
        >>> torch.accelerator.is_available()
        False
    """
    return False


def device_count() -> int:
    """The number of accelerators: none.

    Example:
        >>> import cotangent as torch
        >>> torch.accelerator.device_count()
        0
    """
    return 0


def current_accelerator(check_available: bool = False) -> Device | None:
    """The device of the accelerator: none.

    Args:
        check_available: whether to ask for a device at run time also; the answer is the same.

    Example:
        >>> import cotangent as torch
        >>> print(torch.accelerator.current_accelerator())
        None
    """
    return None


def current_device_index() -> int:
    """The index of the current accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def current_device_idx() -> int:
    """The former name of `current_device_index`.

    Raises:
        RuntimeError: always; there is none.
    """
    warnings.warn("Use `current_device_index` instead.", FutureWarning, stacklevel=2)
    refuse()


def set_device_index(device: Any, /) -> None:
    """Make an accelerator the current one.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def set_device_idx(device: Any, /) -> None:
    """The former name of `set_device_index`.

    Raises:
        RuntimeError: always; there is none.
    """
    warnings.warn("Use `set_device_index` instead.", FutureWarning, stacklevel=2)
    refuse()


class device_index:
    """A context in which another accelerator is current; with None it does nothing.

    Args:
        device: the accelerator's index, or None.

    Raises:
        RuntimeError: on entering with an index; there is no accelerator.

    Example:
        >>> import cotangent as torch
        >>> with torch.accelerator.device_index(None):
        ...     print(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            refuse()

    def __exit__(self, *exc_info: object) -> None:
        pass


def synchronize(device: Any = None, /) -> None:
    """Wait for the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """What an accelerator can do.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def current_stream(device: Any = None, /) -> Stream:
    """The accelerator's stream in use.

    Raises:
        RuntimeError: always; there is none.
    """
    refuse()


def set_stream(stream: Stream) -> None:
    """Use another stream of the accelerator.

    Raises:
        TypeError: for what is no stream.
        RuntimeError: always else; there is no accelerator.
    """
    if not isinstance(stream, Stream):
        raise TypeError(
            "_accelerator_setStream(): incompatible function arguments. The following argument types are "
            f"supported:\n    1. (arg0: torch.Stream) -> None\n\nInvoked with: {stream!r}"
        )
    refuse()


_MODULES: Final[dict[str, Any]] = {kind: lazy.deferred(f"cotangent.{kind}") for kind in ("cpu", "cuda")}


def get_device_module(device: Any = None) -> Any:
    """The module of a kind of device, such as `torch.cpu`.

    Args:
        device: a device or its name; the current one by default.

    Raises:
        RuntimeError: for a device that has none.

    Example:
        >>> import cotangent as torch
        >>> torch.get_device_module("cpu") is torch.cpu
        True
    """
    if device is not None and not isinstance(device, (Device, str)):
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    kind = "cpu" if device is None else Device(device).type
    if kind not in ("cpu", "cuda"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return _MODULES[kind]
