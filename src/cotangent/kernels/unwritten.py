"""Memory that nobody has written yet, filled where deterministic algorithms are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import settings

Array = np.ndarray[Any, Any]


def unwritten(array: Array) -> Array:
    """The array, filled with nan (the largest integer, True) if programs are to notice that they read it."""
    if settings.deterministic and settings.fill_uninitialized:
        kind = array.dtype.kind
        array.fill(np.iinfo(array.dtype).max if kind in "iu" else True if kind == "b" else np.nan)
    return array
