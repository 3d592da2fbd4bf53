"""Sparse tensors in coordinate form: the payload `Coo`, and the kernels that know it.

A `Coo` holds the places (one column of indices for each value) and the values. It takes the array's place
as a tensor's payload: an operation on it asks `apply_op`, derivative rules compute with it through
operators and NumPy's `__array_ufunc__`. Where a value is not stored it is zero; a place may come several
times, its values then count together, until `coalesce` adds them up and puts the places in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .. import dtypes, lazy
from .sparse_checks import check_copy, check_density, check_norm, check_order, check_parts, check_swap, spread

Array = Any
scipy_sparse: Final = lazy.module("scipy.sparse")

# Unary functions that leave zeros zero, by the name of the operation: PyTorch has them for sparse tensors.
KEEP_ZERO: Final = frozenset(
    (
        "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "sqrt", "abs", "abs_written", "sign",
        "sgn", "neg", "expm1", "log1p", "relu", "erf", "erfinv", "ceil", "floor", "trunc", "frac",
        "round_whole", "deg2rad", "rad2deg", "isnan", "isinf", "isposinf", "isneginf", "signbit",
        "nan_to_num_of", "pow_scalar", "zeroed",
    )
)  # fmt: skip


# Those whose in-place forms PyTorch has for coalesced tensors only.
COALESCED: Final = KEEP_ZERO - {"neg", "pow_scalar", "zeroed", "nan_to_num_of"}


class Coo:
    """Values at places.

    Args:
        indices: int64, one row for each sparse dimension, one column for each value.
        values: one for each column; further dimensions are dense.
        shape: the sparse dimensions, then the dense ones.
        coalesced: whether the places are in order and none comes twice.
    """

    __slots__ = ("indices", "values", "shape", "coalesced", "_matrix")

    def __init__(
        self, indices: Array, values: Array, shape: tuple[int, ...], coalesced: bool = False
    ) -> None:
        self.indices = indices
        self.values = values
        self.shape = shape
        self.coalesced = coalesced or (indices.shape[1] < 2 and indices.shape[0] > 0)
        self._matrix: Any = None

    layout: str = "torch.sparse_coo"

    def parts(self) -> dict[str, Array]:
        """What a `repr` shows, by name."""
        return {"indices": self.indices, "values": self.values}

    def item(self) -> Any:
        """The only element, which may be stored in parts or not at all."""
        return self.values.sum().item()

    def permute(self, order: tuple[int, ...]) -> Coo:
        """The dimensions in another order, sparse ones among sparse ones."""
        return permuted(self, order)

    # -- what every payload has ----------------------------------------------------------------------------

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type, as a dtype of ours: it is never one of NumPy's, which mark the fast paths."""
        return dtypes.FROM_NUMPY[self.values.dtype]

    @property
    def np_dtype(self) -> Any:
        """The element type of the values."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions, sparse and dense."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements, stored or not."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.values.dtype.itemsize)

    @property
    def strides(self) -> tuple[int, ...]:
        """There are none: zeros."""
        return (0,) * len(self.shape)

    @property
    def sparse_dim(self) -> int:
        """Number of sparse dimensions."""
        return int(self.indices.shape[0])

    @property
    def __array_interface__(self) -> Any:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    def astype(self, to: Any) -> Coo:
        """The same with other values' type."""
        return self.with_values(self.values.astype(to))

    def copy(self, order: str = "K") -> Coo:
        """The same in memory of its own."""
        return Coo(self.indices.copy(), self.values.copy(order), self.shape, self.coalesced)

    def with_values(self, values: Array) -> Coo:
        """Other values at the same places."""
        return Coo(self.indices, values, self.shape[: self.sparse_dim] + values.shape[1:], self.coalesced)

    # -- places --------------------------------------------------------------------------------------------

    def keys(self) -> Array:
        """One number for each place, in the order of the places."""
        sizes = self.shape[: self.sparse_dim]
        if not sizes:
            return np.zeros(self.indices.shape[1], np.int64)
        return np.ravel_multi_index(tuple(self.indices), sizes) if self.indices.size else self.indices[0]

    def coalesce(self) -> Coo:
        """Every place once, in order, with the sum of its values."""
        if self.coalesced:
            return self
        keys, where = np.unique(self.keys(), return_inverse=True)
        values = np.zeros((len(keys), *self.values.shape[1:]), self.values.dtype)
        np.add.at(values, where.reshape(-1), self.values)
        places: Array = np.empty((self.sparse_dim, len(keys)), np.int64)
        places[:, where.reshape(-1)] = self.indices
        return Coo(places, values, self.shape, True)

    def dense(self) -> Array:
        """As an array."""
        out = np.zeros(self.shape, self.values.dtype)
        self.add_to(out)
        return out

    def add_to(self, out: Array, factor: Any = 1) -> None:
        """Add to an array of that shape, times a factor."""
        values = self.values if factor == 1 else self.values * out.dtype.type(factor)
        if not self.sparse_dim:
            np.add(out, values.sum(axis=0), out=out, casting="unsafe")
        elif self.coalesced:
            out[tuple(self.indices)] += values
        else:
            np.add.at(out, tuple(self.indices), values)

    def at(self, places: Array, sizes: tuple[int, ...]) -> Array:
        """The values at other places, zeros where none is stored."""
        ordered = self.coalesce()
        mine, wanted = ordered.keys(), Coo(places, self.values[:0], sizes).keys()
        spots: Array = np.searchsorted(mine, wanted)
        spots[spots == len(mine)] = 0
        found: Array = np.zeros((len(wanted), *self.values.shape[1:]), self.values.dtype)
        if len(mine):
            hit = mine[spots] == wanted
            found[hit] = ordered.values[spots[hit]]
        return found

    def matrix(self) -> Any:
        """As a compressed-row matrix of SciPy, kept for the next product."""
        if self._matrix is None:
            made = scipy_sparse.coo_array((self.values, tuple(self.indices)), self.shape)
            self._matrix = made.tocsr()
        return self._matrix

    # -- arithmetic ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """What NumPy's functions do to sparse operands, for rules and the accumulation of gradients."""
        target = out[0] if out and out[0] is not Ellipsis else None
        combine = _BINARY.get(ufunc)
        if method != "__call__" or (combine is None and ufunc.nin != 1):
            return NotImplemented
        result = ufunc(*_values(inputs), **options) if combine is None else combine(*inputs)
        if combine is None:
            result = self.coalesce().with_values(result)
        if target is None:
            return result
        if isinstance(result, Coo):
            result = result.dense()
        target[...] = result
        return target

    def __add__(self, other: Any) -> Any:
        return added(other, self)  # where cotangents meet; PyTorch's engine writes the last one first

    def __radd__(self, other: Any) -> Any:
        return added(other, self)

    def __sub__(self, other: Any) -> Any:
        return added(self, -other)

    def __mul__(self, other: Any) -> Any:
        return multiplied(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return divided(self, other)

    def __neg__(self) -> Coo:
        return self.with_values(-self.values)

    def apply_op(self, op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Run an operation of the table of which this is an operand.

        Raises:
            NotImplementedError: if there is no sparse form of it.
        """
        for value in payloads:  # one that is being traced has the word
            if not isinstance(value, Coo) and hasattr(value, "apply_op"):
                return value.apply_op(op, payloads, statics)
        return apply(op, payloads, statics)


def _values(inputs: Any) -> Any:
    return [x.coalesce().values if isinstance(x, Coo) else x for x in inputs]


def _check_sizes(one: Any, two: Any) -> None:
    """Refuse sums of sparse arrays with others of another shape; numbers are left alone."""
    if not isinstance(two, Coo) or not np.ndim(one) or tuple(np.shape(one)) == two.shape:
        return
    if isinstance(one, Coo):
        sizes = f"{list(one.shape)} != {list(two.shape)}"
        raise RuntimeError(f"add: expected sizes of 'self' and 'other' to match, but {sizes}")
    raise RuntimeError(
        f"add: expected 'self' and 'other' to have same size, but self has size {list(one.shape)} while "
        f"other has size {list(two.shape)} (FYI: dense-sparse addition does not currently support "
        "broadcasting)"
    )


def added(one: Any, two: Any, alpha: Any = 1) -> Any:
    """one + alpha * two; of two sparse ones sparse, else dense."""
    _check_sizes(one, two)
    if not isinstance(two, Coo):
        if isinstance(one, Coo):
            out = np.multiply(two, alpha) if alpha != 1 else np.array(two)
            one.add_to(out)
            return out
        return one + alpha * two
    if not isinstance(one, Coo):
        out = np.array(one, np.result_type(one, two.values))
        two.add_to(out, alpha)
        return out
    scaled = two.values if alpha == 1 else two.values * two.values.dtype.type(alpha)
    # PyTorch merges contiguous values and puts others (of a sum's gradient, say) one after the other.
    spread = 0 in one.values.strides or 0 in two.values.strides
    ordered = one.coalesced and two.coalesced
    if (ordered or not spread) and np.array_equal(one.indices, two.indices):
        return one.with_values(one.values + scaled)
    check_density(one, two)
    together = Coo(
        np.concatenate((one.indices, two.indices), 1), np.concatenate((one.values, scaled)), one.shape
    )
    if ordered:
        return together.coalesce()
    return together if spread else _merged(together, one.indices.shape[1])


# Beyond so many values, places that meet are left apart: the merge below goes one by one.
_MERGED_AT_MOST: Final = 1 << 15


def _merged(together: Coo, first: int) -> Coo:
    """Two lists of places as PyTorch joins them: the smaller of the two heads next, equal heads as one.

    The lists need not be in order, so equal places meet only by chance; the sum of all values is the same.

    Args:
        together: one list, then the other.
        first: the length of the first.
    """
    keys = together.keys().tolist()
    if len(keys) > _MERGED_AT_MOST:
        return together
    order, new = [], []
    t, s, end = 0, first, len(keys)
    while t < first or s < end:
        both = t < first and s < end
        one = t < first and (not both or keys[t] <= keys[s])
        two = s < end and (not both or keys[s] <= keys[t])
        if one:
            order.append(t)
            new.append(True)
            t += 1
        if two:
            order.append(s)
            new.append(not one)
            s += 1
    starts = np.flatnonzero(new)
    values = np.add.reduceat(together.values[order], starts) if len(starts) else together.values[:0]
    return Coo(together.indices[:, np.array(order, np.int64)[starts]], values, together.shape)


def multiplied(one: Any, two: Any) -> Any:
    """one * two: sparse."""
    if not isinstance(one, Coo) or (isinstance(two, Coo) and not one.ndim):
        one, two = two, one
    if isinstance(two, Coo) and not two.ndim:
        two = np.asarray(two.item(), two.values.dtype)
    if isinstance(two, Coo):
        same = one.indices is two.indices or np.array_equal(one.indices, two.indices)
        if same and (one.coalesced or two.coalesced):
            return one.with_values(one.values * two.values)
        return one.with_values(one.values * two.at(one.indices, two.shape[: two.sparse_dim]))
    factor = np.asarray(two)
    if factor.ndim == 0:
        return one.with_values(one.values * factor)
    shape = np.broadcast_shapes(factor.shape, one.shape)
    one = one if shape == one.shape else repeated(one, shape)
    return one.with_values(one.values * np.broadcast_to(factor, shape)[tuple(one.indices)])


def repeated(a: Coo, shape: tuple[int, ...]) -> Coo:
    """A sparse array broadcast to a shape; dimensions in front become sparse ones."""
    found = Coo(*spread(a.indices, a.values, a.shape, shape), shape)
    return found.coalesce() if a.coalesced else found


def divided(one: Any, two: Any) -> Any:
    """one / two, where two has no dimensions."""
    divisor = _divisor("division", one, two)
    return one.with_values(one.values / divisor)


def _divisor(what: str, one: Any, two: Any) -> Any:
    if isinstance(two, Coo) or np.ndim(two) or not isinstance(one, Coo):
        raise RuntimeError(
            f"Sparse {what} requires a scalar or zero-dim dense tensor divisor (got "
            f"{f'shape {list(two.shape)} for' if two.ndim else 'a sparse'} divisor)"
        )
    return two


_BINARY: Final[dict[Any, Callable[..., Any]]] = {
    np.add: added,
    np.subtract: lambda one, two: added(one, two, -1),
    np.multiply: multiplied,
    np.true_divide: divided,
}


# -- operations of the table -------------------------------------------------------------------------------


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


def permuted(a: Coo, order: tuple[int, ...]) -> Coo:
    """The sparse dimensions in another order."""
    n = a.sparse_dim
    check_order(order, n)
    values = a.values.transpose((0, *(d - n + 1 for d in order[n:])))
    return Coo(a.indices[list(order[:n])], values, tuple(a.shape[d] for d in order))


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


def product(a: Any, b: Any) -> Any:
    """The matrix product: of two sparse matrices sparse, else dense."""
    if isinstance(a, Coo) and isinstance(b, Coo):
        found = (a.matrix() @ b.matrix()).tocoo()
        return Coo(np.stack((found.row, found.col)).astype(np.int64), found.data, found.shape).coalesce()
    if isinstance(a, Coo):
        return np.ascontiguousarray(a.matrix() @ b)
    return np.ascontiguousarray((b.matrix().T @ a.T).T)


def dense_product_like(a: Any, b: Any) -> Any:
    """An array without memory of its own, like the product of a sparse and a dense matrix."""
    return np.broadcast_to(np.zeros((), b.np_dtype), (a.shape[0], b.shape[1]))


def sparse_product(a: Any, b: Any, masked: bool) -> Any:
    """The product of a sparse and a dense matrix."""
    return product(a, b)


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
    return one.with_values(np.floor_divide(one.values, _divisor("floor division", one, two)))  # type: ignore[no-any-return]


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
    "cast": lambda a, to: a.astype(to),
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
    "div_trunc": lambda a, b: a.with_values(np.trunc(divided(a, b).values).astype(a.values.dtype)),
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


_FOR_SPARSE: Final = frozenset(
    (__name__, "cotangent.kernels.sparse_parts", "cotangent.kernels.compressed", "cotangent.ops.sparse")
)


def _backend(payloads: tuple[Any, ...]) -> str:
    plain = next((x for x in payloads if isinstance(x, Coo)), None)
    return "SparseCPU" if plain is None or plain.layout == "torch.sparse_coo" else "SparseCsrCPU"


def apply(op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Run an operation that has a sparse operand.

    Raises:
        NotImplementedError: if there is no sparse form of it.
    """
    if op.kernel.__module__ in _FOR_SPARSE or op.name == "values_at":  # made for sparse operands
        return op.kernel(*payloads, *statics)
    found = _OPERATIONS.get(op.name)
    if found is not None:
        return found(*payloads, *statics)
    if op.name in KEEP_ZERO:
        a = payloads[0].coalesce()
        return a.with_values(np.asarray(op.kernel(a.values, *statics)))
    raise NotImplementedError(
        f"Could not run 'aten::{op.public}' with arguments from the '{_backend(payloads)}' backend: the "
        "operation has no form for sparse tensors. Call .to_dense() on the tensor first."
    )
