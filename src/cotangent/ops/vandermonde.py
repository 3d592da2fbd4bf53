"""Vandermonde matrices."""

from __future__ import annotations

from typing import Any, Final

from .. import dtypes
from .join import cat
from .ordering import cumprod
from .shape import flip


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of the powers of a vector's elements.

    Args:
        x: 1-d.
        N: number of columns; as many as elements by default.
        increasing: powers from 0 on, instead of down to 0.

    Returns:
        (len(x), N).

    Raises:
        RuntimeError: if `x` is not 1-d or N negative.

    Example:
        >>> import cotangent as torch
        >>> torch.vander(torch.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [4, 2, 1],
                [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    columns = x.shape[0] if N is None else N
    if columns < 0:
        raise RuntimeError("N must be non-negative.")
    found = powers(x, columns)
    return found if increasing else flip(found, (1,))


def powers(x: Any, count: int) -> Any:
    """The powers 0 to `count` - 1 of the elements, along a new last dimension."""
    wide = x if x.dtype.category >= dtypes.FLOATING else x.to(dtypes.int64)
    ones = wide.new_ones((*x.shape, min(count, 1)))
    if count < 2:
        return ones
    return cat([ones, cumprod(wide.unsqueeze(-1).expand([*x.shape, count - 1]), -1)], -1)


FUNCTIONS: Final = ("vander",)
