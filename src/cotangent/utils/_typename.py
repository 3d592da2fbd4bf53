"""The name of a value's type as PyTorch's messages give it."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


def typename(obj: Any, /) -> str:
    """The name of a value's type as PyTorch's messages give it.

    Args:
        obj: a value; of a class, the class itself is named.

    Returns:
        `torch.FloatTensor` and the like for tensors, `module.Class` for the rest.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils._typename import typename
        >>> typename(torch.zeros(1)), typename(3)
        ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        return f"torch.{obj.dtype.type_name}"
    named = obj if getattr(obj, "__qualname__", None) is not None else type(obj)
    module = getattr(named, "__module__", None) or ""
    # What stands in torch's place goes by torch's name.
    if module == "cotangent" or module.startswith("cotangent."):
        module = "torch" + module[len("cotangent") :]
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"
