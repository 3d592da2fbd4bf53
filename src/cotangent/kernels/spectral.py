"""Eigenvalues, singular values, QR, exponentials and least squares of batches of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import lazy
from ..errors import LinAlgError
from .lapack import flat, routine, solve_triangular

Array = np.ndarray[Any, Any]
_scipy = lazy.module("scipy.linalg")


def eigh(a: Array, upper: bool) -> tuple[Array, Array]:
    """(eigenvalues in ascending order, eigenvectors) of Hermitian matrices, of which one triangle is read."""
    try:
        values, vectors = np.linalg.eigh(a, "U" if upper else "L")
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or "
            "has too many repeated eigenvalues (error code: 1)."
        ) from None
    return values, vectors


def eig(a: Array) -> tuple[Array, Array]:
    """(eigenvalues, eigenvectors) of square matrices, always complex."""
    kind = np.result_type(a.dtype, np.complex64)
    if not np.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    values, vectors = np.linalg.eig(a)
    return values.astype(kind, copy=False), vectors.astype(kind, copy=False)


def svd(a: Array, full: bool) -> tuple[Array, Array, Array]:
    """(U, S, V^H); all columns of U and V if `full`, min(m, n) of them if not."""
    if a.size and not np.isfinite(a).all():
        finite = np.isfinite(a).all((-1, -2))
        where = f"(Batch element {int(np.flatnonzero(~finite)[0])}): " if a.ndim > 2 else ""
        raise LinAlgError(
            f"linalg.svd: {where}The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        )
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    return u, s, vh


def qr(a: Array, mode: str) -> tuple[Array, Array]:
    """(Q, R); Q is empty in the mode "r"."""
    if mode == "r":
        return np.zeros(0, a.dtype), np.asarray(np.linalg.qr(a, mode="r")).astype(a.dtype, copy=False)
    q, r = np.linalg.qr(a, mode=mode)
    return q.astype(a.dtype, copy=False), r.astype(a.dtype, copy=False)


def geqrf(a: Array) -> tuple[Array, Array]:
    """(R above the diagonal and the reflectors below, their factors)."""
    h, tau = np.linalg.qr(a, mode="raw")
    packed = np.ascontiguousarray(h.swapaxes(-1, -2))
    return packed.astype(a.dtype, copy=False), tau.astype(a.dtype, copy=False)


def reflectors(a: Array, count: int) -> Array:
    """The vectors of Householder reflections as LAPACK packs them: ones on the diagonal, zeros above."""
    v = np.tril(a[..., :count], -1)
    index = np.arange(min(count, a.shape[-2]))
    v[..., index, index] = 1
    return v


def reflect(a: Array, tau: Array, c: Array, adjoint: bool) -> Array:
    """H_1 H_2 ... H_k C, or with the adjoint of that product; H_i = 1 - tau_i v_i v_i^H.

    The product is 1 - V T V^H with T = D (1 + N D)^-1, where D = diag(tau) and N is what of V^H V stands
    above the diagonal (Schreiber and Van Loan, A storage-efficient WY representation for products of
    Householder transformations, 1989).
    """
    k = tau.shape[-1]
    if not k or not c.size:
        return np.array(c)
    v = reflectors(a, k)
    turned = np.conjugate(v.swapaxes(-1, -2))
    factors = np.triu(turned @ v, 1) * tau[..., None, :]
    inner = turned @ c
    if adjoint:
        inner = np.conjugate(tau)[..., None] * inner
        inner = solve_triangular(np.conjugate(factors.swapaxes(-1, -2)), inner, False, True)
    else:
        inner = tau[..., None] * solve_triangular(factors, inner, True, True)
    return np.asarray(c - v @ inner).astype(c.dtype, copy=False)


def expm(a: Array) -> Array:
    """exp(A), computed in double precision: the squarings cost digits of the small elements."""
    if not a.size:
        return a.copy()
    wide = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64, copy=False)
    return np.asarray(_scipy.expm(wide)).astype(a.dtype, copy=False)


def lstsq(a: Array, b: Array, rcond: float, driver: str) -> tuple[Array, Array, Array, Array]:
    """(solution, residuals, ranks, singular values) of min |A X - B|, by the LAPACK routine `driver`.

    What a driver does not tell is an empty array, as in PyTorch.
    """
    m, n = a.shape[-2:]
    lead = a.shape[:-2]
    real = a.real.dtype
    x = np.zeros((*lead, n, b.shape[-1]), a.dtype)
    ranks = np.zeros(lead, np.int64)
    values = np.zeros((*lead, min(m, n)), real)
    rest = np.zeros((*lead, b.shape[-1]), real)
    if a.size and b.size:
        solutions, marks, spectra = flat(x), ranks.reshape(-1), flat(values, 1)
        for i, (left, right) in enumerate(zip(flat(a), flat(b), strict=True)):
            found = solutions[i]
            if driver == "gels":
                wide = np.zeros((max(m, n), b.shape[-1]), a.dtype)
                wide[:m] = right
                _, solved, info = routine("gels", a.dtype)(left, wide)
                if info > 0:
                    where = f"(Batch element {i}): " if lead else ""
                    raise LinAlgError(
                        f"torch.linalg.lstsq: {where}The least squares solution could not be computed "
                        "because "
                        f"the input matrix does not have full rank (error code: {info})."
                    )
                found[...] = solved[:n]
                marks[i] = min(m, n)
            else:
                found[...], _, marks[i], s = _scipy.lstsq(left, right, cond=rcond, lapack_driver=driver)
                if s is not None:
                    spectra[i] = s
        miss = a @ x - b
        rest = (miss.real**2 + miss.imag**2).sum(-2).astype(real, copy=False)
    if not (m > n and driver != "gelsy" and (ranks == n).all() and math.prod(lead)):
        rest = np.zeros(0, real)
    if driver == "gels":
        ranks = np.zeros(0, np.int64)
    if driver in ("gels", "gelsy"):
        values = np.zeros(0, real)
    return x, rest, ranks, values
