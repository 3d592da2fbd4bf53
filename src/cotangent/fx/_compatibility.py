"""The mark that PyTorch puts on parts of `torch.fx` whose form it keeps: here it says nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["compatibility"]

T = TypeVar("T")


def compatibility(is_backward_compatible: bool) -> Callable[[T], T]:
    """A decorator that leaves what it decorates as it is.

    Args:
        is_backward_compatible: what PyTorch promises of it.

    Example:
        >>> from cotangent.fx._compatibility import compatibility
        >>> compatibility(is_backward_compatible=True)(len) is len
        True
    """

    def marked(value: T) -> T:
        return value

    return marked
