"""Adam, with and without decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ..tensor import Tensor
from ._options import as_scalar, check_betas, check_not_negative, refuse_fused_with
from ._stepping import Stepping, decayed_square, effective_gradient, hyper, stepped, toward
from ._update import number

__all__ = ["Adam", "adam"]


class Adam(Stepping):
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
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        _check_tensor_betas(betas, foreach, capturable)
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

    _absent: ClassVar[dict[str, Any]] = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    _no_sparse = "Adam does not support sparse gradients, please consider SparseAdam instead"

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return "exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else None

    def _options(self, group: dict[str, Any]) -> tuple[Any, ...]:
        return group["weight_decay"] != 0, group["decoupled_weight_decay"], group["maximize"]

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        # The correction of the mean square is taken out of the root, which saves a pass over memory:
        # lr / c1 * m / (sqrt(v / c2) + eps) = lr * sqrt(c2) / c1 * m / (sqrt(v) + eps * sqrt(c2)).
        lr, weight_decay = hyper(group, "lr", "weight_decay")
        beta1, beta2 = group["betas"]
        if not group["differentiable"]:
            beta1, beta2 = number(beta1), number(beta2)
        root = (1 - beta2**count) ** 0.5
        return (
            1 - beta1,
            beta2,
            1 - beta2,
            group["eps"] * root,
            lr * root / (1 - beta1**count),
            1 - lr * weight_decay if group["decoupled_weight_decay"] else weight_decay,
        )

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        p, g, mean, square, peak = tensors
        share1, beta2, share2, eps, lr, decay = numbers
        decays, decoupled, maximize = options
        if decays and decoupled:
            p = xp.multiply(p, decay, p)
        g = effective_gradient(xp, t, u, p, g, decay, decays and not decoupled, maximize)
        mean = toward(xp, t, mean, g, share1)
        square = decayed_square(xp, t, square, g, beta2, share2)
        root = square
        if peak is not None:
            root = peak = xp.maximum(peak, square, out=peak)
        t = xp.sqrt(root, t)
        t = xp.add(t, eps, t)
        t = xp.divide(mean, t, t)
        t = xp.multiply(t, lr, t)
        p = xp.subtract(p, t, p)
        return p, mean, square, peak


def _check_tensor_betas(betas: Any, foreach: bool | None, capturable: bool) -> None:
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


def adam(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any],
    state_steps: Sequence[Any],
    foreach: Any = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: Any = None,
    grad_scale: Any = None,
    found_inf: Any = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: Any,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: Any,
    eps: Any,
    maximize: Any,
) -> None:
    """`Adam` as a function of lists, which are changed.

    Args:
        params: the parameters.
        grads: their gradients.
        exp_avgs: running means of the gradients.
        exp_avg_sqs: running means of their squares.
        max_exp_avg_sqs: the largest of these, if `amsgrad`.
        state_steps: how often each was stepped, as tensors.
        foreach, capturable, differentiable, fused,
            grad_scale, found_inf, has_complex, decoupled_weight_decay: as the optimizer's, or without effect.
        amsgrad, beta1, beta2, lr, weight_decay, eps, maximize: as the optimizer's.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.adam import adam
        >>> w, g, a, b = (torch.tensor([n]) for n in (1.0, 2.0, 0.0, 0.0))
        >>> adam([w], [g], [a], [b], [], [torch.tensor(0.0)],
        ...     amsgrad=False, beta1=0.9, beta2=0.999,
        ...     lr=0.5, weight_decay=0, eps=1e-8, maximize=False)
        >>> w
        tensor([0.5000])
    """
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
        "maximize": maximize, "differentiable": differentiable,
        "decoupled_weight_decay": decoupled_weight_decay,
    }  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "max_exp_avg_sq": max_exp_avg_sqs}
    stepped(Adam, params, grads, lists, state_steps, group)
