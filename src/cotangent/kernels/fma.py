"""Fused multiply-add on arrays, rounded once, as the hardware instruction does it.

PyTorch's CPU kernels are compiled for FMA, so `a * b + c` there rounds once where NumPy rounds twice.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fma32", "fma64"]

# Veltkamp's constant: multiplying by it cuts a float64 into two halves of 26 bits.
_SPLIT: Final = 134217729.0
# Above this the halves overflow; such draws have no digits that anybody could compare.
_HUGE: Final = 2.0**900
_LOW_29: Final = np.int64((1 << 29) - 1)
_MIDPOINT: Final = np.int64(1 << 28)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum and its exact error (Knuth, TAOCP 2, section 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _toward(value: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """`value` moved to the neighbouring float on the side of `error`."""
    step = np.where((error > 0) == (value > 0), np.int64(1), np.int64(-1))
    return (value.view(np.int64) + step).view(np.float64)


def fma32(
    x: NDArray[np.float32], factor: float, addend: float, grain: float = 0.0
) -> NDArray[np.float32]:
    """`x * factor + addend` in float32, rounded once.

    Args:
        x: float32 array, any shape.
        factor, addend: numbers, rounded to float32 first.
        grain: a power of two of which every element of `x`, at most 1 in size, is a multiple, if known.

    Returns:
        A float32 array of the shape of `x`.
    """
    factor, addend = float(np.float32(factor)), float(np.float32(addend))
    if addend == 0.0:
        # Adding zero would only turn -0. into 0.; the product alone rounds once already.
        return x * np.float32(factor) + np.float32(0.0)
    if factor == 1.0:
        return x + np.float32(addend)
    # 24 x 24 bits fit in a float64, so the product is exact and one addition is rounded to 53 bits ...
    product = x.astype(np.float64)
    product *= factor
    spacings = np.spacing(np.array([abs(factor), abs(addend)], np.float32)).tolist()
    finest = min(grain * spacings[0], spacings[1])
    if abs(factor) + abs(addend) <= finest * 2.0**53:
        product += addend  # exact as well
        return product.astype(np.float32)
    total = product + addend
    # ... and the rounding to 24 bits that follows goes wrong only from an inexact midpoint.
    tie = (total.view(np.int64) & _LOW_29) == _MIDPOINT
    if tie.any():
        error = _two_sum(product[tie], addend)[1]
        total[tie] = np.where(error == 0, total[tie], _toward(total[tie], error))
    return total.astype(np.float32)


def fma64(x: NDArray[np.float64], factor: float, addend: float) -> NDArray[np.float64]:
    """`x * factor + addend` in float64, rounded once.

    Formula: S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
    using rounding to odd", IEEE Transactions on Computers 57(4), 2008.

    Args:
        x: float64 array, any shape.
        factor, addend: numbers.

    Returns:
        A float64 array of the shape of `x`.
    """
    if addend == 0.0:
        return x * factor + 0.0
    if factor == 1.0 or abs(factor) > _HUGE or abs(addend) > _HUGE:
        return x * factor + addend
    cut = x * _SPLIT
    x_high = cut - (cut - x)
    x_low = x - x_high
    cut_factor = factor * _SPLIT
    f_high = cut_factor - (cut_factor - factor)
    f_low = factor - f_high
    high = x * factor
    low = ((x_high * f_high - high) + x_high * f_low + x_low * f_high) + x_low * f_low
    top, bottom = _two_sum(addend, low)
    value, rest = _two_sum(high, top)
    odd, error = _two_sum(bottom, rest)
    even = (odd.view(np.int64) & 1) == 0
    odd = np.where((error != 0) & even, _toward(odd, error), odd)
    return np.asarray(value + odd)
