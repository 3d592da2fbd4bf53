"""What goes into operators of programs and comes out of them: values as their schemas have them."""

from __future__ import annotations

import operator
import re
from typing import Any, Final

from .. import dtypes
from ..size import device
from ..tensor import Tensor

__all__ = ["KINDS", "Unfit", "given_back", "parts", "taken"]

# What a schema may call a type; other names are refused.
KINDS: Final = frozenset((
    "Tensor", "int", "SymInt", "float", "bool", "Scalar", "complex", "str", "ScalarType", "Device", "Layout",
    "MemoryFormat", "Generator", "Dimname", "Storage", "Stream", "Any",
))  # fmt: skip


class Unfit(Exception):
    """A value is none of the kind that a schema says."""


def taken(value: Any, kind: str, count: int = 0) -> Any:
    """A value as kernels get it: sequences are lists, numbers have the type that the schema says.

    Args:
        value: what was given.
        kind: the type in the schema, such as "float[]?".
        count: how many a list has that is given as one number.

    Raises:
        Unfit: if it is of another kind.
    """
    if kind.endswith("?"):
        return None if value is None else taken(value, kind[:-1], count)
    if kind.endswith("[]"):
        inner = kind[:-2]
        if count and isinstance(value, (int, float)):
            return [taken(value, inner)] * count
        if not isinstance(value, (list, tuple)):
            raise Unfit
        return [taken(each, inner) for each in value]
    convert = _CONVERT.get(kind)
    return value if convert is None else convert(value)


def _number(value: Any) -> Any:
    """The number in a tensor of one."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise Unfit
    return value.item()


def _int(value: Any) -> int:
    if isinstance(value, Tensor):
        return int(_number(value))
    if not hasattr(value, "__index__"):
        raise Unfit
    return operator.index(value)


def _float(value: Any) -> float:
    value = _number(value)
    if not isinstance(value, (int, float)) and not hasattr(value, "__float__"):
        raise Unfit
    return float(value)


def _bool(value: Any) -> bool:
    if value is not None and not hasattr(value, "__bool__"):
        raise Unfit
    return bool(value)


def _only(*kinds: type) -> Any:
    def same(value: Any) -> Any:
        if not isinstance(value, kinds):
            raise Unfit
        return value

    return same


def _device(value: Any) -> device:
    if not isinstance(value, (str, device)):
        raise Unfit
    return device(value)


_CONVERT: Final[dict[str, Any]] = {
    "Tensor": _only(Tensor), "int": _int, "SymInt": _int, "float": _float, "bool": _bool,
    "Scalar": _only(int, float, complex), "str": _only(str), "ScalarType": _only(dtypes.dtype, int),
    "Device": _device,
}  # fmt: skip


def parts(returns: str) -> list[str] | str:
    """The types of several results, or the type of one; no names, nothing about whose memory they are.

    Args:
        returns: what stands behind the arrow of a schema.
    """
    plain = re.sub(r"(?<=\w)\([^()]*\)", "", returns.strip())
    if not plain.startswith("("):
        return plain.split()[0]
    words = [part.split()[0] for part in plain.strip("()").split(",") if part.strip()]
    return words[0] if len(words) == 1 else words


def given_back(made: Any, returns: str, name: str) -> Any:
    """What a kernel has returned, as the schema says.

    Args:
        made: it.
        returns: the types in the schema.
        name: of the operator.

    Returns:
        a tensor, a number or a list, or a tuple of several.

    Raises:
        RuntimeError: if it is something else.
        TypeError: if it is one result instead of several.
    """
    kinds = parts(returns)
    if isinstance(kinds, str):
        return _result(made, kinds)
    if not kinds:
        if made is not None:
            raise RuntimeError(
                f"Expected PythonKernelHolder for {name} to return None but it returned something else "
                "instead."
            )
        return None
    if not isinstance(made, (list, tuple)):
        raise TypeError(f"Object of type '{type(made).__name__}' is not an instance of 'sequence'")
    if len(made) != len(kinds):
        raise RuntimeError(f"{name} returned {len(made)} results, its schema says {len(kinds)}")
    return tuple(map(_result, made, kinds))


def _result(made: Any, kind: str) -> Any:
    if made is None and kind == "Tensor":  # as PyTorch's undefined tensor
        return None
    try:
        return taken(made, kind)
    except Unfit:
        raise RuntimeError(f"Unable to cast {made} to {kind}") from None
