"""Recurrent layers as generated programs compute what the steps in NumPy compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cotangent.kernels import recurrent, recurrent_programs as programs, runtime

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="there is no machine code here")

LIMITS = {"float32": 2e-5, "float64": 1e-13}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("steps", "batch", "size"), [(5, 3, 16), (3, 5, 17), (7, 32, 40)])
@pytest.mark.parametrize("dtype", LIMITS)
def test_an_lstm_layer(
    dtype: str, steps: int, batch: int, size: int, backwards: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "_large", lambda x, weight: False)
    rng = np.random.RandomState(0)

    def draw(*shape: int) -> Any:
        return rng.uniform(-1.0, 1.0, shape).astype(dtype)

    x, h, c, weight = draw(steps, batch, 4 * size), draw(batch, size), draw(batch, size), draw(4 * size, size)
    counts = (batch,) * steps
    ours = programs.lstm(x, h, c, weight, backwards)
    theirs = recurrent.lstm([x, h, c, weight], counts, backwards)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=LIMITS[dtype], atol=LIMITS[dtype])
    for g in (
        (draw(steps, batch, size), draw(batch, size), draw(batch, size)),
        (None, draw(batch, size), None),
    ):
        gh, gc = (np.zeros_like(h) if t is None else t.copy() for t in g[1:])
        d = programs.lstm_backward(g, x.shape, gh, gc, weight, ours[3:], backwards)
        wanted = recurrent.lstm_backward(
            g, [x, h, c, weight], theirs[3:], counts, backwards, (True, True, True, False)
        )
        for one, other in zip((d.reshape(x.shape), gh, gc), wanted, strict=False):
            np.testing.assert_allclose(one, other, rtol=LIMITS[dtype], atol=10 * LIMITS[dtype])


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("dtype", LIMITS)
def test_a_gru_layer(dtype: str, with_bias: bool, backwards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrent, "_large", lambda x, weight: False)
    rng = np.random.RandomState(0)
    steps, batch, size = 5, 6, 24

    def draw(*shape: int) -> Any:
        return rng.uniform(-1.0, 1.0, shape).astype(dtype)

    x, h, weight = draw(steps, batch, 3 * size), draw(batch, size), draw(3 * size, size)
    tensors = [x, h, weight, draw(3 * size)][: 3 + with_bias]
    counts = (batch,) * steps
    ours = programs.gru(x, h, weight, tensors[3] if with_bias else None, backwards)
    theirs = recurrent.gru(tensors, counts, backwards)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=LIMITS[dtype], atol=LIMITS[dtype])
    for g in ((draw(steps, batch, size), draw(batch, size)), (None, draw(batch, size))):
        gh = g[1].copy()
        d, e = programs.gru_backward(g, x.shape, gh, weight, ours[2:], backwards)
        wanted = recurrent.gru_backward(g, tensors, theirs[2:], counts, backwards, (True,) * 4)
        found = [d.reshape(x.shape), gh, e.T @ ours[4], e.sum(0)][: len(tensors)]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=LIMITS[dtype], atol=100 * LIMITS[dtype])
