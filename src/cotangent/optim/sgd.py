"""Stochastic gradient descent, plain or with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ..functions import empty_like
from ..tensor import Tensor
from ._options import check_fused, check_one_element, refuse_fused_with
from ._stepping import Stepping, effective_gradient
from ._update import number, update

__all__ = ["SGD", "sgd"]


class SGD(Stepping):
    """Stochastic gradient descent.

    The velocity starts as the first gradient; then `velocity = momentum * velocity + (1 - dampening) *
    gradient`, and `parameter -= lr * velocity`. Nesterov's form steps along `gradient + momentum *
    velocity` (Sutskever et al., 2013).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        momentum: share of the velocity that is kept.
        dampening: share of the gradient that does not go into the velocity.
        weight_decay: multiple of the parameter that is added to the gradient.
        nesterov: whether to look ahead along the velocity.
        maximize: whether to climb.
        foreach: accepted; there is one implementation.
        differentiable: whether the step itself is recorded by autograd.
        fused: accepted; there is one implementation.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element(lr)
        # Not as in the other optimizers: NaN passes.
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        if fused:
            refuse_fused_with(differentiable, foreach)

    _absent: ClassVar[dict[str, Any]] = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def _step_group(self, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        numbers = (group["lr"], momentum, 1 - group["dampening"], group["weight_decay"])
        going: list[Any] = []
        first: list[Any] = []
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            if group["fused"]:
                check_fused(parameter)
            if gradient.is_sparse:
                self._step_sparse(parameter, gradient, group)
                continue
            velocity = None
            work = going
            if momentum != 0:
                state = self.state[parameter]
                velocity = state.get("momentum_buffer")
                if velocity is None:
                    velocity = state["momentum_buffer"] = empty_like(gradient)
                    work = first
            work.append(((parameter, gradient, velocity), numbers))
        flags = (group["weight_decay"] != 0, group["nesterov"], group["maximize"])
        for work, is_first in ((going, False), (first, True)):
            if work:
                update(self._rule, work, (is_first, *flags), recorded=group["differentiable"])

    def _step_sparse(self, parameter: Tensor, gradient: Any, group: dict[str, Any]) -> None:
        """Update a parameter whose gradient is sparse: only the rows that it names move."""
        momentum = group["momentum"]
        g = -gradient if group["maximize"] else gradient
        if group["weight_decay"] != 0:
            g = g.add(parameter, alpha=group["weight_decay"])  # refused, as in PyTorch
        if momentum != 0:
            state = self.state[parameter]
            kept = state.get("momentum_buffer")
            velocity = g.clone() if kept is None else kept * momentum + g * (1 - group["dampening"])
            state["momentum_buffer"] = velocity
            g = g.add(velocity, alpha=momentum) if group["nesterov"] else velocity
        parameter.add_(g, alpha=-number(group["lr"]))

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, velocity = tensors
        lr, momentum, share, weight_decay = numbers
        first, decays, nesterov, maximize = options
        if decays or maximize:
            g = effective_gradient(xp, t, u, p, g, weight_decay, decays, maximize)
        if velocity is not None:
            if first:
                velocity = xp.positive(g, velocity)
            else:
                velocity = xp.multiply(velocity, momentum, velocity)
                t = xp.multiply(g, share, t)
                velocity = xp.add(velocity, t, velocity)
            if nesterov:
                t = xp.multiply(velocity, momentum, t)
                g = xp.add(g, t, u)
            else:
                g = velocity
        t = xp.multiply(g, lr, t)
        p = xp.subtract(p, t, p)
        return p, velocity


def sgd(
    params: Sequence[Any],
    d_p_list: Sequence[Any],
    momentum_buffer_list: list[Any],
    has_sparse_grad: bool = False,
    foreach: Any = None,
    fused: Any = None,
    grad_scale: Any = None,
    found_inf: Any = None,
    *,
    weight_decay: Any,
    momentum: Any,
    lr: Any,
    dampening: Any,
    nesterov: bool,
    maximize: bool,
) -> None:
    """`SGD` as a function of lists, which are changed.

    Args:
        params: the parameters.
        d_p_list: their gradients.
        momentum_buffer_list: velocities, None before the first step.
        has_sparse_grad, foreach, fused, grad_scale, found_inf: without effect.
        weight_decay, momentum, lr, dampening, nesterov, maximize: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.sgd import sgd
        >>> w, velocities = torch.tensor([1.0]), [None]
        >>> sgd([w], [torch.tensor([2.0])], velocities, weight_decay=0, momentum=0.9, lr=0.25, dampening=0,
        ...     nesterov=False, maximize=False)
        >>> w, velocities
        (tensor([0.5000]), [tensor([2.])])
    """
    numbers = (lr, momentum, 1 - dampening, weight_decay)
    for k, (parameter, gradient) in enumerate(zip(params, d_p_list, strict=True)):
        velocity = momentum_buffer_list[k] if momentum != 0 else None
        is_first = momentum != 0 and velocity is None
        if is_first:
            velocity = momentum_buffer_list[k] = empty_like(gradient)
        flags = (is_first, weight_decay != 0, nesterov, maximize)
        update(SGD._rule, [((parameter, gradient, velocity), numbers)], flags)
