"""Making tensors from Python values, arrays and fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .autograd.base import wrap
from .config import settings
from .dtypes import dtype as _dtype
from .errors import sizes
from .tensor import Tensor


def tensor(data: Any, *, dtype: _dtype | None = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A new tensor with a copy of `data`."""
    if isinstance(data, Tensor):
        array = data._data
    else:
        array = np.array(data)
        if dtype is None and array.dtype == np.float64 and not isinstance(data, np.ndarray):
            dtype = settings.default_dtype
    if dtype is not None:
        array = np.asarray(array).astype(dtype.np)
    t = wrap(np.array(array))
    if requires_grad:
        if t.dtype.category < dtypes.FLOATING:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t._req = True
    return t


def full(size: Any, fill_value: Any, *, dtype: _dtype | None = None, requires_grad: bool = False) -> Any:
    """A tensor filled with one value."""
    d = dtype or dtypes.scalar_dtype(fill_value, settings.default_dtype)
    t = wrap(np.full(size, fill_value, d.np))
    t._req = requires_grad
    return t


def ones(*size: Any, dtype: _dtype | None = None, requires_grad: bool = False) -> Any:
    """A tensor of ones."""
    return full(sizes(size), 1, dtype=dtype or settings.default_dtype, requires_grad=requires_grad)


def zeros(*size: Any, dtype: _dtype | None = None, requires_grad: bool = False) -> Any:
    """A tensor of zeros."""
    return full(sizes(size), 0, dtype=dtype or settings.default_dtype, requires_grad=requires_grad)


__all__ = ["full", "ones", "tensor", "zeros"]
