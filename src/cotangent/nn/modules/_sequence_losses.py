"""Losses that come with an alignment or a linear map of their own."""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..functional._linear_loss import LinearCrossEntropyOptions
from ._loss_base import _Loss, _WeightedLoss
from .linear import Linear

__all__ = ["CTCLoss", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions"]


class CTCLoss(_Loss):
    """Negative log-likelihood of labels, summed over all their alignments with the input.

    Args:
        blank: the class that stands for no label.
        reduction: "mean" (of the losses over the numbers of labels), "sum" or "none".
        zero_infinity: whether infinite losses, of inputs too short for their labels, count as 0.

    Example:
        >>> import cotangent as torch
        >>> log_probs = torch.full((2, 1, 2), 0.5).log()
        >>> torch.nn.CTCLoss()(log_probs, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1]))
        tensor(0.2877)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """The cross entropy of the logits that a linear map of its own makes of the input.

    Args:
        in_features: features of the input.
        num_classes: classes.
        out_features: further dimensions of the logits.
        bias: whether the map has a bias.
        device: device of the map.
        dtype: dtype of the map.
        reduction: "mean", "sum" or "none".
        weight: a factor for each class.
        ignore_index: class that counts for nothing, or None.
        label_smoothing: share of the target that is spread evenly over the classes, 0 to 1.
        options: how PyTorch divides the work; changes no numbers.

    Raises:
        RuntimeError: for weights of another shape, or a `label_smoothing` outside of 0 to 1.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LinearCrossEntropyLoss(5, 3)(torch.zeros(2, 5), torch.tensor([0, 2])).detach()
        tensor(1.0986)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1.0:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Any, target: Any) -> Any:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*shape, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        parts = {
            "in_features": self.linear.in_features,
            "num_classes": self.num_classes,
            "out_features": self.out_features,
            "bias": self.linear.bias is not None,
        }
        rest = ("reduction", "ignore_index", "label_smoothing", "options")
        parts |= {name: getattr(self, name) for name in rest}
        return ", ".join(f"{name}={value}" for name, value in parts.items())
