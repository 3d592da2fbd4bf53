"""Orthogonal polynomials and their derivatives by recurrence, element by element over degree and argument.

All families here obey P[k+1] = (a x + b) P[k] - c P[k-1] with a, b, c depending on k (Abramowitz and Stegun,
table 22.7); a derivative of order m of the recurrence has one more term, m a times the derivative of
order m - 1. Inside (-1, 1) Chebyshev polynomials of high degree are computed from their definition by
cosines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .elementwise import stored

Array = np.ndarray[Any, Any]
Step = Callable[[int], tuple[float, float, float]]

# kind -> (a, b) of P[1] = a x + b, and the recurrence's coefficients for k >= 1.
_FAMILIES: Final[dict[str, tuple[float, float, Step]]] = {
    "t": (1.0, 0.0, lambda k: (2.0, 0.0, 1.0)),
    "u": (2.0, 0.0, lambda k: (2.0, 0.0, 1.0)),
    "v": (2.0, -1.0, lambda k: (2.0, 0.0, 1.0)),
    "w": (2.0, 1.0, lambda k: (2.0, 0.0, 1.0)),
    "shifted_t": (2.0, -1.0, lambda k: (4.0, -2.0, 1.0)),
    "shifted_u": (4.0, -2.0, lambda k: (4.0, -2.0, 1.0)),
    "shifted_v": (4.0, -3.0, lambda k: (4.0, -2.0, 1.0)),
    "shifted_w": (4.0, -1.0, lambda k: (4.0, -2.0, 1.0)),
    "hermite_h": (2.0, 0.0, lambda k: (2.0, 0.0, 2.0 * k)),
    "hermite_he": (1.0, 0.0, lambda k: (1.0, 0.0, float(k))),
    "laguerre": (-1.0, 1.0, lambda k: (-1.0 / (k + 1), (2.0 * k + 1.0) / (k + 1), k / (k + 1))),
    "legendre": (1.0, 0.0, lambda k: ((2.0 * k + 1.0) / (k + 1), 0.0, k / (k + 1))),
}
# Degrees from which on Chebyshev polynomials come from cosines, as in PyTorch.
_HIGH: Final = {"t": 6, "u": 8, "v": 8, "w": 8}


def polynomial(x: Any, degree: Any, kind: str, order: int, out: Any = None) -> Any:
    """The polynomial of that kind and degree at `x`, or its derivative of some order; 0 for negative degrees.

    Args:
        x: floating-point array.
        degree: array that broadcasts with it; fractions are cut off.
        order: of the derivative.
    """
    x, degree = np.broadcast_arrays(x, degree)
    n = np.where(np.isfinite(degree), np.trunc(degree), -1).astype(np.int64)
    found = np.zeros(x.shape, x.dtype)
    beyond = n > _limit(kind, x.dtype)
    rest = n = np.where(beyond, -1, n)
    if not order and kind.removeprefix("shifted_") in _HIGH:
        rest = _by_cosines(x, n, kind, found)
    for k, values in enumerate(_recurrence(x, kind, order, int(rest.max(initial=-1)))):
        np.copyto(found, values, where=rest == k)
    np.copyto(found, np.nan, where=beyond | np.isnan(degree))
    return stored(found, out)


def _limit(kind: str, dtype: Any) -> int:
    """The degree beyond which PyTorch gives nan for Hermite polynomials, because everything overflows."""
    return (128 if dtype.itemsize <= 4 else 512) if kind.startswith("hermite") else 2**62


def _recurrence(x: Array, kind: str, order: int, last: int) -> Any:
    """The `order`-th derivatives of the polynomials of degree 0, 1, ..., `last`."""
    a, b, step = _FAMILIES[kind]
    one, zero = np.ones_like(x), np.zeros_like(x)
    before = [one] + [zero] * order
    now = [a * x + b] + [one * a if m == 1 else zero for m in range(1, order + 1)]
    if last >= 0:
        yield before[order]
    for k in range(1, last + 1):
        yield now[order]
        a, b, c = step(k)
        factor = a * x + b
        following = [
            factor * now[m] - c * before[m] + (m * a * now[m - 1] if m else 0) for m in range(order + 1)
        ]
        before, now = now, following


def _by_cosines(x: Array, n: Array, kind: str, found: Array) -> Array:
    """Write the values of high degree inside (-1, 1) to `found`; returns the degrees that are left (else
    -1).
    """
    letter = kind[-1]
    inner = 2 * x - 1 if kind.startswith("shifted") else x
    high = (n > _HIGH[letter]) & (np.abs(inner) < 1)
    if not high.any():
        return n
    angle = np.arccos(np.where(high, inner, 0))
    m = n.astype(x.dtype)
    half = angle / 2
    if letter == "t":
        values = np.cos(m * angle)
    elif letter == "u":
        values = np.sin((m + 1) * angle) / np.sin(angle)
    elif letter == "v":
        values = np.cos((m + 0.5) * angle) / np.cos(half)
    else:
        values = np.sin((m + 0.5) * angle) / np.sin(half)
    np.copyto(found, values.astype(x.dtype, copy=False), where=high)
    return np.where(high, -1, n)
