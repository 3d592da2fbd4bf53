"""Vandermonde matrices, and diagonals under torch.linalg."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .join import cat
from .matrices import NARROW, tensor
from .ordering import cumprod
from .sections import diagonal as any_diagonal
from .shape import flip
from .views import unsqueeze_at


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


def linalg_vander(x: Any, *, N: int | None = None) -> Any:
    """The powers 0 to N - 1 of every element.

    Args:
        x: (..., n).
        N: how many powers; n if None.

    Returns:
        (..., n, N); integers become int64.

    Raises:
        RuntimeError: if N is less than 2, or for bools and 16-bit floats.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
        tensor([[1, 2, 4],
                [1, 3, 9]])
    """
    tensor("linalg_vander", "x", x)
    if N is not None and (isinstance(N, bool) or not hasattr(N, "__index__")):
        raise TypeError(f"linalg_vander(): argument 'N' must be int, not {type(N).__name__}")
    if x.dtype in NARROW or x.dtype is dtypes.bool_:
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{dtypes.SCALAR_NAME[x.dtype]}"
        )
    if not x.ndim:
        x = unsqueeze_at(x, 0)
    count = x.shape[-1] if N is None else int(N)
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    return powers(x, count)


def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of matrices; a view.

    Args:
        A: (..., m, n).
        offset: which diagonal, counted upwards from the main one.
        dim1: the dimension of the rows.
        dim2: the dimension of the columns.

    Returns:
        the other dimensions, followed by the diagonal.

    Raises:
        IndexError: if there are no such dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    tensor("linalg_diagonal", "A", A)
    return any_diagonal(A, offset, dim1, dim2)
