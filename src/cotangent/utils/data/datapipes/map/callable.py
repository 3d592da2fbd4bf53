"""Where PyTorch keeps these pipes: `torch.utils.data.datapipes.map.callable`."""

from .pipes import MapperMapDataPipe, default_fn

__all__ = ["MapperMapDataPipe", "default_fn"]
