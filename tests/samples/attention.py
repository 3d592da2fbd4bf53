"""Attention."""

from __future__ import annotations

from collections.abc import Iterator

from .case import HALF, REAL, Const, Make, OpCase, S, Sample, V

F = "nn.functional."


def _attention(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2), make(4, 2), make(4, 3))
    yield S(make(3, 2), make(3, 2), make(3, 2), is_causal=True)
    yield S(make(2, 2, 2), make(2, 3, 2), make(2, 3, 1), make(2, 3))
    yield S(make(2, 2, 1), make(2, 3, 1), make(2, 3, 1), make.mask(2, 3), scale=0.7)
    # One row may attend to nothing.
    dead = make.given(True, True, False, False, dtype="bool").reshape(2, 2)
    yield S(make(2, 2), make(2, 2), make(2, 2), dead)
    yield S(make(1, 2, 2, 1), make(1, 2, 3, 1), make(1, 2, 3, 1), make(2, 2, 3))
    yield S(make(2, 2, 2), make(1, 2, 2), make(2, 2, 2), make(2, 1, 2))
    yield S(make(4, 2, 2), make(2, 2, 2), make(2, 2, 2), enable_gqa=True)
    yield S(make(2, 3, 5, 4), make(2, 3, 7, 4), make(2, 3, 7, 4), Const(make(5, 7)))
    yield S(make(1, 2, 6, 4), make(1, 2, 6, 4), make(1, 2, 6, 4), is_causal=True)
    yield S(make(3, 2, layout="t"), make(4, 2, layout="step"), make(4, 3, layout="t"))
    yield V(make(0, 3, 2), make(0, 4, 2), make(0, 4, 2))
    yield V(make(3, 2), make(0, 2), make(0, 2))


def _heads(make: Make) -> Iterator[Sample]:
    x = make(2, 1, 2)
    weights = (make(6, 2), make(6))
    out = (make(2, 2), make(2))
    yield S(x, x, x, 2, 2, *weights, None, None, False, 0.0, *out)
    yield S(x, x, x, 2, 1, *weights, None, None, False, 0.0, *out, need_weights=False)
    more = (make(1, 1, 2), make(1, 1, 2))
    yield S(x, x, x, 2, 2, make(6, 2), None, *more, True, 0.0, make(2, 2), None, average_attn_weights=False)
    y = make(3, 2, 4)
    wide = (make(12, 4), make(12), None, None, False, 0.0, make(4, 4), make(4))
    hidden = make.given(0, 0, 1, 0, 1, 1, dtype="bool").reshape(2, 3)
    yield S(make(5, 2, 4), y, y, 4, 2, *wide, key_padding_mask=hidden)
    yield S(make(5, 2, 4), y, make(3, 2, 4), 4, 2, *wide, attn_mask=Const(make(4, 5, 3)), need_weights=False)
    separate = {"q_proj_weight": make(4, 4), "k_proj_weight": make(4, 2), "v_proj_weight": make(4, 3)}
    yield S(
        make(5, 4), make(3, 2), make(3, 3), 4, 2, None, make(12), None, None, False, 0.0, make(4, 4), None,
        use_separate_proj_weight=True, **separate,
    )  # fmt: skip


CASES = [
    OpCase(
        F + "scaled_dot_product_attention", _attention, (*HALF, *REAL), grad_fn=False,
        tolerance={"bfloat16": (2e-2, 2e-2), "float16": (3e-3, 3e-3)},
    ),
    OpCase(F + "multi_head_attention_forward", _heads, REAL, grad_fn=False),
]  # fmt: skip
