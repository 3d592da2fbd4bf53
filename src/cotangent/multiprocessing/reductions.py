"""How tensors travel to other processes: `torch.multiprocessing.reductions`."""

from __future__ import annotations

import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ..kernels.shape import owner
from ..nn.parameter import Parameter
from ..sharing import rebuild_tensor, reduce_tensor, register
from ..tensor import Tensor

__all__ = ["ForkingPickler", "StorageWeakRef", "init_reductions", "rebuild_tensor", "reduce_tensor"]


class StorageWeakRef:
    """A weak reference to a storage; two of the same storage are equal.

    Args:
        storage: the storage of a tensor.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.multiprocessing.reductions import StorageWeakRef
        >>> x = torch.zeros(2)
        >>> held = StorageWeakRef(x.untyped_storage())
        >>> held == StorageWeakRef(x[1:].untyped_storage()), held.expired()
        (True, False)
        >>> del x
        >>> held.expired()
        True
    """

    __slots__ = ("_memory", "cdata")

    def __init__(self, storage: Any) -> None:
        self.cdata: int = storage._cdata
        self._memory = weakref.ref(owner(storage._array))

    def expired(self) -> bool:
        """Whether the memory is gone."""
        return self._memory() is None

    def __hash__(self) -> int:
        return self.cdata

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StorageWeakRef):
            return NotImplemented
        return self is other or self.cdata == other.cdata


def init_reductions() -> None:
    """Let `multiprocessing` send tensors as descriptors of their memory."""
    register(Tensor)
    register(Parameter)
