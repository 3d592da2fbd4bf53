"""Sparse tensors of other sizes, copies of their parts, and two products and norms that only they have."""

from __future__ import annotations

from typing import Any

import numpy as np

from .creation import born
from .kernels.sparse import Coo
from .kernels.sparse_checks import NO_SHRINKING, spread
from .ops.arguments import integers
from .ops.gather import index_select
from .ops.sparse import coalesce, coo_of, is_sparse, product, values_of
from .uncommon import no_backend


def hspmm(mat1: Any, mat2: Any, *, out: Any = None) -> Any:
    """A sparse matrix times a dense one, as a sparse tensor of dense rows.

    Args:
        mat1: sparse (n, m).
        mat2: (m, p).
        out: accepted for PyTorch's sake; must be None.

    Returns:
        (n, p) with one sparse and one dense dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.hspmm(torch.tensor([[0.0, 2.0], [0.0, 0.0]]).to_sparse(), torch.ones(2, 3)).values()
        tensor([[2., 2., 2.]])
    """
    if not is_sparse(mat1):
        raise no_backend("hspmm")
    rows = born(np.unique(mat1._data.indices[0]))
    dense = index_select(product(mat1, mat2), 0, rows)
    return coo_of(rows.unsqueeze(0), dense, (mat1.shape[0], mat2.shape[1]), True)


def native_norm(input: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The norm of a sparse tensor.

    Args:
        input: sparse tensor.
        p: order of the norm.
        dim: all dimensions, or none.
        keepdim: keep them with size 1.
        dtype: dtype to convert to first.

    Raises:
        NotImplementedError: for a dense tensor.
    """
    if not is_sparse(input):
        raise no_backend("native_norm")
    if dim and len(dim) != input.ndim:
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must either be empty or "
            "contain all "
            "dimensions of the input"
        )
    return (input if dtype is None else input.to(dtype)).norm(p)


def _sparse_broadcast_to(input: Any, size: Any) -> Any:
    """A sparse tensor repeated along dimensions of size one, and along new ones in front.

    Args:
        input: sparse tensor.
        size: the new shape.

    Raises:
        RuntimeError: if `input` does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch._sparse_broadcast_to(torch.ones(1).to_sparse(), (2,)).values()
        tensor([1., 1.])
    """
    data = _places("_sparse_broadcast_to", input)
    shape, n = tuple(size), data.sparse_dim
    sparse = len(shape) - (data.ndim - n)
    places, at = spread(data.indices, np.arange(data.indices.shape[1]), data.shape[:n], shape[:sparse])
    values = index_select(values_of(input), 0, born(at)).expand((len(at), *shape[sparse:]))
    made = coo_of(born(places), values, shape, False)
    return coalesce(made) if data.coalesced else made


def _places(name: str, t: Any) -> Coo:
    if not isinstance(t._data, Coo):
        raise no_backend(name)
    return t._data


def sparse_resize_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
    """Give a sparse tensor another shape, with the values it has.

    Args:
        size: the shape.
        sparse_dim, dense_dim: how many of its dimensions are sparse, how many dense.

    Returns:
        the tensor.

    Raises:
        RuntimeError: if there are values and the shape would shrink, or the split would be another.

    Example:
        >>> import cotangent as torch
        >>> torch.eye(2).to_sparse().sparse_resize_((3, 4), 2, 0).shape
        torch.Size([3, 4])
    """
    data = _places("sparse_resize_", self)
    shape = integers("sparse_resize_", "size", (size,))
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, sparse_dim = "
            f"{sparse_dim}, dense_dim = {dense_dim}"
        )
    n = data.sparse_dim
    count = data.indices.shape[1]
    if count:
        have = {"sparse": (n, data.shape[:n]), "dense": (data.ndim - n, data.shape[n:])}
        want = {"sparse": (sparse_dim, shape[:sparse_dim]), "dense": (dense_dim, shape[sparse_dim:])}
        for kind in ("sparse", "dense"):
            if have[kind][0] != want[kind][0]:
                raise RuntimeError(
                    f"changing the number of {kind} dimensions (from {have[kind][0]} to {want[kind][0]}) "
                    f"{NO_SHRINKING}"
                )
        for kind in ("sparse", "dense"):
            if any(new < old for new, old in zip(want[kind][1], have[kind][1], strict=True)):
                raise RuntimeError(
                    f"shrinking the size of {kind} dimensions (from {list(have[kind][1])} to "
                    f"{list(want[kind][1])}) {NO_SHRINKING}"
                )
        values = np.zeros((count, *shape[sparse_dim:]), data.values.dtype)
        values[tuple(slice(size) for size in data.values.shape)] = data.values
        self._data = Coo(data.indices, values, shape, data.coalesced)
        return self
    return sparse_resize_and_clear_(self, shape, sparse_dim, dense_dim)


def sparse_resize_and_clear_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
    """Give a sparse tensor another shape and no values.

    Args:
        size: the shape.
        sparse_dim, dense_dim: how many of its dimensions are sparse, how many dense.

    Returns:
        the tensor.
    """
    data = _places("sparse_resize_and_clear_", self)
    shape = integers("sparse_resize_and_clear_", "size", (size,))
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({sparse_dim}) + dense_dim ({dense_dim}), but got "
            f"{len(shape)}"
        )
    empty = np.empty((0, *shape[sparse_dim:]), data.values.dtype)
    self._data = Coo(np.empty((sparse_dim, 0), np.int64), empty, shape, True)
    return self


def resize_as_sparse_(self: Any, the_template: Any) -> Any:
    """Give a sparse tensor the shape of another, with the values it has.

    Args:
        the_template: sparse tensor.

    Returns:
        the tensor.
    """
    given = _places("resize_as_sparse_", the_template)
    if self._data.layout != "torch.sparse_coo" and self._data.shape == given.shape:
        return self
    return sparse_resize_(self, given.shape, given.sparse_dim, given.ndim - given.sparse_dim)


def indices_copy(input: Any, *, out: Any = None) -> Any:
    """A copy of the places of a sparse tensor.

    Args:
        input: coalesced sparse tensor.
        out: a tensor for the copy.
    """
    found = input.indices().clone()
    return found if out is None else out.resize_(found.shape).copy_(found)


def values_copy(input: Any, *, out: Any = None) -> Any:
    """A copy of the values of a sparse tensor.

    Args:
        input: coalesced sparse tensor.
        out: a tensor for the copy.
    """
    found = input.values().clone()
    return found if out is None else out.resize_(found.shape).copy_(found)


def _coalesced_(self: Any, coalesced: bool) -> Any:
    """Say of a sparse tensor whether it has every place once, in order, without looking.

    Args:
        coalesced: what is said.

    Returns:
        the tensor.
    """
    data = _places("_coalesced_", self)
    self._data = Coo(data.indices, data.values, data.shape, coalesced)
    self._data.coalesced = coalesced
    return self
