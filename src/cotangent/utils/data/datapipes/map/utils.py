"""Where PyTorch keeps these pipes: `torch.utils.data.datapipes.map.utils`."""

from .pipes import SequenceWrapperMapDataPipe

__all__ = ["SequenceWrapperMapDataPipe"]
