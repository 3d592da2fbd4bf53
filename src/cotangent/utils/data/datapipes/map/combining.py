"""Where PyTorch keeps these pipes: `torch.utils.data.datapipes.map.combining`."""

from .pipes import ConcaterMapDataPipe, ZipperMapDataPipe

__all__ = ["ConcaterMapDataPipe", "ZipperMapDataPipe"]
