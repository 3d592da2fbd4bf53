"""Singular values of large matrices of low rank, by random projections.

Halko, Martinsson and Tropp, Finding structure with randomness (2011), algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from typing import Any

from . import random
from .config import settings
from .dtypes import FLOATING
from .ops.matmul import matmul
from .ops.qr import linalg_qr
from .ops.singular import linalg_svd

__all__ = ["pca_lowrank", "svd_lowrank"]


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
    return svd_lowrank(A - A.mean(dim=(-2,), keepdim=True) if center else A, q, niter)
