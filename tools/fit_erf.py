"""Fits the polynomials of the error function that `cotangent.kernels.vmath` has: `python tools/fit_erf.py`.

Near zero erf(x) = x + x * p(x ** 2), with the smallest relative error; beyond it erf(x) = 1 - exp(q(x -
shift)), with the smallest absolute error. The fits are least squares at Chebyshev nodes in 200 bits, whose
weights are moved towards the largest errors (C. L. Lawson, 1961) until these are about equal. Coefficients
are printed from the highest power down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath


def fit(
    function: Callable[[Any], Any],
    variable: Callable[[Any], Any],
    weight: Callable[[Any], Any],
    bounds: tuple[float, float],
    degree: int,
    rounds: int = 25,
) -> tuple[list[float], float]:
    """A polynomial in `variable(x)`.

    Args:
        function: what to fit.
        variable: what the polynomial is in.
        weight: of an error at x.
        bounds: of x.
        degree: of the polynomial.
        rounds: how often weights are moved.

    Returns:
        The coefficients and the largest weighted error.
    """
    low, high = map(mpmath.mpf, bounds)
    n = 4 * degree + 40
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * n)) for i in range(n)
    ]
    values = [function(x) for x in nodes]
    scales = [weight(x) for x in nodes]
    rows = [[variable(x) ** k for k in range(degree + 1)] for x in nodes]
    shares = [mpmath.mpf(1)] * n
    for _ in range(rounds):
        a, b = mpmath.matrix(n, degree + 1), mpmath.matrix(n, 1)
        for i in range(n):
            factor = mpmath.sqrt(shares[i]) * scales[i]
            for k in range(degree + 1):
                a[i, k] = factor * rows[i][k]
            b[i] = factor * values[i]
        found = mpmath.lu_solve(a, b)
        errors = [
            abs(sum(found[k] * row[k] for k in range(degree + 1)) - value) * scale
            for row, value, scale in zip(rows, values, scales)
        ]
        total = sum(s * e for s, e in zip(shares, errors))
        shares = [s * e / total * n + mpmath.mpf(10) ** -30 for s, e in zip(shares, errors)]
    return [float(found[k]) for k in range(degree, -1, -1)], float(max(errors))


def main() -> None:
    mpmath.mp.prec = 200
    near = (lambda x: mpmath.erf(x) / x - 1, lambda x: x * x, lambda x: 1)
    cases = (("f32", 0, 0.95, 0.9, 4.0, (6, 6)), ("f64", 2, 0.9, 0.88, 6.0, (11, 18)))
    for name, shift, edge, first, last, degrees in cases:
        print(name, *fit(*near, (1e-9, edge), degrees[0]))
        far = (lambda x: mpmath.log(mpmath.erfc(x)), lambda x, s=shift: x - s, mpmath.erfc)
        print(name, *fit(*far, (first, last), degrees[1]))


if __name__ == "__main__":
    main()
