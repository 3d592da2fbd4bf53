"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ..functions import ones
from ._options import check_betas, check_lr, check_not_negative
from ._stepping import (
    Stepping,
    count_up,
    decayed_square,
    effective_gradient,
    hyper,
    step_dtype,
    stepped,
    toward,
)

__all__ = ["NAdam", "nadam"]


class NAdam(Stepping):
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: shares of the two running means that are kept.
        eps: added to the root.
        weight_decay: multiple of the parameter that is added to the gradient.
        momentum_decay: how fast the momentum rises to its full value.
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
        >>> optimizer = torch.optim.NAdam([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> bool(w < 1)
        True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    _absent: ClassVar[dict[str, Any]] = {**Stepping._absent, "decoupled_weight_decay": False}
    _counters = ("step", "mu_product")

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "exp_avg", "exp_avg_sq"

    def _start_counters(self, state: dict[str, Any], group: dict[str, Any]) -> None:
        super()._start_counters(state, group)
        state["mu_product"] = ones((), dtype=step_dtype(group))

    def _options(self, group: dict[str, Any]) -> tuple[Any, ...]:
        return group["weight_decay"] != 0, group["decoupled_weight_decay"], group["maximize"]

    def _step_group(self, group: dict[str, Any]) -> None:
        # The product of all momenta so far belongs to the numbers of a step; it is brought up to date here,
        # before the step is counted.
        beta1, decay = group["betas"][0], group["momentum_decay"]
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                self._start(parameter, state, group)
            step = float(state["step"]) + 1
            state["mu_product"].mul_(_momentum(beta1, decay, step))
        super()._step_group(group)

    def _count(self, state: dict[str, Any]) -> Any:
        product = state["mu_product"]  # a tensor where a differentiable step is taken
        return count_up(state["step"]), product if product.requires_grad else float(product)

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        step, product = count
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        beta1, beta2 = group["betas"]
        decay = group["momentum_decay"]
        mu, following = _momentum(beta1, decay, step), _momentum(beta1, decay, step + 1)
        return (
            1 - beta1,
            beta2,
            1 - beta2,
            1 / (1 - beta2**step),
            group["eps"],
            lr * (1.0 - mu) / (1.0 - product),
            lr * following / (1.0 - product * following),
            1 - lr * weight_decay if group["decoupled_weight_decay"] else weight_decay,
        )

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, mean, square = tensors
        share1, beta2, share2, correction, eps, of_gradient, of_mean, decay = numbers
        decays, decoupled, maximize = options
        if decays and decoupled:
            p = xp.multiply(p, decay, p)
        g = effective_gradient(xp, t, u, p, g, decay, decays and not decoupled, maximize)
        mean = toward(xp, t, mean, g, share1)
        square = decayed_square(xp, t, square, g, beta2, share2)
        # The direction is taken first, while the gradient may stand in u.
        u = xp.multiply(g, of_gradient, u)
        t = xp.multiply(mean, of_mean, t)
        u = xp.add(u, t, u)
        t = xp.multiply(square, correction, t)
        t = xp.sqrt(t, t)
        t = xp.add(t, eps, t)
        t = xp.divide(u, t, t)
        p = xp.subtract(p, t, p)
        return p, mean, square


def _momentum(beta1: float, decay: float, step: float) -> float:
    """The momentum of a step, which rises towards beta1."""
    return float(beta1 * (1.0 - 0.5 * 0.96 ** (step * decay)))


def nadam(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    mu_products: Sequence[Any],
    state_steps: Sequence[Any],
    decoupled_weight_decay: bool = False,
    foreach: Any = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: Any,
    momentum_decay: Any,
    eps: Any,
) -> None:
    """`NAdam` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        exp_avgs: running means of the gradients.
        exp_avg_sqs: running means of their squares.
        mu_products: products of all momenta so far, as tensors.
        state_steps: how often each was stepped, as tensors.
        decoupled_weight_decay, foreach, capturable, differentiable,
            has_complex, maximize: as the optimizer's, or without effect.
        beta1, beta2, lr, weight_decay, momentum_decay, eps: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.nadam import nadam
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> nadam([w], [g], [a], [b], [torch.tensor(1.0)], [torch.tensor(0.0)],
        ...     beta1=0.9, beta2=0.999, lr=0.1, weight_decay=0, momentum_decay=4e-3, eps=1e-8)
        >>> bool(w < 1)
        True
    """
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay,
        "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
        "maximize": maximize, "differentiable": differentiable,
    }  # fmt: skip
    counts = []
    for product, steps in zip(mu_products, state_steps, strict=True):
        step = float(steps) + 1
        product.mul_(_momentum(beta1, momentum_decay, step))
        counts.append((step, float(product)))
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    stepped(NAdam, params, grads, lists, state_steps, group, counts)
