"""Filling tensors with first values. All functions write into their tensor, outside of autograd.

The random ones draw from the generator in PyTorch's order, so that the same seed gives the same numbers.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import no_grad
from ..functions import as_tensor, empty, empty_like, from_numpy, randperm, where
from ..tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before a nonlinearity are scaled to keep the variance.

    Args:
        nonlinearity: "linear", a convolution's name, "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: slope of the leaky ReLU, 0.01 if not given.

    Returns:
        The gain.

    Raises:
        ValueError: for another nonlinearity, or a slope that is no number.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.calculate_gain("leaky_relu", 1.0)
        1.0
    """
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    try:
        gain = _GAINS[nonlinearity]
    except KeyError:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}") from None
    return 1 if gain == 1.0 else gain


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Draw evenly from an interval.

    Args:
        tensor: what to fill.
        a: lower bound.
        b: upper bound.
        generator: source of random numbers.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> bool((torch.nn.init.uniform_(torch.empty(9), 2.0, 3.0) >= 2).all())
        True
    """
    with no_grad():
        tensor.uniform_(a, b, generator=generator)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Draw from a normal distribution.

    Args:
        tensor: what to fill.
        mean: mean of the distribution.
        std: standard deviation.
        generator: source of random numbers.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.normal_(torch.empty(3, 5)).shape
        torch.Size([3, 5])
    """
    with no_grad():
        tensor.normal_(mean, std, generator=generator)
    return tensor


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Draw from a normal distribution cut off outside an interval.

    Args:
        tensor: what to fill.
        mean: mean of the distribution before the cut.
        std: standard deviation before the cut.
        a: lower bound, in the units of the values.
        b: upper bound.
        generator: source of random numbers.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> bool((torch.nn.init.trunc_normal_(torch.empty(99)).abs() <= 2).all())
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with no_grad():
        if inside > 0.3:
            _redraw_outside(tensor, mean, std, a, b, generator)
        else:
            _accept_by_density(tensor, mean, std, a, b, generator)
    return tensor


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _redraw_outside(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> None:
    """Draw from the normal distribution until all values lie inside."""
    # The bounds as the tensor's dtype rounds them: its values cannot lie between.
    low, high = (as_tensor(bound, dtype=tensor.dtype).item() for bound in (a, b))
    drawn = tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (drawn < low) | (drawn > high)
        if not outside.any():
            break
        drawn = where(outside, empty_like(drawn).normal_(mean, std, generator=generator), drawn)
    if drawn is not tensor:
        tensor.copy_(drawn)


def _accept_by_density(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> None:
    """Draw evenly from the interval; keep a value with the probability that its density asks for.

    Better than redrawing where the interval holds little of the distribution.
    """
    peak = max(a, min(mean, b))
    log_peak = -0.5 * ((peak - mean) / std) ** 2
    candidates = empty_like(tensor)
    chance = empty_like(tensor)

    def rejected() -> Any:
        candidates.sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        return chance.uniform_(generator=generator).log_().gt(candidates)

    tensor.uniform_(a, b, generator=generator)
    candidates.copy_(tensor)
    pending = rejected()
    drawn = tensor
    while pending.any():
        candidates.uniform_(a, b, generator=generator)
        drawn = where(pending, candidates, drawn)
        pending = where(pending, rejected(), pending)
    if drawn is not tensor:
        tensor.copy_(drawn)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    Args:
        tensor: what to fill.
        val: the value.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.constant_(torch.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    with no_grad():
        tensor.fill_(val)
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones.

    Args:
        tensor: what to fill.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.ones_(torch.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros.

    Args:
        tensor: what to fill.

    Returns:
        The tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.zeros_(torch.empty(2))
        tensor([0., 0.])
    """
    with no_grad():
        tensor.zero_()
    return tensor


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Args:
        tensor: what to fill, two-dimensional.

    Returns:
        The tensor.

    Raises:
        ValueError: if it is not two-dimensional.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.eye_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill convolution weights so that the convolution gives its input back, channel by channel.

    Args:
        tensor: what to fill: `(out_channels, in_channels / groups, ...)`, with one to three more dimensions.
        groups: number of groups of channels.

    Returns:
        The tensor.

    Raises:
        ValueError: if the number of dimensions does not fit, or groups do not divide the channels.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.dirac_(torch.empty(1, 1, 3))
        tensor([[[0., 1., 0.]]])
    """
    dimensions = tensor.ndimension()
    if dimensions not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    channels_out, channels_in, *window = tensor.shape
    if channels_out % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = channels_out // groups
    middle = tuple(size // 2 for size in window)
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, channels_in)):
                tensor[(group * per_group + channel, channel, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Number of inputs that one output depends on, and the reverse."""
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    window = math.prod(tensor.shape[2:])
    return tensor.size(1) * window, tensor.size(0) * window


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Draw evenly from +-`gain * sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010).

    Args:
        tensor: what to fill, with at least two dimensions.
        gain: a factor.
        generator: source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: if it has less than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> bool((torch.nn.init.xavier_uniform_(torch.empty(3, 3)).abs() <= 1).all())
        True
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Draw with standard deviation `gain * sqrt(2 / (fan_in + fan_out))` (Glorot and Bengio, 2010).

    Args:
        tensor: what to fill, with at least two dimensions.
        gain: a factor.
        generator: source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: if it has less than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.xavier_normal_(torch.empty(3, 5)).shape
        torch.Size([3, 5])
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor: Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Draw evenly from +-`gain * sqrt(3 / fan)` (He et al., 2015).

    Args:
        tensor: what to fill, with at least two dimensions.
        a: slope of the leaky ReLU that follows.
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: what follows; see `calculate_gain`.
        generator: source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: if it has less than two dimensions, or mode or nonlinearity is unknown.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.kaiming_uniform_(torch.empty(3, 5)).shape
        torch.Size([3, 5])
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Draw with standard deviation `gain / sqrt(fan)` (He et al., 2015).

    Args:
        tensor: what to fill, with at least two dimensions.
        a: slope of the leaky ReLU that follows.
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: what follows; see `calculate_gain`.
        generator: source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: if it has less than two dimensions, or mode or nonlinearity is unknown.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.init.kaiming_normal_(torch.empty(3, 5), mode="fan_out").shape
        torch.Size([3, 5])
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a random matrix whose rows or columns are orthonormal (Saxe et al., 2013).

    Args:
        tensor: what to fill; all dimensions but the first count as one.
        gain: a factor.
        generator: source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: if it has less than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> w = torch.nn.init.orthogonal_(torch.empty(3, 5))
        >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-6)
        True
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with no_grad():
        drawn = empty((rows, columns), dtype=tensor.dtype).normal_(0, 1, generator=generator).numpy()
        q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
        # Without this the result would not be evenly distributed (Mezzadri, 2006).
        q *= np.sign(np.diagonal(r))
        tensor.view(rows, columns).copy_(from_numpy(q.T if rows < columns else q))
        tensor.mul_(gain)
    return tensor


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Draw from a normal distribution, then set a share of each column to 0 (Martens, 2010).

    Args:
        tensor: what to fill, two-dimensional.
        sparsity: the share of zeros.
        std: standard deviation of the rest.
        generator: source of the normal numbers; the places of zeros come from the default one.

    Returns:
        The tensor.

    Raises:
        ValueError: if it is not two-dimensional.

    Example:
        >>> import cotangent as torch
        >>> int((torch.nn.init.sparse_(torch.empty(4, 3), 0.5) == 0).sum())
        6
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The older name of a function: the same without the underscore, with a warning."""
    name = function.__name__[:-1]

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    renamed.__name__ = renamed.__qualname__ = name
    renamed.__doc__ = f"Deprecated name of `{name}_`."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

# Where PyTorch switches recording off; here the functions themselves do.
_no_grad_uniform_, _no_grad_normal_, _no_grad_trunc_normal_ = uniform_, normal_, trunc_normal_
_no_grad_fill_, _no_grad_zero_ = constant_, zeros_
