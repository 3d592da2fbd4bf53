"""Rows added at given places by a generated kernel."""

from typing import Any

import numpy as np
import pytest

from cotangent.config import settings
from cotangent.kernels import accumulate, index, runtime, sized


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 16, 32, 100, 257])
def test_rows_are_added_in_order(width: int, dtype: Any) -> None:
    rng = np.random.default_rng(width)
    rows = rng.integers(0, 50, 3000)
    values = rng.standard_normal((3000, width)).astype(dtype)
    expected = rng.standard_normal((50, width)).astype(dtype)
    start = expected.copy()
    np.add.at(expected, rows, values)
    assert runtime.ready()
    before = settings.threads
    for n in (1, 3):
        runtime.set_threads(n)
        for kind in (np.int64, np.int32, np.uint8):
            out = start.copy()
            assert accumulate.add_rows(out, rows.astype(kind), values)
            assert (out == expected).all()
    settings.threads = before
    settings.on_threads()
    for v in (np.broadcast_to(dtype(2), (3000, width)), np.asfortranarray(values), values[:, ::-1]):
        out, expected = start.copy(), start.copy()
        np.add.at(expected, rows, v)
        assert accumulate.add_rows(out, rows, v)
        assert (out == expected).all()


def test_what_it_does_not_do() -> None:
    out = np.zeros((5, 4), np.int64)
    assert not accumulate.add_rows(out, np.array([1]), np.ones((1, 4), np.int64))
    wide = np.zeros((5, 8), np.float32)[:, ::2]
    assert not accumulate.add_rows(wide, np.array([1]), np.ones((1, 4), np.float32))


def test_large_sums_of_rows_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(-30, 30, 2000)
    values = rng.standard_normal((2000, 8, 8)).astype(np.float32)
    expected = np.zeros((30, 8, 8), np.float32)
    index.add_rows(expected, rows, values)
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)
    found = np.zeros_like(expected)
    index.add_rows(found, rows, values)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(IndexError):
        index.add_rows(found, np.append(rows[1:], 30), values)
