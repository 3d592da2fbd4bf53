"""Muon."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.modes import enable_grad, no_grad
from ..functions import addmm, zeros_like
from ..size import preserve_format
from ._options import check_one_element
from ._update import number
from .optimizer import Optimizer

__all__ = ["Muon"]

_LONGEST = 100


class Muon(Optimizer):
    """Steps along the nearly orthogonal matrix closest to the momentum; for the matrices of a network.

    Jordan, https://kellerjordan.github.io/posts/muon: the momentum is orthogonalised by a few Newton-Schulz
    steps in bfloat16.

    Args:
        params: matrices, pairs of name and matrix, or groups.
        lr: step length.
        weight_decay: share by which `lr` of the parameter shrinks.
        momentum: share of the momentum that is kept.
        nesterov: whether to look ahead along the momentum.
        ns_coefficients: the three coefficients of the iteration.
        eps: least norm that the matrix is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: how `lr` depends on the shape: "original" (the default) or "match_rms_adamw".

    Raises:
        ValueError: if a number is out of range, or a parameter is no matrix.

    Example:
        >>> import cotangent as torch
        >>> w = torch.eye(2).requires_grad_()
        >>> optimizer = torch.optim.Muon([w], lr=0.1, weight_decay=0.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> bool((w.detach().diagonal() < 1).all())
        True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_one_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size:"
                        f" {parameter.size()}"
                    )

    @no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss, if there is a closure.

        Raises:
            RuntimeError: for complex parameters and sparse gradients.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Any, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        if parameter.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if gradient.is_sparse:
            raise RuntimeError("Muon does not support sparse gradients")
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros_like(gradient, memory_format=preserve_format)
        kept = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        along = gradient.lerp(kept, group["momentum"]) if group["nesterov"] else kept
        step = _orthogonalised(along, group["ns_coefficients"], group["ns_steps"], group["eps"])
        # A learning rate that is a tensor is multiplied in its own dtype.
        parameter.mul_(number(1 - group["lr"] * group["weight_decay"]))
        length = group["lr"] * _adjustment(group["adjust_lr_fn"], parameter.shape)
        parameter.add_(step, alpha=-number(length))


def _orthogonalised(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """The singular values of a matrix brought near 1, by Newton-Schulz steps of degree five."""
    if steps >= _LONGEST:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16()
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = addmm(x, addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _adjustment(name: str | None, shape: Any) -> float:
    rows, columns = shape[:2]
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
