"""Elementary functions as vector code, inline, for float32 and float64.

Errors in units in the last place, as tests/kernels/test_scalar.py measures them against mpmath (largest over
random arguments of every size):

    function                float32   float64
    exp, log                1         1
    expm1, log1p, sigmoid   2         2
    tanh                    2         2.5
    exp2, log2, log10       2         2
    erf                     1.5       1.5
    sin, cos                1.5       1.5
    tan                     3         3
    pow                     1         by the C library
    fmod                    exact     exact

Methods: exp and expm1 by Cody and Waite's reduction with a Taylor polynomial on [-ln2/2, ln2/2]; log and
log1p by the series of atanh, whose polynomial and order of operations are those described in the comments of
FDLIBM (Sun Microsystems, 1993); sin and cos by their Taylor polynomials on [-pi/4, pi/4] after a reduction in
three parts. pow is exp(y * log(x)) in float64 for float32. Where an argument is too large for a reduction,
the C library is called lane by lane. nan and infinity go where they do in PyTorch.
"""

from __future__ import annotations

from math import factorial
from typing import Final

from .vectors import Text, Vec

__all__ = [
    "cos", "erf", "exp", "exp2", "expm1", "fmod", "log", "log1p", "log2", "log10", "pow_", "sigmoid", "sin",
    "tan", "tanh",
]  # fmt: skip

# (ln 2 with few bits, the rest): k * the first is exact.
_LN2: Final = {
    "f32": (0.693359375, -2.12194440054690583e-4),
    "f64": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
_LOG2E: Final = 1.4426950408889634
# Beyond these exp is infinite, or zero.
_EXP_RANGE: Final = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
_EXP_DEGREE: Final = {"f32": 7, "f64": 13}
_INT: Final = {"f32": "i32", "f64": "i64"}
_MANTISSA: Final = {"f32": 23, "f64": 52}
_BIAS: Final = {"f32": 127, "f64": 1023}


def _power_of_two(t: Text, k: Vec, kind: str) -> Vec:
    """2 ** k for integers k whose result is a normal number."""
    return ((k + _BIAS[kind]) << _MANTISSA[kind]).bits(kind)


def _reduced(t: Text, x: Vec) -> tuple[Vec, Vec]:
    """k and r with x = k ln2 + r and r about within [-ln2/2, ln2/2]; k as a float."""
    high, low = _LN2[x.kind]
    k = t.call("rint", x * _LOG2E)
    r = t.fma(k, -high, x)
    return k, t.fma(k, -low, r)


def _expm1_polynomial(t: Text, r: Vec) -> Vec:
    """exp(r) - 1 on [-ln2/2, ln2/2]."""
    terms = [1.0 / factorial(i) for i in range(_EXP_DEGREE[r.kind], 1, -1)]
    q = t.polynomial(r, *terms)
    return t.fma(r * r, q, r)


def _clamped(t: Text, x: Vec, low: float, high: float) -> Vec:
    """x between the two; nan stays."""
    x = (x > high).select(high, x)
    return (x < low).select(low, x)


def exp(t: Text, x: Vec) -> Vec:
    x = _clamped(t, x, *_EXP_RANGE[x.kind])
    k, r = _reduced(t, x)
    p = _expm1_polynomial(t, r) + 1.0
    whole = k.cast(_INT[x.kind])
    # In two factors, as 2 ** k itself may be too large or too small for a normal number.
    half = whole >> 1
    return p * _power_of_two(t, half, x.kind) * _power_of_two(t, whole - half, x.kind)


def exp2(t: Text, x: Vec) -> Vec:
    low, high = (-150.0, 128.0) if x.kind == "f32" else (-1076.0, 1024.0)
    x = _clamped(t, x, low, high)
    k = t.call("rint", x)
    p = _expm1_polynomial(t, (x - k) * 0.6931471805599453) + 1.0
    whole = k.cast(_INT[x.kind])
    half = whole >> 1
    return p * _power_of_two(t, half, x.kind) * _power_of_two(t, whole - half, x.kind)


def expm1(t: Text, x: Vec) -> Vec:
    high = _EXP_RANGE[x.kind][1]
    x0 = x
    x = _clamped(t, x, -44.0 if x.kind == "f64" else -30.0, high)
    k, r = _reduced(t, x)
    p = _expm1_polynomial(t, r)
    # 2 * (2 ** (k - 1) * (p + 1) - 1 / 2): half of it, as 2 ** k may overflow.
    s = _power_of_two(t, k.cast(_INT[x.kind]) - 1, x.kind)
    y = t.fma(p, s, s - 0.5) * 2.0
    # Where k is 0 that loses what little p has, and -0 its sign.
    return k.compare("eq", 0.0).select((x0.compare("eq", 0.0)).select(x0, p), y)


def _log_parts(t: Text, x: Vec) -> tuple[Vec, Vec]:
    """k and f with x = 2 ** k * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); for finite x > 0."""
    kind = x.kind
    smallest = 2.0**-126 if kind == "f32" else 2.0**-1022
    shift = _MANTISSA[kind] + 2
    small = x < smallest
    x = small.select(x * 2.0**shift, x)
    word = x.bits(_INT[kind])
    # The exponent counted from sqrt(1/2).
    root = 0x3F3504F3 if kind == "f32" else 0x3FE6A09E667F3BCD
    moved = word - root
    k = moved >> _MANTISSA[kind]
    f = (word - (k << _MANTISSA[kind])).bits(kind) - 1.0
    kf = k.cast(kind)
    return small.select(kf - float(shift), kf), f


# atanh's series for log(1 + f) = 2 atanh(s), s = f / (2 + f), fitted on |s| <= 0.1716 (FDLIBM e_log.c,
# e_logf.c).
_LG: Final = {
    "f32": (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
    "f64": (
        1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
        6.666666666666735130e-01,
    ),
}  # fmt: skip


def _log_of(t: Text, k: Vec, f: Vec, correction: Vec | None = None) -> Vec:
    """k ln2 + log(1 + f) + correction."""
    high, low = _LN2[f.kind]
    s = f / (f + 2.0)
    z = s * s
    r = t.polynomial(z, *_LG[f.kind]) * z
    square = f * f * 0.5
    tail = t.fma(k, low, s * (square + r))
    if correction is not None:
        tail = tail + correction
    return t.fma(k, high, f - (square - tail))


def _log_edges(x: Vec, y: Vec) -> Vec:
    """log's values where x is 0, infinite, negative or nan."""
    inf = float("inf")
    y = x.compare("eq", 0.0).select(-inf, y)
    y = x.compare("eq", inf).select(inf, y)
    return x.compare("ge", 0.0).select(y, float("nan"))


def log(t: Text, x: Vec) -> Vec:
    k, f = _log_parts(t, x)
    return _log_edges(x, _log_of(t, k, f))


def log1p(t: Text, x: Vec) -> Vec:
    u = x + 1.0
    k, f = _log_parts(t, u)
    # What the sum lost, to first order.
    lost = (k.compare("ge", 1.0)).select(1.0 - (u - x), x - (u - 1.0)) / u
    y = _log_edges(u, _log_of(t, k, f, (u.compare("eq", float("inf"))).select(0.0, lost)))
    tiny = 2.0**-25 if x.kind == "f32" else 2.0**-54
    return (t.call("fabs", x) < tiny).select(x, y)


def log2(t: Text, x: Vec) -> Vec:
    k, f = _log_parts(t, x)
    zero = t.const(0.0, x.kind, x.lanes)
    natural = _log_of(t, zero, f)
    # log2(e) in two parts; k is added last, as it is exact.
    high = 1.4426950408889634 if x.kind == "f64" else 1.44269502162933349609375
    low = 2.0355273740931033e-17 if x.kind == "f64" else 1.92596299112661746887e-08
    product = natural * high
    rest = t.fma(natural, high, -product)
    return _log_edges(x, k + (product + t.fma(natural, low, rest)))


def log10(t: Text, x: Vec) -> Vec:
    k, f = _log_parts(t, x)
    zero = t.const(0.0, x.kind, x.lanes)
    natural = _log_of(t, zero, f)
    if x.kind == "f64":
        parts = (0.4342944819032518, 1.098319650216765e-17)
        two = (3.01029995663611771306e-01, 3.69423907715893078616e-13)
    else:
        parts = (0.4342944920063018798828125, -1.010305e-08)
        two = (0.301025390625, 4.605038981195214e-06)
    low = t.fma(natural, parts[1], k * two[1])
    return _log_edges(x, t.fma(k, two[0], t.fma(natural, parts[0], low)))


def sigmoid(t: Text, x: Vec) -> Vec:
    return 1.0 / (exp(t, -x) + 1.0)


def tanh(t: Text, x: Vec) -> Vec:
    a = t.call("fabs", x)
    limit = 10.0 if x.kind == "f32" else 20.0  # from where it is 1, and so is the quotient below
    # expm1 of numbers in [0, 40]: they need no bounds, nor does 2 ** k, and 0 keeps no sign.
    k, r = _reduced(t, (a > limit).select(limit, a) * 2.0)
    p = _expm1_polynomial(t, r)
    s = _power_of_two(t, k.cast(_INT[x.kind]), x.kind)
    e = k.compare("eq", 0.0).select(p, t.fma(p, s, s - 1.0))
    return t.call("copysign", e / (e + 2.0), x)


# erf(x) = x + x p(x ** 2) for |x| below the edge, else 1 - exp(q(|x| - shift)), up to where it is 1: edge,
# shift, end, p and q from tools/fit_erf.py.
_ERF: Final[dict[str, tuple[float, float, float, tuple[float, ...], tuple[float, ...]]]] = {
    "f32": (
        0.95, 0.0, 4.0,
        (
            8.215894940963413e-05, -0.0008106119638283548, 0.005197816269922831, -0.02685811526864027,
            0.11283672837158791, -0.3761263231606645, 0.12837916650245593,
        ),
        (
            0.000197031048641536, -0.003054179334530658, 0.02227160533226071, -0.10402645467827838,
            -0.6370716198159097, -1.1277428570247467, -0.0001790340796289032,
        ),
    ),
    "f64": (
        0.9, 2.0, 6.0,
        (
            -8.499859855405053e-10, 1.4054073640619936e-08, -1.6277021057448923e-07,
            1.6455382029271752e-06, -1.4925311100924454e-05, 0.00012055321535772202,
            -0.0008548326768701837, 0.005223977621843414, -0.026866170644831093, 0.11283791670953833,
            -0.3761263890318373, 0.1283791670955126,
        ),
        (
            1.4147330097629154e-12, -1.2125061440746079e-11, 3.805080856713852e-11,
            -3.2238014313675096e-11, -2.833134622569267e-10, 2.512304622607646e-09,
            -1.3929329165725512e-08, 5.783644996728321e-08, -1.7322624432248773e-07,
            2.0360781931483633e-07, 1.9522025241139814e-06, -2.0706415530972896e-05,
            0.00013530933433603562, -0.000732399389727307, 0.003570756345705143, -0.01646511813652492,
            -0.9237508418237492, -4.418160805994423, -5.364941264616638,
        ),
    ),
}  # fmt: skip


def erf(t: Text, x: Vec) -> Vec:
    edge, shift, end, near, far = _ERF[x.kind]
    a = t.call("fabs", x)
    small = t.fma(t.polynomial(x * x, *near), x, x)
    a = (a > end).select(end, a)
    large = t.call("copysign", 1.0 - exp(t, t.polynomial(a - shift if shift else a, *far)), x)
    return (a > edge).select(large, small)


_HALF_PI: Final = {
    "f32": (1.57079637050628662109375, -4.37113900018624283e-8, -1.71512489e-15),
    "f64": (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
}


def _quadrant(t: Text, x: Vec) -> tuple[Vec, Vec]:
    """q and r with x = q pi/2 + r, |r| <= pi/4."""
    q = t.call("rint", x * 0.6366197723675814)
    r = x
    for part in _HALF_PI[x.kind]:
        r = t.fma(q, -part, r)
    return q.cast(_INT[x.kind]), r


def _sine(t: Text, r: Vec, degree: int) -> Vec:
    z = r * r
    terms = [(-1.0) ** ((i - 1) // 2) / factorial(i) for i in range(degree, 2, -2)]
    return t.fma(t.polynomial(z, *terms), z * r, r)


def _cosine(t: Text, r: Vec, degree: int) -> Vec:
    z = r * r
    terms = [(-1.0) ** (i // 2) / factorial(i) for i in range(degree, 2, -2)]
    half = z * 0.5
    w = 1.0 - half
    # What 1 - z / 2 lost goes in with the small terms.
    return w + (((1.0 - w) - half) + t.polynomial(z, *terms) * z * z)


def _circular(t: Text, x: Vec, quarter: int) -> Vec:
    """sin(x + quarter pi/2)."""
    q, r = _quadrant(t, x)
    degrees = (9, 10) if x.kind == "f32" else (17, 18)
    sine, cosine = _sine(t, r, degrees[0]), _cosine(t, r, degrees[1])
    turn = q + quarter
    y = (turn & 1).compare("eq", 0).select(sine, cosine)
    y = (turn & 2).compare("eq", 0).select(y, -y)
    if quarter == 0:
        y = x.compare("eq", 0.0).select(x, y)
    # The reduction holds up to here; what is larger, infinite or nan goes to the C library.
    limit = 1.0e4 if x.kind == "f32" else 1.0e5
    fine = t.call("fabs", x) <= limit
    return _or_else(t, fine, y, "sin" if quarter == 0 else "cos", fine.select(0.0, x))


def _or_else(t: Text, fine: Vec, y: Vec, name: str, *arguments: Vec) -> Vec:
    """y where all lanes are fine; else the C library's function for the others.

    The arguments are those of the function, harmless ones in lanes that are fine.
    """
    every = t.reduce_and(fine)
    slow, done, here = t.new_label("slow"), t.new_label("done"), t.new_label("here")
    t.line(f"br label %{here}")
    t.label(here)
    t.line(f"br i1 {every.name}, label %{done}, label %{slow}")
    t.label(slow)
    library = fine.select(y, t.library(name, *arguments))
    end = t.new_label("end")
    t.line(f"br label %{end}")
    t.label(end)
    t.line(f"br label %{done}")
    t.label(done)
    return t.op(f"phi {y.type} [{y.name}, %{here}], [{library.name}, %{end}]", y.kind, y.lanes)


def sin(t: Text, x: Vec) -> Vec:
    return _circular(t, x, 0)


def cos(t: Text, x: Vec) -> Vec:
    return _circular(t, x, 1)


def tan(t: Text, x: Vec) -> Vec:
    return sin(t, x) / cos(t, x)


def fmod(t: Text, x: Vec, y: Vec) -> Vec:
    """What x / y leaves when the quotient is cut off: exact, with the sign of x."""
    a, b = t.call("fabs", x), t.call("fabs", y)
    quotient = a / b
    whole = t.call("trunc", quotient)
    # A whole number below 2 ** 24 (2 ** 53) is the right one or, as the quotient was rounded, one too large.
    # Either way what is left is a number of this type, so that the multiply-add makes no error.
    left = t.fma(-whole, b, a)
    left = (left < 0.0).select(left + b, left)
    left = whole.compare("eq", 0.0).select(a, left)  # infinite b, too
    # Infinite a and zero b give nan above; only what is finite may need more digits of the quotient.
    limit = 2.0**24 if x.kind == "f32" else 2.0**53
    more = (quotient >= limit) & (a < float("inf")) & (b > 0.0)
    fine = more.compare("eq", False)
    left = t.call("copysign", left, x)
    return _or_else(t, fine, left, "fmod", fine.select(0.0, x), fine.select(1.0, y))


def pow_(t: Text, x: Vec, y: Vec) -> Vec:
    """x ** y, with C's special cases."""
    if x.kind == "f64":
        return t.library("pow", x, y)
    a, b = x.cast("f64"), y.cast("f64")
    size = exp(t, log(t, t.call("fabs", a)) * b)
    whole = t.call("rint", b).compare("eq", b)
    half = b * 0.5
    odd = whole & t.call("rint", half).compare("ne", half) & (t.call("fabs", b) < 2.0**53)
    negative = (a.bits("i64")).compare("lt", 0)
    size = (negative & odd).select(-size, size)
    finite = t.call("fabs", a) < float("inf")
    size = ((a < 0.0) & finite & (whole.compare("eq", False))).select(float("nan"), size)
    one = t.call("fabs", a).compare("eq", 1.0) & t.call("fabs", b).compare("eq", float("inf"))
    size = (one | b.compare("eq", 0.0) | a.compare("eq", 1.0)).select(1.0, size)
    return size.cast("f32")
