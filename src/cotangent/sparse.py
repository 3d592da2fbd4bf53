"""`torch.sparse`, and `torch.sparse_coo_tensor`."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from . import dtypes
from .autograd.modes import Decorator
from .creation import as_tensor, born, tensor
from .dtypes import INTEGRAL, dtype as _dtype
from .errors import check_dim, type_name
from .kernels.sparse import Coo
from .ops.arguments import integers
from .ops.gather import index_add, index_select
from .ops.scatter_reduce import scatter_reduce
from .ops.sparse import (
    check_place,
    checks,
    coalesce,
    coo_of,
    is_sparse,
    product,
    sum_over,
    told_unchecked,
    values_of,
    with_values_of,
)
from .ops.systems import linalg_solve as solve
from .ops.table import is_tensor
from .size import Size, check_device, sparse_coo, sparse_csc, sparse_csr, strided

__all__ = [
    "addmm",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "sparse_coo_tensor",
    "spdiags",
    "spsolve",
    "sum",
]


class check_sparse_tensor_invariants(Decorator):
    """Whether places outside a sparse tensor's shape are refused when it is made. Here they always are.

    Explicitly choosing either way silences PyTorch's warning that nothing was chosen.

    Args:
        enable: the choice, for a `with` block.

    Example:
        >>> import cotangent as torch
        >>> with torch.sparse.check_sparse_tensor_invariants(True):
        ...     print(torch.sparse.check_sparse_tensor_invariants.is_enabled())
        True
    """

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.before: list[bool | None] = []

    @classmethod
    def is_enabled(cls) -> bool:
        """Whether the checks are chosen."""
        return bool(checks.chosen)

    @classmethod
    def enable(cls) -> None:
        """Choose the checks."""
        checks.chosen = True

    @classmethod
    def disable(cls) -> None:
        """Choose to go without."""
        checks.chosen = False

    def clone(self) -> Any:
        """A fresh manager of the same choice."""
        return type(self)(self.state)

    def __enter__(self) -> None:
        self.before.append(checks.chosen)
        checks.chosen = self.state

    def __exit__(self, *_: object) -> None:
        checks.chosen = self.before.pop()


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: _dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
    pin_memory: bool = False,
) -> Any:
    """A sparse tensor of values at places; gradients pass to the values.

    Args:
        indices: (sparse dimensions, number of values), integers.
        values: (number of values, dense dimensions...).
        size: the shape; by default the smallest that holds all places.
        dtype: dtype of the values.
        device: "cpu" or None.
        requires_grad: whether the sparse tensor is a leaf that collects a gradient.
        check_invariants: places are checked in any case; naming a choice silences a warning.
        is_coalesced: whether the places are known to be in order and different.
        pin_memory: accepted for PyTorch's sake.

    Returns:
        a sparse tensor.

    Raises:
        RuntimeError: if indices, values and size do not fit each other.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3), check_invariants=True)
        tensor(indices=tensor([[0, 1],
                               [2, 0]]),
               values=tensor([3., 4.]),
               size=(2, 3), nnz=2, layout=torch.sparse_coo)
    """
    told_unchecked(check_invariants)
    check_place(device)
    if values is None:  # only a shape is given
        shape = integers("sparse_coo_tensor", "size", (indices if size is None else size,))
        empty = tensor([], dtype=dtype)._data
        made: Any = Coo(np.empty((len(shape), 0), np.int64), empty, shape, True)
        return born(made, requires_grad)
    places = as_tensor(indices)
    if places.dtype.category > INTEGRAL:
        places = places.long()
    places = places.detach().long()
    given = values if is_tensor(values) else tensor(values)
    if dtype is not None:
        given = given.to(dtype)
    if places.ndim != 2:
        raise RuntimeError(
            f"indices must be sparse_dim x nnz, but got: {places.ndim}-dimensional indices"
            f" {list(places.shape)}"
        )
    if given.ndim == 0:
        given = given.expand(places.shape[1])
    count = places.shape[1]
    if count != given.shape[0]:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices: "
            f"{count}, nnz from values: {given.shape[0]}"
        )
    array, dense = places._data, tuple(given.shape[1:])
    if size is None:
        found = array.max(axis=1) + 1 if count else np.zeros(len(array), np.int64)
        shape = (*map(int, found), *dense)
    else:
        shape = integers("sparse_coo_tensor", "size", (size,))
    _check(array, given, shape)
    made = coo_of(places, given, shape, bool(is_coalesced))
    return made.detach().requires_grad_() if requires_grad else made


def _validate_sparse_coo_tensor_args(
    indices: Any, values: Any, size: Any, is_coalesced: bool | None = None, *_: Any
) -> None:
    """Refuse places and values of a sparse tensor that do not fit each other."""
    made = sparse_coo_tensor(indices, values, size, check_invariants=True)
    keys = made._data.keys()
    if is_coalesced and not (keys[1:] > keys[:-1]).all():
        raise RuntimeError(
            "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
        )


def legacy(d: _dtype, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What the old constructors make: `sparse.FloatTensor(indices, values, size)`, or sizes alone.

    Args:
        d: the dtype.
        args: places and values, with or without the shape; or sizes, also none.
        options: device.

    Raises:
        TypeError: for something else.
    """
    if options.get("device") is not None:
        check_device(options["device"])
    if len(args) in (2, 3) and is_tensor(args[0]) and is_tensor(args[1]):
        shape = None if len(args) == 2 else tuple(args[2])
        return sparse_coo_tensor(args[0], args[1], shape, dtype=d, check_invariants=False)
    sizes = args[0] if len(args) == 1 and isinstance(args[0], Size) else args
    if not all(isinstance(n, int) for n in sizes):
        got = ", ".join(type_name(a) for a in args)
        raise TypeError(f"new() received an invalid combination of arguments - got ({got})")
    shape = tuple(sizes) if args else (0,)
    nothing: Any = Coo(np.zeros((len(shape), 0), np.int64), np.zeros(0, d.np), shape)
    return born(nothing)


class _LegacyMeta(type):
    """`isinstance(x, torch.sparse.FloatTensor)` asks for layout and dtype."""

    dtype: _dtype

    def __instancecheck__(cls, value: Any) -> bool:
        return is_tensor(value) and value.is_sparse and value.dtype is cls.dtype


@functools.cache
def _legacy_class(name: str) -> Any:
    """`FloatTensor` and the like; None for other names."""
    d = next((d for d in dtypes.ALL if d.type_name == name and d.category < dtypes.COMPLEX), None)
    if d is None:
        return None

    def make(cls: Any, *args: Any, **options: Any) -> Any:
        return legacy(d, args, options)

    return _LegacyMeta(name, (), {"dtype": d, "__new__": make, "__module__": "torch.sparse"})


def __getattr__(name: str) -> Any:
    found = _legacy_class(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def _check(places: Any, values: Any, shape: tuple[int, ...]) -> None:
    n = len(places)
    if len(shape) != n + values.ndim - 1:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, sparse_dim"
            f" = {n}, dense_dim = {values.ndim - 1}"
        )
    if tuple(values.shape[1:]) != shape[n:]:
        raise RuntimeError(
            f"values has incorrect size, expected {[len(places[0]), *shape[n:]]}, got {list(values.shape)}"
        )
    for d, line in enumerate(places):
        if line.size and line.min() < 0:
            raise RuntimeError(f"found negative index {line.min()} for dim {d}")
        if line.size and line.max() >= shape[d]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {shape[d]} but found index"
                f" {line.max()}"
            )


def mm(mat1: Any, mat2: Any, reduce: str = "sum") -> Any:
    """The product of matrices of which at least one is sparse; gradients of sparse ones are sparse.

    Args:
        mat1: (n, m).
        mat2: (m, p).
        reduce: for a matrix of rows (CSR) times a dense one also "mean", "amax" or "amin" of what is stored
            in each row.

    Returns:
        (n, p), sparse if both are.

    Raises:
        RuntimeError: for sizes that do not fit, or another reduction.

    Example:
        >>> import cotangent as torch
        >>> a = torch.tensor([[0.0, 2.0]]).to_sparse()
        >>> torch.sparse.mm(a, torch.ones(2, 3))
        tensor([[2., 2., 2.]])
    """
    if reduce != "sum":
        return _reduced(mat1, mat2, reduce)
    if not is_sparse(mat1) and not is_sparse(mat2):
        raise RuntimeError("sparse.mm: expected at least one sparse matrix, got two dense ones")
    return product(mat1, mat2, True)


_REDUCTIONS: Final = {
    "sum": "sum", "mean": "mean", "amax": "amax", "amin": "amin", "max": "amax", "min": "amin", "prod": "prod"
}  # fmt: skip


def _reduced(mat1: Any, mat2: Any, reduce: str) -> Any:
    """The product with another reduction than the sum, over what is stored in each row."""
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    reduction = _REDUCTIONS[reduce]
    if reduction == "prod":
        raise RuntimeError("sparse_mm_reduce: reduce type of prod has not been enabled.")
    for name, given, wanted in (("self", mat1, sparse_csr), ("other", mat2, strided)):
        if given.layout is not wanted:
            raise RuntimeError(
                f"sparse_mm_reduce: expect {name} to be {wanted.kind}, got {given.layout.kind}"
            )
    rows, columns = (born(line) for line in mat1._data.indices)
    parts = mat1.values().unsqueeze(1) * index_select(mat2, 0, columns)
    start = parts.new_zeros(mat1.shape[0], mat2.shape[1])
    places = rows.unsqueeze(1).expand(parts.shape)
    return scatter_reduce(start, 0, places, parts, reduction, include_self=False)


def spsolve(A: Any, b: Any) -> Any:
    """The solution of A x = b for a sparse matrix, computed as for a dense one.

    Args:
        A: sparse (n, n).
        b: (n,) or (n, k).

    Returns:
        tensor like `b`.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.spsolve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]).to_sparse(), torch.ones(2))
        tensor([0.5000, 0.2500])
    """
    return solve(A.to_dense(), b)


def addmm(mat: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * mat + alpha * (mat1 @ mat2) for a sparse `mat1`.

    Args:
        mat: (n, p).
        mat1: sparse (n, m).
        mat2: (m, p).
        beta: factor of `mat`.
        alpha: factor of the product.

    Returns:
        (n, p).

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.addmm(torch.ones(1, 1), torch.tensor([[2.0]]).to_sparse(), torch.tensor([[3.0]]))
        tensor([[7.]])
    """
    return mat * beta + product(mat1, mat2, True) * alpha


def sampled_addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1.0, alpha: Any = 1.0) -> Any:
    """alpha * (mat1 @ mat2) where `input` has values, plus beta * input.

    Args:
        input: sparse (n, p).
        mat1: (n, m).
        mat2: (m, p).
        beta: factor of `input`.
        alpha: factor of the product.

    Returns:
        sparse (n, p).

    Example:
        >>> import cotangent as torch
        >>> mask = torch.eye(2).to_sparse()
        >>> torch.sparse.sampled_addmm(mask, torch.ones(2, 3), torch.ones(3, 2)).values()
        tensor([4., 4.])
    """
    return input * beta + (mat1 @ mat2).sparse_mask(input) * alpha


def sum(input: Any, dim: Any = None, dtype: _dtype | None = None) -> Any:
    """The sum of a sparse tensor, of all values or along dimensions.

    Args:
        input: sparse tensor.
        dim: dimension or dimensions; all by default.
        dtype: dtype to convert to before summing.

    Returns:
        a number, or a tensor that is sparse as long as a sparse dimension is left.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.sum(torch.eye(3).to_sparse())
        tensor(3.)
    """
    return sum_over(input, dim, dtype)


def _by_group(input: Any, dim: int) -> tuple[Any, Any, int]:
    """(the tensor coalesced, the number of the line along `dim` each value lies in, how many lines)."""
    ordered = coalesce(input)
    data = ordered._data
    at = check_dim(dim, input.ndim)
    rest = np.delete(data.indices, at, 0)
    sizes = tuple(np.delete(np.array(data.shape[: data.sparse_dim]), at))
    keys = np.ravel_multi_index(tuple(rest), sizes) if len(sizes) else np.zeros(rest.shape[1], np.int64)
    found, numbers = np.unique(keys, return_inverse=True)
    return ordered, born(numbers.reshape(-1).astype(np.int64)), len(found)


def log_softmax(input: Any, dim: int, *, dtype: _dtype | None = None) -> Any:
    """log_softmax over the stored values along a sparse dimension; what is not stored counts as -inf.

    Args:
        input: sparse tensor.
        dim: the dimension.
        dtype: dtype to convert to first.

    Returns:
        sparse tensor with values at the same places.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
        tensor([0., 0.])
    """
    given = coalesce(input if dtype is None else input.to(dtype))
    at = check_dim(dim, given.ndim) - given._data.sparse_dim
    if at >= 0:
        return with_values_of(given, values_of(given).log_softmax(at + 1))
    x, lines, count = _by_group(given, dim)
    v = values_of(x)
    highest = np.full((count, *v.shape[1:]), -np.inf, v._data.dtype)
    np.maximum.at(highest, lines._data, v.detach()._data)
    shifted = v - born(highest)[lines]
    total = index_add(born(np.zeros_like(highest)), 0, lines, shifted.exp())
    return with_values_of(x, shifted - index_select(total.log(), 0, lines))


def softmax(input: Any, dim: int, *, dtype: _dtype | None = None) -> Any:
    """softmax over the stored values along a sparse dimension; what is not stored counts as -inf.

    Args:
        input: sparse tensor.
        dim: the dimension.
        dtype: dtype to convert to first.

    Returns:
        sparse tensor with values at the same places.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.softmax(torch.eye(2).to_sparse(), 1).values()
        tensor([1., 1.])
    """
    logs = log_softmax(input, dim, dtype=dtype)
    return with_values_of(logs, values_of(logs).exp())


def spdiags(diagonals: Any, offsets: Any, shape: tuple[int, int], layout: Any = None) -> Any:
    """A sparse matrix with given diagonals.

    Args:
        diagonals: (number of diagonals, length), or one diagonal.
        offsets: which diagonal each is.
        shape: of the matrix.
        layout: of the result; `torch.sparse_coo` by default.

    Returns:
        sparse matrix.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse.spdiags(torch.ones(2), torch.tensor([1]), (2, 2)).to_dense()
        tensor([[0., 1.],
                [0., 0.]])
    """
    if len(shape) != 2:
        raise RuntimeError("Output shape must be 2d")
    if diagonals.ndim not in (1, 2):
        raise RuntimeError("Diagonals must be vector or matrix")
    if offsets.ndim > 1:
        raise RuntimeError("Offsets must be scalar or vector")
    lines, moves = diagonals if diagonals.ndim == 2 else diagonals.reshape(1, -1), offsets.reshape(-1)
    if len(lines) != len(moves):
        raise RuntimeError(
            f"Number of diagonals ({len(lines)}) does not match the number of offsets ({len(moves)})"
        )
    if offsets.dtype is not dtypes.int64:
        raise RuntimeError(
            f"Offset Tensor must have dtype Long but got {dtypes.SCALAR_NAME[offsets.dtype]}"
        )
    if len(set(moves.tolist())) != len(moves):
        raise RuntimeError("Offset tensor contains duplicate values")
    if layout not in (None, sparse_coo, sparse_csr, sparse_csc):
        raise RuntimeError(
            f"Only output layouts (Sparse, SparseCsc, SparseCsr) are supported, got {layout.kind}"
        )
    row, column, flat = ([np.zeros(0, np.int64)] for _ in range(3))
    for number, offset in enumerate(moves.tolist()):
        columns = np.arange(max(offset, 0), min(shape[1], shape[0] + offset, lines.shape[1]))
        row.append(columns - offset)
        column.append(columns)
        flat.append(number * lines.shape[1] + columns)
    places = np.stack((np.concatenate(row), np.concatenate(column))).astype(np.int64)
    picked = lines.reshape(-1)[born(np.concatenate(flat))]
    made = coo_of(born(places), picked, tuple(shape), False)
    return made if layout is None else made.to_sparse(layout=layout)
