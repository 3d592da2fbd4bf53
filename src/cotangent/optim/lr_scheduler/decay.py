"""Schedules that multiply the learning rate by a factor in every step, or in some.

Each counts from the present learning rates, so that schedules can be chained; the closed form serves
`step(epoch)`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, group_values

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class _Decay(LRScheduler):
    """A schedule whose step is a factor."""

    def _factor(self) -> float | None:
        """What the present learning rates are multiplied by; None leaves them as they are."""
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        self._refuse_outside_step()
        factor = self._factor()
        if factor is None:
            return group_values(self.optimizer, "lr")
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class StepLR(_Decay):
    """Times `gamma` every `step_size` steps.

    Args:
        optimizer: whose learning rates are set.
        step_size: number of steps between.
        gamma: the factor.
        last_epoch: the step to resume after; -1 to start.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.StepLR(sgd, step_size=1, gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self.gamma if due else None

    def _get_closed_form_lr(self) -> list[Any]:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(_Decay):
    """Times `gamma` at given steps.

    Args:
        optimizer: whose learning rates are set.
        milestones: the steps; one that is given twice counts twice.
        gamma: the factor.
        last_epoch: the step to resume after; -1 to start.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.MultiStepLR(sgd, milestones=[1], gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        times = self.milestones.get(self.last_epoch)
        return None if times is None else self.gamma**times

    def _get_closed_form_lr(self) -> list[Any]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ConstantLR(_Decay):
    """Times a factor until a given step.

    Args:
        optimizer: whose learning rates are set.
        factor: the factor.
        total_iters: the step from which it no longer holds.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        ValueError: if the factor is not between 0 and 1.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.ConstantLR(sgd, factor=0.5, total_iters=4)
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else None

    def _get_closed_form_lr(self) -> list[Any]:
        over = self.last_epoch >= self.total_iters
        return [lr * (self.factor + over * (1 - self.factor)) for lr in self.base_lrs]


class LinearLR(_Decay):
    """Times a factor that changes evenly until a given step.

    Args:
        optimizer: whose learning rates are set.
        start_factor: the first factor.
        end_factor: the last factor.
        total_iters: the step at which it is reached.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        ValueError: if a factor is not between 0 and 1, or the first is 0.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.LinearLR(sgd, start_factor=0.5, total_iters=2)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1."
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        rise = self.end_factor - self.start_factor
        # Ratio of this step's factor to the one before.
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def _get_closed_form_lr(self) -> list[Any]:
        rise = self.end_factor - self.start_factor
        done = min(self.total_iters, self.last_epoch)
        return [lr * (self.start_factor + rise * done / self.total_iters) for lr in self.base_lrs]


class ExponentialLR(_Decay):
    """Times `gamma` in every step.

    Args:
        optimizer: whose learning rates are set.
        gamma: the factor.
        last_epoch: the step to resume after; -1 to start.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.ExponentialLR(sgd, gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self._is_initial else self.gamma

    def _get_closed_form_lr(self) -> list[Any]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(_Decay):
    """Falls to 0 at a given step, as a power of the share of steps that is left.

    Args:
        optimizer: whose learning rates are set.
        total_iters: the step at which 0 is reached.
        power: the power.
        last_epoch: the step to resume after; -1 to start.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.PolynomialLR(sgd, total_iters=2)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        left = 1.0 - self.last_epoch / self.total_iters
        left_before = 1.0 - (self.last_epoch - 1) / self.total_iters
        factor: float = (left / left_before) ** self.power
        return factor

    def _get_closed_form_lr(self) -> list[Any]:
        done = min(self.total_iters, self.last_epoch)
        return [lr * (1.0 - done / self.total_iters) ** self.power for lr in self.base_lrs]
