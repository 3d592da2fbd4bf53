"""Triangular systems of equations."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..kernels import lapack as k
from ..kernels.layout import by_columns
from .arguments import REQUIRED, deliver_exact, missing
from .blas import adjoint_matrix
from .matrices import (
    at_least_matrix,
    broadcast_lead,
    deliver_each,
    factorisation,
    product,
    same_dtype,
    square,
    supported,
    tensor,
    with_lead,
)  # fmt: skip
from .results import named_result
from .triangles import tril_of, triu_of
from .views import transpose_dims


def _solve(a: Any, b: Any, upper: bool, left: bool, unit: bool) -> Any:
    if left:
        return k.solve_triangular(a, b, upper, unit)
    flipped = k.solve_triangular(a.swapaxes(-1, -2), b.swapaxes(-1, -2), not upper, unit)
    return np.ascontiguousarray(flipped.swapaxes(-1, -2))


def _triangle(g: Any, upper: bool, unit: bool) -> Any:
    """The part of a cotangent that belongs to elements which were read."""
    return triu_of(g, int(unit)) if upper else tril_of(g, -int(unit))


# With A X = B: gB = A^-H gX and gA = -gB X^H, within the triangle (Giles 2008, section 2.3.1).
triangular_of: Any = factorisation(
    "triangular_of(input, other | upper, left, unit)",
    _solve,
    node="LinalgSolveTriangularBackward0",
    public="linalg_solve_triangular",
    input=lambda g, input, out, upper, left, unit: _triangle(
        -_outer(triangular_of(adjoint_matrix(input), g, not upper, left, unit), out, left), upper, unit
    ),
    other=lambda g, input, upper, left, unit: triangular_of(adjoint_matrix(input), g, not upper, left, unit),
)


def _outer(h: Any, x: Any, left: bool) -> Any:
    return product(h, adjoint_matrix(x)) if left else product(adjoint_matrix(x), h)


def check_equation(function: str, a: Any, b: Any, left: bool) -> None:
    """Refuse right-hand sides whose size does not fit."""
    if a.shape[-1] != b.shape[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{function}: Incompatible shapes of A and B for the equation {equation} "
            f"({a.shape[-2]}x{a.shape[-1]} "
            f"and {b.shape[-2]}x{b.shape[-1]})"
        )


def solve_triangular(
    A: Any,
    B: Any = REQUIRED,
    *,
    upper: Any = REQUIRED,
    left: bool = True,
    unitriangular: bool = False,
    out: Any = None,
) -> Any:
    """The solution X of A X = B (or X A = B) for triangular matrices A.

    Args:
        A: (..., n, n); the other triangle is not read.
        B: (..., n, k), or (..., k, n) where `left` is false; batches broadcast.
        upper: whether A is upper triangular.
        left: which side A stands on.
        unitriangular: take the diagonal of A for ones without reading it.
        out: tensor to write the result to.

    Returns:
        X, of the shape of B with the batches broadcast.

    Raises:
        RuntimeError: if shapes do not fit.

    Example:
        >>> import cotangent as torch
        >>> A = torch.tensor([[1.0, 2.0], [0.0, 4.0]])
        >>> torch.linalg.solve_triangular(A, torch.tensor([[5.0], [8.0]]), upper=True)
        tensor([[1.],
                [2.]])
    """
    name = "linalg.solve_triangular"
    tensor("linalg_solve_triangular", "A", A)
    tensor("linalg_solve_triangular", "B", B, 2)
    if upper is REQUIRED:
        missing("linalg_solve_triangular", "upper")
    square(name, A)
    at_least_matrix(name, B, "B")
    check_equation(name, A, B, left)
    supported("triangular_solve_cpu", A)
    lead = broadcast_lead(A, B)
    x = triangular_of(with_lead(A, lead), with_lead(B, lead), upper, left, unitriangular)
    return deliver_exact(
        "linalg_solve_triangular", x, out, "expected scalar type {kind} but found {kind_out}"
    )


_solved: Final = named_result("triangular_solve", "solution", "cloned_coefficient")


def _back_solved(g: Any, a: Any, upper: bool, transpose: bool, unit: bool) -> Any:
    return triangular_of(adjoint_matrix(_turned(a, transpose)), g, upper == transpose, True, unit)


def _coefficient_rule(g: Any, A: Any, out0: Any, upper: bool, transpose: bool, unit: bool) -> Any:
    total = g[1]
    if g[0] is not None:
        found = -product(_back_solved(g[0], A, upper, transpose, unit), adjoint_matrix(out0))
        found = _turned(_triangle(found, upper != transpose, unit), transpose)
        total = found if total is None else total + found
    return total


# The second result is a copy of the matrices.
triangular_solve_of: Any = factorisation(
    "triangular_solve_of(input, A | upper, transpose, unit)",
    by_columns(
        lambda b, a, upper, transpose, unit: (
            k.solve_triangular(a.swapaxes(-1, -2) if transpose else a, b, upper != transpose, unit),
            np.array(a),
        ),
        0,
        1,
    ),
    node="TriangularSolveBackward0",
    public="triangular_solve",
    nout=2,
    input=lambda g, A, upper, transpose, unit: (
        None if g[0] is None else _back_solved(g[0], A, upper, transpose, unit)
    ),
    A=_coefficient_rule,
)


def _turned(a: Any, transpose: bool) -> Any:
    return transpose_dims(a, a.ndim - 2, a.ndim - 1) if transpose else a


def triangular_solve(
    b: Any,
    A: Any = REQUIRED,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """The solution X of A X = b for triangular A; `torch.linalg.solve_triangular` is the newer function.

    Args:
        b: (..., n, k).
        A: (..., n, n).
        upper: whether A is upper triangular.
        transpose: solve with the transposed matrix.
        unitriangular: take the diagonal of A for ones.
        out: pair of tensors to write the results to.

    Returns:
        `(solution, cloned_coefficient)`, the second a copy of A.

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> A = torch.tensor([[1.0, 2.0], [0.0, 4.0]])
        >>> torch.triangular_solve(torch.tensor([[5.0], [8.0]]), A).solution
        tensor([[1.],
                [2.]])
    """
    tensor("triangular_solve", "input", b)
    tensor("triangular_solve", "A", A, 2)
    for name, t in (("b", b), ("A", A)):
        if t.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {t.ndim} "
                "dimensions instead"
            )
    check_system("triangular_solve", b, A)
    supported("triangular_solve_cpu", A)
    lead = broadcast_lead(A, b)
    found = triangular_solve_of(with_lead(b, lead), with_lead(A, lead), upper, transpose, unitriangular)
    return deliver_each("triangular_solve", _solved(*found), out)


def check_system(function: str, b: Any, a: Any) -> None:
    """What PyTorch's older solvers refuse: other dtypes, matrices that are not square, other sizes."""
    same_dtype(
        "Expected b and A to have the same dtype, but found b of type {a} and A of type {b} instead.", b, a
    )
    if a.shape[-2] != a.shape[-1]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} matrices"
        )
    if a.shape[-2] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {function}: each A matrix is {a.shape[-1]} by {a.shape[-1]} but "
            "each "
            f"b matrix is {b.shape[-2]} by {b.shape[-1]}"
        )
