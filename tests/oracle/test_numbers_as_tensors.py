"""Tensors where PyTorch wants numbers: those of no dimensions are numbers, others are refused."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from samples.library import xp

NUMBERS = {
    "float": lambda t: t.tensor(2.0),
    "int": lambda t: t.tensor(2),
    "bool": lambda t: t.tensor(True),
    "double": lambda t: t.tensor(0.5, dtype=t.float64),
    "recorded": lambda t: t.tensor(2.0, requires_grad=True),
    "1-d": lambda t: t.tensor([2.0]),
}
CALLS = """
t.add(x, y, alpha=s)
y.clone().add_(y, alpha=s)
t.sub(x, y, alpha=s)
t.addmm(y, t.ones(3, 3), t.ones(3, 3), alpha=s, beta=s)
t.addmm(t.ones(3, 3, requires_grad=True), t.ones(3, 3), t.ones(3, 3), alpha=s)
t.addmv(y, t.ones(3, 3), y, alpha=s)
t.addbmm(t.ones(3, 3), t.ones(2, 3, 3), t.ones(2, 3, 3), beta=s)
t.baddbmm(t.ones(2, 3, 3), t.ones(2, 3, 3), t.ones(2, 3, 3), alpha=s)
t.addr(t.ones(3, 3), y, y, alpha=s)
t.addcmul(y, y, y, value=s)
y.clone().addcdiv_(y, y + 1, value=s)
t.full((2,), s)
t.full_like(y, s)
y.new_full((2,), s)
y.clone().fill_(s)
y.clone().masked_fill_(y > 1, s)
t.clamp(y, 0, s)
t.lerp(y, y + 1, s)
t.nn.functional.leaky_relu(y - 1, s)
t.nn.functional.leaky_relu((y - 1).clone(), s, True)
t.nn.functional.elu(y - 1, s)
t.nn.functional.softplus(y, s)
t.nn.functional.hardtanh(y - 1, -1, s)
t.nn.functional.threshold(y, s, 7)
t.nn.functional.pad(y, (1, 1), value=s)
t.threshold(y, s, 0)
t.hardshrink(y, s)
t.arange(s)
t.arange(0, s)
t.linspace(0, s, 3)
y.clone().index_add_(0, t.tensor([0]), y[:1], alpha=s)
t.norm(y, s)
t.norm(t.ones(2, 3), s, 1)
t.linalg.vector_norm(y, s)
t.linalg.matrix_norm(t.ones(2, 2), s)
t.renorm(t.ones(2, 2), s, 0, 1.0)
t.renorm(t.ones(2, 2), 2, 0, s)
t.dist(y, y + 1, s)
t.cdist(t.ones(2, 2), t.zeros(2, 2), s)
t.histc(y, 2, 0, s)
t.var(y, correction=s)
t.trapezoid(y, dx=s)
t.cumulative_trapezoid(y, dx=s)
t.gradient(y, spacing=s)
t.normal(s, 1.0, (2,)).shape
y.clone().uniform_(0, s).shape
y.clone().normal_(0, s).shape
y.clone().exponential_(s).shape
y.clone().cauchy_(0, s).shape
y.clone().log_normal_(s, 1).shape
t.tensordot(t.ones(2, 2), t.ones(2, 2), s)
""".strip().split("\n")
DIMS = """
t.ones(2, 3).sum(d)
t.ones(2, 3).mean(d, keepdim=True)
t.ones(2, 3).all(d)
t.ones(2, 3).any(dim=d)
t.ones(2, 3).amax(d)
t.ones(2, 3).var(d)
t.ones(2, 3).nansum(d)
t.ones(2, 3).sum((0, d))
t.ones(2, 3).logsumexp(d)
t.ones(2, 3).softmax(d)
t.ones(2, 3).argmax(d)
t.ones(2, 3).prod(d)
t.ones(2, 3).cumsum(d)
t.ones(2, 3).transpose(0, d).shape
t.count_nonzero(t.ones(2, 3), dim=d)
t.aminmax(t.ones(2, 3), dim=d)
t.nn.functional.normalize(t.ones(2, 3), dim=d)
t.nn.functional.cosine_similarity(t.ones(2, 3), t.ones(2, 3), dim=d)
t.linalg.vector_norm(t.ones(2, 3), dim=d)
t.norm(t.ones(2, 3), 2, d)
t.trapezoid(t.ones(2, 3), dim=d)
t.fft.fft(t.ones(2, 3), dim=d).shape
t.fft.fftn(t.ones(2, 3), dim=d).shape
t.fft.fftshift(t.ones(2, 3), dim=d)
t.ones(2, 3).squeeze(d).shape
t.ones(2, 3).unsqueeze(d).shape
t.cat((t.ones(2, 3), t.ones(2, 3)), d).shape
""".strip().split("\n")


def outcome(library: Any, call: str, **values: Any) -> str:
    """What a call gives, or how it is refused."""
    scope = {"t": library, **values}
    scope.update(x=library.ones(3, requires_grad=True), y=library.arange(3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(eval(call, scope))
        except Exception as error:
            return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("call", CALLS)
def test_a_tensor_stands_for_a_number_where_it_does_in_pytorch(call: str, number: str) -> None:
    found, expected = (outcome(t, call, s=NUMBERS[number](t)) for t in (xp, torch))
    assert found == expected


@pytest.mark.parametrize("call", DIMS)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_tensor_stands_for_a_dimension_where_it_does_in_pytorch(call: str, requires_grad: bool) -> None:
    dtype = "float32" if requires_grad else "int64"
    found, expected = (
        outcome(t, call, d=t.tensor(1, dtype=getattr(t, dtype), requires_grad=requires_grad))
        for t in (xp, torch)
    )
    assert found.partition(": ")[0] == expected.partition(": ")[0] if requires_grad else found == expected


def test_gradients_flow_past_a_tensor_that_stands_for_a_number() -> None:
    for t in (xp, torch):
        x = t.ones(2, 2, requires_grad=True)
        y = t.nn.functional.leaky_relu(-x, t.tensor(0.5)) + t.addmm(x, x, x, alpha=t.tensor(2))
        y.sum().backward()
        assert x.grad.tolist() == [[8.5, 8.5], [8.5, 8.5]]
