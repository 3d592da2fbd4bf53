"""What all loss modules share: how to reduce, and weights."""

from __future__ import annotations

from ...tensor import Tensor
from .._reduction import legacy_get_string
from .module import Module

# The arguments that nearly every loss has, described once:
#     size_average, reduce: deprecated, the older way to choose a reduction.
#     reduction: "mean", "sum", or "none" for one value per element.


class _Loss(Module):
    """A loss that can be reduced."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = legacy_get_string(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a weight per class or element."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
