"""Checks of the dtype an elementwise operation would compute in, with PyTorch's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import SCALAR_NAME, dtype

Check = Callable[[Any, dtype], None]


def unsupported(kernel: str, d: dtype) -> NotImplementedError:
    """PyTorch's error for a kernel that has no variant for a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{SCALAR_NAME[d]}'")


def refuse(kernel: str, *categories: int) -> Check:
    """A check that refuses dtypes of these categories in the name of PyTorch's kernel."""

    def check(_op: Any, d: dtype) -> None:
        if d.category in categories:
            raise unsupported(kernel, d)

    return check


def refuse_with(error: Exception, category: int, then: Check | None = None) -> Check:
    """A check that raises an error like `error` for dtypes of a category; others go on to `then`."""

    def check(op: Any, d: dtype) -> None:
        if d.category == category:
            raise type(error)(*error.args)
        if then is not None:
            then(op, d)

    return check
