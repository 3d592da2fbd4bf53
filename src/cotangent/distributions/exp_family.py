"""Exponential families, whose entropy is a Bregman divergence of their log normaliser."""

from __future__ import annotations

from typing import Any

from ..autograd.api import grad
from .distribution import Distribution
from .utils import sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution of density exp(<t(x), theta> - F(theta) + k(x)).

    A subclass says what its natural parameters theta are (`_natural_params`), their log normaliser F
    (`_log_normalizer`) and the mean of k (`_mean_carrier_measure`).

    Source: F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", ICIP 2010: the
    entropy is F(theta) - <theta, grad F(theta)> - E[k(x)].

    Example:
        >>> import cotangent as torch
        >>> poisson = torch.distributions.Poisson(torch.tensor(2.0))
        >>> isinstance(poisson, torch.distributions.ExponentialFamily)
        True
    """

    _natural_params: Any = property(lambda self: _missing())
    _mean_carrier_measure: Any = property(lambda self: _missing())

    def _log_normalizer(self, *natural_params: Any) -> Any:
        raise NotImplementedError

    def entropy(self) -> Any:
        carrier = self._mean_carrier_measure
        thetas = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*thetas)
        slopes = grad(normalizer.sum(), thetas, create_graph=True)
        found = -carrier + normalizer
        for theta, slope in zip(thetas, slopes, strict=True):
            found = found - sum_rightmost(theta * slope, theta.dim() - len(self._batch_shape))
        return found


def _missing() -> Any:
    raise NotImplementedError
