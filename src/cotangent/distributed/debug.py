"""How closely collectives are watched: `TORCH_DISTRIBUTED_DEBUG`, or what a program sets instead."""

from __future__ import annotations

import os
from enum import Enum

__all__ = ["DebugLevel", "get_debug_level", "set_debug_level", "set_debug_level_from_env"]


class DebugLevel(Enum):
    """At DETAIL, groups compare what their ranks run before they run it."""

    OFF = 0
    INFO = 1
    DETAIL = 2

    def __str__(self) -> str:
        return f"DebugLevel.{self.name}"


class _Chosen:
    level: DebugLevel | None = None  # None: as the environment says when somebody asks


def _from_environment() -> DebugLevel:
    text = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if text not in DebugLevel.__members__:
        raise RuntimeError(
            "The value of TORCH_DISTRIBUTED_DEBUG must be OFF, INFO, or DETAIL, got"
            f" {os.environ['TORCH_DISTRIBUTED_DEBUG']!r}"
        )
    return DebugLevel[text]


def get_debug_level() -> DebugLevel:
    """The level that new groups take.

    Raises:
        RuntimeError: if the environment names one that there is not.

    Example:
        >>> import cotangent as torch
        >>> print(torch.distributed.get_debug_level())
        DebugLevel.OFF
    """
    return _from_environment() if _Chosen.level is None else _Chosen.level


def set_debug_level(debug_level: DebugLevel) -> None:
    """Let new groups take a level, whatever the environment says.

    Args:
        debug_level: the level.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.set_debug_level(torch.distributed.DebugLevel.INFO)
        >>> print(torch.distributed.get_debug_level())
        DebugLevel.INFO
        >>> torch.distributed.set_debug_level_from_env()
    """
    _Chosen.level = debug_level


def set_debug_level_from_env() -> None:
    """Let new groups take the environment's level."""
    _Chosen.level = _from_environment()
