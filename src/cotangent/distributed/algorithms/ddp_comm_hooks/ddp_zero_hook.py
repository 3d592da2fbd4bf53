"""Optimizer steps within the backward of DistributedDataParallel: for backends other than those there are.

PyTorch refuses these hooks with Gloo, with which they hang (https://github.com/pytorch/pytorch/issues/62300).
A step of `ZeroRedundancyOptimizer` after backward does the same.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["hook_with_zero_step", "hook_with_zero_step_interleaved"]


def hook_with_zero_step(hook: Any, ddp: Any, zero: Any, shard_buckets: bool = False) -> NoReturn:
    """A communication hook that steps the optimizer, too: always refused.

    Args:
        hook: what reduces gradients.
        ddp: the module.
        zero: the optimizer.
        shard_buckets: whether several ranks step one bucket.

    Raises:
        ValueError: if the optimizer was not made with `overlap_with_ddp=True`.
        RuntimeError: else, because the backend would hang.

    Example:
        >>> from cotangent.distributed.algorithms.ddp_comm_hooks.ddp_zero_hook import hook_with_zero_step
        >>> hook_with_zero_step.__name__
        'hook_with_zero_step'
    """
    if not zero._overlap_with_ddp:
        raise ValueError(
            "ZeroRedundancyOptimizer must be constructed with `overlap_with_ddp=True` to use this hook"
            " properly"
        )
    raise RuntimeError("Gloo backend using Overlapping DDP with ZeRO may meet hangs")


def hook_with_zero_step_interleaved(hook: Any, ddp: Any, zero: Any, shard_buckets: bool = False) -> NoReturn:
    """`hook_with_zero_step` that steps one bucket while others come: always refused.

    Args:
        hook, ddp, zero, shard_buckets: as there.

    Raises:
        ValueError, RuntimeError: as there.
    """
    hook_with_zero_step(hook, ddp, zero, shard_buckets)
