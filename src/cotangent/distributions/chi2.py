"""Sums of squares of normal numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma, parameters="concentration rate"):
    """The chi-squared distribution, of the sum of `df` squares of standard normal numbers.

    Args:
        df: the degrees of freedom.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if `df` is not positive.

    Source: the gamma distribution of shape df / 2 and rate 1/2.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Chi2(torch.tensor(3.0)).mean
        tensor(3.)
    """

    arg_constraints: ClassVar[Any] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self.concentration * 2
