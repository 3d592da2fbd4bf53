"""What lies beyond a high threshold."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import broadcast_to, exp, expm1, isclose, log, log1p, rand, where, zeros_like
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution, parameters="loc scale concentration"):
    """The generalised Pareto distribution, the limit of what exceeds a threshold.

    Args:
        loc: the lower bound.
        scale: the scale.
        concentration: the shape; negative ones have an upper bound, zero is the exponential distribution.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the scale is not positive, or a parameter is neither number nor tensor.

    Source: density (1 + c z)^(-1/c - 1) / scale with z = (x - loc) / scale and c = concentration.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).cdf(torch.tensor(2.0))
        tensor(0.7500)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From `loc` on, up to a bound if the concentration is negative."""
        upper = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, where(self.concentration < 0, upper, math.inf))

    def _shape(self) -> tuple[Any, Any]:
        """Where the concentration is zero, and the concentration with ones there."""
        c = self.concentration
        zero = isclose(c, zeros_like(c))
        return zero, where(zero, 1.0, c)

    def _scaled(self, value: Any) -> Any:
        return (value - self.loc) / self.scale

    @property
    def mean(self) -> Any:
        finite = self.concentration < 1
        found = self.loc + self.scale / (1 - where(finite, self.concentration, 0.5))
        return where(finite, found, math.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0.25)
        return where(finite, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        z = self._scaled(value)
        zero, c = self._shape()
        power = 1 / c + 1.0
        # A power of zero (the uniform distribution) has no say, even at the upper bound.
        falling = where(power == 0, power, power * log1p(c * z))
        return -self.scale.log() - where(zero, z, falling)

    def log_survival_function(self, value: Any) -> Any:
        """The logarithm of the probability of a larger value."""
        self._checked(value)
        z = self._scaled(value)
        zero, c = self._shape()
        return where(zero, -z, -log1p(c * z) / c)

    def log_cdf(self, value: Any) -> Any:
        """The logarithm of the probability of a value that is not larger."""
        return log1p(-exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        return exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        zero, c = self._shape()
        left = log1p(-value)
        heavy = self.loc + self.scale / c * expm1(-c * left)
        return where(zero, self.loc - self.scale * left, heavy)

    def entropy(self) -> Any:
        return broadcast_to(log(self.scale) + self.concentration + 1, self._batch_shape)
