"""Adam, with and without decoupled weight decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd.base import cell_of
from ..autograd.modes import enable_grad
from ..config import get_default_dtype
from ..dtypes import float32, float64
from ..functions import tensor as make_tensor
from ..functions import zeros, zeros_like
from ..size import preserve_format
from ..tensor import Tensor
from ._options import as_scalar, check_fused, refuse_fused_with
from ._update import number, update
from .optimizer import Optimizer, use_grad_for_differentiable

__all__ = ["Adam"]


class Adam(Optimizer):
    """Steps along the running mean of the gradient, divided by the root of its running mean square.

    Kingma and Ba, 2014; both means are corrected for having started at 0.

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: shares of the two running means that are kept.
        eps: added to the root.
        weight_decay: multiple of the parameter that is added to the gradient.
        amsgrad: whether to divide by the largest mean square so far (Reddi et al., 2018).
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        capturable: accepted, without effect.
        differentiable: whether the step itself is recorded by autograd.
        fused: accepted; there is one implementation.
        decoupled_weight_decay: whether to shrink the parameter itself instead, as AdamW.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adam([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-3,
        betas: tuple[float | Any, float | Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor):
            if foreach and not capturable:
                raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
            if lr.numel() != 1:
                raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in range(2):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        _check_betas(betas, foreach, capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(as_scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        if fused:
            refuse_fused_with(differentiable, foreach)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for parameter in group["params"]:
                own = self.state.get(parameter)
                if own and not isinstance(own["step"], Tensor):
                    # Files of early versions hold a number.
                    own["step"] = make_tensor(float(own["step"]), dtype=_step_dtype(group))

    @use_grad_for_differentiable
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss, if there is a closure.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            work = []
            amsgrad = group["amsgrad"]
            # Parameters that were stepped equally often share their numbers.
            numbers: dict[float, tuple[Any, ...]] = {}
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if not state:
                    self._start(parameter, state, group)
                count = _count(state["step"])
                if not isinstance(count, float):
                    values = _numbers(group, count)
                elif count in numbers:
                    values = numbers[count]
                else:
                    values = numbers[count] = _numbers(group, count)
                tensors = (
                    parameter,
                    gradient,
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    state["max_exp_avg_sq"] if amsgrad else None,
                )
                work.append((tensors, values))
            options = (
                group["weight_decay"] != 0,
                group["decoupled_weight_decay"],
                group["maximize"],
            )
            update(_rule, work, options, recorded=group["differentiable"], as_real=True)
        return loss

    def _start(self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["fused"]:
            check_fused(parameter)
        state["step"] = zeros((), dtype=_step_dtype(group))
        names = ["exp_avg", "exp_avg_sq"]
        if group["amsgrad"]:
            names.append("max_exp_avg_sq")
        for name in names:
            state[name] = zeros_like(parameter, memory_format=preserve_format)


def _check_betas(betas: Any, foreach: bool | None, capturable: bool) -> None:
    if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor):
            if foreach and not capturable:
                raise ValueError(
                    f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
                )
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")


def _step_dtype(group: dict[str, Any]) -> Any:
    return float64 if get_default_dtype() is float64 and not group["fused"] else float32


_ONE = np.ones((), np.float32)


def _count(step: Any) -> Any:
    """Count a step up and give it back; as a number, unless it is being traced."""
    data = step._data
    if data.__class__ is not np.ndarray:
        step += 1
        return step
    np.add(data, _ONE, data)
    cell_of(step)[0] += 1
    return float(data)


def _numbers(group: dict[str, Any], count: Any) -> tuple[Any, ...]:
    """What the rule multiplies by in this step, after `count` steps with this one.

    The correction of the mean square is taken out of the root, which saves a pass over memory:
    lr / c1 * m / (sqrt(v / c2) + eps) = lr * sqrt(c2) / c1 * m / (sqrt(v) + eps * sqrt(c2)).
    """
    lr, (beta1, beta2), weight_decay = group["lr"], group["betas"], group["weight_decay"]
    if not group["differentiable"]:
        lr, beta1, beta2, weight_decay = number(lr), number(beta1), number(beta2), number(weight_decay)
    root = (1 - beta2**count) ** 0.5
    return (
        1 - beta1,
        beta2,
        1 - beta2,
        group["eps"] * root,
        lr * root / (1 - beta1**count),
        1 - lr * weight_decay if group["decoupled_weight_decay"] else weight_decay,
    )


def _rule(
    xp: Any,
    t: Any,
    u: Any,
    tensors: list[Any],
    numbers: list[Any],
    decays: bool,
    decoupled: bool,
    maximize: bool,
) -> tuple[Any, ...]:
    p, g, mean, square, peak = tensors
    share1, beta2, share2, eps, lr, decay = numbers
    if maximize:
        g = xp.negative(g, u)
    if decays:
        if decoupled:
            p = xp.multiply(p, decay, p)
        else:
            t = xp.multiply(p, decay, t)
            g = xp.add(g, t, u)
    t = xp.subtract(g, mean, t)
    t = xp.multiply(t, share1, t)
    mean = xp.add(mean, t, mean)
    square = xp.multiply(square, beta2, square)
    t = xp.multiply(g, g, t)
    t = xp.multiply(t, share2, t)
    square = xp.add(square, t, square)
    root = square
    if peak is not None:
        root = peak = xp.maximum(peak, square, out=peak)
    t = xp.sqrt(root, t)
    t = xp.add(t, eps, t)
    t = xp.divide(mean, t, t)
    t = xp.multiply(t, lr, t)
    p = xp.subtract(p, t, p)
    return p, mean, square, peak
