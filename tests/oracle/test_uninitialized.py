"""Parameters and buffers without a size are refused by all that would compute with them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import cotangent

CALLS = """
t.empty_like(q)
t.zeros_like(q)
t.rand_like(q)
t.add(q, q)
q + q
1 + q
t.ones(1) + q
q * 2
-q
t.nn.functional.linear(t.ones(1, 2), q)
t.nn.functional.relu(q)
q.relu()
t.cat([q, q])
t.stack([q])
t.numel(q)
t.allclose(q, q)
t.nn.init.uniform_(q)
q.shape
q.numel()
q.item()
q.clone()
q.t()
len(q)
q[0]
q.size(), q.dtype, str(q.device), q.grad, q.is_leaf, q.is_floating_point()
type(q.cpu()).__name__, type(q.to("cpu")).__name__, repr(q), t.is_tensor(q)
""".strip().split("\n")


@pytest.mark.parametrize("kind", ["UninitializedParameter", "UninitializedBuffer"])
@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str, kind: str) -> None:
    def told(t: Any) -> str:
        q = getattr(t.nn.parameter, kind)()
        try:
            return str(eval(call, {"t": t, "q": q})).replace("cotangent", "torch")
        except Exception as error:
            return re.sub(r"uninitialized parameter in <.*?>\. ", "", f"{type(error).__name__}: {error}")

    assert told(cotangent) == told(torch)


def test_it_still_becomes_a_parameter() -> None:
    for t in (cotangent, torch):
        layer: Any = t.nn.LazyLinear(3)
        layer.double()
        half = t.nn.LazyConv2d(4, 3).half()
        assert layer(t.ones(2, 5, dtype=t.float64)).shape == (2, 3)
        assert layer.weight.shape == (3, 5)
        assert half.weight.dtype is t.float16
        assert isinstance(t.nn.LazyBatchNorm1d()(t.ones(2, 3)), t.Tensor)
