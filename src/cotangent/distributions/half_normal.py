"""Absolute values of normal numbers."""

from __future__ import annotations

import math
from typing import Any

from ._folded import Folded
from .normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Folded, parameters=""):
    """The absolute value of a normal number of mean zero.

    Args:
        scale: the standard deviation of that number.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the scale is not positive, or neither number nor tensor.

    Source: mean scale sqrt(2 / pi), variance scale^2 (1 - 2 / pi).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.HalfNormal(1.0).mean
        tensor(0.7979)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)
