"""Who is called while a function is traced, at the price of machine code.

Python tells a profile function of four events for each call, nearly all of which say nothing new. Here
machine code is told instead (`@heard` in `kernels/runtime_calls`), and passes on the first call of each piece
of code and the calls of a few builtins.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..kernels import runtime, runtime_calls

__all__ = ["IMPURE", "listen"]

# What a replay would leave out.
IMPURE: Final = (
    print, input, open, time.time, time.perf_counter, time.monotonic, time.process_time, time.sleep
)  # fmt: skip
_ROOM: Final = 1 << 12


class _Table(np.ndarray):
    """Objects by address, as the machine code looks for them, and what keeps them alive."""

    resume: Any  # puts the hook with this table back where it was
    told: Any
    kept: list[Any]

    def hold(self, thing: object) -> None:
        """Enter an object; in a table that is half full nothing is entered any more."""
        if 2 * len(self.kept) >= _ROOM:
            return
        self.kept.append(thing)
        key = id(thing)
        at = (key >> 4) ^ (key >> 12)
        while self[runtime_calls.SLOTS + (at & (_ROOM - 1))]:
            at += 1
        self[runtime_calls.SLOTS + (at & (_ROOM - 1))] = key


def listen(seen: Callable[[Any, str, Any], object]) -> None:
    """Have `seen` called as a profile function, for the first call of each code and for watched builtins.

    The builtins are those of `math` and of IMPURE. Where there is no machine code, `seen` becomes the profile
    function itself and hears of everything.

    Args:
        seen: takes frame, event and argument, as `sys.setprofile` says.
    """
    resume = runtime.listener()
    if resume is None:
        sys.setprofile(seen)
        return
    table = np.zeros(runtime_calls.SLOTS + _ROOM, np.int64).view(_Table)
    table.resume, table.kept = resume, []

    def told(frame: Any, called: Any) -> None:
        if called is not None:
            seen(frame, "c_call", called)
        else:
            table.hold(frame.f_code)
            seen(frame, "call", None)

    table.told = told
    table[runtime_calls.TOLD] = id(told)
    table[runtime_calls.MASK] = _ROOM - 1
    for builtin in (*IMPURE, *(f for f in vars(math).values() if callable(f))):
        table.hold(builtin)
    resume(table)
