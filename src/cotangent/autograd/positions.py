"""Where an argument stands that is refused: methods do not count their tensor, functions of the same name do.

Methods and functions are the same objects here, and so are functions of several names; how one was called is
read from the calling instruction, by the time there is something to complain about.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from .. import lazy
from ..errors import explainer
from .where import is_internal

dis: Any = lazy.module("dis")

CO_VARARGS: Final = 4
_NAMES: Final = frozenset(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_DEREF", "LOAD_FAST_BORROW"))
_ATTRIBUTES: Final = frozenset(("LOAD_ATTR", "LOAD_METHOD"))


_FUNCTIONAL: Final = os.path.join("cotangent", "nn", "functional")
# What PyTorch calls first arguments that have another name here.
_FIRST: Final = frozenset(("input", "self", "A"))
# Code that stands in front of functions under names of its own.
_FRONTS: Final = frozenset(("_first_call", "_first_operator", "_first_write", "call", "written"))
_EXCHANGED: Final = os.path.join("cotangent", "overriding.py")
_AUTOCAST: Final = (os.path.join("amp", "autocast_mode.py"), "<cotangent autocast ")


def _in_front(filename: str) -> bool:
    """Whether code there stands in front of functions under their names: to override calls, to cast."""
    return filename.endswith((_EXCHANGED, _AUTOCAST[0])) or filename.startswith(_AUTOCAST[1])


def position_of(function: str, argument: str, position: int) -> tuple[str, int]:
    """The name of the function that is being called, and the position of an argument, as PyTorch tells them.

    Args:
        function: its name in messages.
        argument: the argument's name.
        position: what it is where that cannot be found out.
    """
    frame: FrameType | None = sys._getframe(1)
    within: list[FrameType] = []
    while frame is not None and is_internal(frame.f_code.co_filename):
        within.append(frame)
        frame = frame.f_back
    codes = [f.f_code for f in reversed(within)]
    named = [c for c in codes if c.co_name not in _FRONTS and not _in_front(c.co_filename)]
    if frame is None or not named or named[0].co_name.strip("_") != function.strip("_"):
        return function, position
    # There are functions that call methods, and those of lists, which are named `self` and have no methods.
    if _FUNCTIONAL in named[0].co_filename or function.startswith("_foreach_"):
        return function, position
    order = _parameters(named[0])
    called, bound = _callee(frame)
    if called is None or called.startswith("__") or function.endswith(f"_{called}"):
        name = function  # an operator's, or that of a function whose module is part of its name
    else:
        name = called
    if argument in order:
        found = order.index(argument)
    elif argument in _FIRST:
        found = 0
    elif named[0].co_flags & CO_VARARGS:  # what takes all the rest goes by another name
        found = len(order) - 1
    else:  # the function counts the tensor where it names a later position than the first
        found = max(position - 1, 1)
    return name, found if found and (bound or order[0] == "self") else found + 1


def _parameters(code: CodeType) -> list[str]:
    """The names of what a function takes by position, also of what takes all the rest."""
    names = list(code.co_varnames[: code.co_argcount])
    if code.co_flags & CO_VARARGS:
        names.append(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
    return names


def _callee(frame: FrameType) -> tuple[str | None, bool]:
    """The attribute that `frame` is calling, if it is one, and whether it is that of a value, no module's."""
    code = frame.f_code
    places = list(code.co_positions())
    line, _, column, _ = places[frame.f_lasti // 2]
    if line is None or column is None:
        return None, False
    steps: list[Any] = []
    for step in dis.get_instructions(code):
        if step.offset >= frame.f_lasti:
            break
        where = places[step.offset // 2]
        if where[0] == line and where[2] == column and step.opname in _NAMES | _ATTRIBUTES:
            steps.append(step)
    while steps and steps[-1].opname not in _ATTRIBUTES:
        steps.pop()
    if not steps:
        return None, False
    owner: Any = None
    for step in steps[:-1]:
        if step.opname in _NAMES:
            owner = _value(frame, step)
        else:
            owner = getattr(owner, step.argval, None) if isinstance(owner, ModuleType) else None
    return str(steps[-1].argval), not isinstance(owner, ModuleType)


def _value(frame: FrameType, step: Any) -> Any:
    """What a loaded name stands for."""
    for scope in (frame.f_locals, frame.f_globals):
        if step.argval in scope:
            return scope[step.argval]
    return None


def install() -> None:
    """Enter `position_of` where floors below find it."""
    explainer.position_of = position_of
