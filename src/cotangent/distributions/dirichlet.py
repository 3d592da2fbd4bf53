"""Parts of a whole."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functions import digamma, lgamma, where, xlogy
from ..nn.functional import one_hot
from ..random_gamma import simplex_points
from . import constraints
from .exp_family import ExponentialFamily

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily, parameters="concentration"):
    """Positive numbers that add up to one.

    Args:
        concentration: of shape (..., parts).
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if a concentration is not positive, or the tensor has no dimension.

    Source: density Gamma(sum of a) prod_k x[k]^(a[k] - 1) / Gamma(a[k]).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Dirichlet(torch.tensor([1.0, 3.0])).mean
        tensor([0.2500, 0.7500])
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.independent(constraints.positive, 1)}
    support: ClassVar[Any] = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        above = (self.concentration - 1).clamp(min=0.0)
        inside = above / above.sum(-1, True)
        # Where all concentrations are below one, the density is greatest in the corners.
        corner = one_hot(inside.argmax(dim=-1), above.shape[-1]).to(inside)
        return where((self.concentration < 1).all(dim=-1, keepdim=True), corner, inside)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return simplex_points(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        a = self.concentration
        return xlogy(a - 1.0, value).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Any:
        a = self.concentration
        total = a.sum(-1)
        whole = lgamma(a).sum(-1) - lgamma(total) - (a.size(-1) - total) * digamma(total)
        return whole - ((a - 1.0) * digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> Any:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Any:
        return x.lgamma().sum(-1) - lgamma(x.sum(-1))
