"""How operations are lowered: each as a small program of scalar operations, reductions and products.

A rule gets `b`, which makes nodes, the operands as `H` (values with Python's operators) and the statics of
the operation; it gives the result, or None where it does not apply (then the NumPy kernel is called). An
elementwise operation is written once, here; fusion is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .handle import H
from .ir import HALVES, NUMPY, Const

Rule = Callable[..., Any]


LOWER: Final[dict[str, Rule]] = {}
# Operations that only move elements: those of 16 bits stay as they are. Others compute in f32.
MOVES: Final = frozenset(
    (
        "adjoint_matrix", "cast", "cast_back", "clone_for_grad", "clone_of", "conj_of", "copy_to",
        "dense_clone", "full_like", "ones_like", "positive", "reshape_any", "spread", "unsafe_view",
        "zeros_like",
    )
)  # fmt: skip


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for some operations."""

    def enter(function: Rule) -> Rule:
        for name in names:
            LOWER[name] = function
        return function

    return enter


def floats(*xs: Any) -> bool:
    return all(x is None or x.kind in ("f32", "f64") for x in xs)


def _unary(name: str, only_floats: bool = True) -> Rule:
    return lambda b, x: x.op(name) if not only_floats or floats(x) else None


def _binary(name: str) -> Rule:
    return lambda b, x, y: x.op(name, y) if x.kind != "b1" and x.kind == y.kind else None


for _name in (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh",
    "sigmoid", "erf", "reciprocal", "floor", "ceil", "trunc",
):  # fmt: skip
    LOWER[_name] = _unary(_name)
LOWER["round_whole"] = _unary("round")
for _name in ("neg", "abs", "relu"):
    LOWER[_name] = _unary(_name, False)
LOWER["sign"] = LOWER["sgn"] = _unary("sign")
for _name in ("mul", "maximum", "minimum"):
    LOWER[_name] = _binary(_name)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    LOWER[_name] = _binary(_name)
LOWER["div_true"] = lambda b, x, y: x / y if floats(x, y) else None


@rule("add", "sub")
def _add(b: Any, x: Any, y: Any, alpha: Any) -> Any:
    if x.kind == "b1" or x.kind != y.kind:
        return None
    return x, y if isinstance(alpha, (int, float)) and alpha == 1 else y * alpha


def _sum_rule(sign: str) -> Rule:
    def lowered(b: Any, x: Any, y: Any, alpha: Any) -> Any:
        pair = _add(b, x, y, alpha)
        return None if pair is None else pair[0].op(sign, pair[1])

    return lowered


LOWER["add"], LOWER["sub"] = _sum_rule("add"), _sum_rule("sub")


@rule("logical_and", "bitwise_and")
def _and(b: Any, x: Any, y: Any) -> Any:
    return x.op("and", y) if x.kind == y.kind == "b1" else None


@rule("logical_or", "bitwise_or")
def _or(b: Any, x: Any, y: Any) -> Any:
    return x.op("or", y) if x.kind == y.kind == "b1" else None


@rule("logical_not", "bitwise_not")
def _not(b: Any, x: Any) -> Any:
    return x.op("not") if x.kind == "b1" else None


@rule("isnan")
def _isnan(b: Any, x: Any) -> Any:
    return x.op("ne", x) if floats(x) else None


@rule("where")
def _where(b: Any, condition: Any, x: Any, y: Any) -> Any:
    return condition.where(x, y) if condition.kind == "b1" and x.kind == y.kind else None


@rule("masked_fill_number")
def _masked_fill(b: Any, x: Any, mask: Any, value: Any) -> Any:
    return mask.where(value, x) if mask.kind == "b1" and floats(x) else None


@rule("pow_scalar")
def _pow(b: Any, x: Any, exponent: Any) -> Any:
    if not floats(x) or not isinstance(exponent, (int, float)):
        return None
    known = {2: lambda: x * x, 3: lambda: x * x * x, 1: lambda: x, 0.5: lambda: x.op("sqrt")}
    known |= {-1: lambda: x.op("reciprocal"), -0.5: lambda: x.op("rsqrt")}
    return known[exponent]() if exponent in known else x.op("pow", float(exponent))


@rule("addcmul_of")
def _addcmul(b: Any, x: Any, y: Any, z: Any, value: Any) -> Any:
    return x + y * z * value if floats(x, y, z) else None


@rule("addcdiv_of")
def _addcdiv(b: Any, x: Any, y: Any, z: Any, value: Any) -> Any:
    return x + y / z * value if floats(x, y, z) else None


@rule("clamp_numbers")
def _clamp(b: Any, x: Any, low: Any, high: Any) -> Any:
    if not floats(x):
        return None
    # nan passes, as comparisons with it do not hold
    if low is not None:
        x = (x < low).where(low, x)
    return x if high is None else (x > high).where(high, x)


LOWER["clamp_min_number"] = lambda b, x, low, high: _clamp(b, x, low, None)
LOWER["clamp_max_number"] = lambda b, x, low, high: _clamp(b, x, None, high)


@rule("threshold_backward")
def _threshold_backward(b: Any, g: Any, x: Any, threshold: Any) -> Any:
    return (x <= threshold).where(0.0, g) if floats(g, x) else None


@rule("leaky_relu_of")
def _leaky(b: Any, x: Any, slope: Any) -> Any:
    return (x > 0.0).where(x, x * slope) if floats(x) else None


@rule("leaky_relu_backward")
def _leaky_backward(b: Any, g: Any, x: Any, slope: Any) -> Any:
    return (x > 0.0).where(g, g * slope) if floats(g, x) else None


_ROOT_HALF: Final = math.sqrt(0.5)
_K: Final = math.sqrt(2.0 / math.pi)
_C: Final = 0.044715
_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)


def _inner(x: Any) -> Any:
    return (((x * x * _C + 1.0) * x) * _K).op("tanh")


@rule("gelu_of")
def _gelu(b: Any, x: Any, approximate: str) -> Any:
    if not floats(x):
        return None
    t = (x * _ROOT_HALF).op("erf") if approximate == "none" else _inner(x)
    return (t + 1.0) * 0.5 * x


@rule("gelu_backward")
def _gelu_backward(b: Any, g: Any, x: Any, approximate: str) -> Any:
    if not floats(g, x):
        return None
    if approximate == "none":
        t = ((x * _ROOT_HALF).op("erf") + 1.0) * 0.5
        return (t + (x * x * -0.5).op("exp") * x * _BELL) * g
    t = _inner(x)
    slope = (x * x * (3.0 * _C * _K) + _K) * x
    return ((1.0 - t * t) * slope * 0.5 + (t + 1.0) * 0.5) * g


@rule("silu_of")
def _silu(b: Any, x: Any) -> Any:
    return x * x.op("sigmoid") if floats(x) else None


@rule("silu_backward")
def _silu_backward(b: Any, g: Any, x: Any) -> Any:
    if not floats(g, x):
        return None
    s = x.op("sigmoid")
    return g * (((1.0 - s) * x + 1.0) * s)


@rule("sigmoid_backward")
def _sigmoid_backward(b: Any, g: Any, y: Any) -> Any:
    return g * (1.0 - y) * y if floats(g, y) else None


@rule("cast", "cast_back")
def _cast(b: Any, x: Any, dtype: Any) -> Any:
    from_kind, to = x.kind, b.kind_of(dtype)
    if to is None:
        return None
    if to == "b1":
        return x.op("ne", 0)
    if from_kind in ("f32", "f64", *HALVES) and to not in ("f32", "f64", *HALVES):
        return None  # what does not fit is the business of the kernel
    return x.cast(to)


@rule("copy_to")
def _copy_to(b: Any, x: Any, src: Any) -> Any:
    if src.kind != x.kind and not all(k in ("f32", "f64", *HALVES) for k in (src.kind, x.kind)):
        return None
    return src.cast(x.kind).viewed(lambda a: np.broadcast_to(a, x.shape))


@rule("clone_of", "clone_for_grad", "dense_clone", "positive")
def _clone(b: Any, x: Any) -> Any:
    return x


@rule("full_like")
def _full_like(b: Any, x: Any, value: Any) -> Any:
    if not isinstance(value, (bool, int, float)):  # a followed number has no value of its own
        return None
    return H(b, Const(np.full((), value, NUMPY[x.kind]).item(), x.kind, x.shape))


LOWER["zeros_like"] = lambda b, x: _full_like(b, x, 0)
LOWER["ones_like"] = lambda b, x: _full_like(b, x, 1)


@rule("reshape_any", "unsafe_view")
def _reshape(b: Any, x: Any, shape: Any) -> Any:
    return x.reshape(tuple(shape))


@rule("adjoint_matrix", "conj_of")
def _adjoint(b: Any, x: Any) -> Any:
    return x.viewed(lambda a: np.swapaxes(a, -1, -2))


LOWER["conj_of"] = lambda b, x: x
