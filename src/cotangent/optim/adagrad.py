"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ..functions import full_like
from ..ops.sparse import told_unchecked, with_values_of
from ..size import preserve_format
from ..tensor import Tensor
from ._options import check_lr, check_not_negative, refuse_fused_with
from ._stepping import Stepping, effective_gradient, hyper, stepped

__all__ = ["Adagrad", "adagrad"]


class Adagrad(Stepping):
    """Steps along the gradient, divided by the root of the sum of its squares (Duchi et al., 2011).

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: step length.
        lr_decay: with `n` steps made, the step length is `lr / (1 + n * lr_decay)`.
        weight_decay: multiple of the parameter that is added to the gradient.
        initial_accumulator_value: what the sum starts with.
        eps: added to the root.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.
        differentiable: whether the step itself is recorded by autograd.
        fused: accepted; there is one implementation.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adagrad([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        if fused:
            refuse_fused_with(differentiable, foreach)
        # The state is there before the first step, so that it can be shared between processes.
        for group in self.param_groups:
            for parameter in group["params"]:
                self._start(parameter, self.state[parameter], group)

    _absent: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "fused": None,
    }

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return ("sum",)

    def _start(self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        first = self.defaults["initial_accumulator_value"]
        self._start_counters(state, group)
        parameter.dim()  # a parameter without a size refuses here, before there is a sum of the wrong one
        state["sum"] = full_like(
            parameter,
            complex(first, first) if parameter.is_complex() else first,
            memory_format=preserve_format,
        )

    def _step_sparse(self, parameter: Tensor, gradient: Any, group: dict[str, Any]) -> None:
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        state = self.state[parameter]
        lr, eps, _ = self._numbers(group, self._count(state))
        g = (-gradient if group["maximize"] else gradient).coalesce()
        told_unchecked()  # PyTorch's makes its update with `sparse_coo_tensor`
        state["sum"].add_(g.pow(2))
        root = state["sum"].sparse_mask(g).values().sqrt_().add_(eps)
        parameter.add_(with_values_of(g, g.values() / root), alpha=-lr)

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        return lr / (1 + (count - 1) * group["lr_decay"]), group["eps"], weight_decay

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, total = tensors
        lr, eps, weight_decay = numbers
        g = effective_gradient(xp, t, u, p, g, weight_decay, *options)
        t = xp.multiply(g, g, t)
        total = xp.add(total, t, total)
        t = xp.sqrt(total, t)
        t = xp.add(t, eps, t)
        t = xp.divide(g, t, t)
        t = xp.multiply(t, lr, t)
        p = xp.subtract(p, t, p)
        return p, total


def adagrad(
    params: Sequence[Any],
    grads: Sequence[Any],
    state_sums: Sequence[Any],
    state_steps: Sequence[Any],
    fused: Any = None,
    grad_scale: Any = None,
    found_inf: Any = None,
    has_sparse_grad: bool = False,
    foreach: Any = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    weight_decay: Any,
    lr_decay: Any,
    eps: Any,
    maximize: Any,
) -> None:
    """`Adagrad` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        state_sums: sums of the squares of the gradients.
        state_steps: how often each was stepped, as tensors.
        fused, grad_scale, found_inf,
            has_sparse_grad, foreach, differentiable, has_complex: as the optimizer's, or without effect.
        lr, weight_decay, lr_decay, eps, maximize: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.adagrad import adagrad
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> adagrad([w], [g], [a], [torch.tensor(0.0)],
        ...     lr=0.5, weight_decay=0, lr_decay=0, eps=1e-10,
        ...     maximize=False)
        >>> w
        tensor([0.5000])
    """
    group = {
        "lr": lr,
        "weight_decay": weight_decay,
        "lr_decay": lr_decay,
        "eps": eps,
        "maximize": maximize,
        "differentiable": differentiable,
    }
    lists = {"sum": state_sums}
    stepped(Adagrad, params, grads, lists, state_steps, group)
