"""`torch.cuda.nvtx` without CUDA: marks for NVIDIA's profiler cannot be set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..absent import refusing

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_TEXT = "NVTX functions not installed. Are you sure you have a CUDA build?"

mark = refusing(__name__, "mark", RuntimeError, _TEXT)
range_end = refusing(__name__, "range_end", RuntimeError, _TEXT)
range_pop = refusing(__name__, "range_pop", RuntimeError, _TEXT)
range_push = refusing(__name__, "range_push", RuntimeError, _TEXT)
range_start = refusing(__name__, "range_start", RuntimeError, _TEXT)


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """For a block: a marked range, which needs CUDA.

    Args:
        msg: its name, a format for the other arguments.

    Raises:
        RuntimeError: on entering.
    """
    range_push(msg)
    yield
