"""`LRScheduler`: how a schedule follows the steps of an optimizer and sets its learning rates.

What a scheduler keeps has PyTorch's attribute names, so that `state_dict` can be exchanged.
"""

from __future__ import annotations

import functools
import types
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ...tensor import Tensor
from .._options import as_scalar
from ..optimizer import Optimizer

__all__ = ["LRScheduler"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available. Please open an issue "
    "if you are unable to replicate your use case: https://github.com/pytorch/pytorch/issues/new/choose."
)

_HOW_TO = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def group_values(optimizer: Optimizer, key: str) -> list[Any]:
    """One option of all groups; tensors are copied.

    Args:
        optimizer: whose groups.
        key: the option.

    Returns:
        A value for each group.
    """
    values = (group[key] for group in optimizer.param_groups)
    return [value.clone() if isinstance(value, Tensor) else value for value in values]


def set_group_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option of a group; a tensor is filled, as others may hold it.

    Args:
        group: the group.
        key: the option.
        value: its new value.
    """
    if isinstance(group[key], Tensor):
        group[key].fill_(as_scalar(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """An argument that may be one value for all groups or a list of one for each.

    Args:
        name: name of the argument, for the message.
        optimizer: whose groups.
        value: the argument.

    Returns:
        A value for each group.

    Raises:
        ValueError: if a list has another length than the groups.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * count
    elif len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {count}."
        )
    return [v.clone() if isinstance(v, Tensor) else v for v in value]


def check_optimizer(optimizer: Any) -> None:
    """Complain about something that is no optimizer.

    Args:
        optimizer: what was given.

    Raises:
        TypeError: if it is no Optimizer.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def function_state(function: Callable[..., Any]) -> dict[str, Any] | None:
    """What of a user's function can be saved: the attributes of a callable object, nothing of a function.

    Args:
        function: the function.

    Returns:
        Its attributes, or None.
    """
    return None if isinstance(function, types.FunctionType) else function.__dict__.copy()


class LRScheduler:
    """Base class of schedules: a subclass defines `get_lr`, the learning rate of each group at `last_epoch`.

    Args:
        optimizer: whose learning rates are set.
        last_epoch: the step to resume after; -1 to start.

    Raises:
        KeyError: if a schedule is resumed that was never started.
        TypeError: if `optimizer` is none.

    Example:
        >>> import cotangent as torch
        >>> class Halve(torch.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Halve(sgd)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False
    # Names of attributes that hold functions of the user; see `state_dict`.
    _functions: tuple[str, ...] = ()

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training "
                    "from a checkpoint but haven't properly loaded the optimizer state\n2. You're using "
                    "last_epoch >= 0 for a fresh training run (not recommended)"
                )
        self.base_lrs: list[Any] = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """The step that sets the first learning rates."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """All there is to save: the attributes, without the optimizer.

        Of functions given by the user only the attributes of callable objects are saved.

        Returns:
            The dictionary.
        """
        state = {key: value for key, value in self.__dict__.items() if key != "optimizer"}
        for name in self._functions:
            state[name] = [function_state(function) for function in state[name]]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` saved.

        Args:
            state_dict: the dictionary.
        """
        rest = {key: value for key, value in state_dict.items() if key not in self._functions}
        self.__dict__.update(rest)
        for name in self._functions:
            for function, saved in zip(getattr(self, name), state_dict[name]):
                if saved is not None:
                    function.__dict__.update(saved)

    def get_last_lr(self) -> list[Any]:
        """The learning rates set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates at `last_epoch`; each schedule defines its own.

        Returns:
            One for each group.
        """
        raise NotImplementedError

    def _refuse_outside_step(self) -> None:
        """Say that `get_lr` is not for users: it may count from the present learning rates."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next learning rates; to be called after the optimizer's step.

        Args:
            epoch: deprecated: the step to go to.
        """
        if self._step_count == 1:
            self._warn_about_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_about_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. "
                + _HOW_TO,
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
                "later, you should call them in the opposite order: `optimizer.step()` before "
                "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first value "
                "of the learning rate schedule. " + _HOW_TO,
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        with _enable_get_lr_call(self):
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            values = self.get_lr() if closed is None else closed()
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_group_value(group, "lr", lr)
        self._last_lr = group_values(self.optimizer, "lr")


class _LRScheduler(LRScheduler):
    """Older name of the base class."""


def _note_steps(optimizer: Optimizer) -> None:
    """Let the optimizer note that it was stepped, by a wrapper around its `step`."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    function = step.__func__  # type: ignore[attr-defined]
    # Weakly: the wrapper is an attribute of the optimizer itself.
    owner = weakref.ref(optimizer)

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        stepped: Any = owner()
        stepped._opt_called = True
        return function(stepped, *args, **kwargs)

    noted._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = noted  # type: ignore[method-assign]


def _warn_get_lr_called_within_step(lr_scheduler: Any) -> None:
    """What authors of schedules call first in `get_lr`: it is not for users.

    Args:
        lr_scheduler: the schedule.
    """
    lr_scheduler._refuse_outside_step()


class _enable_get_lr_call:
    """For a block: `get_lr` of a schedule may be called.

    Args:
        o: the schedule.
    """

    def __init__(self, o: Any) -> None:
        self.o = o

    def __enter__(self) -> _enable_get_lr_call:
        self.o._get_lr_called_within_step = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.o._get_lr_called_within_step = False
