"""Factors of Hermitian or symmetric matrices that need not be positive-definite."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels import spectral as k
from .arguments import REQUIRED, deliver_exact
from .matmul import conj_of
from .matrices import (
    at_least_matrix,
    batch_rule,
    broadcast_lead,
    deliver_each,
    inexact,
    probe,
    raise_for,
    same_dtype,
    square,
    supported,
    tensor,
    with_lead,
)  # fmt: skip
from .results import named_result
from .table import general

ldl_factor_of: Any = general(
    "ldl_factor_of(input | hermitian)",
    k.ldl_factor,
    nout=3,
    nondiff_outputs=(1, 2),
    batch=batch_rule,
    infer=probe(k.ldl_factor),
    public="linalg_ldl_factor_ex",
)
# PyTorch has no derivative here either; X is linear in B, so that one is easily had.
ldl_solve_of: Any = general(
    "ldl_solve_of(LD, pivots, B | hermitian)",
    k.ldl_solve,
    batch=batch_rule,
    infer=lambda ld, pivots, b, hermitian: np.zeros(b.shape, getattr(b, "np_dtype", None) or b.dtype),
    public="linalg_ldl_solve",
    B=lambda g, LD, pivots, hermitian: _adjoint_solved(g, LD, pivots, hermitian),
)


def _adjoint_solved(g: Any, ld: Any, pivots: Any, hermitian: bool) -> Any:
    """A^-H g: A is Hermitian, or symmetric."""
    if hermitian:
        return ldl_solve_of(ld, pivots, g, hermitian)
    return conj_of(ldl_solve_of(ld, pivots, conj_of(g), hermitian))


_plain: Final = named_result("linalg_ldl_factor", "LD", "pivots")
_ex: Final = named_result("linalg_ldl_factor_ex", "LD", "pivots", "info")
_FAILED: Final = "Unknown error code: {0}."


def _factored(a: Any, hermitian: bool) -> Any:
    name = "torch.linalg.ldl_factor_ex"
    square(name, a)
    inexact(name, a)
    supported("ldl_factor_kernel_cpu", a)
    return ldl_factor_of(a, bool(hermitian))


def ldl_factor(A: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """The factorisation A = L D L^T (or L D L^H) as LAPACK packs it, for `ldl_solve`.

    Args:
        A: (..., n, n), symmetric or Hermitian; the lower triangle is read.
        hermitian: whether complex matrices are Hermitian rather than symmetric.
        out: two tensors to write the results to.

    Returns:
        `(LD, pivots)`.

    Raises:
        RuntimeError: if the matrices are not square, or D is singular.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.ldl_factor(torch.eye(2)).pivots
        tensor([1, 2], dtype=torch.int32)
    """
    tensor("linalg_ldl_factor", "input", A)
    ld, pivots, info = _factored(A, hermitian)
    raise_for(info, "torch.linalg.ldl_factor", _FAILED, RuntimeError)
    return deliver_each("linalg_ldl_factor", _plain(ld, pivots), out)


def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """The factorisation A = L D L^T, and where D is singular instead of an exception.

    Args:
        A: (..., n, n), symmetric or Hermitian; the lower triangle is read.
        hermitian: whether complex matrices are Hermitian rather than symmetric.
        check_errors: raise as `ldl_factor` does.
        out: three tensors to write the results to.

    Returns:
        `(LD, pivots, info)`.

    Raises:
        RuntimeError: if the matrices are not square, or D is singular and `check_errors`.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.ldl_factor_ex(torch.zeros(1, 1)).info
        tensor(1, dtype=torch.int32)
    """
    tensor("linalg_ldl_factor_ex", "input", A)
    found = _factored(A, hermitian)
    if check_errors:
        raise_for(found[2], "torch.linalg.ldl_factor_ex", _FAILED, RuntimeError)
    return deliver_each("linalg_ldl_factor_ex", _ex(*found), out)


def ldl_solve(
    LD: Any, pivots: Any = REQUIRED, B: Any = REQUIRED, *, hermitian: bool = False, out: Any = None
) -> Any:
    """The solution X of A X = B from the factors of A.

    Args:
        LD: (..., n, n), from `ldl_factor`.
        pivots: (..., n), from `ldl_factor`.
        B: (..., n, k); batches broadcast.
        hermitian: as it was for `ldl_factor`.
        out: tensor to write the result to.

    Returns:
        (..., n, k).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> A = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(A), torch.tensor([[2.0], [3.0]]))
        tensor([[3.],
                [2.]])
    """
    name = "torch.linalg.ldl_solve"
    for position, (which, value) in enumerate((("LD", LD), ("pivots", pivots), ("B", B)), 1):
        tensor("linalg_ldl_solve", which, value, position)
    square(name, LD)
    if LD.shape[:-1] != pivots.shape:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    if pivots.dtype.category != dtypes.INTEGRAL:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {dtypes.SCALAR_NAME[pivots.dtype]}")
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}: Expected pivots to be int32. Got {dtypes.SCALAR_NAME[pivots.dtype]}")
    at_least_matrix(name, B, "B")
    same_dtype(
        "Expected b and A to have the same dtype, but found b of type {a} and A of type {b} instead.", B, LD
    )
    if LD.shape[-2] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-1]} by {LD.shape[-1]} but "
            "each b "
            f"matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    supported("ldl_solve_kernel_cpu", LD)
    lead = broadcast_lead(LD, B)
    x = ldl_solve_of(with_lead(LD, lead), with_lead(pivots, lead, 1), with_lead(B, lead), bool(hermitian))
    return deliver_exact("linalg_ldl_solve", x, out)
