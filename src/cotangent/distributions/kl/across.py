"""Divergences between families.

Source: integrals of log p - log q in closed form; where q has no density on part of p's support, infinity.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ...functions import erf, exp, full_like, log, log1p, where
from ...special import xlogy
from ..bernoulli import Bernoulli
from ..beta import Beta
from ..binomial import Binomial
from ..continuous_bernoulli import ContinuousBernoulli
from ..exponential import Exponential
from ..gamma import Gamma
from ..gumbel import Gumbel
from ..laplace import Laplace
from ..normal import Normal
from ..pareto import Pareto
from ..poisson import Poisson
from ..uniform import Uniform
from ..utils import euler_constant
from .registry import register_kl

__all__: list[str] = []

_HALF_LINE: Final = (Beta, ContinuousBernoulli, Pareto, Uniform)
_WHOLE_LINE: Final = (*_HALF_LINE, Exponential, Gamma)
# A family, the parameter that has the shape of its divergences, and families with a smaller support.
_WIDER: Final[tuple[tuple[type, str, tuple[type, ...]], ...]] = (
    (Beta, "concentration1", (Pareto,)),
    (ContinuousBernoulli, "probs", (Pareto,)),
    (Exponential, "rate", _HALF_LINE),
    (Gamma, "concentration", _HALF_LINE),
    (Gumbel, "loc", _WHOLE_LINE),
    (Laplace, "loc", _WHOLE_LINE),
    (Normal, "loc", _WHOLE_LINE),
    (Pareto, "scale", (Beta, ContinuousBernoulli, Uniform)),
    (Poisson, "rate", (Bernoulli, Binomial)),
)


def _register_infinite(wide: type, parameter: str, narrow: tuple[type, ...]) -> None:
    def infinite(p: Any, q: Any) -> Any:
        return full_like(getattr(p, parameter), math.inf)

    for other in narrow:
        register_kl(wide, other)(infinite)


for _wide, _parameter, _narrow in _WIDER:
    _register_infinite(_wide, _parameter, _narrow)


def _gaussian(mean: Any, square: Any, q: Any) -> Any:
    """The mean of (X - loc)^2 / (2 scale^2), from those of X and X^2 / 2."""
    return (square - q.loc * mean + q.loc.pow(2) * 0.5) / q.scale.pow(2)


@register_kl(Bernoulli, Poisson)
def _kl_bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _kl_beta_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - log1p(-q.probs) - q._cont_bern_log_norm()


@register_kl(Beta, Exponential)
def _kl_beta_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _gamma_normalizer(q: Any) -> Any:
    return q.concentration.lgamma() - q.concentration * q.rate.log()


@register_kl(Beta, Gamma)
def _kl_beta_gamma(p: Any, q: Any) -> Any:
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _gamma_normalizer(q) - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(Beta, Normal)
def _kl_beta_normal(p: Any, q: Any) -> Any:
    mean = p.mean
    square = (mean * (1 - mean) / (p.concentration1 + p.concentration0 + 1) + mean.pow(2)) * 0.5
    return -p.entropy() + 0.5 * (q.scale.pow(2) * 2 * math.pi).log() + _gaussian(mean, square, q)


@register_kl(Beta, Uniform)
def _kl_beta_uniform(p: Any, q: Any) -> Any:
    found = -p.entropy() + (q.high - q.low).log()
    return where((q.low > 0) | (q.high < 1), math.inf, found)


@register_kl(ContinuousBernoulli, Exponential)
def _kl_continuous_bernoulli_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - log(q.rate) + q.rate * p.mean


@register_kl(ContinuousBernoulli, Normal)
def _kl_continuous_bernoulli_normal(p: Any, q: Any) -> Any:
    normalizer = 0.5 * (math.log(2.0 * math.pi) + (q.loc / q.scale).square()) + log(q.scale)
    mean = p.mean
    away = (p.variance + mean.square() - 2.0 * q.loc * mean) / (2.0 * q.scale.square())
    return -p.entropy() + normalizer + away


@register_kl(ContinuousBernoulli, Uniform)
def _kl_continuous_bernoulli_uniform(p: Any, q: Any) -> Any:
    # PyTorch's condition: also infinite where the interval is [0, 1] or wider on one side only.
    found = -p.entropy() + (q.high - q.low).log()
    return where((q.low >= 0) | (q.high <= 1), math.inf, found)


@register_kl(Exponential, Gamma)
def _kl_exponential_gamma(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    mean_log = q.concentration * euler_constant - (1 + euler_constant)
    return -q.concentration * log(ratio) + ratio + q.concentration.lgamma() + mean_log


@register_kl(Exponential, Gumbel)
def _kl_exponential_gumbel(p: Any, q: Any) -> Any:
    product = p.rate * q.scale
    place = q.loc / q.scale
    return product.log() - 1 - place + exp(place) * product / (product + 1) + product.reciprocal()


@register_kl(Exponential, Normal)
def _kl_exponential_normal(p: Any, q: Any) -> Any:
    squared = p.rate.pow(2)
    normalizer = 0.5 * log(squared * q.scale.pow(2) * 2 * math.pi)
    return normalizer - 1 + _gaussian(p.rate.reciprocal(), squared.reciprocal(), q)


@register_kl(Gamma, Exponential)
def _kl_gamma_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _kl_gamma_gumbel(p: Any, q: Any) -> Any:
    a = p.concentration
    product = p.rate * q.scale
    place = q.loc / q.scale
    tail = exp(place) * (1 + product.reciprocal()).pow(-a) - place
    return (a - 1) * a.digamma() - a.lgamma() - a + product.log() + a / product + tail


@register_kl(Gamma, Normal)
def _kl_gamma_normal(p: Any, q: Any) -> Any:
    a, squared = p.concentration, p.rate.pow(2)
    normalizer = 0.5 * log(squared * q.scale.pow(2) * 2 * math.pi) - a - a.lgamma()
    square = 0.5 * (a.pow(2) + a) / squared
    return normalizer + (a - 1) * a.digamma() + _gaussian(a / p.rate, square, q)


@register_kl(Gumbel, Normal)
def _kl_gumbel_normal(p: Any, q: Any) -> Any:
    ratio = p.scale / q.scale
    spread = (math.pi * ratio * 0.5).pow(2) / 3
    away = ((p.loc + p.scale * euler_constant - q.loc) / q.scale).pow(2) * 0.5
    return -(ratio / math.sqrt(2 * math.pi)).log() + spread + away - (euler_constant + 1)


@register_kl(Laplace, Normal)
def _kl_laplace_normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return -0.5 * log(2 * ratio / math.pi) + ratio + _gaussian(p.loc, 0.5 * p.loc.pow(2), q) - 1


@register_kl(Normal, Gumbel)
def _kl_normal_gumbel(p: Any, q: Any) -> Any:
    squared = (p.scale / q.scale).pow(2)
    apart = (p.loc - q.loc) / q.scale
    tail = exp(-apart + 0.5 * squared)
    return -0.5 * squared.log() + apart + tail - 0.5 * (1 + math.log(2 * math.pi))


@register_kl(Normal, Laplace)
def _kl_normal_laplace(p: Any, q: Any) -> Any:
    apart = p.loc - q.loc
    ratio = apart / p.scale
    near = math.sqrt(2 / math.pi) * p.scale * exp(-0.5 * ratio.pow(2))
    far = apart * erf(math.sqrt(0.5) * ratio)
    return -log(p.scale / q.scale) + (near + far) / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))


@register_kl(Pareto, Exponential)
def _kl_pareto_exponential(p: Any, q: Any) -> Any:
    product = p.scale * q.rate
    found = (p.alpha / product).log() - p.alpha.reciprocal() + p.alpha * product / (p.alpha - 1) - 1
    return where(p.alpha <= 1, math.inf, found)


@register_kl(Pareto, Gamma)
def _kl_pareto_gamma(p: Any, q: Any) -> Any:
    mean_log = p.scale.log() + p.alpha.reciprocal()
    mean = p.alpha * p.scale / (p.alpha - 1)
    own = p.alpha.log() - mean_log
    found = own + _gamma_normalizer(q) + (1 - q.concentration) * mean_log + q.rate * mean - 1
    return where(p.alpha <= 1, math.inf, found)


@register_kl(Pareto, Normal)
def _kl_pareto_normal(p: Any, q: Any) -> Any:
    part = p.scale / (p.alpha - 1)
    spread = p.alpha * part.pow(2) / (p.alpha - 2) + (p.alpha * part - q.loc).pow(2)
    own = (math.sqrt(2 * math.pi) * q.scale * p.alpha / p.scale).log() - p.alpha.reciprocal()
    return where(p.alpha <= 2, math.inf, own + spread / (2 * q.scale.pow(2)) - 1)


def _mean_log(low: Any, high: Any) -> Any:
    """The mean of log X over an interval."""
    width = high - low
    return (xlogy(high, high) - xlogy(low, low) - width) / width


@register_kl(Uniform, Beta)
def _kl_uniform_beta(p: Any, q: Any) -> Any:
    q1, q0 = q.concentration1, q.concentration0
    normalizer = q1.lgamma() + q0.lgamma() - (q1 + q0).lgamma() - log(p.high - p.low)
    means = (q1 - 1) * _mean_log(p.low, p.high) + (q0 - 1) * _mean_log(1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), math.inf, normalizer - means)


@register_kl(Uniform, ContinuousBernoulli)
def _kl_uniform_continuous_bernoulli(p: Any, q: Any) -> Any:
    # PyTorch's condition: also infinite where the interval reaches 0 or 1.
    found = -p.entropy() - p.mean * q.logits - log1p(-q.probs) - q._cont_bern_log_norm()
    return where((p.high >= 1) | (p.low <= 0), math.inf, found)


@register_kl(Uniform, Exponential)
def _kl_uniform_exponential(p: Any, q: Any) -> Any:
    found = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return where(p.low < 0, math.inf, found)


@register_kl(Uniform, Gamma)
def _kl_uniform_gamma(p: Any, q: Any) -> Any:
    means = (1 - q.concentration) * _mean_log(p.low, p.high) + q.rate * (p.high + p.low) / 2
    return where(p.low < 0, math.inf, _gamma_normalizer(q) - (p.high - p.low).log() + means)


@register_kl(Uniform, Gumbel)
def _kl_uniform_gumbel(p: Any, q: Any) -> Any:
    width = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return width.log() + 0.5 * (high + low) - width * (exp(-high) - exp(-low))


@register_kl(Uniform, Normal)
def _kl_uniform_normal(p: Any, q: Any) -> Any:
    width = p.high - p.low
    away = width.pow(2) / 12 + ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    return (math.sqrt(math.pi * 2) * q.scale / width).log() + 0.5 * away / q.scale.pow(2)


@register_kl(Uniform, Pareto)
def _kl_uniform_pareto(p: Any, q: Any) -> Any:
    density = (q.alpha * q.scale.pow(q.alpha) * (p.high - p.low)).log()
    return where(p.low < q.scale, math.inf, _mean_log(p.low, p.high) * (q.alpha + 1) - density)
