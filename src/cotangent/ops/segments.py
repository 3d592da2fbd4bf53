"""Reductions of slices that fall on one place: index_reduce, segment_reduce."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import check_dim
from ..kernels import segments as k
from ..kernels.scatter_reduce import reduce_at
from .arguments import same_out
from .refusals import without
from .row_checks import check_rows
from .scatter_reduce import reducing
from .table import constant, deliver, general, is_array

segment_of = general("segment_of(lengths | count)", k.segment_of)
reduced_at = reducing(
    "reduced_at(input, src, index | dim, reduce, include_self)",
    reduce_at,
    "IndexReduceBackward0",
    "index_reduce",
    ("index_reduce", "source"),
)
reduced_segments = reducing(
    "reduced_segments(input, src, index | dim, reduce, include_self)",
    reduce_at,
    "SegmentReduceBackward0",
    "segment_reduce",
    ("segment_reduce", "data"),
)
_STARTS: Final = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}


def index_reduce(
    input: Any,
    dim: int,
    index: Any,
    source: Any,
    reduce: str,
    *,
    include_self: bool = True,
    out: Any = None,
) -> Any:
    """A copy of `input` with slices of `source` reduced into it at `index` along one dimension.

    Args:
        input: any shape.
        dim: the dimension.
        index: 1-d, int64 or int32.
        source: tensor like `input`, with as many slices as `index` has elements.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the elements of `input` take part.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: for another reduction, or if shapes, dtypes or indices do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2).index_reduce(0, torch.tensor([1, 1]), torch.tensor([2.0, 3.0]), "prod")
        tensor([1., 6.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    d = check_dim(dim, input.ndim)
    _check_index(input, d, index, source)
    check_rows("index_reduce", input, d, index)
    if not include_self:
        without("index_reduce_func_exclude_input_init", input, dtypes.BOOL, dtypes.COMPLEX)
    elif input.ndim < 2:
        without("index_func_", input, dtypes.BOOL, dtypes.COMPLEX)
    elif reduce == "mean":
        without("div_floor_cpu", input, dtypes.BOOL)
    elif index.numel() and reduce in ("amax", "amin"):
        without("maximum_cpu" if reduce == "amax" else "minimum_cpu", input, dtypes.COMPLEX)
    if not input.ndim:
        found = reduced_at(
            input.reshape(1), source.reshape(-1), index.reshape(-1), 0, reduce, include_self
        )
        return deliver("index_reduce", found.reshape(()), out)
    shape = [1] * input.ndim
    shape[d] = -1
    places = index.reshape(shape).expand(source.shape)
    same_out(input, out)
    return deliver("index_reduce", reduced_at(input, source, places, d, reduce, include_self), out)


def _check_index(input: Any, dim: int, index: Any, source: Any) -> None:
    name = "index_reduce_()"
    if index.ndim > 1:
        raise IndexError(f"{name}: Index is supposed to be a vector, but got dim: {index.ndim}")
    if index.dtype not in (dtypes.int32, dtypes.int64):
        raise IndexError(f"{name}: Expected dtype int32/int64 for index")
    if input.dtype is not source.dtype:
        raise RuntimeError(f"{name}: self and source must have the same scalar type")
    if dim and dim >= source.ndim:
        raise IndexError(
            f"{name}: Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}"
        )
    slices = source.shape[dim] if source.ndim else 1
    if index.numel() != slices and not source.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if index.numel() != slices:
        raise RuntimeError(
            f"{name}: Number of indices ({index.numel()}) should be equal to source.size(dim): ({slices}), "
            f"for dim: {dim}"
        )
    if input.ndim and [n for d, n in enumerate(input.shape) if d != dim] != [
        n for d, n in enumerate(source.shape) if d != dim
    ]:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got "
            f"self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )


def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Any:
    """Reductions of consecutive segments of a dimension.

    Args:
        data: any shape.
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: length of each segment; one row of them for each leading index before `axis`.
        indices: not supported, as in PyTorch.
        offsets: where segments begin, and where the last one ends, in place of `lengths`.
        axis: the dimension.
        unsafe: do without the check that the lengths add up to the dimension's size.
        initial: what reductions start from; without it empty segments give that of the reduction.

    Returns:
        a tensor with as many slices along `axis` as there are segments.

    Raises:
        RuntimeError: if the segments do not fit the data.

    Example:
        >>> import cotangent as torch
        >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "sum", lengths=torch.tensor([2, 1]))
        tensor([3., 3.])
    """
    axis = check_dim(axis, data.ndim)
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if (lengths is None) == (offsets is None):
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if reduce not in _STARTS:
        raise RuntimeError(f"segment_reduce(): unsupported reduction {reduce}")
    sizes = lengths if lengths is not None else offsets.diff()
    if sizes.ndim != axis + 1:
        raise RuntimeError("Expected lengths.dim() - 1 to equal axis")
    count = data.shape[axis]
    if not unsafe and lengths is not None and is_array(sizes._data):
        values = np.asarray(sizes._data)
        if (values < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if (values.sum(-1) != count).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to "
                "data.size(lengths.dim()-1) when !unsafe."
            )
    rest = list(data.shape[axis + 1 :])
    rows = data.reshape([-1, *rest])
    segments = sizes.shape[-1]
    places = segment_of(sizes, count).reshape([-1] + [1] * len(rest)).expand(rows.shape)
    total = sizes.numel()
    # One place more takes the rows that belong to no segment.
    start = _STARTS[reduce] if initial is None else initial
    base = constant(np.full([total + 1, *rest], start, data.dtype.np))
    if reduce == "mean":
        sums = reduced_segments(base, rows, places, 0, "sum", True).narrow(0, 0, total)
        weights = sizes.reshape([-1] + [1] * len(rest)).to(data.dtype)
        found = sums / weights
        if initial is not None:
            found = found.masked_fill((weights == 0).expand(found.shape), initial)
    else:
        found = reduced_segments(base, rows, places, 0, reduce, True).narrow(0, 0, total)
    return found.reshape([*data.shape[:axis], segments, *rest])
