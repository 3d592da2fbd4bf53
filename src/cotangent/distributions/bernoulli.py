"""Coins."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import arange, bernoulli, exp, log1p, logit, where
from ..nn.functional import binary_cross_entropy_with_logits
from . import constraints
from ._binary import ProbsOrLogits
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Bernoulli"]


class Bernoulli(ProbsOrLogits, ExponentialFamily, parameters="probs logits", carried="_given"):
    """One with the probability `probs`, else zero.

    Args:
        probs: the probability.
        logits: its log odds; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: log p(k) = k log p + (1 - k) log(1 - p).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Bernoulli(torch.tensor(0.25)).log_prob(torch.tensor(1.0)).exp()
        tensor(0.2500)
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: ClassVar[Any] = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return where(self.probs == 0.5, math.nan, (self.probs >= 0.5).to(self.probs))

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._along_batch(arange(2, dtype=self._param.dtype), expand)

    @property
    def _natural_params(self) -> Any:
        return (logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Any:
        return log1p(exp(x))
