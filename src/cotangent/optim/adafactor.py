"""Adafactor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.modes import enable_grad, no_grad
from ..dtypes import finfo
from ..functions import tensor, zeros_like
from ..size import preserve_format
from ._options import check_one_element
from ._update import number
from .optimizer import Optimizer

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Divides the gradient by the root of its mean square, kept for matrices as means of rows and columns.

    Shazeer and Stern, 2018, https://arxiv.org/abs/1804.04235, algorithms 4 and 5, with PyTorch's changes: the
    learning rate is given, and the running mean starts at `t ** beta2_decay`.

    Args:
        params: tensors, pairs of name and tensor, or groups.
        lr: largest step length, relative to the size of the parameter.
        beta2_decay: exponent of the share of the newest square.
        eps: least mean square (None: the dtype's epsilon), and least size of a parameter.
        d: updates larger than this in root mean square are shortened to it.
        weight_decay: share by which `lr` of the parameter shrinks.
        foreach: accepted; there is one implementation.
        maximize: whether to climb.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adafactor([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_one_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

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
        if parameter.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if parameter.grad.is_sparse:
            raise RuntimeError("Adafactor does not support sparse gradients")
        gradient = -parameter.grad if group["maximize"] else parameter.grad
        state = self.state[parameter]
        if not state:
            _start(state, gradient)
        state["step"] += 1
        count = state["step"].item()
        newest = count ** group["beta2_decay"]
        lr = number(group["lr"])
        least_square, least_size = group["eps"]
        if least_square is None:
            least_square = finfo(parameter.dtype).eps
        size = max(least_size, (parameter.norm(2) / parameter.numel() ** 0.5).item())
        length = size * min(lr, 1 / count**0.5)
        if group["weight_decay"] != 0:
            parameter.mul_(1 - lr * group["weight_decay"])
        square = _mean_square(state, gradient, newest, least_square)
        update = square.clamp_(min=least_square**2).rsqrt_().mul_(gradient)
        rms = update.norm(2).item() / (update.numel() ** 0.5 * group["d"])
        parameter.add_(update, alpha=-length / max(1.0, rms))


def _start(state: dict[str, Any], gradient: Any) -> None:
    state["step"] = tensor(0.0)
    if gradient.dim() > 1:
        *rest, rows, columns = gradient.shape
        state["row_var"] = gradient.new_zeros((*rest, rows, 1))
        state["col_var"] = gradient.new_zeros((*rest, 1, columns))
    else:
        state["variance"] = zeros_like(gradient, memory_format=preserve_format)


def _mean_square(state: dict[str, Any], gradient: Any, newest: float, least: float) -> Any:
    """The running mean square of each element, after this gradient."""
    if gradient.dim() <= 1:
        return state["variance"].lerp_(gradient * gradient, newest).clone()
    for name, dim in (("row_var", -1), ("col_var", -2)):
        mean = gradient.norm(dim=dim, keepdim=True).square_().div_(gradient.size(dim))
        state[name].lerp_(mean, newest)
    rows = state["row_var"]
    return (rows @ state["col_var"]).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=least))
