"""The order of checks: PyTorch looks at the history of tensors before it looks at their sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .table import TABLE, emitter, is_tensor

F = TypeVar("F", bound=Callable[..., Any])


def history_first(name: str) -> Callable[[F], F]:
    """Have a function's failed checks give way to those of recording its operation.

    PyTorch makes the node of an operation before it computes anything, and that may fail: for views that have
    no history any more, and for tensors of inference mode, which cannot be kept.

    Args:
        name: the operation that the function ends in; its tensors come in the order of the function's.

    Returns:
        a decorator.
    """

    def decorate(front: F) -> F:
        @functools.wraps(front)
        def checked(*args: Any, **options: Any) -> Any:
            try:
                return front(*args, **options)
            except (RuntimeError, IndexError):
                op = TABLE[name]
                given = (*args, *options.values())
                tensors = tuple(value for value in given if is_tensor(value) or _listed(value))
                if len(tensors) == len(op.tensors):
                    emitter.refuse_history(op, tensors, 0)
                raise

        return cast(F, checked)

    return decorate


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(is_tensor(item) for item in value)
