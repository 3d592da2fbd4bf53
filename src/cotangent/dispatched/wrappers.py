"""Tensors without memory of classes with `__torch_dispatch__`: what they hold is their class's affair."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.base import new
from ..compile.meta import Meta
from ..config import settings
from ..size import device as place, strided
from .exchange import defined

__all__ = ["defined", "made"]


class Wrapped(Meta):
    """The payload: a shape, a type, a layout and a place."""

    __slots__ = ("lives_on",)

    def __init__(self, shape: tuple[int, ...], np_dtype: Any, strides: Any, where: Any) -> None:
        super().__init__(shape, np_dtype, strides)
        self.lives_on = where

    def copy(self, order: str = "K") -> Wrapped:
        """The same again."""
        return Wrapped(self.shape, self.np_dtype, self.strides, self.lives_on)


def made(
    cls: Any, size: Any, strides: Any = None, storage_offset: Any = None, memory_format: Any = None,
    dtype: Any = None, layout: Any = strided, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, dispatch_sizes_strides_policy: Any = None, **more: Any,
) -> Any:  # fmt: skip
    """A tensor of the class `cls` that has no memory.

    Args:
        cls: a class with `__torch_dispatch__`.
        size: the shape.
        strides: steps in elements; by default those of dense rows.
        storage_offset, memory_format, layout, pin_memory: without effect.
        dispatch_sizes_strides_policy, more: the same.
        dtype: element type, the default one if None.
        device: where it says it is.
        requires_grad: whether gradients flow to it.

    Raises:
        TypeError: if the class has no `__torch_dispatch__`.
    """
    if not hasattr(cls, "__torch_dispatch__"):
        raise TypeError(f"{cls.__name__} must define __torch_dispatch__")
    kind = (dtype or settings.default_dtype).np
    where = place("cpu") if device is None else device if isinstance(device, place) else place(device)
    steps = None if strides is None else tuple(int(s) * np.dtype(kind).itemsize for s in strides)
    t = new(cls)
    t._data = Wrapped(tuple(int(n) for n in size), np.dtype(kind), steps, where)
    t._req = bool(requires_grad)
    t._node = t._vc = t._view = t._cut = None
    return t
