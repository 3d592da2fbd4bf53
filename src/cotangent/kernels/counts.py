"""Random counts and choices as PyTorch's CPU kernels draw them: geometric, Poisson, binomial, multinomial.

As in `sampling`, each function takes the words that PyTorch takes, in the same order. The rejection methods
take as many as they need, so these functions go through the numbers one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..dtypes import FLOATING, SCALAR_NAME, from_numpy
from .ordering import topk
from .rng import Stream
from .sampling import (
    exponential,
    is_barebones,
    iteration_order,
    narrowed,
    not_implemented,
    uniforms_64,
)

__all__ = ["binomial", "geometric", "multinomial", "poisson"]


def geometric(stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], p: float) -> NDArray[Any]:
    """Numbers of trials up to the first success of probability p: `Tensor.geometric_`.

    Args:
        stream: where the words come from.
        shape: shape of the result.
        dtype: a floating-point or integral dtype.
        p: the probability of success in one trial.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        RuntimeError: if `p` is not inside (0, 1).
        NotImplementedError: for another dtype.
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    count = math.prod(shape)
    if count and (dtype.kind in "bc" or is_barebones(dtype)):
        raise not_implemented("geometric_cpu", dtype)
    scale = math.log1p(-p)
    with stream.lock:
        drawn = uniforms_64(stream, count)
    trials = np.ceil(np.fromiter(map(_log, drawn.tolist()), np.float64, count) / scale)
    if dtype.kind in "iu":
        return trials.astype(np.int64).astype(dtype).reshape(shape)
    return narrowed(trials, dtype).reshape(shape)


def _log(value: float) -> float:
    return math.log(value) if value else -math.inf


def poisson(stream: Stream, rate: NDArray[Any]) -> NDArray[Any]:
    """Poisson counts, a rate for each: `torch.poisson`.

    Formula: W. Hoermann, "The transformed rejection method for generating Poisson random variables",
    Insurance: Mathematics and Economics 12 (1993), for rates from 10 on; products of uniforms below.

    Args:
        stream: where the words come from.
        rate: floating-point array.

    Returns:
        An array like `rate`.

    Raises:
        RuntimeError: for a negative rate (what came before it has been drawn).
        NotImplementedError: for an integral, bool or complex dtype.
    """
    if from_numpy(rate.dtype).category != FLOATING:
        raise not_implemented("poisson_cpu", rate.dtype)
    rates = rate.astype(np.float64).ravel().tolist()
    with stream.lock:
        counts = [_poisson_one(stream.double, value) for value in rates]
    return narrowed(np.array(counts, np.int64), rate.dtype).reshape(rate.shape)


def _poisson_one(draw: Callable[[], float], rate: float) -> int:
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate == 0:
        return 0
    if rate < 10:
        floor = math.exp(-rate)
        product = draw()
        found = 0
        while product > floor:
            found += 1
            product *= draw()
        return found
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    edge = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = draw() - 0.5
        v = draw()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43) if us else -1
        if us >= 0.07 and v <= edge:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = _log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def binomial(stream: Stream, count: NDArray[Any], prob: NDArray[Any]) -> NDArray[Any]:
    """Binomial counts, a number of trials and a probability for each: `torch.binomial`.

    Formula: W. Hoermann, "The generation of binomial random variates", Journal of Statistical Computation
    and Simulation 46 (1993), algorithm BTRS, where ten successes or more are expected; else sums of
    geometric numbers.

    Args:
        stream: where the words come from.
        count, prob: arrays that broadcast together, both float32 or both float64.

    Returns:
        An array of the broadcast shape.

    Raises:
        ValueError: if `count` is not floating point.
        RuntimeError: if the dtypes differ.
        NotImplementedError: for half precision.
    """
    kind = from_numpy(count.dtype)
    if kind.category != FLOATING:
        raise ValueError(f"binomial only supports floating-point dtypes for count, got: {SCALAR_NAME[kind]}")
    if count.dtype != prob.dtype:
        found, wanted = SCALAR_NAME[from_numpy(prob.dtype)], SCALAR_NAME[kind]
        raise RuntimeError(f"Found dtype {found} but expected {wanted}")
    if count.dtype.itemsize == 2:
        raise not_implemented("binomial_cpu", count.dtype)
    shape = np.broadcast_shapes(count.shape, prob.shape)
    one = count.dtype.type
    counts, probs = (np.broadcast_to(array, shape).ravel() for array in (count, prob))
    with stream.lock:
        drawn = [_binomial_one(stream.double, n, p, one) for n, p in zip(counts, probs)]
    return np.array(drawn, count.dtype).reshape(shape)


def _binomial_one(draw: Callable[[], float], count: Any, prob: Any, one: Any) -> float:
    """One count. `count` and `prob` are NumPy scalars: their products round to the tensor's dtype."""
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return float(count)
    if prob != prob:
        return math.nan
    if prob > 0.5:
        return float(count) - _successes(draw, count, one(1.0 - float(prob)), one)
    return _successes(draw, count, prob, one)


def _successes(draw: Callable[[], float], count: Any, prob: Any, one: Any) -> float:
    if count * prob < 10:
        scale = float(np.log1p(-prob)) if one is np.float32 else math.log1p(-prob)
        total = 0.0
        found = -1
        while total <= count:
            total += math.ceil(_log(draw()) / scale)
            found += 1
        return found
    n, p = float(count), float(prob)
    deviation = float(np.sqrt(count * prob * (one(1) - prob)))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = float(count * prob) + 0.5
    edge = 0.92 - 4.2 / b
    ratio = float(prob / (one(1) - prob))
    alpha = (2.83 + 5.1 / b) * deviation
    mode = float(np.floor((count + one(1)) * prob))
    while True:
        u = draw() - 0.5
        v = draw()
        us = 0.5 - abs(u)
        k = float(math.floor((2 * a / us + b) * u + c)) if us else -1.0
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= edge:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (ratio * (n - mode + 1)))
            + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(ratio * (n - k + 1) / (k + 1))
            + _stirling_rest(mode) + _stirling_rest(n - mode)
            - _stirling_rest(k) - _stirling_rest(n - k)
        )  # fmt: skip
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


# log(k!) minus Stirling's approximation of it, for k = 0 .. 9.
_STIRLING_REST: Final = tuple(
    math.lgamma(k + 1) - (0.5 * math.log(2 * math.pi) + (k + 0.5) * math.log(k + 1) - (k + 1))
    for k in range(10)
)


def _stirling_rest(k: float) -> float:
    if k < 10:
        return _STIRLING_REST[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def multinomial(
    stream: Stream, weights: NDArray[Any], samples: int, replacement: bool
) -> NDArray[np.int64]:
    """Indices drawn with the given weights: `torch.multinomial`.

    Without replacement the order of equal candidates (frequent in half precision, or among zero weights) is
    the index order, where PyTorch's depends on how its selection algorithm moves them about.

    Args:
        stream: where the words come from.
        weights: floating-point array of shape (n,) or (rows, n); rows need not sum to one.
        samples: how many indices a row.
        replacement: whether an index may be drawn again.

    Returns:
        int64 array of shape (samples,) or (rows, samples).

    Raises:
        RuntimeError: if weights or `samples` cannot be.
    """
    if not 0 < weights.ndim <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    kind = from_numpy(weights.dtype)
    if kind.category != FLOATING:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {SCALAR_NAME[kind]}"
        )
    if samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    categories = weights.shape[-1]
    if not replacement and samples > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if categories > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    shape = (*weights.shape[:-1], samples)
    if math.prod(shape) == 0:
        return np.empty(shape, np.int64)
    if replacement and samples > 1:
        return _with_replacement(stream, np.atleast_2d(weights), samples).reshape(shape)
    if categories == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    wide = weights.astype(np.float32) if weights.dtype.itemsize == 2 else weights
    if not (wide.max() < math.inf and wide.min() >= 0):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (wide.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    # The greatest of w / q with q exponential is index i with probability w[i] / sum(w).
    # In the order of its memory, which is that of the weights', but for expanded ones.
    q = np.empty(weights.shape, weights.dtype) if 0 in weights.strides else np.empty_like(weights)
    memory = iteration_order(q)
    q.transpose(memory)[...] = exponential(stream, tuple(q.shape[d] for d in memory), q.dtype)
    race = narrowed(wide / q.astype(wide.dtype, copy=False), weights.dtype).astype(wide.dtype, copy=False)
    if samples == 1:
        return np.asarray(race.argmax(-1, keepdims=True), np.int64)
    order: NDArray[np.int64] = topk(race, samples, race.ndim - 1, True, True)[1]
    return order


def _with_replacement(stream: Stream, weights: NDArray[Any], samples: int) -> NDArray[np.int64]:
    if weights.dtype.itemsize == 2:
        weights = weights.astype(np.float32)
    cumulative = np.add.accumulate(weights, axis=-1)
    total = cumulative[:, -1:]
    known = (weights >= 0) & (weights < math.inf)
    if not (cumulative.size and known.all() and (total > 0).all()):
        _refuse(stream, weights, samples)
    cumulative /= total
    cumulative[:, -1] = 1
    with stream.lock:
        drawn = uniforms_64(stream, len(weights) * samples).reshape(-1, samples)
    # The first place that is not below what was drawn: sums never fall.
    lines = cumulative.astype(np.float64)
    places = [line.searchsorted(some) for line, some in zip(lines, drawn, strict=True)]
    found: NDArray[np.int64] = np.minimum(np.stack(places), weights.shape[-1] - 1)
    return found


def _refuse(stream: Stream, weights: NDArray[Any], samples: int) -> None:
    """Raise for the first row that cannot be; those before it have been drawn."""
    for row in weights:
        bad = ~(row >= 0)
        if bad.any() and not np.isinf(row[: int(np.argmax(bad))]).any():
            raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
        if np.isinf(row).any():
            raise RuntimeError(
                "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
            )
        if not (row.size and np.add.accumulate(row)[-1] > 0):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        with stream.lock:
            uniforms_64(stream, samples)
