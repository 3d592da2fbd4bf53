"""Softmax and its relatives as modules."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from .module import Module


class _AlongDim(Module):
    """An activation along one dimension, which may be left to a deprecated guess."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


# `_stacklevel=5` lets the warning about a guessed dimension point at the caller of the module.
class Softmin(_AlongDim):
    """The softmax of the negated input.

    Args:
        dim: dimension along which the result sums to 1.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softmin(0)(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax(_AlongDim):
    """`exp(x)`, scaled to sum to 1 along a dimension.

    Args:
        dim: the dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softmax(0)(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_AlongDim):
    """The logarithm of the softmax.

    Args:
        dim: the dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LogSoftmax(0)(torch.zeros(2))
        tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Tensor) -> Any:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """The softmax over the channels of images.

    Raises:
        ValueError: if the input is not `(C, H, W)` or `(N, C, H, W)`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softmax2d()(torch.zeros(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)
