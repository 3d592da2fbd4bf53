"""LU factors with partial pivoting, and what is solved with them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels import lapack as k
from ..kernels.layout import by_columns
from .arguments import REQUIRED, deliver_exact
from .blas import adjoint_matrix
from .join import cat_of, zeros_of
from .matrices import (
    batch_rule,
    broadcast_lead,
    deliver_each,
    factorisation,
    product,
    raise_for,
    same_dtype,
    square,
    supported,
    tensor,
    with_lead,
)  # fmt: skip
from .results import named_result
from .table import deliver, general
from .triangles import tril_of, triu_of
from .triangular import check_equation, triangular_of
from .views import slice_backward, slice_of


def _piece(a: Any, dim: int, start: int, stop: int) -> Any:
    """Rows (dim -2) or columns (dim -1) of matrices."""
    return slice_of(a, a.ndim + dim, start, stop, 1)


def pull_lu(gl: Any, gu: Any, p: Any, low: Any, up: Any) -> Any:
    """The cotangent of A = P L U.

    For square A it is P L^-H (tril(L^H gL, -1) + triu(gU U^H)) U^-H (de Hoog, Anderssen, Lukas,
    Differentiation of matrix functionals using triangular factorization, 2011); what is left of a wide or
    tall A follows from U_2 = L^-1 P^T A_2 and L_2 = (P^T A)_2 U_1^-1.
    """
    m, n = low.shape[-2], up.shape[-1]
    size = min(m, n)
    one, first = _piece(low, -2, 0, size), _piece(up, -1, 0, size)
    inner = None
    side = None
    if gl is not None:
        top = _piece(gl, -2, 0, size)
        inner = tril_of(product(adjoint_matrix(one), top), -1)
    if gu is not None:
        left = _piece(gu, -1, 0, size)
        part = triu_of(product(left, adjoint_matrix(first)), 0)
        inner = part if inner is None else inner + part
    if m < n and gu is not None:
        rest, wide = _piece(gu, -1, size, n), _piece(up, -1, size, n)
        side = triangular_of(adjoint_matrix(one), rest, True, True, True)
        inner = inner - tril_of(product(rest, adjoint_matrix(wide)), -1)
    if m > n and gl is not None:
        rest, tall = _piece(gl, -2, size, m), _piece(low, -2, size, m)
        side = triangular_of(adjoint_matrix(first), rest, False, False, False)
        inner = inner - triu_of(product(adjoint_matrix(tall), rest), 0)
    half = triangular_of(adjoint_matrix(one), inner, True, True, True)
    main = triangular_of(adjoint_matrix(first), half, False, False, False)
    if m != n:
        if side is None:
            other = _piece(up, -1, size, n) if m < n else _piece(low, -2, size, m)
            side = other * 0.0
        main = cat_of([main, side], main.ndim - (1 if m < n else 2))
    return main if p is None else product(p, main)


def _lu(a: Any) -> Any:
    factors, pivots, _ = k.lu_factor(a)
    size = pivots.shape[-1]
    p = k.permutation_matrix(pivots, a.shape[-2], a.dtype)
    low = np.tril(factors[..., :size], -1)
    index = np.arange(size)
    low[..., index, index] = 1
    return p, low, np.triu(factors[..., :size, :])


lu_of: Any = factorisation(
    "lu_of(input)",
    _lu,
    0,
    node="LinalgLuBackward0",
    public="linalg_lu",
    nout=3,
    input=lambda g, out0, out1, out2: pull_lu(g[1], g[2], out0, out1, out2),
)


def _exchange(pivots: Any, like: Any, function: str) -> Any:
    m = like.shape[-2]
    if pivots.size and function.endswith("lu_solve") and pivots.min() < 1:
        raise RuntimeError(
            "Pivots given to lu_solve must all be greater or equal to 1. Did you properly pass the result of "
            "lu_factor?"
        )
    if pivots.size and (pivots.max() > m or pivots.min() < 1):
        raise RuntimeError(
            "Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did you properly pass the "
            "result of lu_factor?"
            if function == "lu_solve"
            else "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you properly "
            "pass the "
            "result of lu_factor?"
        )
    return k.permutation_matrix(pivots, m, like.dtype)


# The matrix P of a list of exchanges, in the dtype of `like`.
permutation_of: Any = general(
    "permutation_of(pivots, like | function)",
    _exchange,
    batch=batch_rule,
    infer=lambda pivots, like, function: np.zeros(
        (*like.shape[:-1], like.shape[-2]), getattr(like, "np_dtype", None) or like.dtype
    ),
)


def _unpacked(a: Any) -> Any:
    size = min(a.shape[-2:])
    low = np.tril(a[..., :size], -1)
    index = np.arange(size)
    low[..., index, index] = 1
    return low, np.triu(a[..., :size, :])


def _packed(gl: Any, gu: Any, shape: Any) -> Any:
    """The cotangent of L and U in one array."""
    total = None
    if gl is not None:
        size = gl.shape[-1]
        total = slice_backward(tril_of(gl, -1), shape, len(shape) - 1, 0, size, 1)
    if gu is not None:
        part = slice_backward(triu_of(gu, 0), shape, len(shape) - 2, 0, gu.shape[-2], 1)
        total = part if total is None else total + part
    return total


unpack_of: Any = factorisation(
    "unpack_of(input)",
    _unpacked,
    node="LuUnpackBackward0",
    public="lu_unpack",
    nout=2,
    input=lambda g, input_shape: _packed(g[0], g[1], tuple(input_shape)),
)


def _factor_rule(g: Any, out0: Any, out1: Any) -> Any:
    low, up = unpack_of(out0)
    size = low.shape[-1]
    gl, gu = slice_of(g[0], g[0].ndim - 1, 0, size, 1), slice_of(g[0], g[0].ndim - 2, 0, size, 1)
    return pull_lu(gl, gu, permutation_of(out1, out0, "lu_factor"), low, up)


factor_of: Any = factorisation(
    "factor_of(input)",
    by_columns(k.lu_factor, 0),
    1,
    2,
    node="LinalgLuFactorExBackward0",
    public="linalg_lu_factor_ex",
    nout=3,
    input=_factor_rule,
)


def _solve(lu: Any, pivots: Any, b: Any, left: bool, adjoint: bool) -> Any:
    if not left:
        flipped = _solve(lu, pivots, np.conjugate(b.swapaxes(-1, -2)), True, not adjoint)
        return np.ascontiguousarray(np.conjugate(flipped.swapaxes(-1, -2)))
    p = _exchange(pivots, lu, "lu_solve")
    turned = np.conjugate(lu.swapaxes(-1, -2))
    if adjoint:
        half = k.solve_triangular(turned, b, False, False)
        return p @ k.solve_triangular(turned, half, True, True)
    half = k.solve_triangular(lu, p.swapaxes(-1, -2) @ b, False, True)
    return k.solve_triangular(lu, half, True, False)


def _lu_rule(g: Any, lu: Any, pivots: Any, x: Any, left: bool, adjoint: bool) -> Any:
    """The cotangent of the packed factors, by way of the two triangular systems."""
    if not left:
        g, x, adjoint = adjoint_matrix(g), adjoint_matrix(x), not adjoint
    turned = adjoint_matrix(lu)
    if adjoint:
        back = adjoint_matrix(permutation_of(pivots, lu, "lu_solve"))
        y = product(back, x)
        h = triangular_of(lu, product(back, g), False, True, True)
        first = triangular_of(lu, h, True, True, False)
        z = y + product(adjoint_matrix(tril_of(lu, -1)), y)
        return -(tril_of(product(y, adjoint_matrix(h)), -1) + triu_of(product(z, adjoint_matrix(first)), 0))
    h = triangular_of(turned, g, False, True, False)
    first = triangular_of(turned, h, True, True, True)
    right = product(triu_of(lu, 0), x)
    return -(tril_of(product(first, adjoint_matrix(right)), -1) + triu_of(product(h, adjoint_matrix(x)), 0))


lu_solve_of: Any = factorisation(
    "lu_solve_of(LU, pivots, B | left, adjoint)",
    _solve,
    node="LinalgLuSolveBackward0",
    public="linalg_lu_solve",
    LU=lambda g, LU, pivots, out, left, adjoint: _lu_rule(g, LU, pivots, out, left, adjoint),
    B=lambda g, LU, pivots, left, adjoint: lu_solve_of(LU, pivots, g, left, not adjoint),
)

# -- what users call ----------------------------------------------------------------------------------------

_lu_result: Final = named_result("linalg_lu", "P", "L", "U")
_factor_result: Final = named_result("linalg_lu_factor", "LU", "pivots")
_factor_ex_result: Final = named_result("linalg_lu_factor_ex", "LU", "pivots", "info")
_with_info: Final = named_result("_lu_with_info", "LU", "pivots", "info")
_unpack_result: Final = named_result("lu_unpack", "P", "L", "U")
_ZERO_PIVOT: Final = (
    "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still want to "
    "perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)


def _check(function: str, a: Any, pivot: bool) -> None:
    if a.ndim < 2:
        raise RuntimeError(
            f"{function}: Expected tensor with 2 or more dimensions. Got size: {list(a.shape)} instead"
        )
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    supported("lu_cpu", a)


def linalg_lu(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """The factorisation A = P L U with partial pivoting.

    Args:
        A: (..., m, n).
        pivot: must be true, as on every CPU.
        out: three tensors to write the results to.

    Returns:
        `(P, L, U)` of shapes (..., m, m), (..., m, k) and (..., k, n) with k = min(m, n).

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.lu(torch.tensor([[1.0, 2.0], [2.0, 2.0]])).U
        tensor([[2., 2.],
                [0., 1.]])
    """
    tensor("linalg_lu", "A", A)
    _check("linalg.lu", A, pivot)
    return deliver_each("linalg_lu", _lu_result(*lu_of(A)), out)


def linalg_lu_factor(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """The factors L and U in one array, for `lu_solve`.

    Args:
        A: (..., m, n).
        pivot: must be true, as on every CPU.
        out: two tensors to write the results to.

    Returns:
        `(LU, pivots)`: L without its diagonal of ones below U; row i was exchanged with row pivots[i] - 1.

    Raises:
        RuntimeError: if there is a zero on U's diagonal.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.lu_factor(torch.tensor([[1.0, 2.0], [2.0, 2.0]])).pivots
        tensor([2, 2], dtype=torch.int32)
    """
    tensor("linalg_lu_factor", "A", A)
    _check("torch.lu_factor", A, pivot)
    factors, pivots, info = factor_of(A)
    raise_for(info, "torch.linalg.lu_factor", _ZERO_PIVOT, RuntimeError)
    return deliver_each("linalg_lu_factor", _factor_result(factors, pivots), out)


def linalg_lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """The factors L and U in one array, and where U has a zero on its diagonal instead of an exception.

    Args:
        A: (..., m, n).
        pivot: must be true, as on every CPU.
        check_errors: raise as `lu_factor` does.
        out: three tensors to write the results to.

    Returns:
        `(LU, pivots, info)`.

    Raises:
        RuntimeError: if there is a zero on U's diagonal and `check_errors`.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    tensor("linalg_lu_factor_ex", "A", A)
    _check("torch.lu_factor", A, pivot)
    factors, pivots, info = factor_of(A)
    if check_errors:
        raise_for(info, "torch.linalg.lu_factor_ex", _ZERO_PIVOT, RuntimeError)
    return deliver_each("linalg_lu_factor_ex", _factor_ex_result(factors, pivots, info), out)


def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """The factors L and U in one array; `torch.linalg.lu_factor` is the newer function.

    Args:
        A: (..., m, n).
        pivot: must be true, as on every CPU.
        get_infos: also return where U has a zero on its diagonal.
        out: tensors to write the results to.

    Returns:
        `(LU, pivots)`, or with info as a third.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.lu(torch.tensor([[1.0, 2.0], [2.0, 2.0]]))[1]
        tensor([2, 2], dtype=torch.int32)
    """
    tensor("_lu_with_info", "input", A)
    _check("torch.lu_factor", A, pivot)
    found = factor_of(A)
    result = _with_info(*found) if get_infos else tuple(found[:2])
    return deliver("lu", result, out)


def lu_method(A: Any, pivot: bool = True, get_infos: bool = False) -> Any:
    """`torch.lu` as a method: a plain tuple.

    Example:
        >>> import cotangent as torch
        >>> len(torch.eye(2).lu(get_infos=True))
        3
    """
    return tuple(lu(A, pivot, get_infos))


def lu_unpack(
    LU_data: Any,
    LU_pivots: Any = REQUIRED,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """P, L and U from what `lu_factor` returns.

    Args:
        LU_data: (..., m, n), L and U in one array.
        LU_pivots: (..., min(m, n)), int32.
        unpack_data: whether L and U are wanted; they are empty if not.
        unpack_pivots: whether P is wanted.
        out: three tensors to write the results to.

    Returns:
        `(P, L, U)`.

    Raises:
        RuntimeError: if the pivots do not belong to such a matrix.

    Example:
        >>> import cotangent as torch
        >>> A = torch.tensor([[1.0, 2.0], [2.0, 2.0]])
        >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(A))
        >>> torch.allclose(P @ L @ U, A)
        True
    """
    tensor("lu_unpack", "LU_data", LU_data)
    tensor("lu_unpack", "LU_pivots", LU_pivots, 2)
    if LU_data.ndim < 2:
        raise RuntimeError(
            f"torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: {list(LU_data.shape)} "
            "instead"
        )
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: "
            "this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    nothing = zeros_of(LU_data, (0,))
    low, up = unpack_of(LU_data) if unpack_data else (nothing, nothing)
    p = permutation_of(LU_pivots, LU_data, "lu_unpack") if unpack_pivots else nothing
    return deliver_each("lu_unpack", _unpack_result(p, low, up), out)


def linalg_lu_solve(
    LU: Any,
    pivots: Any = REQUIRED,
    B: Any = REQUIRED,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Any = None,
) -> Any:
    """The solution X of A X = B (or X A = B) from the LU factors of A.

    Args:
        LU: (..., n, n), from `lu_factor`.
        pivots: (..., n), from `lu_factor`.
        B: (..., n, k), or (..., k, n) where `left` is false; batches broadcast.
        left: which side A stands on.
        adjoint: solve with A^H.
        out: tensor to write the result to.

    Returns:
        X, of the shape of B with the batches broadcast.

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
        >>> torch.linalg.lu_solve(LU, pivots, torch.tensor([[2.0], [3.0]]))
        tensor([[3.],
                [1.]])
    """
    for position, (name, value) in enumerate((("LU", LU), ("pivots", pivots), ("B", B)), 1):
        tensor("linalg_lu_solve", name, value, position)
    supported("linalg.lu_solve", LU)
    square("torch.linalg.lu_solve", LU)
    same_dtype(
        "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {a} and B of type "
        "{b} instead",
        LU,
        B,
    )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_equation("linalg.lu_solve", LU, B, left)
    if LU.shape[-1] != pivots.shape[-1]:
        raise RuntimeError(
            "linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix"
        )
    if LU.shape[:-1] != pivots.shape:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots.shape)} instead"
        )
    lead = broadcast_lead(LU, B)
    x = lu_solve_of(with_lead(LU, lead), with_lead(pivots, lead, 1), with_lead(B, lead), left, adjoint)
    return deliver_exact("linalg_lu_solve", x, out)


def lu_solve(b: Any, LU_data: Any = REQUIRED, LU_pivots: Any = REQUIRED, *, out: Any = None) -> Any:
    """`torch.linalg.lu_solve` with the right-hand side first.

    Args:
        b: (..., n, k).
        LU_data: (..., n, n), from `lu_factor`.
        LU_pivots: (..., n), from `lu_factor`.
        out: tensor to write the result to.

    Returns:
        (..., n, k).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> A = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> torch.lu_solve(torch.tensor([[2.0], [3.0]]), *torch.linalg.lu_factor(A))
        tensor([[3.],
                [1.]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, b, out=out)
