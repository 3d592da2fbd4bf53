"""Activation functions as modules."""

from __future__ import annotations

import warnings
from typing import Any

from ...functions import empty, sigmoid, tanh
from ...tensor import Tensor
from .. import functional as F
from ..init import constant_
from ..parameter import Parameter
from ._softmax import LogSoftmax, Softmax, Softmax2d, Softmin
from .attention import MultiheadAttention
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """An activation: what it prints are the attributes named in `_shown`, and `inplace` if it is set."""

    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        parts = [f"{name}={getattr(self, name)}" for name in self._shown]
        if getattr(self, "inplace", False):
            parts.append("inplace=True")
        return ", ".join(parts)


class _InPlace(_Activation):
    """An activation whose only setting is whether to work in place."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Threshold(_Activation):
    """The input where it is above a threshold, a constant elsewhere.

    Args:
        threshold: the threshold.
        value: the constant.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Threshold(0.5, 9.0)(torch.tensor([0.0, 1.0]))
        tensor([9., 1.])
    """

    _shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class ReLU(_InPlace):
    """The positive part: `max(x, 0)`.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 1.0]))
        tensor([0., 1.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.relu(input, inplace=self.inplace)


class RReLU(_Activation):
    """A leaky ReLU whose slope is drawn for each element while training; see `functional.rrelu`.

    Args:
        lower: lower bound of the slope.
        upper: upper bound of the slope.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.RReLU(0.5, 0.5).eval()(torch.tensor([-2.0, 1.0]))
        tensor([-1.,  1.])
    """

    _shown = ("lower", "upper")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(_Activation):
    """The input, cut off below and above.

    Args:
        min_val: lower bound.
        max_val: upper bound.
        inplace: whether to write into the input.
        min_value: deprecated name of `min_val`.
        max_value: deprecated name of `max_val`.

    Raises:
        AssertionError: if the upper bound is not above the lower one.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Hardtanh()(torch.tensor([-3.0, 0.5, 3.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """

    _shown: tuple[str, ...] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, given in (("min", min_value), ("max", max_value)):
            if given is not None:
                warnings.warn(
                    f"keyword argument `{old}_value` is deprecated and renamed to `{old}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """The input, cut off below 0 and above 6.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ReLU6()(torch.tensor([-1.0, 5.0, 7.0]))
        tensor([0., 5., 6.])
    """

    _shown = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Sigmoid(Module):
    """The logistic function `1 / (1 + exp(-x))`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Sigmoid()(torch.zeros(1))
        tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return sigmoid(input)


class Hardsigmoid(_InPlace):
    """A piecewise linear sigmoid: `relu6(x + 3) / 6`.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Hardsigmoid()(torch.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Tanh()(torch.zeros(1))
        tensor([0.])
    """

    def forward(self, input: Tensor) -> Any:
        return tanh(input)


class SiLU(_InPlace):
    """`x * sigmoid(x)`, also called swish.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.SiLU()(torch.zeros(1))
        tensor([0.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.silu(input, inplace=self.inplace)


class Mish(_InPlace):
    """`x * tanh(softplus(x))`.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Mish()(torch.zeros(1))
        tensor([0.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.mish(input, inplace=self.inplace)


class Hardswish(_InPlace):
    """`x * relu6(x + 3) / 6`.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Hardswish()(torch.tensor([-4.0, 3.0]))
        tensor([-0., 3.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class ELU(_Activation):
    """The input where it is positive, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: scale of the negative part.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ELU()(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Activation):
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.

    Args:
        alpha: scale of the negative part.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.CELU()(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class SELU(_InPlace):
    """The self-normalizing ELU, with fixed scales.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.SELU()(torch.tensor([1.0]))
        tensor([1.0507])
    """

    def forward(self, input: Tensor) -> Any:
        return F.selu(input, self.inplace)


class GLU(_Activation):
    """One half of the input times the sigmoid of the other.

    Args:
        dim: dimension to halve.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.GLU()(torch.tensor([4.0, 0.0]))
        tensor([2.])
    """

    _shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Any:
        return F.glu(input, self.dim)


class GELU(Module):
    """`x` times the normal distribution's cumulative probability at `x`.

    Args:
        approximate: "none", or "tanh" for the approximation by tanh.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.GELU()(torch.tensor([1.0]))
        tensor([0.8413])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Any:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class _Shrink(Module):
    """An activation with one number, printed without its name."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardshrink(_Shrink):
    """The input where it is further than `lambd` from 0, and 0 elsewhere.

    Args:
        lambd: the distance.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Hardshrink()(torch.tensor([0.25, 1.0]))
        tensor([0., 1.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """The input, moved towards 0 by `lambd`, as far as 0.

    Args:
        lambd: the distance.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softshrink()(torch.tensor([0.25, 1.0]))
        tensor([0.0000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.softshrink(input, self.lambd)


class LeakyReLU(_Activation):
    """The input where it is positive, a small multiple of it elsewhere.

    Args:
        negative_slope: the multiple.
        inplace: whether to write into the input.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LeakyReLU(0.5)(torch.tensor([-1.0, 1.0]))
        tensor([-0.5000,  1.0000])
    """

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class LogSigmoid(Module):
    """The logarithm of the sigmoid.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LogSigmoid()(torch.zeros(1))
        tensor([-0.6931])
    """

    def forward(self, input: Tensor) -> Any:
        return F.logsigmoid(input)


class Softplus(_Activation):
    """`log(1 + exp(beta * x)) / beta`, and `x` itself where that makes no difference.

    Args:
        beta: sharpness of the bend.
        threshold: value of `beta * x` above which the input is given back.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softplus()(torch.zeros(1))
        tensor([0.6931])
    """

    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Any:
        return F.softplus(input, self.beta, self.threshold)


class PReLU(_Activation):
    """A leaky ReLU whose slope is learned.

    Args:
        num_parameters: 1, or the number of channels, each with a slope of its own.
        init: first value of the slope.
        device: device of the parameter.
        dtype: dtype of the parameter.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.PReLU()(torch.tensor([-1.0, 1.0])).detach()
        tensor([-0.2500,  1.0000])
    """

    _shown = ("num_parameters",)

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to their first value."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Any:
        return F.prelu(input, self.weight)


class Softsign(Module):
    """`x / (1 + |x|)`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Softsign()(torch.ones(1))
        tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.softsign(input)


class Tanhshrink(Module):
    """`x - tanh(x)`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Tanhshrink()(torch.zeros(1))
        tensor([0.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.tanhshrink(input)
