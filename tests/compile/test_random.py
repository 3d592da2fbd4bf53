"""Random programs of operations, views, in-place writes and gradients, compiled and as they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotangent as torch

F = torch.nn.functional
UNARY: list[Callable[[Any], Any]] = [
    torch.sin, torch.tanh, torch.sigmoid, torch.relu, F.gelu, F.silu, torch.neg, torch.abs,
    lambda x: x.square() * 0.5, lambda x: (x.abs() + 1).log(), lambda x: (-x.abs()).exp(),
    lambda x: x.clamp(-1.0, 1.5), lambda x: x * 0.5 + 0.25, lambda x: 1.0 / (x.square() + 1),
    lambda x: x.softmax(-1), lambda x: x.log_softmax(0), lambda x: F.layer_norm(x, x.shape[-1:]),
    lambda x: x - x.mean(0, keepdim=True), lambda x: x / (x.square().sum(-1, keepdim=True) + 1).sqrt(),
    lambda x: x.t().contiguous().t(), lambda x: x.roll(1, 0), lambda x: x.flip(1),
    lambda x: x.cumsum(0) * 0.1,
    lambda x: torch.where(x > 0, x, x * 0.1), lambda x: x.masked_fill(x > 1, 0.5), lambda x: x.tril(),
    lambda x: x.reshape(-1).view(x.shape), lambda x: torch.cat([x[:2], x[2:] * 2]),
    lambda x: x + x.amax(1, True),
    lambda x: F.dropout(x, 0.3), lambda x: torch.stack(list(x.unbind(0))), lambda x: x.sort(1)[0],
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    torch.add, torch.sub, torch.mul, torch.maximum, lambda a, b: a @ b.t() @ b * 0.1,
    lambda a, b: a / (b.abs() + 1),
    lambda a, b: torch.addcmul(a, b, b, value=0.3), lambda a, b: a + b[0], lambda a, b: a * b[:, :1],
    lambda a, b: F.linear(a, b @ b.t() * 0.1 if a.shape[1] == b.shape[0] else torch.eye(a.shape[1])),
    lambda a, b: F.mse_loss(a, b) + a, lambda a, b: a.lerp(b, 0.25),
]  # fmt: skip
WRITES: list[Callable[[Any], Any]] = [
    lambda x: x.add_(0.5), lambda x: x[1:].mul_(0.5), lambda x: x[:, 0].zero_(), lambda x: x.t()[0].add_(1.0),
    lambda x: x.view(-1)[:3].fill_(0.25), lambda x: x.copy_(x.flip(0)), lambda x: x.clamp_(-2, 2),
    lambda x: x[0].copy_(x[1]), lambda x: x.div_(1.5).sub_(0.1), lambda x: x.select(1, -1).mul_(0.1),
]  # fmt: skip


def program(seed: int) -> Callable[[list[Any]], list[Any]]:
    """A program: the same operations in each call."""
    draw = random.Random(seed)
    steps: list[tuple[str, Any, int, int]] = []
    count = 3
    for _ in range(draw.randint(4, 14)):
        kind = draw.choices(("unary", "binary", "write"), (5, 4, 3))[0]
        table: Any = {"unary": UNARY, "binary": BINARY, "write": WRITES}[kind]
        a, b = draw.randrange(count), draw.randrange(count)
        steps.append((kind, draw.choice(table), a, b))
        count += kind != "write"
    backward = draw.random() < 0.7

    def run(given: list[Any]) -> list[Any]:
        values = [x * 1.0 for x in given]
        for kind, f, a, b in steps:
            if kind == "unary":
                values.append(f(values[a]))
            elif kind == "binary":
                values.append(f(values[a], values[b]))
            else:
                values[a] = values[a].clone()
                f(values[a])
        if backward:
            total = sum((v * (k + 1)).mean() for k, v in enumerate(values))
            total.backward()
            return [v.detach() for v in values] + [x.grad for x in given]
        return [v.detach() for v in values]

    return run


@pytest.mark.parametrize("seed", range(60))
def test_compiled_is_eager(seed: int) -> None:
    rows, columns = random.Random(seed).choice([(4, 6), (3, 3), (5, 17), (8, 2)])
    run = program(seed)
    call = torch.compile(run, fullgraph=True)
    for turn in range(3):
        arrays = [
            np.random.default_rng(seed * 10 + turn + 100 * k)
            .standard_normal((rows, columns))
            .astype(np.float32)
            for k in range(3)
        ]
        found = []
        for f in (run, call):
            torch.manual_seed(turn)
            found.append(f([torch.from_numpy(a.copy()).requires_grad_() for a in arrays]))
        for one, other in zip(*found, strict=True):
            assert one.shape == other.shape
            assert torch.allclose(one, other, rtol=2e-5, atol=2e-6), (one - other).abs().max()
    assert call.traces == 1


@pytest.mark.parametrize("k", range(len(UNARY)))
@pytest.mark.parametrize("transposed", [False, True])
def test_what_is_seen_inside_lies_as_in_eager(k: int, transposed: bool) -> None:
    """A `view` works in a compiled function just where it works otherwise."""
    torch.manual_seed(0)
    x = torch.randn(17, 5).t() if transposed else torch.randn(5, 17)
    seen = []

    def function(x: Any) -> Any:
        y = UNARY[k](x)
        seen.append((y.shape, y.stride()))
        return y

    function(x)
    torch.compile(function)(x)
    assert seen[0] == seen[1]
