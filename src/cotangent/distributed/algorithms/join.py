"""`Join`: ranks with more inputs go on, while those that have none left take part in what they exchange."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any

import numpy as np

from .. import rings
from ..group import Work

__all__ = ["Join", "JoinHook", "Joinable"]


class JoinHook:
    """What a rank without inputs does in the place of something that exchanges messages."""

    def main_hook(self) -> None:
        """Take part in one iteration of the others."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Afterwards, on all ranks.

        Args:
            is_last_joiner: whether this rank was among the last with inputs.
        """


class _Config:
    def __init__(self, enable: bool, throw_on_early_termination: bool, is_first_joinable: bool) -> None:
        self.enable = enable
        self.throw_on_early_termination = throw_on_early_termination
        self.is_first_joinable = is_first_joinable


class Joinable:
    """Something that exchanges messages in every iteration, and calls `Join.notify_join_context` before."""

    _join_config: _Config = _Config(False, False, False)

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What a rank without inputs does in its place."""
        raise NotImplementedError

    @property
    def join_process_group(self) -> Any:
        """The ranks that it exchanges messages with."""
        raise NotImplementedError


class Join:
    """For a block: a rank that leaves it goes on taking part until all have left it.

    Args:
        joinables: what exchanges messages, in the order in which it does.
        enable: whether; if not this does nothing.
        throw_on_early_termination: whether all ranks raise an error when one has no inputs left.
        kwargs: passed on to `join_hook`.

    Raises:
        ValueError: if there are none, or they have different groups.
    """

    def __init__(
        self,
        joinables: list[Joinable],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if not joinables:
            raise ValueError("The join context manager requires at least one joinable")
        self._joinables = joinables
        self._enable = enable
        self._throw = throw_on_early_termination
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._group = joinables[0].join_process_group
        if any(joinable.join_process_group is not self._group for joinable in joinables):
            raise ValueError("Using join context manager with multiple process groups")

    def __enter__(self) -> Join:
        for number, joinable in enumerate(self._joinables):
            joinable._join_config = _Config(self._enable, self._throw, number == 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._enable and kind is None:
                self._take_part()
        finally:
            for joinable in self._joinables:
                joinable._join_config = _Config(False, False, False)

    def _take_part(self) -> None:
        last, count = True, 0
        while _sum(self._group, 0) > 0:
            if self._throw:
                _sum(self._group, 1)
                raise RuntimeError(f"Rank {self._group.rank()} exhausted all inputs.")
            last = False
            count += 1
            if count == 1000:
                warnings.warn(
                    "Detected uneven input skew of greater than 1000. This means that rank"
                    f" {self._group.rank()} has at least 1000 fewer inputs than other currently-active ranks."
                    " This level of skew could lead to performance degradation during training.",
                    stacklevel=3,
                )
            for hook in self._hooks:
                hook.main_hook()
        for hook in self._hooks:
            hook.post_hook(last)

    @staticmethod
    def notify_join_context(joinable: Joinable) -> Work | None:
        """Tell the ranks that have left the block that this one has another iteration.

        Args:
            joinable: what is going to exchange messages.

        Returns:
            a work whose result is the number of ranks that have one; None if it was told already, or there is
            no block.

        Raises:
            RuntimeError: if one has left the block and that is to be an error.
        """
        config = joinable._join_config
        if not config.enable or not config.is_first_joinable:
            return None
        group = joinable.join_process_group
        work = _start_sum(group, 1)
        if config.throw_on_early_termination and work.result() < group.size():
            _sum(group, 0)
            raise RuntimeError("Detected at least one rank that exhausted inputs. Throwing across all ranks.")
        return work


def _start_sum(group: Any, value: int) -> Work:
    def run() -> int:
        array = np.array([value], np.int64)
        rings.all_reduce(group.link, array, "SUM")
        return int(array[0])

    work = group.submit(run, True, "JOIN")
    assert isinstance(work, Work)
    return work


def _sum(group: Any, value: int) -> int:
    """The sum of all ranks' numbers."""
    found: int = _start_sum(group, value).result()
    return found
