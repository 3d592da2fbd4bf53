"""Rounding to the numbers that a quantiser would keep, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import wide


def _steps(a: Any, scale: Any, zero_point: Any) -> tuple[Any, Any, Any]:
    """The integers that stand for the elements before any is cut off, the scale and the zero point."""
    a, scale = wide(a), np.asarray(scale).astype(np.float32)
    zero = np.asarray(zero_point)
    # PyTorch multiplies by the reciprocal, taken in single precision as the last product, and rounds half
    # to even.
    scaled = a * np.reciprocal(scale).astype(a.dtype)
    if zero.dtype.kind in "fV":  # a zero point between integers takes part in the rounding
        return np.rint(scaled + zero.astype(a.dtype)), scale, zero.astype(a.dtype)
    whole = zero.astype(a.dtype)
    return np.rint(scaled) + whole, scale, whole


def rounded(a: Any, scale: Any, zero_point: Any, low: int, high: int, out: Any = None) -> Any:
    """(clamp(round(a / scale) + zero_point, low, high) - zero_point) scale; nan becomes the lowest.

    Args:
        a: float array.
        scale: what a step means, broadcast.
        zero_point: what stands for zero, broadcast.
        low: the smallest integer.
        high: the largest integer.
        out: array for the result, or None.
    """
    steps, scale, zero = _steps(a, scale, zero_point)
    kept = np.fmin(np.fmax(steps, a.dtype.type(low)), a.dtype.type(high))
    return _given((kept - zero).astype(np.float32) * scale, a.dtype, out)


def rounded_channels(a: Any, scale: Any, zero_point: Any, low: int, high: int, out: Any = None) -> Any:
    """The same with numbers of each channel, for which PyTorch multiplies in the array's own precision."""
    steps, scale, zero = _steps(a, scale, zero_point)
    kept = np.fmin(np.fmax(steps, a.dtype.type(low)), a.dtype.type(high))
    return _given((kept - zero) * scale.astype(kept.dtype), a.dtype, out)


def _given(found: Any, dtype: Any, out: Any) -> Any:
    if out is None or out is ...:
        return found.astype(dtype, copy=False)
    out[...] = found
    return out


def within(a: Any, scale: Any, zero_point: Any, low: int, high: int, out: Any = None) -> Any:
    """Whether nothing is cut off, element by element; see `rounded`."""
    steps, _, _ = _steps(a, scale, zero_point)
    return np.logical_and(steps >= low, steps <= high, out=None if out is ... else out)
