"""Parts of a whole, made of normal numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import StickBreakingTransform

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution, parameters=""):
    """n + 1 positive numbers that add up to one, by breaking a stick at n normal log odds.

    Args:
        loc: the means of these, of shape (..., n).
        scale: their standard deviations.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if a scale is not positive, or a parameter is neither number nor tensor.

    Source: J. Atchison and S. M. Shen, "Logistic-normal distributions", Biometrika 67 (1980), with the
    transform `StickBreakingTransform`.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.LogisticNormal(torch.zeros(2), torch.ones(2)).event_shape
        torch.Size([3])
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: ClassVar[Any] = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Any:
        """The means of the log odds."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviations of the log odds."""
        return self.base_dist.base_dist.scale
