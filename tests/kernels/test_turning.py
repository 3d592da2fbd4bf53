"""Copies between orders of memory by generated kernels."""

from typing import Any

import numpy as np
import pytest

from cotangent.kernels import layout, runtime, turning


@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "f8", "c16", "?"])
def test_any_order_to_any_other(dtype: str) -> None:
    assert runtime.ready()
    rng = np.random.default_rng(0)
    served = 0
    for turn in range(150):
        rank = int(rng.integers(2, 6))
        a: Any = rng.integers(0, 100, rng.integers(1, (90, 40, 14, 8)[rank - 2], rank)).astype(dtype)
        source = a.transpose(rng.permutation(rank))
        if turn % 3 == 0:
            source = source[tuple(slice(None, None, int(rng.integers(1, 3))) for _ in range(rank))]
        order = rng.permutation(rank)
        target = np.zeros([source.shape[d] for d in order], dtype).transpose(np.argsort(order))
        if turn % 4 == 0:
            target = np.zeros([2 * n for n in source.shape], dtype)[tuple(map(slice, source.shape))]
        if turning.transfer(target, source):
            served += 1
            np.testing.assert_array_equal(target, source)
        copied = layout.dense(source)
        assert copied.flags.c_contiguous and not np.may_share_memory(copied, source)
        np.testing.assert_array_equal(copied, source)
    assert served > 20 or dtype == "c16"


def test_large_arrays_come_this_way() -> None:
    assert runtime.ready()
    a = np.arange(200_000.0).reshape(400, 500)
    for source in (
        a.T,
        np.moveaxis(a.reshape(4, 100, 50, 10), 3, 1),
        a.reshape(80, 10, 10, 25).swapaxes(1, 2),
    ):
        target = np.empty(source.shape)
        assert turning.transfer(target, source)
        np.testing.assert_array_equal(target, source)
