"""Memory that nobody has written yet, filled where deterministic algorithms ask for it; and its reuse."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from ..config import settings

Array = np.ndarray[Any, Any]
_MAPPED: Final = 1 << 24  # bytes: a block of its own, whatever was allocated before


def unwritten(array: Array) -> Array:
    """The array, filled with nan (the largest integer, True) if programs are to notice that they read it."""
    if settings.deterministic and settings.fill_uninitialized:
        kind = array.dtype.kind
        array.fill(np.iinfo(array.dtype).max if kind in "iu" else True if kind == "b" else np.nan)
    return array


@functools.cache
def keep_pages() -> None:
    """Have the C library keep the memory that a training step frees, for the next one.

    glibc returns the free end of its heap to the system beyond a threshold of 128 kB, and asks for it again:
    a step of small operations then faults on every page of every result (4 us for each operation on 64 x 64
    numbers, in those processes where the end of the heap is free; nothing in others). The threshold follows
    the largest block that was mapped and given back (mallopt(3), M_MMAP_THRESHOLD), so one such block, of
    which no page is ever touched, sets it to 32 MB. Other C libraries take no notice.
    """
    np.empty(_MAPPED, np.uint8)
