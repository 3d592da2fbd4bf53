"""Random correlation matrices."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..dtypes import finfo
from ..functions import arange, cat, diag_embed, lgamma, mvlgamma, randn, sqrt, where, zeros
from ..size import Size
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution, parameters="concentration", parts="_beta", carried="dim"):
    """The Cholesky factors of correlation matrices C with a density proportional to det(C)^(eta - 1).

    Args:
        dim: the number of rows, at least two.
        concentration: eta; 1 is uniform, more favours the identity.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if `dim` is less than two, or the concentration is not positive.

    Source: D. Lewandowski, D. Kurowicka and H. Joe, "Generating random correlation matrices based on vines
    and extended onion method", Journal of Multivariate Analysis 100 (2009), section 3: onion sampling.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.LKJCholesky(3, 0.5).log_prob(torch.eye(3))
        tensor(-2.5310)
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support: ClassVar[Any] = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        # The squared length of what row k has below the diagonal is a beta number; that of the first is not
        # used.
        d = self.concentration.dtype
        steps = cat([zeros(1, dtype=d), arange(dim - 1, dtype=d)])
        last = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(steps + 0.5, last.unsqueeze(-1) - 0.5 * steps)
        super().__init__(self.concentration.size(), Size((dim, dim)), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        squared = self._beta.sample(sample_shape).unsqueeze(-1)
        below = randn(self._extended_shape(sample_shape), dtype=squared.dtype).tril(-1)
        directions = below / below.norm(dim=-1, keepdim=True)
        # The first row has nothing below the diagonal, and so no direction.
        first = arange(self.dim).view(-1, 1) == 0
        rows = sqrt(squared) * where(first, 0.0, directions)
        rest = (1 - (rows**2).sum(-1)).clamp(min=finfo(rows.dtype).tiny)
        return rows + diag_embed(rest.sqrt())

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        eta, n = self.concentration, self.dim
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        powers = 2 * (eta - 1).unsqueeze(-1) + n - arange(2, n + 1)
        alpha = eta + 0.5 * (n - 1)
        constant = 0.5 * (n - 1) * math.log(math.pi) + mvlgamma(alpha - 0.5, n - 1) - lgamma(alpha) * (n - 1)
        return (powers * diagonal.log()).sum(-1) - constant
