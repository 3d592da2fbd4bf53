"""Arguments that functions have no derivative in."""

from __future__ import annotations

from typing import Any

from .table import emitter


def constants(function: str, **given: Any) -> None:
    """Refuse tensors that require a gradient and would not get one.

    Args:
        function: how PyTorch's error calls it.
        given: the arguments by name; None is no tensor.

    Raises:
        RuntimeError: for the first of them that requires a gradient, while gradients are recorded.
    """
    for name, value in given.items():
        if value is not None and value.requires_grad and emitter.package.is_grad_enabled():
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This "
                "input cannot have requires_grad True."
            )
