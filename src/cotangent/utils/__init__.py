"""Data loading and hooks: `torch.utils`."""

from . import data, dlpack, hooks

__all__ = ["data", "dlpack", "hooks"]
