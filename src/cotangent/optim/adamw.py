"""AdamW: Adam that shrinks the parameters themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam whose weight decay does not pass through the running means (Loshchilov and Hutter, 2017).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: shares of the two running means that are kept.
        eps: added to the root.
        weight_decay: share of a parameter, times `lr`, that is taken off in each step.
        amsgrad: whether to divide by the largest mean square so far.
        maximize: whether to climb.
        foreach: accepted; there is one implementation.
        capturable: accepted, without effect.
        differentiable: whether the step itself is recorded by autograd.
        fused: accepted; there is one implementation.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.AdamW([w], lr=0.5, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.2500])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-3,
        betas: tuple[float | Any, float | Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
