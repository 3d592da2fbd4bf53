"""Activation functions over arrays, and their derivatives.

Like ufuncs they take `out=`: an array, or `...` (the default here) for "an array even if 0-d". The
`*_backward` kernels multiply a cotangent by the derivative; derivative rules call them directly, so
they widen 16-bit floats themselves.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .erf import erf
from .halves import in_float, is_half
from .sized import LIGHT, sized

_HALF_ROOT: Final = math.sqrt(0.5)
_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)
# The tanh form of gelu: 0.5 x (1 + tanh(k (x + c x^3))), https://arxiv.org/abs/1606.08415.
_K: Final = math.sqrt(2.0 / math.pi)
_C: Final = 0.044715

# PyTorch's kernel rounds this constant to float32 in every dtype.
_SIXTH: Final = float(np.float32(1.0 / 6.0))

_BITS: Final = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}
_ZERO: Final = {d: np.zeros((), d) for d in _BITS}
_ONE8: Final = np.ones((), np.int8)
_INT8: Final = np.dtype(np.int8)


def without(g: Any, mask: Any, out: Any = ...) -> Any:
    """`g` with zeros where `mask` (a fresh bool array, used up) holds.

    Clearing bits takes a tenth of the time of `np.where` on random masks, and unlike a product it
    gives zero for infinities and nan.
    """
    bits = mask.view(_INT8)
    np.subtract(bits, _ONE8, out=bits)
    whole = _BITS[g.dtype]
    found = np.bitwise_and(g.view(whole), bits, out=...).view(g.dtype)
    if out is ...:
        return found
    out[...] = found
    return out


@sized("sigmoid")
@in_float
def sigmoid(a: Any, out: Any = ...) -> Any:
    """1 / (1 + exp(-a))."""
    t = np.negative(a, out=out)
    np.exp(t, out=t)
    t += 1.0
    return np.reciprocal(t, out=t)


@sized("sigmoid_backward")
@in_float
def sigmoid_backward(g: Any, y: Any, out: Any = ...) -> Any:
    """g * y * (1 - y); for complex y its conjugate is the caller's matter."""
    t = np.subtract(1.0, y, out=...)
    np.multiply(t, y, out=t)
    return np.multiply(g, t, out=out)


@sized("relu", LIGHT)
def relu(a: Any, out: Any = ...) -> Any:
    """max(a, 0), which leaves -0 as it is: of equal numbers the machine takes the second."""
    return np.maximum(_ZERO.get(a.dtype, 0), a, out=out)


@sized("threshold_backward", LIGHT)
@in_float
def threshold_backward(g: Any, a: Any, threshold: float, out: Any = ...) -> Any:
    """`g` where a > threshold (or a is nan), else zero."""
    if threshold == 0.0:
        mask = np.less_equal(a, _ZERO.get(a.dtype, 0), out=...)
    else:
        mask = np.less_equal(a, threshold, out=...)
    return without(g, mask, out)


def threshold(a: Any, threshold: float, value: float, out: Any = ...) -> Any:
    """`a` where it is above the threshold, `value` elsewhere."""
    found = np.array(a)
    if a.dtype.kind in "iu":
        threshold, value = np.asarray([int(threshold), int(value)]).astype(a.dtype)
    found[found <= threshold] = value
    if out is ...:
        return found
    out[...] = found
    return out


@sized("hardtanh")
@in_float
def hardtanh(a: Any, low: float, high: float, out: Any = ...) -> Any:
    """`a` cut off at both bounds."""
    if a.dtype.kind in "iu":
        low, high = int(low), int(high)
    t = np.maximum(a, low, out=out)
    return np.minimum(t, high, out=t)


@sized("hardtanh_backward")
@in_float
def hardtanh_backward(g: Any, a: Any, low: float, high: float, out: Any = ...) -> Any:
    """`g` where low < a < high, else zero."""
    mask = np.less_equal(a, low, out=...)
    np.logical_or(mask, np.greater_equal(a, high), out=mask)
    return without(g, mask, out)


@sized("leaky_relu")
def leaky_relu(a: Any, slope: float, out: Any = ...) -> Any:
    """`a` where positive, slope * a elsewhere."""
    t = np.multiply(a, slope, out=...)
    if 0.0 < slope <= 1.0:
        return np.maximum(a, t, out=out)
    found = np.where(a > 0, a, t)
    if out is ...:
        return found
    out[...] = found
    return out


@sized("leaky_relu_backward")
@in_float
def leaky_relu_backward(g: Any, a: Any, slope: float, out: Any = ...) -> Any:
    """g where a is positive, slope * g elsewhere."""
    positive = np.greater(a, _ZERO.get(a.dtype, 0), out=...)
    if 0.0 <= slope <= 1.0:
        factor = positive.astype(a.dtype)
        np.maximum(factor, slope, out=factor)
    else:
        factor = np.where(positive, a.dtype.type(1), a.dtype.type(slope))
    return np.multiply(g, factor, out=out)


@sized("elu")
def elu(a: Any, alpha: float, scale: float, input_scale: float, out: Any = ...) -> Any:
    """scale * a where positive, scale * alpha * (exp(input_scale * a) - 1) elsewhere."""
    low = np.minimum(a, _ZERO.get(a.dtype, 0), out=...)
    if input_scale != 1.0:
        low *= input_scale
    np.expm1(low, out=low)
    low *= alpha * scale
    high = np.maximum(a, _ZERO.get(a.dtype, 0), out=out)
    if scale != 1.0:
        high *= scale
    return np.add(high, low, out=high)


def celu(a: Any, alpha: float, out: Any = ...) -> Any:
    """`elu` that is smooth at zero for every alpha."""
    return elu(a, alpha, 1.0, 1.0 / alpha, out=out)


@sized("elu_backward")
@in_float
def elu_backward(g: Any, a: Any, alpha: float, scale: float, input_scale: float, out: Any = ...) -> Any:
    """g times the derivative of `elu`."""
    t = np.fmin(a, _ZERO.get(a.dtype, 0), out=...)  # nan counts as positive
    if input_scale != 1.0:
        t *= input_scale
    np.exp(t, out=t)
    c = alpha * scale * input_scale
    if c != 1.0:
        t *= c
    if c != scale:
        t[~(a <= 0)] = scale
    return np.multiply(g, t, out=out)


@sized("gelu")
def gelu(a: Any, approximate: str, out: Any = ...) -> Any:
    """a times the normal distribution function at a, exactly or by its tanh form."""
    t = erf(np.multiply(a, _HALF_ROOT, out=...)) if approximate == "none" else _tanh_inner(a)
    t += 1.0
    t *= 0.5
    return np.multiply(t, a, out=out)


def _tanh_inner(a: Any) -> Any:
    t = np.multiply(a, a, out=...)
    t *= _C
    t += 1.0
    t *= a
    t *= _K
    return np.tanh(t, out=t)


@sized("gelu_backward")
@in_float
def gelu_backward(g: Any, a: Any, approximate: str, out: Any = ...) -> Any:
    """g times the derivative of `gelu`."""
    squared = np.multiply(a, a, out=...)
    if approximate == "none":
        t = erf(np.multiply(a, _HALF_ROOT, out=...))
        t += 1.0
        t *= 0.5
        squared *= -0.5
        np.exp(squared, out=squared)
        squared *= a
        squared *= _BELL
        t += squared
        return np.multiply(t, g, out=out)
    t = _tanh_inner(a)
    squared *= 3.0 * _C * _K
    squared += _K
    squared *= a
    squared *= 1.0 - t * t
    t += 1.0
    t += squared
    t *= 0.5
    return np.multiply(t, g, out=out)


@sized("silu")
def silu(a: Any, out: Any = ...) -> Any:
    """a * sigmoid(a)."""
    t = np.negative(a, out=...)
    np.exp(t, out=t)
    t += 1.0
    return np.divide(a, t, out=out)


@sized("silu_backward")
@in_float
def silu_backward(g: Any, a: Any, out: Any = ...) -> Any:
    """g times the derivative of `silu`: s * (1 + a * (1 - s))."""
    s = sigmoid(a)
    t = np.subtract(1.0, s, out=...)
    t *= a
    t += 1.0
    t *= s
    return np.multiply(g, t, out=out)


def _softplus(a: Any) -> Any:
    """log(1 + exp(a)) without overflow."""
    t = np.abs(a, out=...)
    np.negative(t, out=t)
    np.exp(t, out=t)
    np.log1p(t, out=t)
    t += np.maximum(a, _ZERO.get(a.dtype, 0))
    return t


@sized("mish")
def mish(a: Any, out: Any = ...) -> Any:
    """a * tanh(softplus(a))."""
    t = _softplus(a)
    np.tanh(t, out=t)
    return np.multiply(t, a, out=out)


@sized("mish_backward")
@in_float
def mish_backward(g: Any, a: Any, out: Any = ...) -> Any:
    """g times the derivative of `mish`: t + a * s * (1 - t^2)."""
    t = _softplus(a)
    np.tanh(t, out=t)
    slope = sigmoid(a)
    slope *= a
    slope *= 1.0 - t * t
    t += slope
    return np.multiply(g, t, out=out)


@sized("softplus")
def softplus(a: Any, beta: float, threshold: float, out: Any = ...) -> Any:
    """log(1 + exp(beta * a)) / beta, and `a` itself where beta * a exceeds the threshold."""
    t = np.multiply(a, beta, out=...)
    above = t > threshold
    t = _softplus(t)
    if beta != 1:
        t /= beta
    np.copyto(t, a, where=above)
    if out is ...:
        return t
    out[...] = t
    return out


@sized("softplus_backward")
@in_float
def softplus_backward(g: Any, a: Any, beta: float, threshold: float, out: Any = ...) -> Any:
    """g times the derivative of `softplus`."""
    t = np.multiply(a, beta, out=...)
    above = t > threshold
    t = sigmoid(t)
    np.copyto(t, 1.0, where=above)
    return np.multiply(g, t, out=out)


@sized("log_sigmoid")
@in_float
def log_sigmoid(a: Any, out: Any = ...) -> Any:
    """log(sigmoid(a))."""
    t = np.abs(a, out=...)
    np.negative(t, out=t)
    np.exp(t, out=t)
    np.log1p(t, out=t)
    return np.subtract(np.minimum(a, _ZERO.get(a.dtype, 0)), t, out=out)


@sized("log_sigmoid_backward")
@in_float
def log_sigmoid_backward(g: Any, a: Any, out: Any = ...) -> Any:
    """g * sigmoid(-a)."""
    t = np.exp(a, out=...)
    t += 1.0
    return np.divide(g, t, out=out)


@sized("hardswish")
def hardswish(a: Any, out: Any = ...) -> Any:
    """a * relu6(a + 3) / 6."""
    t = hardtanh(np.add(a, 3.0, out=...), 0.0, 6.0)
    t *= a
    return np.divide(t, 6.0, out=out)


@sized("hardswish_backward")
@in_float
def hardswish_backward(g: Any, a: Any, out: Any = ...) -> Any:
    """g times the derivative of `hardswish`."""
    t = np.divide(a, 3.0, out=...)
    t += 0.5
    t[~(a < 3.0)] = 1.0  # nan, too
    return without(np.multiply(g, t, out=...), np.less_equal(a, -3.0, out=...), out)


@sized("hardsigmoid")
def hardsigmoid(a: Any, out: Any = ...) -> Any:
    """relu6(a + 3) / 6."""
    t = np.add(a, 3.0, out=out)
    hardtanh(t, 0.0, 6.0, out=t)
    return np.divide(t, 6.0, out=t)


@in_float
def hardsigmoid_backward(g: Any, a: Any, out: Any = ...) -> Any:
    """g / 6 where -3 < a < 3, else zero (also where a is nan)."""
    mask = np.greater(a, -3.0, out=...)
    np.logical_and(mask, np.less(a, 3.0, out=...), out=mask)
    return without(np.multiply(g, _SIXTH, out=...), np.logical_not(mask, out=mask), out)


def hardshrink(a: Any, lambd: float, out: Any = ...) -> Any:
    """Zero between -lambd and lambd, `a` elsewhere."""
    return shrink_backward(a, a, shrink_bound(lambd, a.dtype), out=out)


def softshrink(a: Any, lambd: float, out: Any = ...) -> Any:
    """`a` moved towards zero by lambd."""
    return np.subtract(a, hardtanh(a, -lambd, lambd), out=out)


@in_float
def shrink_backward(g: Any, a: Any, lambd: float, out: Any = ...) -> Any:
    """`g` where a lies outside of -lambd to lambd, else zero."""
    return without(g, np.less_equal(np.abs(a), lambd, out=...), out)


def shrink_bound(lambd: float, d: Any) -> float:
    """The end of a gap as PyTorch compares with it: rounded to the dtype of 16-bit numbers."""
    return float(np.asarray(lambd).astype(d)) if is_half(d) else lambd


@sized("prelu")
def prelu(a: Any, weight: Any, out: Any = ...) -> Any:
    """`a` where positive, weight * a elsewhere."""
    found = np.where(a > 0, a, np.multiply(weight, a))
    if out is ...:
        return found
    out[...] = found
    return out


@in_float
def glu(a: Any, dim: int) -> Any:
    """The first half along `dim` times the sigmoid of the second."""
    left, right = halves(a, dim)
    t = sigmoid(right)
    t *= left
    return t


@in_float
def glu_backward(g: Any, a: Any, dim: int) -> Any:
    """The cotangents of both halves, joined."""
    left, right = halves(a, dim)
    s = sigmoid(right)
    found = np.empty(a.shape, a.dtype)
    first, second = halves(found, dim)
    np.multiply(g, s, out=first)
    np.subtract(1.0, s, out=s)
    s *= left
    np.multiply(first, s, out=second)
    return found


def halves(a: Any, dim: int) -> tuple[Any, Any]:
    """Views of the two halves of an array along `dim`."""
    n = a.shape[dim] // 2
    lead = (slice(None),) * dim
    return a[(*lead, slice(0, n))], a[(*lead, slice(n, None))]
