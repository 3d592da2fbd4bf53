"""Results of generated kernels lie in memory as PyTorch's do, however the operands lie."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from samples.library import xp

from cotangent.kernels import runtime, sized

FUNCTIONS = """
x.tanh()
t.add(x, x.contiguous() + 1)
t.add(x.contiguous() + 1, x)
t.fmod(x.contiguous(), x + 1)
t.maximum(x.contiguous(), x)
1 - x
x.half()
x.log1p()
F.gelu(x)
F.logsigmoid(x)
F.softmax(x, -1)
F.softmax(x, 0)
F.log_softmax(x, -1)
F.layer_norm(x, x.shape[-1:])
F.group_norm(x, 1)
F.batch_norm(x, None, None, training=True)
F.huber_loss(x, x.contiguous(), reduction="none")
x.cumsum(0)
x.cummax(0)[0]
x.nan_to_num()
x.prod(0)
x.contiguous()
x.clone()
x.gather(0, t.zeros(tuple(x.shape), dtype=t.int64))
""".strip().split("\n")
LAYOUTS = {
    "rows": lambda x: x,
    "columns": lambda x: x.t(),
    "expanded": lambda x: x[:1].expand(x.shape),
    "stretched": lambda x: x[:, :1].expand(x.shape),
    "every_other": lambda x: x[:, ::2],
    "turned": lambda x: x.reshape(20, 30, 300).permute(2, 0, 1),
    "channels_last": lambda x: x.reshape(10, 10, 30, 60).permute(0, 3, 1, 2),
}


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_lie_as_in_pytorch(generated: None, function: str, layout: str) -> None:
    def strides(t: Any) -> tuple[int, ...]:
        x = LAYOUTS[layout](t.arange(180000.0).reshape(600, 300) / 100000)
        found = eval(function, {"t": t, "F": t.nn.functional, "x": x})
        return tuple(found.stride())

    assert strides(xp) == strides(torch)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("function", ["x.tanh()", "F.softmax(x, -1)", "F.layer_norm(x, x.shape[-1:])"])
def test_gradients_lie_as_in_pytorch(generated: None, function: str, layout: str) -> None:
    def strides(t: Any) -> tuple[int, ...]:
        x = LAYOUTS[layout](t.arange(180000.0).reshape(600, 300) / 100000).detach().requires_grad_()
        found = eval(function, {"t": t, "F": t.nn.functional, "x": x})
        return tuple(t.autograd.grad(found, x, t.ones_like(found))[0].stride())

    assert strides(xp) == strides(torch)
