"""Randomly dropping values while training, as modules."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    """What the dropout modules share."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """While training, zeroes elements at random and scales the others up.

    Args:
        p: probability of an element to be zeroed.
        inplace: whether to write into the input.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Dropout().eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """As `Dropout`, for whole channels of `(N, C, L)` or `(C, L)`.

    Args:
        p: probability of a channel to be zeroed.
        inplace: whether to write into the input.

    Raises:
        ValueError: if `p` is not between 0 and 1.
    """

    def forward(self, input: Tensor) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """As `Dropout`, for whole channels of `(N, C, H, W)`.

    Args:
        p: probability of a channel to be zeroed.
        inplace: whether to write into the input.

    Raises:
        ValueError: if `p` is not between 0 and 1.
    """

    def forward(self, input: Tensor) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """As `Dropout`, for whole channels of `(N, C, D, H, W)` or `(C, D, H, W)`.

    Args:
        p: probability of a channel to be zeroed.
        inplace: whether to write into the input.

    Raises:
        ValueError: if `p` is not between 0 and 1.
    """

    def forward(self, input: Tensor) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """As `Dropout`, keeping mean and variance of SELU activations.

    Args:
        p: probability of an element to be dropped.
        inplace: without effect.

    Raises:
        ValueError: if `p` is not between 0 and 1.
    """

    def forward(self, input: Tensor) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """As `AlphaDropout`, for whole channels.

    Args:
        p: probability of a channel to be dropped.
        inplace: without effect.

    Raises:
        ValueError: if `p` is not between 0 and 1.
    """

    def forward(self, input: Tensor) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
