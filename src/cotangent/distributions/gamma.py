"""Positive numbers: sums of waiting times, and what lies between."""

from __future__ import annotations

from typing import Any, ClassVar

from ..dtypes import finfo
from ..functions import _standard_gamma, as_tensor, digamma, lgamma, log, xlogy
from ..special import gammainc
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Gamma"]


class Gamma(ExponentialFamily, parameters="concentration rate"):
    """The gamma distribution: for an integer shape, the sum of that many exponential numbers.

    Args:
        concentration: the shape.
        rate: 1 / the scale.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if a parameter is not positive, or neither number nor tensor.

    Source: density rate^a x^(a - 1) exp(-rate x) / Gamma(a), a the concentration.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Gamma(1.0, 2.0).log_prob(torch.tensor(1.0))
        tensor(-1.3069)
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive, "rate": constraints.positive}
    support: ClassVar[Any] = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        value = _standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        # Not recorded: a number that was rounded up to the least one keeps its gradient.
        value.detach().clamp_(min=finfo(value.dtype).tiny)
        return value

    def log_prob(self, value: Any) -> Any:
        value = as_tensor(value, dtype=self.rate.dtype)
        self._checked(value)
        a = self.concentration
        return xlogy(a, self.rate) + xlogy(a - 1, value) - self.rate * value - lgamma(a)

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Any:
        a = self.concentration
        return a - log(self.rate) + lgamma(a) + (1.0 - a) * digamma(a)

    @property
    def _natural_params(self) -> Any:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return lgamma(x + 1) + (x + 1) * log(-y.reciprocal())
