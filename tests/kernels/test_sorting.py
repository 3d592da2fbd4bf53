"""Stable orders by packed numbers, and selected ranks, as NumPy's stable sorting has them."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import counts, membership, ordering, sized
from cotangent.kernels.rng import Stream
from cotangent.kernels.sampling import uniforms_64


def numbers(shape: tuple[int, ...], dtype: Any, ties: bool) -> Any:
    rng = np.random.default_rng(7)
    a = rng.standard_normal(shape) * 20
    a = (np.round(a) if ties else a).astype(dtype)
    if a.dtype.kind in "fV":
        flat = a.reshape(-1)
        for value in (np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0):
            flat[rng.integers(0, flat.size, 9)] = value
    return a


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int32, np.int64, np.uint8]
)
@pytest.mark.parametrize("shape", [(2000,), (40, 50), (6, 19, 13)])
def test_orders_and_ranks(shape: tuple[int, ...], dtype: Any, ties: bool) -> None:
    a = numbers(shape, dtype, ties)
    key = a.astype(np.float64)
    for dim in range(len(shape)):
        expected = np.argsort(key, axis=dim, kind="stable")
        values, order = ordering.sort(a, dim, False)
        np.testing.assert_array_equal(order, expected)
        same = np.take_along_axis(key, expected, dim)
        np.testing.assert_array_equal(values.astype(np.float64), same)
        np.testing.assert_array_equal(np.signbit(values.astype(np.float64)), np.signbit(same))
        for rank in (0, shape[dim] // 2, shape[dim] - 1):
            found = ordering.ranked(a, dim, rank)
            np.testing.assert_array_equal(found, np.take(expected, [rank], axis=dim))
        # Descending, equal elements keep their order, and nan comes first.
        backwards = np.argsort(np.where(np.isnan(key), -np.inf, -key), axis=dim, kind="stable")
        if not np.isinf(key).any():
            np.testing.assert_array_equal(ordering.sort(a, dim, True)[1], backwards)


def test_draws_with_replacement_are_those_of_one_row_after_the_other() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((20, 37)).astype(np.float32)
    weights[:, ::5] = 0
    found = counts.multinomial(Stream(5), weights, 11, True)
    stream = Stream(5)
    for row, drawn in zip(weights, found):
        cumulative = np.add.accumulate(row)
        cumulative /= cumulative[-1]
        cumulative[-1] = 1
        with stream.lock:
            expected = np.searchsorted(cumulative.astype(np.float64), uniforms_64(stream, 11))
        np.testing.assert_array_equal(drawn, expected)


def test_a_row_that_cannot_be_is_refused_after_those_before_it_were_drawn() -> None:
    weights = np.ones((4, 6), np.float32)
    weights[2, 3] = -1
    stream, other = Stream(1), Stream(1)
    with pytest.raises(RuntimeError, match="probability entry < 0"):
        counts.multinomial(stream, weights, 3, True)
    uniforms_64(other, 6)
    assert stream.double() == other.double()


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_of_many(dtype: Any, k: int, largest: bool) -> None:
    assert sized.worthwhile(sized.WARM_UP)
    rng = np.random.default_rng(k)
    a = rng.integers(-40, 40, (31, 203)).astype(dtype)
    for value in (np.nan, np.inf, -np.inf, -0.0):
        a[rng.random(a.shape) < 0.02] = value
    for array, dim in ((a, 1), (a.T, 0), (a.reshape(-1), 0)):
        values, order = ordering.topk(array, k, dim, largest, True)
        whole, places = ordering.sort(array, dim, largest)
        cut = (slice(None),) * dim + (slice(k),)
        np.testing.assert_array_equal(values, whole[cut])
        np.testing.assert_array_equal(order, places[cut])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("spread", [20, 1 << 30])
def test_distinct(dtype: Any, spread: int) -> None:
    rng = np.random.default_rng(0)
    a = (rng.integers(-spread, spread, 3000) % (256 if dtype is np.uint8 else spread)).astype(dtype)
    if a.dtype.kind == "f":
        a[::100] = np.nan
    values, inverse, counts = membership.distinct(a)
    expected, _, numbers = np.unique(a, return_inverse=True, return_counts=True, equal_nan=False)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(counts, numbers)
    np.testing.assert_array_equal(values[inverse], a)
    assert values.dtype == a.dtype
