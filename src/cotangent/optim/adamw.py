"""AdamW: Adam that shrinks the parameters themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .adam import Adam, adam

__all__ = ["AdamW", "adamw"]


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


def adamw(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any],
    state_steps: Sequence[Any],
    *rest: Any,
    **options: Any,
) -> None:
    """`AdamW` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps: as for `adam`.
        *rest, **options: as for `adam`, without `decoupled_weight_decay`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.adamw import adamw
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> adamw([w], [g], [a], [b], [], [torch.tensor(0.0)],
        ...     amsgrad=False, beta1=0.9,
        ...     beta2=0.999, lr=0.5, weight_decay=0.2, eps=1e-8, maximize=False)
        >>> w
        tensor([0.4000])
    """
    state = exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps
    options["decoupled_weight_decay"] = True
    adam(params, grads, *state, *rest, **options)
