"""Elements in other places, as copies: flip, roll, repeat, triangles, diagonals, scatters into a part."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import check_dim, check_dims
from ..kernels import rearrange as k
from ..kernels import shape as view_kernels
from .arguments import REQUIRED, integer, integers, no_match, rank, same_out, whole
from .join import stack, zeros_of
from .table import constant, deliver, is_array, is_tensor, linear
from .views import (
    as_strided_of, dense_clone, diagonal_backward, diagonal_of, expand_to, reshape_any, select_at, slice_of,
    unsqueeze_at, view_as_shape,
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


flip_dims = linear(
    "flip_dims(input | dims)",
    k.flip,
    node="FlipBackward0",
    public="flip",
    batch="axes",
    input=lambda g, dims: flip_dims(g, dims),
)
roll_by = linear(
    "roll_by(input | shifts, dims)",
    k.roll,
    node="RollBackward0",
    public="roll",
    batch=_batch_roll,
    input=lambda g, shifts, dims: roll_by(g, tuple([-s for s in shifts]), dims),
)
rot90_plane = linear(
    "rot90_plane(input | k, dims)",
    k.rot90,
    node="Rot90Backward0",
    public="rot90",
    batch="axes",
    input=lambda g, k, dims: rot90_plane(g, -k % 4, dims),
)
repeat_by = linear(
    "repeat_by(input | repeats)",
    k.repeat,
    node="RepeatBackward0",
    public="repeat",
    batch=_batch_repeat,
    input=lambda g, input_shape, repeats: repeat_backward(g, repeats, input_shape),
)
repeat_backward = linear(
    "repeat_backward(g | repeats, shape)",
    k.repeat_backward,
    batch=_batch_repeat_backward,
    g=lambda g, repeats: repeat_by(g, repeats),
)
tril_of = linear(
    "tril_of(input | diagonal)",
    k.tril,
    node="TrilBackward0",
    public="tril",
    batch="axes",
    input=lambda g, diagonal: tril_of(g, diagonal),
)
triu_of = linear(
    "triu_of(input | diagonal)",
    k.triu,
    node="TriuBackward0",
    public="triu",
    batch="axes",
    input=lambda g, diagonal: triu_of(g, diagonal),
)
diag_embed_of = linear(
    "diag_embed_of(input | offset, dim1, dim2)",
    k.diag_embed,
    node="DiagEmbedBackward0",
    public="diag_embed",
    batch="axes",
    input=lambda g, offset, dim1, dim2: diagonal_of(g, offset, dim1, dim2),
)
diagonal_copied = linear(
    "diagonal_copied(input | offset, dim1, dim2)",
    lambda a, offset, dim1, dim2: view_kernels.diagonal(a, offset, dim1, dim2).copy(),
    node="DiagonalBackward0_copy",
    public="diagonal_copy",
    batch="axes",
    input=lambda g, input_shape, offset, dim1, dim2: diagonal_backward(g, input_shape, offset, dim1, dim2),
)
trace_of = linear(
    "trace_of(input)",
    k.trace,
    node="TraceBackward0",
    public="trace",
    input=lambda g, input_shape: diagonal_backward(expand_to(g, (min(input_shape),)), input_shape, 0, 0, 1),
)
select_scatter_of = linear(
    "select_scatter_of(input, src | dim, index)",
    k.select_scatter,
    node="SelectScatterBackward0",
    public="select_scatter",
    batch="aligned",
    input=lambda g, src_shape, dim, index: select_scatter_of(g, zeros_of(g, src_shape), dim, index),
    src=lambda g, dim, index: select_at(g, dim, index),
)
slice_scatter_of = linear(
    "slice_scatter_of(input, src | dim, start, stop, every)",
    k.slice_scatter,
    node="SliceScatterBackward0",
    public="slice_scatter",
    batch="aligned",
    input=lambda g, src_shape, dim, start, stop, every: slice_scatter_of(
        g, zeros_of(g, src_shape), dim, start, stop, every
    ),
    src=lambda g, dim, start, stop, every: slice_of(g, dim, start, stop, every),
)
diagonal_scatter_of = linear(
    "diagonal_scatter_of(input, src | offset, dim1, dim2)",
    k.diagonal_scatter,
    node="DiagonalScatterBackward0",
    public="diagonal_scatter",
    batch="aligned",
    input=lambda g, src_shape, offset, dim1, dim2: diagonal_scatter_of(
        g, zeros_of(g, src_shape), offset, dim1, dim2
    ),
    src=lambda g, offset, dim1, dim2: diagonal_of(g, offset, dim1, dim2),
)
as_strided_scatter_of = linear(
    "as_strided_scatter_of(input, src | size, stride, start, in_stride)",
    view_kernels.as_strided_scatter,
    node="AsStridedScatterBackward0",
    public="as_strided_scatter",
    input=lambda g, src_shape, size, stride, start, in_stride: as_strided_scatter_of(
        g, zeros_of(g, src_shape), size, stride, start, in_stride
    ),
    src=lambda g, size, stride, start, in_stride: as_strided_of(g, size, stride, start, in_stride),
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
    over = integers("roll", "dims", (dims,), 3)
    if not by:
        raise RuntimeError("`shifts` required")
    if len(by) != len(over) and (over or len(by) != 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(over)}")
    found = tuple(check_dim(d, n) for d in over)
    if found and not n:
        raise IndexError(f"Dimension specified as {over[0]} but tensor has no dimensions")
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
                f"repeats must have the same size as input along dim, but got repeats.size({d}) = {repeats.numel()} and "
                f"input.size({d}) = {size}"
            )
        return t.index_select(d, constant(_interleaved(repeats, output_size)))
    times = int(repeats.item()) if is_tensor(repeats) else int(repeats)
    if times < 0:
        raise RuntimeError("repeats can not be negative" if is_tensor(repeats) else "Repeats must be non-negative")
    if output_size is not None and output_size != times * size:
        raise RuntimeError(
            f"repeat_interleave: Invalid output_size, expected {times * size} but got {output_size}"
        )
    shape = tuple(t._data.shape)
    wide = expand_to(unsqueeze_at(t, d + 1), (*shape[: d + 1], times, *shape[d + 1 :]))
    whole_shape = (*shape[:d], size * times, *shape[d + 1 :])
    if not is_array(t._data):
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


# -- triangles and diagonals -----------------------------------------------------------------------------


def tril(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Zeros above a diagonal.

    Args:
        input: tensor of shape (..., n, m).
        diagonal: how far above (or, negative, below) the main diagonal the elements are kept.
        out: tensor to store the result in.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.tril(torch.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    if rank("tril", input) < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    same_out(input, out)
    return deliver("tril", tril_of(input, integer("tril", "diagonal", 2, diagonal)), out)


def triu(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Zeros below a diagonal.

    Args:
        input: tensor of shape (..., n, m).
        diagonal: how far above (or, negative, below) the main diagonal elements begin to be kept.
        out: tensor to store the result in.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.triu(torch.ones(2, 2))
        tensor([[1., 1.],
                [0., 1.]])
    """
    if rank("triu", input) < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    same_out(input, out)
    return deliver("triu", triu_of(input, integer("triu", "diagonal", 2, diagonal)), out)


def diag(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Of a vector the matrix with it on a diagonal; of a matrix the diagonal.

    Args:
        input: tensor of one or two dimensions.
        diagonal: how far above (or, negative, below) the main diagonal.
        out: tensor to store the result in.

    Returns:
        a copy.

    Raises:
        RuntimeError: for other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.diag(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    n = rank("diag", input)
    offset = integer("diag", "diagonal", 2, diagonal)
    if n not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {n}D")
    if out is not None and not dtypes.can_cast(input.dtype, out.dtype):
        have, wanted = dtypes.SCALAR_NAME[input.dtype], dtypes.SCALAR_NAME[out.dtype]
        raise RuntimeError(f"diag: result type {have} can't be cast to the desired out= type {wanted}")
    same_out(input, out)
    return deliver("diag", (diag_embed_of if n == 1 else diagonal_copied)(input, offset, 0, 1), out)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension of `input` on a diagonal.

    Args:
        input: tensor of at least one dimension.
        offset: how far above (or, negative, below) the main diagonal.
        dim1: the rows, in the result.
        dim2: the columns, in the result.

    Returns:
        tensor with one more dimension.

    Raises:
        RuntimeError: if the two dimensions are the same.

    Example:
        >>> import cotangent as torch
        >>> torch.diag_embed(torch.tensor([[1, 2]])).shape
        torch.Size([1, 2, 2])
    """
    n = rank("diag_embed", input) + 1
    first, second = check_dim(dim1, n), check_dim(dim2, n)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diag_embed_of(input, offset, first, second)


def diagflat(input: Any, offset: int = 0) -> Any:
    """The matrix with all elements of `input` on a diagonal.

    Args:
        input: tensor of any shape.
        offset: how far above (or, negative, below) the main diagonal.

    Example:
        >>> import cotangent as torch
        >>> torch.diagflat(torch.tensor([1, 2]), 1).shape
        torch.Size([3, 3])
    """
    rank("diagflat", input)
    return diag_embed_of(input.contiguous().view(input.numel()), offset, 0, 1)


# -- one part replaced -----------------------------------------------------------------------------------


def _check_source(src: Any, shape: tuple[int, ...]) -> None:
    if tuple(src._data.shape) != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src._data.shape)}, slice size = "
            f"{list(shape)}"
        )


def _like(input: Any, src: Any) -> Any:
    return src if src.dtype is input.dtype else src.to(input.dtype)


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of `input` with `src` at `index` of `dim`.

    Args:
        input: tensor.
        src: tensor of the shape of `input.select(dim, index)`.
        dim: the dimension.
        index: where along it.

    Raises:
        RuntimeError: if `src` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    shape = tuple(input.select(dim, index)._data.shape)
    d = check_dim(dim, input.ndim)
    _check_source(src, shape)
    at = index + input._data.shape[d] if index < 0 else index
    return select_scatter_of(input, _like(input, src), d, at)


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy of `input` with `src` at a slice of `dim`.

    Args:
        input: tensor.
        src: tensor of the shape of the slice.
        dim: the dimension.
        start: where the slice begins.
        end: where it ends.
        step: from one element to the next.

    Raises:
        RuntimeError: if `src` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), 0, 1, 3)
        tensor([0., 1., 1., 0.])
    """
    d = check_dim(dim, rank("slice_scatter", input))
    shape = tuple(input._data.shape)
    first, last, every = slice(start, end, step).indices(shape[d])
    _check_source(src, (*shape[:d], len(range(first, last, every)), *shape[d + 1 :]))
    return slice_scatter_of(input, _like(input, src), d, first, last, every)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of `input` with `src` on diagonals.

    Args:
        input: tensor.
        src: tensor of the shape of `input.diagonal(offset, dim1, dim2)`.
        offset: how far above (or, negative, below) the main diagonal.
        dim1: the rows.
        dim2: the columns.

    Raises:
        RuntimeError: if `src` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    n = rank("diagonal_scatter", input)
    _check_source(src, tuple(input.diagonal(offset, dim1, dim2)._data.shape))
    return diagonal_scatter_of(input, _like(input, src), offset, check_dim(dim1, n), check_dim(dim2, n))


def as_strided_scatter(
    input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None
) -> Any:
    """A copy of `input` with `src` where `input.as_strided(size, stride, storage_offset)` looks.

    Args:
        input: tensor.
        src: tensor of shape `size`.
        size: the shape of the view.
        stride: its strides in memory.
        storage_offset: where it begins in memory.

    Raises:
        RuntimeError: if `src` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
        tensor([1., 0., 1., 0.])
    """
    part = input.as_strided(size, stride, storage_offset)
    _check_source(src, tuple(part._data.shape))
    data = input._data
    plain = is_array(data)
    have = view_kernels.element_strides(data) if plain else view_kernels.dense_strides(tuple(data.shape))
    here = view_kernels.storage_offset(data) if plain else 0
    start = 0 if storage_offset is None else storage_offset - here
    return as_strided_scatter_of(input, _like(input, src), tuple(size), tuple(stride), start, have)


def trace(input: Any) -> Any:
    """The sum of the main diagonal.

    Args:
        input: matrix.

    Returns:
        a 0-d tensor; of integers in int64.

    Raises:
        RuntimeError: if `input` is no matrix.

    Example:
        >>> import cotangent as torch
        >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
        tensor(5)
    """
    n = rank("trace", input)
    if n != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {n}")
    return trace_of(input)


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


METHODS: Final = (
    "flip", "fliplr", "flipud", "roll", "rot90", "repeat", "tile", "repeat_interleave", "tril", "triu", "diag",
    "diag_embed", "diagflat", "select_scatter", "slice_scatter", "diagonal_scatter", "as_strided_scatter",
    "trace",
)  # fmt: skip
FUNCTIONS: Final = (*(name for name in METHODS if name != "repeat"), "combinations")
INPLACE: Final = ("tril", "triu")
DUNDERS: Final = {"__reversed__": "backwards"}
