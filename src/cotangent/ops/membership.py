"""Questions whose answers are positions or yes and no: isin, unravel_index, nonzero_static, hash_tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import check_dim, dims_of
from ..kernels import membership as k
from .arguments import NUMBER
from .refusals import unsupported
from .table import constant, deliver, general

isin_of = general("isin_of(elements, test_elements | invert)", k.isin, public="isin")
nonzero_of = general("nonzero_of(input | size, fill_value)", k.nonzero, public="nonzero_static")
hash_of = general("hash_of(input | dims, keepdim)", k.hashed, public="hash_tensor")


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None
) -> Any:
    """Whether each element is among others.

    Args:
        elements: tensor or number.
        test_elements: tensor or number (not both numbers).
        assume_unique: accepted for PyTorch's sake.
        invert: whether it is not, instead.
        out: tensor to write the result to.

    Returns:
        a bool tensor of the shape of `elements`.

    Example:
        >>> import cotangent as torch
        >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 5]))
        tensor([False,  True, False])
    """
    one, other = (constant(np.asarray(v)) if isinstance(v, NUMBER) else v for v in (elements, test_elements))
    for value in (one, other):
        if value.dtype.is_complex or value.dtype is dtypes.bool_:
            raise RuntimeError(
                f"Unsupported input type encountered for isin(): {dtypes.SCALAR_NAME[value.dtype]}"
            )
    return deliver("isin", isin_of(one, other, invert), out)


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Positions in a flattened tensor as coordinates.

    Args:
        indices: integers, any shape.
        shape: of the tensor: an int or ints.

    Returns:
        a tuple of a tensor for each dimension.

    Raises:
        TypeError, ValueError: for indices or shapes of the wrong kind.

    Example:
        >>> import cotangent as torch
        >>> torch.unravel_index(torch.tensor([4, 5]), (2, 3))
        (tensor([1, 1]), tensor([1, 2]))
    """
    if indices.dtype.category != dtypes.INTEGRAL:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    if isinstance(shape, int):
        sizes = [shape]
    else:
        for n in shape:
            if not isinstance(n, int):
                raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(n)}")
        sizes = list(shape)
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    steps = np.cumprod([1, *reversed(sizes)][:-1] if sizes else [], dtype=np.int64)[::-1].copy()
    places = indices.unsqueeze(-1).div(constant(steps), rounding_mode="floor")
    return tuple((places % constant(np.asarray(sizes, np.int64))).unbind(-1))


def nonzero_static(input: Any, *, size: int, fill_value: int = -1, out: Any = None) -> Any:
    """The positions of the first `size` elements that are not zero, filled up if there are fewer.

    Args:
        input: any shape.
        size: number of rows.
        fill_value: what fills the rows that are left.
        out: tensor to write the result to.

    Returns:
        (size, ndim).

    Raises:
        RuntimeError: for a negative size.

    Example:
        >>> import cotangent as torch
        >>> torch.nonzero_static(torch.tensor([0, 5]), size=2)
        tensor([[ 1],
                [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer. got: {size}")
    return deliver("nonzero_static", nonzero_of(input, size, fill_value), out)


def hash_tensor(input: Any, dim: Any = (), *, keepdim: bool = False, mode: int = 0, out: Any = None) -> Any:
    """The exclusive or of the elements' 64-bit patterns, of all or along dimensions.

    Args:
        input: real tensor.
        dim: dimension or dimensions; all if empty.
        keepdim: keep the reduced dimensions with size 1.
        mode: 0, the only one there is.
        out: tensor to write the result to.

    Returns:
        a uint64 tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.hash_tensor(torch.tensor([1, 3]))
        tensor(2, dtype=torch.uint64)
    """
    if input.dtype.is_complex:
        raise unsupported("hash", input.dtype)
    given = () if dim is None else dims_of(dim)
    dims = tuple(check_dim(d, input.ndim) for d in given) or tuple(range(input.ndim))
    for d in given:
        if input.ndim and not input.shape[d]:
            raise IndexError(f"hash_tensor: Expected reduction dim {d} to have non-zero size.")
    return deliver("hash_tensor", hash_of(input, dims if input.ndim else (), keepdim), out)
