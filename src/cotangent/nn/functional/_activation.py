"""Activation functions that take `inplace`, and the softmax family with PyTorch's choice of dimension."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final, NoReturn

import numpy as np

from ...autograd.inplace import in_place
from ...dtypes import uint8
from ...errors import bad_argument
from ...functions import empty_like, zeros_like
from ...kernels.rng import default_stream
from ...kernels.sampling import rrelu_slopes
from ...ops import activation as smooth, piecewise as straight
from ...ops.softmax import log_softmax_of, prepared, softmax_of
from ...ops.table import constant, is_tensor

__all__ = [
    "_get_softmax_dim",
    "celu", "celu_", "elu", "elu_", "gumbel_softmax", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu", "leaky_relu_", "log_softmax", "mish", "relu", "relu6", "relu_", "rrelu", "rrelu_",
    "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "tanh", "threshold", "threshold_",
]  # fmt: skip

relu_ = in_place(straight.relu)
threshold_ = in_place(straight.threshold)
selu_ = in_place(smooth.selu)
_celu_ = in_place(smooth.celu)
_silu_ = in_place(smooth.silu_of)
_mish_ = in_place(smooth.mish_of)
_hardswish_ = in_place(straight.hardswish_of)
_hardsigmoid_ = in_place(straight.hardsigmoid_of)
_hardtanh_ = in_place(straight.hardtanh_of)
_relu6_ = in_place(straight.relu6_of)
_leaky_relu_ = in_place(straight.leaky_relu_of)
_elu_ = in_place(smooth.elu_of)
_rrelu_ = in_place(straight.rrelu_of)
_rrelu_drawn_ = in_place(straight.rrelu_drawn)


_NEGATIVE: Final = (
    "In-place {} backward calculation is triggered with a negative slope which is not supported. This is "
    "caused by calling in-place forward function with a negative slope, please call out-of-place version "
    "instead."
)
_FILE_AN_ISSUE: Final = (
    " File an issue at https://github.com/pytorch/pytorch if you do require supporting in-place leakRelu "
    "backward calculation with negative slope"
)


def _written(result: Any, slope: float, name: str) -> Any:
    """What was written in place; its derivative is refused where a slope below zero hides the input's sign.

    Here the input was kept; PyTorch has the result only.
    """
    if slope < 0 and result.grad_fn is not None:
        text = _NEGATIVE.format(name) + (_FILE_AN_ISSUE if name == "leakyReLu" else "")

        def refuse(cotangents: Any) -> NoReturn:
            raise RuntimeError(text)

        result.grad_fn.register_prehook(refuse)
    return result


def _numbers(function: str, **given: Any) -> None:
    """Check that the arguments after the first are numbers, or tensors, which the operation looks at."""
    for position, (name, value) in enumerate(given.items(), 2):
        if not isinstance(value, (int, float, np.number, np.bool_)) and not is_tensor(value):
            bad_argument(function, name, position, "Number", value)


def relu(input: Any, inplace: bool = False) -> Any:
    """The positive part, max(x, 0).

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return relu_(input) if inplace else straight.relu(input)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
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
    return (threshold_ if inplace else straight.threshold)(input, threshold, value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
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
    if min_val < 0 and is_tensor(input) and input.dtype is uint8:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return (_hardtanh_ if inplace else straight.hardtanh_of)(input, min_val, max_val)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
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


def relu6(input: Any, inplace: bool = False) -> Any:
    """The input, cut off below 0 and above 6.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.relu6(torch.tensor([-1.0, 7.0]))
        tensor([0., 6.])
    """
    return (_relu6_ if inplace else straight.relu6_of)(input, 0.0, 6.0)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
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
    if inplace:
        return _written(_leaky_relu_(input, negative_slope), negative_slope, "leakyReLu")
    return straight.leaky_relu_of(input, negative_slope)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
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


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
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
    if inplace:
        return _written(_elu_(input, alpha, 1.0, 1.0), alpha, "elu")
    return smooth.elu_of(input, alpha, 1.0, 1.0)


def elu_(input: Any, alpha: float = 1.0) -> Any:
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


def selu(input: Any, inplace: bool = False) -> Any:
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
    return (selu_ if inplace else smooth.selu)(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
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
    return celu_(input, alpha) if inplace else smooth.celu(input, alpha)


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """In-place form of `celu`.

    Args:
        input: tensor to write into.
        alpha: where negative values saturate, negated.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.celu_(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """
    return _written(_celu_(input, alpha), alpha, "elu")


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x), also called swish.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.silu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return (_silu_ if inplace else smooth.silu_of)(input)


def mish(input: Any, inplace: bool = False) -> Any:
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
    return (_mish_ if inplace else smooth.mish_of)(input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * relu6(x + 3) / 6.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Source: https://arxiv.org/abs/1905.02244

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardswish(torch.tensor([1.0, 4.0]))
        tensor([0.6667, 4.0000])
    """
    return (_hardswish_ if inplace else straight.hardswish_of)(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x)); the method `sigmoid`.

    Args:
        input: a tensor.

    Returns:
        A tensor of the same shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.sigmoid(torch.tensor([0.0]))
        tensor([0.5000])
    """
    return input.sigmoid()


def tanh(input: Any) -> Any:
    """The hyperbolic tangent; the method `tanh`.

    Args:
        input: a tensor.

    Returns:
        A tensor of the same shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.tanh(torch.tensor([0.0]))
        tensor([0.])
    """
    return input.tanh()


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """relu6(x + 3) / 6, a sigmoid of straight pieces.

    Args:
        input: any shape.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    return (_hardsigmoid_ if inplace else straight.hardsigmoid_of)(input)


def _get_softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
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
        dim = _get_softmax_dim("softmax", input.dim(), _stacklevel)
    x, at = prepared("softmax", input, dim, dtype, 1)
    return softmax_of(x, at)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
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
        dim = _get_softmax_dim("softmin", input.dim(), _stacklevel)
    x, at = prepared("softmax", -input, dim, dtype, 1)
    return softmax_of(x, at)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
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
        dim = _get_softmax_dim("log_softmax", input.dim(), _stacklevel)
    x, at = prepared("log_softmax", input, dim, dtype, 1)
    return log_softmax_of(x, at)


def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
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
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise RuntimeError(f"rrelu: {name} bound must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        slope = (lower + upper) / 2
        if inplace:
            return _written(_rrelu_(input, slope), slope, "leakyReLu")
        return straight.rrelu_of(input, slope)
    return (_rrelu_drawn_ if inplace else straight.rrelu_drawn)(input, _slopes(input, lower, upper))


def _slopes(input: Any, lower: float, upper: float) -> Any:
    """A slope for each element: drawn where it is not positive, else 1."""
    if not is_tensor(input):
        bad_argument("rrelu", "input", 1, "Tensor", input)
    data = input._data
    if data.__class__ is np.ndarray:
        return constant(rrelu_slopes(default_stream(), data, lower, upper))
    plain = input.detach()
    return empty_like(plain).uniform_(lower, upper).where(plain <= 0, 1.0)


def rrelu_(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Any:
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


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """Samples of a softened (or hard) choice among classes that gradients flow through.

    Args:
        logits: unnormalised log-probabilities, any shape.
        tau: temperature; the lower, the nearer to a hard choice.
        hard: whether to return one-hot samples, with the gradients of the soft ones.
        eps: deprecated, without effect.
        dim: dimension of the classes.

    Returns:
        a tensor of the shape of `logits` that sums to one along `dim`.

    Source: https://arxiv.org/abs/1611.01144

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum(1)
        tensor([1., 1.])
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    gumbels = -empty_like(logits).exponential_().log()
    soft = ((logits + gumbels) / tau).softmax(dim)
    if not hard:
        return soft
    chosen = soft.max(dim, keepdim=True)[1]
    return zeros_like(logits).scatter_(dim, chosen, 1.0) - soft.detach() + soft
