"""Discrete random numbers as PyTorch's CPU kernels draw them: integers, permutations and coins.

As in `sampling`, each function takes the words that PyTorch takes, in the same order.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..dtypes import BOOL, COMPLEX, CPP_NAME, FLOATING, SCALAR_NAME, finfo, from_numpy
from .rng import Stream
from .sampling import TYPE_META, draws, is_barebones, narrowed, not_implemented, uniforms_32, uniforms_64
from .sized import worthwhile

__all__ = [
    "bernoulli",
    "bernoulli_around",
    "dropout_mask",
    "random_full",
    "randint",
    "randperm",
]

_F64: Final = np.dtype(np.float64)
_INT64: Final = np.dtype(np.int64)
_LOWEST: Final = -(1 << 63)
# From this range on an integer is made of 64 bits, below of 32 (a skew of at most 1/16 is accepted).
_WIDE_RANGE: Final = 1 << 28
# From this length on a permutation draws 64 bits a step.
_LONG_PERMUTATION: Final = 0xFFFFFFFF // 20
# Below this many a loop over single swaps is faster than blocks of them.
_FEW_PLACES: Final = 20_000
# Up to so many are swapped by Python as fast as by a kernel.
_HANDFUL: Final = 32
# Bits of a float's significand, the hidden one among them.
_DIGITS: Final = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def randint(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], low: int, high: int | None
) -> NDArray[Any]:
    """Integers in [low, high): `torch.randint`, `Tensor.random_(low, high)`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: any dtype but a complex one.
        low: the least value.
        high: one more than the greatest; None for the greatest that the dtype counts exactly.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if the bounds are out of order or out of the dtype's range.
        NotImplementedError: for all 64 bits (`low=-2**63, high=None`) in a dtype that PyTorch lacks there.

    Example:
        >>> import numpy as np
        >>> from cotangent.kernels.discrete import randint
        >>> from cotangent.kernels.rng import Stream
        >>> randint(Stream(0), (4,), np.dtype(np.int64), 0, 10)
        array([4, 9, 3, 0])
    """
    kind = from_numpy(dtype)
    count = math.prod(shape)
    if high is None and low == _LOWEST:
        return _all_64_bits(stream, shape, dtype)
    if high is not None and low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if kind.category == FLOATING:
        low, high = _exact_bounds(dtype, low, high)
    elif high is None:
        if kind.category == COMPLEX:
            raise RuntimeError("random_from_to_impl handles only integral, floating-point and boolean types")
        greatest = 1 if kind.category == BOOL else int(np.iinfo(dtype).max)
        # PyTorch keeps the bound in an int64, where the greatest uint64 is -1.
        high = 0 if greatest == (1 << 64) - 1 else greatest + 1
    _check_bounds(dtype, low, high)
    if count == 0:
        return np.empty(shape, dtype)
    span = high - low
    with stream.lock:
        if span >= _WIDE_RANGE:
            drawn = (stream.words64(count) % np.uint64(span)).view(np.int64)
        else:
            drawn = (stream.words(count) % np.uint32(span)).astype(np.int64)
    # Wraps around where the range spans more than half of all 64 bits, as intended.
    drawn += np.int64(low)
    return narrowed(drawn, dtype).reshape(shape)


def _all_64_bits(stream: Stream, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    count = math.prod(shape)
    if count and (dtype.name == "float16" or dtype.kind in "cb" or is_barebones(dtype)):
        raise not_implemented("random_full_64_bits_range_kernel_cpu", dtype)
    if count and dtype != _INT64 and dtype.kind in "iu":
        raise RuntimeError(
            "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16"
        )
    with stream.lock:
        drawn = stream.words64(count).view(np.int64)
    return narrowed(drawn, dtype).reshape(shape)


def _exact_bounds(dtype: np.dtype[Any], low: int, high: int | None) -> tuple[int, int]:
    """The bounds moved inwards to numbers that the float dtype holds: no rounding may leave the range."""
    digits = _DIGITS[dtype.name]

    def held(value: int) -> int:
        found = float(narrowed(np.array([value], np.int64), dtype)[0])
        # What the conversion back gives for an infinity or for 2**63.
        return int(found) if abs(found) < 2.0**63 else _LOWEST

    after = held(low + 1)
    if after < low:
        low = after + (1 << max(abs(low + 1).bit_length() - digits, 0))
    if high is None:
        if low >= 1 << digits:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
                f"dtype, but got from={low} > to_inc={1 << digits}"
            )
        return low, (1 << digits) + 1
    before = held(high - 1)
    if before >= high:
        high = before - (1 << max(abs(high - 1).bit_length() - digits, 0))
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
    return low, high


def _check_bounds(dtype: np.dtype[Any], low: int, high: int) -> None:
    kind = from_numpy(dtype)
    name = CPP_NAME[kind]
    name = TYPE_META.get(name, name)
    if kind.category == COMPLEX:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    least: float
    most: float
    if kind.category == FLOATING:
        most = finfo(kind).max
        least = -most
    elif kind.category == BOOL:
        least, most = 0, 1
    else:
        limits = np.iinfo(dtype)
        least, most = int(limits.min), min(int(limits.max), (1 << 63) - 1)
    for what, bound in (("from", low), ("to - 1", high - 1)):
        if not least <= bound <= most:
            raise RuntimeError(f"{what} is out of bounds for {name}")
    if kind.category == FLOATING:
        digits = _DIGITS[dtype.name]
        for what, bound in (("from", low), ("to - 1", high - 1)):
            if abs(bound) > 1 << digits:
                warnings.warn(
                    f"{what} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations "
                    f"{name} can support discrete uniform distribution only within this range. This warning "
                    "will become an error in version 1.7 release, please fix the code in advance",
                    UserWarning,
                    stacklevel=3,
                )


def random_full(stream: Stream, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Integers from 0 to the greatest that the dtype counts exactly: `Tensor.random_()`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point, integral or bool dtype, but not uint16, uint32 or uint64.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        NotImplementedError: for another dtype.
    """
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, dtype)
    kind = from_numpy(dtype)
    if kind.category == COMPLEX or is_barebones(dtype):
        raise not_implemented("random_kernel_cpu", dtype)
    if kind.category == FLOATING:
        span = (1 << _DIGITS[dtype.name]) + 1
    elif kind.category == BOOL:
        span = 2
    else:
        span = int(np.iinfo(dtype).max) + 1
    with stream.lock:
        if dtype in (_INT64, _F64):
            drawn = (stream.words64(count) % np.uint64(span)).view(np.int64)
        else:
            drawn = (stream.words(count) % np.uint32(span)).astype(np.int64)
    return narrowed(drawn, dtype).reshape(shape)


def randperm(stream: Stream, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A random permutation of 0 .. n - 1: `torch.randperm`.

    The shuffle of R. Fisher and F. Yates, from the front: place i is swapped with one of those from i on.

    Args:
        stream: where the words come from.
        n: how many numbers.
        dtype: dtype of the result.

    Returns:
        An array of shape (n,).

    Raises:
        RuntimeError: if `n` is negative or too great for `dtype`.
        NotImplementedError: for a dtype that PyTorch lacks here.

    Example:
        >>> import numpy as np
        >>> from cotangent.kernels.discrete import randperm
        >>> from cotangent.kernels.rng import Stream
        >>> randperm(Stream(0), 5, np.dtype(np.int64))
        array([4, 0, 1, 3, 2])
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype.kind in "iu" and n - 1 > np.iinfo(dtype).max:
        raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    if dtype.name in ("float16", "float32", "float64"):
        digits = _DIGITS[dtype.name]
        most = (1 << digits) + 1
        if n > most:
            raise RuntimeError(
                f"n cannot be greater than {2049 if digits == 11 else f'2^{digits}+1'} for "
                f"{SCALAR_NAME[from_numpy(dtype)]} type."
            )
    if dtype.kind in "bc" or is_barebones(dtype):
        raise not_implemented("randperm", dtype)
    steps = max(n - 1, 0)
    with stream.lock:
        words = stream.words64(steps) if n >= _LONG_PERMUTATION else stream.words(steps)
    partners = (words % np.arange(n, n - steps, -1, dtype=words.dtype)).astype(np.int64)
    partners += np.arange(steps)
    order = draws.swapped(n, partners) if n > _HANDFUL and worthwhile(n) else _swapped(n, partners)
    return narrowed(order, dtype)


def _swapped(n: int, partners: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 .. n - 1 after swapping each place in turn with its partner, which is not before it.

    As long as many places are left, they are swapped a block at a time: swaps do not depend on one another
    if their partners differ and lie behind the block, which a block of sqrt(places left) / 4 nearly always
    fulfils.
    """
    order = np.arange(n)
    met = np.empty(n, np.int64)
    start = 0
    while n - start > _FEW_PLACES:
        stop = start + math.isqrt(n - start) // 4
        theirs = partners[start:stop]
        turns = np.arange(stop - start)
        met[theirs] = turns
        if theirs.min() >= stop and (met[theirs] == turns).all():
            moved = order[theirs]
            order[theirs] = order[start:stop]
            order[start:stop] = moved
        else:
            for place, partner in enumerate(theirs.tolist(), start):
                order[place], order[partner] = order[partner], order[place]
        start = stop
    rest = order[start:].tolist()
    for place, partner in enumerate((partners[start:] - start).tolist()):
        rest[place], rest[partner] = rest[partner], rest[place]
    order[start:] = rest
    return order


def bernoulli(stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], p: float) -> NDArray[Any]:
    """Ones with probability p, else zeros: `Tensor.bernoulli_(p)` with a number.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point, integral or bool dtype.
        p: the probability.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if `p` lies outside [0, 1].
        NotImplementedError: for another dtype.
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    count = math.prod(shape)
    if count and (dtype.kind == "c" or is_barebones(dtype)):
        raise not_implemented("bernoulli_scalar_cpu_", dtype)
    with stream.lock:
        return (uniforms_64(stream, count) < p).astype(dtype).reshape(shape)


def bernoulli_around(stream: Stream, p: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Ones with a probability of each element's own: `torch.bernoulli`, `Tensor.bernoulli_` with a tensor.

    Args:
        stream: where the words come from.
        p: floating-point probabilities, already of the shape of the result.
        dtype: dtype of the result.

    Returns:
        An array of the shape of `p`.

    Raises:
        RuntimeError: if a probability lies outside [0, 1]; what came before it has been drawn.
        NotImplementedError: for a dtype that PyTorch lacks here.
    """
    if p.size == 0:
        return np.empty(p.shape, dtype)
    if dtype.kind == "c" or is_barebones(dtype):
        raise not_implemented("bernoulli_tensor_cpu_self_", dtype)
    if from_numpy(p.dtype).category != FLOATING:
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    wide = p.dtype == _F64
    flat = (p if wide else p.astype(np.float32)).ravel()
    fine = (flat >= 0) & (flat <= 1)
    broken = not fine.all()
    count = int(np.argmin(fine)) if broken else flat.size
    with stream.lock:
        drawn: NDArray[Any] = uniforms_64(stream, count) if wide else uniforms_32(stream, count)
    if broken:
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be "
            "improved?  If so, please report an enhancement request to PyTorch.)"
        )
    return (drawn < flat).astype(dtype).reshape(p.shape)


def dropout_mask(stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], p: float) -> NDArray[Any]:
    """What dropout multiplies its input by: 0 with probability p, else 1 / (1 - p).

    Args:
        stream: where the words come from.
        shape: shape of the mask.
        dtype: dtype of the input.
        p: the probability of a zero, below 1.

    Returns:
        An array of `shape` and `dtype`.
    """
    mask = bernoulli(stream, shape, dtype, 1.0 - p)
    keep: NDArray[Any] = np.asarray(1.0 - p, np.float32 if dtype.itemsize == 2 else dtype)
    mask *= (np.ones((), keep.dtype) / keep).astype(dtype)
    return mask


