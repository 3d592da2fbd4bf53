"""Places of values among sorted boundaries. No gradients flow here."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import warn_once
from .arguments import REQUIRED, missing
from .batching import flat, in_front, leading
from .refusals import unsupported
from .table import constant, deliver, general, is_array, is_tensor
from .views import reshape_any


def _wide(a: Any) -> Any:
    return a.astype(np.float32) if a.dtype.kind == "V" else a


def _search(edges: Any, values: Any, right: bool, out_int32: bool) -> Any:
    """Positions along the last dimension, row by row where the boundaries have rows."""
    side: Any = "right" if right else "left"
    edges, values = _wide(edges), _wide(values)
    if edges.ndim == 1:
        found = np.asarray(np.searchsorted(edges, values, side))
    else:
        count = math.prod(edges.shape[:-1])
        rows = edges.reshape(count, edges.shape[-1])
        wanted = values.reshape(count, values.shape[-1])
        found = np.empty(wanted.shape, np.int64)
        for row, (e, v) in enumerate(zip(rows, wanted, strict=True)):
            found[row] = np.searchsorted(e, v, side)
        found = found.reshape(values.shape)
    return found.astype(np.int32 if out_int32 else np.int64)


def _searched(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of a search: boundaries that all examples share stay as they are, others become rows."""
    (edges, values), (own, mapped) = tensors, dims
    if own is None and edges.ndim == 1:
        return op.entry(edges, values, *statics), mapped
    if edges.ndim - (own is not None) > 1:
        return leading(op, size, tensors, dims, statics)
    shape = tuple(in_front(values, mapped, size).shape)
    found = op.entry(in_front(edges, own, size), flat(values, mapped, size), *statics)
    return reshape_any(found, shape), 0


search_of = general(
    "search_of(boundaries, values | right, out_int32)", _search, public="searchsorted", batch=_searched
)


_SCATTERED: Final = (
    "{}: {} is non-contiguous, this will lower the performance due to extra data copy when converting "
    "non-contiguous tensor to contiguous, please use contiguous {} if possible. This message will only "
    "appear once per program."
)


def searchsorted(
    sorted_sequence: Any,
    input: Any = REQUIRED,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
    out: Any = None,
) -> Any:
    """Where each value would have to be inserted to keep a sequence in order.

    Args:
        sorted_sequence: ascending along its last dimension.
        input: values; with as many rows as the sequence has, unless it is 1-d; or a number.
        out_int32: int32 instead of int64.
        right: behind equal elements instead of before them.
        side: "left" or "right", another way to say so.
        sorter: the positions that put `sorted_sequence` in order, if it is not.
        out: tensor to write the result to.

    Returns:
        positions in the shape of `input`.

    Raises:
        RuntimeError: if shapes or options do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
        tensor([1, 3])
    """
    if input is REQUIRED:
        missing("searchsorted", "input")
    return deliver("searchsorted", _found(sorted_sequence, input, out_int32, right, side, sorter, out), out)


def _found(
    edges: Any, values: Any, out_int32: bool, right: bool, side: str | None, sorter: Any, out: Any
) -> Any:
    name = "torch.searchsorted()"
    if not is_tensor(values):
        values = constant(np.asarray(values))
    for what, t in (("input value tensor", values), ("boundary tensor", edges), ("sorter tensor", sorter)):
        if is_tensor(t) and is_array(t._data) and not t._data.flags.c_contiguous and t.ndim:
            warn_once(_SCATTERED.format(name, what, what), 4)
    if not (edges.ndim == 1 or (edges.ndim == values.ndim and edges.shape[:-1] == values.shape[:-1])):
        if not values.ndim:
            raise RuntimeError(
                f"{name}: input value can be a scalar only when boundaries tensor dimension is 1, but we got "
                f"boundaries tensor dim({edges.ndim}) and input value's dim(0) numel(1)"
            )
        raise RuntimeError(
            f"{name}: boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(edges.shape)} and "
            f"input value tensor {list(values.shape)}"
        )
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(f"{name}: side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise RuntimeError(
                f"{name}: side and right can't be set to opposites, got side of left while right was True"
            )
        right = side == "right"
    if out is not None and out.dtype is not (dtypes.int32 if out_int32 else dtypes.int64):
        raise RuntimeError(
            f"{name}: output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on "
            "whether out_int32 flag is True, but we got output tensor's dtype "
            f"{dtypes.SCALAR_NAME[out.dtype]} and out_int32 flag is {out_int32}"
        )
    if sorter is not None:
        if sorter.shape != edges.shape:
            raise RuntimeError(
                f"{name}: boundary and sorter must have the same size, but got boundary tensor "
                f"{list(edges.shape)}and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError(
                f"{name}: sorter must be a tensor of long dtype but got dtype "
                f"{dtypes.SCALAR_NAME[sorter.dtype]}"
            )
        if sorter.numel() and is_array(sorter._data):
            places = sorter._data
            if places.min() < 0 or places.max() >= edges.shape[-1]:
                raise RuntimeError(f"{name}: sorter index out of range")
        edges = edges.gather(-1, sorter)
    common = dtypes.promote_types(edges.dtype, values.dtype)
    if common.category in (dtypes.BOOL, dtypes.COMPLEX) and values.numel():
        raise unsupported("searchsorted_out_cpu", common)
    return search_of(edges, values, right, out_int32)


def bucketize(
    input: Any, boundaries: Any = REQUIRED, *, out_int32: bool = False, right: bool = False, out: Any = None
) -> Any:
    """Which of the intervals between sorted boundaries each value lies in.

    Args:
        input: values, or a number.
        boundaries: 1-d, ascending.
        out_int32: int32 instead of int64.
        right: whether the intervals are closed on the left instead of on the right.
        out: tensor to write the result to.

    Returns:
        positions in the shape of `input`.

    Raises:
        RuntimeError: if the boundaries are not 1-d.

    Example:
        >>> import cotangent as torch
        >>> torch.bucketize(torch.tensor([0.5, 2.0]), torch.tensor([1.0, 2.0]))
        tensor([0, 1])
    """
    if boundaries is REQUIRED:
        missing("bucketize", "boundaries")
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return deliver("bucketize", _found(boundaries, input, out_int32, right, None, None, out), out)
