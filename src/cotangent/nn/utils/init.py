"""Making modules whose first values do not matter."""

from __future__ import annotations

import inspect
from typing import Any

from ..modules.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module without a promise about the values of its parameters; no random numbers are used up.

    Args:
        module_cls: class of the module.
        *args: its arguments.
        **kwargs: its arguments.

    Returns:
        The module.

    Raises:
        RuntimeError: if it is no module, or does not take a device.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.skip_init(torch.nn.Linear, 5, 1)
        Linear(in_features=5, out_features=1, bias=True)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    where = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=where)
