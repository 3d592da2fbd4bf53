"""Averaging over few ranks often, and over more of them seldom."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...subgroups import new_subgroups
from . import averagers, utils

__all__ = ["HierarchicalModelAverager"]

_log: Final = logging.getLogger(__name__)


class HierarchicalModelAverager(averagers.ModelAverager):
    """Averages over groups of several sizes, each every so many steps; the largest period that is due counts.

    Args:
        period_group_size_dict: for each period, in ascending order, the ranks of a group; the last are all.
        warmup_steps: how many steps without averages come first.
        process_group: the ranks; all by default.

    Raises:
        ValueError: if there are no periods, for numbers that are too small, if the last are not all ranks.

    Source: https://arxiv.org/abs/2007.13221

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.algorithms.model_averaging import hierarchical_model_averager as h
        >>> store = torch.distributed.HashStore()
        >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> list(h.HierarchicalModelAverager({4: 1}).period_process_group_dict)
        [4]
        >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        period_group_size_dict: Mapping[int, int] | None = None,
        warmup_steps: int = 0,
        process_group: Any = None,
    ) -> None:
        super().__init__(process_group)
        if not period_group_size_dict:
            raise ValueError("Arg ``period_group_size_dict`` must not be empty.")
        self._periods = list(period_group_size_dict)
        if self._periods[0] <= 0:
            raise ValueError("The minimum period in arg ``period_group_size_dict`` must be a positive value.")
        if self._periods[-1] == 1:
            averagers.told_that_one_is_too_often("the maximum period in arg ``period_group_size_dict``")
        size, last = self.process_group.size(), period_group_size_dict[self._periods[-1]]
        if last != size:
            raise ValueError(
                f"The last value in arg ``period_group_size_dict`` {last} must be equal to the size of arg "
                f"``process_group`` {size}."
            )
        self.period_process_group_dict: OrderedDict[int, Any] = OrderedDict()
        for period, members in period_group_size_dict.items():
            _log.info("groups of %s ranks average every %s steps", members, period)
            group = self.process_group
            if members != size:
                group, _ = new_subgroups(group_size=members, group=group)
            self.period_process_group_dict[period] = group
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        self.warmup_steps = warmup_steps

    def _find_process_group(self) -> Any:
        due = [period for period in self._periods if self.step % period == 0]
        return self.period_process_group_dict[due[-1]] if due else None

    def average_parameters(self, params: Iterable[Any]) -> None:
        group = self._find_process_group() if self.step >= self.warmup_steps else None
        if group is not None:
            utils.average_parameters_or_parameter_groups(params, group)
        self.step += 1
