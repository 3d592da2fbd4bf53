"""Discrete Fourier transforms through SciPy (pocketfft), in the precision of the input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from .. import lazy
from ..config import settings

Array = np.ndarray[Any, Any]
_fft = lazy.module("scipy.fft")
_LARGE: Final = 1 << 16


def _workers(a: Array) -> int:
    """Threads for a transform: all for large arrays, none besides this one for small ones."""
    return 1 if a.size < _LARGE else settings.threads or os.cpu_count() or 1


def _inwards(a: Array, dims: Sequence[int]) -> list[int]:
    """`dims` by falling stride; those of size one wherever their strides put them."""
    return sorted(dims, key=lambda d: -a.strides[d])


def _order(a: Array, dims: Sequence[int]) -> list[int]:
    """The dimensions as a result of PyTorch's lies in memory: the transformed ones innermost."""
    return _inwards(a, [d for d in range(a.ndim) if d not in dims]) + list(dims)


def _laid(result: Any, order: list[int]) -> Array:
    """The result with its memory in that order of dimensions."""
    back = sorted(range(len(order)), key=order.__getitem__)
    return np.ascontiguousarray(np.asarray(result).transpose(order)).transpose(back)


def transform(a: Array, dims: tuple[int, ...], norm: str, inverse: bool) -> Array:
    """The complex transform over `dims`; real input becomes complex of the same precision."""
    if a.dtype.itemsize == 2:
        a = a.astype(np.float32)
    made = (_fft.ifftn if inverse else _fft.fftn)(a, axes=dims, norm=norm, workers=_workers(a))
    return _laid(made, _order(a, _inwards(a, dims)))


def half(a: Array, dims: tuple[int, ...], norm: str) -> Array:
    """The transform of real input without the mirrored half of the last dim."""
    made = _fft.rfftn(a, axes=dims, norm=norm, workers=_workers(a))
    return _laid(made, _order(a, [*_inwards(a, dims[:-1]), dims[-1]]))


def from_half(a: Array, dims: tuple[int, ...], last: int, norm: str) -> Array:
    """The real array whose half transform is `a`; `last` is its size in the last dim."""
    sizes = [a.shape[d] for d in dims[:-1]] + [last]
    made = _fft.irfftn(a, s=sizes, axes=dims, norm=norm, workers=_workers(a))
    if dims[:-1]:
        # The complex dims are transformed first, and their result's layout is what the last one starts from.
        order = _order(a, _inwards(a, dims[:-1]))
        return _laid(made, [d for d in order if d != dims[-1]] + [dims[-1]])
    return _laid(made, _order(a, dims))


def resize(a: Array, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """`a` cut or filled up with zeros at the end of `dims` to the given sizes."""
    key: list[Any] = [slice(None)] * a.ndim
    shape = list(a.shape)
    for d, n in zip(dims, sizes, strict=True):
        key[d] = slice(min(n, a.shape[d]))
        shape[d] = n
    if all(n <= a.shape[d] for d, n in zip(dims, sizes, strict=True)):
        return np.array(a[tuple(key)], order="K")
    out = np.zeros(shape, a.dtype)
    out[tuple(key)] = a[tuple(key)]
    return out
