"""The old name of `torch.amp.autocast("cpu", ...)`: `torch.cpu.amp.autocast_mode`."""

from __future__ import annotations

from typing import Any

from ...amp import autocast_mode
from ...dtypes import bfloat16
from ._deprecated import tell_deprecated

__all__ = ["autocast"]


class autocast(autocast_mode.autocast):
    """Old form of `torch.amp.autocast("cpu", ...)`.

    Args:
        enabled: whether to do anything.
        dtype: bfloat16 or float16.
        cache_enabled: whether weights are cast once in a block.
    """

    def __init__(self, enabled: bool = True, dtype: Any = bfloat16, cache_enabled: bool = True) -> None:
        tell_deprecated("autocast")
        super().__init__("cpu", dtype, enabled, cache_enabled)
