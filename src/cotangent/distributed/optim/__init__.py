"""Optimizers of parameters, or with state, on several processes: `torch.distributed.optim`."""

from .optimizer import DistributedOptimizer
from .zero import ZeroRedundancyOptimizer

__all__ = ["DistributedOptimizer", "ZeroRedundancyOptimizer"]
