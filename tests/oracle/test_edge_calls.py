"""Calls at the edges of what functions take, one a line, in both libraries: results, exceptions, warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

CALLS = """
t.ones(4, requires_grad=True).view(t.float32).requires_grad
(t.ones(4, dtype=t.complex64, requires_grad=True) * 1).view(t.complex64).grad_fn
t.tensor(1.0).to_sparse().t().to_dense()
t.ones(3).to_sparse().t().to_dense()
t.vmap(lambda y: y.as_strided((2, 2), (1, 1), 1))(t.arange(6.0).view(2, 3)[:, :2])
t.vmap(lambda y: y.as_strided((2, 2), (1,)))(t.ones(2, 3))
t.vmap(lambda y: y.as_strided((5,), (4,)))(t.ones(2, 3, 4))
t.vmap(lambda y: y.as_strided((5,), (4,)), 1)(t.ones(2, 3, 4)[:, 1:, 1:])
t.vmap(lambda y: y.as_strided((1,), (4,), 0))(t.ones(2, 3, 4)[1:])
t.vmap(t.vmap(lambda y: y.as_strided((5,), (1,))), 1)(t.ones(2, 3, 4))
t.vmap(t.vmap(lambda y: y.as_strided((2,), (3,)), 1), 1)(t.arange(24.0).view(2, 3, 4))
t.vmap(lambda y: y.new_empty_strided((2, 3), (2,)))(t.ones(2))
t.backends.mha.get_fastpath_enabled()
t._assert(t.tensor([True]), "no"), t._assert(1, "no")
t._assert(t.tensor([False]), "no")
t._assert(t.tensor([True, False]), "no")
t.pow(2, t.ones(3, 4).t()).stride(), (1 ** t.ones(3, 4).t()).stride(), (0.5 ** t.ones(3, 4).t()).stride()
t.bincount(t.tensor([1, 0]), t.empty(0))
t.bincount(t.tensor([1.0, 2]))
t.searchsorted(t.tensor([[1, 2, 3], [1, 2, 3]]).t(), t.tensor([[1, 2], [1, 2], [3, 3]]))
t.sum(t.ones(2, 3, dtype=t.int32), 1, out=t.empty(2, dtype=t.int32), dtype=t.int64)
t.prod(t.ones(2, 3, dtype=t.int32), 1, out=t.empty(2, dtype=t.int32), dtype=t.int64)
t.cumsum(t.ones(2, 3, dtype=t.int32), 1, out=t.empty(2, 3, dtype=t.int32), dtype=t.int64)
t.mean(t.ones(2, 3), 1, out=t.empty(2), dtype=t.float64)
t.nansum(t.ones(2, 3), 1, out=t.empty(2), dtype=t.float64)
t.sum(t.ones(2, 3), out=t.empty(2), dtype=t.float64)
t.histogram(t.zeros(3), bins=t.tensor(1.0))
t.histogram(t.zeros(3, dtype=t.float64), bins=t.ones(2))
t.histogram(t.zeros(3), bins=t.empty(0))
t.histogram(t.zeros(3), 4, out=(t.empty(0, dtype=t.float64), t.empty(0)))
t.logcumsumexp(t.tensor([complex(-np.inf, 0), complex(-np.inf, 0), 1.2 + 2.1j, complex(np.inf, 1)]), 0)
t.max(t.ones(3), out=t.empty(0, dtype=t.int32))
t.max(t.ones(3, 3), 0, out=(t.empty(0, dtype=t.int32), t.empty(0, dtype=t.int64)))
t.min(t.ones(3, 3), 1, out=(t.empty(0), t.empty(0)))
t.topk(t.ones(3), 2, out=(t.empty(0), t.empty(0)))
t.mode(t.ones(3, 3, dtype=t.uint8), -1, True, out=(t.empty(0, dtype=t.int8), t.empty(0, dtype=t.int64)))
t.quantile(t.ones(3), 0.5, out=t.empty(0, dtype=t.int32))
t.tensor([[-1, 2, 1], [5, 3, 6]], dtype=t.uint8)
t.tensor([-300], dtype=t.uint8)
t.tensor([-1.5], dtype=t.uint8)
t.cumulative_trapezoid(t.ones(0), dx=1)
t.add(2, 3), t.mul(2, 3.5), t.div(2.0, 3), t.sub(True, 2), t.floor_divide(7, 2)
t.div(7, 2, rounding_mode="floor")
t.nextafter(t.tensor(0.0, dtype=t.bfloat16), t.tensor(1.0, dtype=t.bfloat16)).float().item()
t.nonzero(t.ones(2), as_tuple=True, out=t.ones(2))
t.empty(2**62, 4)
t.empty(()).resize_([2, 4, 2**29, 2**29])
t.ones(4).resize_((2, 2), memory_format=t.preserve_format)
t.ones(24).resize_((1, 2, 3, 4), memory_format=t.channels_last).stride()
t.ones(8).resize_as_(t.ones(1, 2, 2, 2).to(memory_format=t.channels_last), memory_format=t.preserve_format)
t.ones(1, 2, 3, 4).to(t.float64, memory_format=t.channels_last).stride()
t.ones(1, 2, 3, 4).half(memory_format=t.channels_last).stride()
t.ones(2, 2, dtype=t.complex64).conj().imag.view(t.int32)
t.randn(2, 3, 4)[:, 1:1].stride(), t.empty(2, 0, 4).stride()
t.arange(5)[t.tensor(1, dtype=t.int16)]
t.unravel_index(t.tensor(0.5), (2, 2))
t.arange(4).__setitem__(t.arange(4) > -1, t.tensor([]))
t.masked_fill(t.ones(2), t.tensor([True, False]), 1j)
t.clamp_max(2, t.ones(3))
t.bitwise_and(2, 3)
t.pow(2, 3)
t.xlogy(2, 3)
t.rsub(2, t.ones(3))
t.hsplit(t.ones(5, 5), "abc")
t.cholesky(t.ones(0, 5))
t.median(t.ones(0, 5)), t.median(t.ones(0, dtype=t.int16)), t.median(t.ones(0, dtype=t.int64))
t.kthvalue(t.ones(5, 0), 2)
t.diff(t.tensor(1.0), 1, 2)
t.mv(t.tensor(1.0), t.tensor(1.0))
t.cdist(t.tensor([[np.nan, 1.0]]), t.tensor([[0.0, 1.0]]), 0.0)
t.linalg.cholesky(t.tensor([[np.nan, 0.0], [0.0, 1.0]]))
t.linalg.inv(t.tensor([[2.0, 1.0], [0.0, 1.0]])).stride(), t.linalg.qr(t.ones(3, 2))[0].stride()
t.fft.fft(t.ones(3, 4, 5), dim=1).stride(), t.fft.ihfftn(t.ones(3, 4, 5), dim=(0, 1)).stride()
t.zeros(3).masked_scatter_(t.tensor([True, True, True]), t.ones(2))
t.zeros(3).masked_scatter(t.tensor([True, True, True]), t.ones(2))
t.zeros(3, dtype=t.int32).masked_scatter_(t.tensor([True, True, True]), t.ones(2, dtype=t.int32))
t.zeros(3).masked_scatter_(t.tensor([1, 0, 0]), t.ones(2))
t.zeros(3, dtype=t.int32).masked_scatter_(t.tensor([True, True, True]), t.ones(3))
t.diff(t.ones(3), prepend=t.ones(1, 1))
t.diff(t.ones(3, 2), append=t.ones(1, 3), dim=0)
t.diff(t.ones(3), n=-1)
t.cumsum(t.ones(2), axis=0)
t.cumprod(t.ones(2), axis=0)
t.logcumsumexp(t.ones(2), axis=0)
t.cummax(t.ones(2), axis=0)
t.std(t.ones(2, 2), axis=0)
t.softmax(t.ones(2), axis=0)
t.amax(t.ones(2, 2), axis=0)
t.max(t.ones(2, 2), axis=0)
t.max(t.ones(2, 2), axis=0, keepdims=True)
t.argmax(t.ones(2, 2), axis=0)
t.sort(t.ones(2, 2), axis=0)
t.squeeze(t.ones(2, 1), axis=1).shape
t.unsqueeze(t.ones(2, 1), axis=1).shape
t.any(t.ones(2, 2), axis=0)
t.prod(t.ones(2, 2), axis=0)
t.var(t.ones(2, 2), axis=0, keepdims=True)
t.gather(t.ones(2, 2), axis=0, index=t.zeros(1, 2, dtype=t.int64))
t.logsumexp(t.ones(2, 2), axis=0)
t.median(t.ones(2, 2), axis=0)
t.stack([t.ones(2)], axis=0)
t.index_select(t.ones(2, 2), axis=0, index=t.zeros(1, dtype=t.int64))
t.count_nonzero(t.ones(2, 2), axis=0)
t.split(t.ones(2, 2), 1, axis=0)
t.chunk(t.ones(2, 2), 2, axis=0)
t.unbind(t.ones(2, 2), axis=0)
t.select(t.ones(2, 2), axis=0, index=0)
t.narrow(t.ones(2, 2), axis=0, start=0, length=1)
t.topk(t.ones(2, 2), 1, axis=0)
t.roll(t.ones(2), 1, axis=0)
t.nansum(t.ones(2, 2), axis=0)
t.kthvalue(t.ones(2, 2), 1, axis=0)
t.argsort(t.ones(2, 2), axis=0)
t.ones(2, 2).sum(axis=0, keepdims=True)
t.ones(2, 2).cumsum(axis=0)
t.ones(2, 2).all(axis=0)
t.zeros(2, 3).gather(0, t.empty(0, dtype=t.int64))
t.ones(1, 2, 3, 4).add(t.ones(1, 2, 3, 4).to(memory_format=t.channels_last)).stride()
t.ones(2, 2, 3, 4).to(memory_format=t.channels_last).add(t.ones(3, 4)).stride()
t.ones(2, 2, 3, 4).to(memory_format=t.channels_last).add(t.ones(2, 1, 1)).stride()
t.empty_like(t.ones(2, 2, 3, 4), memory_format=t.channels_last).stride()
t.zeros_like(t.ones(2, 2, 3, 4).to(memory_format=t.channels_last), memory_format=t.contiguous_format).stride()
t.rand_like(t.ones(2, 2, 3, 4), memory_format=t.channels_last).stride()
t.rand_like(t.ones(2, 2, 3, 4).to(memory_format=t.channels_last)).stride()
t.empty(2, 2, 3, 4, memory_format=t.channels_last).stride()
t.zeros(2, 2, 3, 4).new_empty((2, 2, 2, 2)).stride()
t.empty(3, memory_format=t.channels_last)
t.Size([1, 2])+[3]
t.Size([1, 2])+(3, )
t._check(False)
t._check(True)
t._check(False, lambda: 'hm')
t._check_is_size(-1)
t._check_index(False)
t._check_value(False, lambda: 'x')
t._check_type(False)
seeded(lambda: t.rand_like(t.ones(1, 2, 3, 4).to(memory_format=t.channels_last)))
seeded(lambda: t.randn_like(t.ones(1, 2, 3, 4), memory_format=t.channels_last))
t.func.grad(lambda x: sum(t.std_mean(x, correction=0)))(t.ones(2))
t.nn.functional.linear(t.tensor(1.0), t.tensor(1.0))
t.nn.functional.rms_norm(t.tensor(1.0), (2,))
t.histogramdd(t.full((5, 1), np.nan), [1])
t.trapezoid(t.tensor(1.0), dx=3.0)
t.fft.rfftn(t.tensor(1.0), s=(3, 10), dim=(1, 2))
seeded(lambda: t.ones(5, 4).t().normal_())
seeded(lambda: t.ones(20, 4).t().normal_())
seeded(lambda: t.multinomial(t.rand(4, 3).t(), 4))
t.index_copy(t.ones(3, 2), 0, t.arange(2), t.ones(2, 3))
t.index_copy(t.ones(3, 2), 0, t.arange(2), t.ones(3, 2))
t.index_copy(t.ones(3, 2), 0, t.arange(2), t.ones(2))
t.index_copy(t.ones(3, 2), 0, t.arange(2).int(), t.ones(2, 2))
t.index_copy(t.ones(3, 2), 0, t.arange(2), t.ones(2, 2).double())
t.index_copy(t.ones(3), 0, t.arange(2), t.tensor(2.0))
t.index_copy(t.tensor(3.0), 0, t.arange(1), t.ones(2))
t.index_fill(t.tensor(1.0), 0, t.empty(0, dtype=t.int64), 5.0)
t.index_add(t.tensor(1.0), 0, t.empty(0, dtype=t.int64), t.tensor(1.0))
t.index_reduce(t.ones(1, 1), 1, t.arange(10), t.ones(5, 10), "mean")
t.index_put(t.ones(1, 1), (t.tensor([4]),), t.ones(1, 5))
t.index_put(t.ones(5, 0), (t.empty(0, dtype=t.int64),), t.ones(2, 0), accumulate=True)
t.index_put(t.tensor(1.0), (t.tensor(True),), t.tensor(2.0))
t.unique(t.tensor(1.0), dim=0)
t.unique(t.ones(5, 0), dim=0)
t.unique(t.ones(0, 5), dim=5)
t.unique_consecutive(t.tensor(1.0), dim=-1)
t.view_copy(t.arange(6).view(2, 3).t(), (6,))
t.tensor(0.0).to_sparse().to_dense(), t.ones(0, 5).to_sparse(1).to_dense().shape
t.std(t.tensor([3e38, -3e38, 1.0])), t.tensor([1.7e308])
t.autograd.grad(t.nn.functional.max_pool1d(x := t.ones(1, 1, 1, requires_grad=True), 2, 2, 1, 2).sum(), x)
t.nn.functional.adaptive_max_pool2d(t.ones(0, 4, 4, 4), (2, 3)).shape
t.nn.functional.grid_sample(t.ones(0, 3, 5, 5), t.ones(0, 5, 5, 2), align_corners=False).shape
t.nn.functional.pad(t.ones(1, 0), (1, 2), mode="replicate")
t.autograd.grad(t.nn.functional.pad(x := t.ones(1, 1, 1, requires_grad=True), (-4, 5), "replicate").sum(), x)
t.nn.functional.interpolate(t.tensor(1.0), (3,))
t.nn.functional.binary_cross_entropy_with_logits(t.ones(0, 5), t.ones(0, 5), pos_weight=t.ones(0))
t.linalg.matrix_rank(t.ones(0, 5), hermitian=True), t.linalg.pinv(t.ones(5, 0), hermitian=True).shape
t.linalg.vector_norm(t.tensor(1.7e308, dtype=t.float64), ord=6)
t.nn.functional.bilinear(t.ones(0, 3, 8), t.ones(0, 3, 8), t.ones(0, 8, 8)).shape
t.tensor([3, 0, 1]).pow(t.tensor([-(2**63)] * 3))
t.renorm(t.ones(0, 5, 5), float("inf"), 2, 0.5)
""".strip().split("\n")

# Whether a call draws as PyTorch does inside vmap.
MAPPED = """
lambda x: t.randn(3)
lambda x: t.randint(10, (2,))
lambda x: t.randperm(5)
lambda x: t.normal(x, 1.0)
lambda x: t.normal(0.0, x.abs())
lambda x: t.normal(x, x.abs())
lambda x: t.bernoulli(x.abs())
lambda x: t.bernoulli(x, 0.5)
lambda x: t.poisson(x.abs() * 9)
lambda x: t.multinomial(x.abs(), 2)
lambda x: x.clone().normal_()
lambda x: x.clone().uniform_()
lambda x: x.clone().bernoulli_(0.5)
lambda x: x.clone().bernoulli_(x.abs())
lambda x: t.zeros(3).normal_()
lambda x: t.zeros(3).bernoulli_(x.abs())
lambda x: t.zeros(3).bernoulli_(t.full((3,), 0.5))
""".strip().split("\n")


def outcome(library: Any, call: str, randomness: str = "") -> tuple[str, list[str]]:
    """What the call gives or raises, and its warnings' beginnings."""

    def seeded(draw: Any) -> Any:
        library.manual_seed(3)
        return draw()

    scope = {"t": library, "np": np, "seeded": seeded}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            if randomness:
                library.manual_seed(3)
                x = library.linspace(0.1, 0.9, 12).reshape(4, 3)
                text = repr(library.func.vmap(eval(call, scope), randomness=randomness)(x))
            else:
                text = repr(eval(call, scope))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
    return text.partition(" INTERNAL ASSERT")[0], [str(w.message)[:80] for w in told]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_does_what_it_does_in_pytorch(call: str) -> None:
    expected, warned = outcome(torch, call)
    found, told = outcome(xp, call)
    assert found == expected
    assert [w for w in told if "non-contiguous" in w] == [w for w in warned if "non-contiguous" in w]


@pytest.mark.parametrize("randomness", ["error", "same", "different"])
@pytest.mark.parametrize("call", MAPPED)
def test_random_numbers_inside_vmap_are_those_of_pytorch(call: str, randomness: str) -> None:
    assert outcome(xp, call, randomness)[0] == outcome(torch, call, randomness)[0]


def batched(library: Any, function: str) -> str:
    """What a function of one example gives inside vmap, and what it leaves of its argument."""
    x = library.linspace(-0.9, 0.9, 24).reshape(2, 3, 4).transpose(0, 1).detach()
    try:
        found = library.func.vmap(eval(function, {"t": library}), in_dims=2, out_dims=0)(x)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"{found!r} of {x!r}"


@pytest.mark.parametrize(
    "function",
    [
        "lambda x: x.acos_()",
        "lambda x: x.mul_(2).add(1)",
        "lambda x: x[0].fill_(3)",
        "lambda x: t.tensor(x.stride())",
        "lambda x: t.tensor(x.is_contiguous())",
        "lambda x: t.tensor(x.contiguous().stride())",
        "lambda x: x[None, None].contiguous(memory_format=t.channels_last)",
        "lambda x: x[None, None].clone(memory_format=t.channels_last)",
    ],
)
def test_memory_inside_vmap_is_that_of_pytorch(function: str) -> None:
    assert batched(xp, function) == batched(torch, function)


# Those of functions with `out=` are the same classes under second names.
RESULTS = sorted(
    name for name in dir(torch.return_types)
    if hasattr(getattr(torch.return_types, name), "n_fields") and name[0] != "_" and not name.endswith("_out")
)  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_classes_of_results_have_their_names(name: str) -> None:
    mine, theirs = getattr(xp.return_types, name), getattr(torch.return_types, name)
    assert mine.__name__ == theirs.__name__
    assert mine._fields == theirs.__match_args__
