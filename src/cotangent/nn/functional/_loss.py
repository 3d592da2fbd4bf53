"""Losses of two tensors of one shape."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...autograd.modes import no_grad
from ...dtypes import BOOL, COMPLEX, FLOATING, INTEGRAL, SCALAR_NAME, promote_types
from ...errors import check_broadcast, noted
from ...ops import loss as primitives
from ...ops.broadcast import broadcast_shapes, expanded
from ...ops.constants import constants
from ...ops.join import broadcast_tensors
from ...ops.refusals import unsupported, without
from ...ops.table import is_array
from .._reduction import get_enum, legacy_get_string

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


def reduced(losses: Any, reduction: str) -> Any:
    """The losses of the elements, their mean or their sum.

    Raises:
        ValueError: for another `reduction`.
    """
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{reduction} is not a valid value for reduction")


def chosen(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, which the two older flags override."""
    if size_average is None and reduce is None:
        return reduction
    return legacy_get_string(size_average, reduce)


def _pair(input: Any, target: Any) -> tuple[Any, Any]:
    """Both tensors in one shape, with PyTorch's warning if that takes broadcasting."""
    if target.size() == input.size():
        return input, target
    warning = UserWarning(
        f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This "
        "will likely lead to incorrect results due to broadcasting. Please ensure they have the same size."
    )
    noted(warning, "loss_shape", input=list(input.size()), target=list(target.size()))
    warnings.warn(warning, stacklevel=3)
    broadcast(input, target)  # refuses what does not fit
    return broadcast_tensors(input, target)


def broadcast(*tensors: Any) -> tuple[int, ...]:
    """The common shape of tensors.

    Raises:
        RuntimeError: in the words of elementwise operations, if there is none.
    """
    shape = tuple(tensors[0].shape)
    for t in tensors[1:]:
        other = tuple(t.shape)
        for at in range(-1, -min(len(shape), len(other)) - 1, -1):
            if shape[at] != other[at] and 1 not in (shape[at], other[at]):
                raise RuntimeError(
                    f"The size of tensor a ({shape[at]}) must match the size of tensor b ({other[at]}) at "
                    f"non-singleton dimension {max(len(shape), len(other)) + at}"
                )
        shape = tuple(broadcast_shapes(shape, other))
    return shape


def _check_float(input: Any, target: Any, kernel: str) -> None:
    """Refuse what has no floating-point dtype in common; the operation itself promotes."""
    wider = promote_types(input.dtype, target.dtype)
    if wider.category != FLOATING:
        raise unsupported(kernel, wider)


def _same_dtype(input: Any, target: Any, kernel: str) -> tuple[Any, Any]:
    """Both in the wider dtype, if that is a floating-point one."""
    if input.dtype is not target.dtype:
        wider = promote_types(input.dtype, target.dtype)
        input, target = input.to(wider), target.to(wider)
    if input.dtype.category != FLOATING:
        raise unsupported(kernel, input.dtype)
    return input, target


def _weighted(losses: Any, weight: Any, reduction: str) -> Any:
    """Losses times weights; the mean is over the weights."""
    if weight.size() != losses.size():
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if reduction == "mean":
        return losses.sum() / weight.sum()
    return reduced(losses, reduction)


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Squared differences.

    Args:
        input: any shape.
        target: the same shape.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        weight: weights of the elements, or None.

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        ValueError: for another `reduction`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    try:
        same = target._data.shape == input._data.shape and target._data.dtype == input._data.dtype
    except AttributeError:
        same = target.size() == input.size()
    if not same or input.dtype.category != FLOATING:
        input, target = _pair(input, target)
        _check_float(input, target, "mse_cpu")
    if weight is not None:
        return _weighted(primitives.mse_of(input, target, 0), weight, reduction)
    return primitives.mse_of(input, target, get_enum(reduction))


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Absolute differences.

    Args:
        input: any shape.
        target: the same shape.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        weight: weights of the elements, or None.

    Returns:
        the mean or sum, or the losses of the elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    input, target = _pair(input, target)
    losses = (input - target).abs()
    return reduced(losses, reduction) if weight is None else _weighted(losses, weight, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """Squared differences up to `beta`, absolute ones beyond.

    Args:
        input: any shape.
        target: the same shape.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        beta: where the two meet.

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        RuntimeError: if beta is negative.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1.5, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(0.8125)
    """
    reduction = chosen(size_average, reduce, reduction)
    input, target = _pair(input, target)
    if beta == 0.0:
        return reduced((input - target).abs(), reduction)
    number = get_enum(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _check_float(input, target, "smooth_l1_cpu")
    return primitives.smooth_l1_of(input, target, number, beta)


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """Half squared differences up to `delta`, delta times absolute ones beyond.

    Args:
        input: any shape.
        target: the same shape.
        reduction: "mean", "sum" or "none".
        delta: where the two meet.
        weight: weights of the elements, or None.

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        RuntimeError: unless delta is positive.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.huber_loss(torch.tensor([1.5, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(0.8125)
    """
    input, target = _pair(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    number = get_enum(reduction)
    _check_float(input, target, "huber_cpu")
    if weight is not None:
        return _weighted(primitives.huber_of(input, target, 0, delta), weight, reduction)
    return primitives.huber_of(input, target, number, delta)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-target * input)).

    Args:
        input: any shape.
        target: 1 or -1, the same shape.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.soft_margin_loss(torch.zeros(2), torch.tensor([1.0, -1.0]))
        tensor(0.6931)
    """
    number = get_enum(chosen(size_average, reduce, reduction))
    if target.size() != input.size():
        shape = broadcast(input, target)
        input, target = expanded(input, shape), expanded(target, shape)
    input, target = _same_dtype(input, target, "log1p_cpu")
    return primitives.soft_margin_of(input, target, number)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Cross entropy of probabilities of two classes; logarithms below -100 count as -100.

    Args:
        input: probabilities, any shape.
        target: probabilities, the same shape.
        weight: weights that broadcast with `target`, or None.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        ValueError: if the shapes differ.
        RuntimeError: if an element of `input` is no probability.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
        tensor(0.6931)
    """
    number = get_enum(chosen(size_average, reduce, reduction))
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    for other in (target, weight):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Found dtype {SCALAR_NAME[other.dtype]} but expected {SCALAR_NAME[input.dtype]}"
            )
    if weight is not None:
        weight = expanded(weight, broadcast(target, weight))
    without("binary_cross_entropy", input, BOOL, INTEGRAL, COMPLEX)
    constants("binary_cross_entropy", weight=weight)
    return primitives.binary_cross_entropy_of(input, target, weight, number)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of sigmoid(input), without overflow.

    Args:
        input: logits, any shape.
        target: probabilities, the same shape.
        weight: weights that broadcast with the losses, or None.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        pos_weight: weights of the first class, which broadcast with `target`, or None.

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([1.0, 0.0]))
        tensor(0.6931)
    """
    number = get_enum(chosen(size_average, reduce, reduction))
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    if input.dtype.category != FLOATING:
        raise unsupported("log_sigmoid_cpu", input.dtype)
    if target.dtype.category < FLOATING:
        raise RuntimeError(
            f"result type {SCALAR_NAME[input.dtype]} can't be cast to the desired output type "
            f"{SCALAR_NAME[target.dtype]}"
        )
    for t in (pos_weight, weight):
        if t is not None:
            check_broadcast([tuple(t.shape), tuple(target.shape)])
    constants("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    return primitives.binary_cross_entropy_with_logits_of(input, target, weight, pos_weight, number)


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target * (log(target) - input), the summands of the Kullback-Leibler divergence.

    Args:
        input: log-probabilities, any shape.
        target: probabilities, a shape that broadcasts with it.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "batchmean" (the sum over the size of the first dimension), "mean", "sum" or "none".
        log_target: whether `target` holds log-probabilities, too.

    Returns:
        the reduced losses, or those of the elements.

    Example:
        >>> import cotangent as torch
        >>> half = torch.tensor([[0.5, 0.5]])
        >>> torch.nn.functional.kl_div(half.log(), half, reduction="batchmean")
        tensor(0.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if reduction != "batchmean":
        get_enum(reduction)
    if input.dtype.category <= INTEGRAL or target.dtype.category <= INTEGRAL:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    losses = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.size()[0] if input.dim() else losses.sum()
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Negative log-likelihood of counts under a Poisson distribution.

    Args:
        input: expected counts or their logarithms, any shape.
        target: counts, the same shape.
        log_input: whether `input` holds logarithms.
        full: whether to add Stirling's approximation of log(target!).
        size_average: deprecated, see `reduction`.
        eps: kept away from log(0) by this much.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.poisson_nll_loss(torch.zeros(2), torch.tensor([1.0, 0.0]))
        tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Negative log-likelihood under normal distributions: (log(var) + (input - target)^2 / var) / 2.

    Args:
        input: expected values, any shape.
        target: values, the same shape.
        var: variances: the same shape, one dimension less, one of size 1, or a number.
        full: whether to add the constant log(2 pi) / 2.
        eps: least variance.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        ValueError: for a shape of `var` that does not fit, negative variances, another `reduction`.

    Example:
        >>> import cotangent as torch
        >>> one = torch.ones(2)
        >>> torch.nn.functional.gaussian_nll_loss(one, one + 2, one)
        tensor(2.)
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(input.size(), var)
    elif is_array(var._data) and (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        # One variance for a whole dimension is the other shape accepted.
        elif input.ndim != var.ndim or sum(v for n, v in zip(input.size(), var.size()) if n != v) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    # Gradients flow as if the variance had not been bounded.
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    losses = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)
