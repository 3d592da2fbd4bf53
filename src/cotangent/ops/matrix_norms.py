"""Norms of matrices, and condition numbers."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..errors import bad_argument, check_dim, dims_of
from .arguments import REQUIRED, as_number, deliver_exact, missing, no_match, numpy_named
from .extremes import amax, amin
from .join import zeros_of
from .matrices import at_least_matrix, castable, inexact, square, tensor
from .norms import check_norm_dtype, norm_along, vector_norm
from .reduce import sum_dims
from .select import nan_to_num
from .singular import svdvals
from .systems import linalg_inv_ex
from .table import deliver, is_tensor
from .views import permute_dims, squeeze_dim, unsqueeze_at

_OPTIONS: Final = (
    "tuple of ints dim = {-2,-1}, bool keepdim = False, *, torch.dtype dtype = None, Tensor out = None"
)
_OVERLOADS: Final = (f"Tensor input, Number ord, {_OPTIONS}", f'Tensor input, str ord = "fro", {_OPTIONS}')
_OTHER_DTYPE: Final = "linalg.matrix_norm expected out tensor dtype {kind} but got: {kind_out}"


@numpy_named
def matrix_norm(
    A: Any,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    """Norms of matrices.

    Args:
        A: (..., m, n), floating-point or complex.
        ord: "fro", "nuc" (the sum of the singular values), 2 and -2 (the largest and smallest of them), 1
        and -1
            (the largest and smallest sum of a column's absolute values), inf and -inf (of a row's).
        dim: the two dimensions of the matrices.
        keepdim: keep these with size 1.
        dtype: dtype to convert to first.
        out: tensor to write the result to.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: for other orders, integers, or fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.matrix_norm(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
        tensor(6.)
    """
    tensor("linalg_matrix_norm", "input", A)
    ord = as_number("linalg_matrix_norm", "ord", 2, ord)
    if not isinstance(ord, (str, int, float, complex, np.number)) or not isinstance(dim, (tuple, list)):
        given = {} if isinstance(dim, (tuple, list)) else {"dim": dim}
        no_match("linalg_matrix_norm", (A,) if ord == "fro" else (A, ord), *_OVERLOADS, **given)
    return deliver_exact("linalg_matrix_norm", _matrix_norm(A, ord, dim, keepdim, dtype), out, _OTHER_DTYPE)


def _matrix_norm(a: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    inexact("linalg.matrix_norm", a)
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    at_least_matrix("linalg.matrix_norm", a)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(str(d) for d in dim)}")
    first, second = (check_dim(d, a.ndim) for d in dim)
    if first == second:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    check_norm_dtype("linalg.matrix_norm", a, dtype)
    if isinstance(ord, complex):
        raise RuntimeError("linalg.matrix_norm: Expected a non-complex scalar as the order of norm.")
    if ord == "fro":
        return vector_norm(a, 2, (first, second), keepdim, dtype=dtype)
    size = None if isinstance(ord, str) else abs(float(ord))
    if ord != "nuc" and size not in (1.0, 2.0, math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {_shown(ord)} not supported.")
    if dtype is not None and dtype is not a.dtype:
        a = a.to(dtype)
    if ord == "nuc" or size == 2.0:
        inexact("linalg.matrix_norm", a, narrow=False)
        values = svdvals(_moved_back(a, first, second))
        if ord == "nuc":
            found = sum_dims(values, (values.ndim - 1,), False)
        else:
            found = _extreme(values, -1, False, ord > 0)
        if keepdim:
            for d in sorted((first, second)):
                found = unsqueeze_at(found, d)
        return found
    if size == math.inf:
        first, second = second, first
    sums = vector_norm(a, 1, first, keepdim)
    if not keepdim and first < second:
        second -= 1
    return _extreme(sums, second, keepdim, ord > 0)


def _shown(order: Any) -> str:
    return f"{order:g}" if isinstance(order, float) else str(order)


def _moved_back(a: Any, first: int, second: int) -> Any:
    """The two dimensions moved to the end."""
    rest = [d for d in range(a.ndim) if d not in (first, second)]
    order = (*rest, first, second)
    return a if order == tuple(range(a.ndim)) else permute_dims(a, order)


def _extreme(values: Any, dim: int, keepdim: bool, largest: bool) -> Any:
    """The largest or smallest along a dimension; the largest of none is zero, as norms are not negative."""
    if largest and values.shape[dim] == 0:
        shape = list(values.shape)
        at = check_dim(dim, values.ndim)
        shape[at : at + 1] = [1] if keepdim else []
        return zeros_of(values, tuple(shape))
    return (amax if largest else amin)(values, dim, keepdim)


@numpy_named
def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None
) -> Any:
    """The norm of vectors or of matrices, by the number of dimensions.

    Args:
        A: floating-point or complex.
        ord: the order, of a vector or of a matrix; None stands for 2 of all elements.
        dim: one dimension for vectors, two for matrices; all of a tensor of one or two dimensions if None.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        dtype: dtype to convert to first.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: for integers, or orders that vectors or matrices do not have.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), 2)
        tensor(4.)
    """
    tensor("linalg_norm", "input", A)
    dims = None if dim is None else dims_of(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if dims is None and ord is not None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    of_matrix = ord is not None and (isinstance(ord, str) or len(dims if dims is not None else A.shape) == 2)
    if of_matrix:
        found = _matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype)
    else:
        found = vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype)
    return deliver_exact(
        "linalg_norm", found, out, "linalg.norm expected out tensor dtype {kind} but got: {kind_out}"
    )


def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The sum of a matrix's singular values; `torch.linalg.matrix_norm` is the newer function.

    Args:
        input: a matrix, or any tensor with two dimensions named.
        dim: the two dimensions.
        keepdim: keep these with size 1.
        out: tensor to write the result to.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: if there are not two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.nuclear_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor(7.)
    """
    tensor("nuclear_norm", "input", input)
    dims = tuple(range(input.ndim)) if dim is None else tuple(dim)
    return deliver("nuclear_norm", _matrix_norm(input, "nuc", dims, keepdim, None), out)


def frobenius_norm(input: Any, dim: Any = REQUIRED, keepdim: bool = False, *, out: Any = None) -> Any:
    """The root of the sum of squares along dimensions; `torch.linalg.vector_norm` is the newer function.

    Args:
        input: floating-point or complex.
        dim: one or two dimensions, or none for all.
        keepdim: keep these with size 1.
        out: tensor to write the result to.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> import cotangent as torch
        >>> torch.frobenius_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), dim=(0, 1))
        tensor(5.)
    """
    tensor("frobenius_norm", "input", input)
    if dim is REQUIRED:
        missing("frobenius_norm", "dim")
    return deliver("frobenius_norm", vector_norm(input, 2, dim, keepdim), out)


def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None
) -> Any:
    """Norm of order `p` of all elements or along dimensions; `torch.linalg` has the newer functions.

    Args:
        input: floating-point or complex.
        p: the order of a vector norm: a number, inf, -inf, "fro" (2); or "nuc", the sum of singular values.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        dtype: dtype to convert to first.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> import cotangent as torch
        >>> torch.norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
        tensor(7.)
    """
    if not is_tensor(input):
        bad_argument("norm", "input", 1, "Tensor", input)
    if dtype is not None and input.is_sparse:
        if p == "fro":
            raise ValueError("dtype argument is not supported in frobenius norm")
        raise RuntimeError("norm_sparse currently does not support 'dtype' argument")
    dims = None if dim is None else dims_of(dim)
    p = as_number("linalg_vector_norm", "ord", 2, p)  # which PyTorch calls
    if isinstance(p, str) and (p != "fro" or (dims is not None and len(dims) > 2)):
        where = tuple(range(input.ndim)) if dims is None else dims
        if p == "nuc" and input.ndim < 2:
            at_least_matrix("linalg.matrix_norm", input)
        found = _matrix_norm(input, p, where if p in ("nuc", "fro") else (-2, -1), keepdim, dtype)
    else:
        found = norm_along(input, 2.0 if p in (None, "fro") else p, dims, keepdim, dtype)
    return deliver_exact("norm", found, out)


def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number |A| |A^-1| of matrices.

    Args:
        A: (..., m, n); square unless `p` is None, 2 or -2.
        p: the norm, as for `matrix_norm`; None stands for 2.
        out: tensor to write the result to.

    Returns:
        a real tensor of the batch's shape; inf for singular matrices.

    Raises:
        RuntimeError: for other orders, or if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.cond(torch.tensor([[2.0, 0.0], [0.0, 8.0]]))
        tensor(4.)
    """
    tensor("linalg_cond", "input", A)
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    found = _cond(A, p)
    castable("linalg.cond", "result", found, out)
    return deliver("linalg_cond", found, out)


def _cond(a: Any, p: Any) -> Any:
    lead = tuple(a.shape[:-2])
    if p is None or p in (2, -2):
        if not a.numel():
            return zeros_of(a.real if a.dtype.is_complex else a, lead)
        values = svdvals(a)
        last = values.ndim - 1
        least, most = values.narrow(last, values.shape[last] - 1, 1), values.narrow(last, 0, 1)
        return squeeze_dim(least / most if p == -2 else most / least, last)
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    square(f"linalg.cond(ord={p})", a)
    inexact("linalg.inv", a, narrow=False)
    if not a.numel():
        return zeros_of(a.real if a.dtype.is_complex else a, lead)
    inverse, info = linalg_inv_ex(a)
    if p == "nuc":
        inverse = inverse.masked_fill(unsqueeze_at(unsqueeze_at(info != 0, info.ndim), info.ndim + 1), 0.0)
        found = matrix_norm(a, p) * matrix_norm(inverse, p)
        return found.masked_fill(info != 0, math.inf)
    return nan_to_num(matrix_norm(a, p) * matrix_norm(inverse, p), math.inf, math.inf, -math.inf)
