"""Attention by functions of scores and indices, block masks, causal masks: as PyTorch's."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._higher_order_ops.flex_attention import math_attention

import cotangent
from cotangent.nn.attention import bias as our_bias, flex_attention as ours

theirs: Any = importlib.import_module("torch.nn.attention.flex_attention")
their_bias: Any = importlib.import_module("torch.nn.attention.bias")
MODULES = {torch: theirs, cotangent: ours}


@pytest.fixture(autouse=True)
def _without_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint to compile is tested in a test of its own."""
    for module in (ours, theirs):
        monkeypatch.setattr(module, "_WARNINGS_SHOWN", {"flex_attention_performance"})


def draw(t: Any, *shape: int, seed: int = 0, dtype: str = "float32", grad: bool = True) -> Any:
    made = t.tensor(np.random.default_rng(seed).standard_normal(shape).tolist(), dtype=getattr(t, dtype))
    return made.requires_grad_(grad)


def causal(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q >= kv


def shifted(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q > kv + h  # the first queries may attend to nothing


def window(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return (q - kv).abs() <= 3 + b


MASKS: dict[str, Callable[..., Any] | None] = {
    "none": None, "causal": causal, "shifted": shifted, "window": window
}  # fmt: skip


def plain(t: Any, extra: list[Any]) -> Any:
    return None


def relative(t: Any, extra: list[Any]) -> Any:
    table = draw(t, 3, 40, seed=7)
    extra.append(table)
    return lambda s, b, h, q, kv: s + table[h % 3, q - kv + 20]


def soft_cap(t: Any, extra: list[Any]) -> Any:
    cap = t.tensor(2.0, requires_grad=True)
    extra.append(cap)
    return lambda s, b, h, q, kv: t.tanh(s / cap) * cap


def alibi(t: Any, extra: list[Any]) -> Any:
    slope = draw(t, 4, seed=8)
    extra.append(slope)
    return lambda s, b, h, q, kv: t.where(q >= kv, s + slope[h] * (kv - q), -float("inf"))


MODS = {f.__name__: f for f in (plain, relative, soft_cap, alibi)}


def attended(t: Any, mod: str, mask: str, dtype: str, gqa: bool) -> list[Any]:
    """Output, lse, and gradients of everything."""
    extra: list[Any] = []
    q = draw(t, 2, 4, 12, 8, seed=1, dtype=dtype)
    k, v = (draw(t, 2, 2 if gqa else 4, 10, n, seed=s, dtype=dtype) for n, s in ((8, 2), (6, 3)))
    score_mod, mask_mod = MODS[mod](t, extra), MASKS[mask]
    module = MODULES[t]
    blocks = module.create_block_mask(mask_mod, 2, 4, 12, 10, BLOCK_SIZE=4) if mask_mod else None
    if t is cotangent:
        out, aux = module.flex_attention(
            q, k, v, score_mod, blocks, enable_gqa=gqa, return_aux=module.AuxRequest(True, True)
        )
        lse, most = aux
        alone = module.flex_attention(q, k, v, score_mod, blocks, enable_gqa=gqa)
        assert t.allclose(out, alone, atol=1e-2 if dtype == "bfloat16" else 1e-5)
    else:
        blocks = blocks or module._create_empty_block_mask(q, k)
        score_mod = score_mod or module._identity
        out, lse, most = math_attention(q, k, v, score_mod, blocks.as_tuple(), 8**-0.5, {})
        lse, most = lse * np.log(2), most * np.log(2)
        with torch.no_grad():
            given = [x.detach() for x in (q, k, v)]
            whole, aux = module.flex_attention(
                *given, score_mod, blocks, enable_gqa=gqa, return_aux=module.AuxRequest(lse=True)
            )
            assert torch.allclose(whole, out) and torch.allclose(aux.lse, lse)
    finite = t.where(t.isneginf(lse), t.zeros_like(lse), lse)
    (out.float().sin().sum() + (finite.sin().sum() if mask != "shifted" else 0.0)).backward()
    return [out, lse, most.detach(), *(x.grad for x in (q, k, v, *extra))]


def same(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    assert str(a.dtype) == str(b.dtype) and tuple(a.shape) == tuple(b.shape)
    x, y = (np.array(t.detach().double().tolist()) for t in (a, b))
    np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("mod", MODS)
@pytest.mark.parametrize("gqa", [False, True])
def test_attention_and_gradients(mod: str, mask: str, gqa: bool) -> None:
    for a, b in zip(*(attended(t, mod, mask, "float32", gqa) for t in (cotangent, torch)), strict=True):
        same(a, b)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes(dtype: str) -> None:
    close = 2e-2 if dtype == "bfloat16" else 1e-5
    for a, b in zip(
        *(attended(t, "relative", "causal", dtype, False) for t in (cotangent, torch)), strict=True
    ):
        same(a, b, close, close)


def block_mask(t: Any, mask: Any, lengths: tuple[int, int], size: Any, **options: Any) -> Any:
    return MODULES[t].create_block_mask(mask, 2, 3, *lengths, BLOCK_SIZE=size, **options)


def described(m: Any) -> list[Any]:
    found: list[Any] = [str(m), repr(m), m.numel(), m.sparsity(), m.shape, m.to_dense().tolist()]
    found += [str(m.to_dense().dtype), len(m.as_tuple()), len(m.as_tuple(flatten=False))]
    for value in m.as_tuple():
        if hasattr(value, "tolist"):
            found.append((str(value.dtype), tuple(value.shape), value.tolist()))
        elif not callable(value):
            found.append(value)
    return found


def outcome(change: Any, mask: Any) -> list[Any]:
    try:
        return described(change(mask))
    except Exception as error:
        return [type(error).__name__, str(error)]


@pytest.mark.parametrize("mask", [causal, shifted, window])
@pytest.mark.parametrize("size", [4, (4, 2), 128])
def test_block_masks(mask: Any, size: Any) -> None:
    for options in ({}, {"separate_full_blocks": False}, {"compute_dq_write_order": True}):
        masks = [block_mask(t, mask, (18, 13), size, **options) for t in (cotangent, torch)]
        assert described(masks[0]) == described(masks[1])
        for change in (
            lambda m: m[0], lambda m: m[1, -1], lambda m: m[:, 1:, 0], lambda m: m.to("cpu"),
            lambda m: m[:, :, type(m.kv_indices).new_tensor(m.kv_indices, [0])],
            lambda m: m._adjust(9, 11),
        ):  # fmt: skip
            assert outcome(change, masks[0]) == outcome(change, masks[1])
    assert masks[0].to_string(3, limit=2) == masks[1].to_string(3, limit=2)


def from_blocks(t: Any) -> list[Any]:
    count, indices = t.tensor([[[1, 2]]], dtype=t.int32), t.tensor([[[[0, 1], [1, 0]]]], dtype=t.int32)
    make = MODULES[t].BlockMask.from_kv_blocks
    found = [
        described(make(count, indices, BLOCK_SIZE=8)),
        described(make(count, indices, count, indices, BLOCK_SIZE=(8, 4), seq_lengths=(13, 7))),
        described(make(count[0, 0], indices[0, 0], compute_q_blocks=False)),
    ]
    for call in (
        lambda: make(count, indices, count),
        lambda: make(count, count[0, 0]),
        lambda: make(count, indices, dq_kv_order=3),
        lambda: make(count, indices, dq_write_order_full=indices),
        lambda: make(count, indices, dq_kv_order=indices)[0],
    ):
        with pytest.raises(Exception) as error:
            call()
        found.append((type(error.value).__name__, str(error.value)))
    return found


def test_from_blocks() -> None:
    assert from_blocks(cotangent) == from_blocks(torch)


def masks_of(t: Any) -> list[Any]:
    m = MODULES[t]
    by_head = t.tensor([0, 2, 1])

    def lengths(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return kv < by_head[h] + 1

    def scored(s: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return t.where(q > kv, s, -float("inf"))

    every = [causal, m.and_masks(causal, lengths), m.or_masks(lengths, window), m.and_masks(), m.or_masks()]
    every += [m.noop_mask, scored]
    made = [m.create_mask(f, 2, 3, 4, 5) for f in every] + [m.create_mask(causal, None, None, 2, 3)]
    return [(str(x.dtype), tuple(x.shape), x.tolist()) for x in made]


def test_masks() -> None:
    assert masks_of(cotangent) == masks_of(torch)


def refused(t: Any) -> list[tuple[str, str]]:
    m = MODULES[t]
    q = t.zeros(2, 4, 6, 8)
    few, other = t.zeros(2, 3, 6, 8), t.zeros(1, 4, 6, 8)
    mask = m.create_block_mask(causal, 2, 4, 6, 6, BLOCK_SIZE=2)
    one = m.create_block_mask(causal, 1, 1, 6, 6, BLOCK_SIZE=2)
    calls: list[Callable[[], Any]] = [
        lambda: m.flex_attention(q, q, q, block_mask=mask[0]),
        lambda: m.flex_attention(q[:, :, :4], q, q, block_mask=mask),
        lambda: m.flex_attention(t.zeros(2, 4, 8, 8), q, q, block_mask=mask),
        lambda: m.flex_attention(q, few, few),
        lambda: m.flex_attention(q, few, few, enable_gqa=True),
        lambda: m.flex_attention(q, other, other),
        lambda: m.flex_attention(q, other, other, block_mask=one),
        lambda: m.flex_attention(q[0], q[0], q[0]),
        lambda: m.flex_attention(q[0, 0, 0], q, q),
        lambda: m.flex_attention(q, q[..., :3], q),
        lambda: m.flex_attention(q, q, q, return_lse=True, return_aux=m.AuxRequest()),
        lambda: m.flex_attention(q, q, q, kernel_options={"BACKEND": "X"}),
        lambda: m.flex_attention(
            q, q, q, kernel_options={"BACKEND": "AUTO", "FORCE_USE_FLEX_ATTENTION": True}
        ),
        lambda: m.flex_attention(q, q, q, kernel_options={"OUTPUT_MAX": True}),
        lambda: m.flex_attention(
            q, q, q, kernel_options={"BACKEND": "FLASH"}, return_aux=m.AuxRequest(max_scores=True)
        ),
        lambda: m.and_masks(causal, 3),
        lambda: m.or_masks(3),
        lambda: m.create_mask(lambda a, b: a, 1, 1, 2, 2),
        lambda: m.create_block_mask(lambda b, h, q, kv: q, 1, 1, 2, 2),
        lambda: m.create_block_mask(causal, 1, 1, 2, 2, dq_kv_order=None),
        lambda: mask[0].mask_mod(0, 0, 0, 0),
    ]
    found = []
    for call in calls:
        with pytest.raises(Exception) as error:
            call()
        found.append((type(error.value).__name__, str(error.value)))
    return found


def test_refusals() -> None:
    assert refused(cotangent) == refused(torch)


def test_batches_of_keys_broadcast() -> None:
    results = []
    for t in (cotangent, torch):
        q, k = draw(t, 2, 4, 6, 8, grad=False), draw(t, 1, 4, 6, 8, seed=2, grad=False)
        mask = MODULES[t].create_block_mask(window, 2, None, 6, 6, BLOCK_SIZE=2)
        results.append(MODULES[t].flex_attention(q, k, k, block_mask=mask, scale=0.3))
    same(*results)


def hints(t: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(MODULES[t], "_WARNINGS_SHOWN", set())
    q = t.zeros(1, 1, 2, 2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        _, lse = MODULES[t].flex_attention(q, q, q, return_lse=True)
        MODULES[t].flex_attention(q, q, q, return_lse=True)
    return [lse.tolist(), *((w.category.__name__, str(w.message)) for w in told)]


def test_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hints(cotangent, monkeypatch) == hints(torch, monkeypatch)


def losses(compiled: bool) -> list[float]:
    t = cotangent
    table = draw(t, 4, 30, seed=5)
    project = draw(t, 8, 8, seed=6)
    x = draw(t, 2, 4, 12, 8, seed=1, grad=False)
    mask = ours.create_block_mask(causal, 2, 4, 12, 12, BLOCK_SIZE=4)
    optimizer = t.optim.SGD([table, project], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        out = ours.flex_attention(x @ project, x, x, lambda s, b, h, i, j: s + table[h, i - j + 12], mask)
        loss = (out - x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = t.compile(step, fullgraph=True) if compiled else step
    return [run().item() for _ in range(4)]


def test_compiled_training() -> None:
    """A compiled step with a learned bias, as the step run eagerly, for several steps."""
    eager = losses(False)
    np.testing.assert_allclose(losses(True), eager, rtol=1e-5)
    assert eager[3] < eager[0]


def test_transforms() -> None:
    """Examples by `vmap`, second derivatives and tangents, against the attention written out."""
    t = cotangent
    q, k, v = (draw(t, 1, 2, 5, 4, seed=s, dtype="float64", grad=False) for s in (1, 2, 3))
    slope = draw(t, 2, seed=4, dtype="float64", grad=False)
    mask = ours.create_block_mask(causal, 1, 1, 5, 5, BLOCK_SIZE=2)

    def flex(q: Any, slope: Any) -> Any:
        return ours.flex_attention(
            q, k, v, lambda s, b, h, i, j: s * slope[h] + slope[h] * j, block_mask=mask
        )

    def written(q: Any, slope: Any) -> Any:
        places = t.arange(5.0, dtype=t.float64)
        s = (q @ k.mT * 0.5) * slope[:, None, None] + slope[:, None, None] * places
        return t.softmax(s.masked_fill(t.ones(5, 5).tril() == 0, -float("inf")), -1) @ v

    for derived in (
        lambda f: t.func.hessian(lambda q, s: f(q, s).sin().sum(), argnums=(0, 1))(q, slope)[0][1],
        lambda f: t.func.jvp(f, (q, slope), (v, slope + 1))[1],
        lambda f: t.func.vmap(f)(t.stack([q, v]), t.stack([slope, 2 * slope])),
    ):
        same(derived(flex), derived(written))


def biased(t: Any, module: Any) -> list[Any]:
    q, k, v = (draw(t, 2, 3, n, 4, seed=s) for n, s in ((3, 1), (5, 2), (5, 3)))
    found: list[Any] = []
    for make in (module.causal_upper_left, module.causal_lower_right):
        mask = make(3, 5)
        found += [repr(mask), mask.variant.name, int(mask.variant), mask.seq_len_q, mask.seq_len_kv]
        out = t.nn.functional.scaled_dot_product_attention(q, k, v, mask)
        found += [out, *t.autograd.grad(out.sin().sum(), (q, k, v))]
        found.append(t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.2))
    calls = (
        lambda: module.causal_upper_left(3),
        lambda: module.CausalBias(1, 2, 3),
        lambda: t.nn.functional.scaled_dot_product_attention(q, k, v, mask, is_causal=True),
        lambda: t.nn.functional.scaled_dot_product_attention(q, k.double(), v, mask),
    )
    for call in calls:
        with pytest.raises(Exception) as error:
            call()
        found.append((type(error.value).__name__, str(error.value)))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        module.causal_lower_right(4, 3)
    return [*found, *(str(w.message) for w in told)]


def test_causal_masks() -> None:
    for a, b in zip(biased(cotangent, our_bias), biased(torch, their_bias), strict=True):
        if isinstance(a, cotangent.Tensor):
            same(a, b)
        else:
            assert a == b


def elsewhere(t: Any) -> list[Any]:
    attention = t.nn.attention
    varlen = importlib.import_module(f"{t.__name__}.nn.attention.varlen")
    q, ends = t.zeros(5, 2, 4), t.tensor([0, 2, 5], dtype=t.int32)
    found: list[Any] = [attention.current_flash_attention_impl()]
    for call in (
        lambda: varlen.varlen_attn(q, q, q, ends, ends, 3, 3),
        lambda: varlen.varlen_attn_out(q, q, q, q, ends, ends, 3, 3),
        lambda: varlen.varlen_attn(q, q[:, :1], q[:, :1], ends, ends, 3, 3),
        lambda: varlen.varlen_attn(q, q, q, ends, ends, 3, 3, window_size=(1, 2, 3)),
        lambda: attention.activate_flash_attention_impl("FA3"),
        lambda: attention.activate_flash_attention_impl("FA4"),
    ):
        with pytest.raises(Exception) as error:
            call()
        found.append((type(error.value).__name__, str(error.value).partition(" If you are")[0]))
    removed = []

    class Handle:
        def remove(self) -> None:
            removed.append(True)

    attention.register_flash_attention_impl("mine too", register_fn=Handle)
    attention.activate_flash_attention_impl("mine too")
    found += [attention.current_flash_attention_impl(), "mine too" in attention.list_flash_attention_impls()]
    attention.restore_flash_attention_impl()
    return [*found, removed, attention.current_flash_attention_impl(), varlen.AuxRequest()]


def test_what_only_gpus_have() -> None:
    assert elsewhere(cotangent) == elsewhere(torch)
