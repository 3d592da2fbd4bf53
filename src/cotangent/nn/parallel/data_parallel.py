"""One module on several devices of one process, of which there are none here: it runs as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """A module whose batches are split among GPUs; without GPUs, as here, it runs as it is.

    Args:
        module: the module; it is the submodule `module`, so names in the state dict begin with "module.".
        device_ids: GPUs; accepted and of no use.
        output_device: where results go.
        dim: dimension of the batch.

    Example:
        >>> import cotangent as torch
        >>> model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
        >>> list(model.state_dict())
        ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`DataParallel` as a function, which wants GPUs also in PyTorch.

    Args:
        module: the module.
        inputs: its arguments, a tuple or one.
        device_ids: GPUs; there are none.
        output_device: where results go.
        dim: dimension of the batch.
        module_kwargs: its keyword arguments.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("device type could not be determined")
