"""`torch.functional`: those of `torch`'s functions that PyTorch writes in Python."""

from __future__ import annotations

from . import functions
from .tensor import Tensor as Tensor

_NAMES = (
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors",
    "cartesian_prod", "cdist", "chain_matmul", "einsum", "istft", "lu", "meshgrid", "norm", "pca_lowrank",
    "split", "stft", "svd_lowrank", "tensordot", "unique", "unique_consecutive", "unravel_index",
)  # fmt: skip
__all__ = list(_NAMES)

globals().update({name: getattr(functions, name) for name in _NAMES})
