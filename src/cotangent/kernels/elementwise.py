"""Elementwise kernels that NumPy has no ufunc for.

Like ufuncs they take `out=` (an array, None, or `...` for "an array even if 0-d").
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy._core import umath

from .. import lazy
from ..dtypes import FLOAT8_TWINS
from .float8 import narrowed
from .halves import is_half, recast, wide
from .layout import as_chosen
from .sized import LIGHT, sized

special = lazy.module("scipy.special")

# Elements from which several passes take less time than NumPy's division with remainder.
_LARGE: Final = 1024


def times_one(a: Any) -> Any:
    """A complex array times one, as PyTorch's sums multiply their second operand: infinities show it."""
    dense = hasattr(a.dtype, "kind")  # sparse arrays have dtypes of ours, and are left as they are
    return a if not dense or a.dtype.kind != "c" or np.isfinite(a).all() else np.multiply(a, 1)


def cast(a: Any, dtype: Any) -> Any:
    """`a` in another dtype; complex numbers become real by dropping the imaginary part."""
    if a.dtype.kind == "c" and dtype.kind not in "cb":
        a = a.real
    if a.dtype in FLOAT8_TWINS:
        a = a.astype(np.float32)
    if dtype in FLOAT8_TWINS:
        return narrowed(a, dtype)
    return recast(a, dtype) if a.flags.forc else as_chosen(recast(a, dtype), [a])


def stored(value: Any, out: Any) -> Any:
    """`value` in `out`, or as an array, whichever `out` asks for."""
    if out is None:
        return value
    if out is ...:
        return np.asarray(value)
    out[...] = value
    return out


# -- arithmetic ---------------------------------------------------------------------------------------


def no_zeros(b: Any) -> None:
    """Refuse integer divisors of zero as PyTorch does.

    Raises:
        RuntimeError: if any element is zero.
    """
    if b.size and not b.all():
        raise RuntimeError("ZeroDivisionError")


def floor_div(a: Any, b: Any, out: Any = None) -> Any:
    """Quotients rounded down."""
    if a.dtype.kind in "iu":
        no_zeros(b)
    d = np.result_type(a)
    if is_half(d):
        # PyTorch rounds every step, unless there is one divisor for all.
        if np.size(b) != 1:
            return _by_remainder(a, b, out)
        one = wide(b) if isinstance(b, np.ndarray) else np.float32(b)
        return stored(np.asarray(np.floor_divide(wide(a), one)).astype(d), out)
    if a.__class__ is np.ndarray and a.dtype.kind == "f":
        return _floor_div(a, b, out=out)
    return np.floor_divide(a, b, out=out)


@sized("floor_div")
def _floor_div(a: Any, b: Any, out: Any = None) -> Any:
    # NumPy's function is the same formula, element by element.
    return np.floor_divide(a, b, out=out) if a.size < _LARGE else _by_remainder(a, b, out)


def _by_remainder(a: Any, b: Any, out: Any) -> Any:
    """Quotients rounded down as PyTorch computes them: what `fmod` leaves is taken off first."""
    left = np.fmod(a, b)
    quotient = np.asarray((a - left) / b)
    one = quotient.dtype.type(1)  # bfloat16 does not stay what it is beside a Python number
    np.subtract(quotient, one, out=quotient, where=(left != 0) & ((left < 0) != (b < 0)))
    whole = np.floor(quotient)
    np.add(whole, one, out=whole, where=quotient - whole > one / (one + one))
    exact = a / b
    np.copysign(one - one, exact, out=whole, where=quotient == 0)
    np.copyto(whole, exact, where=b == 0)
    return stored(whole, out)


def trunc_div(a: Any, b: Any, out: Any = None) -> Any:
    """Quotients rounded towards zero."""
    if a.dtype.kind in "iu":
        no_zeros(b)
        return np.floor_divide(a - np.fmod(a, b), b, out=out)
    quotient = a / b
    if is_half(np.result_type(a)):
        quotient = quotient.astype(a.dtype)  # PyTorch rounds it before it cuts it off
    return np.trunc(quotient, out=out)


def remainder(a: Any, b: Any, out: Any = None) -> Any:
    """What `floor_div` leaves, with the divisor's sign."""
    if a.dtype.kind in "iu":
        no_zeros(b)
        return np.remainder(a, b, out=out)
    return _remainder(a, b, out=out)


@sized("remainder")
def _remainder(a: Any, b: Any, out: Any = None) -> Any:
    left = np.asarray(np.fmod(a, b))
    np.add(left, b, out=left, where=(left != 0) & ((left < 0) != (b < 0)))
    return stored(left, out)


def fmod(a: Any, b: Any, out: Any = None) -> Any:
    """What `trunc_div` leaves, with the dividend's sign."""
    if a.dtype.kind in "iu":
        no_zeros(b)
    return _fmod(a, b, out=out)


@sized("fmod")
def _fmod(a: Any, b: Any, out: Any = None) -> Any:
    return np.fmod(a, b, out=out)


def reciprocal(a: Any, out: Any = None) -> Any:
    """1 / a."""
    return np.divide(1.0, a, out=out)


@sized("addcmul", LIGHT)
def addcmul(a: Any, b: Any, c: Any, value: Any = 1, out: Any = None) -> Any:
    """a + value * b * c."""
    product = np.multiply(b, c) if value == 1 else np.multiply(number(b, value) * b, c)
    return np.add(a, product, out=out)


@sized("addcdiv", LIGHT)
def addcdiv(a: Any, b: Any, c: Any, value: Any = 1, out: Any = None) -> Any:
    """a + value * b / c."""
    quotient = np.true_divide(b, c) if value == 1 else np.true_divide(number(b, value) * b, c)
    return np.add(a, quotient, out=out)


def number(a: Any, value: Any) -> Any:
    """A Python number in the dtype of `a`, truncated for integers, as PyTorch converts scalars."""
    if a.dtype.kind in "iu" and isinstance(value, float):
        return int(value)
    return value


@sized("from_start", LIGHT)
def _from_start(a: Any, b: Any, part: Any, out: Any = None) -> Any:
    return np.add(a, part * (b - a), out=out)


@sized("from_end", LIGHT)
def _from_end(a: Any, b: Any, part: Any, out: Any = None) -> Any:
    return np.subtract(b, (b - a) * part, out=out)


def lerp(a: Any, b: Any, weight: Any, out: Any = None) -> Any:
    """a + weight * (b - a), computed from the nearer end so that both ends are met exactly."""
    if isinstance(weight, (int, float, complex)):
        near = abs(weight) < 0.5
        return _from_start(a, b, weight, out=out) if near else _from_end(a, b, 1 - weight, out=out)
    d = b - a
    return stored(np.where(np.abs(weight) < 0.5, a + weight * d, b - d * (1 - weight)), out)


def conj(a: Any, out: Any = None) -> Any:
    """Complex conjugates."""
    return np.conjugate(a, out=out) if a.dtype.kind == "c" else stored(a.copy(), out)


# -- powers -------------------------------------------------------------------------------------------


@sized("rsqrt")
def rsqrt(a: Any, out: Any = None) -> Any:
    """1 / sqrt(a)."""
    return np.divide(1.0, np.sqrt(a), out=out)


def pow_scalar(a: Any, exponent: Any, out: Any = None) -> Any:
    """a ** exponent for a Python number, with shortcuts where PyTorch takes them."""
    if a.dtype.kind == "b":  # and so is the exponent
        return stored(a.copy() if exponent else np.ones_like(a), out)
    if a.dtype.kind in "iu":
        exponent = int(exponent)
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        # Wrapping around at 64 bits and then at fewer is wrapping around at fewer.
        return stored(np.power(a.astype(np.int64), exponent).astype(a.dtype), out)
    if a.dtype.itemsize == 2:
        if a.dtype.kind == "f":
            return np.power(a, exponent, out=out)
        return stored(pow_scalar(a.astype(np.float32), exponent).astype(a.dtype), out)
    if exponent == 2:
        return np.multiply(a, a, out=out)
    if exponent == 3:
        return np.multiply(a * a, a, out=out)
    if exponent == 1:
        return np.positive(a, out=out)
    if exponent == 0.5:
        return np.sqrt(a, out=out)
    if exponent == 0:
        return stored(np.ones_like(a), out)
    if exponent == -1:
        return np.divide(1.0, a, out=out)
    if exponent == -0.5:
        return np.divide(1.0, np.sqrt(a), out=out)
    if exponent == -2:
        return np.divide(1.0, a * a, out=out)
    return np.power(a, exponent, out=out)


def pow_tensor(a: Any, b: Any, out: Any = None) -> Any:
    """a ** b element by element; integers to negative powers give 0, 1 or -1, as in C."""
    if a.dtype.kind == "i" and b.size and (b < 0).any():
        ones = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0))
        return stored(np.where(b < 0, ones, np.power(a, np.maximum(np.abs(b), 0))).astype(a.dtype), out)
    if np.result_type(a, b).kind == "c":
        return stored(_complex_power(a, b), out)
    return np.power(a, b, out=out)


def _complex_power(a: Any, b: Any) -> Any:
    """a ** b; powers of zero are those of C's cpow: exp(b log a)."""
    values = np.power(a, b)
    zero = a == 0
    return np.where(zero, np.exp(b * np.log(a)), values) if zero.any() else values


def pow_base(a: Any, base: Any, out: Any = None) -> Any:
    """base ** a for a Python number."""
    # As PyTorch's, the result lies in order, whatever the exponent does.
    if (out is None or out is ...) and not a.flags.c_contiguous:
        a = np.array(a, order="C")
    if a.dtype.kind in "iu":
        return pow_tensor(np.asarray(int(base)).astype(a.dtype), a, out)
    if base == 1:
        return stored(np.ones(a.shape, a.dtype), out)
    if base == 2 and a.dtype.kind == "f":
        return np.exp2(a, out=out)
    if a.dtype.kind == "c":
        return stored(_complex_power(np.asarray(base, a.dtype), a), out)
    return np.power(base, a, out=out)


def ldexp(a: Any, b: Any, out: Any = None) -> Any:
    """a * 2 ** b."""
    if is_half(a.dtype):
        return stored(ldexp(a.astype(np.float32), b).astype(a.dtype), out)
    return np.multiply(a, np.power(2.0, b) if b.dtype.kind == "c" else np.exp2(b, dtype=a.dtype), out=out)


# -- exponentials, logarithms ----------------------------------------------------------------------------


def logaddexp(a: Any, b: Any, out: Any = None) -> Any:
    """log(exp(a) + exp(b)) without overflow."""
    if a.dtype.kind != "c":
        return np.logaddexp(a, b, out=out)
    swap = a.real < b.real
    high, low = np.where(swap, b, a), np.where(swap, a, b)
    return np.add(high, np.log1p(np.exp(low - high)), out=out)


def log1p(a: Any, out: Any = None) -> Any:
    """log(1 + a); of small complex numbers, the real part from |1 + a|^2 - 1 without cancellation."""
    if a.dtype.kind != "c":
        return np.log1p(a, out=out)
    x, y = a.real.astype(np.float64), a.imag.astype(np.float64)
    more = x * (2 + x) + y * y
    real = np.where(np.abs(a) < 0.5, np.where(more == 0, x, 0.5 * np.log1p(more)), np.log(np.hypot(x + 1, y)))
    found = np.empty(a.shape, a.dtype)
    found.real, found.imag = real, np.arctan2(y, x + 1)
    return stored(found, out)


def exp2(a: Any, out: Any = None) -> Any:
    """2 ** a."""
    return np.exp2(a, out=out) if a.dtype.kind == "f" else np.exp(a * np.log(2.0).item(), out=out)


def sinc(a: Any, out: Any = None) -> Any:
    """sin(pi a) / (pi a), and 1 at 0."""
    y = np.asarray(a * np.pi)
    zero = y == 0
    y = np.where(zero, 1.0, y)
    return stored(np.where(zero, 1.0, np.sin(y) / y).astype(a.dtype, copy=False), out)


def logit(a: Any, eps: Any, out: Any = None) -> Any:
    """log(a / (1 - a)), with `a` kept `eps` away from 0 and 1 if that is given."""
    one = a.dtype.type(1)
    if eps is not None:
        low = a.dtype.type(eps)
        a = np.minimum(np.maximum(a, low), one - low)
    return np.log(a / (one - a), out=out)


# -- rounding, signs --------------------------------------------------------------------------------------


def round_to(a: Any, decimals: int, out: Any = None) -> Any:
    """Rounded to a number of decimals, half to even."""
    if decimals == 0:
        return np.rint(a, out=out)
    scale = 10.0 ** abs(decimals)
    if decimals < 0:
        return np.multiply(np.rint(a / scale), scale, out=out)
    return np.divide(np.rint(a * scale), scale, out=out)


def trunc(a: Any, out: Any = None) -> Any:
    """Rounded towards zero."""
    return np.trunc(a, out=out) if a.dtype.kind == "f" else np.positive(a, out=out)


def floor(a: Any, out: Any = None) -> Any:
    """Rounded down."""
    return np.floor(a, out=out) if a.dtype.kind == "f" else np.positive(a, out=out)


def ceil(a: Any, out: Any = None) -> Any:
    """Rounded up."""
    return np.ceil(a, out=out) if a.dtype.kind == "f" else np.positive(a, out=out)


def rint(a: Any, out: Any = None) -> Any:
    """Rounded, half to even."""
    return np.rint(a, out=out) if a.dtype.kind == "f" else np.positive(a, out=out)


def frac(a: Any, out: Any = None) -> Any:
    """What truncation takes away."""
    return np.subtract(a, np.trunc(a), out=out)


def sign(a: Any, out: Any = None) -> Any:
    """-1, 0 or 1; PyTorch gives 0 for nan; z / |z| for complex numbers."""
    kind = a.dtype.kind
    if kind == "b":
        return stored(a.copy(), out)
    if kind == "c":  # nan where there is no direction; NumPy would give 1 for infinities
        size = np.abs(a)
        return stored(np.where(size == 0, a.dtype.type(0), a / size), out)
    if kind == "V":
        return stored(np.subtract(a > 0, a < 0, dtype=np.float32).astype(a.dtype), out)
    if kind != "f":
        return np.sign(a, out=out)
    return np.subtract(a > 0, a < 0, dtype=a.dtype, out=out)


def signbit(a: Any, out: Any = None) -> Any:
    """Whether the sign is negative (of zeros, too)."""
    return np.signbit(a, out=out) if a.dtype.kind == "f" else np.less(a, 0, out=out)


def angle_real(a: Any, out: Any = None) -> Any:
    """pi for negative numbers, 0 for others, nan for nan."""
    return stored(np.where(np.isnan(a), a, np.where(a < 0, a.dtype.type(np.pi), a.dtype.type(0))), out)


def angle_complex(a: Any, out: Any = None) -> Any:
    """The argument of complex numbers."""
    return np.arctan2(a.imag, a.real, out=out)


def heaviside(a: Any, values: Any, out: Any = None) -> Any:
    """0 below zero, 1 above, `values` at zero (0 for nan)."""
    one, zero = a.dtype.type(1), a.dtype.type(0)
    return stored(np.where(a == 0, values, np.where(a > 0, one, zero)), out)


# -- choosing ----------------------------------------------------------------------------------------------


def where(condition: Any, a: Any, b: Any, out: Any = None) -> Any:
    """`a` where the condition holds, `b` elsewhere."""
    chosen = np.where(condition, a, b)
    if out is None or out is ...:
        if chosen.ndim < 2 or (chosen.flags.c_contiguous and condition.flags.c_contiguous):
            return chosen
        return as_chosen(chosen, [x for x in (condition, a, b) if isinstance(x, np.ndarray)])
    return stored(chosen, out)


def clamp(a: Any, low: Any, high: Any, out: Any = None) -> Any:
    """`a` within bounds, either of which may be missing; the upper one wins."""
    if low is None:
        return np.minimum(a, high, out=out)
    low = np.maximum(a, low, out=out if high is None else None)
    return low if high is None else np.minimum(low, high, out=out)


def clamp_numbers(a: Any, low: Any, high: Any, out: Any = None) -> Any:
    """`clamp` with Python numbers for bounds."""
    if a.dtype.kind == "b":
        name = "clamp_max" if low is None else "clamp_min" if high is None else "clamp"
        raise NotImplementedError(f"\"{name}_scalar_cpu\" not implemented for 'Bool'")
    if a.dtype.kind in "iu":
        low, high = bound(a.dtype, low), bound(a.dtype, high)
    if low is not None and high is not None:
        return umath.clip(a, low, high, out=out)  # type: ignore[attr-defined]
    return clamp(a, low, high, out)


def bound(dtype: Any, value: Any) -> Any:
    """A Python number as a bound in an integer dtype; below an unsigned dtype's range it wraps around.

    Raises:
        RuntimeError: if it lies beyond the dtype's range.
    """
    if value is None:
        return None
    value = int(value)
    limits = np.iinfo(dtype)
    if value < 0 and not limits.min and value >= -(limits.max + 1):
        value += limits.max + 1
    if not limits.min <= value <= limits.max:
        name = f"{np.dtype(dtype).name}_t"
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return value


def nan_to_num(a: Any, nan: Any, posinf: Any, neginf: Any, out: Any = None) -> Any:
    """`a` with nan and the infinities replaced."""
    if a.dtype.kind not in "fc":
        return stored(a.copy(), out)
    if a.dtype.kind == "f" and a.dtype.itemsize >= 4:
        limits = np.finfo(a.dtype)
        high = float(limits.max if posinf is None else posinf)
        low = float(limits.min if neginf is None else neginf)
        return _finite(np.asarray(a), float(nan or 0.0), high, low, out=... if out is None else out)
    return stored(np.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf), out)


@sized("finite")
def _finite(a: Any, nan: float, high: float, low: float, out: Any = ...) -> Any:
    return stored(np.nan_to_num(a, nan=nan, posinf=high, neginf=low), out)


# -- special functions (SciPy, loaded on first use) ---------------------------------------------------------


@sized("erf")
def erf(a: Any, out: Any = None) -> Any:
    """The error function."""
    return special.erf(a, out=out)


def erfc(a: Any, out: Any = None) -> Any:
    """1 - erf(a), accurate far out."""
    return special.erfc(a, out=out)


def erfinv(a: Any, out: Any = None) -> Any:
    """The inverse of the error function."""
    return special.erfinv(a, out=out)


def lgamma(a: Any, out: Any = None) -> Any:
    """log |gamma(a)|; SciPy has -inf at -inf, C and PyTorch have inf."""
    return (_lgamma_32 if a.dtype.itemsize == 4 else _lgamma)(a, out=out)


def _lgamma(a: Any, out: Any = None) -> Any:
    return special.gammaln(np.where(a == -np.inf, np.inf, a).astype(a.dtype, copy=False), out=out)


_lgamma_32: Final = sized("lgamma")(_lgamma)


def digamma(a: Any, out: Any = None) -> Any:
    """Derivative of `lgamma`; -inf at +0, inf at -0, nan at negative integers, as PyTorch."""
    found = special.digamma(a)
    return stored(np.where(a == 0, np.copysign(np.inf, -a), found).astype(a.dtype, copy=False), out)


def trigamma(a: Any) -> Any:
    """The first derivative of `digamma`, in the precision of its argument.

    Reflection for arguments below 1/2 (at whole ones PyTorch shows the rounding of the sine, not infinity),
    then
    six steps up and the asymptotic series: Abramowitz and Stegun 6.4.7, 6.4.6, 6.4.12.
    """
    low = a < 0.5
    x = np.where(low, 1 - a, a).astype(a.dtype, copy=False)
    pi = a.dtype.type(np.pi)
    sine = np.sin(pi * np.where(low, a, 1).astype(a.dtype, copy=False))
    total = np.where(low, -(pi * pi) / (sine * sine), 0).astype(a.dtype, copy=False)
    for _ in range(6):
        total = total + 1 / (x * x)
        x = x + 1
    v = 1 / (x * x)
    total = total + (1 + 1 / (2 * x) + v * (a.dtype.type(1 / 6) - v * (a.dtype.type(1 / 30) - v / 42))) / x
    return np.where(low, -total, total)


def polygamma(a: Any, n: int, out: Any = None) -> Any:
    """The nth derivative of `digamma`."""
    if n == 0:
        return digamma(a, out)
    if n == 1:
        return stored(trigamma(a), out)
    return stored(special.polygamma(n, a).astype(a.dtype, copy=False), out)


def i0(a: Any, out: Any = None) -> Any:
    """Modified Bessel function of order 0."""
    return special.i0(a, out=out)


def i1(a: Any, out: Any = None) -> Any:
    """Modified Bessel function of order 1."""
    return special.i1(a, out=out)


def xlogy(a: Any, b: Any, out: Any = None) -> Any:
    """a * log(b), 0 where a is 0 (unless b is nan)."""
    if a.dtype.itemsize > 2:
        return special.xlogy(a, b, out=out)
    zero = (a == 0) & ~np.isnan(b)
    return stored(np.where(zero, a.dtype.type(0), a * np.log(b)), out)


def gammainc(a: Any, b: Any, out: Any = None) -> Any:
    """The regularised lower incomplete gamma function."""
    return special.gammainc(a, b, out=out)


def gammaincc(a: Any, b: Any, out: Any = None) -> Any:
    """The regularised upper incomplete gamma function."""
    return special.gammaincc(a, b, out=out)
