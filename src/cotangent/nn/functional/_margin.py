"""Losses of margins between classes or labels."""

from __future__ import annotations

from typing import Any

from ...dtypes import FLOATING, SCALAR_NAME, int64
from ...ops.activation import log_sigmoid
from ...ops.constants import constants
from ...ops.refusals import unsupported
from ...ops.table import is_array
from .._reduction import get_enum
from ._loss import chosen, reduced

__all__ = [
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The input where the target is 1, max(0, margin - input) where it is -1.

    Args:
        input: distances, any shape.
        target: 1 or -1, the same shape.
        margin: distance beyond which dissimilar pairs cost nothing.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, -1.0]))
        tensor(0.5000)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    zeros = 0.0
    apart = (margin - input).clamp_min(0).masked_fill(target == 1, zeros)
    together = input.masked_fill(target == -1, zeros)
    return reduced(apart + together, reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, -target * (input1 - input2) + margin).

    Args:
        input1: any shape.
        input2: a shape with as many dimensions.
        target: 1 where `input1` should be the larger, else -1.
        margin: by how much.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the elements.

    Raises:
        RuntimeError: if the numbers of dimensions differ.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.margin_ranking_loss(torch.ones(1), torch.zeros(1), torch.tensor([-1.0]))
        tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Binary cross entropy of logits, averaged over the labels of each example.

    Args:
        input: logits, (N, C) or (C,).
        target: 0 or 1, the same shape.
        weight: weight of each label, (C,), or None.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the examples.

    Raises:
        ValueError: for another `reduction`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)
    """
    reduction = chosen(size_average, reduce, reduction)
    losses: Any = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = losses.sum(dim=input.dim() - 1) / input.size(input.dim() - 1)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return reduced(losses, reduction)


def _rows(input: Any, kernel: str) -> None:
    """Check what both margin losses of classes ask of their arguments."""
    n = input.dim()
    if n > 2 or (not input.numel() and (n != 2 or not input.size(1))):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if input.dtype.category != FLOATING:
        raise unsupported(kernel, input.dtype)


def _labels(target: Any) -> None:
    if target.dtype is not int64:
        raise RuntimeError(f"expected scalar type Long but found {SCALAR_NAME[target.dtype]}")


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin - input[class] + input[other])**p, averaged over the classes.

    Args:
        input: scores, (N, C) or (C,).
        target: classes, (N,) or ().
        p: 1 or 2.
        margin: by how much the score of the class has to exceed the others.
        weight: weight of each class, (C,), or None.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the examples.

    Raises:
        ValueError: for another p.
        RuntimeError: for shapes or classes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.multi_margin_loss(torch.zeros(1, 2), torch.tensor([1]))
        tensor(0.5000)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    constants("multi_margin_loss", weight=weight)
    _rows(input, "multi_margin_loss_cpu_kernel")
    single = input.dim() < 2
    scores = input.reshape(1, -1) if single else input
    examples, classes = scores.shape
    if target.dim() > 1 or target.numel() != examples:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples "
            f"(batch size). Expected target size [{examples}], but got {list(target.shape)}. Input has shape "
            f"{list(input.shape)}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    _labels(target)
    if target.numel() and is_array(target._data) and ((target < 0) | (target >= classes)).any():
        raise RuntimeError("target out of range")
    own = target.reshape(-1, 1)
    losses = (margin - scores.gather(1, own) + scores).clamp_min(0)
    if p == 2:
        losses = losses * losses
    losses = losses.scatter(1, own, 0.0)
    if weight is not None:
        losses = losses * weight[own]
    found = losses.sum(1) / classes
    if reduction == "none" and target.dim() == 0:
        return found.reshape(())
    return reduced(found, reduction)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, 1 - (input[label] - input[other])) over all pairs, divided by the number of classes.

    Args:
        input: scores, (N, C) or (C,).
        target: the labels of each example, then -1; the same shape.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the examples.

    Raises:
        RuntimeError: for shapes or labels that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.multilabel_margin_loss(torch.zeros(1, 2), torch.tensor([[1, -1]]))
        tensor(0.5000)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    _rows(input, "multilabel_margin_loss_forward_out_frame")
    if target.shape != input.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    _labels(target)
    single = input.dim() < 2
    scores, labels = (t.reshape(1, -1) if single else t for t in (input, target))
    classes = scores.shape[1]
    if target.numel() and is_array(target._data) and ((target < -1) | (target >= classes)).any():
        raise RuntimeError("argument #2 'target' is out of range")
    # Labels count up to the first -1.
    listed = (labels >= 0).to(int64).cumprod(1)
    places = labels * listed
    own = input.new_zeros(scores.shape).scatter_add(1, places, listed.to(input.dtype)) > 0
    pairs = listed.unsqueeze(2) * (~own).unsqueeze(1).to(int64)
    losses = (1 - scores.gather(1, places).unsqueeze(2) + scores.unsqueeze(1)).clamp_min(0) * pairs
    found = losses.sum((1, 2)) / classes
    if reduction == "none" and single:
        return found.reshape(())
    return reduced(found, reduction)
