"""What a pickled tensor is made of again: the functions that files name, with PyTorch's signatures.

Every argument may come from a hostile file, so each is checked before memory is looked at.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np

from .. import lazy
from ..autograd.base import world, wrap
from ..dtypes import dtype, from_numpy
from ..size import COMPRESSED, layout, sparse_coo, strided
from ..storage import TypedStorage, UntypedStorage
from ..tensor import Tensor, of_class

sparse = lazy.module("cotangent.sparse")
compressed = lazy.module("cotangent.sparse_compressed")


class Waiting(threading.local):
    """What this thread does about sparse tensors, whose places must be read before they are checked."""

    def __init__(self) -> None:
        self.on = False  # whether the bytes of storages are still to come
        self.missed = False  # whether a sparse tensor was left out for that


waiting: Final = Waiting()


def _integers(name: str, numbers: Any) -> None:
    if not isinstance(numbers, tuple) or not all(type(n) is int for n in numbers):
        raise RuntimeError(f"a tensor's {name} must be integers, the file has {numbers!r}")


def _without_memory(d: dtype, size: Any, stride: Any) -> Any:
    """A tensor of that geometry on the device "meta"."""
    if len(size) != len(stride) or min(size, default=0) < 0:
        raise RuntimeError(f"a tensor's size and stride do not fit: {size!r}, {stride!r}")
    made = world.meta.blank(size, d.np)
    made._data.strides = tuple(n * d.itemsize for n in stride)
    return made


def _view(storage: UntypedStorage, d: dtype, offset: Any, size: Any, stride: Any) -> Any:
    """A tensor of that geometry over the memory of a storage."""
    for name, numbers in (("size", size), ("stride", stride), ("storage_offset", (offset,))):
        _integers(name, numbers)
    if storage.device.type == "meta":
        return _without_memory(d, size, stride)
    return wrap(np.empty(0, d.np)).set_(storage, offset, size, stride)


def _typed(storage: Any) -> TypedStorage:
    if not isinstance(storage, TypedStorage):
        raise RuntimeError(f"a tensor is made over a storage, the file has {type(storage).__name__}")
    return storage


def rebuild_tensor(storage: Any, storage_offset: Any, size: Any, stride: Any) -> Any:
    """A tensor over part of a storage."""
    found = _typed(storage)
    return _view(found.untyped(), found.dtype, storage_offset, size, stride)


def rebuild_tensor_v2(
    storage: Any, storage_offset: Any, size: Any, stride: Any, requires_grad: Any, backward_hooks: Any,
    metadata: Any = None,
) -> Any:  # fmt: skip
    """A tensor over part of a storage, and whether it requires a gradient; hooks are not kept."""
    return _finished(rebuild_tensor(storage, storage_offset, size, stride), requires_grad, metadata)


def rebuild_tensor_v3(
    storage: Any, storage_offset: Any, size: Any, stride: Any, requires_grad: Any, backward_hooks: Any,
    d: Any, metadata: Any = None,
) -> Any:  # fmt: skip
    """As v2, of a dtype that has no storage class of its own."""
    if not isinstance(d, dtype) or not isinstance(storage, (TypedStorage, UntypedStorage)):
        raise RuntimeError(
            f"a tensor needs a storage and a dtype, the file has {type(storage).__name__}, {d!r}"
        )
    return _finished(_view(storage.untyped(), d, storage_offset, size, stride), requires_grad, metadata)


def _finished(t: Any, requires_grad: Any, metadata: Any) -> Any:
    if isinstance(metadata, dict):
        if metadata.get("conj"):
            t = t.conj()
        if metadata.get("neg"):
            t = t._neg_view()
    t.requires_grad = bool(requires_grad)
    return t


def rebuild_meta_tensor(d: Any, size: Any, stride: Any, requires_grad: Any) -> Any:
    """A tensor without numbers, on the device "meta"."""
    _integers("size", size)
    _integers("stride", stride)
    if not isinstance(d, dtype):
        raise RuntimeError(f"a tensor needs a dtype, the file has {d!r}")
    return _finished(_without_memory(d, size, stride), requires_grad, None)


def rebuild_sparse_tensor(kind: Any, data: Any) -> Any:
    """A sparse tensor of its parts, which are checked; which layout it is says how many they are."""
    parts = (3, 4) if kind is sparse_coo else (4,) if kind in COMPRESSED.values() else ()
    if not isinstance(data, tuple) or len(data) not in parts:
        raise RuntimeError(f"a sparse tensor needs its parts, the file has {kind!r}, {data!r:.200}")
    *given, size = data[:3] if kind is sparse_coo else data
    if not all(isinstance(part, Tensor) for part in given):
        raise RuntimeError(f"the parts of a sparse tensor must be tensors, the file has {data!r:.200}")
    _integers("size", size)
    if waiting.on:
        waiting.missed = True
        return wrap(np.empty(0))
    if kind is not sparse_coo:
        return compressed.sparse_compressed_tensor(*given, size, layout=kind, check_invariants=True)
    made = sparse.sparse_coo_tensor(*given, size, check_invariants=True)
    if len(data) == 4 and data[3]:
        if (np.diff(made._data.keys()) <= 0).any():
            raise RuntimeError("the file says that places of a sparse tensor are in order, and they are not")
        made._data.coalesced = True
    return made


def rebuild_from_numpy(data: Any, d: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor with the values of an array; tensors of other devices are kept so."""
    if not isinstance(data, np.ndarray) or not isinstance(d, dtype):
        raise RuntimeError(
            f"a tensor needs an array of numbers and a dtype, the file has {type(data).__name__}"
        )
    from_numpy(data.dtype)  # refuses what is no number
    return _finished(wrap(data.astype(d.np)), requires_grad, None)


def rebuild_from_type_v2(func: Any, new_type: Any, args: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes of its own."""
    if not isinstance(new_type, type) or not issubclass(new_type, Tensor):
        raise RuntimeError(f"expected a subclass of Tensor, the file has {new_type!r}")
    made = func(*args)
    if type(made) is not new_type:
        made = of_class(made, new_type)
    restore = getattr(made, "__setstate__", None)
    if restore is not None:
        restore(state)
        return made
    # What `object.__reduce_ex__` would keep: attributes, or (attributes, slots).
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in parts:
        for name, value in (part or {}).items():
            setattr(made, name, value)
    return made


def layout_of(name: str) -> layout:
    """The layout of that name."""
    known = {str(each): each for each in (strided, sparse_coo, *COMPRESSED.values())}
    if name not in known:
        raise RuntimeError(f"unknown layout {name!r}; known are {', '.join(known)}")
    return known[name]
