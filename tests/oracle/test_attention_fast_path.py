"""Queries that may attend to no key: NaN where PyTorch's fast path of evaluation gives it, zero elsewhere."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

HEADS, MASKS, MODES = (
    (1, 2),
    ("padding", "pairs", "both"),
    ("eval", "recorded", "training", "off", "autocast"),
)


def masks(t: Any, kind: str, numbers: bool) -> tuple[Any, Any]:
    padding, pairs = t.zeros(3, 5, dtype=t.bool), t.zeros(5, 5, dtype=t.bool)
    padding[1] = True
    padding[2, 2:] = True
    pairs[2] = True
    found = [padding if kind != "pairs" else None, pairs if kind != "padding" else None]
    if numbers:
        found = [None if m is None else t.zeros(m.shape).masked_fill(m, float("-inf")) for m in found]
    return found[0], found[1]


def run(t: Any, module: Any, mode: str, call: Any) -> Any:
    module.train(mode == "training")
    t.backends.mha.set_fastpath_enabled(mode != "off")
    try:
        with t.set_grad_enabled(mode == "recorded"), t.autocast("cpu", enabled=mode == "autocast"):
            return call(module)
    finally:
        t.backends.mha.set_fastpath_enabled(True)


def both(build: Any, mode: str, call: Any, tolerance: float = 2e-6) -> np.ndarray:
    """The results, compared; modules are the oracle's."""
    theirs = build(torch)
    ours = build(cotangent)
    ours.load_state_dict({k: cotangent.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(1).random((3, 5, 4), dtype=np.float32)
    found = [
        run(t, module, mode, lambda m, t=t: call(t, m, t.from_numpy(x))).detach().float().numpy()
        for t, module in ((cotangent, ours), (torch, theirs))
    ]
    np.testing.assert_allclose(*found, rtol=tolerance, atol=tolerance)
    return found[0]


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize(("heads", "kind", "mode"), list(itertools.product(HEADS, MASKS, MODES)))
def test_attention(heads: int, kind: str, mode: str, numbers: bool) -> None:
    def call(t: Any, m: Any, x: Any) -> Any:
        padding, pairs = masks(t, kind, numbers)
        return m(x, x, x, key_padding_mask=padding, attn_mask=pairs, need_weights=False)[0]

    got = both(
        lambda t: t.nn.MultiheadAttention(4, heads, batch_first=True), mode, call,
        3e-2 if mode == "autocast" else 2e-6,
    )  # fmt: skip
    assert np.isnan(got).any() == (mode in ("eval", "autocast") and heads == 2 and not numbers)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("mode", MODES[:4])
def test_encoder_layer(heads: int, kind: str, mode: str, norm_first: bool) -> None:
    def call(t: Any, m: Any, x: Any) -> Any:
        padding, pairs = masks(t, kind, True)
        return m(x, src_mask=pairs, src_key_padding_mask=padding)

    got = both(
        lambda t: t.nn.TransformerEncoderLayer(4, heads, 8, 0.0, batch_first=True, norm_first=norm_first),
        mode, call,
    )  # fmt: skip
    assert np.isnan(got).any() == (mode == "eval" and heads == 2)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # the oracle says so of itself
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("mode", MODES[:4])
def test_encoder(kind: str, mode: str) -> None:
    def build(t: Any) -> Any:
        return t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True), 2)

    def call(t: Any, m: Any, x: Any) -> Any:
        padding, pairs = masks(t, kind, False)
        return m(x, mask=pairs, src_key_padding_mask=padding)

    both(build, mode, call, 1e-5)


def test_a_hook_keeps_layers_off_the_fast_path() -> None:
    def build(t: Any) -> Any:
        layer = t.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
        layer.linear1.register_forward_hook(lambda *given: None)
        return layer

    got = both(build, "eval", lambda t, m, x: m(x, src_key_padding_mask=masks(t, "padding", False)[0]))
    assert not np.isnan(got).any()
