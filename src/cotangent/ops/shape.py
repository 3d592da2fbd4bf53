"""Elements in other places, as copies: flip, roll, rot90, repeat, tile, combinations."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import check_dim, check_dims
from ..kernels import rearrange as k
from ..kernels.deferred import layout
from ..kernels.layout import rows
from .arguments import REQUIRED, integer, integers, no_match, numpy_named, rank, whole
from .join import stack
from .table import constant, is_array, is_tensor, linear
from .views import (
    dense_clone,
    expand_to,
    reshape_any,
    unsqueeze_at,
    view_as_shape,
)  # fmt: skip

# -- primitives ------------------------------------------------------------------------------------------


def _front(t: Any, bdim: int) -> Any:
    return t if bdim == 0 else t.permute(bdim, *[d for d in range(t.ndim) if d != bdim])


def _batch_roll(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Along dims shifted by one; along all dimensions, in each example flattened."""
    t, (shifts, over) = _front(tensors[0], dims[0]), statics
    if over:
        return roll_by(t, shifts, tuple(d + 1 for d in over)), 0
    shape = tuple(t.shape)
    flat = reshape_any(t, (size, math.prod(shape[1:])))
    return reshape_any(roll_by(flat, shifts, (1,)), shape), 0


def _batch_repeat(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Ranks are aligned behind the batch dimension, which is not repeated."""
    t, (repeats,) = _front(tensors[0], dims[0]), statics
    seen = tuple(t.shape)[1:]
    ready = reshape_any(t, (size,) + (1,) * (len(repeats) - len(seen)) + seen)
    return repeat_by(ready, (1, *repeats)), 0


def _batch_repeat_backward(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    t, (repeats, shape) = _front(tensors[0], dims[0]), statics
    full = (1,) * (len(repeats) - len(shape)) + tuple(shape)
    return reshape_any(repeat_backward(t, (1, *repeats), (size, *full)), (size, *shape)), 0


flip_dims: Any = linear(
    "flip_dims(input | dims)",
    k.flip,
    node="FlipBackward0",
    public="flip",
    batch="axes",
    input=lambda g, dims: flip_dims(g, dims),
)
roll_by: Any = linear(
    "roll_by(input | shifts, dims)",
    rows(k.roll),
    node="RollBackward0",
    public="roll",
    batch=_batch_roll,
    input=lambda g, shifts, dims: roll_by(g, tuple([-s for s in shifts]), dims),
)
rot90_plane: Any = linear(
    "rot90_plane(input | k, dims)",
    k.rot90,
    node="Rot90Backward0",
    public="rot90",
    batch="axes",
    input=lambda g, k, dims: rot90_plane(g, -k % 4, dims),
)
repeat_by: Any = linear(
    "repeat_by(input | repeats)",
    k.repeat,
    node="RepeatBackward0",
    public="repeat",
    batch=_batch_repeat,
    input=lambda g, input_shape, repeats: repeat_backward(g, repeats, input_shape),
)
repeat_backward: Any = linear(
    "repeat_backward(g | repeats, shape)",
    k.repeat_backward,
    batch=_batch_repeat_backward,
    g=lambda g, repeats: repeat_by(g, repeats),
)

# -- the order of elements -------------------------------------------------------------------------------


def flip(input: Any, *args: Any, dims: Any = REQUIRED) -> Any:
    """The order of elements reversed along dimensions.

    Args:
        input: tensor.
        args: the dimensions.
        dims: the same as a keyword.

    Returns:
        a copy.

    Raises:
        RuntimeError: if a dimension comes twice.

    Example:
        >>> import cotangent as torch
        >>> torch.flip(torch.arange(3), (0,))
        tensor([2, 1, 0])
    """
    n = rank("flip", input)
    return flip_dims(input, check_dims(integers("flip", "dims", args or (dims,)), n))


def fliplr(input: Any) -> Any:
    """The order of columns reversed.

    Args:
        input: tensor of at least two dimensions.

    Raises:
        RuntimeError: if there are fewer.

    Example:
        >>> import cotangent as torch
        >>> torch.fliplr(torch.tensor([[1, 2]]))
        tensor([[2, 1]])
    """
    if rank("fliplr", input) < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_dims(input, (1,))


def flipud(input: Any) -> Any:
    """The order of rows reversed.

    Args:
        input: tensor of at least one dimension.

    Raises:
        RuntimeError: if there are none.

    Example:
        >>> import cotangent as torch
        >>> torch.flipud(torch.tensor([1, 2]))
        tensor([2, 1])
    """
    if rank("flipud", input) < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_dims(input, (0,))


def backwards(input: Any) -> Any:
    """`reversed(input)`: the order of the first dimension reversed."""
    return flip_dims(input, (0,)) if input._data.shape else input


def roll(input: Any, shifts: Any = REQUIRED, dims: Any = ()) -> Any:
    """Elements moved on; those pushed out at the end come in at the start.

    Args:
        input: tensor.
        shifts: by how many places, one number per dimension in `dims`.
        dims: the dimensions; without any the elements move as if in one row.

    Returns:
        a copy.

    Raises:
        RuntimeError: if `shifts` and `dims` differ in length.

    Example:
        >>> import cotangent as torch
        >>> torch.roll(torch.arange(4), 1)
        tensor([3, 0, 1, 2])
    """
    n = rank("roll", input)
    by = integers("roll", "shifts", (shifts,), 2)
    over = () if dims is None else integers("roll", "dims", (dims,), 3)
    if not by:
        raise RuntimeError("`shifts` required")
    if len(by) != len(over) and (over or len(by) != 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(over)}")
    if not input.numel():
        return roll_by(input, by[:1], ())
    if over and not n:
        raise IndexError(f"Dimension specified as {over[0]} but tensor has no dimensions")
    found = tuple(check_dim(d, n) for d in over)
    return roll_by(input, by, found)


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """A plane rotated by quarter turns.

    Args:
        input: tensor of at least two dimensions.
        k: how many quarter turns, from the first of `dims` towards the second.
        dims: the two dimensions of the plane.

    Returns:
        a copy.

    Raises:
        RuntimeError: if `dims` are not two different dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    n = rank("rot90", input)
    plane = integers("rot90", "dims", (dims,), 3)
    if len(plane) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(plane)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    if plane[0] == plane[1] or abs(plane[0] - plane[1]) == n:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {plane[0]} and dim1 = {plane[1]}"
        )
    return rot90_plane(input, integer("rot90", "k", 2, k) % 4, tuple(check_dim(d, n) for d in plane))


# -- repetition ------------------------------------------------------------------------------------------


def repeat(input: Any, *args: Any, repeats: Any = REQUIRED) -> Any:
    """The tensor put side by side with itself.

    Args:
        input: tensor.
        args: how often along each dimension; new dimensions come in front.
        repeats: the same as a keyword.

    Returns:
        a copy.

    Raises:
        RuntimeError: if there are fewer numbers than dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    return _repeated(input, integers("repeat", "repeats", args or (repeats,)))


def _repeated(input: Any, times: tuple[int, ...]) -> Any:
    shape = tuple(input._data.shape)
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    if min(times, default=0) < 0:
        full = [n * r for n, r in zip((1,) * (len(times) - len(shape)) + shape, times, strict=True)]
        negative = next(n for n in full if n < 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {full}")
    return repeat_by(input, times)


def tile(input: Any, *args: Any, dims: Any = REQUIRED) -> Any:
    """The tensor put side by side with itself; missing numbers stand for one.

    Args:
        input: tensor.
        args: how often along each of the last dimensions.
        dims: the same as a keyword.

    Returns:
        a copy.

    Example:
        >>> import cotangent as torch
        >>> torch.tile(torch.tensor([1, 2]), (2,))
        tensor([1, 2, 1, 2])
    """
    n = rank("tile", input)
    times = integers("tile", "dims", args or (dims,))
    return _repeated(input, (1,) * (n - len(times)) + times)


@numpy_named
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each element repeated.

    Args:
        input: tensor; alone, a vector of numbers: i is repeated input[i] times.
        repeats: how often, for all or (as a vector) for each element along `dim`.
        dim: the dimension; by default the tensor is flattened.
        output_size: the size along `dim`, if known.

    Returns:
        a copy.

    Raises:
        RuntimeError: if `repeats` is negative or of the wrong length.

    Example:
        >>> import cotangent as torch
        >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
        tensor([1, 1, 2, 2])
    """
    if repeats is None:
        if not is_tensor(input):
            no_match("repeat_interleave", (input,), *_INTERLEAVE)
        return constant(_interleaved(input, output_size))
    if not (is_tensor(repeats) or whole(repeats)) or not is_tensor(input):
        no_match("repeat_interleave", (input, repeats) + (() if dim is None else (dim,)), *_INTERLEAVE)
    if dim is None:
        t, d = input.reshape(-1), 0
    else:
        t, d = input, check_dim(dim, input.ndim)
        if not input.ndim:
            t = input.reshape(1)
    size = t._data.shape[d]
    if is_tensor(repeats) and repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if is_tensor(repeats) and repeats.numel() != 1:
        if repeats.numel() != size:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size({d}) = "
                f"{repeats.numel()} and input.size({d}) = {size}"
            )
        return t.index_select(d, constant(_interleaved(repeats, output_size)))
    times = int(repeats.item()) if is_tensor(repeats) else int(repeats)
    if times < 0:
        raise RuntimeError(
            "repeats can not be negative" if is_tensor(repeats) else "Repeats must be non-negative"
        )
    if output_size is not None and output_size != times * size:
        raise RuntimeError(
            f"repeat_interleave: Invalid output_size, expected {times * size} but got {output_size}"
        )
    shape = tuple(t._data.shape)
    wide = expand_to(unsqueeze_at(t, d + 1), (*shape[: d + 1], times, *shape[d + 1 :]))
    whole_shape = (*shape[:d], size * times, *shape[d + 1 :])
    if not is_array(layout(t._data)):
        return reshape_any(wide, whole_shape)
    return view_as_shape(dense_clone(wide), whole_shape)


_INTERLEAVE: Final = (
    "Tensor input, Tensor repeats, int dim = None, *, int output_size = None",
    "Tensor repeats, *, int output_size = None",
    "Tensor input, int repeats, int dim = None, *, int output_size = None",
)


def _interleaved(repeats: Any, output_size: int | None) -> Any:
    """The index i repeats[i] times, for every i."""
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype not in (dtypes.int32, dtypes.int64):
        name = dtypes.SCALAR_NAME[repeats.dtype]
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{name}'")
    counts = np.asarray(repeats.tolist(), repeats.dtype.np)
    if counts.min(initial=0) < 0:
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != int(counts.sum()):
        raise RuntimeError("allocated size does not match required size")
    return np.repeat(np.arange(len(counts), dtype=counts.dtype), counts)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to pick `r` elements of a vector, in order.

    Args:
        input: vector of n elements.
        r: how many to pick.
        with_replacement: whether an element may be picked again.

    Returns:
        tensor of shape (number of ways, r).

    Raises:
        RuntimeError: if `input` is no vector, or `r` negative.

    Example:
        >>> import cotangent as torch
        >>> torch.combinations(torch.tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    if rank("combinations", input) != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._data.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    picked = np.array(list(pick(range(input.numel()), r)), np.int64).reshape(-1, r)
    return stack([input.index_select(0, constant(picked[:, i].copy())) for i in range(r)], 1)


METHODS: Final = ("flip", "fliplr", "flipud", "roll", "rot90", "repeat", "tile", "repeat_interleave")
FUNCTIONS: Final = (*(name for name in METHODS if name != "repeat"), "combinations")
DUNDERS: Final = {"__reversed__": "backwards"}
