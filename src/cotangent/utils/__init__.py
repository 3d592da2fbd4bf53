"""Data loading, hooks, checkpointing: `torch.utils`."""

from . import _pytree, checkpoint, data, dlpack, hooks
from .swapping import set_module, swap_tensors

__all__ = ["_pytree", "checkpoint", "data", "dlpack", "hooks", "set_module", "swap_tensors"]
