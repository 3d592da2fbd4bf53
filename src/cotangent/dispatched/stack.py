"""Asking the dispatch modes of a thread what a call gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..autograd.base import TensorBase, active
from ..autograd.modes import modes
from ..ops.overloads import AROUND


class _Here(threading.local):
    """How many handlers this thread is inside of: below those nothing is recorded."""

    depth = 0
    declined: Any = None  # the last error that said that nobody takes a call over
    kept: Any = None  # what the pullback of the operation just shown is to be given besides


here: Final = _Here()


# Classes of tensors -> whether they have a `__torch_dispatch__` of their own.
_KINDS: Final[dict[type, bool]] = {int: False, float: False, bool: False, str: False, type(None): False}


def _kind(cls: type) -> bool:
    found = issubclass(cls, TensorBase) and getattr(cls, "__torch_dispatch__", None) is not None
    _KINDS[cls] = found
    return found


def taking(values: Any, found: list[Any] | None = None) -> list[Any]:
    """One tensor of each class among `values` that has a `__torch_dispatch__`, subclasses before bases."""
    found = [] if found is None else found
    if not active.dispatching:
        return found
    for value in values:
        cls = value.__class__
        if cls is list or cls is tuple:
            taking(value, found)
        elif (_KINDS[cls] if cls in _KINDS else _kind(cls)) and all(cls is not t.__class__ for t in found):
            at = next((k for k, t in enumerate(found) if issubclass(cls, t.__class__)), len(found))
            found.insert(at, value)
    return found


def asked(values: Any) -> bool:
    """Whether a mode is on in this thread, or a class among `values` takes operations over."""
    return bool(modes.dispatch) or (active.dispatching and bool(taking(values)))


@contextmanager
def below() -> Iterator[None]:
    """For a block: below autograd, where nothing is recorded."""
    before, modes.grad = modes.grad, None
    inside, modes.inside = modes.inside, False
    here.depth += 1
    try:
        yield
    finally:
        here.depth -= 1
        modes.grad, modes.inside = before, inside


def present(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """What the innermost mode makes of a call; without modes what the call computes.

    Args:
        func: the overload.
        args: its arguments, tensors as they are.
        kwargs: those that are given by name.
    """
    kwargs = {} if kwargs is None else kwargs
    stack = modes.dispatch
    tensors = taking(kwargs.values(), taking(args)) if active.dispatching else []
    types = tuple(t.__class__ for t in tensors)
    with below():
        if not stack and not tensors:
            return func.run(*args, **kwargs)
        if stack:
            mode = stack.pop()
            try:
                result = mode.__torch_dispatch__(func, types, args, kwargs)
            finally:
                stack.append(mode)
            if result is not NotImplemented:
                return result
        for t in tensors:
            result = t.__torch_dispatch__(func, types, args, kwargs)
            if result is not NotImplemented:
                return result
    handlers = [f"  - mode object {stack[-1]!r}\n"] if stack else []
    handlers += [f"  - tensor subclass {cls}\n" for cls in types]
    error = TypeError(
        f"Multiple dispatch failed for 'torch._ops.{func}'; all __torch_dispatch__ handlers returned "
        f"NotImplemented:\n\n{''.join(handlers)}\n"
        "For more information, try re-running with TORCH_LOGS=not_implemented"
    )
    here.declined = error
    raise error


def called(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of an overload by name: inside a handler it goes to the next mode, else it is computed."""
    if here.depth and (modes.dispatch or (active.dispatching and taking(kwargs.values(), taking(args)))):
        return present(func, args, kwargs)
    return func.run(*args, **kwargs)


def install() -> None:
    """Have calls of overloads come here; once."""
    if not AROUND:
        call: Callable[..., Any] = called
        AROUND.append(call)
