"""Schedules that go up and down, and let the momentum go the other way (Smith, 2015 and 2018)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, function_state, per_group, set_group_value

__all__ = ["CyclicLR", "OneCycleLR"]


def _triangular(x: float) -> float:
    return 1.0


def _halved(x: float) -> float:
    return float(1 / 2.0 ** (x - 1))


def _power(gamma: float, x: float) -> float:
    return float(gamma**x)


class _WithMomentum(LRScheduler):
    """A schedule that may set the momentum, too; Adam's first beta counts as one."""

    def _start_momentum(self, optimizer: Optimizer, base: Any, highest: Any, last_epoch: int) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        if last_epoch == -1:
            for group, low, high in zip(optimizer.param_groups, base, highest):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low

    def _set_momentum(self, group: dict[str, Any], momentum: Any) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """Goes evenly up to a highest value and down again, over and over.

    Args:
        optimizer: whose learning rates are set.
        base_lr: the lowest value, or a list of one for each group.
        max_lr: the highest value, or a list of one for each group.
        step_size_up: number of steps up.
        step_size_down: number of steps down; as many if not given.
        mode: "triangular", "triangular2" (half as high with each cycle) or "exp_range" (lower with each
            step by `gamma`).
        gamma: factor of "exp_range".
        scale_fn: scales the height, instead of a mode.
        scale_mode: whether it takes the number of the "cycle" or of the step ("iterations").
        cycle_momentum: whether the momentum goes the other way.
        base_momentum: lowest momentum, or a list of one for each group.
        max_momentum: highest momentum, or a list of one for each group.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        TypeError: if `optimizer` is none.
        ValueError: if the mode is unknown or the optimizer has no momentum.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> schedule = torch.optim.lr_scheduler.CyclicLR(sgd, base_lr=1.0, max_lr=3.0, step_size_up=2)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        2.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs):
                set_group_value(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self._choose_scale()
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
            self._start_momentum(optimizer, self.base_momentums, self.max_momentums, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _choose_scale(self) -> None:
        """The function that goes with the mode, unless the user gave one."""
        if self._scale_fn_custom is None:
            known = {"triangular": _triangular, "triangular2": _halved}
            power = functools.partial(_power, self.gamma)
            self._scale_fn_ref: Callable[[float], float] = known.get(self.mode, power)

    def scale_fn(self, x: float) -> float:
        """What the height of the cycle is multiplied by.

        Args:
            x: number of the cycle, from 1, or of the step.

        Returns:
            The factor.
        """
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return self._scale_fn_ref(x)

    def get_lr(self) -> list[Any]:
        self._refuse_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        # Where in the cycle, from 0 to 1; then how high.
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ranges = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums)
            for group, low, high in ranges:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """All there is to save; see `LRScheduler.state_dict`.

        Returns:
            The dictionary.
        """
        state = super().state_dict()
        state.pop("_scale_fn_ref", None)
        custom = self._scale_fn_custom
        state["_scale_fn_custom"] = None if custom is None else function_state(custom)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` saved.

        Args:
            state_dict: the dictionary.
        """
        saved = state_dict["_scale_fn_custom"]
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if saved is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(saved)
        self._choose_scale()


class OneCycleLR(_WithMomentum):
    """Goes up to a highest value once, then down to nearly 0.

    Args:
        optimizer: whose learning rates are set.
        max_lr: the highest value, or a list of one for each group.
        total_steps: number of steps, or give the next two.
        epochs: number of passes over the data.
        steps_per_epoch: number of steps in each.
        pct_start: share of the steps that goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether the momentum goes the other way.
        base_momentum: lowest momentum, or a list of one for each group.
        max_momentum: highest momentum, or a list of one for each group.
        div_factor: highest over first learning rate.
        final_div_factor: first over last learning rate.
        three_phase: whether to come down to the first value first, as fast as it went up.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        TypeError: if `optimizer` is none.
        ValueError: if an option is out of range or the optimizer has no momentum; on stepping, if there
            are more steps than said.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=1.0, total_steps=10)
        >>> [round(lr, 6) for lr in schedule.get_last_lr()]
        [0.04]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        highest = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, highest):
                group["initial_lr"] = lr / div_factor
                group["max_lr"] = lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            base = per_group("base_momentum", optimizer, base_momentum)
            top = per_group("max_momentum", optimizer, max_momentum)
            self._start_momentum(optimizer, base, top, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _anneal_func(self, start: Any, end: Any, share: float) -> Any:
        """From one value to another, at a share of the way."""
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> list[Any]:
        self._refuse_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is {self.total_steps}"
            )
        begin = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if step <= end or phase is self._schedule_phases[-1]:
                break
            begin = end
        share = (step - begin) / (end - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal_func(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal_func(*ends, share))
        return rates


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        named = {"total_steps": total_steps}
    elif epochs is not None and steps_per_epoch is not None:
        named = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    total = 1
    for name, count in named.items():
        if count <= 0 or not isinstance(count, int):
            raise ValueError(f"Expected positive integer {name}, but got {count}")
        total *= count
    return total


def _phases(total: int, share: float, three: bool) -> list[dict[str, Any]]:
    """The parts of the cycle: up, down (in three parts: back, and on to nearly 0)."""
    rise = float(share * total)
    ends: list[tuple[float, str, str, str, str]] = [
        (rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    ]
    if three:
        second = float(2 * share * total) - 2
        ends.append((second, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
        ends.append((total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
    else:
        ends.append((total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(names, phase)) for phase in ends]
