"""Where PyTorch keeps this pipe: `torch.utils.data.datapipes.iter.filelister`."""

from .files import FileListerIterDataPipe

__all__ = ["FileListerIterDataPipe"]
