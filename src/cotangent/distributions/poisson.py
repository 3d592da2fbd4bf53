"""Counts of rare events."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import exp, log, poisson
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Poisson"]


class Poisson(ExponentialFamily, parameters="rate"):
    """The number of events where `rate` are expected.

    Args:
        rate: the mean.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the rate is negative, or neither number nor tensor.

    Source: p(k) = rate^k exp(-rate) / k!.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Poisson(2.0).log_prob(torch.tensor(0.0))
        tensor(-2.)
    """

    arg_constraints: ClassVar[Any] = {"rate": constraints.nonnegative}
    support: ClassVar[Any] = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> Any:
        return (log(self.rate),)

    def _log_normalizer(self, x: Any) -> Any:
        return exp(x)
