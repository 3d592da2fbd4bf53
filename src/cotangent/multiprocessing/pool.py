"""Where PyTorch keeps its pool of processes, and here the standard one is: it carries tensors, too."""

from __future__ import annotations

import gc
from multiprocessing import pool
from multiprocessing.pool import Pool
from typing import Any

__all__ = ["Pool", "clean_worker"]


def clean_worker(*args: Any, **kwargs: Any) -> None:
    """Work as a process of a pool does, and free what it leaves behind in circles.

    Args:
        *args, **kwargs: as for `multiprocessing.pool.worker`.
    """
    pool.worker(*args, **kwargs)  # type: ignore[attr-defined]
    gc.collect()
