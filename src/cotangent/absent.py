"""Functions of devices that are not there: each raises PyTorch's error when it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["refusing"]


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
