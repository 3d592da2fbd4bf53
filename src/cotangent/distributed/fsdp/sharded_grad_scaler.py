"""Scaling of losses where every rank has only some rows of the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...amp.grad_scaler import GradScaler
from ...autograd.base import wrap
from ...tensor import Tensor
from ..arguments import ReduceOp
from ..collectives import all_reduce

__all__ = ["ShardedGradScaler"]


class ShardedGradScaler(GradScaler):
    """A `GradScaler` whose ranks leave out the same steps: if one of them has found inf or nan.

    Args:
        device: "cpu".
        init_scale: the factor at first.
        backoff_factor: what the factor is multiplied by after a step was left out.
        growth_factor: what it is multiplied by after `growth_interval` steps.
        growth_interval: how many.
        enabled: whether it does anything.
        process_group: the ranks; all by default.

    Example:
        >>> from cotangent.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
        >>> ShardedGradScaler("cpu").get_scale()
        65536.0
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        backoff_factor: float = 0.5,
        growth_factor: float = 2.0,
        growth_interval: int = 2000,
        enabled: bool = True,
        process_group: Any = None,
    ) -> None:
        super().__init__(device, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
        self.process_group = process_group

    def scale(self, outputs: Any) -> Any:
        """Losses times the factor, in their own dtype.

        Args:
            outputs: tensor, or nested lists and tuples of them.
        """
        scaled = super().scale(outputs)
        # What is in lists comes here by itself.
        return scaled.to(outputs.dtype) if isinstance(outputs, Tensor) else scaled

    def _unscale(self, optimizer: Any, allow_fp16: bool) -> bool | None:
        return self._agreed(super()._unscale(optimizer, True))

    def _look(self, optimizer: Any) -> bool | None:
        return self._agreed(super()._look(optimizer))

    def _agreed(self, found: bool | None) -> bool:
        """Whether one of the ranks has found something."""
        box = wrap(np.array([bool(found)], np.float32))
        all_reduce(box, op=ReduceOp.MAX, group=self.process_group)
        return bool(box.item())
