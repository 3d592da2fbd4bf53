"""Matrix products of arrays, with PyTorch's accumulation for 16-bit floats (float32, rounded once)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def matmul(a: Array, b: Array) -> Array:
    """`a @ b`, always an array."""
    d = a.dtype
    if d.itemsize == 2 and d.kind not in "iu":
        return np.asarray(np.matmul(a.astype(np.float32), b.astype(np.float32))).astype(d)
    return np.asarray(np.matmul(a, b))


def add_product(c: Array, a: Array, b: Array, beta: Any, alpha: Any) -> Array:
    """`beta * c + alpha * (a @ b)`; `beta == 0` ignores `c`, nan and all."""
    d = a.dtype
    if d.itemsize == 2 and d.kind not in "iu":
        wide = np.float32
        return add_product(c.astype(wide), a.astype(wide), b.astype(wide), beta, alpha).astype(d)
    out = np.asarray(np.matmul(a, b))
    if alpha != 1:
        out = np.multiply(out, np.asarray(alpha).astype(d))
    if beta == 0:
        return out
    scaled = c if beta == 1 else np.multiply(c, np.asarray(beta).astype(d))
    if out.flags.owndata or out.base is None:
        return np.add(out, scaled, out=out)
    return np.asarray(np.add(out, scaled))


def adjoint(a: Array) -> Array:
    """The conjugate of the transposed matrices."""
    flipped = a.swapaxes(-1, -2)
    return np.conjugate(flipped) if a.dtype.kind == "c" else flipped


def conj(a: Array) -> Array:
    """The complex conjugate; a real array is returned as it is."""
    return np.conjugate(a) if a.dtype.kind == "c" else a
