"""What the functions of `torch.distributed` take: tensors and operations."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import numpy as np

from ..autograd.base import bump
from ..autograd.where import here
from ..errors import type_name
from ..tensor import Tensor
from . import rings

__all__ = ["ReduceOp", "checked_tensor", "checked_tensors", "contiguous", "fill", "operation_name"]


class _RedOpType(Enum):
    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8

    def __str__(self) -> str:
        return f"RedOpType.{self.name}"

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {self.value}>"

    def __int__(self) -> int:
        return int(self.value)

    def __hash__(self) -> int:
        return int(self.value)


_RedOpType.__name__, _RedOpType.__qualname__ = "RedOpType", "ReduceOp.RedOpType"


class _Kind(type):
    """Its members count as instances, as they do in PyTorch."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, _RedOpType)


class ReduceOp(metaclass=_Kind):
    """How values of several ranks become one.

    Args:
        op: one of the members.

    Example:
        >>> import cotangent as torch
        >>> print(torch.distributed.ReduceOp.MAX)
        RedOpType.MAX
        >>> torch.distributed.ReduceOp(torch.distributed.ReduceOp.MAX) == torch.distributed.ReduceOp.MAX
        True
    """

    RedOpType: Final = _RedOpType
    SUM: Final = _RedOpType.SUM
    AVG: Final = _RedOpType.AVG
    PRODUCT: Final = _RedOpType.PRODUCT
    MIN: Final = _RedOpType.MIN
    MAX: Final = _RedOpType.MAX
    BAND: Final = _RedOpType.BAND
    BOR: Final = _RedOpType.BOR
    BXOR: Final = _RedOpType.BXOR
    PREMUL_SUM: Final = _RedOpType.PREMUL_SUM

    def __init__(self, op: _RedOpType) -> None:
        if not isinstance(op, _RedOpType):
            raise TypeError(f"ReduceOp: one of its members is needed, got {op!r}")
        self.op = op

    def __eq__(self, other: object) -> bool:
        return self.op is (other.op if type(other) is ReduceOp else other)

    def __hash__(self) -> int:
        return hash(self.op)


def operation_name(op: Any) -> str:
    """The name by which `rings` knows an operation.

    Args:
        op: a member of ReduceOp, or a ReduceOp.

    Raises:
        RuntimeError: for one that Gloo lacks.
    """
    name = getattr(getattr(op, "op", op), "name", str(op))
    if name not in rings.OPERATIONS:
        raise RuntimeError(f"Cannot use ReduceOp.{name} with Gloo")
    return name


def checked_tensor(value: Any, name: str) -> Any:
    """A tensor whose values can travel.

    Args:
        value: it.
        name: of the parameter.

    Raises:
        TypeError: if it is none.
        RuntimeError: if it is sparse.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n             but"
            f" got {type(value)} instead."
        )
    if value.is_sparse:
        raise RuntimeError(f"{name}: sparse tensors are not exchanged, use to_dense()")
    return value


def checked_tensors(values: Any, name: str) -> list[Any]:
    """A list of tensors whose values can travel.

    Args:
        values: a list or tuple.
        name: of the parameter.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(values, (list, tuple)):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n          "
            f"   but got {type_name(values)} instead."
        )
    if not all(isinstance(value, Tensor) for value in values):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n          "
            f"   but got {type(values)} with elements of type {[type(value) for value in values]}."
        )
    return [checked_tensor(value, name) for value in values]


def contiguous(t: Any) -> Any:
    """The tensor's values in contiguous memory; its own where that is."""
    return np.ascontiguousarray(t._data)


def fill(t: Any, array: Any) -> None:
    """Values into a tensor, whose version counts it."""
    if array is not t._data:
        t._data[...] = np.asarray(array).reshape(t._data.shape)
    bump(t, *here())
