"""Memory whose pages can be given back while arrays still refer to it.

The graph keeps the arrays of parameters for backward. Between forward and backward their contents are not
needed, for they can be gathered again into the same place; only the addresses must stay good.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np

__all__ = ["Lent"]

_CAN_RELEASE: Final = hasattr(mmap, "MADV_DONTNEED") and hasattr(mmap, "MAP_ANONYMOUS")


class Lent:
    """An array of bytes that holds pages only while it is in use.

    Args:
        nbytes: its length.

    Example:
        >>> from cotangent.distributed.fsdp.memory import Lent
        >>> lent = Lent(8)
        >>> lent.array[:] = 7
        >>> lent.release()
        >>> lent.array.nbytes
        8
    """

    def __init__(self, nbytes: int) -> None:
        self._pages: Any = None
        if _CAN_RELEASE and nbytes:
            self._pages = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self.array = np.frombuffer(self._pages, np.uint8)
        else:
            self.array = np.empty(nbytes, np.uint8)

    def release(self) -> None:
        """Give the pages back; the contents are lost."""
        if self._pages is not None:
            self._pages.madvise(mmap.MADV_DONTNEED)
