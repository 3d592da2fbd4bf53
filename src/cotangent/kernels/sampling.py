"""Continuous random numbers as PyTorch's CPU kernels draw them: uniform, normal and their relatives.

Each function takes as many words from the `Stream` as PyTorch takes, in the same order, so that two programs
stay in step whatever they draw. Arrays are filled in C order; for another layout see `iteration_order`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import lazy
from ..dtypes import CPP_NAME, SCALAR_NAME, bfloat16, finfo, from_numpy
from .boxmuller import normals_32, normals_64, sincos
from .fma import fma32, fma64
from .fperr import QUIET, reset_errors, set_errors
from .rng import Stream
from .sized import worthwhile

draws: Any = lazy.module("cotangent.kernels.draws")

__all__ = [
    "TYPE_META",
    "cauchy",
    "exponential",
    "is_barebones",
    "iteration_order",
    "log_normal",
    "narrowed",
    "normal",
    "normal_around",
    "not_implemented",
    "rrelu_slopes",
    "trunc_normal",
    "uniform",
    "uniforms_32",
    "uniforms_64",
]

_F32: Final = np.dtype(np.float32)
_F64: Final = np.dtype(np.float64)
_BF16: Final = bfloat16.np
_HALVES: Final = (np.dtype(np.float16), _BF16)
_REAL_OF: Final[dict[np.dtype[Any], np.dtype[Any]]] = {
    np.dtype(np.complex64): _F32,
    np.dtype(np.complex128): _F64,
}
_MANTISSA_32: Final = np.uint32((1 << 24) - 1)
_MANTISSA_64: Final = np.uint64((1 << 53) - 1)
# From this many on PyTorch fills in blocks of 16; fewer are drawn one by one, in pairs of float64.
_BLOCK: Final = 16

# The compiler's names of the types that are called otherwise in matrix products' errors.
TYPE_META: Final = {
    "short": "short int",
    "unsigned short": "short unsigned int",
    "long": "long int",
    "unsigned long": "long unsigned int",
}


def not_implemented(kernel: str, dtype: np.dtype[Any]) -> NotImplementedError:
    """The error of a PyTorch kernel that has no version for a dtype."""
    return NotImplementedError(f'"{kernel}" not implemented for \'{SCALAR_NAME[from_numpy(dtype)]}\'')


def is_barebones(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of the wide unsigned integers, which few of PyTorch's kernels know."""
    return dtype.kind == "u" and dtype.itemsize > 1


def iteration_order(out: NDArray[Any]) -> tuple[int, ...]:
    """The order of dimensions, outermost first, in which PyTorch writes an array of any layout.

    It walks through memory, not through indices: fill `out.transpose(iteration_order(out))` in C order.

    Args:
        out: the array to be written.

    Returns:
        A permutation of the dimensions, the identity for a contiguous array.

    Example:
        >>> import numpy as np
        >>> from cotangent.kernels.sampling import iteration_order
        >>> iteration_order(np.empty((2, 3)).T)
        (1, 0)
    """
    return tuple(sorted(range(out.ndim), key=lambda d: -abs(out.strides[d])))


def uniforms_32(stream: Stream, count: int) -> NDArray[np.float32]:
    """`count` float32 numbers in [0, 1): the low 24 bits of one word each. The caller holds the lock."""
    return _as_uniforms(stream.words(count))


def _as_uniforms(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    if words.size >= _BLOCK and worthwhile(words.size):
        made: NDArray[np.float32] = draws.uniforms(words)
        return made
    words &= _MANTISSA_32
    values = words.view(np.int32).astype(np.float32)
    values *= np.float32(2.0**-24)
    return values


def uniforms_64(stream: Stream, count: int) -> NDArray[np.float64]:
    """`count` float64 numbers in [0, 1): the low 53 bits of two words each. The caller holds the lock."""
    return _as_uniforms_64(stream.words64(count))


def _as_uniforms_64(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    words &= _MANTISSA_64
    values = words.view(np.int64).astype(np.float64)
    values *= 2.0**-53
    return values


def narrowed(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Float values in `dtype`; to half precision by way of float32, as PyTorch converts, and silently."""
    if values.dtype == dtype:
        return values
    token = set_errors(QUIET)
    try:
        if dtype in _HALVES:
            return values.astype(np.float32, copy=False).astype(dtype)
        return values.astype(dtype)
    finally:
        reset_errors(token)


def mapped(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The C library's function, one by one: NumPy's vector versions differ from it in the last digit.

    Args:
        name: of the function.
        values: an array of one dimension.

    Returns:
        A new array.
    """
    if worthwhile(values.size):
        made: NDArray[np.float64] = draws.mapped(name, np.ascontiguousarray(values))
        return made
    function = _exp if name == "exp" else getattr(math, name)
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


def uniform(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], low: float = 0.0, high: float = 1.0
) -> NDArray[Any]:
    """Uniform numbers in [low, high): `torch.rand`, `Tensor.uniform_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point or complex dtype (real and imaginary parts are drawn alike).
        low, high: the bounds.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        NotImplementedError: for an integral or bool dtype.
        RuntimeError: if the bounds are out of order or out of the dtype's range.

    Example:
        >>> import numpy as np
        >>> from cotangent.kernels.rng import Stream
        >>> from cotangent.kernels.sampling import uniform
        >>> uniform(Stream(0), (2,), np.dtype(np.float32))
        array([0.4962566, 0.7682218], dtype=float32)
    """
    count = math.prod(shape)
    part = _REAL_OF.get(dtype)
    if part is not None:
        if count == 0:
            return np.empty(shape, dtype)
        return uniform(stream, (*shape, 2), part, low, high).view(dtype).reshape(shape)
    if dtype != _F32 and dtype != _F64 and dtype not in _HALVES:
        raise not_implemented("check_uniform_bounds", dtype)
    standard = low == 0.0 and high == 1.0
    if not standard:
        _check_bounds(dtype, low, high)
    with stream.lock:
        flat: NDArray[Any] = uniforms_64(stream, count) if dtype == _F64 else uniforms_32(stream, count)
    if standard and flat.dtype == dtype:
        return flat.reshape(shape)
    if dtype == _F64:
        flat = fma64(flat, high - low, low)
    else:
        low_32, high_32 = np.float32(low), np.float32(high)
        flat = fma32(flat, float(high_32 - low_32), low, grain=2.0**-24)
    values = narrowed(flat, dtype)
    # A result that was rounded up to the bound would lie outside the half-open interval.
    top, bottom = (narrowed(np.asarray(bound, _F64), dtype) for bound in (high, low))
    rounded_up = values == top
    if rounded_up.any():
        values[rounded_up] = bottom
    return values.reshape(shape)


def _check_bounds(dtype: np.dtype[Any], low: float, high: float) -> None:
    kind = from_numpy(dtype)
    most = finfo(kind).max
    for name, bound in (("from", low), ("to", high)):
        if not -most <= bound <= most:
            raise RuntimeError(f"{name} is out of bounds for {CPP_NAME[kind]}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > most:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{SCALAR_NAME[kind]}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


def _paired_normals(stream: Stream, count: int) -> NDArray[np.float64]:
    """`count` standard normals drawn one by one: each pair of float64 uniforms gives two, cosine first.

    A second number that is left over waits in the stream for the next draw. The caller holds the lock.
    """
    values = np.empty(count, np.float64)
    done = 0
    if count and stream.next_double is not None:
        values[0] = stream.next_double
        stream.next_double = None
        done = 1
    pairs = (count - done + 1) // 2
    if pairs == 0:
        return values
    u = uniforms_64(stream, 2 * pairs).reshape(pairs, 2)
    if pairs < _BLOCK:
        drawn: list[float] = []
        for u1, u2 in u.tolist():
            radius = math.sqrt(-2.0 * math.log1p(-u2))
            angle = 2.0 * math.pi * u1
            drawn.append(radius * math.cos(angle))
            drawn.append(radius * math.sin(angle))
        both = np.array(drawn)
    else:
        radii = np.sqrt(-2.0 * mapped("log1p", -u[:, 1]))
        sine, cosine = sincos(2.0 * math.pi * u[:, 0])
        both = np.stack((radii * cosine, radii * sine), axis=1).ravel()
    values[done:] = both[: count - done]
    if both.size > count - done:
        stream.next_double = float(both[-1])
    return values


def _block_normals(stream: Stream, count: int, dtype: np.dtype[Any], mean: float, std: float) -> NDArray[Any]:
    """`count` >= 16 normals, by blocks; an incomplete last block is drawn anew as a whole.

    Half-precision numbers are made in float32, a block at a time: there the uniforms that the incomplete
    block would have used are never drawn, while wider types draw them in vain. The caller holds the lock.
    """
    whole = count - count % _BLOCK
    draw: Callable[[int], NDArray[Any]] = stream.words64 if dtype == _F64 else stream.words
    words = draw(whole if dtype in _HALVES else count)
    if whole != count:
        words = np.concatenate((words[:whole], draw(_BLOCK)))  # all blocks in one go
    if dtype == _F64:
        values: NDArray[Any] = _as_uniforms_64(words)
        (draws.normals_64 if worthwhile(count) else normals_64)(values.reshape(-1, 2, 8))
        values = fma64(values, std, mean)
    elif worthwhile(count):
        values = draws.normals(words, mean, std)
    else:
        values = _as_uniforms(words)
        normals_32(values.reshape(-1, 2, 8))
        values = fma32(values, std, mean)
    if whole == count:
        return values
    return np.concatenate((values[: count - _BLOCK], values[whole:]))


def normal(
    stream: Stream,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    contiguous: bool = True,
) -> NDArray[Any]:
    """Normal numbers: `torch.randn`, `torch.normal` with two numbers, `Tensor.normal_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point or complex dtype (of a complex number each part has variance std**2 / 2).
        mean, std: of the distribution.
        contiguous: whether the tensor to be filled is contiguous; PyTorch draws another way if not.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        NotImplementedError: for an integral or bool dtype.
        RuntimeError: if `std` is negative.

    Example:
        >>> import numpy as np
        >>> from cotangent.kernels.rng import Stream
        >>> from cotangent.kernels.sampling import normal
        >>> normal(Stream(0), (2,), np.dtype(np.float32))
        array([ 1.5409961, -0.2934289], dtype=float32)
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, dtype)
    part = _REAL_OF.get(dtype)
    if part is not None:
        std /= math.sqrt(2.0)
        return normal(stream, (*shape, 2), part, mean, std, contiguous=contiguous).view(dtype).reshape(shape)
    if dtype != _F32 and dtype != _F64 and dtype not in _HALVES:
        raise not_implemented("normal_kernel_cpu", dtype)
    with stream.lock:
        if count >= _BLOCK and contiguous:
            scaled = _block_normals(stream, count, dtype, mean, std)
        else:
            scaled = fma64(_paired_normals(stream, count), std, mean)
    return narrowed(scaled, dtype).reshape(shape)


def normal_around(
    stream: Stream, mean: NDArray[Any] | float, std: NDArray[Any] | float, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Normal numbers with a mean or a standard deviation of their own: `torch.normal` with tensors.

    Args:
        stream: where the words come from.
        mean, std: arrays that broadcast together, or one array and one number.
        dtype: dtype of the result (the mean's, or the standard deviation's if the mean is a number).

    Returns:
        An array of the broadcast shape.

    Raises:
        RuntimeError: if `std` is complex or has a negative element.
    """
    if not isinstance(std, np.ndarray):
        shape = np.shape(mean)
        return np.asarray(normal(stream, shape, dtype, 0.0, std) + np.asarray(mean, dtype))
    if np.iscomplexobj(std):
        raise RuntimeError("normal expects standard deviation to be non-complex")
    if std.size and not std.min() >= 0:
        raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = np.broadcast_shapes(np.shape(mean), std.shape)
    values = normal(stream, shape, dtype)
    values *= std.astype(dtype, copy=False)
    values += np.asarray(mean, dtype)
    return values


def trunc_normal(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], mean: float, std: float, a: float, b: float
) -> NDArray[Any]:
    """Normal numbers cut off outside [a, b], by rejection: `nn.init.trunc_normal_`.

    Where the interval holds much of the distribution normals are drawn until all lie inside, else uniform
    candidates are accepted with the probability of the density (its logarithm is NumPy's, so a candidate
    within one rounding error of the threshold could be judged otherwise than by PyTorch).

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point dtype.
        mean, std: of the distribution before the cut.
        a, b: the bounds.

    Returns:
        An array of `shape` and `dtype`.
    """
    inside = (math.erf((b - mean) / std / math.sqrt(2.0)) - math.erf((a - mean) / std / math.sqrt(2.0))) / 2.0
    if inside > 0.3:
        low, high = np.asarray(a, dtype), np.asarray(b, dtype)
        values = normal(stream, shape, dtype, mean, std)
        while (outside := (values < low) | (values > high)).any():
            values = np.where(outside, normal(stream, shape, dtype, mean, std), values)
        return values
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    values = np.empty(shape, dtype)
    pending = np.ones(shape, np.bool_)
    scalar = dtype.type
    token = set_errors(QUIET)
    try:
        while pending.any():
            candidates = uniform(stream, shape, dtype, a, b)
            values = np.where(pending, candidates, values)
            height = ((candidates - scalar(mean)) / scalar(std)) ** 2 * scalar(-0.5) - scalar(peak)
            pending &= np.log(uniform(stream, shape, dtype)) > height
    finally:
        reset_errors(token)
    return values


def log_normal(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], mean: float = 1.0, std: float = 2.0
) -> NDArray[Any]:
    """Numbers whose logarithm is normal with `mean` and `std`: `Tensor.log_normal_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point dtype.
        mean, std: of the logarithm.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if `std` is not positive.
        NotImplementedError: for another dtype.
    """
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    count = math.prod(shape)
    if count and dtype != _F32 and dtype != _F64 and dtype not in _HALVES:
        raise not_implemented("log_normal_cpu", dtype)
    with stream.lock:
        flat = _paired_normals(stream, count)
    return narrowed(mapped("exp", fma64(flat, std, mean)), dtype).reshape(shape)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def exponential(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], rate: float = 1.0
) -> NDArray[Any]:
    """Exponential numbers of the given rate: `Tensor.exponential_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point dtype.
        rate: the parameter lambda, 1 / mean.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if `rate` is not positive, or for another dtype.
    """
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    count = math.prod(shape)
    if count and dtype != _F32 and dtype != _F64 and dtype not in _HALVES:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating "
            f"point but you specified {SCALAR_NAME[from_numpy(dtype)]}"
        )
    with stream.lock:
        flat = uniforms_64(stream, count)
    return narrowed((-1.0 / rate) * mapped("log1p", -flat), dtype).reshape(shape)


def cauchy(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], median: float = 0.0, sigma: float = 1.0
) -> NDArray[Any]:
    """Cauchy numbers: `Tensor.cauchy_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point dtype.
        median, sigma: centre and half width of the distribution.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if `sigma` is not positive, or for another dtype.
    """
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if dtype != _F32 and dtype != _F64 and dtype not in _HALVES:
        name = TYPE_META.get(CPP_NAME[from_numpy(dtype)], CPP_NAME[from_numpy(dtype)])
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating point "
            f"but you specified {name}"
        )
    with stream.lock:
        flat = uniforms_64(stream, math.prod(shape))
    return narrowed(fma64(mapped("tan", math.pi * (flat - 0.5)), sigma, median), dtype).reshape(shape)


def rrelu_slopes(stream: Stream, x: NDArray[Any], lower: float, upper: float) -> NDArray[Any]:
    """The slopes that `rrelu` uses in training: uniform where x <= 0 (in C order), 1 elsewhere.

    Args:
        stream: where the words come from.
        x: the input, floating point, but not float16.
        lower, upper: bounds of the slopes.

    Returns:
        An array of the shape and dtype of `x`, but float32 for bfloat16, in which the product is computed.

    Raises:
        NotImplementedError: for a dtype that PyTorch lacks here.
    """
    if x.dtype != _F32 and x.dtype != _F64 and x.dtype != _BF16:
        raise not_implemented("rrelu_with_noise_out_cpu", x.dtype)
    slopes = np.ones(x.shape, _F64 if x.dtype == _F64 else _F32)
    low, high = (float(slopes.dtype.type(bound)) for bound in (lower, upper))
    chosen = x <= 0
    with stream.lock:
        flat = uniforms_64(stream, int(np.count_nonzero(chosen)))
    slopes[chosen] = flat * (high - low) + low
    return slopes
