"""Cholesky factors, and what is solved with them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..kernels import lapack as k
from ..kernels.layout import by_columns
from .arguments import REQUIRED, deliver_exact
from .blas import adjoint_matrix
from .copies import zeros_like
from .matrices import (
    broadcast_lead,
    castable,
    deliver_each,
    factorisation,
    inexact,
    product,
    square,
    supported,
    tensor,
    with_lead,
)  # fmt: skip
from .results import named_result
from .table import deliver
from .triangles import tril_of
from .triangular import check_system, triangular_of


def _cholesky_rule(g: Any, out0: Any, upper: bool) -> Any:
    """gA = L^-H S L^-1, S the Hermitian part of the lower triangle of L^H gL with half its diagonal.

    Murray, Differentiation of the Cholesky decomposition (2016), section 3.1.
    """
    factor, h = (adjoint_matrix(out0), adjoint_matrix(g[0])) if upper else (out0, g[0])
    part = product(adjoint_matrix(factor), h)
    part = (tril_of(part, 0) + adjoint_matrix(tril_of(part, -1))) * 0.5
    half = triangular_of(adjoint_matrix(factor), part, True, True, False)
    return triangular_of(factor, half, False, False, False)


cholesky_of: Any = factorisation(
    "cholesky_of(input | upper, caller)",
    by_columns(k.cholesky, 0),
    1,
    node="LinalgCholeskyExBackward0",
    public="linalg_cholesky_ex",
    nout=2,
    input=_cholesky_rule,
)
old_cholesky_of: Any = factorisation(
    "old_cholesky_of(input | upper, caller)",
    by_columns(k.cholesky, 0),
    1,
    node="CholeskyBackward0",
    public="cholesky",
    nout=2,
    input=_cholesky_rule,
)
_ex: Final = named_result("linalg_cholesky_ex", "L", "info")


def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """The Cholesky factor of Hermitian positive-definite matrices: A = L L^H, or A = U^H U.

    Args:
        A: (..., n, n); one triangle is read.
        upper: return U instead of L.
        out: tensor to write the result to.

    Returns:
        (..., n, n), triangular.

    Raises:
        torch.linalg.LinAlgError: if a matrix is not positive-definite.
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    tensor("linalg_cholesky", "input", A)
    return deliver_exact("linalg_cholesky", _factor(A, upper, "linalg.cholesky")[0], out)


def linalg_cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """The Cholesky factor, and where the factorisation failed instead of an exception.

    Args:
        A: (..., n, n); one triangle is read.
        upper: return U instead of L.
        check_errors: raise as `cholesky` does.
        out: pair of tensors to write the results to.

    Returns:
        `(L, info)`: info is 0, or the order of the first leading minor that is not positive.

    Raises:
        torch.linalg.LinAlgError: if a matrix is not positive-definite and `check_errors`.
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.cholesky_ex(-torch.eye(2)).info
        tensor(1, dtype=torch.int32)
    """
    tensor("linalg_cholesky_ex", "input", A)
    found = _factor(A, upper, "linalg.cholesky_ex" if check_errors else "")
    return deliver_each("linalg_cholesky_ex", _ex(*found), out)


def _factor(a: Any, upper: bool, caller: str) -> Any:
    square("linalg.cholesky", a)
    inexact("linalg.cholesky", a)
    supported("cholesky_cpu", a)
    return cholesky_of(a, bool(upper), caller)


def cholesky(input: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The Cholesky factor; `torch.linalg.cholesky` is the newer function.

    Args:
        input: (..., n, n), Hermitian and positive-definite; one triangle is read.
        upper: return U with A = U^H U.
        out: tensor to write the result to.

    Returns:
        (..., n, n), triangular.

    Raises:
        torch.linalg.LinAlgError: if a matrix is not positive-definite.
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]), upper=True)
        tensor([[2., 1.],
                [0., 2.]])
    """
    tensor("cholesky", "input", input)
    if not input.numel() and (input.ndim < 2 or input.shape[-1] != input.shape[-2]):
        return deliver("cholesky", zeros_like(input), out)
    square("cholesky", input)
    supported("cholesky_cpu", input)
    return deliver("cholesky", old_cholesky_of(input, bool(upper), "cholesky")[0], out)


def _inverse_rule(g: Any, input: Any, out: Any, upper: bool) -> Any:
    """With A^-1 = (L L^H)^-1: d(A^-1) = -A^-1 (dL L^H + L dL^H) A^-1."""
    both = -product(product(out, g + adjoint_matrix(g)), out)
    return product(input, both) if upper else product(both, input)


cholesky_inverse_of: Any = factorisation(
    "cholesky_inverse_of(input | upper)",
    by_columns(k.cholesky_inverse),
    node="CholeskyInverseBackward0",
    public="cholesky_inverse",
    input=_inverse_rule,
)


def cholesky_inverse(L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The inverse of the matrix whose Cholesky factor is given.

    Args:
        L: (..., n, n), triangular.
        upper: whether it is the upper factor.
        out: tensor to write the result to.

    Returns:
        (..., n, n).

    Raises:
        torch.linalg.LinAlgError: if there is a zero on the diagonal.
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.cholesky_inverse(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([[0.2500, 0.0000],
                [0.0000, 1.0000]])
    """
    tensor("cholesky_inverse", "input", L)
    square("cholesky_inverse", L)
    supported("cholesky_inverse_out_cpu", L)
    found = cholesky_inverse_of(L, bool(upper))
    castable("cholesky_inverse", "result", found, out)
    return deliver("cholesky_inverse", found, out)


def _solve(b: Any, a: Any, upper: bool) -> Any:
    other = np.conjugate(a.swapaxes(-1, -2))
    first, second = (other, a) if upper else (a, other)
    half = k.solve_triangular(first, b, False, False)
    return k.solve_triangular(second, half, True, False)


def _factor_rule(g: Any, other: Any, out: Any, upper: bool) -> Any:
    """With A X = B: gA = -gB X^H, and A = L L^H."""
    h = product(cholesky_solve_of(g, other, upper), adjoint_matrix(out))
    both = -(h + adjoint_matrix(h))
    return product(other, both) if upper else product(both, other)


cholesky_solve_of: Any = factorisation(
    "cholesky_solve_of(input, other | upper)",
    by_columns(_solve),
    node="CholeskySolveBackward0",
    public="cholesky_solve",
    input=lambda g, other, upper: cholesky_solve_of(g, other, upper),
    other=_factor_rule,
)


def cholesky_solve(B: Any, L: Any = REQUIRED, upper: bool = False, *, out: Any = None) -> Any:
    """The solution X of A X = B for the matrix A whose Cholesky factor is given.

    Args:
        B: (..., n, k).
        L: (..., n, n), triangular; batches broadcast.
        upper: whether it is the upper factor.
        out: tensor to write the result to.

    Returns:
        (..., n, k).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.cholesky_solve(torch.ones(2, 1), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([[0.2500],
                [1.0000]])
    """
    tensor("cholesky_solve", "input", B)
    tensor("cholesky_solve", "input2", L, 2)
    for name, t in (("b", B), ("u", L)):
        if t.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {t.ndim} dimensions instead"
            )
    check_system("cholesky_solve", B, L)
    supported("cholesky_solve_cpu", L)
    lead = broadcast_lead(L, B)
    found = cholesky_solve_of(with_lead(B, lead), with_lead(L, lead), bool(upper))
    castable("cholesky_solve", "result", found, out)
    return deliver("cholesky_solve", found, out)
