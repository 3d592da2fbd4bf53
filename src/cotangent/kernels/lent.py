"""Memory that NumPy's arrays share with tensors: PyTorch does not exchange it for a longer stretch."""

from __future__ import annotations

import weakref
from typing import Any, Final

import numpy as np

from .shape import owner

__all__ = ["NOT_RESIZABLE", "is_lent", "lend"]

NOT_RESIZABLE: Final = "Trying to resize storage that is not resizable"
_LENT: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()


def lend(a: np.ndarray[Any, Any]) -> None:
    """Note that an array outside of tensors looks into the memory of `a` from now on."""
    whole = owner(a)
    _LENT[id(whole)] = whole


def is_lent(a: np.ndarray[Any, Any]) -> bool:
    """Whether that has been noted of the memory of `a`."""
    whole = owner(a)
    return _LENT.get(id(whole)) is whole
