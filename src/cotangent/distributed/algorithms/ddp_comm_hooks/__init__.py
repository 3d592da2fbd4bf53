"""Functions that exchange the gradients of DistributedDataParallel in other ways than its own."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from . import debugging_hooks, default_hooks, post_localSGD_hook, powerSGD_hook

__all__ = [
    "DDPCommHookType", "debugging_hooks", "default_hooks", "post_localSGD_hook", "powerSGD_hook",
    "register_ddp_comm_hook",
]  # fmt: skip


def _plain(hook: Callable[..., Any], model: Any, state: Any) -> None:
    model.register_comm_hook(state, hook)


def _low_rank(
    hook: Callable[..., Any], rank: int, model: Any, state: Any, start_powerSGD_iter: int = 1000
) -> None:
    held = powerSGD_hook.PowerSGDState(
        process_group=state, matrix_approximation_rank=rank, start_powerSGD_iter=start_powerSGD_iter
    )
    model.register_comm_hook(held, hook)


class _Registers:
    """Registers a hook; an object, because an Enum would take a function for a method."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function

    def __call__(self, **options: Any) -> None:
        self._function(**options)


class DDPCommHookType(Enum):
    """The hooks by name; the value of each registers it: `NOOP.value(model=..., state=...)`."""

    ALLREDUCE = _Registers(partial(_plain, default_hooks.allreduce_hook))
    FP16_COMPRESS = _Registers(partial(_plain, default_hooks.fp16_compress_hook))
    BF16_COMPRESS = _Registers(partial(_plain, default_hooks.bf16_compress_hook))
    POWER_SGD = _Registers(partial(_low_rank, powerSGD_hook.powerSGD_hook, 1))
    POWER_SGD_RANK2 = _Registers(partial(_low_rank, powerSGD_hook.powerSGD_hook, 2))
    BATCHED_POWER_SGD = _Registers(partial(_low_rank, powerSGD_hook.batched_powerSGD_hook, 1))
    BATCHED_POWER_SGD_RANK2 = _Registers(partial(_low_rank, powerSGD_hook.batched_powerSGD_hook, 2))
    NOOP = _Registers(partial(_plain, debugging_hooks.noop_hook))


def register_ddp_comm_hook(comm_hook_type: DDPCommHookType, model: Any, state: Any = None) -> None:
    """Let one of the hooks exchange a model's gradients.

    Args:
        comm_hook_type: which.
        model: a DistributedDataParallel.
        state: the processes; all by default.

    Example:
        >>> from cotangent.distributed.algorithms.ddp_comm_hooks import DDPCommHookType
        >>> DDPCommHookType["NOOP"].name
        'NOOP'
    """
    comm_hook_type.value(model=model, state=state)
