"""Factors of symmetric matrices as LAPACK packs them, and the packing undone."""

from __future__ import annotations

from typing import Any

import numpy as np

from .lapack import flat, routine

Array = np.ndarray[Any, Any]


def ldl_factor(a: Array, hermitian: bool) -> tuple[Array, Array, Array]:
    """(L and D of A = L D L^T in one array, pivots, info), by the method of Bunch and Kaufman."""
    out = np.empty_like(a)
    pivots = np.zeros(a.shape[:-1], np.int32)
    info = np.zeros(a.shape[:-2], np.int32)
    if a.size:
        name = "hetrf" if hermitian and a.dtype.kind == "c" else "sytrf"
        factor = routine(name, a.dtype)
        factors, rows, marks = flat(out), flat(pivots, 1), info.reshape(-1)
        for i, matrix in enumerate(flat(a)):
            factors[i], rows[i], marks[i] = factor(matrix, lower=1)
    return np.tril(out), pivots, info


def ldl_solve(ld: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """X of A X = B from the packed factors of A."""
    if not b.size:
        return b.copy()
    name = "hetrs" if hermitian and ld.dtype.kind == "c" else "sytrs"
    out = np.empty(b.shape, b.dtype)
    found = flat(out)
    solver = routine(name, b.dtype)
    for i, (packed, exchanges, right) in enumerate(zip(flat(ld), flat(pivots, 1), flat(b), strict=True)):
        found[i] = solver(packed, exchanges, right, lower=1)[0]
    return out


def ldl_spread(ld: Array, pivots: Array, hermitian: bool) -> tuple[Array, Array]:
    """(L without its diagonal, D) of A = P L D L^H P^T (or L^T) from the packed form.

    D has blocks of one or two. LAPACK exchanges rows of what is left to factorise only; here each exchange
    reaches the columns before, too.
    """
    low = np.tril(ld, -1)
    middle = np.zeros_like(ld)
    for unit, d, packed, exchanges in zip(flat(low), flat(middle), flat(ld), flat(pivots, 1), strict=True):
        for start, width, at, to in _exchanges(exchanges):
            end = start + width
            d[start:end, start:end] = np.tril(packed[start:end, start:end])
            if width == 2:
                below = packed[start + 1, start]
                d[start, start + 1] = np.conjugate(below) if hermitian else below
                unit[start + 1, start] = 0
            unit[[at, to], :start] = unit[[to, at], :start]
    return low, middle


def ldl_order(pivots: Array, like: Array) -> Array:
    """P of A = P L D L^H P^T."""
    n = pivots.shape[-1]
    p = np.zeros((*pivots.shape, n), like.dtype)
    for whole, exchanges in zip(flat(p), flat(pivots, 1), strict=True):
        order = np.arange(n)
        for _, _, at, to in _exchanges(exchanges):
            order[[at, to]] = order[[to, at]]
        whole[order, np.arange(n)] = 1
    return p


def ldl_below(pivots: Array, like: Array) -> Array:
    """Ones below the blocks of D, zeros elsewhere."""
    n = pivots.shape[-1]
    mask = np.zeros((*pivots.shape, n), like.dtype)
    for place, exchanges in zip(flat(mask), flat(pivots, 1), strict=True):
        for start, width, _, _ in _exchanges(exchanges):
            place[start + width :, start : start + width] = 1
    return mask


def _exchanges(pivots: Array) -> list[tuple[int, int, int, int]]:
    """(first column, width, the two rows exchanged) of each block of D."""
    found = []
    k = 0
    while k < len(pivots):
        pivot = int(pivots[k])
        if pivot > 0:
            found.append((k, 1, k, pivot - 1))
            k += 1
        else:
            found.append((k, 2, k + 1, -pivot - 1))
            k += 2
    return found


def ldl_packed(g_low: Array, g_middle: Array, pivots: Array, hermitian: bool) -> Array:
    """The transpose of `ldl_spread`."""
    out = np.zeros_like(g_low)
    for place, unit, d, exchanges in zip(
        flat(out), flat(g_low), flat(g_middle), flat(pivots, 1), strict=True
    ):
        unit = np.tril(unit, -1)
        for start, width, at, to in reversed(_exchanges(exchanges)):
            unit[[at, to], :start] = unit[[to, at], :start]
            end = start + width
            place[start:end, start:end] = np.tril(d[start:end, start:end])
            if width == 2:
                above = d[start, start + 1]
                place[start + 1, start] += np.conjugate(above) if hermitian else above
                unit[start + 1, start] = 0
        place += unit
    return out
