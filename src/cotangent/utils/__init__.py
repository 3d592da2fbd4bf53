"""Data loading, hooks, checkpointing: `torch.utils`."""

from importlib import import_module
from typing import Any

from . import _pytree, checkpoint, data, dlpack, hooks, serialization
from .swapping import set_module, swap_tensors

__all__ = [
    "_pytree", "checkpoint", "data", "dlpack", "hooks", "serialization", "set_module", "swap_tensors",
]  # fmt: skip

_LATER = frozenset(("_python_dispatch", "benchmark", "collect_env", "deterministic", "weak"))


def __getattr__(name: str) -> Any:
    """Modules that few programs touch, found when first asked for."""
    if name in _LATER:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
