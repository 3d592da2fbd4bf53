"""What optimizers share that run one rule over all parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..autograd.modes import enable_grad, modes
from ..config import get_default_dtype
from ..dtypes import float32, float64
from ..functions import tensor, zeros, zeros_like
from ..size import preserve_format
from ..tensor import Tensor
from ._options import check_fused
from ._update import number, update
from .optimizer import Optimizer, use_grad_for_differentiable

_ONE = np.ones((), np.float32)


class Stepping(Optimizer):
    """An optimizer with a rule.

    A subclass gives the rule, `_names` and `_numbers`, and whatever else it wants to differ.
    """

    # Options that files of earlier versions lack, and what to put there.
    _absent: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for option, value in self._absent.items():
                group.setdefault(option, value)
            for parameter in group["params"]:
                own = self.state.get(parameter) or {}
                for name in self._counters:
                    if name in own and not isinstance(own[name], Tensor):
                        # Files of early versions hold numbers.
                        own[name] = tensor(float(own[name]), dtype=step_dtype(group))

    # What is said of sparse gradients, where it is not the usual.
    _no_sparse: ClassVar[str] = ""

    # State that is a number, kept as a tensor.
    _counters: tuple[str, ...] = ("step",)

    @staticmethod
    def _rule(
        xp: Any, t: Any, u: Any, tensors: list[Any], numbers: list[Any], *options: Any
    ) -> Sequence[Any]:
        """The update; see `_update.update`."""
        raise NotImplementedError

    def _names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        """Names of the state the rule takes, in order; None where this group has none."""
        raise NotImplementedError

    def _numbers(self, group: dict[str, Any], count: Any) -> tuple[Any, ...]:
        """What the rule computes with, after `count` steps (with this one)."""
        raise NotImplementedError

    def _options(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """What else the rule depends on."""
        return group["weight_decay"] != 0, group["maximize"]

    def _start(self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Make the state of a parameter."""
        self._start_counters(state, group)
        for name in self._names(group):
            if name is not None:
                state[name] = zeros_like(parameter, memory_format=preserve_format)

    def _start_counters(self, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Make the part of it that is numbers."""
        state["step"] = zeros((), dtype=step_dtype(group))

    def _count(self, state: dict[str, Any]) -> Any:
        """Count the step; what is given back tells apart which parameters need other numbers."""
        return count_up(state["step"])

    def _step_sparse(self, parameter: Tensor, gradient: Any, group: dict[str, Any]) -> None:
        """Update a parameter whose gradient is sparse; refused where there is no rule for it."""
        raise RuntimeError(self._no_sparse or f"{type(self).__name__} does not support sparse gradients")

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
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        work = []
        names = self._names(group)
        # Parameters that were stepped equally often share their numbers.
        known: dict[Any, tuple[Any, ...]] = {}
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            if gradient.is_sparse:
                self._step_sparse(parameter, gradient, group)
                continue
            state = self.state[parameter]
            if not state:
                if group.get("fused"):
                    check_fused(parameter)
                self._start(parameter, state, group)
            count = self._count(state)
            numbers = None if isinstance(count, Tensor) else known.get(count)
            if numbers is None:
                numbers = self._numbers(group, count)
                if not isinstance(count, Tensor):
                    known[count] = numbers
            tensors = (parameter, gradient, *(None if name is None else state[name] for name in names))
            work.append((tensors, numbers))
        update(self._rule, work, self._options(group), recorded=group["differentiable"], as_real=True)


def stepped(
    kind: type[Stepping],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    lists: dict[str, Sequence[Any]],
    steps: Sequence[Tensor],
    group: dict[str, Any],
    counts: Sequence[Any] | None = None,
) -> None:
    """One step of an optimizer's rule over lists, as PyTorch's functional forms take them.

    Args:
        kind: the optimizer.
        params: the parameters.
        grads: their gradients.
        lists: the state, a list for each of its names; empty where the rule does without.
        steps: how often each was stepped before, counted up.
        group: the options.
        counts: what the rule's numbers follow from, if not from how often was stepped.
    """
    rule = object.__new__(kind)
    names = rule._names(group)
    work = []
    for k, (parameter, gradient) in enumerate(zip(params, grads, strict=True)):
        state = [None if name is None else lists[name][k] for name in names]
        count = count_up(steps[k])
        numbers = rule._numbers(group, count if counts is None else counts[k])
        work.append(((parameter, gradient, *state), numbers))
    recorded = group["differentiable"]
    update(rule._rule, work, rule._options(group), recorded=recorded, as_real=True)


def step_dtype(group: dict[str, Any]) -> Any:
    """The dtype of step counts: float32, or float64 if that is the default dtype.

    Args:
        group: the group of the parameter.

    Returns:
        The dtype.
    """
    return float64 if get_default_dtype() is float64 and not group.get("fused") else float32


def count_up(step: Any) -> Any:
    """Count a step.

    Args:
        step: the step count, a tensor, which is changed.

    Returns:
        The new count: as a number, or as a tensor while tracing.
    """
    data = step._data
    if data.__class__ is not np.ndarray:
        step += 1
        return step if modes.tracer is None else step.item()
    np.add(data, _ONE, data)
    return float(data)


def hyper(group: dict[str, Any], *names: str) -> list[Any]:
    """Options of a group as numbers; as they are, if the step is recorded.

    Args:
        group: the group.
        *names: the options.

    Returns:
        Their values.
    """
    if group["differentiable"]:
        return [group[name] for name in names]
    return [number(group[name]) for name in names]


def effective_gradient(
    xp: Any, t: Any, u: Any, p: Any, g: Any, weight_decay: Any, decays: bool, maximize: bool
) -> Any:
    """The gradient with its sign and its weight decay, as most rules begin.

    Args:
        xp: the operations.
        t: to work in.
        u: for the result.
        p: the parameter.
        g: the gradient.
        weight_decay: multiple of the parameter that is added.
        decays: whether there is any.
        maximize: whether to turn the sign.

    Returns:
        The gradient to go on with.
    """
    if maximize:
        g = xp.negative(g, u)
    if decays:
        t = xp.multiply(p, weight_decay, t)
        g = xp.add(g, t, u)
    return g


def toward(xp: Any, t: Any, mean: Any, value: Any, share: Any) -> Any:
    """Move a running mean by a share of the way to a value.

    Args:
        xp: the operations.
        t: to work in.
        mean: the running mean, which is changed.
        value: the value.
        share: the share.

    Returns:
        The new mean.
    """
    t = xp.subtract(value, mean, t)
    t = xp.multiply(t, share, t)
    return xp.add(mean, t, mean)


def decayed_square(xp: Any, t: Any, square: Any, value: Any, kept: Any, share: Any) -> Any:
    """Decay a running mean of squares, and add a share of a new one.

    Args:
        xp: the operations.
        t: to work in.
        square: the running mean, which is changed.
        value: what is squared.
        kept: share of the mean that is kept.
        share: share of the new square.

    Returns:
        The new mean.
    """
    square = xp.multiply(square, kept, square)
    t = xp.multiply(value, value, t)
    t = xp.multiply(t, share, t)
    return xp.add(square, t, square)
