"""Which of two mistakes is told first: PyTorch looks at histories of views before it looks at arguments."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

from ..errors import explainer
from .base import TensorBase
from .modes import modes
from .views import edge_of
from .where import is_internal

# Functions that PyTorch makes of others, which look at the arguments by themselves before.
_COMPOSITE: Final = frozenset(("movedim", "moveaxis", "flatten", "unflatten", "tensor_split", "diff"))


def look() -> None:
    """Bring the histories up to date of what the function that is about to fail was called with.

    Raises:
        RuntimeError: if a view's history cannot be made anew.
    """
    frame: FrameType | None = sys._getframe(1)
    within: list[FrameType] = []
    while frame is not None and is_internal(frame.f_code.co_filename):
        within.append(frame)
        frame = frame.f_back
    if modes.grad is not None and within and within[-1].f_code.co_name not in _COMPOSITE:
        called = within[-1]
        code = called.f_code  # its varargs come after its keyword-only arguments
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 2]:
            _renew(called.f_locals.get(name))


def _renew(value: Any) -> None:
    if isinstance(value, (list, tuple)):
        for item in value:
            _renew(item)
    elif isinstance(value, TensorBase) and value._req and value._view is not None:
        edge_of(value)


def install() -> None:
    """Enter `look` where floors below find it."""
    explainer.histories = look
