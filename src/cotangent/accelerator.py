"""`torch.accelerator`, as a machine without an accelerator answers.

Asking whether there is one is no error; using one is, with the error that PyTorch raises.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any, Final, NoReturn

from . import lazy
from .size import device as Device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "device_count", "device_index",
    "empty_cache", "get_memory_info", "is_available", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_accumulated_memory_stats",
    "reset_peak_memory_stats", "set_device_idx", "set_device_index", "synchronize",
]  # fmt: skip


def _refuse() -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available.")


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
    _refuse()


def current_device_idx() -> int:
    """The former name of `current_device_index`.

    Raises:
        RuntimeError: always; there is none.
    """
    warnings.warn("Use `current_device_index` instead.", FutureWarning, stacklevel=2)
    _refuse()


def set_device_index(device: Any, /) -> None:
    """Make an accelerator the current one.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def set_device_idx(device: Any, /) -> None:
    """The former name of `set_device_index`.

    Raises:
        RuntimeError: always; there is none.
    """
    warnings.warn("Use `set_device_index` instead.", FutureWarning, stacklevel=2)
    _refuse()


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
            _refuse()

    def __exit__(self, *exc_info: object) -> None:
        pass


def synchronize(device: Any = None, /) -> None:
    """Wait for the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def empty_cache() -> None:
    """Free cached memory of the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Free and total memory of the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def memory_stats(device_index: Any = None, /) -> OrderedDict[str, Any]:
    """Counters of the accelerator's allocator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes that tensors hold on the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that tensors held on the accelerator.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that the accelerator's allocator holds.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that the accelerator's allocator held.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """Start the accelerator's running counters anew.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Start the accelerator's peak counters anew.

    Raises:
        RuntimeError: always; there is none.
    """
    _refuse()


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
