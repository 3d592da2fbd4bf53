"""The exponential of matrices."""

from __future__ import annotations

from typing import Any

from ..kernels import spectral as k
from .blas import adjoint_matrix
from .join import cat_of, zeros_of
from .matrices import factorisation, inexact, square, tensor
from .views import slice_of


def _exp_rule(g: Any, input: Any) -> Any:
    """The derivative in a direction stands in the corner of exp of a matrix of blocks; the pullback is that
    at A^H.

    Mathias, A chain rule for matrix functions and applications (1996).
    """
    turned = adjoint_matrix(input)
    n, last = input.shape[-1], input.ndim - 1
    upper = cat_of([turned, g], last)
    lower = cat_of([zeros_of(turned, tuple(input.shape)), turned], last)
    found = expm_of(cat_of([upper, lower], last - 1))
    return slice_of(slice_of(found, last - 1, 0, n, 1), last, n, 2 * n, 1)


expm_of: Any = factorisation(
    "expm_of(input)",
    k.expm,
    node="LinalgMatrixExpBackward0",
    public="linalg_matrix_exp",
    input=_exp_rule,
)


def _exponential(function: str, a: Any) -> Any:
    tensor(function, "input", a)
    inexact("linalg.matrix_exp", a)
    square("linalg.matrix_exp", a)
    return expm_of(a)


def matrix_exp(input: Any) -> Any:
    """The exponential of square matrices.

    Args:
        input: (..., n, n).

    Returns:
        (..., n, n).

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.matrix_exp(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])
    """
    return _exponential("matrix_exp", input)


def linalg_matrix_exp(A: Any) -> Any:
    """The exponential of square matrices.

    Args:
        A: (..., n, n).

    Returns:
        (..., n, n).

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.matrix_exp(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])
    """
    return _exponential("linalg_matrix_exp", A)
