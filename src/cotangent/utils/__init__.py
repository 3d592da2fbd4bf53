"""Data loading, hooks, checkpointing: `torch.utils`."""

from . import _pytree, checkpoint, data, dlpack, hooks, serialization
from .swapping import set_module, swap_tensors

__all__ = [
    "_pytree", "checkpoint", "data", "dlpack", "hooks", "serialization", "set_module", "swap_tensors",
]  # fmt: skip
