"""The logarithm of the gamma function as vector code, for float32 by way of float64.

Below 8 the argument is moved to within 1/2 of 2, where the Taylor series serves (Abramowitz and Stegun,
Handbook of Mathematical Functions, 6.1.34, about 2), and what it was moved by goes into a product; from 8 on
Stirling's series (6.1.40) serves, below zero reflection (6.1.17). All that may cancel does so in float64,
in which float32 arguments next to zeros of the function have digits to spare; the error is below one unit in
the last place.
"""

from __future__ import annotations

import math
from typing import Final

from .vectors import Text, Vec
from .vmath import log, sin

__all__ = ["lgamma"]

_TERMS: Final = 18
_EULER: Final = 0.5772156649015329


def _zeta_rest(k: int) -> float:
    """zeta(k) - 1, by the Euler-Maclaurin formula from 50 on."""
    n = 50
    rest = n ** (1 - k) / (k - 1) + n**-k / 2 + k * n ** (-k - 1) / 12
    rest -= k * (k + 1) * (k + 2) * n ** (-k - 3) / 720
    return math.fsum([m**-k for m in range(2, n)] + [rest])


# Of lgamma(2 + t) / t, the highest power first.
_SERIES: Final = (
    *[(-1) ** k * _zeta_rest(k) / k for k in range(_TERMS, 1, -1)], 1.0 - _EULER,
)  # fmt: skip


def _of_positive(t: Text, x: Vec) -> Vec:
    """lgamma of float64 numbers from 0 on (inf for 0 and inf)."""
    # Below 1.5 up by one, below 1/2 by two; above 2.5 down.
    low, lower = x < 1.5, x < 0.5
    v = low.select(lower.select(x + 2.0, x + 1.0), x)
    product = low.select(lower.select(x * (x + 1.0), x), 1.0)
    for _ in range(6):
        more = v >= 2.5
        less = v - 1.0
        product = more.select(product * less, product)
        v = more.select(less, v)
    far = x >= 8.0
    logarithm = log(t, far.select(x, product))
    s = v - 2.0
    near = t.fma(t.polynomial(s, *_SERIES), s, low.select(-logarithm, logarithm))
    r = 1.0 / x
    z = r * r
    series = t.polynomial(z, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0) * r + 0.5 * math.log(2.0 * math.pi)
    away = t.fma(x - 0.5, logarithm, series - x)
    y = far.select(away, near)
    return x.compare("eq", math.inf).select(x, y)


def lgamma(t: Text, x: Vec) -> Vec:
    if x.kind == "f64":
        return t.library("lgamma", x)
    wide = x.cast("f64")
    negative = wide < 0.0
    y = _of_positive(t, negative.select(1.0 - wide, wide))
    every = t.reduce_and(negative.compare("eq", False))
    here, there, end, done = (t.new_label(name) for name in ("here", "negative", "end", "done"))
    t.line(f"br label %{here}")
    t.label(here)
    t.line(f"br i1 {every.name}, label %{done}, label %{there}")
    t.label(there)
    # |sin(pi x)| from the distance to the nearest integer; at the integers themselves it is infinite.
    sine = t.call("fabs", sin(t, (wide - t.call("rint", wide)) * math.pi))
    mirrored = log(t, math.pi / sine) - y
    mirrored = wide.compare("eq", -math.inf).select(math.inf, mirrored)
    both = negative.select(mirrored, y)
    t.line(f"br label %{end}")
    t.label(end)
    t.line(f"br label %{done}")
    t.label(done)
    return t.op(f"phi {y.type} [{y.name}, %{here}], [{both.name}, %{end}]", y.kind, y.lanes).cast("f32")
