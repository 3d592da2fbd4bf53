"""Tensors on the device "meta": shapes and types without numbers.

What an operation would give follows from the shapes of its operands, as in a trace (`infer`); nothing is
computed and no memory is taken. Histories are recorded as always.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import numpy as np

from ..autograd.base import new, world
from ..errors import NO_DATA
from ..size import device
from .value import Shaped, dense, infer, lies_otherwise

__all__ = ["META", "Meta", "blank", "like"]

META: Final = device("meta")


class Meta(Shaped):
    """The payload of a tensor on the device "meta"."""

    __slots__ = ()

    lives_on = META

    def __init__(self, shape: tuple[int, ...], np_dtype: Any, strides: Any = None) -> None:
        self.shape = shape
        self.np_dtype = np_dtype
        self.strides = dense(shape, np_dtype.itemsize) if strides is None else strides

    def apply_op(self, op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """What `op` gives: payloads of the shapes and types of its results.

        Raises:
            RuntimeError: if an operand of an elementwise operation is on the CPU, and not a single number.
        """
        if op.kind == "elementwise":  # others are given constants of their own
            for payload in payloads:
                if payload.__class__ is np.ndarray and payload.ndim:
                    raise RuntimeError("Tensor on device cpu is not on the expected device meta!")
        found = infer(op, payloads, statics)
        as_laid = op.is_view or op.kind == "elementwise" or lies_otherwise(payloads)
        many = isinstance(found, tuple)
        made = [
            Meta(tuple(r.shape), r.dtype, r.strides if as_laid else None)
            for r in (found if many else (found,))
        ]
        return tuple(made) if many else made[0]

    def beside(self, t: Any) -> Any:
        """A tensor of the CPU on this device."""
        return like(t)

    def astype(self, to: Any, **_: Any) -> Meta:
        """The payload with another type."""
        return Meta(self.shape, to, None)

    def copy(self, order: str = "K") -> Meta:
        """The same again."""
        return Meta(self.shape, self.np_dtype, self.strides)

    def item(self) -> NoReturn:
        """There are no numbers."""
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")

    def tolist(self) -> NoReturn:
        """There are no numbers."""
        raise NotImplementedError(NO_DATA)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise NotImplementedError(NO_DATA)


def blank(shape: tuple[int, ...], np_dtype: Any, requires_grad: bool = False) -> Any:
    """A new leaf on the device "meta"."""
    made = new(world.Tensor)
    made._data = Meta(shape, np_dtype)
    made._req = requires_grad
    made._node = made._vc = made._view = made._cut = None
    return made


def like(t: Any) -> Any:
    """A new leaf on the device "meta" with the shape, layout and type of a tensor."""
    data = t._data
    made = blank(tuple(data.shape), getattr(data, "np_dtype", None) or data.dtype, t._req and t._node is None)
    made._data.strides = data.strides
    return made
