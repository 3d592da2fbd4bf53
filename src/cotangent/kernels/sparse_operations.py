"""What the operations of the table do with sparse operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .sparse import OPERATIONS, Array, Coo, added as added, divided, divisor, multiplied, product, repeated
from .sparse_checks import check_copy, check_norm, check_parts, check_swap


def _refuse_dense(one: Any, two: Any, alpha: Any) -> Any:
    if isinstance(one, Coo) and not isinstance(two, Coo) and one.layout == "torch.sparse_coo":
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    return added(one, two, alpha)


def transposed(a: Coo, dim0: int, dim1: int) -> Coo:
    """Two sparse dimensions exchanged."""
    order = list(range(a.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    check_swap(a.sparse_dim, dim0, dim1)
    return a.permute(tuple(order))


def selected(a: Coo, dim: int, index: int) -> Any:
    """The slice at an index of one dimension: sparse as long as a sparse dimension is left."""
    n = a.sparse_dim
    if dim >= n:
        return a.with_values(np.take(a.values, index, axis=dim - n + 1))
    hit = a.indices[dim] == index
    values = a.values[hit]
    if n == 1:
        return values.sum(axis=0, dtype=values.dtype)
    return Coo(np.delete(a.indices[:, hit], dim, 0), values, a.shape[:dim] + a.shape[dim + 1 :])


def stacked(parts: list[Any], dim: int) -> Coo:
    """Sparse tensors along a new dimension."""
    check_parts(parts, -1)
    return joined([unsqueezed(part, dim) for part in parts], dim)


def joined(parts: list[Any], dim: int) -> Coo:
    """Sparse tensors one after the other; along a dense dimension, zeros fill each up to the whole length."""
    check_parts(parts, dim)
    first = parts[0]
    if dim >= first.sparse_dim:
        return _joined_dense(parts, dim, dim - first.sparse_dim + 1)
    start, indices = 0, []
    for part in parts:
        moved = part.indices.copy()
        moved[dim] += start
        indices.append(moved)
        start += part.shape[dim]
    shape = (*first.shape[:dim], start, *first.shape[dim + 1 :])
    return Coo(np.concatenate(indices, 1), np.concatenate([part.values for part in parts]), shape)


def rows_of(a: Coo, index: Array, dim: int) -> Coo:
    """The slices at several indices of a sparse dimension."""
    if dim >= a.sparse_dim:
        return a.with_values(np.take(a.values, index, axis=dim - a.sparse_dim + 1))
    index = index % a.shape[dim]  # they may count from the end
    order = np.argsort(a.indices[dim], kind="stable")
    line = a.indices[dim][order]
    first, last = np.searchsorted(line, index, "left"), np.searchsorted(line, index, "right")
    counts = last - first
    picked = order[np.repeat(first, counts) + _ranges(counts)]
    places = a.indices[:, picked]
    places[dim] = np.repeat(np.arange(len(index)), counts)
    return Coo(places, a.values[picked], (*a.shape[:dim], len(index), *a.shape[dim + 1 :]))


def _ranges(counts: Array) -> Array:
    """0, 1, ... counts[0]-1, 0, 1, ... counts[1]-1, and so on."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def lines_of(a: Coo, dim: int) -> tuple[Any, ...]:
    """The slices along a dimension."""
    return tuple(selected(a, dim, index) for index in range(a.shape[dim]))


def unsqueezed(a: Coo, dim: int) -> Coo:
    """With a sparse dimension of size one more."""
    if dim > a.sparse_dim:
        return a.with_values(np.expand_dims(a.values, dim - a.sparse_dim + 1))
    shape = (*a.shape[:dim], 1, *a.shape[dim:])
    return Coo(np.insert(a.indices, dim, 0, axis=0), a.values, shape, a.coalesced)


def empty_like(a: Coo) -> Coo:
    """No values at all."""
    return Coo(a.indices[:, :0], a.values[:0], a.shape, True)


def _sum_dims(a: Coo, dims: tuple[int, ...], keepdim: bool) -> Any:
    n = a.sparse_dim
    kept = [d for d in range(n) if d not in dims]
    if not kept or not dims:
        return np.add.reduce(a.dense(), axis=dims, keepdims=keepdim)
    within = tuple(d - n + 1 for d in dims if d >= n)
    values = np.add.reduce(a.values, axis=within, keepdims=keepdim) if within else a.values
    rows = [np.zeros_like(a.indices[d]) if d in dims else a.indices[d] for d in range(n)] if keepdim else None
    sizes = [1 if d in dims else size for d, size in enumerate(a.shape) if keepdim or d not in dims]
    places = np.stack(rows) if rows else a.indices[kept]
    found = Coo(places, values, tuple(sizes)).coalesce()
    return found.with_values(found.values.astype(np.int64)) if values.dtype.kind in "iub" else found


def _norm(a: Coo, ord: Any, dims: Any, keepdim: bool) -> Any:
    check_norm(a.ndim, dims, keepdim)
    return np.asarray(np.linalg.norm(a.coalesce().values.reshape(-1), ord), a.values.real.dtype)


def _copied(a: Any, source: Any) -> Any:
    check_copy(a, source)
    return source.astype(a.values.dtype)


def _joined_dense(parts: list[Coo], dim: int, axis: int) -> Coo:
    whole, start, values = sum(part.shape[dim] for part in parts), 0, []
    for part in parts:
        wide = np.zeros((*part.values.shape[:axis], whole, *part.values.shape[axis + 1 :]), part.values.dtype)
        wide[(slice(None),) * axis + (slice(start, start + part.shape[dim]),)] = part.values
        values.append(wide)
        start += part.shape[dim]
    shape = (*parts[0].shape[:dim], whole, *parts[0].shape[dim + 1 :])
    return Coo(np.concatenate([part.indices for part in parts], 1), np.concatenate(values), shape)


def narrowed(a: Coo, dim: int, start: int, stop: int, every: int) -> Coo:
    """Part of a dimension, as a copy."""
    shape = (*a.shape[:dim], stop - start, *a.shape[dim + 1 :])
    if dim >= a.sparse_dim:
        within = (slice(None),) * (dim - a.sparse_dim + 1) + (slice(start, stop),)
        return Coo(a.indices.copy(), a.values[within].copy(), shape, a.coalesced)
    kept = (a.indices[dim] >= start) & (a.indices[dim] < stop)
    places = a.indices[:, kept]
    places[dim] -= start
    return Coo(places, a.values[kept], shape, a.coalesced)


def floor_divided(one: Any, two: Any) -> Coo:
    """What is stored divided and rounded down."""
    by, whole = divisor("floor division", one, two), one.coalesce()
    return whole.with_values(np.floor_divide(whole.values, by))  # type: ignore[no-any-return]


def truncated(one: Any, two: Any) -> Coo:
    """What is stored divided and rounded towards zero."""
    whole = one.coalesce()
    found: Coo = whole.with_values(np.trunc(divided(whole, two).values).astype(whole.values.dtype))
    return found


def each_product(a: Any, b: Any) -> Any:
    """The products of a batch of sparse matrices with dense ones."""
    if isinstance(b, Coo):
        raise RuntimeError("bmm_sparse: Tensor 'mat2' must be dense")
    return np.stack([product(selected(a, 0, i), b[i]) for i in range(len(b))])


_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "add": _refuse_dense,
    "sub": lambda one, two, alpha: _refuse_dense(one, -two, alpha),
    "mul": multiplied,
    "div_true": divided,
    "neg": lambda a: -a,
    "cast": lambda a, to: a.copy().astype(to),
    **dict.fromkeys(("clone_of", "dense_clone", "clone_for_grad"), lambda a: a.copy()),
    "alias": lambda a: a,
    "ones_like": lambda a: a.with_values(np.ones_like(a.values)),
    "full_like": lambda a, value: a.with_values(np.full_like(a.values, value)) if value else empty_like(a),
    "copy_to": _copied,
    "transpose_dims": transposed,
    "t_matrix": lambda a: transposed(a, 0, 1),
    "permute_dims": lambda a, order: a.permute(order),
    "select_at": selected,
    "select_rows": rows_of,
    "sparse_repeated": repeated,
    "unsqueeze_at": unsqueezed,
    "unbind_dim": lines_of,
    "cat": joined,
    "stack": stacked,
    "narrow_by_copy": narrowed,
    **dict.fromkeys(("floor_divide_tensor", "floor_divide_number", "div_floor"), floor_divided),
    "div_trunc": truncated,
    "bmm": each_product,
    **dict.fromkeys(("mm", "mv"), product),
    "addmm_of": lambda c, a, b, beta, alpha: beta * c + alpha * product(a, b),
    "sum_all": lambda a: np.add.reduce(a.values, axis=None, keepdims=False, dtype=a.values.dtype)[...],
    "sum_dims": _sum_dims,
    "norm_of": _norm,
    "any_of": lambda a, dims, keepdim: np.any(a.values),
    **dict.fromkeys(("zeros_like", "zeroed"), empty_like),
    **dict.fromkeys(("conj_of", "conj_view"), lambda a: a.with_values(np.conj(a.values))),
}
OPERATIONS.update(_OPERATIONS)
