"""Averaging parameters every few steps."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ...group import resolve
from . import utils

__all__ = ["ModelAverager", "PeriodicModelAverager"]


def told_that_one_is_too_often(what: str) -> None:
    """Warn that averages of every step cost as much as exchanging gradients.

    Args:
        what: what is 1.
    """
    warnings.warn(
        f"When {what} is 1, no need to use model averaging because the communication cost of all-reducing "
        "parameters will be no less than the cost of all-reducing gradients by DistributedDataParallel in "
        "the backward pass. Therefore, only DistributedDataParallel should be used for this case.",
        stacklevel=3,
    )


class ModelAverager(ABC):
    """What all averagers have: a group of ranks and a count of steps.

    Args:
        process_group: the ranks; all by default.

    Raises:
        ValueError: if there are no groups yet.
    """

    def __init__(self, process_group: Any = None) -> None:
        self.process_group: Any = resolve(process_group)
        self.step = 0

    @abstractmethod
    def average_parameters(self, params: Iterable[Any]) -> None:
        """Count a step, and replace parameters by their averages if it is their turn.

        Args:
            params: parameters, or groups of an optimizer.
        """


class PeriodicModelAverager(ModelAverager):
    """Averages every `period` steps, from step `warmup_steps` on.

    Args:
        period: how many steps from one average to the next.
        warmup_steps: how many steps without averages come first.
        process_group: the ranks; all by default.

    Raises:
        ValueError: for numbers that are too small.

    Source: post-local SGD, https://arxiv.org/abs/1808.07217

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
        >>> store = torch.distributed.HashStore()
        >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> averager = PeriodicModelAverager(period=4, warmup_steps=100)
        >>> averager.average_parameters(torch.nn.Linear(1, 1).parameters())
        >>> averager.step
        1
        >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, period: int, warmup_steps: int = 0, process_group: Any = None) -> None:
        super().__init__(process_group)
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        if period < 1:
            raise ValueError("Arg ``period`` must be a positive value.")
        if period == 1:
            told_that_one_is_too_often("period")
        self.warmup_steps = warmup_steps
        self.period = period

    def average_parameters(self, params: Iterable[Any]) -> None:
        since = self.step - self.warmup_steps
        if since >= 0 and since % self.period == 0:
            utils.average_parameters_or_parameter_groups(params, self.process_group)
        self.step += 1
