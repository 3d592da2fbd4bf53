"""Mixing along dimensions by generated kernels: the same bits as NumPy's steps, forward and back."""

from typing import Any

import numpy as np
import pytest

from cotangent.kernels import rearrange, resample
from cotangent.kernels.sized import WARM_UP, by_numpy, worthwhile

CASES = [
    ((2, 3, 17), (("linear", 17, 40, False, None),)),
    ((2, 3, 9, 11), (("linear", 9, 5, True, None), ("linear", 11, 30, True, None))),
    ((2, 3, 9, 11), (("cubic", 9, 20, False, None), ("cubic", 11, 7, False, None))),
    ((2, 3, 12, 13), (("area", 12, 5, False, None), ("area", 13, 20, False, None))),
    ((3, 12, 13), (("nearest", 12, 24, False, 2.0), ("nearest", 13, 6, False, 0.5))),
    ((2, 40, 33), (("linear-aa", 40, 12, False, None), ("cubic-aa", 33, 9, False, None))),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "spec"), CASES)
def test_resized(shape: Any, spec: Any, dtype: Any) -> None:
    assert worthwhile(WARM_UP)
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = resample.resize(a, spec)
    back = resample.resize_back(found, spec)
    with by_numpy():
        np.testing.assert_array_equal(found, resample.resize(a, spec))
        np.testing.assert_array_equal(back, resample.resize_back(found, spec))
    assert found.dtype == back.dtype == dtype
    assert back.shape == shape


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [((0, 0), (2, 3)), ((3, 0), (0, 4)), ((1, 1), (4, 4)), ((-1, 2), (3, -2))])
def test_continued(mode: str, widths: Any) -> None:
    a = np.arange(35).reshape(5, 7)
    found = rearrange.pad_border(a, widths, mode)
    rows, columns = (rearrange.border_index(n, *w, mode) for n, w in zip(a.shape, widths, strict=True))
    np.testing.assert_array_equal(found, a[rows[:, None], columns])
