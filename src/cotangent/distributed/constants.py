"""`torch.distributed.constants`: how long processes wait for each other."""

from typing import Final

from .group import DEFAULT_TIMEOUT as default_pg_timeout

__all__ = ["default_pg_nccl_timeout", "default_pg_timeout"]

default_pg_nccl_timeout: Final = None  # there is no NCCL
