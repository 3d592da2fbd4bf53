"""Factors of Hermitian or symmetric matrices that need not be positive-definite."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels import symmetric as k
from ..kernels.layout import by_columns
from .arguments import REQUIRED, deliver_exact
from .blas import adjoint_matrix, conj_of
from .join import zeros_of
from .matrices import (
    at_least_matrix,
    batch_rule,
    broadcast_lead,
    deliver_each,
    diagonal,
    factorisation,
    inexact,
    on_diagonal,
    probe,
    product,
    raise_for,
    same_dtype,
    square,
    supported,
    tensor,
    with_lead,
)  # fmt: skip
from .qr import unit_of
from .results import named_result
from .systems import inverse_of
from .table import general, linear
from .triangles import tril_of
from .triangular import triangular_of

# L without its diagonal and D, from the packed form; and the transpose of that.
spread_of: Any = linear(
    "spread_of(input, pivots | hermitian)",
    k.ldl_spread,
    nout=2,
    batch=batch_rule,
    infer=probe(lambda a, pivots, hermitian: (a, a)),
    node="LdlUnpackBackward0",
    public="ldl_unpack",
    input=lambda g, input_shape, pivots, hermitian: packed_of(
        _or_zeros(g[0], g[1], input_shape), _or_zeros(g[1], g[0], input_shape), pivots, hermitian
    ),
)
packed_of: Any = linear(
    "packed_of(low, middle, pivots | hermitian)",
    k.ldl_packed,
    batch=batch_rule,
    infer=probe(lambda low, middle, pivots, hermitian: low),
    node="LdlUnpackBackward0",
    public="ldl_unpack",
    low=lambda g, pivots, hermitian: spread_of(g, pivots, hermitian)[0],
    middle=lambda g, pivots, hermitian: spread_of(g, pivots, hermitian)[1],
)
order_of: Any = general(
    "order_of(pivots, like)", k.ldl_order, batch=batch_rule, infer=probe(lambda pivots, like: like)
)
below_of: Any = general(
    "below_of(pivots, like)", k.ldl_below, batch=batch_rule, infer=probe(lambda pivots, like: like)
)


def _or_zeros(g: Any, other: Any, shape: Any) -> Any:
    return zeros_of(other, tuple(shape)) if g is None else g


def _factor_rule(g: Any, input_dtype: Any, out0: Any, out1: Any, hermitian: bool) -> Any:
    """The cotangent of A = P L D L^H P^T, where a change of A does not change the order or the blocks.

    With M = L^-1 P^T dA P L^-H, dD is the blocks of M on the diagonal, and what of M stands below them is
    (L^-1 dL) D. PyTorch has no derivative of it.
    """
    low, middle = spread_of(out0, out1, hermitian)
    low = low + unit_of(low)
    p, below = order_of(out1, out0), below_of(out1, out0)
    of_low, of_middle = spread_of(g[0], out1, hermitian)
    inverse = adjoint_matrix(inverse_of(middle, "")[0])
    of_m = product(product(adjoint_matrix(low), of_low), inverse) * below + tril_of(of_middle, 0)
    turned = adjoint_matrix(low)
    half = triangular_of(turned, of_m, True, True, True)
    # The factor on the right is L^-1, or of symmetric matrices its conjugate.
    found = triangular_of(low if hermitian else conj_of(low), half, False, False, True)
    found = product(product(p, found), adjoint_matrix(p))
    # One triangle of A is read.
    mirrored = adjoint_matrix(found) if hermitian else conj_of(adjoint_matrix(found))
    total = tril_of(found, 0) + tril_of(mirrored, -1)
    if hermitian and input_dtype.kind == "c":
        middle_part = diagonal(total)
        total = total + on_diagonal((conj_of(middle_part) - middle_part) * 0.5)
    return total


ldl_factor_of: Any = factorisation(
    "ldl_factor_of(input | hermitian)",
    by_columns(k.ldl_factor, 0),
    1,
    2,
    nout=3,
    node="LinalgLdlFactorExBackward0",
    public="linalg_ldl_factor_ex",
    input=_factor_rule,
)
ldl_solve_of: Any = general(
    "ldl_solve_of(LD, pivots, B | hermitian)",
    k.ldl_solve,
    batch=batch_rule,
    infer=lambda ld, pivots, b, hermitian: np.zeros(b.shape, getattr(b, "np_dtype", None) or b.dtype),
    node="LinalgLdlSolveBackward0",
    public="linalg_ldl_solve",
    LD=lambda g, LD, pivots, out, hermitian: _solve_rule(g, LD, pivots, out, hermitian),
    B=lambda g, LD, pivots, hermitian: _adjoint_solved(g, LD, pivots, hermitian),
)


def _solve_rule(g: Any, ld: Any, pivots: Any, x: Any, hermitian: bool) -> Any:
    """With A X = B: gA = -gB X^H, and A = P L D L^H P^T (or L^T)."""
    low, middle = spread_of(ld, pivots, hermitian)
    low = low + unit_of(low)
    p = order_of(pivots, ld)
    of_a = -product(_adjoint_solved(g, ld, pivots, hermitian), adjoint_matrix(x))
    of_a = product(product(adjoint_matrix(p), of_a), p)
    # Of Y = L D L': gL = gY (D L')^H + (from the right factor) the mirrored (gY)' L D^H.
    right = adjoint_matrix(low) if hermitian else conj_of(adjoint_matrix(low))
    of_left = product(of_a, adjoint_matrix(product(middle, right)))
    of_right = product(adjoint_matrix(product(low, middle)), of_a)
    mirrored = adjoint_matrix(of_right) if hermitian else conj_of(adjoint_matrix(of_right))
    of_middle = product(product(adjoint_matrix(low), of_a), adjoint_matrix(right))
    return packed_of(of_left + mirrored, of_middle, pivots, hermitian)


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
