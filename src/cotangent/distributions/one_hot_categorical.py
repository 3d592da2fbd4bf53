"""Classes as vectors with a single one."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functions import eye
from ..nn.functional import one_hot
from . import constraints
from ._over_categorical import OverCategorical
from .categorical import Categorical

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(OverCategorical, parameters="", parts="_categorical"):
    """A vector that is one at the class drawn and zero elsewhere.

    Args:
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: log p(x) = sum of x log(probs).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.OneHotCategorical(torch.tensor([0.0, 1.0])).sample()
        tensor([0., 1.])
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: ClassVar[Any] = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return self._vectors(self.probs.argmax(dim=-1))

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def _vectors(self, classes: Any) -> Any:
        return one_hot(classes, self._categorical._num_events).to(self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        return self._vectors(self._categorical.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = eye(n, dtype=self._param.dtype).view((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot vectors, whose gradients flow to the probabilities as if they were these.

    Args:
        probs: probabilities or weights that are divided by their sum, of shape (..., classes).
        logits: logarithms of weights, of the same shape; one of the two is given.
        validate_args: whether parameters and values are checked.

    Source: Y. Bengio, N. Leonard and A. Courville, "Estimating or propagating gradients through stochastic
    neurons for conditional computation", arXiv 1308.3432.

    Example:
        >>> import cotangent as torch
        >>> p = torch.tensor([0.0, 1.0], requires_grad=True)
        >>> torch.distributions.OneHotCategoricalStraightThrough(p).rsample()[1].backward()
        >>> p.grad
        tensor([-1.,  0.])
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
