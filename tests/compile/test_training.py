"""Whole training steps compiled, against the same steps as they are, over 200 steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch
from cotangent import nn

F = nn.functional
STEPS = 200


def mlp() -> Any:
    return nn.Sequential(
        nn.Linear(12, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 5)
    )


class Cnn(nn.Module):
    """Convolution, batch normalisation with running statistics, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 1, 3, 3) / 3)
        self.shift = nn.Parameter(torch.zeros(4))
        self.second = nn.Parameter(torch.randn(8, 4, 3, 3) / 6)
        self.scale, self.offset = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))
        self.last = nn.Linear(8 * 2 * 2, 5)

    def forward(self, x: Any) -> Any:
        x = F.conv2d(x, self.first, self.shift, padding=1)
        x = F.batch_norm(x, self.mean, self.variance, self.scale, self.offset, self.training)
        x = F.max_pool2d(F.relu(x), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, self.second)), 2)[:, :, :1, :1]
        return self.last(x.expand(-1, -1, 2, 2).flatten(1))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        B, T, C = x.shape
        q, k, v = (
            t.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for t in self.qkv(self.ln1(x)).split(C, dim=2)
        )
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(C // self.heads))
        scores = scores.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))
        y = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(B, T, C)
        x = x + self.proj(y)
        return x + self.out(F.gelu(self.fc(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 16), nn.Embedding(8, 16)
        self.blocks = nn.ModuleList([Block(16, 2) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 11, bias=False)

    def forward(self, x: Any) -> Any:
        h = self.tokens(x) + self.places(torch.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h)).flatten(0, 1)


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(6, 10, batch_first=True), nn.Linear(10, 5)

    def forward(self, x: Any) -> Any:
        return self.last(self.lstm(x)[0][:, -1])


def real(*shape: int) -> Callable[[], Any]:
    return lambda: torch.randn(*shape)


def classes(n: int, *shape: int) -> Callable[[], Any]:
    return lambda: torch.randint(n, shape)


CASES = {
    "mlp": (mlp, real(16, 12), classes(5, 16)),
    "cnn": (Cnn, real(8, 1, 10, 10), classes(5, 8)),
    "gpt": (Gpt, classes(11, 4, 8), classes(11, 32)),
    "lstm": (Lstm, real(6, 7, 6), classes(5, 6)),
}


def run(make: Any, x: Any, y: Any, compiled: bool) -> tuple[list[float], Any]:
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)

    def step(inputs: Any, targets: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    call = torch.compile(step, fullgraph=True) if compiled else step
    losses = []
    batches = [(x(), y()) for _ in range(8)]
    torch.manual_seed(1)
    for k in range(STEPS):
        losses.append(call(*batches[k % 8]).item())
        schedule.step()
    if compiled:
        assert call.traces == 2, "once to make the optimizer's state, once for all other steps"
    return losses, model


@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_of_eager(name: str) -> None:
    plain, model = run(*CASES[name], compiled=False)
    mine, compiled = run(*CASES[name], compiled=True)
    assert mine == pytest.approx(plain, rel=1e-5)
    assert plain[-1] < plain[0]
    for (key, a), (_, b) in zip(model.state_dict().items(), compiled.state_dict().items(), strict=True):
        # Biases without influence on the loss (of keys, before a normalisation) walk along rounding errors.
        if not key.endswith(("qkv.bias", "shift", "mean")):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5), key
    assert all(p.grad is not None and p.grad.shape == p.shape for p in compiled.parameters())


def test_a_compiled_module_in_an_uncompiled_loop() -> None:
    torch.manual_seed(0)
    model = Cnn()
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin)
    pairs = [(model, model, torch.optim.SGD(model.parameters(), lr=0.05))]
    pairs += [(twin, compiled, torch.optim.SGD(twin.parameters(), lr=0.05))]
    for _ in range(20):
        x, y = torch.randn(8, 1, 10, 10), torch.randint(5, (8,))
        losses = []
        for _, call, optimizer in pairs:
            optimizer.zero_grad()
            loss = F.cross_entropy(call(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    model.eval()
    compiled.eval()
    with torch.no_grad():
        assert torch.allclose(model(x), compiled(x), rtol=1e-5, atol=1e-5)
    for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_gradients_accumulate_in_place_as_in_eager() -> None:
    def make(compiled: bool) -> tuple[Any, Any]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)

        def step(x: Any) -> None:
            layer(x).square().sum().backward()

        return layer, torch.compile(step, fullgraph=True) if compiled else step

    (plain, eager), (mine, call) = make(False), make(True)
    held = None
    for k in range(5):
        x = torch.randn(4, 3)
        eager(x)
        call(x)
        assert torch.allclose(plain.weight.grad, mine.weight.grad, rtol=1e-5)
        if k == 1:
            held = mine.weight.grad
    assert mine.weight.grad is held


def test_memory_does_not_grow() -> None:
    import resource

    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    @torch.compile(fullgraph=True)
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    x = torch.randn(16, 8)
    for _ in range(500):
        step(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10_000):
        step(x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096, "KiB"


@pytest.mark.parametrize(("size", "loops"), [(64, 1), (400, 3)])
def test_large_parameters_are_updated_one_after_the_other(size: int, loops: int) -> None:
    """One loop for small ones; large ones would keep too many streams of memory going at once."""
    parameters = [torch.ones(size, size, requires_grad=True) for _ in range(3)]
    for p in parameters:
        p.grad = torch.ones(size, size)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)

    def step() -> None:
        optimizer.step()

    compiled = torch.compile(step)
    for _ in range(2):
        compiled()
    assert compiled.show().count(f"loop [{size}, {size}]:") == loops
    assert all((p == parameters[0]).all() for p in parameters)
    assert parameters[0][0, 0].item() == pytest.approx((1 - 1e-5) ** 2 - 2e-3, abs=5e-7)
