"""Attention in blocks, by generated kernels and by NumPy, against the formula in float64."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from cotangent.kernels import runtime, sized
from cotangent.kernels.attention import attention, attention_backward

# Examples, heads, rows, columns, features; is it causal, with a bias, with a mask.
CASES = [
    ((2, 3, 70, 70, 16), True, False, False),  # two blocks of rows, the last one short
    ((1, 2, 300, 500, 8), False, True, True),
    ((5, 4, 64, 64, 8), True, False, False),
    ((3, 80, 40, 48, 8), False, False, True),  # several blocks of heads
    ((2, 2, 130, 50, 8), True, True, False),  # more rows than columns
    ((2, 2, 50, 130, 8), True, False, False),
]


def exact(q: Any, k: Any, v: Any, bias: Any, hidden: Any, g: Any, scale: float) -> list[Any]:
    """The result, and the cotangents of q, k, v and the bias."""
    s = q @ k.swapaxes(-1, -2) * scale + (0 if bias is None else bias)
    s = np.where(hidden, -np.inf, s)
    top = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(np.isinf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    p = e / np.where(total == 0, 1, total)
    d = g @ v.swapaxes(-1, -2)
    d = p * (d - (p * d).sum(-1, keepdims=True))
    return [p @ v, d @ k * scale, d.swapaxes(-1, -2) @ q * scale, p.swapaxes(-1, -2) @ g, d]


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_attention(case: Any, tiled: bool, generated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (n, h, rows, columns, width), causal, biased, masked = case
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)
    rng = np.random.default_rng(rows)

    def heads_inside(length: int) -> Any:
        return rng.standard_normal((n, length, h, width)).astype("f4").swapaxes(1, 2)

    q, k, v, g = (heads_inside(length) for length in (rows, columns, columns, rows))
    bias = rng.standard_normal((h, rows, columns)).astype("f4") if biased else None
    mask = rng.random((n, 1, rows, columns)) > 0.3 if masked else None
    hidden = np.zeros((n, h, rows, columns), bool)
    if mask is not None:
        mask[:, :, 7] = False  # a row that may attend to nothing
        hidden |= ~mask
    if causal:
        hidden |= ~np.tri(rows, columns, dtype=bool)
    tensors = [q, k, v] if bias is None else [q, k, v, bias]
    wide = [None if a is None else a.astype("f8") for a in (q, k, v, bias, g)]
    expected = exact(*wide[:4], hidden, wide[4], 0.3)
    with nullcontext() if generated else sized.by_numpy():
        out, logs = attention(tensors, mask, 0.3, causal, tiled)
        found = attention_backward(g, tensors, mask, out, logs, 0.3, causal, tiled, (True,) * len(tensors))
        if biased:  # the bias does not need one: the same by another way
            again = attention_backward(
                g, tensors, mask, out, logs, 0.3, causal, tiled, (True, True, True, False)
            )
            assert again[3] is None
            for one, two in zip(again[:3], found):
                np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-5)
            expected[4] = expected[4].sum(0)
    assert (out.swapaxes(1, 2) if tiled else out).flags.c_contiguous
    for one, two in zip([out, *found], expected):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-5)
    assert np.array_equal(np.isinf(logs), hidden.all(-1))
