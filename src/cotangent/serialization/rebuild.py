"""What a pickled tensor is made of again: the functions that files name, with PyTorch's signatures.

Every argument may come from a hostile file, so each is checked before memory is looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.base import wrap
from ..dtypes import FROM_NUMPY, dtype
from ..size import layout, sparse_coo, strided
from ..storage import TypedStorage, UntypedStorage
from ..tensor import Tensor


def _view(storage: UntypedStorage, d: dtype, offset: Any, size: Any, stride: Any) -> Any:
    """A tensor of that geometry over the memory of a storage."""
    for name, numbers in (("size", size), ("stride", stride), ("storage_offset", (offset,))):
        if not isinstance(numbers, tuple) or not all(type(n) is int for n in numbers):
            raise RuntimeError(f"a tensor's {name} must be integers, the file has {numbers!r}")
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
            t = -t
    t.requires_grad = bool(requires_grad)
    return t


def rebuild_from_numpy(data: Any, d: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor with the values of an array; tensors of other devices are kept so."""
    if not isinstance(data, np.ndarray) or data.dtype not in FROM_NUMPY or not isinstance(d, dtype):
        raise RuntimeError(
            f"a tensor needs an array of numbers and a dtype, the file has {type(data).__name__}"
        )
    return _finished(wrap(data.astype(d.np)), requires_grad, None)


def rebuild_from_type_v2(func: Any, new_type: Any, args: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes of its own."""
    if not isinstance(new_type, type) or not issubclass(new_type, Tensor):
        raise RuntimeError(f"expected a subclass of Tensor, the file has {new_type!r}")
    made = func(*args)
    if type(made) is not new_type:
        made.__class__ = new_type
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
    known = {str(each): each for each in (strided, sparse_coo)}
    if name not in known:
        raise RuntimeError(f"unknown layout {name!r}; known are {', '.join(known)}")
    return known[name]
