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
argument_parser: Any = lazy.module("cotangent.autograd.argument_parser")

# Where the names of keywords stand before the call, and do not come with it.
KW_NAMES: Final = sys.version_info < (3, 13)
CO_VARARGS: Final = 4
CO_VARKEYWORDS: Final = 8
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
    return _callee_of(frame)[:2]


def _callee_of(frame: FrameType) -> tuple[str | None, bool, Any]:
    """As `_callee`, with whose attribute it is."""
    code = frame.f_code
    places = list(code.co_positions())
    line, _, column, _ = places[frame.f_lasti // 2]
    if line is None or column is None:
        return None, False, None
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
        return None, False, None
    owner: Any = None
    for step in steps[:-1]:
        if step.opname in _NAMES:
            owner = _value(frame, step)
        else:
            owner = getattr(owner, step.argval, None) if isinstance(owner, ModuleType) else None
    return str(steps[-1].argval), not isinstance(owner, ModuleType), owner


def _value(frame: FrameType, step: Any) -> Any:
    """What a loaded name stands for."""
    for scope in (frame.f_locals, frame.f_globals):
        if step.argval in scope:
            return scope[step.argval]
    return None


# Modules whose functions look at all arguments at first ("": methods), and what their names begin with.
_BUILT_IN: Final = {
    "": "", "cotangent": "", "torch": "", "special": "special_", "linalg": "linalg_", "fft": "fft_"
}  # fmt: skip


def arguments(text: str) -> str:
    """What PyTorch says of the call of a public function that is being refused.

    Args:
        text: what is said if it has nothing to say, or if the call cannot be made out.
    """
    frame: FrameType | None = sys._getframe(1)
    within: list[FrameType] = []
    while frame is not None and is_internal(frame.f_code.co_filename):
        within.append(frame)
        frame = frame.f_back
    if frame is None or not within:
        return text
    called, bound, owner = _callee_of(frame)
    module = owner.__name__.rpartition(".")[2] if isinstance(owner, ModuleType) else ""
    if called is None or called.startswith("__") or module not in _BUILT_IN:
        return text
    given = _whole_call(within[-1], frame, bound and not isinstance(owner, type))
    if given is None:
        return text
    args, kwargs = given
    base = "Tensor" if _shape_of_call(frame) is None else "TensorBase"  # Python binds a method or does not
    prefix = _BUILT_IN[module]
    name = called if called.startswith(prefix) else prefix + called
    found = argument_parser.refusal(name, bound, args[1:] if bound else args, kwargs, base)
    return text if found is None else str(found)


def _whole_call(
    outermost: FrameType, frame: FrameType, bound: bool
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments of the call that `frame` is at, by position and by name; None if they are not known.

    Args:
        outermost: the frame that was called.
        frame: the caller's.
        bound: whether the first argument stands before the call, as a method's tensor does.
    """
    code, values = outermost.f_code, outermost.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    more = values[code.co_varnames[count]] if code.co_flags & CO_VARARGS else ()
    if not count and code.co_flags & CO_VARARGS and code.co_flags & CO_VARKEYWORDS:
        return tuple(more), dict(values[code.co_varnames[1]])
    named: dict[str, Any] = {}
    if code.co_flags & CO_VARKEYWORDS:
        named = values[code.co_varnames[count + bool(code.co_flags & CO_VARARGS)]]
    order = code.co_varnames[: code.co_argcount]
    shape = _shape_of_call(frame)
    if shape is None and not more:
        return None
    places, names = (len(order) + len(more), ()) if shape is None else shape
    args = (*(values[name] for name in order), *more)[: places + bound]
    kwargs = {name: values[name] if name in values else named.get(name) for name in names}
    return args, kwargs


def _shape_of_call(frame: FrameType) -> tuple[int, tuple[str, ...]] | None:
    """How many arguments stand by position in the call that `frame` is at, and the names of the others."""
    names: tuple[str, ...] = ()
    found = None
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti:  # which may be at what is cached behind the instruction
            break
        if step.opname == "KW_NAMES":
            names = frame.f_code.co_consts[step.arg]
        elif step.opname == "LOAD_CONST" and isinstance(step.argval, tuple) and not KW_NAMES:
            names = step.argval
        elif step.opname not in ("PRECALL", "CACHE", "EXTENDED_ARG"):
            found, given, names = step, names, ()
    if found is None or not found.opname.startswith("CALL") or found.opname == "CALL_FUNCTION_EX":
        return None
    by_name = found.opname == "CALL_KW" or (found.opname == "CALL" and KW_NAMES)
    names = given if by_name else ()
    return found.arg - len(names), names


def install() -> None:
    """Enter `position_of` and `arguments` where floors below find them."""
    explainer.position_of = position_of
    explainer.arguments = arguments
