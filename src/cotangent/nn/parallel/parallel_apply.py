"""Copies of a module that run side by side on several devices: `torch.nn.parallel.parallel_apply`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["parallel_apply"]


def parallel_apply(
    modules: Sequence[Any],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> NoReturn:
    """Run each module on its inputs, on a device of its own, of which there is none.

    Args:
        modules: the modules.
        inputs: the arguments of each.
        kwargs_tup: its arguments by name.
        devices: where each runs.

    Raises:
        AssertionError: if there are not as many inputs as modules.
        RuntimeError: always else.
    """
    if len(modules) != len(inputs):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}"
        )
    raise RuntimeError("Cannot access accelerator device when none is available.")
