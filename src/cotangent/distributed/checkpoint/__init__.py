"""`torch.distributed.checkpoint`: checkpoints that all ranks write and read together."""

from . import state_dict
from .api import FileSystemReader, FileSystemWriter, Stateful, async_save, load, save
from .files import CheckpointException, last_complete
from .hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter

__all__ = [
    "CheckpointException", "FileSystemReader", "FileSystemWriter",
    "HuggingFaceStorageReader", "HuggingFaceStorageWriter", "Stateful", "async_save", "last_complete",
    "load", "save", "state_dict",
]  # fmt: skip
