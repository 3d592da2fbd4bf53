"""Factorisations of batches of matrices through NumPy's and SciPy's LAPACK.

Every function takes arrays of shape (..., m, n). What NumPy computes for whole batches goes to NumPy; what
only LAPACK's own routines offer (pivots, reflectors, the position of a failure) is a loop over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import lazy
from ..errors import LinAlgError

Array = np.ndarray[Any, Any]
_blas = lazy.module("scipy.linalg.blas")
_lapack = lazy.module("scipy.linalg.lapack")
_LETTER = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def routine(name: str, dtype: np.dtype[Any]) -> Any:
    """LAPACK's routine of that name for a dtype."""
    return getattr(_lapack, _LETTER[dtype.name] + name)


def flat(a: Array, inner: int = 2) -> Array:
    """The array with its batch dimensions joined into one."""
    lead = a.shape[: a.ndim - inner]
    return a.reshape(math.prod(lead), *a.shape[a.ndim - inner :])


def first_failure(info: Array) -> tuple[str, int] | None:
    """Of the first matrix with a nonzero info: how messages name it in a batch, and its info."""
    if not info.any():
        return None
    if not info.ndim:
        return "", int(info)
    at = int(np.flatnonzero(info)[0])
    return f"(Batch element {at}): ", int(info.reshape(-1)[at])


def _refuse(info: Array, caller: str, text: str) -> None:
    failed = first_failure(info) if caller else None
    if failed is not None:
        where, order = failed
        raise LinAlgError(f"{caller}: {where}{text.format(order)}")


NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor "
    "of order {0} is not positive-definite)."
)
SINGULAR_DIAGONAL = (
    "The diagonal element {0} is zero, the inversion could not be completed because the input matrix is "
    "singular."
)
SINGULAR = "The solver failed because the input matrix is singular."


# -- Cholesky -------------------------------------------------------------------------------------------


def cholesky(a: Array, upper: bool, caller: str) -> tuple[Array, Array]:
    """(factor, info): `info` is the order of the first leading minor that is not positive, or 0.

    Args:
        a: Hermitian matrices; only one triangle is read.
        upper: which triangle is read and returned.
        caller: name for the error where a matrix is not positive-definite; "" for none.
    """
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        found = np.linalg.cholesky(a, upper=upper).astype(a.dtype, copy=False)
        if not np.isnan(np.diagonal(found, axis1=-2, axis2=-1)).any():
            return found, info
    except np.linalg.LinAlgError:
        pass
    out = np.empty_like(a)
    potrf = routine("potrf", a.dtype)
    rows, marks = flat(out), info.reshape(-1)
    for i, matrix in enumerate(flat(a)):
        rows[i], marks[i] = potrf(matrix, lower=not upper, clean=True)
        lost = np.isnan(np.diagonal(rows[i]))
        if not marks[i] and lost.any():  # not every LAPACK looks for nan
            marks[i] = int(lost.argmax()) + 1
    _refuse(info, caller, NOT_POSITIVE)
    return out, info


def cholesky_inverse(a: Array, upper: bool) -> Array:
    """The inverse of the matrix whose Cholesky factor is `a`."""
    zero = np.diagonal(a, axis1=-2, axis2=-1) == 0
    if zero.any():
        first = np.where(zero.any(-1), zero.argmax(-1) + 1, 0)
        _refuse(np.asarray(first), "cholesky_inverse", SINGULAR_DIAGONAL)
    half = solve_triangular(a, eye_like(a), upper, False)
    other = np.conjugate(half.swapaxes(-1, -2))
    return half @ other if upper else other @ half


def eye_like(a: Array) -> Array:
    """Unit matrices of the shape and dtype of `a`, without memory of their own for each of a batch."""
    return np.broadcast_to(np.eye(a.shape[-2], a.shape[-1], dtype=a.dtype), a.shape)


# -- triangular systems, LU, general systems --------------------------------------------------------------


def solve_triangular(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    """X of A X = B for triangular matrices A; the other triangle is not read."""
    out = np.empty(b.shape, b.dtype)
    if not out.size:
        return out
    # BLAS's routine, not LAPACK's: that one checks the diagonal first, and wakes threads for the smallest
    # matrix.
    trsm = getattr(_blas, _LETTER[b.dtype.name] + "trsm")
    found = flat(out)
    for i, (left, right) in enumerate(zip(flat(a), flat(b), strict=True)):
        found[i] = trsm(1.0, left, right, lower=not upper, diag=unit)
    return out


def lu_factor(a: Array) -> tuple[Array, Array, Array]:
    """(L and U in one array, pivots counted from 1, info: the first zero on U's diagonal or 0)."""
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    out = np.empty(a.shape, a.dtype)
    pivots = np.empty((*lead, min(m, n)), np.int32)
    info = np.zeros(lead, np.int32)
    pivots[...] = np.arange(1, min(m, n) + 1)
    if not a.size:
        return out, pivots, info
    getrf = routine("getrf", a.dtype)
    factors, rows, marks = flat(out), flat(pivots, 1), info.reshape(-1)
    for i, matrix in enumerate(flat(a)):
        factors[i], found, marks[i] = getrf(matrix)
        rows[i] = found + 1
    return out, pivots, info


def permutation(pivots: Array, m: int) -> Array:
    """For each row of P A = L U the row of A it is, from LAPACK's list of exchanges (counted from 1)."""
    lead = pivots.shape[:-1]
    rows = np.empty((*lead, m), np.int64)
    rows[...] = np.arange(m)
    for order, exchanges in zip(flat(rows, 1), flat(pivots, 1), strict=True):
        for i, j in enumerate(exchanges.tolist()):
            order[i], order[j - 1] = order[j - 1], order[i]
    return rows


def permutation_matrix(pivots: Array, m: int, dtype: np.dtype[Any]) -> Array:
    """P of A = P L U."""
    rows = permutation(pivots, m)
    out = np.zeros((*rows.shape[:-1], m, m), dtype)
    np.put_along_axis(out, rows[..., None, :], 1, -2)
    return out


def _by_elimination(run: Callable[[], Array], a: Array, caller: str, text: str) -> tuple[Array | None, Array]:
    """(what `run` finds or None where a matrix is singular, info)."""
    try:
        return run(), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = lu_factor(a)[2]
    _refuse(info, caller, text)
    return None, info


def inverse(a: Array, caller: str) -> tuple[Array, Array]:
    """(inverse, info: the first zero pivot or 0); for singular matrices raises if there is a `caller`."""
    found, info = _by_elimination(lambda: np.linalg.inv(a), a, caller, SINGULAR_DIAGONAL)
    if found is None:
        found = np.full(a.shape, np.nan, a.dtype)
        fit = info == 0
        if fit.any():
            found[fit] = np.linalg.inv(a[fit])
    return found.astype(a.dtype, copy=False), info


def solve(a: Array, b: Array, caller: str) -> tuple[Array, Array]:
    """(X of A X = B, info) for square matrices A and B of as many rows."""
    found, info = _by_elimination(lambda: np.linalg.solve(a, b), a, caller, SINGULAR)
    if found is None:
        found = np.full(b.shape, np.nan, b.dtype)
        fit = info == 0
        if fit.any():
            found[fit] = np.linalg.solve(a[fit], b[fit])
    return found.astype(b.dtype, copy=False), info


def cofactors(a: Array) -> Array:
    """The matrices of cofactors, singular matrices included: with A = U S V^H they are those of its parts.

    cof(A B) = cof(A) cof(B), and for unitary U it is det(U) conj(U).
    """
    if not a.size:
        return np.zeros_like(a)
    u, s, vh = np.linalg.svd(a)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    out = (np.conjugate(u) * products_of_others(s)[..., None, :]) @ np.conjugate(vh)
    return np.asarray(out * phase[..., None, None]).astype(a.dtype, copy=False)


def products_of_others(s: Array) -> Array:
    """For each element the product of all others along the last dimension."""
    n = s.shape[-1]
    out = np.ones_like(s)
    np.multiply.accumulate(s[..., :-1], axis=-1, out=out[..., 1:])
    behind = np.ones_like(s)
    np.multiply.accumulate(s[..., :0:-1], axis=-1, out=behind[..., n - 2 :: -1] if n > 1 else behind[..., :0])
    return np.asarray(out * behind)


def cofactors_back(h: Array, a: Array) -> Array:
    """Pullback of `cofactors` at h: its derivative in direction E, between the singular vectors.

    det(S) has second derivatives E_ii F_jj - E_ij F_ji, times the product of all s but s_i and s_j.
    """
    if not a.size:
        return np.zeros_like(a)
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    phase = np.conjugate(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    # In these bases the pullback is the conjugate of the (symmetric, bilinear) form at conj(h).
    f = u.swapaxes(-1, -2) @ h @ vh.swapaxes(-1, -2)
    rest = np.empty((*s.shape, n), s.dtype)
    for i in range(n):
        kept = s.copy()
        kept[..., i] = 1
        rest[..., i, :] = products_of_others(kept)
    off = ~np.eye(n, dtype=bool)
    out = -f.swapaxes(-1, -2) * np.where(off, rest, 0)
    diagonal = (np.where(off, rest, 0) * np.diagonal(f, axis1=-2, axis2=-1)[..., None, :]).sum(-1)
    index = np.arange(n)
    out[..., index, index] = diagonal
    return np.asarray(phase * (u @ out @ vh)).astype(a.dtype, copy=False)
