"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._options import check_betas, check_lr, check_not_negative
from ._stepping import Stepping, effective_gradient, hyper, stepped, toward

__all__ = ["Adamax", "adamax"]


class Adamax(Stepping):
    """Adam with the largest decayed gradient in place of the root of the mean square.

    Kingma and Ba, 2014.

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: share of the mean that is kept, and decay of the largest gradient.
        eps: added to the size of each gradient.
        weight_decay: multiple of the parameter that is added to the gradient.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        differentiable: whether the step itself is recorded by autograd.
        capturable: accepted, without effect.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adamax([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "exp_avg", "exp_inf"

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        beta1, beta2 = group["betas"]
        return 1 - beta1, beta2, group["eps"], lr / (1 - beta1**count), weight_decay

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, mean, largest = tensors
        share, beta2, eps, lr, weight_decay = numbers
        g = effective_gradient(xp, t, u, p, g, weight_decay, *options)
        mean = toward(xp, t, mean, g, share)
        largest = xp.multiply(largest, beta2, largest)
        t = xp.abs(g, t)
        t = xp.add(t, eps, t)
        largest = xp.maximum(largest, t, out=largest)
        t = xp.divide(mean, largest, t)
        t = xp.multiply(t, lr, t)
        p = xp.subtract(p, t, p)
        return p, mean, largest


def adamax(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_infs: Sequence[Any],
    state_steps: Sequence[Any],
    foreach: Any = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: Any,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: Any,
) -> None:
    """`Adamax` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        exp_avgs: running means of the gradients.
        exp_infs: decayed maxima of the gradients.
        state_steps: how often each was stepped, as tensors.
        foreach, maximize, differentiable, capturable, has_complex: as the optimizer's, or without effect.
        eps, beta1, beta2, lr, weight_decay: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.adamax import adamax
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> adamax([w], [g], [a], [b], [torch.tensor(0.0)],
        ...     eps=1e-8, beta1=0.9, beta2=0.999, lr=0.5,
        ...     weight_decay=0)
        >>> w
        tensor([0.5000])
    """
    group = {
        "lr": lr,
        "betas": (beta1, beta2),
        "eps": eps,
        "weight_decay": weight_decay,
        "maximize": maximize,
        "differentiable": differentiable,
    }
    lists = {"exp_avg": exp_avgs, "exp_inf": exp_infs}
    stepped(Adamax, params, grads, lists, state_steps, group)
