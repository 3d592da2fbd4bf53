"""Running sums, products and extremes by generated kernels, bit for bit."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import ordering, runtime, scans, sized

DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int64, np.int32]
SHAPES = [(7,), (5, 9), (4, 1), (1, 130), (2, 3, 70), (3, 17, 33)]


def numbers(shape: tuple[int, ...], dtype: Any) -> Any:
    rng = np.random.default_rng(len(shape))
    a = (rng.standard_normal(shape) * 3).astype(dtype)
    if np.dtype(dtype).kind in "fV":
        flat = a.reshape(-1)
        flat[rng.integers(0, flat.size, 3)] = (np.inf, -0.0, 1.0)
    return a


def same(found: Any, expected: Any) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if found.dtype.kind == "V":
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def one_by_one(a: Any, dim: int, how: str, backwards: bool) -> Any:
    """Each result rounded once, sums of float32 kept in float64."""
    kept = {4: np.float64, 8: np.float64, 2: np.float32}[a.itemsize] if a.dtype.kind in "fV" else np.int64
    rows = np.moveaxis(a, dim, 0)
    out = np.empty_like(rows)
    total = np.full(rows.shape[1:], how == "prod", kept)
    for i in range(len(rows))[:: -1 if backwards else 1]:
        total = total * rows[i].astype(kept) if how == "prod" else total + rows[i].astype(kept)
        out[i] = total.astype(a.dtype)
    return np.moveaxis(out, 0, dim)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_totals(shape: tuple[int, ...], dtype: Any) -> None:
    assert runtime.ready()
    a = numbers(shape, dtype)
    for dim in (*range(len(shape)), -1):
        for how in ("sum", "prod"):
            for backwards in (False, True):
                expected = one_by_one(a, dim, how, backwards)
                found = scans.totals(a, dim, how, backwards)
                same(found, expected)
                with sized.by_numpy():
                    same(ordering.running(a, dim, how, backwards), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_extremes(shape: tuple[int, ...], dtype: Any) -> None:
    assert runtime.ready()
    a = np.round(numbers(shape, dtype))  # many are equal: the latest counts
    if a.dtype.kind in "fV":
        a.reshape(-1)[a.size // 2 :: 11] = np.nan
    for dim in range(len(shape)):
        for largest in (True, False):
            values, places = scans.extremes(a, dim, largest)
            with sized.by_numpy():
                expected = ordering.cumulative_extreme(a, dim, largest)
            same(values, expected[0])
            same(places, expected[1])


def test_what_there_are_no_kernels_for() -> None:
    assert scans.totals(np.ones(3, np.complex64), 0, "sum") is None
    assert scans.extremes(np.ones(3, np.uint8), 0, True) is None
