"""Activation functions made of straight pieces: relu and its relatives, cut-offs, shrinkage.

Each has a `*_backward` operation of its own (the cotangent times the derivative, in few passes over
the data), whose rules use the table's operations, so derivatives of every order exist. Where the slope
jumps the second derivative is zero, as in PyTorch: zeros, not None, so that graphs stay connected.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX, INTEGRAL, SCALAR_NAME, dtype
from ..errors import bad_argument
from ..kernels import activation as k
from .copies import zeros_like
from .describe import of_one
from .refusals import refuse
from .select import choose
from .table import deliver, elementwise, is_tensor
from .views import reshape_any, view_as_shape

_FLOATS_ONLY: Final = (BOOL, INTEGRAL, COMPLEX)


def _no_clamp(kind: str, name: str) -> Any:
    """The dtype check of functions that PyTorch computes with clamp."""

    def check(op: Any, d: dtype) -> None:
        if d.category == BOOL:
            raise RuntimeError(f"{kind} inputs not supported for {name}")
        if d.category == COMPLEX:
            raise NotImplementedError("clamp is not supported for complex types")

    return check


relu: Any = elementwise(
    "relu(input)",
    k.relu,
    wide=False,
    check=_no_clamp("Boolean", "relu"),
    input=lambda g, out: threshold_backward(g, out, 0.0),
    doc=of_one("The positive part, max(input, 0).", "relu", "-1.0, 2.0", "tensor([0., 2.])"),
)
threshold_backward: Any = elementwise(
    "threshold_backward(g, input | threshold)",
    k.threshold_backward,
    fast=k.threshold_backward,
    g=lambda g, input, threshold: threshold_backward(g, input, threshold),
    input=lambda g: zeros_like(g),
)
threshold_of: Any = elementwise(
    "threshold_of(input | threshold, value)",
    k.threshold,
    fast=k.threshold,
    wide=False,
    public="threshold",
    check=refuse("threshold_cpu", BOOL, COMPLEX),
    input=lambda g, input, threshold: threshold_backward(g, input, threshold),
)
leaky_relu_of: Any = elementwise(
    "leaky_relu_of(input | negative_slope)",
    k.leaky_relu,
    fast=k.leaky_relu,
    public="leaky_relu",
    check=refuse("leaky_relu_cpu", *_FLOATS_ONLY),
    input=lambda g, input, negative_slope: leaky_relu_backward(g, input, negative_slope),
)
leaky_relu_backward: Any = elementwise(
    "leaky_relu_backward(g, input | negative_slope)",
    k.leaky_relu_backward,
    fast=k.leaky_relu_backward,
    g=lambda g, input, negative_slope: leaky_relu_backward(g, input, negative_slope),
    input=lambda g: zeros_like(g),
)
# rrelu outside of training: the middle slope.
rrelu_of: Any = elementwise(
    "rrelu_of(input | slope)",
    k.leaky_relu,
    fast=k.leaky_relu,
    public="rrelu",
    node="RreluWithNoiseBackward0",
    check=refuse("leaky_relu_cpu", *_FLOATS_ONLY),
    input=lambda g, input, slope: leaky_relu_backward(g, input, slope),
)
# rrelu in training: `noise` holds a slope for each element (in float32 for bfloat16, hence fixed).
rrelu_drawn: Any = elementwise(
    "rrelu_drawn(input, noise)",
    np.multiply,
    fixed=("noise",),
    public="rrelu",
    node="RreluWithNoiseBackward0",
    input=lambda g, noise: g * noise,
)


prelu_of: Any = elementwise(
    "prelu_of(input, weight)",
    k.prelu,
    public="prelu",
    node="PreluKernelBackward0",
    strict=("input", "weight"),
    check=refuse("prelu_cpu", *_FLOATS_ONLY),
    input=lambda g, input, weight: choose(input > 0.0, g, weight * g),
    weight=lambda g, input: choose(input > 0.0, 0.0, g * input),
)


def _hardtanh(name: str) -> Any:
    return elementwise(
        f"{name}_of(input | min_val, max_val)",
        k.hardtanh,
        fast=k.hardtanh,
        public=name,
        node="HardtanhBackward0",
        wide=False,
        check=_no_clamp("Bool", "hardtanh"),
        input=lambda g, input, min_val, max_val: hardtanh_backward(g, input, min_val, max_val),
    )


hardtanh_of: Any = _hardtanh("hardtanh")
relu6_of: Any = _hardtanh("relu6")
hardtanh_backward: Any = elementwise(
    "hardtanh_backward(g, input | min_val, max_val)",
    k.hardtanh_backward,
    fast=k.hardtanh_backward,
    g=lambda g, input, min_val, max_val: hardtanh_backward(g, input, min_val, max_val),
    input=lambda g: zeros_like(g),
)
hardswish_of: Any = elementwise(
    "hardswish_of(input)",
    k.hardswish,
    public="hardswish",
    check=refuse("hardswish_cpu", *_FLOATS_ONLY),
    input=lambda g, input: hardswish_backward(g, input),
)
hardswish_backward: Any = elementwise(
    "hardswish_backward(g, input)",
    k.hardswish_backward,
    g=lambda g, input: hardswish_backward(g, input),
    input=lambda g_, g, input: hardsigmoid_backward(g_ * g * 2.0, input),
)
hardsigmoid_of: Any = elementwise(
    "hardsigmoid_of(input)",
    k.hardsigmoid,
    public="hardsigmoid",
    check=refuse("hardsigmoid_cpu", *_FLOATS_ONLY),
    input=lambda g, input: hardsigmoid_backward(g, input),
)
hardsigmoid_backward: Any = elementwise(
    "hardsigmoid_backward(g, input)",
    k.hardsigmoid_backward,
    g=lambda g, input: hardsigmoid_backward(g, input),
    input=lambda g: zeros_like(g),
)
hardshrink_of: Any = elementwise(
    "hardshrink_of(input | lambd)",
    k.hardshrink,
    fast=k.hardshrink,
    wide=False,
    public="hardshrink",
    check=refuse("hardshrink_cpu", *_FLOATS_ONLY),
    input=lambda g, input, lambd: shrink_backward(g, input, lambd),
)
softshrink_of: Any = elementwise(
    "softshrink_of(input | lambd)",
    k.softshrink,
    fast=k.softshrink,
    public="softshrink",
    check=refuse("softshrink_check", *_FLOATS_ONLY),
    input=lambda g, input, lambd: shrink_backward(g, input, lambd),
)
shrink_backward: Any = elementwise(
    "shrink_backward(g, input | lambd)",
    k.shrink_backward,
    fast=k.shrink_backward,
    node="HardshrinkBackwardBackward0",
    g=lambda g, input, lambd: shrink_backward(g, input, lambd),
    input=lambda g: zeros_like(g),
)


# -- what users call ------------------------------------------------------------------------------------


def threshold(input: Any, threshold: float, value: float) -> Any:
    """The input where it is above a threshold, a constant elsewhere.

    Args:
        input: tensor of any shape.
        threshold: the threshold.
        value: the constant.

    Example:
        >>> import cotangent as torch
        >>> torch.threshold(torch.tensor([0.0, 1.0]), 0.5, 9.0)
        tensor([9., 1.])
    """
    return threshold_of(input, threshold, value)


def hardshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """Zero between -lambd and lambd, the input elsewhere.

    Args:
        input: tensor of any shape.
        lambd: half the width of the gap.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.hardshrink(torch.tensor([-1.0, 0.3]))
        tensor([-1.,  0.])
    """
    return deliver("hardshrink", hardshrink_of(input, lambd), out)


# The largest numbers of the dtypes that softshrink is for.
_LARGEST: Final = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38} | {
    name: float(np.finfo(name).max) for name in ("float32", "float64")
}


def softshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """The input moved towards zero by lambd.

    Args:
        input: tensor of any shape.
        lambd: how far, not negative.
        out: tensor to store the result in.

    Raises:
        RuntimeError: if lambd is negative, or larger than any number of the dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.softshrink(torch.tensor([-1.0, 0.3]))
        tensor([-0.5000,  0.0000])
    """
    largest = _LARGEST.get(input.dtype.name, math.inf)
    if not 0 <= lambd <= largest:
        raise RuntimeError(
            f"lambda must be in range [0, {largest:g}] for input dtype {SCALAR_NAME[input.dtype]}, but found "
            f"{lambd:g}"
        )
    return deliver("softshrink", softshrink_of(input, lambd), out)


def prelu(input: Any, weight: Any) -> Any:
    """The input where positive, weight * input elsewhere.

    Args:
        input: (N, C, ...), or any shape with one weight.
        weight: (1,) or (C,).

    Raises:
        RuntimeError: if the number of weights is neither 1 nor the number of channels.

    Example:
        >>> import cotangent as torch
        >>> torch.prelu(torch.tensor([-2.0, 1.0]), torch.tensor([0.25]))
        tensor([-0.5000,  1.0000])
    """
    for position, (name, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not is_tensor(value):
            bad_argument("prelu", name, position, "Tensor", value)
    if input.dtype is not weight.dtype:
        kinds = " and ".join(SCALAR_NAME[t.dtype] for t in (input, weight))
        raise RuntimeError(f"prelu: Type promoting not supported. Got {kinds}")
    n = input.ndim
    count = math.prod(weight.shape)
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.ndim == 0:
        return prelu_of(input, weight)
    if count != 1:
        if n == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if n > 1 else 1
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} "
                f"and channel size = {channels}."
            )
    if n == 0:
        return prelu_of(input, reshape_any(weight, ()))
    if n == 1:
        return prelu_of(input, weight)
    return prelu_of(input, view_as_shape(weight, (count, *[1] * (n - 2))))


FUNCTIONS: Final = ("relu", "threshold", "hardshrink", "prelu")
METHODS: Final = ("relu", "hardshrink", "prelu")
INPLACE: Final = ("relu",)
INPLACE_FUNCTIONS: Final = ("relu", "threshold")
FUNCTIONAL: Final = ("hardshrink", "softshrink", "prelu")
