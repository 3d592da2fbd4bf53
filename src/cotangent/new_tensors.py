"""Tensors made after another one: `new_zeros` and the like."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from .autograd.base import written_inside
from .creation import as_array, born, check_dtype
from .dtypes import dtype as _dtype
from .factories import empty_strided, full, make
from .size import check_device
from .tensor import Tensor

_COPY: Final = (
    "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
    "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor)."
)


def _as_of(t: Any, options: dict[str, Any]) -> None:
    """Options that are not given are those of a tensor."""
    for key in ("dtype", "device", "layout"):
        if options.get(key) is None:
            options[key] = getattr(t, key)


def _new(function: str, self: Any, size: Any, fill: Any, options: dict[str, Any]) -> Any:
    _as_of(self, options)
    owner = self._owner
    if owner is not None and owner.is_batch:  # one for each example
        if not size and "size" in options:
            size = (options.pop("size"),)
        given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
        below = self._data.value
        whole = _new(function, below, ((owner.size, *given),), fill, {**options, "requires_grad": False})
        made = owner.batch(whole, 0)
        return made.requires_grad_() if options.get("requires_grad") else made
    return written_inside(make(function, size, fill, options), self, int(fill is not None))


def new_zeros(self: Any, *size: Any, **options: Any) -> Any:
    """Zeros of the tensor's dtype."""
    return _new("new_zeros", self, size, 0, options)


def new_ones(self: Any, *size: Any, **options: Any) -> Any:
    """Ones of the tensor's dtype."""
    return _new("new_ones", self, size, 1, options)


def new_empty(self: Any, *size: Any, **options: Any) -> Any:
    """An unfilled tensor of the tensor's dtype."""
    return _new("new_empty", self, size, None, options)


def new_empty_strided(self: Any, size: Any, stride: Any, **options: Any) -> Any:
    """An unfilled tensor of the tensor's dtype, of given sizes and strides."""
    _as_of(self, options)
    owner = self._owner
    if owner is not None and owner.is_batch:  # one for each example
        if len(size) != len(stride):
            raise RuntimeError(
                f"new_empty_strided(sizes, strides): dimensionality of sizes ({len(size)}) must match "
                f"dimensionality of strides ({len(stride)})"
            )
        used = [(n - 1) * s for n, s in zip(size, stride, strict=True)]
        room = 0 if 0 in size else 1 + sum(used)
        whole = self._data.value.new_empty_strided((owner.size, *size), (room, *stride), **options)
        return owner.batch(whole, 0)
    return empty_strided(size, stride, **options)


def new_full(self: Any, size: Any, fill_value: Any, **options: Any) -> Any:
    """A filled tensor of the tensor's dtype."""
    _as_of(self, options)
    owner = self._owner
    if owner is not None and owner.is_batch:  # one for each example
        return owner.batch(new_full(self._data.value, (owner.size, *size), fill_value, **options), 0)
    return written_inside(full(size, fill_value, **options), self, 1)


def new_tensor(
    self: Any, data: Any, *, dtype: _dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """A tensor of `data` in this tensor's dtype."""
    dtype = check_dtype("new_tensor", dtype)
    if device is not None:
        check_device(device)
    if isinstance(data, Tensor):
        warnings.warn(_COPY, UserWarning, stacklevel=2)
    source = data._data if isinstance(data, Tensor) else as_array(data, None)
    return born(np.array(source).astype((dtype or self.dtype).np), requires_grad)


METHODS = ("new_empty_strided", "new_tensor", "new_zeros", "new_ones", "new_empty", "new_full")
