"""Data loading, hooks, checkpointing: `torch.utils`."""

from . import checkpoint, data, dlpack, hooks
from .swapping import set_module, swap_tensors

__all__ = ["checkpoint", "data", "dlpack", "hooks", "set_module", "swap_tensors"]
