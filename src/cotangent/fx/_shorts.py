"""The short names of dtypes in printed graphs."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["listed", "short_dtype"]

_SHORT: Final = {
    "complex": "c", "float": "f", "uint": "u", "int": "i", "bfloat": "bf", "bits": "b",
}  # fmt: skip
_OTHERS: Final = {
    "bool": "b8", "bits8": "b8x1", "bits16": "b16x1", "float4_e2m1fn_x2": "f4e2m1fnx2",
}  # fmt: skip


def short_dtype(dtype: Any) -> str:
    """The short name of a dtype.

    Args:
        dtype: a dtype.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx._shorts import short_dtype
        >>> short_dtype(torch.float32), short_dtype(torch.bfloat16), short_dtype(torch.bool)
        ('f32', 'bf16', 'b8')
    """
    name = str(dtype).rpartition(".")[2]
    if name in _OTHERS:
        return _OTHERS[name]
    family = next((kind for kind in _SHORT if name.startswith(kind)), name)
    return _SHORT.get(family, family) + name.removeprefix(family)


def listed(values: Any) -> str:
    """A shape as it is printed: `[2, 3]`.

    Args:
        values: numbers.
    """
    return f"[{', '.join(str(value) for value in values)}]"
