"""Classes that are not quite decided, so that gradients flow."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functions import full_like, rand
from . import constraints
from ._over_categorical import OverCategorical
from ._relaxed import Relaxed
from .categorical import Categorical
from .transforms import ExpTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(OverCategorical, parameters="", parts="_categorical", carried="temperature"):
    """The logarithms of a relaxed one-hot vector: log softmax((logits + Gumbel numbers) / temperature).

    Args:
        temperature: near zero, one-hot vectors; far from it, equal parts.
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: C. J. Maddison, A. Mnih and Y. W. Teh, "The concrete distribution", ICLR 2017; E. Jang, S. Gu and
    B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributions.relaxed_categorical import ExpRelaxedCategorical
        >>> ExpRelaxedCategorical(torch.tensor(1.0), torch.ones(3)).event_shape
        torch.Size([3])
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: ClassVar[Any] = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        u = clamp_probs(rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        classes = self._categorical._num_events
        logits, value = broadcast_all(self.logits, value)
        constant = full_like(self.temperature, float(classes)).lgamma()
        constant = constant + (classes - 1) * self.temperature.log()
        score = logits - value.mul(self.temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + constant


class RelaxedOneHotCategorical(Relaxed, parameters=""):
    """Positive numbers that add up to one, and tend to a one-hot vector as the temperature falls.

    Args:
        temperature: near zero, one-hot vectors; far from it, equal parts.
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: the exponential of `ExpRelaxedCategorical`.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions.RelaxedOneHotCategorical(torch.tensor(0.5), torch.ones(3))
        >>> round(float(d.rsample().sum()), 5)
        1.0
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: ClassVar[Any] = constraints.simplex

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)
