"""Writes that read the memory they write, element by element as PyTorch's loops go: small tensors only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..errors import check_broadcast
from ..kernels.index import key_of
from ..kernels.shape import element_strides, in_memory, storage_offset
from ..ops.table import Primitive
from .dispatch import convert, run_kernel


def overlaps_itself(data: Any) -> bool:
    """Whether several elements lie at one place in memory."""
    places: Any = np.zeros((), np.int64)
    for n, step in zip(data.shape, data.strides, strict=True):
        places = np.add.outer(places, np.arange(n) * step)
    return bool(np.unique(places).size < places.size)


def write_in_turn(op: Primitive, data: Any, arrays: list[Any], statics: tuple[Any, ...]) -> None:
    """Compute and store element by element, the dimension with the smallest steps in memory fastest."""
    order = sorted(range(data.ndim), key=lambda d: -abs(data.strides[d]))
    operands = [None if a is None else np.broadcast_to(a, data.shape).transpose(order) for a in arrays]
    seen = data.transpose(order)
    for place in np.ndindex(seen.shape):
        values = tuple(None if a is None else np.asarray(a[place]) for a in operands)
        seen[place] = convert(np.asarray(run_kernel(op, values, statics)), data.dtype)


def put_in_turn(data: Any, values: Any, indices: Any, dims: Any, accumulate: bool) -> None:
    """Write or add one value after the other: places or values may lie in memory that is being written."""
    shown: Any = in_memory(data, data.shape, element_strides(data), storage_offset(data))
    places = np.arange(data.size).reshape(data.shape)[key_of(indices, dims)]
    given = np.broadcast_to(values, places.shape)
    for where in np.ndindex(places.shape):
        place = np.unravel_index(places[where], data.shape)
        shown[place] = shown[place] + given[where] if accumulate else given[where]


def _copy_in_turn(data: Any, src: Any) -> None:
    """Copy element by element from memory that is being written."""
    if src.ndim > data.ndim:
        raise RuntimeError(
            f"output with shape {list(data.shape)} doesn't match the broadcast shape "
            f"{list(check_broadcast([data.shape, src.shape]))}"
        )
    order = sorted(range(data.ndim), key=lambda d: -abs(data.strides[d]))
    seen, given = data.transpose(order), np.broadcast_to(src, data.shape).transpose(order)
    for place in np.ndindex(seen.shape):
        seen[place] = convert(np.asarray(given[place]), data.dtype)


def _copy_rows_in_turn(data: Any, src: Any, index: Any, dim: int) -> None:
    """Copy rows one after the other from memory that is being written."""
    seen, given = np.moveaxis(data, dim, -1), np.moveaxis(src, dim, -1)
    for place in np.ndindex(seen.shape[:-1]):
        for k, row in enumerate(index):
            seen[(*place, row)] = given[(*place, k)]


def _add_rows_in_turn(data: Any, src: Any, index: Any, dim: int, alpha: Any) -> None:
    """Add rows one after the other from memory that is being written."""
    seen, given = np.moveaxis(data, dim, 0), np.moveaxis(src, dim, 0)
    for k, row in enumerate(index):
        seen[row] = seen[row] + convert(np.asarray(given[k] * alpha), data.dtype)


IN_TURN: Final[dict[str, Callable[..., None]]] = {
    "copy_to": _copy_in_turn, "copy_rows": _copy_rows_in_turn, "add_rows": _add_rows_in_turn
}  # fmt: skip
