"""What PyTorch refuses to do with sparse arrays, in its words; and how they broadcast."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes

NO_SHRINKING: Final = (
    "on a non-empty sparse tensor is not supported.\nYou could try the following options:\n1. If you "
    "need an empty "
    "sparse tensor of this size, call `x = torch.sparse_coo_tensor(size)`.\n2. If you need to resize "
    "this tensor, "
    "you have the following options:\n    1. For both sparse and dense dimensions, keep the number of "
    "them constant "
    "and the size of them non-shrinking, and then try the same call again.\n    2. Or, create a new "
    "sparse tensor "
    "with the correct indices and values from this sparse tensor."
)


def type_name(a: Any) -> str:
    """PyTorch's name of a payload's type: "torch.sparse.FloatTensor"."""
    sparse = hasattr(a, "indices")
    d = a.dtype if isinstance(a.dtype, dtypes.dtype) else dtypes.FROM_NUMPY[a.dtype]
    return f"torch.{'sparse.' * sparse}{d.type_name}"


def check_copy(a: Any, source: Any) -> None:
    """Refuse to copy between dense and sparse, or into a sparse array that would have to shrink."""
    if not hasattr(a, "indices") or not hasattr(source, "indices"):
        raise RuntimeError(
            f"copy_() between dense and sparse Tensors is not implemented! Found self type = {type_name(a)} "
            f"and src type = {type_name(source)}"
        )
    if not a.indices.shape[1] or a.shape == source.shape:
        return
    if a.sparse_dim != source.sparse_dim:
        raise RuntimeError(
            f"changing the number of sparse dimensions (from {a.sparse_dim} to {source.sparse_dim}) "
            + NO_SHRINKING
        )
    old, new = (list(x.shape[: x.sparse_dim]) for x in (a, source))
    if any(m < n for m, n in zip(new, old, strict=True)):
        raise RuntimeError(f"shrinking the size of sparse dimensions (from {old} to {new}) " + NO_SHRINKING)


def check_order(order: tuple[int, ...], sparse_dim: int) -> None:
    """Refuse an order of dimensions in which a dense one comes among the sparse ones."""
    if any((d < sparse_dim) != (place < sparse_dim) for place, d in enumerate(order)):
        raise RuntimeError(
            "permute(sparse_coo): transpositions between sparse and dense dimensions are not allowed."
            "Only transpositions within sparse and dense dimensions are supported."
        )


def check_swap(sparse_dim: int, dim0: int, dim1: int) -> None:
    """Refuse to exchange dimensions that are not both sparse."""
    if max(dim0, dim1) >= sparse_dim:
        raise RuntimeError(
            f"sparse transpose: transposed dimensions must be sparse Got sparse_dim: {sparse_dim}, d0: "
            f"{dim0}, d1: {dim1}"
        )


def check_density(one: Any, two: Any) -> None:
    """Refuse sums of different numbers of sparse dimensions."""
    if one.sparse_dim != two.sparse_dim:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same density, but 'self' has {one.sparse_dim} sparse "
            f"dimensions while 'other' has {two.sparse_dim} sparse dimensions"
        )


def check_parts(parts: list[Any], dim: int) -> None:
    """Refuse to join arrays that do not fit."""
    first = parts[0]
    for at, part in enumerate(parts):
        if not hasattr(part, "indices"):
            raise RuntimeError(
                f"Concatenating sparse tensors, but a dense tensor was found at position {at}."
            )
        if len(part.shape) != len(first.shape) or any(
            d != dim and n != m for d, (n, m) in enumerate(zip(part.shape, first.shape, strict=True))
        ):
            raise RuntimeError(
                f"All tensors must have the same shape: {list(first.shape)} (except in the concatenating "
                f"dimension), but found shape: {list(part.shape)} at position {at}."
            )
        if part.sparse_dim != first.sparse_dim:
            have, wanted = ((p.sparse_dim, p.ndim - p.sparse_dim) for p in (part, first))
            raise RuntimeError(
                f"All tensors must have the same sparse_dim and dense_dim: {wanted[0]}, {wanted[1]}, but "
                f"tensor at position {at} has {have[0]}, {have[1]}."
            )


def check_norm(ndim: int, dims: Any, keepdim: bool) -> None:
    """Refuse norms that are not those of all elements."""
    if dims is not None and len(dims) not in (0, ndim):
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must either be empty or contain "
            "all dimensions of the input"
        )
    if keepdim:
        raise RuntimeError("norm_sparse currently does not support keepdim=True")


def spread(indices: Any, values: Any, have: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Places and values of a sparse array of shape `have`, broadcast to `shape`.

    Raises:
        RuntimeError: if it does not fit.
    """
    new, sparse_dim = len(shape) - len(have), len(indices)
    if new < 0 or any(n not in (1, m) for n, m in zip(have, shape[new:], strict=True)):
        raise RuntimeError(f"a sparse tensor of shape {list(have)} does not broadcast to {list(shape)}")
    sparse = new + sparse_dim
    wide = np.broadcast_to(values, (len(values), *shape[sparse:]))
    places = np.concatenate((np.zeros((new, indices.shape[1]), indices.dtype), indices))
    old = (*(1,) * new, *have[:sparse_dim])
    counts = [m if n == 1 else 1 for n, m in zip(old, shape[:sparse], strict=True)]
    moves = np.indices(counts, indices.dtype).reshape(sparse, -1)
    every = (places[:, :, None] + moves[:, None, :]).reshape(sparse, -1)
    return every, np.repeat(wide, moves.shape[1], 0)
