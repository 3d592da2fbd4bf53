"""Successes among independent trials."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import arange, binomial, exp, lgamma, log1p
from . import constraints
from ._binary import ProbsOrLogits

__all__ = ["Binomial"]


def _positive_part(x: Any) -> Any:
    """max(x, 0), whose derivative at 0 is a half."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(ProbsOrLogits, parameters="total_count probs logits", carried="_given"):
    """The number of successes in `total_count` independent trials.

    Args:
        total_count: the number of trials, which broadcasts with the other parameter.
        probs: the probability of a success.
        logits: its log odds; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: p(k) = n! / (k! (n - k)!) p^k (1 - p)^(n - k).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Binomial(2, torch.tensor(0.5)).log_prob(torch.tensor(1.0)).exp()
        tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take_counted(total_count, probs, logits), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The integers up to the number of trials."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        n, logits = self.total_count, self.logits
        # n log(1 - p) with p from its log odds, for either sign of them; less log(n!).
        rest = n * _positive_part(logits) + n * log1p(exp(-logits.abs())) - lgamma(n + 1)
        return value * logits - lgamma(value + 1) - lgamma(n - value + 1) - rest

    def _one_count(self, what: str) -> int:
        count = int(self.total_count.max())
        if int(self.total_count.min()) != count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count

    def entropy(self) -> Any:
        self._one_count("entropy")
        log_probs = self.log_prob(self.enumerate_support(False))
        return -(exp(log_probs) * log_probs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        count = self._one_count("enumerate_support")
        return self._along_batch(arange(1 + count, dtype=self._param.dtype), expand)
