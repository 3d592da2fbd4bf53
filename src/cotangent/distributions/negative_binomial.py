"""Successes before a number of failures."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import exp, lgamma, poisson, sigmoid
from ..nn.functional import logsigmoid
from . import constraints
from ._binary import ProbsOrLogits
from .gamma import Gamma
from .utils import lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits, parameters="total_count probs logits", carried="_given"):
    """The number of successes before `total_count` failures.

    Args:
        total_count: the number of failures, which need not be an integer.
        probs: the probability of a success, in [0, 1).
        logits: its log odds; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: p(k) = Gamma(r + k) / (k! Gamma(r)) p^k (1 - p)^r; it is a Poisson number whose rate is drawn from
    a gamma distribution.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.NegativeBinomial(1, torch.tensor(0.5)).log_prob(torch.tensor(1.0)).exp()
        tensor(0.2500)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support: ClassVar[Any] = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take_counted(total_count, probs, logits), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.total_count * exp(self.logits)

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Any:
        return self.mean / sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Any:
        # Values of no failures at all have a rate of zero, which the checks would refuse.
        return Gamma(concentration=self.total_count, rate=exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        r = self.total_count
        ways = -lgamma(r + value) + lgamma(1.0 + value) + lgamma(r)
        ways = ways.masked_fill(r + value == 0.0, 0.0)
        return r * logsigmoid(-self.logits) + value * logsigmoid(self.logits) - ways
