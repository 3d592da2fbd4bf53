"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ._options import check_lr, check_not_negative
from ._stepping import Stepping, decayed_square, effective_gradient, hyper, stepped, toward

__all__ = ["RMSprop", "rmsprop"]


class RMSprop(Stepping):
    """Steps along the gradient, divided by the root of its running mean square (Tieleman and Hinton, 2012).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        alpha: share of the mean square that is kept.
        eps: added to the root.
        weight_decay: multiple of the parameter that is added to the gradient.
        momentum: share of the velocity that is kept.
        centered: whether to subtract the square of the mean, which gives the variance (Graves, 2013).
        capturable: accepted, without effect.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        differentiable: whether the step itself is recorded by autograd.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.RMSprop([w], lr=0.05)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    _absent: ClassVar[dict[str, Any]] = {**Stepping._absent, "momentum": 0, "centered": False}

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return (
            "square_avg",
            "momentum_buffer" if group["momentum"] > 0 else None,
            "grad_avg" if group["centered"] else None,
        )

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        alpha = group["alpha"]
        return lr, alpha, 1 - alpha, group["eps"], group["momentum"], weight_decay

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, square, velocity, mean = tensors
        lr, alpha, share, eps, momentum, weight_decay = numbers
        g = effective_gradient(xp, t, u, p, g, weight_decay, *options)
        square = decayed_square(xp, t, square, g, alpha, share)
        variance = square
        if mean is not None:
            mean = toward(xp, t, mean, g, share)
            t = xp.multiply(mean, mean, t)
            variance = xp.subtract(square, t, t)
        t = xp.sqrt(variance, t)
        t = xp.add(t, eps, t)
        t = xp.divide(g, t, t)
        if velocity is not None:
            velocity = xp.multiply(velocity, momentum, velocity)
            velocity = xp.add(velocity, t, velocity)
            t = xp.multiply(velocity, lr, t)
        else:
            t = xp.multiply(t, lr, t)
        p = xp.subtract(p, t, p)
        return p, square, velocity, mean


def rmsprop(
    params: Sequence[Any],
    grads: Sequence[Any],
    square_avgs: Sequence[Any],
    grad_avgs: Sequence[Any],
    momentum_buffer_list: Sequence[Any],
    state_steps: Sequence[Any],
    foreach: Any = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    alpha: Any,
    eps: Any,
    weight_decay: Any,
    momentum: Any,
    centered: Any,
) -> None:
    """`RMSprop` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        square_avgs: running means of the squares of the gradients.
        grad_avgs: running means of the gradients, if `centered`.
        momentum_buffer_list: velocities, if there is momentum.
        state_steps: how often each was stepped, as tensors.
        foreach, maximize, differentiable, capturable, has_complex: as the optimizer's, or without effect.
        lr, alpha, eps, weight_decay, momentum, centered: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.rmsprop import rmsprop
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> rmsprop([w], [g], [a], [], [], [torch.tensor(0.0)],
        ...     lr=0.1, alpha=0.75, eps=1e-8,
        ...     weight_decay=0, momentum=0, centered=False)
        >>> w
        tensor([0.8000])
    """
    group = {
        "lr": lr,
        "alpha": alpha,
        "eps": eps,
        "weight_decay": weight_decay,
        "momentum": momentum,
        "centered": centered,
        "maximize": maximize,
        "differentiable": differentiable,
    }
    lists = {"square_avg": square_avgs, "grad_avg": grad_avgs, "momentum_buffer": momentum_buffer_list}
    stepped(RMSprop, params, grads, lists, state_steps, group)
