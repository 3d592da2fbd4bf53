"""Losses that ask for a distance: hinge, ranking, cosine and triplet losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...tensor import Tensor
from .. import functional as F
from ._loss_base import _Loss, _WeightedLoss
from .distance import PairwiseDistance
from .module import Module


class MultiLabelMarginLoss(_Loss):
    """The hinge loss for several right classes, listed in the target and ended by -1.

    Args:
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MultiLabelMarginLoss()(torch.zeros(1, 2), torch.tensor([[0, -1]]))
        tensor(0.5000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """The hinge loss of a right class against all others.

    Args:
        p: exponent, 1 or 2.
        margin: distance by which the right class should lead.
        weight: a factor for each class.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: if `p` is another number or `weight` is not one-dimensional.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MultiMarginLoss()(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.5000)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead"
            )
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class _MarginLoss(_Loss):
    """A loss whose only setting, besides the reduction, is a margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """The input where the target is 1, `max(0, margin - input)` where it is -1.

    Args:
        margin: the margin.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Example:
        >>> import cotangent as torch
        >>> torch.nn.HingeEmbeddingLoss()(torch.tensor([3.0, 0.0]), torch.tensor([1, -1]))
        tensor(2.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """One minus the cosine where the target is 1, the cosine above a margin where it is -1.

    Args:
        margin: the margin.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Example:
        >>> import cotangent as torch
        >>> x = torch.eye(2)
        >>> torch.nn.CosineEmbeddingLoss()(x, x.flip(0), torch.ones(2))
        tensor(1.)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Any:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    """`max(0, -target * (input1 - input2) + margin)`.

    Args:
        margin: the margin.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MarginRankingLoss()(torch.zeros(1), torch.ones(1), torch.ones(1))
        tensor(1.)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Any:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


def _refuse_margin(module: Module, margin: float) -> None:
    if margin <= 0:
        raise ValueError(
            f"{type(module).__name__}: expected margin to be greater than 0, got {margin} instead"
        )


class TripletMarginLoss(_Loss):
    """How much further an anchor is from a negative than from a positive, short of a margin.

    Args:
        margin: the margin, above 0.
        p: exponent of the norm.
        eps: added to the differences.
        swap: whether to take the positive's distance from the negative if that is smaller.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: if the margin is not above 0.

    Example:
        >>> import cotangent as torch
        >>> x = torch.zeros(1, 2)
        >>> torch.nn.TripletMarginLoss()(x, x, x)
        tensor(1.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        _refuse_margin(self, margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Any:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """The triplet margin loss with a distance of your own.

    Args:
        distance_function: gives the distances of two batches; the Euclidean one if not given.
        margin: the margin, above 0.
        swap: whether to take the positive's distance from the negative if that is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: if the margin is not above 0.

    Example:
        >>> import cotangent as torch
        >>> x = torch.zeros(1, 2)
        >>> torch.nn.TripletMarginWithDistanceLoss()(x, x, x)
        tensor(1.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _refuse_margin(self, margin)
        self.distance_function: Any = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Any:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
