"""Averages of a model's weights over training: stochastic weight averaging and exponential moving averages.

Izmailov et al., 2018, https://arxiv.org/abs/1803.05407.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from ..autograd.modes import no_grad
from ..dtypes import int64
from ..functions import tensor
from ..nn.modules.module import Module
from .lr_scheduler.base import LRScheduler
from .optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """The function that updates exponential moving averages of many parameters at once, in place.

    Args:
        decay: share of the average that is kept.

    Raises:
        ValueError: if it is not between 0 and 1.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.swa_utils import get_ema_multi_avg_fn
        >>> average = torch.zeros(1)
        >>> get_ema_multi_avg_fn(0.5)([average], [torch.ones(1)], 1)
        >>> average
        tensor([0.5000])
    """
    _check_decay(decay)

    @no_grad()  # type: ignore[untyped-decorator]
    def ema_update(ema_param_list: Any, current_param_list: Any, _: Any) -> None:
        for average, current in zip(ema_param_list, current_param_list):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update  # type: ignore[no-any-return]


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """The function that updates equal averages of many parameters at once, in place.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.swa_utils import get_swa_multi_avg_fn
        >>> average = torch.zeros(1)
        >>> get_swa_multi_avg_fn()([average], [torch.ones(1)], torch.tensor(3))
        >>> average
        tensor([0.2500])
    """

    @no_grad()  # type: ignore[untyped-decorator]
    def swa_update(averaged_param_list: Any, current_param_list: Any, num_averaged: Any) -> None:
        for average, current in zip(averaged_param_list, current_param_list):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, (1 / (num_averaged + 1)).to(average.dtype))
            else:
                average.add_(current - average, alpha=1 / (num_averaged + 1))

    return swa_update  # type: ignore[no-any-return]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """The function that gives the exponential moving average of one parameter.

    Args:
        decay: share of the average that is kept.

    Raises:
        ValueError: if it is not between 0 and 1.

    Example:
        >>> from cotangent.optim.swa_utils import get_ema_avg_fn
        >>> get_ema_avg_fn(0.5)(0.0, 1.0, 1)
        0.5
    """
    _check_decay(decay)

    @no_grad()  # type: ignore[untyped-decorator]
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update  # type: ignore[no-any-return]


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """The function that gives the equal average of one parameter.

    Example:
        >>> from cotangent.optim.swa_utils import get_swa_avg_fn
        >>> get_swa_avg_fn()(0.0, 1.0, 3)
        0.25
    """

    @no_grad()  # type: ignore[untyped-decorator]
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update  # type: ignore[no-any-return]


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over time.

    Args:
        model: the model.
        device: accepted: everything is on the CPU.
        avg_fn: `(average, current, number averaged)` to the new average, for each parameter.
        multi_avg_fn: the same for all parameters at once, in place.
        use_buffers: whether to average buffers, too; otherwise they are copied.

    Example:
        >>> import cotangent as torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> average = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 3.0):
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     average.update_parameters(model)
        >>> average.module.weight.item()
        2.0
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[Any, Any, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average.

        Args:
            model: the model that is trained.
        """
        mine, current = self._averaged(self.module), self._averaged(model)
        pairs = list(zip(mine, (p.detach() for p in current), strict=True))
        if self.n_averaged == 0:
            for average, now in pairs:
                average.detach().copy_(now)
        elif self.avg_fn is not None:
            for average, now in pairs:
                average.detach().copy_(self.avg_fn(average.detach(), now, self.n_averaged))
        elif pairs:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            update([average.detach() for average, _ in pairs], [now for _, now in pairs], self.n_averaged)
        if not self.use_buffers:
            for average, now in zip(self.module.buffers(), model.buffers(), strict=True):
                average.detach().copy_(now.detach())
        self.n_averaged += 1

    def _averaged(self, model: Module) -> list[Any]:
        return [*model.parameters(), *(model.buffers() if self.use_buffers else ())]


@no_grad()  # type: ignore[untyped-decorator]
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of batch normalisation anew, in one pass over data.

    Args:
        loader: gives inputs, or lists and tuples that begin with them.
        model: the model.
        device: accepted: everything is on the CPU.

    Example:
        >>> import cotangent as torch
        >>> torch.optim.swa_utils.update_bn([torch.ones(2, 3)], torch.nn.Linear(3, 1))
    """
    momenta: dict[Any, Any] = {}
    for part in model.modules():
        if hasattr(part, "running_mean") and hasattr(part, "reset_running_stats"):
            part.reset_running_stats()
            momenta[part] = part.momentum
    if not momenta:
        return
    training = model.training
    model.train()
    for part in momenta:
        part.momentum = None
    for batch in loader:
        given = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(given if device is None else given.to(device))
    for part, momentum in momenta.items():
        part.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Anneals the learning rate of each group to a value at which weights are then averaged.

    Args:
        optimizer: whose learning rates are set.
        swa_lr: the value, or one for each group.
        anneal_epochs: number of steps on the way; 0 goes there at once.
        anneal_strategy: "cos" or "linear".
        last_epoch: the step to resume after; -1 to start.

    Raises:
        ValueError: for another strategy, or a number that is out of range.

    Example:
        >>> import cotangent as torch
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.swa_utils.SWALR(sgd, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
        >>> sgd.step()
        >>> schedule.step()
        >>> sgd.param_groups[0]["lr"]
        0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        groups = optimizer.param_groups
        values = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(values) != len(groups):
            raise ValueError(
                "swa_lr must have the same length as optimizer.param_groups. swa_lr has "
                f"{len(values)} values, param_groups has {len(groups)}."
            )
        for value, group in zip(values, groups):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way has been gone at a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """The learning rates at `last_epoch`."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        found = []
        for group in self.optimizer.param_groups:
            target, lr = group["swa_lr"], group["lr"]
            # What the rate was before the annealing, from where it is now.
            start = target if before == 1 else (lr - before * target) / (1 - before)
            found.append(target * now + start * (1 - now))
        return found
