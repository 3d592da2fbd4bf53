"""Coins that land between their sides, so that gradients flow."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functions import rand
from . import constraints
from ._binary import ProbsOrLogits
from ._relaxed import Relaxed
from .transforms import SigmoidTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(ProbsOrLogits, parameters="probs logits", carried="_given temperature"):
    """The log odds of a relaxed coin: (logits + a logistic number) / temperature.

    Args:
        temperature: near zero, coins; far from it, everything near a half.
        probs: the probability of a one.
        logits: its log odds; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: C. J. Maddison, A. Mnih and Y. W. Teh, "The concrete distribution", ICLR 2017.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributions.relaxed_bernoulli import LogitRelaxedBernoulli
        >>> LogitRelaxedBernoulli(torch.tensor(1.0), torch.tensor(0.5)).log_prob(torch.tensor(0.0)).exp()
        tensor(0.2500)
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: ClassVar[Any] = constraints.real

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(rand(shape, dtype=p.dtype))
        return (u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        away = logits - value.mul(self.temperature)
        return self.temperature.log() + away - 2 * away.exp().log1p()


class RelaxedBernoulli(Relaxed, parameters=""):
    """A number in (0, 1) that tends to a coin as the temperature falls.

    Args:
        temperature: near zero, coins; far from it, everything near a half.
        probs: the probability of a one.
        logits: its log odds; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: the logistic function of `LogitRelaxedBernoulli`.

    Example:
        >>> import cotangent as torch
        >>> p = torch.tensor(0.5, requires_grad=True)
        >>> torch.distributions.RelaxedBernoulli(torch.tensor(1.0), p).rsample().requires_grad
        True
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: ClassVar[Any] = constraints.unit_interval

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)
