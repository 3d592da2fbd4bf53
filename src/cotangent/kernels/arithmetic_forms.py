"""Arithmetic that NumPy needs several passes for, as formulas over symbols (see `symbolic`).

Arrays come first, then numbers, in the order of the kernels in `elementwise`, which say what each computes.
The results are those of the NumPy code to the last bit.
"""

from __future__ import annotations

import math

from .symbolic import Sym, call, where

Number = Sym | float


def fmod(x: Sym, y: Sym) -> Sym:
    return call("fmod", x, y)


def _apart(left: Sym, y: Sym) -> Sym:
    """Whether a remainder is there and on the other side of zero than the divisor."""
    return (left != 0.0) & ((left < 0.0) != (y < 0.0))


def remainder(x: Sym, y: Sym) -> Sym:
    left = call("fmod", x, y)
    return where(_apart(left, y), left + y, left)


def floor_div(x: Sym, y: Sym) -> Sym:
    left = call("fmod", x, y)
    quotient = (x - left) / y
    quotient = where(_apart(left, y), quotient - 1.0, quotient)
    whole = call("floor", quotient)
    whole = where(quotient - whole > 0.5, whole + 1.0, whole)
    exact = x / y
    whole = where(quotient == 0.0, call("copysign", exact.like(0.0), exact), whole)
    return where(y == 0.0, exact, whole)


def finite(x: Sym, nan: Number, high: Number, low: Number) -> Sym:
    bounded = where(x == math.inf, high, where(x == -math.inf, low, x))
    return where(x != x, nan, bounded)


def addcmul(x: Sym, a: Sym, b: Sym, value: Number = 1.0) -> Sym:
    return x + value * a * b


def addcdiv(x: Sym, a: Sym, b: Sym, value: Number = 1.0) -> Sym:
    return x + value * a / b


def from_start(x: Sym, end: Sym, part: Number) -> Sym:
    return x + part * (end - x)


def from_end(x: Sym, end: Sym, part: Number) -> Sym:
    return end - (end - x) * part
