"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd.base import bump
from ..autograd.modes import enable_grad, no_grad
from ..autograd.where import here
from ..functions import from_numpy
from ..tensor import Tensor
from ._line_search import strong_wolfe
from ._options import check_lr
from ._update import number
from .optimizer import Optimizer

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """A quasi-Newton method that remembers some last steps (Liu and Nocedal, 1989).

    Each `step` needs a closure and makes up to `max_iter` iterations. All parameters form one group.

    Args:
        params: tensors, pairs of name and tensor, or one group.
        lr: step length, as a share of the quasi-Newton step.
        max_iter: number of iterations in a step.
        max_eval: number of calls of the closure in a step; `max_iter * 1.25` if not given.
        tolerance_grad: largest gradient at which to stop.
        tolerance_change: change of loss or parameters at which to stop.
        history_size: number of steps remembered.
        line_search_fn: "strong_wolfe" or None.

    Raises:
        ValueError: if a number is out of range or there are several groups.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([3.0], requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> _ = optimizer.step(closure)
        >>> w.detach()
        tensor([1.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gather(self) -> Any:
        """All gradients as one real vector."""
        parts = []
        for parameter in self._params:
            gradient = parameter.grad
            data = np.zeros_like(parameter._data) if gradient is None else gradient.to_dense()._data
            parts.append(_flat(np.ascontiguousarray(data)))
        return np.concatenate(parts)

    def _move(self, t: Any, direction: Any) -> None:
        """Add a multiple of a direction to the parameters."""
        start = 0
        for parameter in self._params:
            data = parameter._data
            size = data.size * (2 if data.dtype.kind == "c" else 1)
            step = direction[start : start + size] * np.asarray(t, direction.dtype)
            data += (
                step.view(data.dtype).reshape(data.shape)
                if data.dtype.kind == "c"
                else step.reshape(data.shape)
            )
            bump(parameter, *here())
            start += size

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to `max_iter` iterations.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss at the beginning.
        """
        if len(self.param_groups) != 1:
            raise AssertionError(f"Expected exactly one param_group, but got {len(self.param_groups)}")
        with no_grad():
            return self._iterate(enable_grad()(closure))

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, search = number(group["lr"]), group["line_search_fn"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gather()
        converged = np.abs(gradient).max() <= tolerance_grad
        if converged:
            return first_loss
        memory = _Memory(state, group["history_size"])
        t, previous_loss = state.get("t"), state.get("prev_loss")
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            very_first = state["n_iter"] == 1
            direction = memory.direction(gradient, t, very_first)
            memory.gradient = gradient.copy()
            previous_loss = loss
            t = min(1.0, 1.0 / np.abs(gradient).sum()) * lr if very_first else lr
            slope = gradient.dot(direction)
            if slope > -tolerance_change:
                break
            asked = 0
            last = iteration == group["max_iter"]
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                loss, gradient, t, asked = strong_wolfe(
                    self._along(closure, direction),
                    t,
                    direction,
                    loss,
                    gradient.copy(),
                    slope,
                    max_evaluations=group["max_eval"] - evaluations,
                )
                self._move(t, direction)
                converged = np.abs(gradient).max() <= tolerance_grad
            else:
                self._move(t, direction)
                # After the last iteration nobody asks for the loss any more.
                if not last:
                    loss = float(closure())
                    gradient = self._gather()
                    converged = np.abs(gradient).max() <= tolerance_grad
                    asked = 1
            evaluations += asked
            state["func_evals"] += asked
            if (
                last
                or evaluations >= group["max_eval"]
                or converged
                or np.abs(direction * t).max() <= tolerance_change
                or abs(loss - previous_loss) < tolerance_change
            ):
                break
        memory.save(state)
        state["t"] = t
        state["prev_loss"] = previous_loss
        return first_loss

    def _along(self, closure: Callable[[], Any], direction: Any) -> Callable[[Any], tuple[float, Any]]:
        """Loss and gradient at a step length from where the parameters are now."""
        origin = [parameter._data.copy() for parameter in self._params]

        def objective(t: Any) -> tuple[float, Any]:
            self._move(t, direction)
            loss = float(closure())
            gradient = self._gather()
            for parameter, data in zip(self._params, origin):
                parameter._data[...] = data
                bump(parameter, *here())
            return loss, gradient

        return objective


def _flat(array: Any) -> Any:
    flat = array.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


class _Memory:
    """The last steps and changes of the gradient, from which the inverse Hessian is estimated."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        last, gradient = state.get("d"), state.get("prev_flat_grad")
        self.last = None if last is None else last._data
        # Changes of the gradient, of the parameters, and the inverses of their products.
        self.changes = [x._data for x in state.get("old_dirs") or ()]
        self.steps = [x._data for x in state.get("old_stps") or ()]
        self.inverses = [x._data[()] for x in state.get("ro") or ()]
        scale = state.get("H_diag")
        self.scale: Any = scale._data[()] if isinstance(scale, Tensor) else scale
        self.gradient: Any = None if gradient is None else gradient._data

    def save(self, state: dict[str, Any]) -> None:
        """Put everything back as tensors, in PyTorch's form."""
        state["d"] = from_numpy(self.last)
        state["old_dirs"] = [from_numpy(x) for x in self.changes]
        state["old_stps"] = [from_numpy(x) for x in self.steps]
        state["ro"] = [from_numpy(np.asarray(x)) for x in self.inverses]
        state["H_diag"] = self.scale if isinstance(self.scale, int) else from_numpy(np.asarray(self.scale))
        state["prev_flat_grad"] = from_numpy(self.gradient)

    def direction(self, gradient: Any, t: Any, very_first: bool) -> Any:
        """Remember the last step; then the negative gradient times the estimate (two-loop recursion).

        Algorithm 7.4 of Nocedal and Wright, Numerical Optimization, 2006.
        """
        if very_first:
            self.changes, self.steps, self.inverses, self.scale = [], [], [], 1
            self.last = -gradient
            return self.last
        change = gradient - self.gradient
        step = self.last * np.asarray(t, gradient.dtype)
        product = change.dot(step)
        if product > 1e-10:
            # Otherwise the curvature is not positive, and the pair would spoil the estimate.
            if len(self.changes) == self.size:
                for remembered in (self.changes, self.steps, self.inverses):
                    remembered.pop(0)
            self.changes.append(change)
            self.steps.append(step)
            self.inverses.append(1.0 / product)
            self.scale = product / change.dot(change)
        q = -gradient
        shares = []
        for y, s, inverse in zip(reversed(self.changes), reversed(self.steps), reversed(self.inverses)):
            share = s.dot(q) * inverse
            q -= share * y
            shares.append(share)
        q *= self.scale
        for y, s, inverse, share in zip(self.changes, self.steps, self.inverses, reversed(shares)):
            q += (share - y.dot(q) * inverse) * s
        self.last = q
        return q
