"""Schedules given by functions of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, group_values

__all__ = ["LambdaLR", "MultiplicativeLR"]


class _ByFunction(LRScheduler):
    _functions = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        count = len(optimizer.param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            self.lr_lambdas: list[Callable[[int], float]] = [lr_lambda] * count
        elif len(lr_lambda) != count:
            raise ValueError(f"Expected {count} lr_lambdas, but got {len(lr_lambda)}")
        else:
            self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)


class LambdaLR(_ByFunction):
    """The first learning rate times a function of the step.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: the function, or a list of one for each group.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        ValueError: if there are not as many functions as groups.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.LambdaLR(sgd, lambda step: 0.5**step)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.5
    """

    def get_lr(self) -> list[Any]:
        self._refuse_outside_step()
        return [lr * function(self.last_epoch) for function, lr in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_ByFunction):
    """The present learning rate times a function of the step.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: the function, or a list of one for each group.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        TypeError: if a function cannot be called.
        ValueError: if there are not as many functions as groups.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.MultiplicativeLR(sgd, lambda step: 0.25)
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.25
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        given = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda]
        for function in given:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[Any]:
        self._refuse_outside_step()
        if self._is_initial:
            return group_values(self.optimizer, "lr")
        groups = self.optimizer.param_groups
        return [group["lr"] * function(self.last_epoch) for function, group in zip(self.lr_lambdas, groups)]
