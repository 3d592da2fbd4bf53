"""Where PyTorch keeps these pipes: `torch.utils.data.datapipes.map.grouping`."""

from .pipes import BatcherMapDataPipe

__all__ = ["BatcherMapDataPipe"]
