"""Where the gradients of this thread's backward are: in `.grad`, or in a context of distributed autograd."""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

import numpy as np

from ..autograd.base import bump, wrap
from ..autograd.where import here
from ..references import ARGUMENT

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


def _unseen(gradient: Any) -> bool:
    """Whether a gradient's memory belongs to it alone, so that nobody can tell if it takes other memory."""
    base = gradient._data.base
    if sys.getrefcount(gradient._data) > 2:
        return False
    if base is None:
        return True
    return type(base) is np.ndarray and base.base is None and sys.getrefcount(base) <= 2 + ARGUMENT


def put_gradient(leaf: Any, array: Any, view: bool) -> None:
    """Replace the values of a leaf's gradient.

    Args:
        leaf: the leaf.
        array: the values, in memory that nobody else will write to unless `view` is said.
        view: whether the gradient is to lie in the array's memory.
    """
    held = gradient_of(leaf)
    if view or held is None:
        fresh = wrap(array)
        if current.held is None:
            leaf._grad = fresh
        else:
            current.held[id(leaf)] = leaf, fresh
        return
    if _unseen(held):
        held._data = array
    else:
        held._data[...] = array
    bump(held, *here())
