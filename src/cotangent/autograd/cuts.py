"""What keeps a tensor out of the graph: remembered where it happens, read when somebody asks why.

A tensor that was computed from one that requires a gradient, and requires none itself, holds in `_cut` a
tuple (reason, code, lasti, off): the operation that has no derivative (or that was not recorded, then `off`
says where recording was switched off), or a word for what is no operation; and the user's instruction. What
is computed from it inherits the mark, so the last tensor of a chain still tells. Marks are made where a
tensor drops out, which costs as much as noting the line of a recorded operation; handing one on costs a few
nanoseconds, and nothing is noted of what is recorded.
"""

from __future__ import annotations

import sys
from typing import Any

from ..ops.table import Primitive
from .base import TensorBase
from .modes import modes
from .where import here, internal_files, user_frame

# Their results do not depend on the values of the tensor they are given.
VALUELESS = frozenset(("zeros_like", "ones_like", "full_like", "zeros_of"))


def cut_of(op: Primitive, tensors: Any) -> tuple[Any, ...] | None:
    """The mark of an unrecorded result of `op`: new if an operand requires a gradient, or inherited."""
    if op.name in VALUELESS:
        return None
    inherited = None
    for value in tensors:
        for t in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(t, TensorBase):
                if t._req:
                    return op, *here(), modes.off
                inherited = inherited or t._cut
    return inherited


def left(word: str, t: Any, source: Any) -> Any:
    """`t` with the mark of having left the graph of `source` by what `word` says."""
    if source._req:
        frame = sys._getframe(2)
        code = frame.f_code
        if internal_files(code.co_filename) is not False:
            frame = user_frame(frame)
            code = frame.f_code
        t._cut = (word, code, frame.f_lasti, None)
    else:
        t._cut = source._cut
    return t
