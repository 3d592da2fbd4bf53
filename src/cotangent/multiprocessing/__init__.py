"""`torch.multiprocessing`: the standard library's, and `spawn`, which starts the ranks of a program."""

from __future__ import annotations

import multiprocessing as _standard
from multiprocessing import *  # noqa: F403  # the same names, as in PyTorch
from typing import Final

from .. import sharing
from ..nn.parameter import Parameter
from ..tensor import Tensor
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [  # noqa: PLE0604
    *_standard.__all__, "ProcessContext", "ProcessException", "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn",
    "start_processes",
]  # fmt: skip

# Both are the same here: a descriptor of the memory travels.
_STRATEGIES: Final = ("file_descriptor", "file_system")
_strategy = _STRATEGIES[0]


def get_all_sharing_strategies() -> set[str]:
    """How tensors can go to other processes.

    Example:
        >>> import cotangent as torch
        >>> sorted(torch.multiprocessing.get_all_sharing_strategies())
        ['file_descriptor', 'file_system']
    """
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """How tensors go to other processes.

    Example:
        >>> import cotangent as torch
        >>> torch.multiprocessing.get_sharing_strategy()
        'file_descriptor'
    """
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose how tensors go to other processes.

    Args:
        new_strategy: the strategy.

    Raises:
        AssertionError: for one that is not there.
    """
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")
    _strategy = new_strategy


sharing.register(Tensor)
sharing.register(Parameter)
