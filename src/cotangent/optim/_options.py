"""Options that several optimizers share, and their checks."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor

_NAMES = {"lr": "learning rate", "eps": "epsilon value"}


def check_one_element(lr: Any) -> None:
    """Complain about a learning rate that is a tensor of several elements.

    Args:
        lr: the learning rate.

    Raises:
        ValueError: if it is.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_lr(lr: Any) -> None:
    """Complain about a learning rate that is a tensor of several elements, or negative.

    Args:
        lr: the learning rate.

    Raises:
        ValueError: if it is one of these.
    """
    check_one_element(lr)
    check_not_negative(lr=lr)


def check_not_negative(**options: Any) -> None:
    """Complain about options that are negative, or not numbers.

    Args:
        **options: the options by name.

    Raises:
        ValueError: for the first that is.
    """
    for name, value in options.items():
        # In this order: what is compared with what shows in the message for a value of another type.
        if not 0.0 <= value <= math.inf:
            raise ValueError(f"Invalid {_NAMES.get(name, name + ' value')}: {value}")


def check_betas(betas: Any) -> None:
    """Complain about shares that are not between 0 and 1.

    Args:
        betas: the two shares.

    Raises:
        ValueError: if one is below 0, or not below 1.
    """
    for i in range(2):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def refuse_fused_with(differentiable: bool, foreach: bool | None) -> None:
    """Complain about options that contradict `fused=True`.

    Args:
        differentiable: the option of that name.
        foreach: the option of that name.

    Raises:
        RuntimeError: if one of them is set.
    """
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_fused(parameter: Tensor) -> None:
    """Complain about a parameter that `fused=True` does not take.

    Args:
        parameter: the parameter.

    Raises:
        RuntimeError: if its dtype is not floating-point.
    """
    if not parameter.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported devices: "
            f"['mps', 'cuda', 'xpu', 'hpu', 'cpu', 'mtia', 'privateuseone'] but {parameter.dtype} and cpu"
        )


def as_scalar(value: Any) -> Any:
    """A one-element tensor without its dimensions; anything else as it is.

    Args:
        value: a number or tensor.

    Returns:
        The number, or a 0-dimensional tensor.
    """
    return value.squeeze() if isinstance(value, Tensor) and value.dim() != 0 else value
