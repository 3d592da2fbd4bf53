"""Options that several optimizers share, and their checks."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


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
    """A one-element tensor without its dimensions; anything else as it is."""
    return value.squeeze() if isinstance(value, Tensor) and value.dim() != 0 else value
