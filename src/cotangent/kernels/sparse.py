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
from .index import add_rows
from .sized import LIGHT

Array = Any
scipy_sparse: Final = lazy.module("scipy.sparse")
checks: Any = lazy.module("cotangent.kernels.sparse_checks")
# What else operations of the table do with sparse operands; `sparse_operations` enters them.
OPERATIONS: Final[dict[str, Callable[..., Any]]] = {}

# Unary functions that leave zeros zero, by the name of the operation: PyTorch has them for sparse tensors.
KEEP_ZERO: Final = frozenset(
    (
        "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "sqrt", "abs", "abs_written", "sign",
        "sgn", "neg", "expm1", "log1p", "relu", "erf", "erfinv", "ceil", "floor", "trunc", "frac",
        "round_whole", "deg2rad", "rad2deg", "isnan", "isinf", "isposinf", "isneginf", "signbit",
        "nan_to_num_of", "pow_scalar", "zeroed", "abs_complex", "sgn_complex", "conj_physical",
        "conj_written", "asinh_written", "atanh_written",
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

    def flagged(self, coalesced: bool) -> Coo:
        """The array itself, called coalesced or not."""
        self.coalesced = coalesced
        return self

    def copy(self, order: str = "K") -> Coo:
        """The same in memory of its own."""
        made = Coo(self.indices.copy(), self.values.copy(order), self.shape)
        return made.flagged(self.coalesced)

    def with_values(self, values: Array) -> Coo:
        """Other values at the same places."""
        made = Coo(self.indices, values, self.shape[: self.sparse_dim] + values.shape[1:])
        return made.flagged(self.coalesced)

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
        found = self.keys()
        keys, where = _ranked(found, math.prod(self.shape[: self.sparse_dim]))
        values = np.zeros((len(keys), *self.values.shape[1:]), self.values.dtype)
        add_rows(values, where, self.values)
        places: Array = np.empty((self.sparse_dim, len(keys)), np.int64)
        places[:, where] = self.indices
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
        elif self.coalesced and values.size < LIGHT:
            out[tuple(self.indices)] += values
        elif out.flags.c_contiguous and out.size and self.indices.size:
            add_rows(out.reshape(-1, *self.shape[self.sparse_dim :]), self.keys(), values)
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


# A table of all places is made where there are at most so many for each that is named.
_SPACIOUS: Final = 16


def _ranked(keys: Array, count: int) -> tuple[Array, Array]:
    """The keys that occur, in order, and the position of each among them; all are below `count`."""
    if count > _SPACIOUS * len(keys):
        ordered, where = np.unique(keys, return_inverse=True)
        return ordered, where.reshape(-1)
    there = np.zeros(count, bool)
    there[keys] = True
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int64) - 1)[keys]


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
    if isinstance(one, Coo) and one.sparse_dim != two.sparse_dim and not two.indices.shape[1]:
        return one
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
    if one.sparse_dim != two.sparse_dim and not one.indices.shape[1]:
        return two.with_values(scaled)
    checks.check_density(one, two)
    together = Coo(
        np.concatenate((one.indices, two.indices), 1), np.concatenate((one.values, scaled)), one.shape
    )
    if ordered:
        return together.coalesce()
    return together if spread else _merged(together, one.indices.shape[1])


def added_into(name: str, data: Any, operands: list[Any], statics: tuple[Any, ...]) -> bool:
    """Add a sparse array into that of `data` itself, if the operation `name` says so; whether it was done."""
    if name != "add" or data.__class__ is not np.ndarray or operands[0] is not data:
        return False
    other, alpha = operands[1], statics[0]
    if not isinstance(other, Coo) or other.values.dtype != data.dtype or 0 in data.strides:
        return False
    _check_sizes(data, other)
    other.add_to(data, alpha)
    return True


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
    both = isinstance(one, Coo) and isinstance(two, Coo)
    scalar = both and not one.ndim and (two.ndim or one.indices.shape[1] == 1)
    if not isinstance(one, Coo) or scalar:
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
    indices, values = checks.spread(a.indices, a.values, a.shape, shape)
    found = Coo(indices, values, shape)
    return found.coalesce() if a.coalesced else found


def divided(one: Any, two: Any) -> Any:
    """one / two, where two has no dimensions."""
    by = divisor("division", one, two)
    return one.with_values(one.values / by)


def divisor(what: str, one: Any, two: Any) -> Any:
    """What a sparse array is divided by, if it is a number."""
    if isinstance(two, Coo) or np.ndim(two) or not isinstance(one, Coo):
        raise RuntimeError(
            f"Sparse {what} requires a scalar or zero-dim dense tensor divisor (got "
            f"{f'shape {list(two.shape)} for' if two.ndim else 'a sparse'} divisor)"
        )
    return two


def by_values(rule: Callable[..., Any], g: Coo, arguments: list[Any]) -> Any:
    """An elementwise rule on what is stored, where all of its operands are sparse or numbers.

    Args:
        rule: takes the cotangent and the arguments.
        g: the cotangent.
        arguments: saved values; the first sparse one says at which places the result is.
    """
    stored = [x.coalesce() for x in arguments if isinstance(x, Coo)]
    at = stored[0] if stored else g.coalesce()
    alike = all(x.shape == g.shape and x.sparse_dim == g.sparse_dim and x.layout == g.layout for x in stored)
    if not alike or any(isinstance(x, np.ndarray) and x.ndim for x in arguments):
        return rule(g, *arguments)
    places, sizes = at.indices, at.shape[: at.sparse_dim]
    values = [x.coalesce().at(places, sizes) if isinstance(x, Coo) else x for x in (g, *arguments)]
    found = rule(*values)
    return g if found is values[0] else at.with_values(found)


_BINARY: Final[dict[Any, Callable[..., Any]]] = {
    np.add: added,
    np.subtract: lambda one, two: added(one, two, -1),
    np.multiply: multiplied,
    np.true_divide: divided,
}


# -- operations of the table -------------------------------------------------------------------------------


def permuted(a: Coo, order: tuple[int, ...]) -> Coo:
    """The sparse dimensions in another order."""
    n = a.sparse_dim
    checks.check_order(order, n)
    values = a.values.transpose((0, *(d - n + 1 for d in order[n:])))
    found = Coo(a.indices[list(order[:n])], values, tuple(a.shape[d] for d in order))
    return found.flagged(a.coalesced and bool(order) and order[0] == 0)


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




_FOR_SPARSE: Final = frozenset(
    (
        __name__, "cotangent.kernels.sparse_operations", "cotangent.kernels.sparse_parts",
        "cotangent.kernels.compressed", "cotangent.ops.sparse",
    )
)  # fmt: skip


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
    found = OPERATIONS.get(op.name)
    if found is not None:
        return found(*payloads, *statics)
    if op.name in KEEP_ZERO:
        a = payloads[0].coalesce()
        return a.with_values(np.asarray(op.kernel(a.values, *statics)))
    raise NotImplementedError(
        f"Could not run 'aten::{op.public}' with arguments from the '{_backend(payloads)}' backend: the "
        "operation has no form for sparse tensors. Call .to_dense() on the tensor first."
    )
