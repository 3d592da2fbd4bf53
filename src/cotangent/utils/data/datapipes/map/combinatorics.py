"""Where PyTorch keeps these pipes: `torch.utils.data.datapipes.map.combinatorics`."""

from .pipes import ShufflerIterDataPipe

__all__ = ["ShufflerIterDataPipe"]
