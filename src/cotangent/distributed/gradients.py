"""Where the gradients of this thread's backward are: in `.grad`, or in a context of distributed autograd."""

from __future__ import annotations

import threading
from typing import Any, Final

from ..autograd.base import bump, wrap
from ..autograd.where import here

__all__ = ["current", "gradient_of", "put_gradient"]


class _Thread(threading.local):
    # id of a leaf -> the leaf and its gradient, while a distributed backward runs in this thread
    held: dict[int, tuple[Any, Any]] | None = None


current: Final = _Thread()


def gradient_of(leaf: Any) -> Any:
    """The gradient of a leaf.

    Args:
        leaf: the leaf.
    """
    if current.held is None:
        return leaf._grad
    return current.held.get(id(leaf), (leaf, None))[1]


def put_gradient(leaf: Any, array: Any, view: bool) -> None:
    """Replace the values of a leaf's gradient.

    Args:
        leaf: the leaf.
        array: the values.
        view: whether the gradient is to lie in the array's memory.
    """
    held = gradient_of(leaf)
    if view or held is None:
        fresh = wrap(array if view else array.copy())
        if current.held is None:
            leaf._grad = fresh
        else:
            current.held[id(leaf)] = leaf, fresh
    else:
        held._data[...] = array
        bump(held, *here())
