"""Optimizers whose state is split over processes: `torch.distributed.optim`."""

from .zero import ZeroRedundancyOptimizer

__all__ = ["ZeroRedundancyOptimizer"]
