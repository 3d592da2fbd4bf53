"""Smooth activation functions.

Each has a `*_backward` operation of its own (the cotangent times the derivative, in few passes over
the data), whose rules use the table's operations, so derivatives of every order exist.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX, INTEGRAL
from ..errors import check_dim
from ..kernels import activation as k
from ..kernels.layout import rows
from .describe import of_one
from .exponential import exp
from .piecewise import threshold_backward
from .refusals import refuse
from .table import FLOAT, deliver, elementwise, general
from .trigonometric import tanh
from .views import slice_backward, slice_of

_FLOATS_ONLY: Final = (BOOL, INTEGRAL, COMPLEX)
_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)
_K: Final = math.sqrt(2.0 / math.pi)
_C: Final = 0.044715
# Fixed points of mean and variance under selu, https://arxiv.org/abs/1706.02515.
SELU_ALPHA: Final = 1.6732632423543772848170429916717
SELU_SCALE: Final = 1.0507009873554804934193349852946


sigmoid: Any = elementwise(
    "sigmoid(input)",
    k.sigmoid,
    result=FLOAT,
    input=lambda g, out: sigmoid_backward(g, out),
    doc=of_one(
        "The logistic function 1 / (1 + exp(-input)).", "sigmoid", "0.0, 2.0", "tensor([0.5000, 0.8808])"
    ),
)
sigmoid_backward: Any = elementwise(
    "sigmoid_backward(g, y)",
    k.sigmoid_backward,
    node="SigmoidBackwardBackward0",
    g=lambda g, y: sigmoid_backward(g, y),
    y=lambda g_, g, y: g_ * g * (1.0 - y - y),
)
# -- exponential pieces ---------------------------------------------------------------------------------

elu_of: Any = elementwise(
    "elu_of(input | alpha, scale, input_scale)",
    k.elu,
    fast=k.elu,
    public="elu",
    check=refuse("elu_cpu", *_FLOATS_ONLY),
    input=lambda g, input, alpha, scale, input_scale: elu_backward(g, input, alpha, scale, input_scale),
)


def _single(value: float) -> float:
    """`value` rounded to float32, as PyTorch keeps celu's alpha for the backward pass."""
    return float(np.float32(value))


celu_of: Any = elementwise(
    "celu_of(input | alpha)",
    k.celu,
    fast=k.celu,
    public="celu",
    check=refuse("elu_cpu", *_FLOATS_ONLY),
    input=lambda g, input, alpha: elu_backward(g, input, alpha, 1.0, 1.0 / _single(alpha)),
)
elu_backward: Any = elementwise(
    "elu_backward(g, input | alpha, scale, input_scale)",
    k.elu_backward,
    fast=k.elu_backward,
    g=lambda g, input, alpha, scale, input_scale: elu_backward(g, input, alpha, scale, input_scale),
    input=lambda g_, g, input, alpha, scale, input_scale: threshold_backward(
        g_ * g * exp(input * input_scale) * (alpha * scale * input_scale * input_scale), -input, 0.0
    ),
)

# -- smooth ones ----------------------------------------------------------------------------------------

gelu_of: Any = elementwise(
    "gelu_of(input | approximate)",
    k.gelu,
    fast=k.gelu,
    public="gelu",
    check=refuse("GeluKernelImpl", *_FLOATS_ONLY),
    input=lambda g, input, approximate: gelu_backward(g, input, approximate),
)


def _gelu_second(g_: Any, g: Any, input: Any, approximate: str) -> Any:
    squared = input * input
    if approximate == "none":
        return g_ * g * exp(squared * -0.5) * (2.0 - squared) * _BELL
    t = tanh(input * (squared * _C + 1.0) * _K)
    slope = squared * (3.0 * _C * _K) + _K
    return g_ * g * (1.0 - t * t) * (slope + squared * (3.0 * _C * _K) - input * t * slope * slope)


gelu_backward: Any = elementwise(
    "gelu_backward(g, input | approximate)",
    k.gelu_backward,
    fast=k.gelu_backward,
    g=lambda g, input, approximate: gelu_backward(g, input, approximate),
    input=_gelu_second,
)
silu_of: Any = elementwise(
    "silu_of(input)",
    k.silu,
    public="silu",
    check=refuse("silu_cpu", BOOL, INTEGRAL),
    input=lambda g, input: silu_backward(g, input),
)


def _silu_second(g_: Any, g: Any, input: Any) -> Any:
    s = sigmoid(input)
    return g_ * g * s * (1.0 - s) * (input * (1.0 - s - s) + 2.0)


silu_backward: Any = elementwise(
    "silu_backward(g, input)", k.silu_backward, g=lambda g, input: silu_backward(g, input), input=_silu_second
)
mish_of: Any = elementwise(
    "mish_of(input)",
    k.mish,
    public="mish",
    check=refuse("mish_cpu", *_FLOATS_ONLY),
    input=lambda g, input: mish_backward(g, input),
)


def _mish_second(g_: Any, g: Any, input: Any) -> Any:
    t = tanh(-log_sigmoid(-input))
    s = sigmoid(input)
    return g_ * g * s * (1.0 - t * t) * (input * (1.0 - s - 2.0 * (t * s)) + 2.0)


mish_backward: Any = elementwise(
    "mish_backward(g, input)", k.mish_backward, g=lambda g, input: mish_backward(g, input), input=_mish_second
)
softplus_of: Any = elementwise(
    "softplus_of(input | beta, threshold)",
    k.softplus,
    fast=k.softplus,
    public="softplus",
    check=refuse("softplus_cpu", *_FLOATS_ONLY),
    input=lambda g, input, beta, threshold: softplus_backward(g, input, beta, threshold),
)


def _softplus_second(g_: Any, g: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input * beta
    s = sigmoid(scaled)
    return threshold_backward(g_ * g * s * (1.0 - s) * beta, -scaled, -threshold)


softplus_backward: Any = elementwise(
    "softplus_backward(g, input | beta, threshold)",
    k.softplus_backward,
    fast=k.softplus_backward,
    g=lambda g, input, beta, threshold: softplus_backward(g, input, beta, threshold),
    input=_softplus_second,
)
log_sigmoid: Any = elementwise(
    "log_sigmoid(input)",
    rows(k.log_sigmoid),
    check=refuse("log_sigmoid_cpu", *_FLOATS_ONLY),
    input=lambda g, input: log_sigmoid_backward(g, input),
    doc="The logarithm of the sigmoid.",
)


def _log_sigmoid_second(g_: Any, g: Any, input: Any) -> Any:
    s = sigmoid(input)
    return g_ * g * s * (s - 1.0)


log_sigmoid_backward: Any = elementwise(
    "log_sigmoid_backward(g, input)",
    rows(k.log_sigmoid_backward),
    node="LogSigmoidBackwardBackward0",
    g=lambda g, input: log_sigmoid_backward(g, input),
    input=_log_sigmoid_second,
)

# -- glu ------------------------------------------------------------------------------------------------

glu_of: Any = general(
    "glu_of(input | dim)",
    k.glu,
    public="glu",
    batch="axes",
    input=lambda g, input, dim: glu_backward(g, input, dim),
)


def _glu_second_g(g_: Any, input: Any, dim: int) -> Any:
    n = input.shape[dim] // 2
    left = slice_of(input, dim, 0, n, 1)
    s = sigmoid(slice_of(input, dim, n, n + n, 1))
    return s * (slice_of(g_, dim, 0, n, 1) + slice_of(g_, dim, n, n + n, 1) * left * (1.0 - s))


def _glu_second_input(g_: Any, g: Any, input: Any, dim: int) -> Any:
    shape = tuple(input.shape)
    n = shape[dim] // 2
    left = slice_of(input, dim, 0, n, 1)
    s = sigmoid(slice_of(input, dim, n, n + n, 1))
    slope = g * s * (1.0 - s)
    upper = slice_of(g_, dim, n, n + n, 1)
    first = upper * slope
    second = slope * (slice_of(g_, dim, 0, n, 1) + upper * left * (1.0 - s - s))
    return slice_backward(first, shape, dim, 0, n, 1) + slice_backward(second, shape, dim, n, n + n, 1)


glu_backward: Any = general(
    "glu_backward(g, input | dim)",
    k.glu_backward,
    batch="aligned",
    g=_glu_second_g,
    input=_glu_second_input,
)


# -- what users call ------------------------------------------------------------------------------------


def selu(input: Any) -> Any:
    """Exponential linear units scaled so that mean 0 and variance 1 are preserved.

    Args:
        input: tensor of any shape.

    Example:
        >>> import cotangent as torch
        >>> torch.selu(torch.tensor([-1.0, 1.0]))
        tensor([-1.1113,  1.0507])
    """
    return elu_of(input, SELU_ALPHA, SELU_SCALE, 1.0)


def celu(input: Any, alpha: float = 1.0) -> Any:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).

    Args:
        input: tensor of any shape.
        alpha: where negative values saturate, negated.

    Raises:
        RuntimeError: if alpha is zero.

    Example:
        >>> import cotangent as torch
        >>> torch.celu(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return celu_of(input, alpha)


def gelu(input: Any, *, approximate: str = "none", out: Any = None) -> Any:
    """The input times the normal distribution function at it.

    Args:
        input: tensor of any shape.
        approximate: "none", or "tanh" for the cheaper form.
        out: tensor to store the result in.

    Raises:
        RuntimeError: for another `approximate`.

    Source: https://arxiv.org/abs/1606.08415

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.gelu(torch.tensor([-1.0, 1.0]))
        tensor([-0.1587,  0.8413])
    """
    if approximate != "none" and approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    return deliver("gelu", gelu_of(input, approximate), out)


def softplus(input: Any, beta: float = 1, threshold: float = 20, *, out: Any = None) -> Any:
    """log(1 + exp(beta * x)) / beta, a smooth relu.

    Args:
        input: tensor of any shape.
        beta: sharpness.
        threshold: where beta * x exceeds it the input itself is returned.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.softplus(torch.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """
    return deliver("softplus", softplus_of(input, beta, threshold), out)


def glu(input: Any, dim: int = -1) -> Any:
    """Half of the input times the sigmoid of the other half.

    Args:
        input: tensor whose size along `dim` is even.
        dim: dimension to halve.

    Raises:
        RuntimeError: if the size is odd.

    Source: https://arxiv.org/abs/1612.08083

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.glu(torch.tensor([2.0, 0.0]))
        tensor([1.])
    """
    n = input.dim()
    if n == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    at = check_dim(dim, n)
    size = input.shape[at]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {at} is size {size}")
    refuse("glu_cpu", *_FLOATS_ONLY)(None, input.dtype)
    return glu_of(input, at)


def softsign(input: Any) -> Any:
    """x / (1 + |x|).

    Args:
        input: tensor of any shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.softsign(torch.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x).

    Args:
        input: tensor of any shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.tanhshrink(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.2384])
    """
    return input - input.tanh()


FUNCTIONS: Final = ("sigmoid", "selu", "celu")
METHODS: Final = ("sigmoid",)
INPLACE: Final = ("sigmoid",)
INPLACE_FUNCTIONS: Final = FUNCTIONS
FUNCTIONAL: Final = ("gelu", "softplus", "glu", "softsign", "tanhshrink", "log_sigmoid", "sigmoid")
ALIASES: Final = {"logsigmoid": "log_sigmoid"}
