"""Where PyTorch keeps this pipe: `torch.utils.data.datapipes.iter.streamreader`."""

from .files import StreamReaderIterDataPipe

__all__ = ["StreamReaderIterDataPipe"]
