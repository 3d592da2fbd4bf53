"""What operations on rows at an index refuse, `index_select` to `index_put`, with PyTorch's texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..kernels.sparse import Coo


def _others(shape: Any, dim: int) -> list[int]:
    return [n for d, n in enumerate(shape) if d != dim]


def _strays(index: Any, low: int, high: int) -> Any:
    """The numbers outside of a range, in their order; none where they are not known."""
    data = index._data
    if data.__class__ is not np.ndarray or not data.size or (data.min() >= low and data.max() < high):
        return ()
    return data[(data < low) | (data >= high)]


def check_selected(input: Any, dim: int, index: Any) -> None:
    """Refuse rows of `index_select` that there are not."""
    n = input.shape[dim] if input.ndim else 1
    sparse = input._data.__class__ is Coo
    strays = _strays(index, -n if sparse else 0, n)
    if not len(strays):
        return
    if sparse:
        raise IndexError(
            f"index_select(): index contains {strays[0]} that is out of range for tensor of size "
            f"{list(input.shape)} at dimension {dim}"
        )
    if input.ndim > 1 and not n:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    if not input.numel() and n:
        raise RuntimeError(f"INDICES element is out of DATA bounds, id={strays[0]} axis_dim={n}")
    raise IndexError("index out of range in self")


def check_rows(name: str, input: Any, dim: int, index: Any) -> None:
    """Refuse rows that an operation would write and that there are not.

    Args:
        name: "index_add", "index_copy", "index_fill" (which counts from the end as well) or "index_reduce".
        input: what is written.
        dim: the dimension of the rows.
        index: their numbers.
    """
    n = input.shape[dim] if input.ndim else 1
    strays = _strays(index, -n if name == "index_fill" else 0, n)
    if not len(strays):
        return
    if name == "index_reduce" or (name == "index_add" and input.ndim < 2):
        raise IndexError("index out of range in self")
    where = f"index {strays[0]} is out of bounds for dimension {dim} with size {n}"
    if name == "index_add":
        raise RuntimeError(where)
    raise IndexError(f"index_copy_(): {where}" if name == "index_copy" else where)


def check_added(input: Any, dim: int, index: Any, source: Any) -> None:
    """Refuse arguments of `index_add` that do not fit each other."""
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"index_add_(): Expected dtype int32/int64 for index but got: {dtypes.SCALAR_NAME[index.dtype]}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_add_(): self ({dtypes.SCALAR_NAME[input.dtype]}) and source "
            f"({dtypes.SCALAR_NAME[source.dtype]}) must have the same scalar type"
        )
    if not source.ndim and not index.numel():
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if source.ndim and dim >= source.ndim:
        raise RuntimeError(
            f"index_add_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}"
        )
    if source.ndim and index.numel() != source.shape[dim]:
        raise RuntimeError(
            f"index_add_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
            f"({source.shape[dim]}), for dim: {dim}"
        )
    if (source.ndim or input.ndim) and (
        source.ndim != input.ndim or _others(input.shape, dim) != _others(source.shape, dim)
    ):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got "
            f"self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )


def check_copied(input: Any, dim: int, index: Any, source: Any) -> None:
    """Refuse arguments of `index_copy` that do not fit each other."""
    count = index.numel()
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if not source.ndim and count != 1:
        raise IndexError(
            f"index_copy_(): When source is scalar, index should have one element (got {count})"
        )
    if source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. "
            f"Source dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"index_copy_(): Expected a long tensor for index, but got {dtypes.SCALAR_NAME[index.dtype]}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{dtypes.SCALAR_NAME[input.dtype]} and (source) {dtypes.SCALAR_NAME[source.dtype]}"
        )
    have, given = _others(input.shape, dim), _others(source.shape, dim)
    if have != given and (have or given):
        at = next((d for d, pair in enumerate(zip(have, given, strict=False)) if pair[0] != pair[1]), 0)
        sizes = [shape[at] if at < len(shape) else 1 for shape in (have, given)]
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{sizes[0]} at dimension {dim} and source slice shape: {sizes[1]} at dimension 0."
        )
    if source.ndim and count != source.shape[dim]:
        raise IndexError(
            f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) "
            f"({source.shape[dim]})"
        )


def check_put(input: Any, indices: list[Any], dims: list[int], values: Any) -> None:
    """Refuse values of `index_put` that do not broadcast to what is indexed."""
    try:
        places = np.broadcast_shapes(*(tuple(i.shape) for i in indices))
    except ValueError:
        return  # the indices themselves do not fit, which is told next
    shape = tuple(input.shape)
    rest = tuple(n for d, n in enumerate(shape) if d not in dims)
    first = dims[0] if dims == list(range(dims[0], dims[0] + len(dims))) else 0
    wanted, given = (*rest[:first], *places, *rest[first:]), tuple(values.shape)
    try:
        fits = np.broadcast_shapes(given, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing result of "
            f"shape {list(wanted)}"
        )
