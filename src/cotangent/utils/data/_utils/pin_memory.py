"""Batches in memory that an accelerator can read, of which there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....tensor import Tensor
from .collate import rebuilt_mapping, rebuilt_sequence

__all__ = ["pin_memory"]


def pin_memory(data: Any, device: Any = None) -> Any:
    """Ask each tensor of a batch, and whatever else offers it, to move into pinned memory.

    Args:
        data: tensors, mappings and sequences of them, or anything else.
        device: the accelerator.

    Returns:
        the batch, in containers of the same types.

    Raises:
        RuntimeError: if it holds a tensor, as there is no accelerator.

    Example:
        >>> from cotangent.utils.data._utils.pin_memory import pin_memory
        >>> pin_memory({"name": "cat", "sizes": [1, 2]})
        {'name': 'cat', 'sizes': [1, 2]}
    """
    if isinstance(data, Tensor):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return rebuilt_mapping(data, {key: pin_memory(value, device) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(value, device) for value in data))
    if isinstance(data, Sequence):
        return rebuilt_sequence(data, [pin_memory(value, device) for value in data])
    return data.pin_memory() if hasattr(data, "pin_memory") else data
