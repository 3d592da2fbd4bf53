"""One of finitely many classes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..dtypes import finfo
from ..functions import arange, broadcast_tensors, full, multinomial
from ..size import Size
from . import constraints
from ._binary import ProbsOrLogits, one_of
from .utils import lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Categorical"]


class Categorical(ProbsOrLogits, parameters="probs logits", carried="_given _num_events"):
    """The number of a class: k with probability `probs[..., k]`.

    Args:
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: log p(k) = logits[k] - logsumexp(logits).

    Example:
        >>> import cotangent as torch
        >>> weights = torch.tensor([1.0, 3.0], requires_grad=True)
        >>> torch.distributions.Categorical(weights).log_prob(torch.tensor(1)).backward()
        >>> weights.grad
        tensor([-0.2500,  0.0833])
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given, given = one_of(probs, logits)
        if given.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if self._given == "probs":
            self.probs = given / given.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(Size(given.shape[:-1]), validate_args=validate_args)

    @lazy_property
    def logits(self) -> Any:
        """Logarithms of the probabilities, which are kept away from 0 and 1 by one rounding error."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The numbers of the classes."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Any:
        return full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    @property
    def variance(self) -> Any:
        return self.mean

    @property
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        rows = self.probs.reshape(-1, self._num_events)
        drawn = multinomial(rows, math.prod(sample_shape), True)
        return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        index, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        # A class without probability has a logit of -inf and counts nothing.
        finite = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(finite * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._along_batch(arange(self._num_events), expand)
