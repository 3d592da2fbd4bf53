"""PyTorch's bulk normal numbers: Box-Muller on blocks of 16 uniforms, to its last digit.

Eight uniforms u1 and eight u2 make sixteen normals, `sqrt(-2 log(1 - u1))` times `cos(2 pi u2)` and
`sin(2 pi u2)`. In float32 PyTorch's x86 build evaluates log, sin and cos with the Cephes polynomials
(S. Moshier, Cephes Math Library, `logf.c` and `sinf.c`) in vector registers with fused multiply-adds. A
fused step is a float64 step rounded to float32 here: the product of two float32 is exact in float64. All
2^24 values of u1 and of u2 were compared with PyTorch 2.13 and agree (`tools/record_rng.py --exhaustive`).
In float64 it calls the C library, as `math.log` and NumPy's complex exponential do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["normals_32", "normals_64", "sincos"]

# Blocks worked on at a time: the scratch arrays of that many stay in the second-level cache.
_CHUNK: Final = 512


def _f(value: float) -> float:
    return float(np.float32(value))


SQRT_HALF: Final = np.float32(0.707106781186547524)
LOG_P: Final = tuple(map(_f, (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)))  # fmt: skip
LN2_LOW, LN2_HIGH = _f(-2.12194440e-4), _f(0.693359375)
TWO_PI: Final = np.float32(2 * math.pi)
FOUR_OVER_PI: Final = np.float32(1.27323954473516)
QUARTER_PI: Final = tuple(map(_f, (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)))
# Sine's and cosine's polynomials have the same length and are evaluated together, one row each.
SINCOS_P: Final = np.array(
    [[_f(-1.9515295891e-4), _f(8.3321608736e-3), _f(-1.6666654611e-1)],
     [_f(2.443315711809948e-5), _f(-1.388731625493765e-3), _f(4.166664568298827e-2)]]
).T[:, :, None]  # fmt: skip


class _Rounder:
    """Rounds a float64 array to float32 precision in place, through one reused float32 buffer."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._narrow = np.empty(shape, np.float32)

    def __call__(self, wide: NDArray[np.float64]) -> NDArray[np.float64]:
        self._narrow[...] = wide
        wide[...] = self._narrow
        return wide


def _log(u: NDArray[np.float32]) -> NDArray[np.float64]:
    """The Cephes logarithm of float32 values in (0, 1], as float64 values of float32 precision."""
    mantissa, exponent = np.frexp(u)
    small = mantissa < SQRT_HALF
    e = np.subtract(exponent, small, dtype=np.float64)
    x = mantissa.astype(np.float64)
    np.add(x, x, out=x, where=small)
    x -= 1.0  # exact, on either side
    rounded = _Rounder(x.shape)
    z = rounded(x * x)
    y = x * LOG_P[0]
    for p in LOG_P[1:]:
        y += p
        rounded(y)
        y *= x
    rounded(y)
    low = rounded(e * LN2_LOW)
    y *= z
    y += low
    rounded(y)
    z *= 0.5
    y -= z
    rounded(y)
    x += y
    rounded(x)
    e *= LN2_HIGH
    x += e
    return rounded(x)


def _sincos_32(u: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The Cephes sine and cosine of `2 pi u` for float32 u in [0, 1)."""
    theta = u * TWO_PI
    octant = (theta * FOUR_OVER_PI).astype(np.int32)
    octant += 1
    octant &= ~1
    j = octant.astype(np.float64)
    x = theta.astype(np.float64)
    rounded = _Rounder(x.shape)
    for part in QUARTER_PI:
        x += j * part
        rounded(x)
    z = rounded(x * x)
    both = _Rounder((2, u.size))
    y = SINCOS_P[0] * z
    y += SINCOS_P[1]
    both(y)
    y *= z
    y += SINCOS_P[2]
    both(y)
    y *= z
    both(y)
    y[0] *= x
    y[0] += x
    y[1] *= z
    z *= 0.5
    y[1] -= z
    both(y)
    y[1] += 1.0
    value = y.astype(np.float32)
    swap = (octant & 2) != 0
    sine = np.where(swap, value[1], value[0])
    cosine = np.where(swap, value[0], value[1])
    np.negative(sine, out=sine, where=(octant & 4) != 0)
    np.negative(cosine, out=cosine, where=((octant + 2) & 4) != 0)
    return sine, cosine


def _chunks(blocks: int) -> Iterator[slice]:
    for start in range(0, blocks, _CHUNK):
        yield slice(start, min(start + _CHUNK, blocks))


def normals_32(uniforms: NDArray[np.float32]) -> None:
    """Turn float32 uniforms into standard normals, in place.

    Args:
        uniforms: float32 array of shape (blocks, 2, 8), values in [0, 1): eight u1, then eight u2.
    """
    for chunk in _chunks(len(uniforms)):
        block = uniforms[chunk]
        radius = _log((np.float32(1.0) - block[:, 0]).ravel()).astype(np.float32)
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        sine, cosine = _sincos_32(block[:, 1].ravel())
        block[:, 0] = (radius * cosine).reshape(-1, 8)
        block[:, 1] = (radius * sine).reshape(-1, 8)


def sincos(angle: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The C library's sine and cosine (NumPy's own vector versions differ in the last digit).

    The complex exponential of a purely imaginary number is the C library's `sincos`.

    Args:
        angle: float64 array, in radians.

    Returns:
        The sines and the cosines.
    """
    turn = np.zeros(angle.shape, np.complex128)
    turn.imag = angle
    np.exp(turn, out=turn)
    return turn.imag, turn.real


def normals_64(uniforms: NDArray[np.float64]) -> None:
    """Turn float64 uniforms into standard normals, in place.

    Args:
        uniforms: float64 array of shape (blocks, 2, 8), values in [0, 1): eight u1, then eight u2.
    """
    for chunk in _chunks(len(uniforms)):
        block = uniforms[chunk]
        u1 = (1.0 - block[:, 0]).ravel()
        radius = np.fromiter(map(math.log, u1.tolist()), np.float64, u1.size).reshape(-1, 8)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        sine, cosine = sincos(2.0 * math.pi * block[:, 1])
        block[:, 0] = radius * cosine
        block[:, 1] = radius * sine
