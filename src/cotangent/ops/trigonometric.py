"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import COMPLEX
from ..kernels import elementwise as k
from .describe import of_one, of_two
from .powers import rsqrt
from .refusals import NO_NEGATION, refuse, refuse_with
from .select import choose
from .table import FLOAT, elementwise

sin = elementwise(
    "sin(input)",
    np.sin,
    result=FLOAT,
    input=lambda g, input: g * cos(input),
    doc=of_one("Sines of angles in radians.", "sin", "0.0, 1.0", "tensor([0.0000, 0.8415])"),
)
cos: Any = elementwise(
    "cos(input)",
    np.cos,
    result=FLOAT,
    input=lambda g, input: g * -sin(input),
    doc=of_one("Cosines of angles in radians.", "cos", "0.0, 1.0", "tensor([1.0000, 0.5403])"),
)
tan = elementwise(
    "tan(input)",
    np.tan,
    result=FLOAT,
    input=lambda g, out: g * (1.0 + out * out),
    doc=of_one("Tangents of angles in radians.", "tan", "0.0, 1.0", "tensor([0.0000, 1.5574])"),
)
asin = elementwise(
    "asin(input)",
    np.arcsin,
    result=FLOAT,
    input=lambda g, input: g * rsqrt(1.0 - input * input),
    doc=of_one("Arc sines, in radians.", "asin", "0.0, 1.0", "tensor([0.0000, 1.5708])"),
)
acos = elementwise(
    "acos(input)",
    np.arccos,
    result=FLOAT,
    input=lambda g, input: g * -rsqrt(1.0 - input * input),
    doc=of_one("Arc cosines, in radians.", "acos", "0.0, 1.0", "tensor([1.5708, 0.0000])"),
)
atan = elementwise(
    "atan(input)",
    np.arctan,
    result=FLOAT,
    input=lambda g, input: g / (input * input + 1.0),
    doc=of_one("Arc tangents, in radians.", "atan", "0.0, 1.0", "tensor([0.0000, 0.7854])"),
)
sinh = elementwise(
    "sinh(input)",
    np.sinh,
    result=FLOAT,
    input=lambda g, input: g * cosh(input),
    doc=of_one("Hyperbolic sines.", "sinh", "0.0, 1.0", "tensor([0.0000, 1.1752])"),
)
cosh: Any = elementwise(
    "cosh(input)",
    np.cosh,
    result=FLOAT,
    input=lambda g, input: g * sinh(input),
    doc=of_one("Hyperbolic cosines.", "cosh", "0.0, 1.0", "tensor([1.0000, 1.5431])"),
)
tanh = elementwise(
    "tanh(input)",
    np.tanh,
    result=FLOAT,
    input=lambda g, out: g * (1.0 - out * out),
    doc=of_one("Hyperbolic tangents.", "tanh", "0.0, 1.0", "tensor([0.0000, 0.7616])"),
)
asinh = elementwise(
    "asinh(input)",
    np.arcsinh,
    result=FLOAT,
    input=lambda g, input: g * rsqrt(input * input + 1.0),
    doc=of_one("Inverse hyperbolic sines.", "asinh", "0.0, 1.0", "tensor([0.0000, 0.8814])"),
)
# For complex numbers sqrt(x * x - 1) would lie on another branch than sqrt(x - 1) * sqrt(x + 1).
_acosh_complex: Any = elementwise(
    "acosh_complex(input)",
    np.arccosh,
    node="AcoshBackward0",
    public="acosh",
    input=lambda g, input: g * (rsqrt(input - 1.0) * rsqrt(input + 1.0)),
)
acosh = elementwise(
    "acosh(input)",
    np.arccosh,
    result=FLOAT,
    complex_form=_acosh_complex,
    input=lambda g, input: g * rsqrt(input * input - 1.0),
    doc=of_one("Inverse hyperbolic cosines.", "acosh", "1.0, 2.0", "tensor([0.0000, 1.3170])"),
)
atanh = elementwise(
    "atanh(input)",
    np.arctanh,
    result=FLOAT,
    input=lambda g, input: g * 1.0 / (1.0 - input * input),
    doc=of_one("Inverse hyperbolic tangents.", "atanh", "0.0, 0.5", "tensor([0.0000, 0.5493])"),
)


def _atan2_left(g: Any, input: Any, other: Any) -> Any:
    square = input * input + other * other
    return g * (other / (square + (square == 0)))  # PyTorch's gradient at the origin is zero


def _atan2_right(g: Any, input: Any, other: Any, input_dtype: Any) -> Any:
    if input_dtype == np.bool_:
        raise RuntimeError(NO_NEGATION)
    square = input * input + other * other
    return g * (-input / (square + (square == 0)))


atan2 = elementwise(
    "atan2(input, other)",
    np.arctan2,
    result=FLOAT,
    strict=("input", "other"),
    check=refuse("atan2_cpu", COMPLEX),
    input=_atan2_left,
    other=_atan2_right,
    doc=of_two(
        "Angles of the points (other, input), in (-pi, pi].", "atan2", "torch.tensor([1.0, -1.0])",
        "torch.tensor([1.0, 0.0])", "tensor([ 0.7854, -1.5708])",
    ),
)  # fmt: skip
hypot = elementwise(
    "hypot(input, other)",
    np.hypot,
    strict=("input", "other"),
    check=refuse("hypot_cpu", 0, 1, COMPLEX),
    input=lambda g, input, out: g * input / out,
    other=lambda g, other, out: g * other / out,
    doc=of_two(
        "Lengths sqrt(input ** 2 + other ** 2).",
        "hypot",
        "torch.tensor([3.0])",
        "torch.tensor([4.0])",
        "tensor([5.])",
    ),
)


def _sinc_back(g: Any, input: Any) -> Any:
    scaled = input * math.pi
    slope = (scaled * cos(scaled) - sin(scaled)) / (scaled * input)
    # Of the smallest numbers the square is zero as well.
    return choose(scaled * input == 0.0, 0.0, g * slope)


sinc = elementwise(
    "sinc(input)",
    k.sinc,
    result=FLOAT,
    input=_sinc_back,
    doc=of_one("sin(pi x) / (pi x), 1 at zero.", "sinc", "0.0, 0.5", "tensor([1.0000, 0.6366])"),
)
deg2rad = elementwise(
    "deg2rad(input)",
    lambda a, out=None: np.multiply(a, math.pi / 180.0, out=out),
    result=FLOAT,
    node="Deg2RadBackward0",
    check=refuse_with(RuntimeError("deg2rad is not supported for complex tensors."), COMPLEX),
    input=lambda g: g * (math.pi / 180.0),
    doc=of_one("Degrees in radians.", "deg2rad", "0.0, 180.0", "tensor([0.0000, 3.1416])"),
)
rad2deg = elementwise(
    "rad2deg(input)",
    lambda a, out=None: np.multiply(a, 180.0 / math.pi, out=out),
    result=FLOAT,
    node="Rad2DegBackward0",
    check=refuse_with(RuntimeError("rad2deg is not supported for complex tensors."), COMPLEX),
    input=lambda g: g * (180.0 / math.pi),
    doc=of_one("Radians in degrees.", "rad2deg", "0.0, 3.14159265", "tensor([  0., 180.])"),
)


def _in_place_only(name: str, ufunc: Any) -> Any:
    """The in-place form of an inverse hyperbolic function, which PyTorch does not differentiate."""

    def rule(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for 'inplace version of {name}' is not implemented.")

    return elementwise(
        f"{name}_written(input)",
        ufunc,
        result=FLOAT,
        node=f"{name.capitalize()}Backward1",
        public=name,
        input=rule,
    )


asinh_written = _in_place_only("asinh", np.arcsinh)
acosh_written = _in_place_only("acosh", np.arccosh)
atanh_written = _in_place_only("atanh", np.arctanh)

FUNCTIONS: Final = (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "atan2",
    "hypot",
    "sinc", "deg2rad", "rad2deg",
)  # fmt: skip
METHODS: Final = FUNCTIONS
INPLACE: Final = METHODS
INPLACE_FUNCTIONS: Final = tuple(name for name in METHODS if name not in ("atan2", "hypot"))
WRITTEN: Final = {"asinh": "asinh_written", "acosh": "acosh_written", "atanh": "atanh_written"}
ALIASES: Final = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
}  # fmt: skip
FUNCTIONAL: Final = ("tanh",)
