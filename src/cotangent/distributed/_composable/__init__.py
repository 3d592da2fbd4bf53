"""The former home of `torch.distributed.fsdp.fully_shard`."""

from ..fsdp import fully_shard

__all__ = ["fully_shard"]
