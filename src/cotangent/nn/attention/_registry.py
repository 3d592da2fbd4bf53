"""Implementations of flash attention that programs bring along and switch on by name.

PyTorch has two more of its own, for GPUs; they are listed, and to switch one on asks for the package that it
would come from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

from ... import lazy

logging: Any = lazy.module("logging")


class FlashAttentionHandle(Protocol):
    """What the function that switches an implementation on returns."""

    def remove(self) -> None:
        """Switch it off."""


def _from_package(name: str, module_path: str) -> None:
    import_module(module_path)
    raise RuntimeError(f"{name} requires CUDA")


_known: Final[dict[str, Callable[..., FlashAttentionHandle | None]]] = {
    "FA3": partial(_from_package, "FA3", "flash_attn_interface"),
    "FA4": partial(_from_package, "FA4", "flash_attn.cute.interface"),
}
_active: Final[list[tuple[str, FlashAttentionHandle]]] = []


def register_flash_attention_impl(
    impl: str, *, register_fn: Callable[..., FlashAttentionHandle | None]
) -> None:
    """Make an implementation of flash attention known, without switching it on.

    Args:
        impl: its name.
        register_fn: called when it is switched on; returns something whose `remove()` switches it off, or
            None.

    Example:
        >>> from cotangent.nn import attention
        >>> attention.register_flash_attention_impl("mine", register_fn=lambda: None)
        >>> "mine" in attention.list_flash_attention_impls()
        True
    """
    _known[impl] = register_fn


def activate_flash_attention_impl(impl: str) -> None:
    """Switch an implementation of flash attention on.

    Args:
        impl: its name.

    Raises:
        ValueError: if there is none of that name.
        ModuleNotFoundError: for PyTorch's own, if its package is not installed.

    Example:
        >>> from cotangent.nn import attention
        >>> attention.activate_flash_attention_impl("FA2")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Unknown flash attention impl 'FA2'. Available implementations: ['FA3', 'FA4'...]
    """
    restore_flash_attention_impl(_raise_warn=False)
    register_fn = _known.get(impl)
    if register_fn is None:
        raise ValueError(
            f"Unknown flash attention impl '{impl}'. Available implementations: "
            f"{list_flash_attention_impls()}"
        )
    handle = register_fn()
    if handle is not None:
        _active.append((impl, handle))


def list_flash_attention_impls() -> list[str]:
    """Names of the implementations of flash attention that are known."""
    return sorted(_known)


def current_flash_attention_impl() -> str | None:
    """Name of the implementation that is switched on; None if none is.

    Example:
        >>> from cotangent.nn import attention
        >>> attention.current_flash_attention_impl() is None
        True
    """
    return _active[-1][0] if _active else None


def restore_flash_attention_impl(_raise_warn: bool = True) -> None:
    """Switch off the implementation that is switched on.

    Args:
        _raise_warn: whether to write to the log if there is none.
    """
    handle: Any = _active[-1][1] if _active else None
    if handle is not None:
        handle.remove()
    elif _raise_warn:
        logging.getLogger(__name__).warning(
            "Trying to restore default FA2 impl when no custom impl was activated"
        )
    _active.clear()
