"""Tensors saved for backward that may be written in place: they are copied before the first write.

Inside the block, what a node saves is kept behind a handle. A keeper among the members of the tensor's
version cell, where its views are, makes every write to that memory come through `write`, which calls
`before_write`: handles whose tensor has not been written yet get a copy of it.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

from .base import TensorBase, active, cell_of
from .modes import modes, refresh_extras
from .recorded import alias


class Handle:
    """Stands for one saved tensor as long as a node keeps it."""

    __slots__ = ("__weakref__",)


class Keeper:
    """A member of a version cell that knows which handles stand for tensors in that memory."""

    _view = None

    def __init__(self, context: MutationContext) -> None:
        self.context = context
        self.handles: weakref.WeakSet[Handle] = weakref.WeakSet()

    def __call__(self) -> Keeper:
        """Itself: what a living weak reference to a view would give."""
        return self

    def clone(self) -> None:
        """Copy what is still as it was saved."""
        for handle in list(self.handles):
            kept = self.context.original.pop(handle, None)
            if kept is not None:
                before, modes.grad = modes.grad, None
                try:
                    self.context.cloned[handle] = kept.clone()
                finally:
                    modes.grad = before
        self.handles.clear()


class MutationContext:
    """What is saved in one block: `original` tensors, and `cloned` ones of those written since."""

    def __init__(self) -> None:
        self.original: weakref.WeakKeyDictionary[Handle, Any] = weakref.WeakKeyDictionary()
        self.cloned: weakref.WeakKeyDictionary[Handle, Any] = weakref.WeakKeyDictionary()
        self.tid_to_weakhandle: weakref.WeakValueDictionary[tuple[Any, ...], Handle] = (
            weakref.WeakValueDictionary()
        )
        self.open = True

    def pack(self, t: Any) -> Handle:
        """A handle for a tensor that is being saved."""
        cell = cell_of(t)
        members = list.__getitem__(cell, 1)
        if members is None:
            members = cell[1] = []
        keeper = next((m for m in members if m.__class__ is Keeper and m.context is self), None)
        if keeper is None:
            keeper = Keeper(self)
            members.append(keeper)
        version = int(list.__getitem__(cell, 0))
        place = (t.data_ptr(), tuple(t.shape), tuple(t.stride()), t.dtype, version)
        handle = self.tid_to_weakhandle.get(place)
        if handle is None:
            handle = self.tid_to_weakhandle[place] = Handle()
            keeper.handles.add(handle)
            self.original[handle] = alias(t, None)
        return handle

    def unpack(self, handle: Handle) -> Any:
        """The tensor a handle stands for, as it was saved."""
        if not self.open:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return self.cloned[handle] if handle in self.cloned else self.original[handle]

    def clear(self) -> None:
        """The block ends: nothing is kept any longer."""
        self.open = False
        self.original.clear()
        self.cloned.clear()


def before_write(x: TensorBase) -> None:
    """Let go of the memory of `x`, which is about to be written."""
    members = None if x._vc is None else list.__getitem__(x._vc, 1)
    for member in list(members or ()):
        if member.__class__ is Keeper:
            member.clone()
            x._vc[1].remove(member)  # type: ignore[index]


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[MutationContext]:
    """For a block: tensors saved for backward may be written in place; backward sees the old values.

    Yields:
        an object whose `cloned` holds the copies there are now.

    Raises:
        RuntimeError: inside another such block.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
        ...     y = x.clone()
        ...     z = y * y
        ...     _ = y.zero_()
        ...     z.backward()
        >>> x.grad
        tensor([6.])
    """
    if modes.keeping:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    context = MutationContext()
    modes.keeping = True
    active.keeping += 1
    modes.extras.saved_hooks.append((context.pack, context.unpack))
    refresh_extras()
    try:
        yield context
    finally:
        modes.extras.saved_hooks.pop()
        refresh_extras()
        modes.keeping = False
        active.keeping -= 1
        context.clear()
