"""The normal distribution's function, entropy terms and the scaled error function on arrays, through SciPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .elementwise import stored

special = lazy.module("scipy.special")


def erfcx(a: Any, out: Any = None) -> Any:
    """exp(a ** 2) * erfc(a) without overflow."""
    return special.erfcx(a, out=out)


def ndtr(a: Any, out: Any = None) -> Any:
    """The normal distribution function."""
    return special.ndtr(a, out=out)


def ndtri(a: Any, out: Any = None) -> Any:
    """The inverse of the normal distribution function."""
    return special.ndtri(a, out=out)


def log_ndtr(a: Any, out: Any = None) -> Any:
    """The logarithm of the normal distribution function."""
    return special.log_ndtr(a, out=out)


def entr(a: Any, out: Any = None) -> Any:
    """-a log(a); 0 at 0, -inf below."""
    return special.entr(a, out=out)


def xlog1py(a: Any, b: Any, out: Any = None) -> Any:
    """a * log1p(b), 0 where a is 0 (unless b is nan)."""
    zero = (a == 0) & ~np.isnan(b)
    return stored(np.where(zero, np.result_type(a, b).type(0), a * np.log1p(b)), out)


def i0e(a: Any, out: Any = None) -> Any:
    """The modified Bessel function of order 0, times exp(-|a|)."""
    return special.i0e(a, out=out)


def i1e(a: Any, out: Any = None) -> Any:
    """The modified Bessel function of order 1, times exp(-|a|)."""
    return special.i1e(a, out=out)
