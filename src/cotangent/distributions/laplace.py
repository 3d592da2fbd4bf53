"""Exponential numbers to both sides."""

from __future__ import annotations

from typing import Any, ClassVar

from ..dtypes import finfo
from ..functions import empty, expm1, log, log1p
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Laplace"]


class Laplace(Distribution, parameters="loc scale"):
    """The Laplace distribution, exponential on either side of `loc`.

    Args:
        loc: the mean.
        scale: the mean distance from it.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the scale is not positive, or a parameter is neither number nor tensor.

    Source: density exp(-|x - loc| / scale) / (2 scale).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Laplace(0.0, 1.0).log_prob(torch.tensor(2.0))
        tensor(-2.6931)
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: ClassVar[Any] = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Any:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Any:
        d = self.loc.dtype
        u = empty(self._extended_shape(sample_shape), dtype=d).uniform_(finfo(d).eps - 1, 1)
        return self.loc - self.scale * u.sign() * log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return -log(2 * self.scale) - (value - self.loc).abs() / self.scale

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * expm1(-away.abs() / self.scale)

    def icdf(self, value: Any) -> Any:
        away = value - 0.5
        return self.loc - self.scale * away.sign() * log1p(-2 * away.abs())

    def entropy(self) -> Any:
        return 1 + log(2 * self.scale)
