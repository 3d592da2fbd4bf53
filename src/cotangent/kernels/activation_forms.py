"""The activation functions and their derivatives, and some elementary functions, as formulas over symbols
(see `symbolic`).

Arrays come first, then numbers, in the order of the kernels in `activation` and `elementwise`, which say what
each computes.
"""

from __future__ import annotations

import math
from typing import Final

from .symbolic import Sym, call, where

Number = Sym | float

_HALF_ROOT: Final = math.sqrt(0.5)
_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)
_K: Final = math.sqrt(2.0 / math.pi)
_C: Final = 0.044715


def erf(x: Sym) -> Sym:
    return call("erf", x)


def lgamma(x: Sym) -> Sym:
    return call("lgamma", x)


def rsqrt(x: Sym) -> Sym:
    return call("rsqrt", x)


def sigmoid(x: Sym) -> Sym:
    return call("sigmoid", x)


def sigmoid_backward(g: Sym, y: Sym) -> Sym:
    return g * ((1.0 - y) * y)


def relu(x: Sym) -> Sym:
    return call("relu", x)


def threshold_backward(g: Sym, x: Sym, threshold: Number) -> Sym:
    return where(x <= threshold, 0.0, g)


def hardtanh(x: Sym, low: Number, high: Number) -> Sym:
    return call("minimum", call("maximum", x, low), high)


def hardtanh_backward(g: Sym, x: Sym, low: Number, high: Number) -> Sym:
    return where((x <= low) | (x >= high), 0.0, g)


def leaky_relu(x: Sym, slope: Number) -> Sym:
    return where(x > 0.0, x, x * slope)


def leaky_relu_backward(g: Sym, x: Sym, slope: Number) -> Sym:
    return where(x > 0.0, g, g * slope)


def prelu(x: Sym, weight: Sym) -> Sym:
    return where(x > 0.0, x, weight * x)


def elu(x: Sym, alpha: Number, scale: Number, input_scale: Number) -> Sym:
    low = call("expm1", call("minimum", x, 0.0) * input_scale) * (x.like(alpha) * scale)
    return call("maximum", x, 0.0) * scale + low


def elu_backward(g: Sym, x: Sym, alpha: Number, scale: Number, input_scale: Number) -> Sym:
    slope = call("exp", x * input_scale) * (x.like(alpha) * scale * input_scale)
    return g * where(x <= 0.0, slope, x.like(scale))


def _half_tanh(x: Sym) -> Sym:
    """(1 + tanh(u)) / 2 with gelu's inner u, as sigmoid(2 u): that does not cancel."""
    return call("sigmoid", (x * x * _C + 1.0) * x * (2.0 * _K))


def gelu(x: Sym, approximate: str) -> Sym:
    if approximate == "none":
        return (call("erf", x * _HALF_ROOT) + 1.0) * 0.5 * x
    return _half_tanh(x) * x


def gelu_backward(g: Sym, x: Sym, approximate: str) -> Sym:
    if approximate == "none":
        t = (call("erf", x * _HALF_ROOT) + 1.0) * 0.5
        return g * (t + call("exp", x * x * -0.5) * x * _BELL)
    s = _half_tanh(x)
    slope = (x * x * (6.0 * _C * _K) + 2.0 * _K) * x
    return g * (slope * (1.0 - s) * s + s)


def silu(x: Sym) -> Sym:
    return x / (call("exp", -x) + 1.0)


def silu_backward(g: Sym, x: Sym) -> Sym:
    s = call("sigmoid", x)
    return g * (s * ((1.0 - s) * x + 1.0))


def _softplus(x: Sym) -> Sym:
    return call("log1p", call("exp", -call("abs", x))) + call("maximum", x, 0.0)


def mish(x: Sym) -> Sym:
    return x * call("tanh", _softplus(x))


def mish_backward(g: Sym, x: Sym) -> Sym:
    t = call("tanh", _softplus(x))
    return g * (t + x * call("sigmoid", x) * (1.0 - t * t))


def softplus(x: Sym, beta: Number, threshold: Number) -> Sym:
    t = x * beta
    return where(t > threshold, x, _softplus(t) / beta)


def softplus_backward(g: Sym, x: Sym, beta: Number, threshold: Number) -> Sym:
    t = x * beta
    return where(t > threshold, g, g * call("sigmoid", t))


def log_sigmoid(x: Sym) -> Sym:
    return call("minimum", x, 0.0) - call("log1p", call("exp", -call("abs", x)))


def log_sigmoid_backward(g: Sym, x: Sym) -> Sym:
    return g / (call("exp", x) + 1.0)


def hardswish(x: Sym) -> Sym:
    return hardtanh(x + 3.0, 0.0, 6.0) * x / 6.0


def hardswish_backward(g: Sym, x: Sym) -> Sym:
    return where(x <= -3.0, 0.0, g * where(x < 3.0, x / 3.0 + 0.5, 1.0))


def hardsigmoid(x: Sym) -> Sym:
    return hardtanh(x + 3.0, 0.0, 6.0) / 6.0
