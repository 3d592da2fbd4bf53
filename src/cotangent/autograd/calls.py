"""Who listens to calls: Python has one profile hook (`sys.setprofile`) for all who want to hear of calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, cast

from .. import lazy

__all__ = ["listen", "restore", "stop_listening"]

threading: Any = lazy.module("threading")
Hook = Callable[[FrameType, str, Any], object]

_hooks: Final[list[Hook]] = []
_before: Final[list[Any]] = []  # what was there when the first of ours came


def _all(frame: FrameType, event: str, value: Any) -> None:
    for hook in tuple(_hooks):
        hook(frame, event, value)


def _install() -> None:
    """Put the one hook there, or what calls them all, or what was there before."""
    hook = cast(Any, _all if len(_hooks) > 1 else _hooks[0] if _hooks else _before.pop())
    threading.setprofile(hook if callable(hook) else cast(Any, None))
    sys.setprofile(hook)


def listen(hook: Hook) -> None:
    """Call `hook(frame, event, value)` at every call and return, in this thread and in those it starts."""
    if not _hooks:
        _before.append(sys.getprofile())
    _hooks.append(hook)
    _install()


def stop_listening(hook: Hook) -> None:
    """Call it no longer."""
    if hook in _hooks:
        _hooks.remove(hook)
        _install()


def restore(hook: Any) -> None:
    """Put the profile hook back that `sys.getprofile()` named, whichever language it is written in."""
    resume = getattr(hook, "resume", None)
    if resume is not None:  # the compiler's, in machine code
        resume(hook)
    elif hook is None or callable(hook):
        sys.setprofile(hook)
    else:  # one written in C, such as cProfile's, goes on by itself
        sys.setprofile(None)
        hook.enable()
