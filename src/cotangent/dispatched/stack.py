"""Asking the dispatch modes of a thread what a call gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..autograd.modes import modes
from ..ops.overloads import AROUND


class _Here(threading.local):
    """How many handlers this thread is inside of: below those nothing is recorded."""

    depth = 0
    kept: Any = None  # what the pullback of the operation just shown is to be given besides


here: Final = _Here()


class Declined(TypeError):
    """Every handler has returned NotImplemented."""


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
    with below():
        if not stack:
            return func.run(*args, **kwargs)
        mode = stack.pop()
        try:
            result = mode.__torch_dispatch__(func, (), args, kwargs)
        finally:
            stack.append(mode)
    if result is NotImplemented:
        raise Declined(
            f"Multiple dispatch failed for 'torch.ops.{func}'; all __torch_dispatch__ handlers returned "
            f"NotImplemented:\n\n  - mode object {mode!r}\n\n"
            "For more information, try re-running with TORCH_LOGS=not_implemented"
        )
    return result


def called(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of an overload by name: inside a handler it goes to the next mode, else it is computed."""
    if here.depth and modes.dispatch:
        return present(func, args, kwargs)
    return func.run(*args, **kwargs)


def install() -> None:
    """Have calls of overloads come here; once."""
    if not AROUND:
        call: Callable[..., Any] = called
        AROUND.append(call)
