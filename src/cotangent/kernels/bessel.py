"""Bessel functions of integer order, Airy functions and Hurwitz zeta on arrays, through SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .elementwise import stored

special = lazy.module("scipy.special")


def _as(dtype: Any, found: Any, out: Any) -> Any:
    """`found` in the input's dtype, in `out` if that is an array."""
    return stored(np.asarray(found).astype(dtype, copy=False), out)


def bessel_j(a: Any, order: int, out: Any = None) -> Any:
    """The Bessel function of the first kind."""
    if order < 2:
        return (special.j1 if order else special.j0)(a, out=out)
    return _as(a.dtype, special.jn(order, a), out)


def bessel_y(a: Any, order: int, out: Any = None) -> Any:
    """The Bessel function of the second kind."""
    if order < 2:
        return (special.y1 if order else special.y0)(a, out=out)
    return _as(a.dtype, special.yn(order, a), out)


def bessel_i(a: Any, order: int, scaled: bool, out: Any = None) -> Any:
    """The modified Bessel function of the first kind; scaled: times exp(-|a|)."""
    if order < 2:
        functions = (special.i0e, special.i1e) if scaled else (special.i0, special.i1)
        return functions[order](a, out=out)
    return _as(a.dtype, (special.ive if scaled else special.iv)(order, a), out)


def bessel_k(a: Any, order: int, scaled: bool, out: Any = None) -> Any:
    """The modified Bessel function of the second kind; scaled: times exp(a)."""
    if order < 2:
        functions = (special.k0e, special.k1e) if scaled else (special.k0, special.k1)
        return functions[order](a, out=out)
    return _as(a.dtype, (special.kve if scaled else special.kn)(order, a), out)


def spherical_j(a: Any, order: int, out: Any = None) -> Any:
    """The spherical Bessel function of the first kind; 0 at the infinities."""
    wide = a.astype(np.float64)
    if order == 0:
        tiny = np.abs(wide) < 1e-8
        found = np.where(tiny, 1.0, np.sin(wide) / np.where(tiny, 1.0, wide))
    else:
        # SciPy's is for positive arguments; the function has the parity of its order.
        found = special.spherical_jn(order, np.abs(wide)) * np.where(wide < 0, (-1.0) ** order, 1.0)
    return _as(a.dtype, np.where(np.isinf(wide), 0.0, found), out)


def airy(a: Any, derivative: int, out: Any = None) -> Any:
    """The Airy function Ai or its first derivative."""
    found = special.airy(a)[derivative]
    lost = np.isnan(found) & np.isfinite(a)
    if lost.any():
        # Beyond SciPy's range: nothing is left on one side, on the other the leading term (DLMF 9.7.9,
        # 9.7.10).
        x = np.maximum(-a.astype(np.float64), 1.0)
        angle = 2 / 3 * x**1.5 + np.pi / 4
        if derivative:
            far = -(x**0.25) * np.cos(angle) / np.sqrt(np.pi)
        else:
            far = np.sin(angle) / (np.sqrt(np.pi) * x**0.25)
        found = np.where(lost, np.where(a > 0, 0.0, far), found)
    return _as(a.dtype, found, out)


def zeta(a: Any, b: Any, out: Any = None) -> Any:
    """Hurwitz's zeta function."""
    return _as(np.result_type(a, b), special.zeta(a, b), out)
