"""Padding as modules."""

from __future__ import annotations

from typing import Any, ClassVar

from ...tensor import Tensor
from .. import functional as F
from ._tuples import each
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Elements around the last dimensions; one number stands for all sides."""

    spatial: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = each(padding, 2 * self.spatial)

    def forward(self, input: Tensor) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    """The tensor goes on from its other side."""

    mode = "circular"

    def forward(self, input: Tensor) -> Any:
        n = self.spatial
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class _ReflectionPadNd(_PadNd):
    """The tensor goes on as in a mirror."""

    mode = "reflect"


class _ReplicationPadNd(_PadNd):
    """The outermost elements go on."""

    mode = "replicate"


class _ConstantPadNd(_PadNd):
    """A number."""

    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class CircularPad1d(_CircularPadNd):
    """Continues a tensor from its other side, in the last dimension.

    Args:
        padding: how many elements, for all sides or for each (left, right).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.CircularPad1d(1)(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    spatial = 1


class CircularPad2d(_CircularPadNd):
    """Continues a tensor from its other side, in the last two dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.CircularPad2d(1)(torch.zeros(1, 3, 3)).shape
        torch.Size([1, 5, 5])
    """

    spatial = 2


class CircularPad3d(_CircularPadNd):
    """Continues a tensor from its other side, in the last three dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom, front, back).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.CircularPad3d(1)(torch.zeros(1, 3, 3, 3)).shape
        torch.Size([1, 5, 5, 5])
    """

    spatial = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Reflects a tensor at its borders, in the last dimension.

    Args:
        padding: how many elements, for all sides or for each (left, right).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReflectionPad1d(1)(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    spatial = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Reflects a tensor at its borders, in the last two dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReflectionPad2d(1)(torch.zeros(1, 3, 3)).shape
        torch.Size([1, 5, 5])
    """

    spatial = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Reflects a tensor at its borders, in the last three dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom, front, back).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReflectionPad3d(1)(torch.zeros(1, 3, 3, 3)).shape
        torch.Size([1, 5, 5, 5])
    """

    spatial = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the outermost elements of a tensor, in the last dimension.

    Args:
        padding: how many elements, for all sides or for each (left, right).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReplicationPad1d(1)(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    spatial = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the outermost elements of a tensor, in the last two dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReplicationPad2d(1)(torch.zeros(1, 3, 3)).shape
        torch.Size([1, 5, 5])
    """

    spatial = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the outermost elements of a tensor, in the last three dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom, front, back).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReplicationPad3d(1)(torch.zeros(1, 3, 3, 3)).shape
        torch.Size([1, 5, 5, 5])
    """

    spatial = 3


class ConstantPad1d(_ConstantPadNd):
    """Puts a number around a tensor, in the last dimension.

    Args:
        padding: how many elements, for all sides or for each (left, right).
        value: the number.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ConstantPad1d(1, 2.5)(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    spatial = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts a number around a tensor, in the last two dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom).
        value: the number.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ConstantPad2d(1, 2.5)(torch.zeros(1, 3, 3)).shape
        torch.Size([1, 5, 5])
    """

    spatial = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts a number around a tensor, in the last three dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom, front, back).
        value: the number.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ConstantPad3d(1, 2.5)(torch.zeros(1, 3, 3, 3)).shape
        torch.Size([1, 5, 5, 5])
    """

    spatial = 3


class ZeroPad1d(ConstantPad1d):
    """Puts zeros around a tensor, in the last dimension.

    Args:
        padding: how many elements, for all sides or for each (left, right).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ZeroPad1d(1)(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Puts zeros around a tensor, in the last two dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ZeroPad2d(1)(torch.zeros(1, 3, 3)).shape
        torch.Size([1, 5, 5])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Puts zeros around a tensor, in the last three dimensions.

    Args:
        padding: how many elements, for all sides or for each (left, right, top, bottom, front, back).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ZeroPad3d(1)(torch.zeros(1, 3, 3, 3)).shape
        torch.Size([1, 5, 5, 5])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
