"""Normalisation over examples, single examples, groups of channels and neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...autograd.modes import no_grad
from ...dtypes import BOOL, COMPLEX, INTEGRAL, float32
from ...errors import bad_argument
from ...func.batched import Batched
from ...functions import empty, zeros
from ...ops.batchnorm import batch_norm_of, fixed_norm_of, group_norm_of, layer_stats
from ...ops.normalize import layer_norm, one_dtype
from ...ops.padding import constant_pad_nd
from ...ops.refusals import refuse
from ...ops.table import is_tensor
from ._averages import avg_pool2d

__all__ = ["_verify_batch_size", "batch_norm", "group_norm", "instance_norm", "local_response_norm"]


_NOT_BATCHED: Final = (
    "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated "
    "in place, were not batched.\nIf you are using a module and do not need eval mode, please set "
    "`track_running_stats` to be False.If you are using a prebuilt module and do not need eval mode, please "
    "see the functorch website for resources on how to patch your module to work with vmap"
)


def _check_length(name: str, value: Any, channels: int) -> None:
    if value is not None and value.numel() != channels:
        raise RuntimeError(f"{name} should contain {channels} elements not {value.numel()}")


def _reduced(input: Any) -> tuple[int, ...]:
    return tuple(d for d in range(input.ndim) if d != 1)


def _update(running: Any, found: Any, momentum: float) -> None:
    """Move a running mean or variance towards what was found, which no transform follows.

    Raises:
        RuntimeError: for different batches of values that should go into one running value.
    """
    while found._owner is not None and found._level > running._level:
        if isinstance(found._data, Batched):
            raise RuntimeError(_NOT_BATCHED)
        found = found._owner.below(found)
    with no_grad():
        running.mul_(1 - momentum).add_(found.to(running.dtype), alpha=momentum)


def _values_per_channel(sizes: Sequence[int]) -> int:
    count = sizes[0]
    for n in sizes[2:]:
        count *= n
    return count


def normalized(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(batch norm, mean, 1 / sqrt(variance + eps)); the last two are empty unless training.

    Raises:
        RuntimeError: for sizes or dtypes that do not fit.
    """
    channels = input.shape[1] if input.ndim > 1 else 0
    if not training and (running_mean is None or running_var is None):
        name = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"{name} must be defined in evaluation mode")
    for name, value in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)
    ):  # fmt: skip
        _check_length(name, value, channels)
    refuse("batch_norm", BOOL, INTEGRAL, COMPLEX)(None, input.dtype)
    if not training and _moves(input) and (_moves(running_mean) or _moves(running_var)):
        raise RuntimeError(
            "batch_norm is not differentiable wrt running_mean and running_var, they cannot have forward "
            "grad defined"
        )
    if not input.numel():
        return _of_nothing(input, weight, bias, channels)
    if not one_dtype(input, weight, bias, running_mean, running_var):
        wide = input.to(float32)
        out, mean, scale = normalized(wide, weight, bias, running_mean, running_var, training, momentum, eps)
        return out.to(input.dtype), mean, scale
    dims = _reduced(input)
    if not training:
        found = fixed_norm_of(input, weight, bias, running_mean, running_var, dims, eps)
        nothing = empty(0, dtype=input.dtype)
        return found, nothing, nothing
    out, mean, scale, variance = batch_norm_of(input, weight, bias, dims, eps)
    if running_mean is not None:
        _update(running_mean, mean, momentum)
    if running_var is not None:
        n = _values_per_channel(tuple(input.shape))
        _update(running_var, variance * (n / max(n - 1, 1)), momentum)
    return out, mean, scale


def _moves(value: Any) -> bool:
    """Whether a tensor carries a tangent."""
    return value is not None and getattr(value._data, "tangent", None) is not None


def _of_nothing(input: Any, weight: Any, bias: Any, channels: int) -> tuple[Any, Any, Any]:
    """The norm of an input without elements, which still depends on the parameters."""
    out = input.clone()
    if weight is not None and channels:
        out = out * weight[0].to(input.dtype)
    if bias is not None and channels:
        out = out + bias[0].to(input.dtype)
    return out, zeros(channels, dtype=input.dtype), zeros(channels, dtype=input.dtype)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Mean 0 and variance 1 for every channel, over all examples and places; then scaled and shifted.

    Args:
        input: (N, C, ...).
        running_mean: (C,) means that evaluation uses and training moves towards those of the batch, or None.
        running_var: (C,) variances, likewise.
        weight: (C,) factors or None.
        bias: (C,) summands or None.
        training: whether to use mean and variance of this batch.
        momentum: how far the running values move, from 0 to 1.
        eps: added to the variance.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        ValueError: for a single value per channel, when training.
        RuntimeError: for sizes or dtypes that do not fit.

    Source: https://arxiv.org/abs/1502.03167

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> torch.nn.functional.batch_norm(x, None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    if not is_tensor(input):
        bad_argument("batch_norm", "input", 1, "Tensor", input)
    if training:
        _verify_batch_size(input.shape)
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return normalized(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def _verify_batch_size(size: Sequence[int]) -> None:
    """Refuse batches with one value per channel.

    Raises:
        ValueError: for these.
    """
    if _values_per_channel(tuple(size)) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Mean 0 and variance 1 for every channel of every example; then scaled and shifted.

    Args:
        input: (N, C, ...).
        running_mean: (C,) means for evaluation, or None.
        running_var: (C,) variances for evaluation, or None.
        weight: (C,) factors or None.
        bias: (C,) summands or None.
        use_input_stats: whether to use mean and variance of this input.
        momentum: how far the running values move.
        eps: added to the variance.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        ValueError: for a single place per channel.
        RuntimeError: for sizes or dtypes that do not fit.

    Source: https://arxiv.org/abs/1607.08022

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    shape = tuple(input.shape)
    if use_input_stats and _places(shape) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    n = shape[0]
    once: list[Any] = [None if t is None else t.repeat(n) for t in (weight, bias, running_mean, running_var)]
    # Statistics of another dtype do no harm where parameters of it would.
    once[2:] = [
        t if t is None or (input.dtype.itemsize == 2 and t.dtype is float32) else t.to(input.dtype)
        for t in once[2:]
    ]
    joined = input.contiguous().view((1, n * shape[1], *shape[2:]))
    out = normalized(joined, once[0], once[1], once[2], once[3], use_input_stats, momentum, eps)[0]
    for running, repeated in ((running_mean, once[2]), (running_var, once[3])):
        if running is not None and use_input_stats:
            with no_grad():
                running.copy_(repeated.view(n, shape[1]).mean(0))
    return out.view(shape)


def _places(shape: Sequence[int]) -> int:
    count = 1
    for n in shape[2:]:
        count *= n
    return count


def _grouped(input: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    shape = tuple(input.shape)
    if shape[1] % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != shape[1:2]:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got "
                f"{name} of shape {list((weight if weight is not None else value).shape)} and input of "
                f"shape {list(shape)}"
            )
    refuse("GroupNormKernelImpl", BOOL, INTEGRAL, COMPLEX)(None, input.dtype)
    if not one_dtype(input, weight, bias):
        out, mean, scale = _grouped(input.to(float32), groups, weight, bias, eps)
        return out.to(input.dtype), mean, scale
    found: tuple[Any, Any, Any] = group_norm_of(input, weight, bias, groups, eps)
    return found


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Mean 0 and variance 1 for groups of channels of every example; then scaled and shifted by channel.

    Args:
        input: (N, C, ...).
        num_groups: how many groups the channels make.
        weight: (C,) factors or None.
        bias: (C,) summands or None.
        eps: added to the variance.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        ValueError: for a single value per group.
        RuntimeError: for sizes or dtypes that do not fit.

    Source: https://arxiv.org/abs/1803.08494

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0, 2.0, 6.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    shape = list(input.shape)
    per_group = [shape[0] * shape[1] // num_groups, num_groups, *shape[2:]]
    _verify_batch_size(per_group)
    return _grouped(input, num_groups, weight, bias, eps)[0]


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """Every element divided by a power of the mean square of its neighbours in other channels.

    Args:
        input: (N, C, ...).
        size: how many neighbouring channels.
        alpha: factor of the mean square.
        beta: the power.
        k: what is added to the mean square.

    Raises:
        ValueError: for fewer than 3 dimensions.

    Source: https://papers.nips.cc/paper/4824

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.local_response_norm(torch.ones(1, 1, 1), 1, alpha=3.0, beta=0.5)
        tensor([[[0.5000]]])
    """
    if input.ndim < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          input (got "
            f"{input.ndim} dimensions)"
        )
    if not input.numel():
        return input
    shape = tuple(input.shape)
    squares = input.mul(input).reshape((shape[0], 1, shape[1], -1))
    padded = constant_pad_nd(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(padded, (size, 1), stride=1).reshape(shape)
    return input / mean.mul(alpha).add(k).pow(beta)


# -- what PyTorch calls native ---------------------------------------------------------------------------


def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """`batch_norm` with the mean and the inverse standard deviation it used.

    Args:
        input: (N, C, ...).
        weight: (C,) factors or None.
        bias: (C,) summands or None.
        running_mean: (C,) or None.
        running_var: (C,) or None.
        training: whether to use mean and variance of this batch.
        momentum: how far the running values move.
        eps: added to the variance.

    Returns:
        (result, means, inverse standard deviations); the last two are empty unless training.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)[1:]
        (tensor([2.]), tensor([1.]))
    """
    return normalized(input, weight, bias, running_mean, running_var, training, momentum, eps)


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """`group_norm` with the means and the inverse standard deviations it used.

    Args:
        input: (N, C, ...).
        weight: (C,) factors or None.
        bias: (C,) summands or None.
        N: the number of examples.
        C: the number of channels.
        HxW: the number of places.
        group: the number of groups.
        eps: added to the variance.

    Returns:
        (result, means (N, group), inverse standard deviations (N, group)).

    Example:
        >>> import cotangent as torch
        >>> torch.native_group_norm(torch.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)[1]
        tensor([[2.]])
    """
    return _grouped(input, group, weight, bias, eps)


def native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """`layer_norm` with the means and the inverse standard deviations it used.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions to normalise over.
        weight: factors in that shape, or None.
        bias: summands in that shape, or None.
        eps: added to the variance.

    Returns:
        (result, means, inverse standard deviations), the latter with size 1 in the normalised dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.native_layer_norm(torch.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)[1]
        tensor([[2.]])
    """
    out = layer_norm(input, normalized_shape, weight, bias, eps)
    x = input if one_dtype(input, weight, bias) else input.to(float32)
    count = len(tuple(normalized_shape))
    mean, scale = layer_stats(x.detach(), tuple(range(x.ndim - count, x.ndim)), float(eps))
    return out, mean, scale


def batch_norm_update_stats(
    input: Any, running_mean: Any, running_var: Any, momentum: float
) -> tuple[Any, Any]:
    """Move running mean and variance towards those of a batch.

    Args:
        input: (N, C, ...).
        running_mean: (C,) or None.
        running_var: (C,) or None.
        momentum: how far they move.

    Returns:
        (means, biased variances) of the batch.

    Example:
        >>> import cotangent as torch
        >>> torch.batch_norm_update_stats(torch.tensor([[1.0], [3.0]]), None, None, 0.1)
        (tensor([2.]), tensor([1.]))
    """
    if not input.numel():
        raise RuntimeError(
            f"input tensor must have at least one element, but got input_sizes = {list(input.shape)}"
        )
    _, mean, _, variance = batch_norm_of(input.detach(), None, None, _reduced(input), 0.0)
    if running_mean is not None:
        _update(running_mean, mean, momentum)
    if running_var is not None:
        n = _values_per_channel(tuple(input.shape))
        _update(running_var, variance * (n / max(n - 1, 1)), momentum)
    return mean, variance


def torch_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    """`torch.batch_norm`: the function of `nn.functional` with the parameters first.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> torch.batch_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[-1.],
                [ 1.]])
    """
    return normalized(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def torch_instance_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool,
    momentum: float, eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    """`torch.instance_norm`: the function of `nn.functional` with the parameters first.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[[1.0, 3.0]]])
        >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[[-1.,  1.]]])
    """
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def torch_group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """`torch.group_norm`: that of `nn.functional` without its check of the number of values.

    Example:
        >>> import cotangent as torch
        >>> torch.group_norm(torch.tensor([[1.0, 3.0]]), 1, eps=0.0)
        tensor([[-1.,  1.]])
    """
    return _grouped(input, num_groups, weight, bias, eps)[0]
