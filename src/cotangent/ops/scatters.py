"""Copies with one part replaced: what a view would show is given, the rest stays."""

from __future__ import annotations

from typing import Any

from ..errors import check_dim
from ..kernels import rearrange as k, shape as view_kernels
from .arguments import rank
from .join import zeros_of
from .table import deliver, is_array, linear
from .views import as_strided_of, diagonal_of, select_at, slice_of

select_scatter_of: Any = linear(
    "select_scatter_of(input, src | dim, index)",
    k.select_scatter,
    node="SelectScatterBackward0",
    public="select_scatter",
    batch="aligned",
    input=lambda g, src_shape, dim, index: select_scatter_of(g, zeros_of(g, src_shape), dim, index),
    src=lambda g, dim, index: select_at(g, dim, index),
)
slice_scatter_of: Any = linear(
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
diagonal_scatter_of: Any = linear(
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
as_strided_scatter_of: Any = linear(
    "as_strided_scatter_of(input, src | size, stride, start, in_stride)",
    view_kernels.as_strided_scatter,
    node="AsStridedScatterBackward0",
    public="as_strided_scatter",
    input=lambda g, src_shape, size, stride, start, in_stride: as_strided_scatter_of(
        g, zeros_of(g, src_shape), size, stride, start, in_stride
    ),
    src=lambda g, size, stride, start, in_stride: as_strided_of(g, size, stride, start, in_stride),
)


def _check_source(src: Any, shape: tuple[int, ...]) -> None:
    if tuple(src._data.shape) != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src._data.shape)}, "
            f"slice size = {list(shape)}"
        )


def _like(input: Any, src: Any) -> Any:
    return src if src.dtype is input.dtype else src.to(input.dtype)


def select_scatter(input: Any, src: Any, dim: int, index: int, *, out: Any = None) -> Any:
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
    return deliver("select_scatter", select_scatter_of(input, _like(input, src), d, at), out)


def slice_scatter(
    input: Any,
    src: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
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
    return deliver("slice_scatter", slice_scatter_of(input, _like(input, src), d, first, last, every), out)


def diagonal_scatter(
    input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Any = None
) -> Any:
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
    return deliver(
        "diagonal_scatter",
        diagonal_scatter_of(input, _like(input, src), offset, check_dim(dim1, n), check_dim(dim2, n)),
        out,
    )


def as_strided_scatter(
    input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None, *, out: Any = None
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
    return deliver(
        "as_strided_scatter",
        as_strided_scatter_of(input, _like(input, src), tuple(size), tuple(stride), start, have),
        out,
    )
