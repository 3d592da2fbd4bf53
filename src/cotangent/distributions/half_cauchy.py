"""Absolute values of Cauchy numbers."""

from __future__ import annotations

import math
from typing import Any

from ..functions import full
from ._folded import Folded
from .cauchy import Cauchy

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded, parameters=""):
    """The absolute value of a Cauchy number of median zero.

    Args:
        scale: the scale of that number, which is the median of its absolute value.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the scale is not positive, or neither number nor tensor.

    Source: density 2 / (pi scale (1 + (x / scale)^2)).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.HalfCauchy(2.0).cdf(torch.tensor(2.0))
        tensor(0.5000)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Any:
        return full(self._extended_shape(), math.inf, dtype=self.scale.dtype)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance
