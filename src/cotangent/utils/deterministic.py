"""torch.utils.deterministic: whether memory that nobody has written is filled.

`fill_uninitialized_memory` (True) makes `empty`, `resize_` and the like fill with nan or the largest integer
while `torch.use_deterministic_algorithms(True)` is in force.
"""

from __future__ import annotations

import sys
from types import ModuleType

from ..config import settings


class _Deterministic(ModuleType):
    """The module, whose switch is kept among the settings."""

    @property
    def fill_uninitialized_memory(self) -> bool:
        """Whether memory is filled."""
        return settings.fill_uninitialized

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise RuntimeError(f"expected a bool, but got {type(mode).__name__}")
        settings.fill_uninitialized = mode


sys.modules[__name__].__class__ = _Deterministic
