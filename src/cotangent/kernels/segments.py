"""Which segment each element of a dimension belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def segment_of(lengths: Array, count: int) -> Array:
    """For each of `count` places of each row, the number of its segment in all; the total where there is
    none.

    Args:
        lengths: (..., segments).
    """
    rows = lengths.reshape(-1, lengths.shape[-1])
    ends = np.cumsum(rows, axis=-1)
    found = np.empty((len(rows), count), np.int64)
    places = np.arange(count)
    for i, e in enumerate(ends):
        at = np.searchsorted(e, places, "right")
        found[i] = np.where(at < len(e), i * len(e) + at, lengths.size)
    return found
