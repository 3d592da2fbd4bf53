"""What will change in PyTorch one day and can be had now: how modules convert their parameters."""

from __future__ import annotations

from .config import settings

__all__ = [
    "get_overwrite_module_params_on_conversion", "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion", "set_swap_module_params_on_conversion",
]  # fmt: skip


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Let modules get new parameters when they are converted (`to`, `double`, `to_empty`), or keep them.

    Args:
        value: whether they get new ones.

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.Linear(2, 2)
        >>> before = net.weight
        >>> torch.__future__.set_overwrite_module_params_on_conversion(True)
        >>> net.double().weight is before
        False
        >>> torch.__future__.set_overwrite_module_params_on_conversion(False)
    """
    settings.overwrite_params = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Whether modules get new parameters when they are converted."""
    return settings.overwrite_params


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Let `torch.utils.swap_tensors` exchange parameters when modules are converted and loaded.

    It goes before `set_overwrite_module_params_on_conversion`.

    Args:
        value: whether they are exchanged.

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.Linear(2, 2)
        >>> before = net.weight
        >>> torch.__future__.set_swap_module_params_on_conversion(True)
        >>> net.double().weight is before, before.dtype
        (True, torch.float64)
        >>> torch.__future__.set_swap_module_params_on_conversion(False)
    """
    settings.swap_params = value


def get_swap_module_params_on_conversion() -> bool:
    """Whether parameters are exchanged when modules are converted and loaded."""
    return settings.swap_params
