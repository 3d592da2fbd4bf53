"""Singular values and vectors."""

from __future__ import annotations

from typing import Any, Final

from ..kernels import spectral as k
from .arguments import deliver_exact
from .blas import adjoint_matrix
from .complex import conjugated
from .eigen import check_phase
from .join import zeros_of
from .matrices import (
    at_least_matrix,
    columns,
    deliver_each,
    diagonal,
    factorisation,
    inexact,
    inverse_gaps,
    on_diagonal,
    product,
    rows,
    supported,
    tensor,
)  # fmt: skip
from .results import named_result
from .views import slice_of, transpose_dims


def _first(a: Any, dim: int, count: int) -> Any:
    """The first rows (-2) or columns (-1): nothing determines the others of a full decomposition."""
    if a is None or a.shape[dim] == count:
        return a
    return slice_of(a, a.ndim + dim, 0, count, 1)


def _svd_rule(g: Any, input_dtype: Any, out0: Any, out1: Any, out2: Any) -> Any:
    """The pullback of A = U S V^H.

    Townsend, Differentiating the singular value decomposition (2016), and for complex matrices Wan and Zhang,
    Automatic differentiation for complex valued SVD (2019).
    """
    size = out1.shape[-1]
    u, s, vh = _first(out0, -1, size), out1, _first(out2, -2, size)
    gu, gs, gv = _first(g[0], -1, size), g[1], _first(g[2], -2, size)
    if gu is None and gv is None:
        return product(u * columns(gs), vh)
    left = None if gu is None else product(adjoint_matrix(u), gu)
    right = None if gv is None else product(vh, adjoint_matrix(gv))
    gaps = inverse_gaps(s * s)
    inner = None
    turn = None
    if left is not None:
        skew = left - adjoint_matrix(left)
        turn = diagonal(skew)
        inner = skew * gaps * columns(s)
    if right is not None:
        skew = right - adjoint_matrix(right)
        turn = diagonal(skew) if turn is None else turn + diagonal(skew)
        part = rows(s) * (skew * gaps)
        inner = part if inner is None else inner + part
    check_phase("svd_backward", turn)
    if left is not None and input_dtype.kind == "c":
        # Of complex vectors the phases of U are free, and that of V follows.
        inner = inner + on_diagonal(diagonal(left - adjoint_matrix(left)) * 0.5 / s)
    if gs is not None:
        inner = inner + on_diagonal(gs)
    found = product(product(u, inner), vh)
    if left is not None and u.shape[-2] > size:
        out_of = (gu - product(u, left)) / columns(s)
        found = found + product(out_of, vh)
    if right is not None and vh.shape[-1] > size:
        out_of = (gv - product(adjoint_matrix(right), vh)) / rows(s)
        found = found + product(u, out_of)
    return found


svd_of: Any = factorisation(
    "svd_of(input | full)",
    k.svd,
    node="LinalgSvdBackward0",
    public="linalg_svd",
    nout=3,
    input=_svd_rule,
)
_new: Final = named_result("linalg_svd", "U", "S", "Vh")
_old: Final = named_result("svd", "U", "S", "V")


def _decomposed(named: str, a: Any, full: bool) -> Any:
    inexact(named, a)
    supported("linalg_svd_cpu", a)
    return svd_of(a, full)


def linalg_svd(A: Any, full_matrices: bool = True, *, driver: Any = None, out: Any = None) -> Any:
    """The singular value decomposition A = U diag(S) V^H.

    Args:
        A: (..., m, n).
        full_matrices: whether U and V^H are square; otherwise they have min(m, n) columns and rows. No
        gradient
            flows through what is more.
        driver: must be None, as on every CPU.
        out: three tensors to write the results to.

    Returns:
        `(U, S, Vh)`; S is real and in descending order.

    Raises:
        torch.linalg.LinAlgError: if the matrix contains inf or nan.
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.svd(torch.tensor([[0.0, 2.0], [1.0, 0.0]])).S
        tensor([2., 1.])
    """
    tensor("linalg_svd", "A", A)
    _check(A, driver)
    return deliver_each("linalg_svd", _new(*_decomposed("linalg.svd", A, bool(full_matrices))), out)


def _check(a: Any, driver: Any) -> None:
    at_least_matrix("linalg.svd", a)
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER "
            "backend."
        )


def svdvals(A: Any, *, driver: Any = None, out: Any = None) -> Any:
    """The singular values, in descending order.

    Args:
        A: (..., m, n).
        driver: must be None, as on every CPU.
        out: tensor to write the result to.

    Returns:
        (..., min(m, n)), real.

    Raises:
        torch.linalg.LinAlgError: if the matrix contains inf or nan.
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.svdvals(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
        tensor([2., 1.])
    """
    tensor("linalg_svdvals", "A", A)
    _check(A, driver)
    return deliver_exact("linalg_svdvals", _decomposed("linalg.svd", A, False)[1], out)


def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """The singular value decomposition A = U diag(S) V^H; `torch.linalg.svd` is the newer function.

    Args:
        input: (..., m, n).
        some: whether U and V have min(m, n) columns; otherwise they are square.
        compute_uv: whether U and V are wanted; they are zeros if not.
        out: three tensors to write the results to.

    Returns:
        `(U, S, V)`.

    Raises:
        torch.linalg.LinAlgError: if the matrix contains inf or nan.
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.svd(torch.tensor([[0.0, 2.0], [1.0, 0.0]])).S
        tensor([2., 1.])
    """
    tensor("svd", "input", input)
    if input.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input.ndim} dimensions instead"
        )
    if not compute_uv:
        m, n = input.shape[-2:]
        lead = tuple(input.shape[:-2])
        found = (zeros_of(input, (*lead, m, m)), svdvals(input), zeros_of(input, (*lead, n, n)))
    else:
        u, s, vh = _decomposed("linalg.svd", input, not some)
        found = (u, s, _transposed(vh))
    return deliver_each("svd", _old(*found), out)


def _transposed(vh: Any) -> Any:
    v = transpose_dims(vh, vh.ndim - 2, vh.ndim - 1)
    return conjugated(v) if v.dtype.is_complex else v
