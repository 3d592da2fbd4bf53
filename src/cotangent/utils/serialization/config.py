"""Settings of `torch.save` and `torch.load`: `config.save.compute_crc32`, `config.load.mmap` and so on."""

from ...serialization.settings import load, patch, save

__all__ = ["load", "patch", "save"]
