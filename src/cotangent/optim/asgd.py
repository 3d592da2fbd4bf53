"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..functions import full, ones
from ._options import check_lr, check_not_negative
from ._stepping import Stepping, count_up, effective_gradient, hyper, step_dtype, stepped, toward
from ._update import number

__all__ = ["ASGD", "asgd"]


class ASGD(Stepping):
    """Gradient descent that keeps the average of the parameters (Polyak and Juditsky, 1992).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: first step length.
        lambd: decay of the parameters, times the step length.
        alpha: power with which the step length falls.
        t0: step at which averaging starts.
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
        >>> optimizer = torch.optim.ASGD([w], lr=0.25, lambd=0.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    _counters = ("step", "eta", "mu")

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return ("ax",)

    def _start_counters(self, state: dict[str, Any], group: dict[str, Any]) -> None:
        super()._start_counters(state, group)
        # Step length, and share of the newest parameters in the average, of the coming step.
        state["eta"] = full((), float(number(group["lr"])), dtype=step_dtype(group))
        state["mu"] = ones((), dtype=step_dtype(group))

    def _count(self, state: dict[str, Any]) -> Any:
        count_up(state["step"])
        return float(state["eta"]), float(state["mu"])

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        eta, mu = count
        return eta, mu, 1 - group["lambd"] * eta, *hyper(group, "weight_decay")

    def _step_group(self, group: dict[str, Any]) -> None:
        super()._step_group(group)
        for parameter in group["params"]:
            if parameter.grad is not None:
                state = self.state[parameter]
                _prepare(group, state["step"], state["eta"], state["mu"])

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, average = tensors
        eta, mu, shrinking, weight_decay = numbers
        g = effective_gradient(xp, t, u, p, g, weight_decay, *options)
        p = xp.multiply(p, shrinking, p)
        t = xp.multiply(g, eta, t)
        p = xp.subtract(p, t, p)
        return p, toward(xp, t, average, p, mu)


def _prepare(group: dict[str, Any], step: Any, eta: Any, mu: Any) -> None:
    """Write the step length, and the share of the newest parameters in the average, of the coming step."""
    lr, count = number(group["lr"]), float(step)
    eta.fill_(lr / (1 + group["lambd"] * lr * count) ** group["alpha"])
    mu.fill_(1 / max(1, count - group["t0"]))


def asgd(
    params: Sequence[Any],
    grads: Sequence[Any],
    axs: Sequence[Any],
    mus: Sequence[Any],
    etas: Sequence[Any],
    state_steps: Sequence[Any],
    foreach: Any = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: Any,
    lr: Any,
    t0: Any,
    alpha: Any,
    weight_decay: Any,
) -> None:
    """`ASGD` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        axs: averages of the parameters.
        mus: shares of the newest parameters in them, as tensors.
        etas: step lengths, as tensors.
        state_steps: how often each was stepped, as tensors.
        foreach, maximize, differentiable, capturable, has_complex: as the optimizer's, or without effect.
        lambd, lr, t0, alpha, weight_decay: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.asgd import asgd
        >>> w, g, ax = (torch.tensor([n]) for n in (1.0, 2.0, 0.0))
        >>> mu, eta, step = (torch.tensor(n) for n in (1.0, 0.25, 0.0))
        >>> asgd([w], [g], [ax], [mu], [eta], [step], lambd=0.0, lr=0.25, t0=0, alpha=0.75, weight_decay=0)
        >>> w
        tensor([0.5000])
    """
    group = {
        "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
        "maximize": maximize, "differentiable": differentiable,
    }  # fmt: skip
    counts = [(float(eta), float(mu)) for eta, mu in zip(etas, mus, strict=True)]
    stepped(ASGD, params, grads, {"ax": axs}, state_steps, group, counts)
    for each in zip(state_steps, etas, mus, strict=True):
        _prepare(group, *each)
