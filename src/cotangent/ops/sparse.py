"""Sparse tensors (coordinate form): making them, taking them apart, products with gradients.

The family is closed under differentiation: what a sparse operand gets as its cotangent has values at the
places where the operand has some, as PyTorch's masked gradients do.
"""

from __future__ import annotations

from typing import Any, Final

from ..config import warn_once
from ..errors import bad_argument, check_dims
from ..kernels import compressed, sparse, sparse_parts as k
from ..kernels.sparse_checks import check_swap
from ..size import check_device, device as _device
from .arguments import REQUIRED
from .blas import mm_of as matmul_of
from .matmul import matmul, refuse_dtypes
from .reduce import sum_all
from .table import TABLE, bilinear, constant, is_tensor, linear
from .views import expand_to, t_matrix

Coo: Final = sparse.Coo
_UNCHECKED: Final = (
    "Sparse invariant checks are implicitly disabled. Memory errors (e.g. SEGFAULT) will occur when"
    " operating on a sparse tensor which violates the invariants, but checks incur performance overhead. To"
    " silence this warning, explicitly opt in or out. See"
    " `torch.sparse.check_sparse_tensor_invariants.__doc__` for guidance."
)


class _Checks:
    """Whether the user has chosen about checks of places, which are made in any case."""

    chosen: bool | None = None


checks: Final = _Checks()


def check_place(device: Any) -> None:
    """Refuse CUDA in the words that sparse constructors have for it, and devices that are not there."""
    if device is None:
        return
    if _device(device).type == "cuda":
        raise RuntimeError("PyTorch is not linked with support for cuda devices")
    check_device(device)


def told_unchecked(chosen: bool | None = None) -> None:
    """Warn once, as PyTorch does, when a sparse tensor is made and nobody has chosen about checks."""
    if chosen is None and checks.chosen is None:
        warn_once(_UNCHECKED, 3)


def is_sparse(t: Any) -> bool:
    """Whether a tensor is sparse, also inside transforms."""
    data = t._data
    while not isinstance(data, Coo):
        data = getattr(data, "_data", getattr(data, "primal", None))
        if data is None:
            return False
    return True


def _as(g: Any, dense: bool) -> Any:
    """A sparse cotangent for an operand that is dense or sparse."""
    return to_dense_of(g) if dense else g


coo_of: Any = linear(
    "coo_of(indices, values | shape, coalesced)",
    k.make,
    node="SparseCooTensorWithDimsAndTensorsBackward0",
    public="sparse_coo_tensor",
    values=lambda g, indices: values_at(g, indices, True),
)
values_at: Any = linear(
    "values_at(input, indices | dense)",
    lambda input, indices, dense: k.values_at(input, indices),
    input=lambda g, indices, input_shape, dense: _as(coo_of(indices, g, input_shape, False), dense),
)
to_dense_of: Any = linear(
    "to_dense_of(input)",
    k.to_dense,
    public="to_dense",
    input=lambda g, input: masked_of(g, input, True),
)
# As `to_dense_of`, with a gradient wherever it is not zero.
to_dense_all_of: Any = linear(
    "to_dense_all_of(input)",
    k.to_dense,
    node="ToDenseBackward0",
    public="to_dense",
    input=lambda g, input: stored_as_of(g, input),
)
stored_as_of: Any = linear(
    "stored_as_of(input, pattern)",
    compressed.stored_as,
    public="to_sparse",
    input=lambda g, pattern: to_dense_of(g),
)
masked_of: Any = linear(
    "masked_of(input, pattern | dense)",
    k.masked,
    public="sparse_mask",
    input=lambda g, dense: _as(g, dense),
)
to_sparse_of: Any = linear(
    "to_sparse_of(input | sparse_dim)",
    k.to_sparse,
    node="ToSparseBackward1",
    public="to_sparse",
    input=lambda g: to_dense_of(g),
)
raw_at_of: Any = linear(
    "raw_at_of(input, pattern)", compressed.raw_at, input=lambda g, pattern: with_raw_of(pattern, g)
)
with_raw_of: Any = linear(
    "with_raw_of(pattern, raw)", compressed.with_raw, raw=lambda g, pattern: raw_at_of(g, pattern)
)
raw_values_of: Any = linear(
    "raw_values_of(input)", compressed.raw_of, public="values", input=lambda g, input: with_raw_of(input, g)
)
coordinates_of: Any = linear(
    "coordinates_of(input)",
    compressed.to_coordinates,
    node="ToSparseBackward1",
    public="to_sparse",
    input=lambda g, input: masked_of(g, input, False),
)
values_of: Any = linear(
    "values_of(input)", k.values_of, public="values", input=lambda g, input: with_values_of(input, g)
)
with_values_of: Any = linear(
    "with_values_of(pattern, values)",
    k.with_values,
    values=lambda g, pattern: pattern_values_of(g, pattern),
)
pattern_values_of: Any = linear(
    "pattern_values_of(input, pattern)",
    k.pattern_values,
    input=lambda g, pattern: with_values_of(pattern, g),
)
coalesce_of: Any = linear("coalesce_of(input)", k.coalesced, public="coalesce", input=lambda g: g)
turned_of: Any = linear(
    "turned_of(input | order, back)",
    k.turned,
    node="PermuteBackward0",
    public="permute",
    input=lambda g, order, back: turned_of(g, back, order),
)
sparse_dense_of: Any = bilinear(
    "sparse_dense_of(input, mat2 | masked)",
    sparse.sparse_product,
    node="SparseAddmmBackward0",
    public="mm",
    infer=lambda input, mat2, masked: sparse.dense_product_like(input, mat2),
    # torch.sparse.mm gives a sparse matrix a gradient at its own places, torch.mm a dense one.
    input=lambda g, input, mat2, masked: (
        sampled_of(g, mat2, input) if masked else matmul_of(g, t_matrix(mat2))
    ),
    mat2=lambda g, input, masked: sparse_dense_of(turned_of(input, (1, 0), (1, 0)), g, masked),
)
dense_sparse_of: Any = bilinear(
    "dense_sparse_of(input, mat2)",
    sparse.product,
    node="MmBackward0",
    public="mm",
    infer=sparse.dense_product_like,
    input=lambda g, mat2: dense_sparse_of(g, turned_of(mat2, (1, 0), (1, 0))),
    mat2=lambda g, input, mat2: sampled_of(t_matrix(input), t_matrix(g), mat2),
)
sparse_sparse_of: Any = bilinear(
    "sparse_sparse_of(input, mat2)",
    sparse.product,
    node="SparseSparseMatmulBackward0",
    public="mm",
    input=lambda g, input, mat2: masked_of(
        sparse_sparse_of(g, turned_of(mat2, (1, 0), (1, 0))), input, False
    ),
    mat2=lambda g, input, mat2: masked_of(sparse_sparse_of(turned_of(input, (1, 0), (1, 0)), g), mat2, False),
)
sampled_of: Any = bilinear(
    "sampled_of(a, b, pattern)",
    k.sampled,
    a=lambda g, b: sparse_dense_of(g, b, True),
    b=lambda g, a: sparse_dense_of(turned_of(g, (1, 0), (1, 0)), a, True),
)
summed_of: Any = linear(
    "summed_of(input | dims)",
    k.summed,
    node="SparseSumBackward0",
    input=lambda g, input, dims: spread_sum_of(g, input, dims),
)
# The sum of all: its gradient is dense, as in PyTorch.
sum_of: Any = linear(
    "sum_of(input)",
    lambda a: sum_all.op.kernel(a.values),
    node="SumBackward0",
    public="sum",
    input=lambda g, input_shape: expand_to(g, input_shape),
)
spread_sum_of: Any = linear(
    "spread_sum_of(g, pattern | dims)", k.spread_sum, g=lambda g_, dims: summed_of(g_, dims)
)


# -- what ordinary operations do with sparse operands ------------------------------------------------------


def product(input: Any, mat2: Any, masked: bool = False) -> Any:
    """The matrix product where at least one operand is sparse.

    Args:
        input: (n, m).
        mat2: (m, p).
        masked: whether a sparse `input` gets a gradient at its own places only, from a dense `mat2`.

    Returns:
        (n, p), sparse if both are.

    Raises:
        RuntimeError: if the sizes do not fit.
    """
    if input.ndim != 2 or mat2.ndim != 2 or input.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            f"mm: mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, input.shape))} and "
            f"{'x'.join(map(str, mat2.shape))})"
        )
    if input.dtype is not mat2.dtype:
        refuse_dtypes(input, mat2)
    if is_sparse(input):
        return sparse_sparse_of(input, mat2) if is_sparse(mat2) else sparse_dense_of(input, mat2, masked)
    return dense_sparse_of(input, mat2)


def _added_product(input: Any, mat1: Any, mat2: Any, beta: Any, alpha: Any) -> Any:
    return beta * input + alpha * product(mat1, mat2)


def _vector_product(input: Any, vec: Any) -> Any:
    if (input.ndim, vec.ndim) != (2, 1):
        raise RuntimeError(
            f"mv: two tensor dim should be 2 and 1, but got SparseTensor Dim: {input.ndim}Tensor Dim: "
            f"{vec.ndim}"
        )
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError("mv: expected self.size(-1) == vec.size(-1)")
    return product(input, vec.unsqueeze(1)).squeeze(1)


def _swapped(input: Any, dim0: int, dim1: int) -> Any:
    if not hasattr(input._data, "compressed"):
        check_swap(sparse_dim(input), dim0, dim1)
    order = list(range(input.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return turned_of(input, tuple(order), tuple(order))


def _permuted(input: Any, dims: tuple[int, ...]) -> Any:
    back = tuple(dims.index(d) for d in range(len(dims)))
    return turned_of(input, tuple(dims), back)


def _refuse_expanding(input: Any, shape: Any) -> Any:
    raise RuntimeError("expand is unsupported for Sparse tensors")


for _name, _form in (
    ("mm", product), ("addmm_of", _added_product), ("mv", _vector_product), ("transpose_dims", _swapped),
    ("t_matrix", lambda input: _swapped(input, 0, 1) if input.ndim > 1 else input),
    ("permute_dims", _permuted), ("sum_all", sum_of), ("expand_to", _refuse_expanding),
):  # fmt: skip
    TABLE[_name].sparse_form = _form


# -- methods -----------------------------------------------------------------------------------------------


def _sparse(name: str, input: Any) -> Any:
    if not is_sparse(input) or hasattr(input._data, "compressed"):
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {input.layout.kind}")
    return input._data


def coalesce(input: Any) -> Any:
    """A sparse tensor with every place once, in order, and the sums of the values.

    Args:
        input: sparse tensor.

    Returns:
        the tensor itself if it is like that.

    Raises:
        RuntimeError: if it is not sparse.

    Example:
        >>> import cotangent as torch
        >>> x = torch.sparse_coo_tensor([[1, 0, 1]], [1.0, 2.0, 3.0], (2,), check_invariants=True)
        >>> x.coalesce().values()
        tensor([2., 4.])
    """
    return input if _sparse("coalesce", input).coalesced else coalesce_of(input)


def is_coalesced(input: Any) -> bool:
    """Whether a sparse tensor has every place once, in order.

    Args:
        input: sparse tensor.
    """
    return bool(_sparse("is_coalesced", input).coalesced)


def _indices(input: Any) -> Any:
    """The places, one column for each value, coalesced or not."""
    return constant(_sparse("_indices", input).indices)


def _values(input: Any) -> Any:
    """The values, coalesced or not; no gradient passes."""
    return constant(_sparse("_values", input).values)


def _nnz(input: Any) -> int:
    """How many values a sparse tensor has.

    Args:
        input: sparse tensor.
    """
    if hasattr(input._data, "compressed"):
        return int(input._data.plain.shape[-1])
    return int(_sparse("_nnz", input).indices.shape[1])


def sparse_dim(input: Any) -> int:
    """The number of sparse dimensions; 0 for dense tensors.

    Args:
        input: any tensor.
    """
    if hasattr(input._data, "compressed"):
        return 2
    return int(input._data.sparse_dim) if is_sparse(input) else 0


def dense_dim(input: Any) -> int:
    """The number of dense dimensions.

    Args:
        input: any tensor.
    """
    batch = getattr(input._data, "batch", 0)
    return int(input.ndim) - sparse_dim(input) - batch


def indices(input: Any) -> Any:
    """The places of a coalesced sparse tensor: int64 (sparse dimensions, number of values).

    Args:
        input: coalesced sparse tensor.

    Raises:
        RuntimeError: if it is not coalesced, or not sparse.
    """
    data = _sparse("indices", input)
    if not data.coalesced:
        raise RuntimeError("Cannot get indices on an uncoalesced tensor, please call .coalesce() first")
    return constant(data.indices)


def values(input: Any) -> Any:
    """The values of a coalesced sparse tensor; gradients pass.

    Args:
        input: coalesced sparse tensor.

    Returns:
        (number of values, dense dimensions...).

    Raises:
        RuntimeError: if it is not coalesced, or not sparse.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([0.0, 3.0]).to_sparse().values()
        tensor([3.])
    """
    if hasattr(input._data, "compressed"):
        return raw_values_of(input)
    if not _sparse("values", input).coalesced:
        raise RuntimeError("Cannot get values on an uncoalesced tensor, please call .coalesce() first")
    return values_of(input)


def to_dense(input: Any, dtype: Any = None, *, masked_grad: Any = None) -> Any:
    """A sparse tensor as a dense one.

    Args:
        input: any tensor.
        dtype: dtype of the result.
        masked_grad: whether the gradient has values where `input` has some (the default), or wherever it is
            not zero (False).

    Returns:
        dense tensor; a dense `input` itself.

    Example:
        >>> import cotangent as torch
        >>> torch.sparse_coo_tensor([[1]], [2.0], (3,), check_invariants=True).to_dense()
        tensor([0., 2., 0.])
    """
    dense = input
    if is_sparse(input):
        dense = to_dense_all_of(input) if masked_grad is False else to_dense_of(input)
    return dense if dtype is None else dense.to(dtype)


def to_coordinates(input: Any, sparse_dim: Any = None) -> Any:
    """A tensor in coordinates; of a dense one what is not zero is stored.

    Args:
        input: dense tensor, or one in coordinates already.
        sparse_dim: how many leading dimensions are sparse; all by default.

    Returns:
        coalesced sparse tensor.

    Raises:
        RuntimeError: for a number of sparse dimensions that the tensor does not have.
    """
    if is_sparse(input):
        if sparse_dim is not None and sparse_dim != input.sparse_dim():
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is "
                "not supported"
            )
        return input
    if sparse_dim is not None and not min(input.ndim, 1) <= sparse_dim <= input.ndim:
        some = f"[0,{input.ndim}] range, but {sparse_dim} is given"
        allowed = some if sparse_dim else ">0 when self.dim()>0"
        raise RuntimeError(f"dense_to_sparse: sparse_dim argument must be in {allowed}")
    return to_sparse_of(input, input.ndim if sparse_dim is None else sparse_dim)


def sparse_mask(input: Any, mask: Any) -> Any:
    """The values of a tensor where a sparse one has values.

    Args:
        input: dense or sparse tensor.
        mask: sparse tensor of the same shape.

    Returns:
        coalesced sparse tensor.

    Raises:
        RuntimeError: if `mask` is not sparse or of another shape.
    """
    if not is_tensor(mask):
        bad_argument("sparse_mask", "mask", 1, "Tensor", mask)
    if not is_sparse(mask):
        _sparse("sparse_mask", mask)
    if tuple(mask.shape) != tuple(input.shape):
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(input.shape)} but mask"
            f" has size {list(mask.shape)}"
        )
    if not getattr(mask._data, "coalesced", True):
        places = constant(mask._data.indices)  # each gives its value, as often as it comes
        return coo_of(places, values_at(input, places, not is_sparse(input)), tuple(input.shape), False)
    return masked_of(input, mask, not is_sparse(input))


def sum_over(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """`torch.sparse.sum`: the sum of the stored values, of all or along dimensions.

    Args:
        input: sparse tensor.
        dim: dimension or dimensions; all by default.
        dtype: dtype to convert to before summing.

    Returns:
        a number, or a tensor that is sparse as long as a sparse dimension is left.
    """
    x = input if dtype is None else input.to(dtype)
    if hasattr(x._data, "compressed"):
        x = coordinates_of(x)
    n = x.ndim
    dims = tuple(range(n)) if dim is None else tuple(sorted(check_dims(dim, n)))
    ordered = coalesce(x)
    sparse = range(sparse_dim(x))
    if all(d in dims for d in sparse):
        kept = [d - len(sparse) + 1 for d in dims if d >= len(sparse)]
        return values_of(ordered).sum((0, *kept)) if len(dims) < n else sum_all(values_of(ordered))
    return summed_of(ordered, dims)


def smm(input: Any, mat: Any = REQUIRED) -> Any:
    """The product of a sparse and a dense matrix.

    Args:
        input: sparse (n, m).
        mat: (m, p).
    """
    return matmul(input, mat)


def sspaddmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (mat1 @ mat2), sparse.

    Args:
        input: sparse (n, p).
        mat1: sparse (n, m).
        mat2: (m, p).
        beta: factor of `input`.
        alpha: factor of the product.
    """
    return input * beta + to_coordinates(product(mat1, mat2)) * alpha
