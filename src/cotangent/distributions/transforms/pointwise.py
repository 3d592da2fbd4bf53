"""Transforms of single numbers."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

from ...dtypes import finfo
from ...functions import atanh, broadcast_shapes, full_like, sigmoid
from ...nn.functional import softplus
from .. import constraints
from ..utils import broadcast_all, lazy_property, sum_rightmost
from .base import Transform

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform", "PowerTransform",
    "SigmoidTransform", "SoftplusTransform", "TanhTransform",
]  # fmt: skip


class _Fixed(Transform):
    """A transform without parameters: all of a class are equal."""

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        if cls.__module__ == __name__:
            cls._kind = cls

    _kind: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self._kind)

    __hash__ = None


class _Rising(_Fixed):
    """A growing function of all real numbers."""

    domain: Any = constraints.real
    bijective = True
    sign = +1


class ExpTransform(_Rising):
    """y = exp(x).

    Args:
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.ExpTransform()(torch.tensor(0.0))
        tensor(1.)
    """

    codomain: Any = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class SigmoidTransform(_Rising):
    """y = 1 / (1 + exp(-x)), kept inside (0, 1).

    Args:
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.SigmoidTransform()(torch.tensor([0.0, 1000.0]))
        tensor([0.5000, 1.0000])
    """

    codomain: Any = constraints.unit_interval

    def _call(self, x: Any) -> Any:
        return clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        y = _inside(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x) - softplus(x)


def _inside(y: Any) -> Any:
    limits = finfo(y.dtype)
    return y.clamp(min=limits.tiny, max=1.0 - limits.eps)


def clipped_sigmoid(x: Any) -> Any:
    """The logistic function, kept away from 0 and 1 so that its logarithms are finite."""
    return _inside(sigmoid(x))


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x)).

    Args:
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.SoftplusTransform()(torch.tensor(0.0))
        tensor(0.6931)
    """

    codomain: Any = constraints.positive

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x)


class TanhTransform(_Rising):
    """y = tanh(x).

    Its log determinant, log(1 - tanh(x)^2), is computed as 2 (log 2 - x - softplus(-2 x)), which keeps its
    digits where tanh is near 1.

    Args:
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.TanhTransform()(torch.tensor(0.5))
        tensor(0.4621)
    """

    codomain: Any = constraints.interval(-1.0, 1.0)

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(_Fixed):
    """y = |x|, which has no inverse: the one offered returns y.

    Args:
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.AbsTransform()(torch.tensor(-2.0))
        tensor(2.)
    """

    domain: Any = constraints.real
    codomain: Any = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


def _with(shape: Any, *parameters: Any) -> Any:
    return broadcast_shapes(shape, *(getattr(p, "shape", ()) for p in parameters))


class PowerTransform(Transform):
    """y = x ** exponent, for positive x.

    Args:
        exponent: number or tensor.
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.PowerTransform(2.0)(torch.tensor(3.0))
        tensor(9.)
    """

    domain: Any = constraints.positive
    codomain: Any = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def _again(self, cache_size: int) -> Any:
        return PowerTransform(self.exponent, cache_size=cache_size)

    @lazy_property
    def sign(self) -> Any:
        """The sign of the exponent."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = None

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return _with(shape, self.exponent)

    def inverse_shape(self, shape: Any) -> Any:
        return _with(shape, self.exponent)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        return bool(one == other)
    return bool((one == other).all())


class AffineTransform(Transform):
    """y = loc + scale x.

    Args:
        loc: number or tensor.
        scale: number or tensor.
        event_dim: how many of the last dimensions make one value.
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.AffineTransform(1.0, -2.0)(torch.tensor(3.0))
        tensor(-5.)
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc = loc
        self.scale = scale
        self._event_dim = event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """All real numbers, or arrays of them."""
        number = constraints.real
        return constraints.independent(number, self.event_dim) if self.event_dim else number

    codomain: Any = domain

    def _again(self, cache_size: int) -> Any:
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AffineTransform)
            and _equal(self.loc, other.loc)
            and _equal(self.scale, other.scale)
        )

    __hash__ = None

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Number):
            scale: Any = self.scale
            return (scale > 0) - (scale < 0)
        return self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if isinstance(self.scale, Number):
            size: Any = abs(self.scale)  # type: ignore[arg-type]
            each = full_like(x, math.log(size))
        else:
            each = self.scale.abs().log()
        return sum_rightmost(each, self.event_dim).expand(x.shape[: x.dim() - self.event_dim])

    def forward_shape(self, shape: Any) -> Any:
        return _with(shape, self.loc, self.scale)

    def inverse_shape(self, shape: Any) -> Any:
        return _with(shape, self.loc, self.scale)


class CumulativeDistributionTransform(Transform):
    """y = P(X <= x), the distribution function of a random variable X.

    Args:
        distribution: a distribution with `cdf` and `icdf`.
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.CumulativeDistributionTransform(d.Normal(0.0, 1.0))(torch.tensor(0.0))
        tensor(0.5000)
    """

    bijective = True
    codomain: Any = constraints.unit_interval
    sign = +1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        """The support of the distribution."""
        return self.distribution.support

    def _again(self, cache_size: int) -> Any:
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)
