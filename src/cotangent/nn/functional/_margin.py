"""Losses of distances and margins."""

from __future__ import annotations

from ...ops.activation import log_sigmoid
from ...tensor import Tensor
from .._reduction import get_enum
from ._loss import chosen, reduced

__all__ = ["hinge_embedding_loss", "margin_ranking_loss", "multilabel_soft_margin_loss"]


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
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
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
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
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
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
    losses: Tensor = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = losses.sum(dim=input.dim() - 1) / input.size(input.dim() - 1)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return reduced(losses, reduction)
