"""In which order results lie in memory, where PyTorch and NumPy differ."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def rows(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel with a result whose last dimension is dense, however its operands lie.

    PyTorch's kernel fills a new tensor there; NumPy gives the result the order of the operands.
    """

    @functools.wraps(kernel)
    def laid(*args: Any, **options: Any) -> Any:
        made = kernel(*args, **options)
        if made.__class__ is not np.ndarray or made.flags.c_contiguous or options.get("out", ...) is not ...:
            return made
        return np.ascontiguousarray(made)

    return laid


def as_operand(result: Any, operand: Any) -> Any:
    """The result, which has the shape of the operand, in the operand's order of memory."""
    if operand.flags.c_contiguous:
        return result
    made = np.empty_like(operand, dtype=result.dtype)
    made[...] = result
    return made


def by_columns(kernel: Callable[..., Any], *places: int) -> Callable[..., Any]:
    """The kernel with matrices that lie column by column in memory, as LAPACK leaves them.

    Args:
        places: which of several results these are; none for a kernel of one result.
    """

    @functools.wraps(kernel)
    def laid(*args: Any, **options: Any) -> Any:
        made = kernel(*args, **options)
        if not places:
            return turned(made)
        return tuple(turned(part) if k in places else part for k, part in enumerate(made))

    return laid


def turned(a: Any) -> Any:
    """Matrices in the order of memory of their transposes."""
    if a.__class__ is not np.ndarray or a.ndim < 2:
        return a
    return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)


def lies_by_channels(a: Any) -> bool:
    """Whether images or volumes (4-d, 5-d) lie in memory with the channels innermost, as PyTorch tells it.

    Where sizes of one leave that open, they do not.
    """
    if a.ndim not in (4, 5) or not a.size or not a.strides[1]:
        return False
    least = 0
    for d in (1, *range(a.ndim - 1, 1, -1), 0):
        step = a.strides[d]
        if step < least or (not d and least == a.strides[1]):
            return False
        least = step * max(a.shape[d], 1)
    return True


def by_channels(a: Any) -> Any:
    """The array with its second dimension innermost in memory."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)).transpose(0, a.ndim - 1, *range(1, a.ndim - 1))


def like_image(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel with results that have their channels where the first operand has them."""

    @functools.wraps(kernel)
    def laid(a: Any, *args: Any, **options: Any) -> Any:
        made = kernel(a, *args, **options)
        if a.__class__ is not np.ndarray or a.flags.c_contiguous or not lies_by_channels(a):
            return made
        return tuple(map(by_channels, made)) if isinstance(made, tuple) else by_channels(made)

    return laid
