"""Masked reductions of sparse tensors: what is stored and let through is reduced, the rest has no part in it.

Only the stored elements of the result are those of dimensions in which something was let through. As in
PyTorch no gradient passes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..creation import born
from ..kernels.compressed import Compressed, compress
from ..kernels.halves import is_half
from ..kernels.sparse import Coo, repeated
from ..size import sparse_csr

_REDUCERS: Final[dict[str, Any]] = {
    "sum": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
    "mean": np.add,
}


def broadcast_mask(mask: Any, input: Any) -> Any:
    """A mask in the layout and the shape of a sparse input, coalesced, of bools."""
    data = mask._data
    if data.__class__ is np.ndarray:
        made = born(np.broadcast_to(data, tuple(input.shape)) != 0).to_sparse(_sparse_dims(input))
    else:
        coo: Any = data.coordinates() if isinstance(data, Compressed) else data
        bools: Any = coo.astype(np.bool_)
        if bools.shape != tuple(input.shape):
            bools = repeated(bools, tuple(input.shape))
        made = born(bools).coalesce()
    return made.to_sparse_csr() if input.layout is sparse_csr else made


def dense_mask(mask: Any, shape: Any) -> Any:
    """A sparse mask for a dense input."""
    return mask.to_dense().expand(shape).bool()


def _sparse_dims(input: Any) -> int:
    data = input._data
    return 2 if isinstance(data, Compressed) else int(data.sparse_dim)


def chosen(mask: Any, input: Any, fill_value: Any) -> Any:
    """`where` of sparse tensors: the stored elements are those that the mask lets through.

    Args:
        mask: bool, sparse, of the layout and shape of `input`.
        input: sparse tensor.
        fill_value: 0-d tensor; stands in the dense dimensions for what the mask hides.
    """
    one, two = (x._data for x in (mask, input))
    compressed = isinstance(two, Compressed)
    if compressed:
        one, two = one.coordinates(), two.coordinates()
    one, two = one.coalesce(), two.coalesce()
    hidden = ~one.values
    kept = one.values.any(axis=tuple(range(1, one.values.ndim))) if one.values.ndim > 1 else one.values
    places = one.indices[:, kept]
    values = two.at(places, two.shape[: two.sparse_dim])
    if values.ndim > 1:
        stored = np.isin(one.keys()[kept], two.keys())
        stored = stored.reshape(-1, *(1,) * (values.ndim - 1))
        values = np.where(hidden[kept] & stored, fill_value._data, values)
    found: Any = Coo(places, values.astype(two.values.dtype, copy=False), two.shape, True)
    if compressed:
        found = compress(found, "torch.sparse_csr", (), 0)
    return born(found)


def reduced(name: str, input: Any, dims: tuple[int, ...], keepdim: bool, dtype: Any, identity: Any) -> Any:
    """The reduction of what a sparse tensor stores.

    Args:
        name: "sum", "prod", "amax", "amin" or (of CSR tensors) "mean".
        input: sparse tensor whose stored elements count.
        dims: the dimensions.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result.
        identity: 0-d tensor, the result where nothing is stored.

    Returns:
        sparse tensor.

    Raises:
        RuntimeError: for CSR tensors without `keepdim`.
    """
    if isinstance(input._data, Compressed):
        return _reduced_rows(name, input._data, dims, keepdim, dtype.np)
    data, np_dtype = input._data, dtype.np
    n = data.sparse_dim
    values = data.values.astype(np_dtype)
    within: tuple[int, ...] = tuple(d - n + 1 for d in dims if n <= d < data.ndim)
    if within:
        if name != "sum":
            return NotImplemented
        values = values.sum(axis=within, dtype=np_dtype, keepdims=keepdim)
    away = [d for d in dims if d < n]
    if len(away) == n:
        if name in ("amax", "amin") and not len(values):
            whole = np.asarray(identity._data, np_dtype)
        else:
            whole = np.asarray(_REDUCERS[name].reduce(_widened(values), axis=0)).astype(np_dtype)
        return born(whole.reshape((1,) * (n if keepdim else 0) + whole.shape)).to_sparse()
    sizes = tuple(1 if d in dims else s for d, s in enumerate(data.shape) if keepdim or d not in dims)
    indices = data.indices.copy()
    if keepdim:
        indices[away] = 0
    else:
        indices = np.delete(indices, away, 0)
    if indices.size:
        indices, values = _joined(name, indices, values)
    found: Any = Coo(indices, values, sizes)
    return born(found)


def _widened(values: Any) -> Any:
    return values.astype(np.float32) if is_half(values.dtype) else values


def _joined(name: str, indices: Any, values: Any) -> tuple[Any, Any]:
    """Each place once, in order, with the reduction of its values."""
    order = np.lexsort(indices[::-1])
    places, ordered = indices[:, order], _widened(values)[order]
    fresh = np.r_[True, (places[:, 1:] != places[:, :-1]).any(axis=0)]
    starts = np.flatnonzero(fresh)
    found = _REDUCERS[name].reduceat(ordered, starts, axis=0)
    if name == "mean":
        found = found / np.diff(np.r_[starts, len(order)])
    return places[:, starts], found.astype(values.dtype)


def _reduced_rows(name: str, data: Compressed, dims: tuple[int, ...], keepdim: bool, dtype: Any) -> Any:
    """The reduction of a CSR matrix."""
    if not keepdim:
        text = "reduction operations on CSR tensors with keepdim=False is unsupported"
        raise RuntimeError(text) if name in ("sum", "prod") else AssertionError(text)
    coo = data.coordinates()
    indices, values = coo.indices.copy(), coo.values.astype(dtype)
    indices[list(dims)] = 0
    if indices.size:
        indices, values = _joined(name, indices, values)
    shape = tuple(1 if d in dims else s for d, s in enumerate(data.shape))
    if len(dims) == 2 and not len(values):
        shape = (1, 0)
    found: Any = compress(Coo(indices, values, shape, True), "torch.sparse_csr", (), 0)
    return born(found)
