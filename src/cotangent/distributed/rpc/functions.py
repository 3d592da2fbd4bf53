"""`torch.distributed.rpc.functions`."""

from .api import async_execution

__all__ = ["async_execution"]
