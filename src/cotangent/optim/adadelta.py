"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._options import check_lr, check_not_negative
from ._stepping import Stepping, decayed_square, effective_gradient, hyper, stepped

__all__ = ["Adadelta", "adadelta"]


class Adadelta(Stepping):
    """Steps whose length follows from the running mean squares of gradients and of steps (Zeiler, 2012).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: factor of the step.
        rho: share of the mean squares that is kept.
        eps: added to the mean squares.
        weight_decay: multiple of the parameter that is added to the gradient.
        foreach: accepted; there is one implementation.
        capturable: accepted, without effect.
        maximize: whether to climb.
        differentiable: whether the step itself is recorded by autograd.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adadelta([w], eps=1.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> bool(w < 1)
        True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "square_avg", "acc_delta"

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        return lr, group["rho"], 1 - group["rho"], group["eps"], weight_decay

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, square, steps = tensors
        lr, rho, share, eps, weight_decay = numbers
        g = effective_gradient(xp, t, u, p, g, weight_decay, *options)
        square = decayed_square(xp, t, square, g, rho, share)
        t = xp.add(square, eps, t)
        t = xp.sqrt(t, t)
        # The gradient goes along: u, where it may stand, is free after this.
        t = xp.divide(g, t, t)
        u = xp.add(steps, eps, u)
        u = xp.sqrt(u, u)
        u = xp.multiply(u, t, u)
        steps = decayed_square(xp, t, steps, u, rho, share)
        t = xp.multiply(u, lr, t)
        p = xp.subtract(p, t, p)
        return p, square, steps


def adadelta(
    params: Sequence[Any],
    grads: Sequence[Any],
    square_avgs: Sequence[Any],
    acc_deltas: Sequence[Any],
    state_steps: Sequence[Any],
    capturable: bool = False,
    foreach: Any = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    rho: Any,
    eps: Any,
    weight_decay: Any,
    maximize: Any,
) -> None:
    """`Adadelta` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        square_avgs: running means of the squares of the gradients.
        acc_deltas: running means of the squares of the steps.
        state_steps: how often each was stepped, as tensors.
        capturable, foreach, differentiable, has_complex: as the optimizer's, or without effect.
        lr, rho, eps, weight_decay, maximize: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.adadelta import adadelta
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> adadelta([w], [g], [a], [b], [torch.tensor(0.0)],
        ...     lr=1.0, rho=0.9, eps=0.1, weight_decay=0,
        ...     maximize=False)
        >>> w
        tensor([0.1056])
    """
    group = {
        "lr": lr,
        "rho": rho,
        "eps": eps,
        "weight_decay": weight_decay,
        "maximize": maximize,
        "differentiable": differentiable,
    }
    lists = {"square_avg": square_avgs, "acc_delta": acc_deltas}
    stepped(Adadelta, params, grads, lists, state_steps, group)
