"""The Bernoulli density, normalised over [0, 1]."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.modes import no_grad
from ..functions import expm1, log, log1p, rand, sqrt, where
from ..nn.functional import binary_cross_entropy_with_logits
from . import constraints
from ._binary import ProbsOrLogits
from .exp_family import ExponentialFamily
from .utils import broadcast_all, clamp_probs, holds, lazy_property, logits_to_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(
    ProbsOrLogits, ExponentialFamily, parameters="probs logits", carried="_given _lims"
):
    """A number in [0, 1] whose density is that of a coin, p^x (1 - p)^(1 - x), up to its normaliser.

    Args:
        probs: the parameter p in (0, 1).
        logits: its log odds; one of the two is given.
        lims: between these values of p the formulas, which divide by 2 p - 1, are replaced by Taylor series.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if both or none of `probs` and `logits` are given, or a value is not allowed.

    Source: G. Loaiza-Ganem and J. P. Cunningham, "The continuous Bernoulli: fixing a pervasive error in
    variational autoencoders", NeurIPS 2019.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.ContinuousBernoulli(torch.tensor(0.5)).mean
        tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: ClassVar[Any] = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._take(probs, logits)
        if probs is not None:
            if validate_args is not None and not holds(self.arg_constraints["probs"].check(self.probs)):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(shape, validate_args=validate_args)

    @lazy_property
    def probs(self) -> Any:
        """The parameter p."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _regular(self, values: Any, shift: float = 0.0) -> Any:
        """Where the closed formulas hold."""
        return (values <= self._lims[0] - shift) | (values > self._lims[1] - shift)

    def _away(self) -> tuple[Any, Any]:
        """Where the closed formulas hold, and p there; elsewhere some number they can take."""
        regular = self._regular(self.probs)
        return regular, where(regular, self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Any:
        regular, p = self._away()
        low = p <= 0.5
        divisor = where(low, log1p(-2.0 * where(low, p, 0.0)), log(2.0 * where(low, 1.0, p) - 1.0))
        closed = log((log1p(-p) - log(p)).abs()) - divisor
        x = (self.probs - 0.5) ** 2
        return where(regular, closed, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Any:
        regular, p = self._away()
        closed = p / (2.0 * p - 1.0) + 1.0 / (log1p(-p) - log(p))
        x = self.probs - 0.5
        return where(regular, closed, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def stddev(self) -> Any:
        return sqrt(self.variance)

    @property
    def variance(self) -> Any:
        regular, p = self._away()
        closed = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / (log1p(-p) - log(p)) ** 2
        x = (self.probs - 0.5) ** 2
        return where(regular, closed, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        coin = -binary_cross_entropy_with_logits(logits, value, reduction="none")
        return coin + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        regular, p = self._away()
        closed = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return where(value <= 0.0, 0.0, where(value >= 1.0, 1.0, where(regular, closed, value)))

    def icdf(self, value: Any) -> Any:
        regular, p = self._away()
        none = log1p(-p)
        return where(regular, (log1p(-p + value * (2.0 * p - 1.0)) - none) / (log(p) - none), value)

    def entropy(self) -> Any:
        none, one = log1p(-self.probs), log(self.probs)
        return self.mean * (none - one) - self._cont_bern_log_norm() - none

    @property
    def _natural_params(self) -> Any:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:
        regular = self._regular(x, shift=0.5)
        away = where(regular, x, self._lims[0] - 0.5)
        closed = log(expm1(away).abs()) - log(away.abs())
        return where(regular, closed, 0.5 * x + x**2 / 24.0 - x**4 / 2880.0)
