"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..dtypes import FLOATING, SCALAR_NAME
from ..kernels import spectral as k
from ..kernels.layout import by_columns
from .arguments import deliver_exact
from .blas import adjoint_matrix, conj_of
from .complex import real_part
from .matrices import (
    columns,
    concrete,
    deliver_castable,
    deliver_each,
    diagonal,
    factorisation,
    inverse_gaps,
    on_diagonal,
    product,
    square,
    supported,
    tensor,
)  # fmt: skip
from .results import named_result
from .systems import inverse_of
from .table import is_array

_UNIQUE: Final = {
    "linalg_eigh_backward": "eigenvectors",
    "linalg_eig_backward": "eigenvectors",
    "svd_backward": "singular vectors",
}
_ILL: Final = {
    "linalg_eigh_backward": "quantity, so it is",
    "linalg_eig_backward": "quantity, so it is",
    "svd_backward": "phase term, making it",
}


def check_phase(which: str, found: Any) -> None:
    """Refuse a loss that depends on the phase of complex vectors, which nothing determines.

    Args:
        which: PyTorch's name of the pullback.
        found: diagonals whose imaginary parts are what the loss gains by turning each vector.
    """
    values = found if is_array(found) else concrete(found)
    if values is None or values.dtype.kind != "c" or not values.size:
        return
    if not np.all(np.abs(values.imag) <= 1e-2):  # PyTorch's own measure of "depends on"
        raise RuntimeError(
            f"{which}: The {_UNIQUE[which]} in the complex case are specified up to multiplication by "
            f"e^{{i phi}}. The specified loss function depends on this {_ILL[which]} ill-defined."
        )


def _eigh_rule(g: Any, out0: Any, out1: Any) -> Any:
    """gA = V (diag(gL) + skew(V^H gV) / (l_j - l_i)) V^H (Giles 2008, section 3.1)."""
    inner = None
    if g[1] is not None:
        inner = product(adjoint_matrix(out1), g[1])
        check_phase("linalg_eigh_backward", diagonal(inner))
        inner = (inner - adjoint_matrix(inner)) * 0.5 * inverse_gaps(out0)
    if g[0] is not None:
        if inner is None:
            return product(out1 * columns(g[0]), adjoint_matrix(out1))
        inner = inner + on_diagonal(g[0])
    return product(product(out1, inner), adjoint_matrix(out1))


eigh_of: Any = factorisation(
    "eigh_of(input | upper)",
    by_columns(k.eigh, 1),
    node="LinalgEighBackward0",
    public="linalg_eigh",
    nout=2,
    input=_eigh_rule,
)


def _eig_rule(g: Any, input_dtype: Any, out0: Any, out1: Any) -> Any:
    """gA = V^-H (diag(gL) + (V^H gV - V^H V diag(Re(V^H gV))) / conj(l_j - l_i)) V^H.

    The second term keeps the columns of V at length one (Boeddeker et al., On the computation of
    complex-valued gradients with application to statistically optimum beamforming, 2017, section 4.18).
    """
    turned = adjoint_matrix(out1)
    inner = None
    if g[1] is not None:
        inner = product(turned, g[1])
        along = diagonal(inner)
        check_phase("linalg_eig_backward", along)
        inner = inner - product(turned, out1) * columns(real_part(along))
        inner = inner * conj_of(inverse_gaps(out0))
    if g[0] is not None:
        inner = on_diagonal(g[0]) if inner is None else inner + on_diagonal(g[0])
    found = product(product(adjoint_matrix(inverse_of(out1, "")[0]), inner), turned)
    return found if input_dtype.kind == "c" else real_part(found)


eig_of: Any = factorisation(
    "eig_of(input)",
    by_columns(k.eig, 1),
    node="LinalgEigBackward0",
    public="linalg_eig",
    nout=2,
    input=_eig_rule,
)

_eigh_result: Final = named_result("linalg_eigh", "eigenvalues", "eigenvectors")
_eig_result: Final = named_result("linalg_eig", "eigenvalues", "eigenvectors")


def _hermitian(a: Any, triangle: Any) -> Any:
    square("linalg.eigh", a)
    if not isinstance(triangle, str) or triangle.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {triangle}")
    supported("linalg_eigh_cpu", a)
    return eigh_of(a, triangle.upper() == "U")


def eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Args:
        A: (..., n, n); one triangle is read.
        UPLO: which triangle: "L" or "U".
        out: two tensors to write the results to.

    Returns:
        `(eigenvalues, eigenvectors)`: real, in ascending order, and the columns of a unitary matrix.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.eigh(torch.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([1., 2.])
    """
    tensor("linalg_eigh", "input", A)
    return deliver_each("linalg_eigh", _eigh_result(*_hermitian(A, UPLO)), out)


def eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues of Hermitian matrices, in ascending order.

    Args:
        A: (..., n, n); one triangle is read.
        UPLO: which triangle: "L" or "U".
        out: tensor to write the result to.

    Returns:
        (..., n), real.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([1., 2.])
    """
    tensor("linalg_eigvalsh", "input", A)
    return deliver_exact("linalg_eigvalsh", _hermitian(A, UPLO)[0], out)


def _general(function: str, a: Any) -> Any:
    if a.dtype.category < FLOATING:
        raise RuntimeError(f"Unknown Complex ScalarType for {SCALAR_NAME[a.dtype]}")
    square(function, a)
    supported("linalg_eig_out_cpu", a)
    return eig_of(a)


def eig(A: Any, *, out: Any = None) -> Any:
    """Eigenvalues and eigenvectors of square matrices.

    Args:
        A: (..., n, n).
        out: two complex tensors to write the results to.

    Returns:
        `(eigenvalues, eigenvectors)`, always complex; the eigenvectors are columns of length one.

    Raises:
        RuntimeError: if the matrices are not square or contain inf or nan.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.eig(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
        tensor([0.+1.j, 0.-1.j])
    """
    tensor("linalg_eig", "input", A)
    found = _eig_result(*_general("linalg.eig", A))
    if out is None:
        return found
    names = ("eigenvalues", "eigenvectors")
    return _eig_result(*(deliver_castable("eig", n, v, o) for n, v, o in zip(names, found, out, strict=True)))


def eigvals(A: Any, *, out: Any = None) -> Any:
    """Eigenvalues of square matrices, always complex.

    Args:
        A: (..., n, n).
        out: complex tensor to write the result to.

    Returns:
        (..., n).

    Raises:
        RuntimeError: if the matrices are not square or contain inf or nan.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.eigvals(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        tensor([0.+1.j, 0.-1.j])
    """
    tensor("linalg_eigvals", "input", A)
    return deliver_castable("eigvals", "eigenvalues", _general("linalg.eigvals", A)[0], out)
