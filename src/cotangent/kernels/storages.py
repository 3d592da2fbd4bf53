"""What storages are filled with: bytes out of sequences and buffers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import dtype

__all__ = ["bytes_of", "copied_from", "element_of"]


def bytes_of(content: Any) -> list[int]:
    """The bytes that a sequence of integers stands for: the lowest 8 bits of each.

    Args:
        content: the sequence.

    Raises:
        RuntimeError: if it is none, or holds something else.

    Example:
        >>> from cotangent.kernels.storages import bytes_of
        >>> bytes_of((1, 258))
        [1, 2]
    """
    kind = type(content).__name__
    if not isinstance(content, (Sequence, np.ndarray)):
        raise RuntimeError(f"torch.UntypedStorage(): Expected a sequence type, but got {kind}")
    for item in content:
        if not isinstance(item, int):
            found = f"{'numpy.' * isinstance(item, np.generic)}{type(item).__name__}"
            raise RuntimeError(
                "torch.UntypedStorage(): tried to construct a storage from a sequence "
                f"({'numpy.' * isinstance(content, np.ndarray)}{kind}), but one of the items was of type "
                f"{found} instead of int"
            )
    return [item & 255 for item in content]


def copied_from(
    buffer: Any, byte_order: str | None, count: int, offset: int, d: dtype
) -> np.ndarray[Any, Any]:
    """The bytes of numbers in a buffer, in this machine's order.

    Args:
        buffer: anything with a buffer.
        byte_order: in which the numbers are: "native", "big" or "little".
        count: of numbers; all if negative.
        offset: bytes to skip.
        d: dtype of the numbers.

    Raises:
        RuntimeError: without an order of numbers of several bytes.
        ValueError: for another order, or a buffer that does not have so many.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.kernels.storages import copied_from
        >>> copied_from(bytes([1, 2, 3, 4]), "big", 1, 2, torch.int16)
        array([4, 3], dtype=uint8)
    """
    size, held = d.itemsize, memoryview(buffer).nbytes
    if byte_order is None and d not in (dtypes.uint8, dtypes.int8):
        raise RuntimeError("function missing required argument 'byte_order' (pos 2)")
    if byte_order not in (None, "native", "big", "little"):
        raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big', 'little', or 'native')")
    if not 0 <= offset <= held:  # in PyTorch's text the two numbers have changed places, too
        raise ValueError(
            f"offset must be non-negative and no greater than buffer length ({offset}) , but got {held}"
        )
    if count < 0 and (held - offset) % size:
        raise ValueError(f"buffer size ({held}) must be a multiple of element size ({size})")
    if count > 0 and offset + count * size > held:
        raise ValueError(
            f"buffer has only {held - offset} elements after offset {offset}, but specified a size of {count}"
        )
    numbers = np.frombuffer(buffer, np.uint8, -1 if count < 0 else count * size, offset).copy()
    if byte_order not in (None, "native", sys.byteorder):
        width = size // 2 if d.is_complex else size
        numbers.view(f"u{width}").byteswap(inplace=True)
    return numbers


def element_of(value: Any, d: dtype) -> Any:
    """A Python number as an element of a storage.

    Args:
        value: the number.
        d: the storage's dtype.

    Raises:
        ValueError, RuntimeError: for integers that the dtype does not hold.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.kernels.storages import element_of
        >>> element_of(-1, torch.uint8)
        array(255, dtype=uint8)
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError("Overflow when unpacking long long")
    if d.category == dtypes.BOOL:
        return bool(value)
    if d.category != dtypes.INTEGRAL:
        with np.errstate(over="ignore"):
            return np.asarray(value).astype(d.np)
    limits = np.iinfo(d.np)
    if value != value or not (limits.min or -limits.max) <= value <= limits.max:
        named = "int" if d is dtypes.int32 else f"{d.name}_t"
        raise RuntimeError(f"value cannot be converted to type {named} without overflow")
    return np.asarray(int(value) % 2**limits.bits if not limits.min else int(value), d.np)
