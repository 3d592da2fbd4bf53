"""Waiting times."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functions import empty, exp, log, log1p, zeros_like
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Exponential"]


class Exponential(ExponentialFamily, parameters="rate"):
    """The time to the next event of a process with `rate` events in one unit of time.

    Args:
        rate: 1 / the mean.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the rate is not positive, or neither number nor tensor.

    Source: density rate exp(-rate x).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Exponential(2.0).cdf(torch.tensor(0.5))
        tensor(0.6321)
    """

    arg_constraints: ClassVar[Any] = {"rate": constraints.positive}
    support: ClassVar[Any] = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Any:
        return zeros_like(self.rate)

    @property
    def stddev(self) -> Any:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Any:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return 1 - exp(-self.rate * value)

    def icdf(self, value: Any) -> Any:
        return -log1p(-value) / self.rate

    def entropy(self) -> Any:
        return 1.0 - log(self.rate)

    @property
    def _natural_params(self) -> Any:
        return (-self.rate,)

    def _log_normalizer(self, x: Any) -> Any:
        return -log(-x)
