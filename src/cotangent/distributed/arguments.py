"""What the functions of `torch.distributed` take: tensors and operations."""

from __future__ import annotations

import warnings
from enum import Enum
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..autograd.base import bump
from ..autograd.where import here
from ..ops.arguments import compiler_name
from ..tensor import Tensor
from . import rings
from .group import ProcessGroup, get_default_group

__all__ = [
    "ReduceOp",
    "Reduction",
    "checked_tensor",
    "checked_tensors",
    "complex_checked",
    "contiguous",
    "fill",
    "of_one_dtype",
    "of_one_size",
    "outside",
]


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


class Reduction:
    """An operation as `rings` runs it.

    Args:
        op: a member of ReduceOp, or a ReduceOp.
        tensors: what is reduced.

    Raises:
        TypeError: for something else.
        RuntimeError: for an operation that Gloo lacks, or lacks for the tensors' dtype.
    """

    def __init__(self, op: Any, tensors: list[Any]) -> None:
        kind = getattr(op, "op", op)
        if not isinstance(kind, _RedOpType):
            raise TypeError(
                f"incompatible function arguments: the operation must be a member of ReduceOp, got {op!r}"
            )
        self.mean = kind is _RedOpType.AVG
        self.name = "SUM" if self.mean else kind.name
        if self.name not in rings.OPERATIONS:
            raise RuntimeError(f"Cannot use ReduceOp.{self.name} with Gloo")
        for dtype in {t.dtype for t in tensors}:
            if kind.name in ("BAND", "BOR", "BXOR") and dtype.category > dtypes.INTEGRAL:
                raise RuntimeError(f"Cannot use ReduceOp.{self.name} with non-integral dtype")
            if self.mean and dtype.category <= dtypes.INTEGRAL:
                raise RuntimeError(
                    f"result type Float can't be cast to the desired output type {dtypes.SCALAR_NAME[dtype]}"
                )

    def finish(self, array: Any, size: int) -> Any:
        """Make the mean of a sum over so many ranks, in place, if that is what is wanted."""
        if self.mean:
            np.divide(array, array.dtype.type(size), out=array)
        return array


def complex_checked(name: str, op: Any, tensors: list[Any]) -> None:
    """Refuse operations on complex numbers that need an order of them, or are not linear.

    Args:
        name: of the function.
        op: the operation.
        tensors: what is reduced.

    Raises:
        ValueError: for such operations.
    """
    sound = (_RedOpType.SUM, _RedOpType.AVG, _RedOpType.PREMUL_SUM)
    if any(t.is_complex() for t in tensors) and getattr(op, "op", op) not in sound:
        raise ValueError(f"{name} does not support {op} on complex tensors")


def of_one_dtype(*tensors: Any) -> None:
    """Refuse tensors of several dtypes; complex ones count as of that of their parts.

    Args:
        tensors: tensors and lists of them.

    Raises:
        ValueError: if they have several.
    """
    last: Any = None
    for each in tensors:
        for t in each if isinstance(each, list) else [each]:
            found = t.dtype.to_real()
            if last is not None and found is not last:
                raise ValueError(f"Invalid usage of tensors with different dtypesFound {last} and  {found}")
            last = found


def of_one_size(name: str, what: str, outs: list[Any], like: Any, count: int) -> None:
    """Check a list of as many tensors as there are ranks, of the size and dtype of one.

    Args:
        name: of the collective.
        what: "output" or "input".
        outs: the list.
        like: the tensor.
        count: how many ranks there are.

    Raises:
        RuntimeError: if they are not.
    """
    kind = f"ProcessGroupGloo::{name}: invalid"
    if len(outs) != count:
        raise RuntimeError(f"{kind} {what} tensor list at index 0 (expected length {count}, got {len(outs)})")
    for number, out in enumerate(outs):
        if out.shape != like.shape:
            wanted, got = (f"({', '.join(map(str, t.shape))})" for t in (like, out))
            raise RuntimeError(f"{kind} tensor size at index {number} (expected {wanted}, got {got})")
        if out.dtype is not like.dtype:
            wanted, got = (
                f"TensorOptions(dtype={compiler_name(t.dtype)}, device=cpu, layout=Strided, requires_grad="
                "false (default), pinned_memory=false (default), memory_format=(nullopt))"
                for t in (like, out)
            )
            raise RuntimeError(f"{kind} tensor type at index {number} (expected {wanted}, got {got})")


def outside(group: ProcessGroup, name: str) -> bool:
    """Whether this process does not belong to the group: then a function does nothing, and warns.

    Args:
        group: the group.
        name: of the function.
    """
    if group.rank() >= 0:
        return False
    me = get_default_group().rank()
    warnings.warn(
        f"Running {name} on global rank {me} which does not belong to the given group.", stacklevel=3
    )
    return True


def checked_tensor(value: Any, name: str, sparse: bool = False) -> Any:
    """A tensor whose values can travel.

    Args:
        value: it.
        name: of the parameter.
        sparse: whether it may be sparse.

    Raises:
        TypeError: if it is none.
        RuntimeError: if it is sparse.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n             but"
            f" got {type(value)} instead."
        )
    if value.is_sparse and not sparse:
        raise RuntimeError(f"{name}: only all_reduce takes sparse tensors, use to_dense()")
    return value


def checked_tensors(values: Any, name: str) -> list[Any]:
    """A list of tensors whose values can travel.

    Args:
        values: a list.
        name: of the parameter.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(values, list):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n          "
            f"   but got {type(values)} instead."
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
