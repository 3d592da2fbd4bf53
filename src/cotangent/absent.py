"""What devices that are not there answer: asking is no error, using them is PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = [
    "device_count", "enter_refusals", "get_rng_state_all", "is_available", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "memory_allocated", "refusing",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is such a device: no.

    Example:
        >>> import cotangent as torch
        >>> torch.xpu.is_available(), torch.mtia.is_available()
        (False, False)
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


def refusing(module: str, name: str, kind: type[Exception], text: str) -> Callable[..., Any]:
    """A function that takes anything and raises.

    Args:
        module: the module that it is for.
        name: its name.
        kind: of the exception.
        text: of the exception.

    Returns:
        The function.

    Example:
        >>> from cotangent.absent import refusing
        >>> refusing("cotangent.mps", "seed", RuntimeError, "no MPS")()
        Traceback (most recent call last):
            ...
        RuntimeError: no MPS
    """

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise kind(text)

    refuse.__module__, refuse.__name__, refuse.__qualname__ = module, name, name
    refuse.__doc__ = f"Needs a device, and there is none.\n\nRaises:\n    {kind.__name__}: always.\n"
    return refuse


def enter_refusals(scope: dict[str, Any], backend: str, asked: dict[str, str]) -> None:
    """Put functions that ask a device of some backend in a module.

    Args:
        scope: the module's names.
        backend: as the errors call it.
        asked: what the errors say cannot be executed, with the names of the functions, separated by spaces.

    Example:
        >>> from cotangent.absent import enter_refusals
        >>> scope = {"__name__": "cotangent.mps"}
        >>> enter_refusals(scope, "MPS", {"emptyCache": "empty_cache"})
        >>> scope["empty_cache"]()
        Traceback (most recent call last):
            ...
        RuntimeError: Cannot execute emptyCache() without MPS backend.
    """
    for what, names in asked.items():
        for name in names.split():
            text = f"Cannot execute {what}() without {backend} backend."
            scope[name] = refusing(scope["__name__"], name, RuntimeError, text)
