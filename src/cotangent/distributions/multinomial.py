"""How often each class comes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import exp, lgamma, ones_like, tensor, where
from ..size import Size
from . import constraints
from ._over_categorical import OverCategorical
from .binomial import Binomial
from .categorical import Categorical
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(OverCategorical, parameters="", parts="_categorical _binomial", carried="total_count"):
    """The counts of classes in `total_count` independent draws.

    Args:
        total_count: the number of draws, an int.
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        NotImplementedError: if `total_count` is no int.
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: p(x) = n! prod_k probs[k]^x[k] / x[k]!.

    Example:
        >>> import cotangent as torch
        >>> m = torch.distributions.Multinomial(2, torch.tensor([0.5, 0.5]))
        >>> m.log_prob(torch.tensor([1.0, 1.0])).exp()
        tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    total_count: int

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts that add up to the number of draws at most."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = Size(sample_shape)
        classes = self._categorical.sample(Size((self.total_count, *shape))).movedim(0, -1)
        counts = classes.new_zeros(self._extended_shape(shape))
        return counts.scatter_add(-1, classes, ones_like(classes)).type_as(self.probs)

    def entropy(self) -> Any:
        n = tensor(self.total_count)
        # Each count is binomial, so the mean of log(x[k]!) is a sum over its values.
        counts = self._binomial.enumerate_support(expand=False)[1:]
        weights = exp(self._binomial.log_prob(counts)) * lgamma(counts + 1)
        return n * self._categorical.entropy() - lgamma(n + 1) + weights.sum([0, -1])

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        # A class that cannot come and did not come counts nothing.
        logits = where((value == 0) & (logits == -math.inf), 0.0, logits)
        return lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
