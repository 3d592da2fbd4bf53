"""Student's t."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import digamma, lgamma, log1p, randn, rsqrt, where
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["StudentT"]


class StudentT(Distribution, parameters="df loc scale", parts="_chi2"):
    """The t distribution of Student (W. S. Gosset), moved and stretched.

    Args:
        df: the degrees of freedom.
        loc: the centre.
        scale: the scale.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if `df` or `scale` is not positive, or a parameter is neither number nor tensor.

    Source: density Gamma((n + 1)/2) / (Gamma(n/2) sqrt(pi n) scale) (1 + y^2/n)^(-(n + 1)/2) with
    y = (x - loc) / scale and n = df.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.StudentT(3.0).variance
        tensor(3.)
    """

    arg_constraints: ClassVar[Any] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support: ClassVar[Any] = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        finite = self.df > 2
        n = where(finite, self.df, 3.0)
        found = self.scale.pow(2) * n / (n - 2)
        return where(finite, found, where(self.df > 1, math.inf, where(self.df <= 1, math.nan, self.df)))

    def rsample(self, sample_shape: Any = ()) -> Any:
        numerator = randn(self._extended_shape(sample_shape), dtype=self.df.dtype)
        squares = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (numerator * rsqrt(squares / self.df))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        y = (value - self.loc) / self.scale
        n = self.df
        constant = self.scale.log() + 0.5 * n.log() + 0.5 * math.log(math.pi)
        constant = constant + lgamma(0.5 * n) - lgamma(0.5 * (n + 1.0))
        return -0.5 * (n + 1.0) * log1p(y**2.0 / n) - constant

    def entropy(self) -> Any:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = lgamma(half) + math.lgamma(0.5) - lgamma(more)
        return self.scale.log() + more * (digamma(more) - digamma(half)) + 0.5 * self.df.log() + log_beta
