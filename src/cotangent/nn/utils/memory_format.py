"""Memory formats of the weights of convolutions."""

from __future__ import annotations

from typing import Any

from .. import modules

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Any, names: tuple[str, ...], memory_format: Any) -> Any:
    kinds = tuple(getattr(modules, name) for name in names if hasattr(modules, name))
    for below in module.modules():
        if isinstance(below, kinds):
            weight: Any = below.weight
            weight.data = weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all two-dimensional convolutions below a module anew.

    Args:
        module: the module.
        memory_format: such as `torch.channels_last`.

    Returns:
        The module.
    """
    return _convert(module, ("Conv2d", "ConvTranspose2d"), memory_format)


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all three-dimensional convolutions below a module anew.

    Args:
        module: the module.
        memory_format: such as `torch.channels_last_3d`.

    Returns:
        The module.
    """
    return _convert(module, ("Conv3d", "ConvTranspose3d"), memory_format)
