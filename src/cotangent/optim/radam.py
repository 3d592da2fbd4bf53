"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ._options import check_betas, check_lr, check_not_negative
from ._stepping import Stepping, decayed_square, effective_gradient, hyper, stepped, toward

__all__ = ["RAdam", "radam"]


class RAdam(Stepping):
    """Adam that steps along the mean alone until the mean square is worth relying on (Liu et al., 2019).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: shares of the two running means that are kept.
        eps: added to the root.
        weight_decay: multiple of the parameter that is added to the gradient.
        decoupled_weight_decay: whether to shrink the parameter itself instead, as AdamW.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        capturable: accepted, without effect.
        differentiable: whether the step itself is recorded by autograd.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.RAdam([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    _absent: ClassVar[dict[str, Any]] = {**Stepping._absent, "decoupled_weight_decay": False}

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "exp_avg", "exp_avg_sq"

    def _options(self, group: dict[str, Any]) -> tuple[Any, ...]:
        return group["weight_decay"] != 0, group["decoupled_weight_decay"], group["maximize"]

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        beta1, beta2 = group["betas"]
        correction = 1 - beta2**count
        # Length of the average that the mean square is, at the end and now.
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * count * beta2**count / correction
        step, root, eps = lr / (1 - beta1**count), 0.0, 1.0
        if length > 5.0:
            trust = (length - 4) * (length - 2) * longest
            trust /= (longest - 4) * (longest - 2) * length
            step, root, eps = step * (trust * correction) ** 0.5, 1.0, group["eps"]
        decay = 1 - lr * weight_decay if group["decoupled_weight_decay"] else weight_decay
        return 1 - beta1, beta2, 1 - beta2, step, root, eps, decay

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, mean, square = tensors
        # The step is divided by root * sqrt(square) + eps, which is 1 as long as root is 0.
        share1, beta2, share2, step, root, eps, decay = numbers
        decays, decoupled, maximize = options
        if decays and decoupled:
            p = xp.multiply(p, decay, p)
        g = effective_gradient(xp, t, u, p, g, decay, decays and not decoupled, maximize)
        mean = toward(xp, t, mean, g, share1)
        square = decayed_square(xp, t, square, g, beta2, share2)
        t = xp.sqrt(square, t)
        t = xp.multiply(t, root, t)
        t = xp.add(t, eps, t)
        t = xp.divide(mean, t, t)
        t = xp.multiply(t, step, t)
        p = xp.subtract(p, t, p)
        return p, mean, square


def radam(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    state_steps: Sequence[Any],
    decoupled_weight_decay: bool = False,
    foreach: Any = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: Any,
    eps: Any,
) -> None:
    """`RAdam` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        exp_avgs: running means of the gradients.
        exp_avg_sqs: running means of their squares.
        state_steps: how often each was stepped, as tensors.
        decoupled_weight_decay, foreach, differentiable,
            capturable, has_complex, maximize: as the optimizer's, or without effect.
        beta1, beta2, lr, weight_decay, eps: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.radam import radam
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> radam([w], [g], [a], [b], [torch.tensor(0.0)],
        ...     beta1=0.9, beta2=0.999, lr=0.25, weight_decay=0,
        ...     eps=1e-8)
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
        "decoupled_weight_decay": decoupled_weight_decay,
    }
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    stepped(RAdam, params, grads, lists, state_steps, group)
