"""Where PyTorch keeps this pipe: `torch.utils.data.datapipes.iter.fileopener`."""

from .files import FileOpenerIterDataPipe

__all__ = ["FileOpenerIterDataPipe"]
