"""Mixtures."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import gather, log_softmax, logsumexp
from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(
    Distribution,
    parameters="",
    parts="_mixture_distribution _component_distribution",
    carried="_num_component _event_ndims",
):
    """One of several distributions of a family, chosen at random.

    Args:
        mixture_distribution: a `Categorical` over the components.
        component_distribution: the components, along its last batch dimension.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the arguments are something else, or their shapes do not fit.

    Source: p(x) = sum_k p(k) p_k(x).

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> two = d.MixtureSameFamily(d.Categorical(torch.ones(2)), d.Normal(torch.tensor([-1.0, 1.0]), 1.0))
        >>> two.mean, two.variance
        (tensor(0.), tensor(2.))
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        mixture_distribution: Any,
        component_distribution: Any,
        validate_args: bool | None = None,
    ) -> None:
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of torch.distributions.Distribution"
            )
        mixed = mixture_distribution.batch_shape
        whole: Any = component_distribution.batch_shape
        batch_shape, components = whole[:-1], whole[-1]
        if any(1 not in (i, j) and i != j for i, j in zip(mixed[::-1], batch_shape[::-1], strict=False)):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({mixed}) is not compatible with "
                f"`component_distribution.batch_shape`({batch_shape})"
            )
        weights = mixture_distribution.logits.shape[-1]
        if weights != components:
            raise ValueError(
                f"`mixture_distribution component` ({weights}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components})"
            )
        self._num_component = weights
        event_shape: Any = component_distribution.event_shape
        self._event_ndims = len(event_shape)
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        """What all components accept."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """The distribution of the component's number."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components."""
        return self._component_distribution

    def _pad(self, x: Any) -> Any:
        """Values with a dimension for the components."""
        return x.unsqueeze(-1 - self._event_ndims)

    def _weights(self) -> Any:
        """The components' probabilities, with dimensions for a value after them."""
        probs = self._mixture_distribution.probs
        missing = len(self._batch_shape) + 1 - probs.dim()
        shape: Any = probs.shape
        if len(shape) == 2:  # one batch dimension is read as the last ones are
            missing = 0
        middle, end = (1,) * missing, (1,) * self._event_ndims
        return probs.reshape((*shape[:-1], *middle, shape[-1], *end))

    def _weighed(self, values: Any) -> Any:
        return (self._weights() * values).sum(-1 - self._event_ndims)

    @property
    def mean(self) -> Any:
        return self._weighed(self._component_distribution.mean)

    @property
    def variance(self) -> Any:
        # The mean of the variances, and the variance of the means.
        away = self._component_distribution.mean - self._pad(self.mean)
        return self._weighed(self._component_distribution.variance) + self._weighed(away.pow(2.0))

    def cdf(self, x: Any) -> Any:
        below = self._component_distribution.cdf(self._pad(x))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x: Any) -> Any:
        self._checked(x)
        each = self._component_distribution.log_prob(self._pad(x))
        return logsumexp(each + log_softmax(self._mixture_distribution.logits, -1), -1)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            dim = len(sample_shape) + len(self._batch_shape)
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            index = chosen.reshape((*chosen.shape, *(1,) * (self._event_ndims + 1)))
            index = index.expand((*chosen.shape, 1, *self._event_shape))
            return gather(drawn, dim, index).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
