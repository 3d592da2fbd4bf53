"""The largest element of each window: the generated kernel against NumPy's steps, which PyTorch checks."""

from typing import Any

import numpy as np
import pytest

from cotangent.kernels import pooling
from cotangent.kernels.sized import WARM_UP, by_numpy, worthwhile

# kernel, stride, padding, dilation, whether the last window may reach out
WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (1, 1), False),
    ((3, 3), (2, 2), (1, 1), (1, 1), False),
    ((3, 2), (1, 3), (1, 0), (2, 1), True),
    ((5,), (1,), (2,), (1,), False),
]


def drawn(spatial: int, dtype: Any) -> Any:
    """Few different numbers, so that many are equal, some that are none, and a line of the lowest."""
    assert worthwhile(WARM_UP)
    rng = np.random.default_rng(0)
    a = rng.integers(-3, 3, (2, 3, 13, 37)[: 2 + spatial]).astype(dtype)
    a[rng.random(a.shape) < 0.05] = np.nan
    a[1, 1] = -np.inf
    return a


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window: Any, dtype: Any) -> None:
    a = drawn(len(window[0]), dtype)
    found = pooling.max_pool(a, *window)
    with by_numpy():
        expected = pooling.max_pool(a, *window)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("out", [(5, 7), (13, 1), (4,), (20, 50)])
def test_windows_of_changing_size(out: tuple[int, ...]) -> None:
    a = drawn(len(out), np.float32)
    found = pooling.adaptive_max_pool(a, out)
    with by_numpy():
        expected = pooling.adaptive_max_pool(a, out)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("adds", [False, True])
def test_scattered_and_outside(adds: bool) -> None:
    a = drawn(2, np.float64)
    _, index = pooling.max_pool(a, (3, 3), (1, 1), (1, 1), (1, 1), False)
    g = np.random.default_rng(1).integers(-9, 9, index.shape).astype(np.float64)
    found = pooling.scatter_windows(g, index, a.shape[2:], adds)
    with by_numpy():
        np.testing.assert_array_equal(found, pooling.scatter_windows(g, index, a.shape[2:], adds))
