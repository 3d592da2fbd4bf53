"""SparseAdam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.modes import enable_grad, no_grad
from ..functions import zeros_like
from ..ops.sparse import with_values_of
from ..size import preserve_format
from ._update import number
from .optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients: only the rows that a gradient names move, and only their means are updated.

    Args:
        params: dense tensors, pairs of name and tensor, or groups.
        lr: step length.
        betas: shares of the two running means that are kept.
        eps: added to the root.
        maximize: whether to climb.

    Raises:
        ValueError: if a number is out of range, or a parameter is sparse.

    Example:
        >>> import cotangent as torch
        >>> table = torch.nn.Embedding(3, 1, sparse=True, _weight=torch.zeros(3, 1))
        >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.5)
        >>> table(torch.tensor([1])).sum().backward()
        >>> optimizer.step()
        >>> table.weight.detach().flatten()
        tensor([ 0.0000, -0.5000,  0.0000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        super().__init__(params, defaults)
        sparse = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, parameter in enumerate(group["params"])
            if parameter.is_sparse
        ]
        if sparse:
            raise ValueError(
                f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors"
            )

    @no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss, if there is a closure.

        Raises:
            RuntimeError: if a gradient is dense.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if not parameter.grad.is_sparse:
                    raise RuntimeError(
                        "SparseAdam does not support dense gradients, please consider Adam instead"
                    )
                self._update(parameter, group)
        return loss

    def _update(self, parameter: Any, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = zeros_like(parameter, memory_format=preserve_format)
        state["step"] += 1
        g = (-parameter.grad if group["maximize"] else parameter.grad).coalesce()
        values = g.values()
        if not values.numel():
            return
        moments = []
        for name, beta, news in zip(("exp_avg", "exp_avg_sq"), group["betas"], (values, values.square())):
            old = state[name].sparse_mask(g).values()
            change = (news - old) * (1 - beta)
            state[name].add_(with_values_of(g, change))
            moments.append(old + change)
        corrections = [1 - beta ** state["step"] for beta in group["betas"]]
        # A learning rate that is a tensor is multiplied in its own dtype.
        length = number(group["lr"] * math.sqrt(corrections[1]) / corrections[0])
        root = moments[1].sqrt_().add_(group["eps"])
        parameter.add_(with_values_of(g, moments[0].div_(root)), alpha=-length)
