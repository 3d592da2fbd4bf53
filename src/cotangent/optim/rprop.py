"""Rprop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..functions import full_like
from ..tensor import Tensor
from ._options import as_scalar, check_lr
from ._stepping import Stepping, stepped

__all__ = ["Rprop", "rprop"]


class Rprop(Stepping):
    """Steps that only depend on the signs of gradients (Riedmiller and Braun, 1993).

    Each element has a step length of its own, which grows while the gradient keeps its sign and shrinks when
    the sign turns.

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: first step length.
        etas: factors by which it shrinks and grows.
        step_sizes: its bounds.
        capturable: accepted, without effect.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        differentiable: whether the step itself is recorded by autograd.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Rprop([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "prev", "step_size"

    def _start(self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        super()._start(parameter, state, group)
        lr = as_scalar(group["lr"])
        first = complex(lr, lr) if parameter.is_complex() else lr
        state["step_size"] = full_like(parameter, first)

    def _options(self, group: dict[str, Any]) -> tuple[Any, ...]:
        return (group["maximize"],)

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        smaller, larger = group["etas"]
        return (0.0, 1.0, larger - 1, 1 - smaller, *group["step_sizes"])

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, previous, length = tensors
        zero, one, growth, shrinking, shortest, longest = numbers
        (maximize,) = options
        # t is 1 where the sign stayed, -1 where it turned, 0 where a gradient is 0.
        t = xp.multiply(g, previous, t)
        if maximize:
            t = xp.negative(t, t)
        t = xp.sign(t, t)
        u = xp.maximum(t, zero, out=u)
        u = xp.multiply(u, growth, u)
        u = xp.add(u, one, u)
        length = xp.multiply(length, u, length)
        t = xp.minimum(t, zero, out=t)
        u = xp.multiply(t, shrinking, u)
        u = xp.add(u, one, u)
        length = xp.multiply(length, u, length)
        length = xp.maximum(length, shortest, out=length)
        length = xp.minimum(length, longest, out=length)
        # Where the sign turned, no step is made, and the next gradient counts as a first one.
        t = xp.add(t, one, t)
        previous = xp.multiply(g, t, previous)
        if maximize:
            previous = xp.negative(previous, previous)
        t = xp.sign(previous, t)
        t = xp.multiply(t, length, t)
        p = xp.subtract(p, t, p)
        return p, previous, length


def rprop(
    params: Sequence[Any],
    grads: Sequence[Any],
    prevs: Sequence[Any],
    step_sizes: Sequence[Any],
    state_steps: Sequence[Any],
    foreach: Any = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: Any,
    step_size_max: Any,
    etaminus: Any,
    etaplus: Any,
) -> None:
    """`Rprop` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        prevs: the gradients before.
        step_sizes: step lengths, one for each number.
        state_steps: how often each was stepped, as tensors.
        foreach, capturable, maximize, differentiable, has_complex: as the optimizer's, or without effect.
        step_size_min, step_size_max: bounds of the step lengths.
        etaminus, etaplus: factors by which they shrink and grow.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.rprop import rprop
        >>> w, g, before, length = (torch.tensor([n]) for n in (1.0, 2.0, 1.0, 0.5))
        >>> rprop([w], [g], [before], [length], [torch.tensor(1.0)],
        ...     step_size_min=1e-6, step_size_max=50, etaminus=0.5, etaplus=1.2)
        >>> w, length
        (tensor([0.4000]), tensor([0.6000]))
    """
    group = {
        "etas": (etaminus, etaplus), "step_sizes": (step_size_min, step_size_max), "maximize": maximize,
        "differentiable": differentiable,
    }  # fmt: skip
    stepped(Rprop, params, grads, {"prev": prevs, "step_size": step_sizes}, state_steps, group)
