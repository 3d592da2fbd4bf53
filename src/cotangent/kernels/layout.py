"""In which order results lie in memory, where PyTorch and NumPy differ."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .. import lazy
from .dimensions import chosen, order_of, steps_of
from .sized import LIGHT, worthwhile

turning: Any = lazy.module("cotangent.kernels.turning")


def fill(target: Any, source: Any) -> None:
    """Copy an array into another of its shape and type, with which it shares no memory."""
    if source.size >= LIGHT // 4 and worthwhile(source.size) and turning.transfer(target, source):
        return
    target[...] = source


def dense(a: Any) -> Any:
    """A contiguous copy."""
    if a.flags.c_contiguous or a.size < LIGHT // 4:
        return a.copy()
    made = np.empty(a.shape, a.dtype)
    fill(made, a)
    return made


def rows(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel with a result whose last dimension is dense, however its operands lie.

    PyTorch's kernel fills a new tensor there; NumPy gives the result the order of the operands.
    """

    @functools.wraps(kernel)
    def laid(*args: Any, **options: Any) -> Any:
        made = kernel(*args, **options)
        return made if options.get("out", ...) is not ... else _in_rows(made)

    laid.in_rows = True  # type: ignore[attr-defined]  # what a trace asks
    return laid


def as_operand(result: Any, operand: Any) -> Any:
    """The result, which has the shape of the operand, in the operand's order of memory."""
    if operand.flags.c_contiguous:
        return result
    made = chosen(operand.shape, result.dtype, [operand])
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
    flipped = a.swapaxes(-1, -2)
    return (flipped if flipped.flags.c_contiguous else dense(flipped)).swapaxes(-1, -2)


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
    moved = np.moveaxis(a, 1, -1)
    # NumPy leaves steps of dimensions of size one as they happen to be; PyTorch tells the order by them.
    laid = dense(moved) if 1 in a.shape or not moved.flags.c_contiguous else moved
    return laid.transpose(0, a.ndim - 1, *range(1, a.ndim - 1))


def like_image(kernel: Callable[..., Any], operands: int = 1, volume: bool = False) -> Callable[..., Any]:
    """The kernel with results that have their channels where one of the first operands has them.

    Args:
        operands: how many these are.
        volume: whether four dimensions are those of a volume that is no part of a batch.
    """

    @functools.wraps(kernel)
    def laid(*args: Any, **options: Any) -> Any:
        made = kernel(*args, **options)
        for a in args[:operands]:
            if a.__class__ is not np.ndarray or (a.flags.c_contiguous and 1 not in a.shape):
                continue
            if volume and a.ndim == 4:
                if a.transpose(1, 2, 3, 0).flags.c_contiguous and not a.flags.c_contiguous:
                    return tuple(by_channels(part[None])[0] for part in made)
            elif lies_by_channels(a):
                if not isinstance(made, tuple):
                    return by_channels(made)
                return tuple(by_channels(part) if part.ndim == a.ndim else part for part in made)
        if isinstance(made, tuple):
            return tuple([_in_rows(part) for part in made])
        return _in_rows(made)

    return laid


def _in_rows(a: Any) -> Any:
    return dense(a) if a.__class__ is np.ndarray and not a.flags.c_contiguous else a


def in_order(made: Any, order: list[int]) -> Any:
    """The array with its dimensions in this order of memory, from the innermost outwards."""
    steps, step, same = [0] * made.ndim, made.itemsize, True
    for d in order:
        same = same and (made.strides[d] == step or made.shape[d] == 1)
        steps[d] = step
        step *= made.shape[d]
    if same:
        return made if made.strides == tuple(steps) or not made.size else as_strided(made, strides=steps)
    outwards = order[::-1]
    laid = np.empty([made.shape[d] for d in outwards], made.dtype).transpose(np.argsort(outwards))
    fill(laid, made)
    return laid


def as_indexed(made: Any, a: Any, indices: list[Any], dims: tuple[int, ...]) -> Any:
    """`a` at index arrays in the order of memory that PyTorch gives it."""
    rest = [d for d in range(a.ndim) if d not in dims]
    together = all(d == dims[0] + k for k, d in enumerate(dims))
    before = dims[0] if together else 0
    shape = np.broadcast_shapes(*(i.shape for i in indices))
    inner = (0,) * len(shape)
    steps = tuple(a.strides[d] for d in rest)
    over = (0,) * (len(rest) - before)
    known = [steps[:before] + inner + steps[before:]]
    for i in indices:
        stretched = (0,) * (len(shape) - i.ndim) + tuple(
            0 if n == 1 else s for n, s in zip(i.shape, i.strides, strict=True)
        )
        known.append((0,) * before + stretched + over)
    return in_order(made, order_of(made.shape, known))


def as_chosen(made: Any, operands: Sequence[Any]) -> Any:
    """A result of several operands in the order of memory that PyTorch gives it."""
    return in_order(made, order_of(made.shape, steps_of(made.shape, operands)))


def as_lying(op: Any, made: Any, operands: list[Any]) -> Any:
    """The result of the elementwise operation `op` in PyTorch's order, where an operand is not contiguous."""
    if made.__class__ is not np.ndarray or made.ndim < 2 or getattr(op.kernel, "in_rows", False):
        return made
    arrays = [x for x in operands if x.__class__ is np.ndarray]
    if all(x.flags.c_contiguous for x in arrays):
        return made
    return as_chosen(made, arrays[::-1] if op.reverse else arrays)
