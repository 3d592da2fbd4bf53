"""Activation functions that take `inplace`, and the softmax family with PyTorch's choice of dimension."""

from __future__ import annotations

import warnings
from typing import Any

from ...autograd.inplace import in_place
from ...errors import bad_argument
from ...ops import activation as smooth
from ...ops import piecewise as straight
from ...ops.softmax import log_softmax_of, prepared, softmax_of
from ...tensor import Tensor

__all__ = [
    "celu", "celu_", "elu", "elu_", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "leaky_relu",
    "leaky_relu_", "log_softmax", "mish", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_",
    "silu", "softmax", "softmin", "threshold", "threshold_",
]  # fmt: skip

relu_ = in_place(straight.relu)
threshold_ = in_place(straight.threshold)
selu_ = in_place(smooth.selu)
celu_ = in_place(smooth.celu)
_silu_ = in_place(smooth.silu_of)
_mish_ = in_place(smooth.mish_of)
_hardswish_ = in_place(straight.hardswish_of)
_hardsigmoid_ = in_place(straight.hardsigmoid_of)
_hardtanh_ = in_place(straight.hardtanh_of)
_relu6_ = in_place(straight.relu6_of)
_leaky_relu_ = in_place(straight.leaky_relu_of)
_elu_ = in_place(smooth.elu_of)
_rrelu_ = in_place(straight.rrelu_of)


def _numbers(function: str, **given: Any) -> None:
    """Check that the arguments after the first are numbers."""
    for position, (name, value) in enumerate(given.items(), 2):
        if not isinstance(value, (int, float)):
            bad_argument(function, name, position, "Number", value)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """The positive part, max(x, 0).

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    result: Tensor = relu_(input) if inplace else straight.relu(input)
    return result


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """The input where it is above a threshold, a constant elsewhere.

    Args:
        input: any shape.
        threshold: the threshold.
        value: the constant.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.threshold(torch.tensor([0.0, 1.0]), 0.5, 9.0)
        tensor([9., 1.])
    """
    result: Tensor = (threshold_ if inplace else straight.threshold)(input, threshold, value)
    return result


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """The input, cut off below and above.

    Args:
        input: any shape.
        min_val: lower bound.
        max_val: upper bound.
        inplace: whether to write into the input.

    Raises:
        ValueError: if the lower bound exceeds the upper one.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    if min_val.__class__ is not float or max_val.__class__ is not float:
        _numbers("hardtanh", min_val=min_val, max_val=max_val)
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    result: Tensor = (_hardtanh_ if inplace else straight.hardtanh_of)(input, min_val, max_val)
    return result


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of `hardtanh`.

    Args:
        input: tensor to write into.
        min_val: lower bound.
        max_val: upper bound.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardtanh_(torch.tensor([-3.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    return hardtanh(input, min_val, max_val, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """The input, cut off below 0 and above 6.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.relu6(torch.tensor([-1.0, 7.0]))
        tensor([0., 6.])
    """
    result: Tensor = (_relu6_ if inplace else straight.relu6_of)(input, 0.0, 6.0)
    return result


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """The input where positive, a fraction of it elsewhere.

    Args:
        input: any shape.
        negative_slope: the fraction.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    if negative_slope.__class__ is not float:
        _numbers("leaky_relu", negative_slope=negative_slope)
    result: Tensor = (_leaky_relu_ if inplace else straight.leaky_relu_of)(input, negative_slope)
    return result


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of `leaky_relu`.

    Args:
        input: tensor to write into.
        negative_slope: the fraction that negative numbers keep.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.leaky_relu_(torch.tensor([-1.0, 2.0]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """The input where positive, alpha * (exp(x) - 1) elsewhere.

    Args:
        input: any shape.
        alpha: where negative values saturate, negated.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1511.07289

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    if alpha.__class__ is not float:
        _numbers("elu", alpha=alpha)
    result: Tensor = (_elu_ if inplace else smooth.elu_of)(input, alpha, 1.0, 1.0)
    return result


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of `elu`.

    Args:
        input: tensor to write into.
        alpha: where negative values saturate, negated.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.elu_(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Exponential linear units scaled so that mean 0 and variance 1 are preserved.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1706.02515

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.selu(torch.tensor([-1.0, 1.0]))
        tensor([-1.1113,  1.0507])
    """
    result: Tensor = (selu_ if inplace else smooth.selu)(input)
    return result


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).

    Args:
        input: any shape.
        alpha: where negative values saturate, negated.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1704.07483

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.celu(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """
    result: Tensor = (celu_ if inplace else smooth.celu)(input, alpha)
    return result


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.silu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    result: Tensor = (_silu_ if inplace else smooth.silu_of)(input)
    return result


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1908.08681

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.mish(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """
    result: Tensor = (_mish_ if inplace else smooth.mish_of)(input)
    return result


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1905.02244

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 1.0, 4.0]))
        tensor([-0.0000,  0.6667,  4.0000])
    """
    result: Tensor = (_hardswish_ if inplace else straight.hardswish_of)(input)
    return result


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6, a sigmoid of straight pieces.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    result: Tensor = (_hardsigmoid_ if inplace else straight.hardsigmoid_of)(input)
    return result


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) over the sum of exp(x) along a dimension.

    Args:
        input: any shape.
        dim: dimension along which to normalise; leaving it out is deprecated.
        dtype: dtype to convert to first.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.softmax(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _softmax_dim("softmax", input.dim(), _stacklevel)
    x, at = prepared("softmax", input, dim, dtype, 1)
    result: Tensor = softmax_of(x, at)
    return result


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of the negated input.

    Args:
        input: any shape.
        dim: dimension along which to normalise; leaving it out is deprecated.
        dtype: dtype to convert to first.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.softmin(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _softmax_dim("softmin", input.dim(), _stacklevel)
    x, at = prepared("softmax", -input, dim, dtype, 1)
    result: Tensor = softmax_of(x, at)
    return result


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`.

    Args:
        input: any shape.
        dim: dimension along which to normalise; leaving it out is deprecated.
        dtype: dtype to convert to first.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.log_softmax(torch.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    if dim is None:
        dim = _softmax_dim("log_softmax", input.dim(), _stacklevel)
    x, at = prepared("log_softmax", input, dim, dtype, 1)
    result: Tensor = log_softmax_of(x, at)
    return result


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """The input where positive; elsewhere multiplied by a slope, drawn for each element while training.

    Args:
        input: any shape.
        lower: lower bound of the slope.
        upper: upper bound of the slope; outside of training the slope is the middle.
        training: whether to draw.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1505.00853

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.rrelu(torch.tensor([-2.0, 1.0]), 0.5, 0.5)
        tensor([-1.,  1.])
    """
    result: Tensor = (_rrelu_ if inplace else straight.rrelu_of)(input, (lower + upper) / 2)
    return result


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place form of `rrelu`.

    Args:
        input: tensor to write into.
        lower: lower bound of the slope.
        upper: upper bound of the slope.
        training: whether to draw slopes.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.rrelu_(torch.tensor([-2.0, 1.0]), 0.5, 0.5)
        tensor([-1.,  1.])
    """
    return rrelu(input, lower, upper, training, True)
