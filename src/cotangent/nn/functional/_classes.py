"""Losses over classes: negative log-likelihood and cross entropy."""

from __future__ import annotations

from typing import Any

from ...dtypes import FLOATING, SCALAR_NAME
from ...errors import bad_argument
from ...ops.loss import class_losses, nll_of, share_of
from ...ops.softmax import log_softmax_of, prepared
from ...ops.table import is_array, is_tensor
from .._reduction import get_enum, legacy_get_string

__all__ = ["cross_entropy", "nll_loss"]


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Negative log-likelihood: minus the log-probability of each target's class.

    Args:
        input: log-probabilities, (C,), (N, C) or (N, C, d1, ...).
        target: classes, (), (N,) or (N, d1, ...).
        weight: weight of each class, (C,), or None.
        size_average: deprecated, see `reduction`.
        ignore_index: class that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean" (over the weights of the targets), "sum" or "none".

    Returns:
        the reduced loss, or the losses in the shape of `target`.

    Raises:
        ValueError: if the batch sizes differ, or for another `reduction`.
        IndexError: for a class that does not exist.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.nll_loss(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
        tensor(1.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    number = get_enum(reduction)
    for position, (name, value) in enumerate((("input", input), ("target", target)), 1):
        if not is_tensor(value):
            bad_argument("nll_loss_nd", name, position, "Tensor", value)
    return class_losses(input, target, weight, number, ignore_index)


def _ordinary(logits: Any, target: Any) -> bool:
    """Whether these are arrays of logits (N, C) and classes (N,): nothing to check, nothing to convert."""
    return (
        is_array(logits) and is_array(target) and len(logits.shape) == 2 and target.shape == logits.shape[:1]
        and logits.dtype.char in "fd" and target.dtype.char == "l"
    )  # fmt: skip


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross entropy of logits and targets: `nll_loss` of the log-softmax over classes.

    Args:
        input: logits, (C,), (N, C) or (N, C, d1, ...).
        target: classes, (), (N,) or (N, d1, ...), or probabilities in the shape of `input`.
        weight: weight of each class, (C,), or None.
        size_average: deprecated, see `reduction`.
        ignore_index: class that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean" (over the weights of the targets), "sum" or "none".
        label_smoothing: share of the target that is spread evenly over the classes, 0 to 1.

    Returns:
        the reduced loss, or the losses in the shape of the classes.

    Raises:
        ValueError: if the batch sizes differ, or for another `reduction`.
        RuntimeError: for shapes or dtypes that do not fit, or a `label_smoothing` outside of 0 to 1.
        IndexError: for a class that does not exist.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
        tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    number = get_enum(reduction)
    for position, (name, value) in enumerate((("input", input), ("target", target)), 1):
        if not is_tensor(value):
            bad_argument("cross_entropy_loss", name, position, "Tensor", value)
    if weight is None and label_smoothing == 0.0 and _ordinary(input._data, target._data):
        return nll_of(log_softmax_of(input, 1), target, None, number, ignore_index)
    shape = tuple(input.shape)
    dim = 0 if len(shape) == 1 else 1
    if shape == tuple(target.shape):
        return _of_probabilities(input, target, weight, ignore_index, number, label_smoothing, dim)
    x, at = prepared("log_softmax", input, dim, None)
    log_probs: Any = log_softmax_of(x, at)
    if label_smoothing > 0.0:
        return _smoothed(log_probs, target, weight, ignore_index, number, label_smoothing, dim)
    return class_losses(log_probs, target, weight, number, ignore_index)


def _class_weights(weight: Any, shape: tuple[int, ...], dim: int) -> Any:
    """The weights in a shape that broadcasts with the logits."""
    return weight.view([-1 if d == dim else 1 for d in range(len(shape))])


def _of_probabilities(
    input: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: int,
    label_smoothing: float,
    dim: int,
) -> Any:
    if target.dtype.category != FLOATING:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{SCALAR_NAME[target.dtype]}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    shape = tuple(input.shape)
    classes = shape[dim] if shape else 1
    if weight is not None and (weight.dim() != 1 or weight.numel() != classes):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}"
        )
    if label_smoothing > 0.0:
        _check_smoothing(label_smoothing)
        target = target * (1 - label_smoothing) + label_smoothing / classes
    x, at = prepared("log_softmax", input, dim, None)
    losses = log_softmax_of(x, at) * target
    if weight is not None:
        losses = losses * _class_weights(weight, shape, dim)
    if reduction == 0:
        result: Any = -losses.sum(dim)
    elif reduction == 2:
        result = -losses.sum()
    else:
        # Losses without classes are none; their mean is no number, as 0 / 0.
        result = share_of(-losses.sum(), input.numel() / classes if classes else 0.0)
    return result


def _smoothed(
    log_probs: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: int,
    label_smoothing: float,
    dim: int,
) -> Any:
    """The loss of the classes mixed with the mean loss over all classes."""
    _check_smoothing(label_smoothing)
    sharp = class_losses(log_probs, target, weight, reduction, ignore_index)
    shape = tuple(log_probs.shape)
    if weight is None:
        even = -log_probs.sum(dim)
    else:
        even = -(log_probs * _class_weights(weight, shape, dim)).sum(dim)
    ignored = target == ignore_index
    even = even.masked_fill(ignored, 0)
    if reduction == 2:
        even = even.sum()
    elif reduction == 1 and weight is None:
        even = even.sum() / (~ignored).sum()
    elif reduction == 1 and weight is not None:
        counted = target.masked_fill(ignored, 0)
        even = even.sum() / (weight[counted] * ~ignored).sum()
    return sharp * (1 - label_smoothing) + even * (label_smoothing / shape[dim])


def _check_smoothing(label_smoothing: float) -> None:
    if label_smoothing > 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
