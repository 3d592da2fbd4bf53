"""Gamma and Dirichlet numbers as PyTorch's CPU kernels draw them, and how they move with their parameters.

Sampling is the rejection method of G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
variables", ACM TOMS 26 (2000); a shape below one is raised by one and the number multiplied by u^(1/shape).
The derivatives of a number x in its shape are -(dF/da)(x; a) / f(x; a), with F the distribution function and
f the density (implicit reparameterisation; M. Jankowiak and F. Obermeyer, "Pathwise derivatives beyond the
reparameterization trick", ICML 2018). PyTorch approximates them with about four digits: by Taylor series, by
saddle-point expansions, and between by rational functions, whose coefficients are those of its header
`ATen/native/Distributions.h`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import lazy
from ..dtypes import SCALAR_NAME, from_numpy
from .fperr import QUIET, reset_errors, set_errors
from .rng import Stream
from .sampling import not_implemented

__all__ = ["dirichlet", "dirichlet_grad", "dirichlet_pull", "gamma_grad", "standard_gamma"]

special: Any = lazy.module("scipy.special")

_F32: Final = np.dtype(np.float32)
_F64: Final = np.dtype(np.float64)
# Constants that PyTorch's sampler keeps in single precision.
_THIRD: Final = float(np.float32(1) / np.float32(3))
_SQUEEZE: Final = float(np.float32(0.0331))


def _normal(stream: Stream) -> float:
    """One standard normal number; every other call uses the second of a pair."""
    kept = stream.next_double
    if kept is not None:
        stream.next_double = None
        return kept
    angle = 2.0 * math.pi * stream.double()
    radius = math.sqrt(-2.0 * math.log1p(-stream.double()))
    stream.next_double = radius * math.sin(angle)
    return radius * math.cos(angle)


def _gamma_one(stream: Stream, d: float, boost: float) -> float:
    """One number of the shape d + 1/3 >= 1, times u to the power `boost` if that is not zero."""
    scale = (1.0 - stream.double()) ** boost if boost else 1.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = _normal(stream)
        y = 1.0 + c * x
        if y <= 0.0:
            continue
        v = y * y * y
        u = 1.0 - stream.double()
        xx = x * x
        if u < 1.0 - _SQUEEZE * xx * xx or math.log(u) < 0.5 * xx + d * (1.0 - v + math.log(v)):
            return scale * d * v


def _draw(stream: Stream, shapes: NDArray[Any]) -> NDArray[np.float64]:
    """Gamma numbers of all shapes (float32 or float64, whose rounding the first steps have), in C order.

    A shape that is not positive draws nothing and gives zero.
    """
    one = shapes.dtype.type
    flat = shapes.ravel()
    small = flat < 1
    token = set_errors(QUIET)
    try:
        boosts = np.where(small, one(1) / flat, one(0)).astype(np.float64).tolist()
    finally:
        reset_errors(token)
    places = (np.where(small, flat + one(1), flat) - one(_THIRD)).astype(np.float64).tolist()
    positive = (flat > 0).tolist()
    with stream.lock:
        drawn = [
            _gamma_one(stream, place, boost) if drawable else 0.0
            for place, boost, drawable in zip(places, boosts, positive, strict=True)
        ]
    return np.array(drawn, np.float64).reshape(shapes.shape)


def standard_gamma(stream: Stream, shapes: NDArray[Any]) -> NDArray[Any]:
    """Gamma numbers of rate one, a shape for each: `torch._standard_gamma`.

    Args:
        stream: where the words come from.
        shapes: float32 or float64 array.

    Returns:
        An array like `shapes`; no number is below the least normal one of the dtype.

    Raises:
        NotImplementedError: for another dtype.
    """
    if shapes.dtype != _F32 and shapes.dtype != _F64:
        raise not_implemented("gamma_cpu", shapes.dtype)
    drawn = _draw(stream, shapes).astype(shapes.dtype)
    found: NDArray[Any] = np.maximum(drawn, np.finfo(shapes.dtype).tiny)
    return found


def dirichlet(stream: Stream, concentrations: NDArray[Any]) -> NDArray[Any]:
    """Points of a simplex, gamma numbers divided by their sum over the last dimension.

    Args:
        stream: where the words come from.
        concentrations: float32 or float64 array of shape (..., parts).

    Returns:
        An array like `concentrations`, strictly inside (0, 1).

    Raises:
        NotImplementedError: for another dtype.
    """
    d = concentrations.dtype
    if d != _F32 and d != _F64:
        raise not_implemented("dirichlet", d)
    drawn = np.maximum(_draw(stream, concentrations.astype(np.float64)), np.finfo(np.float64).tiny)
    total = drawn.sum(-1, keepdims=True) if drawn.ndim else drawn
    parts = (drawn / total).astype(d)
    below_one = np.nextafter(d.type(1), d.type(0))
    found: NDArray[Any] = np.minimum(below_one, np.maximum(np.finfo(d).tiny, parts))
    return found


def _same(*arrays: NDArray[Any]) -> None:
    for a in arrays[1:]:
        if a.dtype != arrays[0].dtype:
            found, wanted = (SCALAR_NAME[from_numpy(x.dtype)] for x in (a, arrays[0]))
            raise RuntimeError(f"Found dtype {found} but expected {wanted}")


def gamma_grad(shapes: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
    """How standard gamma numbers move with their shapes: `torch._standard_gamma_grad`.

    Args:
        shapes: float32 or float64 array.
        numbers: what was drawn, of the same dtype, broadcasting with the shapes.

    Returns:
        An array of the broadcast shape.

    Raises:
        RuntimeError: if the dtypes differ.
        NotImplementedError: for half precision, integers and so on.
    """
    if shapes.dtype != _F32 and shapes.dtype != _F64:
        raise not_implemented("_standard_gamma_grad_cpu", shapes.dtype)
    _same(shapes, numbers)
    a, x = np.broadcast_arrays(shapes.astype(np.float64), numbers.astype(np.float64))
    out = np.empty(a.shape, np.float64)
    token = set_errors(QUIET)
    try:
        low = x < 0.8
        large = ~low & (a > 8.0)
        near = large & (0.9 * a <= x) & (x <= 1.1 * a)
        for mask, formula in (
            (low, _gamma_taylor), (near, _gamma_near_mean), (large & ~near, _gamma_saddle),
            (~low & ~large, _gamma_rational),
        ):  # fmt: skip
            if mask.any():
                out[mask] = formula(a[mask], x[mask])
        return out.astype(shapes.dtype)
    finally:
        reset_errors(token)


def _gamma_taylor(a: Any, x: Any) -> Any:
    """Small numbers: the series of the incomplete gamma function, divided by the density."""
    term: Any = 1.0
    below = a
    first, second = 1.0 / below, 1.0 / (below * below)
    for i in range(1, 6):
        term = term * (-x / i)
        below = below + 1.0
        first = first + term / below
        second = second + term / (below * below)
    power = x**a
    slope = (np.log(x) - special.digamma(a)) * (power * first) - power * second
    return np.nan_to_num(-slope / (x ** (a - 1.0) * np.exp(-x)), nan=0.0, posinf=np.inf, neginf=-np.inf)


def _gamma_near_mean(a: Any, x: Any) -> Any:
    """Large shapes near x = a, where the terms of the saddle-point expansion cancel."""
    left = 1 + 24 * a * (1 + 12 * a)
    right = 1440 * (a * a) + 6 * x * (53 - 120 * x) - 65 * x * x / a + a * (107 + 3600 * x)
    return left * right / (1244160 * (a * a) * (a * a))


def _gamma_saddle(a: Any, x: Any) -> Any:
    """Large shapes: a saddle-point expansion after Rice."""
    root = np.sqrt(8 * a)
    straight = root / (a - x)
    curved = (x - a - a * np.log(x / a)) ** -1.5
    both = np.where(x < a, straight - curved, straight + curved)
    inner = np.log(x / a) * both - np.sqrt(2 / a) * (a + x) / ((a - x) * (a - x))
    stirling = 1 + 1 / (12 * a) * (1 + 1 / (24 * a))
    return -stirling * (x * inner) / root


# Coefficients of u^0, u^1, u^2 (rows) in those of v^0..v^3 of the numerator and of the denominator.
_GAMMA_FIT: Final = (
    (0.16009398, -0.094634809, 0.025146376, -0.0030648343, 1.0, 0.32668115, 0.10406089, 0.0014179084),
    (
        0.53487893, 0.1298071, 0.065735949, -0.0015649758,
        0.16639465, 0.020070113, -0.0035938915, -0.00058392623,
    ),
    (
        0.040121004, -0.0065914022, -0.0026286047, -0.0013441777,
        0.017050642, -0.0021309326, 0.00085092367, -1.5247877e-07,
    ),
)  # fmt: skip


def _horner(x: Any, coefficients: Any) -> Any:
    found: Any = 0.0
    for c in reversed(coefficients):
        found = c + x * found
    return found


def _gamma_rational(a: Any, x: Any) -> Any:
    """What lies between: a rational function of log(x / a) and log(a)."""
    u, v = np.log(x / a), np.log(a)
    rows = [_horner(u, column) for column in zip(*_GAMMA_FIT, strict=True)]
    return np.exp(_horner(v, rows[:4]) / _horner(v, rows[4:]))


def dirichlet_grad(x: NDArray[Any], alpha: NDArray[Any], total: NDArray[Any]) -> NDArray[Any]:
    """How one part of a Dirichlet point moves with its concentration, over 1 - x: `torch._dirichlet_grad`.

    Args:
        x: the part, float32 or float64.
        alpha: its concentration.
        total: the sum of all concentrations.

    Returns:
        An array of the broadcast shape.

    Raises:
        RuntimeError: if the dtypes differ.
        NotImplementedError: for half precision, integers and so on.
    """
    d = x.dtype
    if d != _F32 and d != _F64:
        raise not_implemented("_dirichlet_grad_cpu", d)
    _same(x, alpha, total)
    x, alpha, total = np.broadcast_arrays(x, alpha, total)
    beta = total - alpha
    out = np.empty(x.shape, d)
    token = set_errors(QUIET)
    try:
        edge = total * x * (1 - x)
        left = (x <= 0.5) & (edge < 2.5)
        right = ~left & (x >= 0.5) & (edge < 0.75)
        middle = ~left & ~right & (alpha > 6) & (beta > 6)
        rest = ~(left | right | middle)
        if left.any():
            out[left] = _beta_left(x[left], alpha[left], beta[left])
        if right.any():
            out[right] = -_beta_right(1 - x[right], beta[right], alpha[right])
        wide = [v.astype(np.float64) for v in (x, alpha, total)]
        for mask, formula in ((middle, _beta_saddle), (rest, _beta_rational)):
            if mask.any():
                out[mask] = formula(*(v[mask] for v in wide))
        return out
    finally:
        reset_errors(token)


def _digamma(x: Any) -> Any:
    return special.digamma(x.astype(np.float64)).astype(x.dtype)


def _known(x: Any) -> Any:
    return np.where(np.isnan(x), x.dtype.type(0), x)


def _beta_left(x: Any, alpha: Any, beta: Any) -> Any:
    """Near zero, in alpha: a Taylor series."""
    factor = _digamma(alpha) - _digamma(alpha + beta) - np.log(x)
    term = np.ones_like(x)
    series = term / alpha * (factor + 1 / alpha)
    for i in range(1, 11):
        term = term * ((i - beta) * x / i)
        below = alpha + i
        series = series + term / below * (factor + 1 / below)
    return _known(x * (1 - x) ** -beta * series)


def _beta_right(x: Any, alpha: Any, beta: Any) -> Any:
    """Near zero, in beta: a Taylor series."""
    factor = _digamma(alpha + beta) - _digamma(beta)
    term, product = np.ones_like(x), np.ones_like(x)
    slope = np.zeros_like(x)
    series = factor / alpha
    for i in range(1, 9):
        term = term * (-x / i)
        slope = slope * (beta - i) + product
        product = product * (beta - i)
        series = series + term / (alpha + i) * (slope + factor * product)
    return _known(-((1 - x) ** (1 - beta)) * series)


def _beta_saddle(x: Any, alpha: Any, total: Any) -> Any:
    """Large concentrations: a saddle-point expansion after Rice, and at the mean what it tends to."""
    beta = total - alpha
    mean = alpha / total
    deviation = np.sqrt(alpha * beta / (total + 1)) / total
    b2 = beta * beta
    tail = 8 * (1 - x) * (135 * beta - 11)
    cubic = (453 + 1620 * beta * (1 - x) - 455 * x) * beta + alpha * tail
    square = 3 * (59 + 180 * beta - 90 * x) * b2 + alpha * cubic
    linear = (43 + 20 * (16 + 27 * beta) * x) * b2 * beta + alpha * square
    poly = 47 * x * b2 * b2 + alpha * linear
    above = (1 + 12 * alpha) * (1 + 12 * beta) / (total * total)
    below = 12960 * alpha * alpha * alpha * b2 * (1 + 12 * total)
    at_mean = above / (1 - x) * poly / below

    def stirling(z: Any) -> Any:
        return 1 + 1 / (12 * z) + 1 / (288 * z * z)

    outer = -x / np.sqrt(2 * alpha * beta / total) * stirling(alpha) * stirling(beta) / stirling(total)
    distance = alpha * (x - 1) + beta * x
    first = (2 * (alpha * alpha) * (x - 1) + alpha * beta * (x - 1) - x * b2) / (
        np.sqrt(2 * alpha / beta) * total**1.5 * distance * distance
    )
    straight = np.sqrt(8 * alpha * beta / total) / distance
    log_a = np.log(alpha / (total * x))
    curved = (beta * np.log(beta / (total * (1 - x))) + alpha * log_a) ** -1.5
    away = outer * (first + 0.5 * log_a * (straight + np.where(x < mean, curved, -curved)))
    return np.where((mean - 0.1 * deviation <= x) & (x <= mean + 0.1 * deviation), at_mean, away)


# [numerator, denominator][power of log x][power of log(alpha / x)][power of the logarithm of total x / alpha]
_BETA_FIT: Final = (
    (
        (
            (1.003668233, -0.01061107488, -0.0657888334, 0.01201642863),
            (0.6336835991, -0.3557432599, 0.05486251648, -0.001465281033),
            (-0.03276231906, 0.004474107445, 0.002429354597, -0.0001557569013),
        ),
        (
            (0.221950385, -0.3187676331, 0.01799915743, 0.01074823814),
            (-0.2951249643, 0.06219954479, 0.01535556598, 0.001550077057),
            (0.02155310298, 0.004170831599, 0.001292462449, 6.976601077e-05),
        ),
        (
            (-0.05980841433, 0.008441916499, 0.01085618172, 0.002319392565),
            (0.02911413504, 0.01400243777, -0.002721828457, 0.000751041181),
            (0.005900514878, -0.001936558688, -9.495446725e-06, 5.385558597e-05),
        ),
    ),
    (
        (
            (1.0, -0.02924021934, -0.04438342661, 0.007285809825),
            (0.6357567472, -0.3473456711, 0.05454656494, -0.002407477521),
            (-0.03301322327, 0.004845219414, 0.00231480583, -0.0002307248149),
        ),
        (
            (0.5925320577, -0.1757678135, 0.01505928619, 0.000564515273),
            (0.1014815858, -0.06589186703, 0.01272886114, -0.0007316646956),
            (-0.007258481865, 0.001096195486, 0.0003934994223, -4.12701925e-05),
        ),
        (
            (0.06469649321, -0.0236701437, 0.002902096474, -5.896963079e-05),
            (0.001925008108, -0.002869809258, 0.0008000589141, -6.063713228e-05),
            (-0.0003477407336, 6.959756487e-05, 1.097287507e-05, -1.650964693e-06),
        ),
    ),
)


def _beta_rational(x: Any, alpha: Any, total: Any) -> Any:
    """What lies between: a rational correction of x (psi(total) - psi(alpha)) / beta."""
    u = np.log(x)
    a = np.log(alpha) - u
    b = np.log(total) - a
    above, below = (
        _horner(u, [_horner(a, [_horner(b, row) for row in rows]) for rows in table]) for table in _BETA_FIT
    )
    return above / below * x * (special.digamma(total) - special.digamma(alpha)) / (total - alpha)


def dirichlet_pull(g: NDArray[Any], x: NDArray[Any], concentrations: NDArray[Any]) -> NDArray[Any]:
    """The cotangent of the concentrations of a Dirichlet point.

    Args:
        g: the cotangent of the point, of shape (..., parts).
        x: the point.
        concentrations: its concentrations.

    Returns:
        An array like `concentrations`: a part's own motion, less what the others give way to.
    """
    slopes = dirichlet_grad(x, concentrations, concentrations.sum(-1, keepdims=True))
    found: NDArray[Any] = slopes * (g - (x * g).sum(-1, keepdims=True))
    return found
