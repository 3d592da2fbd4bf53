"""A few singular values or eigenvalues of large matrices, from a random start.

Halko, Martinsson and Tropp, Finding structure with randomness (2011), algorithms 4.4 and 5.1; and the locally
optimal block preconditioned conjugate gradient method of Knyazev (2001).
"""

from __future__ import annotations

from typing import Any

from . import random
from .config import settings
from .dtypes import FLOATING, finfo
from .ops.cholesky import linalg_cholesky
from .ops.matmul import matmul
from .ops.partial_eigen import lobpcg_of
from .ops.qr import linalg_qr
from .ops.singular import linalg_svd
from .ops.triangular import solve_triangular
from .size import strided

__all__ = ["lobpcg", "pca_lowrank", "svd_lowrank"]


def _adjoint(a: Any) -> Any:
    turned = a.transpose(-2, -1)
    return turned.conj() if a.dtype.is_complex else turned


def _basis(a: Any, q: int, niter: int, mean: Any) -> Any:
    """Orthonormal columns whose span holds most of what A does, by subspace iteration from a random start."""

    def applied(m: Any, c: Any, q: Any) -> Any:
        found = matmul(m, q)
        return found if c is None else found - matmul(c, q)

    kind = a.dtype if a.dtype.category >= FLOATING else settings.default_dtype
    start = random.randn(a.shape[-1], q, dtype=kind)
    columns = linalg_qr(applied(a, mean, start))[0]
    turned, turned_mean = _adjoint(a), None if mean is None else _adjoint(mean)
    for _ in range(niter):
        columns = linalg_qr(applied(turned, turned_mean, columns))[0]
        columns = linalg_qr(applied(a, mean, columns))[0]
    return columns


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple[Any, Any, Any]:
    """The largest singular values and vectors of A (or of A - M), for a matrix of low rank.

    Args:
        A: (..., m, n).
        q: how many; a little more than the rank.
        niter: how many rounds of subspace iteration.
        M: (..., m, n), taken off A.

    Returns:
        `(U, S, V)` of shapes (..., m, q), (..., q) and (..., n, q).

    Example:
        >>> import cotangent as torch
        >>> torch.svd_lowrank(torch.ones(4, 3), q=1)[1]
        tensor([3.4641])
    """
    count = 6 if q is None else q
    wide = A.shape[-2] < A.shape[-1]
    if M is not None:
        M = M.broadcast_to(A.size())
    if wide:
        A = _adjoint(A)
        M = None if M is None else _adjoint(M)
    columns = _basis(A, count, 2 if niter is None else niter, M)
    turned = _adjoint(columns)
    small = matmul(turned, A)
    if M is not None:
        small = small - matmul(turned, M)
    u, s, vh = linalg_svd(small, full_matrices=False)
    left, right = matmul(columns, u), _adjoint(vh)
    return (right, s, left) if wide else (left, s, right)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Any, Any, Any]:
    """The principal components of observations, the rows of A.

    Args:
        A: (..., m, n).
        q: how many; min(6, m, n) if None.
        center: take the mean of the rows off first.
        niter: how many rounds of subspace iteration.

    Returns:
        `(U, S, V)`: the columns of V are the directions, S**2 / (m - 1) the variances along them.

    Raises:
        ValueError: if q or niter is negative or q too large.

    Example:
        >>> import cotangent as torch
        >>> torch.pca_lowrank(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), q=1)[1]
        tensor([1.4142])
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if center and A.layout is not strided:
        A = A.to_dense()  # which it is without its mean
    return svd_lowrank(A - A.mean(dim=(-2,), keepdim=True) if center else A, q, niter)


def lobpcg(
    A: Any,
    k: int | None = None,
    B: Any = None,
    X: Any = None,
    n: int | None = None,
    iK: Any = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Any, Any]:
    """A few of the largest or smallest eigenvalues of A x = e B x, A symmetric and B positive-definite.

    Args:
        A: (..., m, m), as B and iK also in a sparse layout.
        k: how many; as many as X has columns, or one.
        B: (..., m, m); the unit matrix if None.
        X: (..., m, n), where to start; random numbers if None.
        n: how many columns to draw, if X is None.
        iK: (..., m, m), a preconditioner.
        niter: the most rounds, 1000 by default.
        tol: how small residuals are to be, the root of eps by default.
        largest: the largest (the default) or the smallest.
        method, ortho_iparams, ortho_fparams, ortho_bparams: accepted for PyTorch's sake; there is one method.
        tracker: must be None.

    Returns:
        `(E, X)` of shapes (..., k) and (..., m, k).

    Raises:
        AssertionError: if A is not square.
        ValueError: if m is less than 3 n.
        NotImplementedError: if there is a `tracker`.

    Example:
        >>> import cotangent as torch
        >>> A = torch.diag(torch.arange(1.0, 10.0))
        >>> torch.allclose(torch.lobpcg(A, k=2)[0], torch.tensor([9.0, 8.0]))
        True
    """
    if tracker is not None:
        raise NotImplementedError("lobpcg: there is no tracker here")
    if A.shape[-2] != A.shape[-1]:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    m = A.shape[-1]
    wanted = (1 if X is None else X.shape[-1]) if k is None else k
    columns = (wanted if n is None else n) if X is None else X.shape[-1]
    if m < 3 * columns:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the "
            "number of "
            f"requested eigenpairs (={columns})"
        )
    A, B, iK = (t if t is None or t.layout is strided else t.to_dense() for t in (A, B, iK))
    if A.requires_grad or (B is not None and B.requires_grad):  # derivatives are those of a symmetric matrix
        A, B = (A + A.mT) / 2, None if B is None else (B + B.mT) / 2
    if X is None:
        X = random.randn(*A.shape[:-1], columns, dtype=A.dtype)
    elif tuple(X.shape[-2:]) != (m, columns):
        raise AssertionError(f"X shape mismatch: got {X.shape}, expected {(m, columns)}")
    lower = None
    if B is not None:
        # With B = L L^T this is the problem of L^-1 A L^-T, whose eigenvectors are L^T X.
        lower = linalg_cholesky(B)
        half = solve_triangular(lower, A, upper=False)
        A = solve_triangular(_adjoint(lower), half, upper=True, left=False)
        X = matmul(_adjoint(lower), X)
        iK = None if iK is None else matmul(matmul(_adjoint(lower), iK), lower)
    limit = finfo(A.dtype).eps ** 0.5 if tol is None else tol
    rounds = 1000 if niter is None else niter if niter >= 0 else 10**6
    values, vectors = lobpcg_of(A, X, iK, largest is None or largest, limit, rounds)
    if lower is not None:
        vectors = solve_triangular(_adjoint(lower), vectors, upper=True)
    return values[..., :wanted], vectors[..., :wanted]
