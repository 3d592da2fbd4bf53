"""The incomplete gamma and Hurwitz zeta functions differentiated along their first arguments."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import lazy
from .elementwise import stored

special: Any = lazy.module("scipy.special")
Array = np.ndarray[Any, Any]
# How many numbers a block of the series may hold.
_BLOCK: Final = 1 << 18
# Where the sum of the zeta function ends and the Euler-Maclaurin formula begins, and how many of its terms.
_DIRECT: Final = 12
_CORRECTIONS: Final = 10


def exponential_along(slopes: list[Any]) -> list[Any]:
    """d^k/da^k exp(f) / exp(f) for k = 0, 1, ...: `slopes` are f', f'', ...

    D(k) = sum over j < k of C(k - 1, j) D(j) f^(k - j), from D' = D f'.
    """
    found: list[Any] = [1.0]
    for k in range(1, len(slopes) + 1):
        terms = [math.comb(k - 1, j) * found[j] * slopes[k - j - 1] for j in range(k)]
        found.append(sum(terms[1:], terms[0]))
    return found


def gamma_along(a: Any, x: Any, order: int, out: Any = None) -> Any:
    """The derivative of that order, along a, of the regularised lower incomplete gamma function P(a, x).

    P(a, x) is the sum of x^(a+n) e^-x / Gamma(a+n+1) over n >= 0 (https://dlmf.nist.gov/8.7.E1), of positive
    terms, which is differentiated term by term. Only the terms around n = x - a, the largest, are summed.
    """
    kind = np.result_type(a, x)
    wide_a, wide_x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    found = np.zeros(wide_a.shape)
    found[~((wide_a >= 0) & (wide_x >= 0))] = np.nan
    plain = (wide_a >= 0) & (wide_x > 0) & np.isfinite(wide_a) & np.isfinite(wide_x)
    if plain.any():
        found[plain] = _series(wide_a[plain], wide_x[plain], order)
    return stored(found.astype(kind), out)


def _series(a: Array, x: Array, order: int) -> Array:
    width = np.ceil(13 * np.sqrt(x) + 60)
    first = np.maximum(np.floor(x - a - width), 0)
    counts = np.maximum(np.ceil(x - a + width) - first, 60).astype(np.int64)
    total = np.empty(a.shape)
    waiting = np.argsort(counts, kind="stable")
    while waiting.size:
        sizes = counts[waiting] * np.arange(1, waiting.size + 1)
        taken = max(int(np.searchsorted(sizes, _BLOCK)), 1)
        rows, waiting = waiting[:taken], waiting[taken:]
        p = a[rows, None] + first[rows, None] + np.arange(counts[rows[-1]])
        logs = np.log(x[rows, None])
        slopes = [logs - special.digamma(p + 1)] + [-special.polygamma(m, p + 1) for m in range(1, order)]
        terms = np.exp(p * logs - x[rows, None] - special.gammaln(p + 1))
        total[rows] = (terms * exponential_along(slopes[:order])[order]).sum(-1)
    return total


def zeta_along(s: Any, q: Any, order: int, out: Any = None) -> Any:
    """The derivative of that order, along s, of the Hurwitz zeta function: the sum of (q+n)^-s over n >= 0.

    The first terms are summed, the rest follows from the Euler-Maclaurin formula
    (https://dlmf.nist.gov/25.11.E5), whose terms are expanded in powers of a change of s.
    """
    kind = np.result_type(s, q)
    exponent, start = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(q, np.float64))
    with np.errstate(all="ignore"):
        total = np.zeros(exponent.shape)
        for n in range(_DIRECT):
            base = start + n
            total = total + (-np.log(base)) ** order * base**-exponent
        total = total + math.factorial(order) * _rest(exponent, start + _DIRECT, order)
    return stored(np.where((exponent > 1) & (start > 0), total, np.nan).astype(kind), out)


def _rest(s: Array, m: Array, order: int) -> Array:
    """The coefficient of e^order in what Euler and Maclaurin give for the sum from m on, at s + e."""
    logs = np.log(m)
    power = [m**-s * (-logs) ** k / math.factorial(k) for k in range(order + 1)]
    pole = [(-1.0) ** k / (s - 1) ** (k + 1) for k in range(order + 1)]
    total = m * _product(power, pole)[order] + 0.5 * power[order]
    rising: list[Any] = [s] + [1.0] * (order > 0) + [0.0] * (order - 1)
    numbers = special.bernoulli(2 * _CORRECTIONS)
    for j in range(1, _CORRECTIONS + 1):
        weight = numbers[2 * j] / math.factorial(2 * j)
        total = total + weight * m ** (1.0 - 2 * j) * _product(power, rising)[order]
        for step in (2 * j - 1, 2 * j):
            shifted = [0.0, *rising[:-1]]
            rising = [(s + step) * one + other for one, other in zip(rising, shifted, strict=True)]
    return np.asarray(total)


def _product(ones: list[Any], others: list[Any]) -> list[Any]:
    """The coefficients of a product of two series."""
    return [sum(ones[j] * others[k - j] for j in range(k + 1)) for k in range(len(ones))]
