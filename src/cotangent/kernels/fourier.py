"""Discrete Fourier transforms through SciPy (pocketfft), in the precision of the input."""

from __future__ import annotations

import os
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


def transform(a: Array, dims: tuple[int, ...], norm: str, inverse: bool) -> Array:
    """The complex transform over `dims`; real input becomes complex of the same precision."""
    if a.dtype.itemsize == 2:
        a = a.astype(np.float32)
    return np.asarray((_fft.ifftn if inverse else _fft.fftn)(a, axes=dims, norm=norm, workers=_workers(a)))


def half(a: Array, dims: tuple[int, ...], norm: str) -> Array:
    """The transform of real input without the mirrored half of the last dim."""
    return np.asarray(_fft.rfftn(a, axes=dims, norm=norm, workers=_workers(a)))


def from_half(a: Array, dims: tuple[int, ...], last: int, norm: str) -> Array:
    """The real array whose half transform is `a`; `last` is its size in the last dim."""
    sizes = [a.shape[d] for d in dims[:-1]] + [last]
    return np.asarray(_fft.irfftn(a, s=sizes, axes=dims, norm=norm, workers=_workers(a)))


def resize(a: Array, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """`a` cut or filled up with zeros at the end of `dims` to the given sizes."""
    key: list[Any] = [slice(None)] * a.ndim
    shape = list(a.shape)
    for d, n in zip(dims, sizes, strict=True):
        key[d] = slice(min(n, a.shape[d]))
        shape[d] = n
    if all(n <= a.shape[d] for d, n in zip(dims, sizes, strict=True)):
        return np.array(a[tuple(key)], order="C")
    out = np.zeros(shape, a.dtype)
    out[tuple(key)] = a[tuple(key)]
    return out
