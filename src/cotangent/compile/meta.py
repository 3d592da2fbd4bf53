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


# Operations besides the elementwise ones that mind operands on several devices: which operand says where the
# others are expected.
_EXPECTED: Final = {
    **dict.fromkeys(
        (
            "mv", "dot", "cat", "stack", "layer_norm_of", "group_norm_of", "fixed_norm_of", "mse_of",
            "smooth_l1_of", "huber_of", "addr_of", "dist_of", "grid_sampler_2d_of", "grid_sampler_3d_of",
            "attention", "add_rows",
        ),
        0,
    ),
    **dict.fromkeys(
        (
            "addmm_of", "nll_of", "binary_cross_entropy_of", "binary_cross_entropy_with_logits_of",
            "masked_fill_number", "masked_fill_with", "prelu_of",
        ),
        1,
    ),
}  # fmt: skip


def _refuse_mixed(op: Any, payloads: tuple[Any, ...]) -> None:
    """Raise PyTorch's error for operands on both the CPU and "meta"; single numbers may be anywhere."""
    operands = [x for p in payloads for x in (p if isinstance(p, (list, tuple)) else (p,))]
    if not any(x.__class__ is np.ndarray and x.ndim for x in operands):
        return
    if op.name == "addmm_of":  # the second factor is not looked at
        operands.pop()
    places = ["cpu" if x.__class__ is np.ndarray else "meta" for x in operands if x is not None]
    if op.name == "attention":
        raise RuntimeError(
            "Expected query, key, and value to have the same device type, but got query.device: "
            f"{places[0]} key.device: {places[1]} and value.device: {places[2]} instead."
        )
    if op.name == "add_rows":
        raise RuntimeError(
            "index_add(): self, index and source expected to be in the same device, but got (self) "
            f"{places[0]}, (index) {places[2]}, and (source) {places[1]}"
        )
    if len(set(places)) == 1:
        return
    expected = places[_EXPECTED.get(op.name, 0)]
    other = "cpu" if expected == "meta" else "meta"
    raise RuntimeError(f"Tensor on device {other} is not on the expected device {expected}!")


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
            RuntimeError: if an operand is on the CPU, and not a single number, where PyTorch minds.
        """
        if op.kind == "elementwise" or op.name in _EXPECTED:  # others are given constants of their own
            _refuse_mixed(op, payloads)
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


def like(t: Any, np_dtype: Any = None) -> Any:
    """A new leaf on the device "meta" with the shape, layout and type (or another one) of a tensor."""
    data = t._data
    have = getattr(data, "np_dtype", None) or data.dtype
    made = blank(tuple(data.shape), np_dtype or have, t._req and t._node is None)
    made._data.strides = tuple(s // have.itemsize * made._data.np_dtype.itemsize for s in data.strides)
    return made
