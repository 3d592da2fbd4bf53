"""What a process does after a fork: `torch.multiprocessing._atfork`."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["register_after_fork"]


def register_after_fork(func: Callable[[], object]) -> None:
    """Have a function called in every process that is forked from this one.

    Args:
        func: a function without arguments.
    """
    os.register_at_fork(after_in_child=func)
