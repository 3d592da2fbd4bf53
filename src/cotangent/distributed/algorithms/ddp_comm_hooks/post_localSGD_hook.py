"""Gradients that are averaged over all ranks at first, and later over a few or none: post-local SGD."""

from __future__ import annotations

import logging
from typing import Any, Final

from ....futures import Future
from . import default_hooks

__all__ = ["PostLocalSGDState", "post_localSGD_hook"]

_log: Final = logging.getLogger(__name__)


class PostLocalSGDState:
    """What the hook keeps between iterations.

    Args:
        process_group: the ranks of the first iterations; all by default.
        subgroup: the ranks of later ones.
        start_localSGD_iter: how many iterations average over `process_group`.
        post_local_gradient_allreduce: whether later ones average over `subgroup`, or not at all.
    """

    def __init__(
        self,
        process_group: Any,
        subgroup: Any,
        start_localSGD_iter: int,
        post_local_gradient_allreduce: bool = True,
    ) -> None:
        _log.info("Local SGD will be started after %s iterations", start_localSGD_iter)
        self.process_group = process_group
        self.subgroup = subgroup
        self.start_localSGD_iter = start_localSGD_iter
        self.post_local_gradient_allreduce = post_local_gradient_allreduce
        self.iter = 0

    def maybe_increase_iter(self, bucket: Any) -> None:
        """Count an iteration with its last bucket.

        Args:
            bucket: the gradients.
        """
        if bucket.is_last():
            self.iter += 1
        if self.iter == self.start_localSGD_iter:
            _log.info("Start to apply local SGD after %s iterations.", self.iter)


def post_localSGD_hook(state: PostLocalSGDState, bucket: Any) -> Future[Any]:
    """The averages over those ranks whose turn it is.

    Parameters are to be averaged after the optimizer's step by one of
    `torch.distributed.algorithms.model_averaging`, or by `PostLocalSGDOptimizer`.

    Args:
        state: which ranks, and when.
        bucket: the gradients.

    Source: https://arxiv.org/abs/1808.07217
    """
    if state.iter < state.start_localSGD_iter:
        state.maybe_increase_iter(bucket)
        return default_hooks.allreduce_hook(state.process_group, bucket)
    if state.post_local_gradient_allreduce:
        return default_hooks.allreduce_hook(state.subgroup, bucket)
    done: Future[Any] = Future()
    done.set_result(bucket.buffer())
    return done
