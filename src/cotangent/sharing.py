"""Tensors whose memory several processes see: `share_memory_`, and how such tensors travel.

`multiprocessing` sends them as descriptors of their memory, so that what one process writes the others read.
"""

from __future__ import annotations

import importlib
from multiprocessing import reduction
from typing import Any, Final

import numpy as np

from .autograd.base import wrap
from .autograd.views import views_of
from .kernels.shape import address, memory, owner
from .kernels.shared_blocks import Block, block_of, shared_block
from .tensor import Tensor

__all__ = ["is_shared", "rebuild_tensor", "reduce_tensor", "register", "share_memory_"]

HOME: Final = __package__


def _array(t: Any) -> np.ndarray[Any, Any]:
    data = t._data
    if not isinstance(data, np.ndarray):
        raise RuntimeError("only a tensor with memory of its own can be shared between processes")
    return data


def share_memory_(self: Any) -> Any:
    """Move the memory to where processes that are started from now on see it, and it theirs.

    Views of the same tensor move along. `detach()`ed twins made earlier keep the old memory.

    Returns:
        the tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).share_memory_().is_shared()
        True
    """
    register(type(self))
    data = _array(self)
    if block_of(data) is not None:
        return self
    base = self if self._view is None else self._view.base
    whole = memory(data)
    if not np.may_share_memory(whole, data) and data.size:
        raise RuntimeError("the memory of this tensor is no dense block and cannot be shared")
    block = shared_block(whole.nbytes)
    fresh = block.array()
    fresh[: whole.nbytes] = whole
    begin, root = address(whole), owner(data)
    for t in {id(t): t for t in (self, base, *views_of(base))}.values():
        shown = t._data
        if isinstance(shown, np.ndarray) and owner(shown) is root:
            t._data = np.ndarray(shown.shape, shown.dtype, fresh, address(shown) - begin, shown.strides)
    return self


def is_shared(self: Any) -> bool:
    """Whether the memory is shared with other processes.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).is_shared()
        False
    """
    data = self._data
    return isinstance(data, np.ndarray) and block_of(data) is not None


def reduce_tensor(t: Any) -> tuple[Any, tuple[Any, ...]]:
    """How a tensor travels to another process; its memory is shared from then on.

    Args:
        t: any tensor; one that requires a gradient must be a leaf.

    Raises:
        RuntimeError: for other tensors.
    """
    if t.requires_grad and not t.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not "
            "support crossing process boundaries.  If you just want to transfer the data, call detach() on "
            "the tensor before serializing (e.g., putting it on the queue)."
        )
    share_memory_(t)
    data = _array(t)
    block = block_of(data)
    assert block is not None
    offset = address(data) - address(block.array()) if data.size else 0
    look = (data.shape, data.dtype, offset, data.strides)
    # Tensor calls itself torch.Tensor, and `torch` may be another package in the process that gets it.
    home = HOME if type(t) is Tensor else type(t).__module__
    parts = (home, type(t).__name__, reduction.DupFd(block.descriptor), len(block), look, t.requires_grad)
    return rebuild_tensor, parts


def rebuild_tensor(
    home: str, kind: str, descriptor: Any, size: int, look: tuple[Any, ...], requires_grad: bool
) -> Any:
    """A tensor that has travelled, over the memory of its sender.

    Args:
        home: the module of its class.
        kind: the name of its class.
        descriptor: gives the descriptor of the memory.
        size: bytes of the memory.
        look: shape, dtype, offset and strides in it.
        requires_grad: whether it requires a gradient.
    """
    shape, dtype, offset, strides = look
    block = Block.over(descriptor.detach(), size)
    made: Any = wrap(np.ndarray(shape, dtype, block.array(), offset, strides))
    wanted = getattr(importlib.import_module(home), kind)
    if wanted is not Tensor:
        return wanted(made, requires_grad)
    made.requires_grad = requires_grad
    return made


def register(kind: Any = Tensor) -> None:
    """From now on `multiprocessing` sends tensors of a class as descriptors of their memory.

    Args:
        kind: Tensor or Parameter; subclasses say themselves how they are pickled.
    """
    if kind is Tensor or getattr(kind, "__name__", "") in ("Parameter", "Buffer"):
        reduction.register(kind, reduce_tensor)
