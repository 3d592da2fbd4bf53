"""Which functional optimizer stands for an optimizer."""

from __future__ import annotations

from typing import Any

from .functional import FUNCTIONAL as functional_optim_map

__all__ = ["as_functional_optim", "functional_optim_map", "register_functional_optim"]


def register_functional_optim(key: Any, optim: Any) -> None:
    """Enter a functional optimizer, unless there is one for the key.

    Args:
        key: an optimizer, or anything else that stands for one.
        optim: its functional form: called with parameters and options, with a method `step(gradients)`.
    """
    functional_optim_map.setdefault(key, optim)


def as_functional_optim(optim_cls: type, *args: Any, **kwargs: Any) -> Any:
    """The functional form of an optimizer, without parameters: `step_param(parameter, gradient)` steps one.

    Args:
        optim_cls: the optimizer.
        args, kwargs: its options.

    Raises:
        ValueError: if it has no functional form.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> with warnings.catch_warnings(record=True):
        ...     sgd = torch.distributed.optim.as_functional_optim(torch.optim.SGD, lr=0.5)
        >>> w = torch.ones(2)
        >>> sgd.step_param(w, torch.tensor([1.0, 2.0]))
        >>> w
        tensor([0.5000, 0.0000])
    """
    try:
        found = functional_optim_map[optim_cls]
    except KeyError as error:
        raise ValueError(f"Optimizer {optim_cls} does not have a functional counterpart!") from error
    return found([], *args, **kwargs, _allow_empty_param_list=True)
