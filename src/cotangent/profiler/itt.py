"""Marks for Intel's VTune: `torch.profiler.itt`. There is no binding to it here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["is_available", "mark", "range", "range_pop", "range_push"]


def is_available() -> bool:
    """Whether marks can be made: no.

    Example:
        >>> import cotangent as torch
        >>> torch.profiler.itt.is_available()
        False
    """
    return False


def _refuse() -> NoReturn:
    raise RuntimeError("ITT functions not installed. Are you sure you have a ITT build?")


def range_push(msg: str) -> int:
    """Begin a range within those that are open.

    Args:
        msg: its name.

    Raises:
        RuntimeError: always, as in a PyTorch without ITT.
    """
    _refuse()


def range_pop() -> int:
    """End the innermost range.

    Raises:
        RuntimeError: always, as in a PyTorch without ITT.
    """
    _refuse()


def mark(msg: str) -> None:
    """Mark a moment.

    Args:
        msg: its name.

    Raises:
        RuntimeError: always, as in a PyTorch without ITT.
    """
    _refuse()


@contextmanager
def range(msg: str, *args: object, **kwargs: object) -> Iterator[None]:
    """A range around a block.

    Args:
        msg: its name.
        *args, **kwargs: put into the name by `str.format`.

    Raises:
        RuntimeError: always, as in a PyTorch without ITT.
    """
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
