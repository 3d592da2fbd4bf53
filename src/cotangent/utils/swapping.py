"""Exchanging what two tensors are."""

from __future__ import annotations

import sys
import weakref
from typing import Any, Final

from ..autograd.base import InferenceCell, TensorBase
from ..autograd.views import views_of
from ..references import ARGUMENT

__all__ = ["set_module", "swap_tensors"]

_FIELDS: Final = ("__class__", "__dict__", "_data", "_req", "_node", "_vc", "_view")


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange two tensors: each object becomes what the other was, references to the objects stay.

    Args:
        t1: a tensor that nothing refers to weakly.
        t2: another one.

    Raises:
        RuntimeError: if there are weak references to one, or if they have different slots.

    Example:
        >>> import cotangent as torch
        >>> a, b = torch.zeros(2), torch.ones(3, dtype=torch.int64)
        >>> torch.utils.swap_tensors(a, b)
        >>> a, b
        (tensor([1, 1, 1]), tensor([0., 0.]))
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if _watched(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
        if t._accumulator is not None and t._accumulator() is not None:  # a graph leads to it
            raise RuntimeError(
                f"Expected use_count of {name} to be 1 or 2 with an AccumulateGrad node but got 3 make sure "
                "you are not holding references to the tensor in other places."
            )
    slots = [_slots(type(t)) for t in (t1, t2)]
    if slots[0] != slots[1]:
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    views = [views_of(t) for t in (t1, t2)]
    for name in (*_FIELDS, *sorted(slots[0])):
        values = [getattr(t, name, _NONE) for t in (t1, t2)]
        for t, value in zip((t2, t1), values):
            if value is not _NONE:
                setattr(t, name, value)
            elif hasattr(t, name):
                delattr(t, name)
    for members in {id(found): found for found in map(_members, (t1, t2))}.values():
        members[:] = [
            weakref.ref(t2) if m() is t1 else weakref.ref(t1) if m() is t2 else m for m in members
        ]
    for base, found in ((t2, views[0]), (t1, views[1])):
        for view in found:
            view._view.base = base


_NONE: Final = object()


def _members(t: Any) -> list[Any]:
    """The weak references that say which tensors look into the memory of `t`."""
    cell = t._vc
    return [] if cell is None or isinstance(cell, InferenceCell) else (list.__getitem__(cell, 1) or [])


def _watched(t: Any) -> bool:
    """Whether anybody refers weakly to a tensor; the list of what looks into its memory does not count."""
    members = _members(t)
    # Each is referred to by the list of them, the variable and our own list.
    return any(
        sys.getrefcount(found) > 2 + ARGUMENT + sum(m is found for m in members)
        for found in weakref.getweakrefs(t)
    )


def _slots(kind: type) -> set[str]:
    """Slots of subclasses of tensors."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base is not TensorBase and base is not object:
            slots = base.__dict__.get("__slots__", ())
            found.update((slots,) if isinstance(slots, str) else slots)
    return found - {"__dict__", "__weakref__"}


def set_module(obj: Any, mod: str) -> None:
    """Give an object the name of the module it is said to come from.

    Args:
        obj: a class or function.
        mod: name of a module.

    Raises:
        TypeError: if that is no string.

    Example:
        >>> import cotangent as torch
        >>> class A: ...
        >>> torch.utils.set_module(A, "here")
        >>> A.__module__
        'here'
    """
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod
