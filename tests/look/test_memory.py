"""`cotangent.memory` counts what tracemalloc counts; `cotangent.who_holds` names what keeps a graph."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F
from cotangent.utils.checkpoint import checkpoint

PROGRAMS: dict[str, Callable[[], Callable[[], Any]]] = {}


def program(build: Callable[[], Callable[[], Any]]) -> Callable[[], Callable[[], Any]]:
    PROGRAMS[build.__name__] = build
    return build


@program
def perceptron() -> Callable[[], Any]:
    model = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.LayerNorm(128), nn.Dropout(), nn.Linear(128, 10))
    x, y = torch.randn(128, 64), torch.randint(0, 10, (128,))
    return lambda: F.cross_entropy(model(x), y)


@program
def convolutions() -> Callable[[], Any]:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Dropout(), nn.Flatten(), nn.Linear(16 * 64, 10),
    )  # fmt: skip
    x, y = torch.randn(32, 3, 16, 16), torch.randint(0, 10, (32,))
    return lambda: F.cross_entropy(model(x), y)


@program
def recurrence() -> Callable[[], Any]:
    rnn, last = nn.LSTM(16, 32, 2), nn.Linear(32, 4)
    x = torch.randn(12, 32, 16)
    return lambda: last(rnn(x)[0]).square().mean()


@program
def attention() -> Callable[[], Any]:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, dropout=0.1)
    table = nn.Embedding(50, 32)
    words = torch.randint(0, 50, (16, 24))
    return lambda: layer(table(words)).sum()


@program
def views_and_writes() -> Callable[[], Any]:
    w = torch.randn(256, 64, requires_grad=True)

    def loss() -> Any:
        y = w * 2.0
        y[::2].mul_(w[::2])
        parts = y.view(64, 256).t().chunk(4)
        return sum((p.exp() * p).sum() for p in parts)

    return loss


@program
def a_function_of_ones_own() -> Callable[[], Any]:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x.sin(), x)
            ctx.more = x.cos()
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    w = torch.randn(300, 100, requires_grad=True)
    return lambda: Twice.apply(Twice.apply(w)).sum()


@program
def one_value_kept_by_many() -> Callable[[], Any]:
    w = torch.randn(500, 100, requires_grad=True)

    def loss() -> Any:
        h = w.exp()
        return (h * h + h.sin() + h.view(-1).cos().view_as(h) + h.t().t()).sum()

    return loss


@program
def a_checkpointed_block() -> Callable[[], Any]:
    first, block = nn.Linear(64, 64), nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 64))
    x = torch.randn(200, 64)
    return lambda: checkpoint(block, first(x), use_reentrant=False).square().sum()


def bytes_of_arrays() -> int:
    only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([only]).traces)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_report_equals_the_growth(name: str) -> None:
    torch.manual_seed(0)
    build = PROGRAMS[name]()
    build()  # kernels, pools of numbers and the like are there from now on
    gc.collect()
    tracemalloc.start()
    try:
        before = bytes_of_arrays()
        loss = build()
        gc.collect()
        growth = bytes_of_arrays() - before
    finally:
        tracemalloc.stop()
    report = torch.memory(loss, peak=False)
    assert abs(report.total + loss.nbytes - growth) <= 0.01 * growth, report
    assert growth > 50_000
    for sums in (report.by_line, report.by_operation, report.by_module):
        assert sum(sums.values()) == report.total


def test_lines_and_operations() -> None:
    x = torch.ones(1000, requires_grad=True)
    e = x.exp()
    loss = (e * x.sin()).sum()
    report = torch.memory(loss)
    file, line = __file__, test_lines_and_operations.__code__.co_firstlineno
    assert report.by_line == {(file, line + 2): 4000, (file, line + 3): 4000}
    assert report.by_operation == {"ExpBackward0": 4000, "MulBackward0": 4000}
    assert report.given == 4000
    assert [entry.shape for entry in report.entries if not entry.given] == [(1000,), (1000,)]
    text = str(report)
    assert "kept for backward: 7.8 KB" in text
    assert f"{file}:{line + 2}  e = x.exp()" in text


def test_the_peak_of_a_chain() -> None:
    """While the last sine runs: four saved values, the gradient that came in and the one that goes out."""
    x = torch.ones(1000, requires_grad=True)
    loss = x.exp().exp().exp().exp().sum()
    report = torch.memory(loss)
    assert report.total == 16_000
    assert report.peak == 16_000 + 4_000 + 4
    assert report.peak_at is not None
    assert report.peak_at[0] in ("ExpBackward0", "SumBackward0")
    loss.backward()
    assert x.grad is not None
    with pytest.raises(RuntimeError, match="second time"):
        torch.memory(loss)


def test_gradients_and_hooks_are_left_alone() -> None:
    x = torch.ones(10, requires_grad=True)
    seen: list[Any] = []
    y = x * 2
    y.register_hook(seen.append)
    torch.memory((y * y).sum())
    assert x.grad is None
    assert seen == []


def test_nothing_to_report_on() -> None:
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.memory(torch.ones(3))


# -- who holds -----------------------------------------------------------------------------------------


class Trainer:
    def __init__(self) -> None:
        self.total: Any = None
        self.state: dict[str, Any] = {}


class Slotted:
    __slots__ = ("last",)


KEPT: Any = None


def test_a_local_variable() -> None:
    x = torch.ones(2, requires_grad=True)
    loss = (x * x).sum()
    (holder,) = torch.who_holds(loss.grad_fn)
    assert (holder.name, holder.kind) == ("loss", "local")
    assert holder.where.startswith(f"test_a_local_variable, {__file__}")
    assert "loss (local, test_a_local_variable" in str(holder)


def test_of_a_graph_that_another_goes_on_from() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * x
    node = y.grad_fn
    total = y.sum() + 1
    del y
    assert [holder.name for holder in torch.who_holds(node)] == ["node", "total"]
    del total


@pytest.mark.parametrize(
    ("keep", "name"),
    [
        ("trainer.total = loss", "trainer.total"),
        ("trainer.state['loss'] = loss", "trainer.state['loss']"),
        ("history.append(loss)", "history[0]"),
        ("history.append({'step': 1, 'loss': loss})", "history[0]['loss']"),
        ("history.append((1, loss * 2))", "history[0][1]"),
        ("slotted.last = loss", "slotted.last"),
        ("module.KEPT = loss", "KEPT"),
    ],
)
def test_attributes_elements_and_globals(keep: str, name: str) -> None:
    trainer, history, slotted = Trainer(), [], Slotted()
    x = torch.ones(2, requires_grad=True)

    def step() -> Any:
        loss = (x * x).sum()
        module = sys.modules[__name__]
        exec(
            keep, {"trainer": trainer, "history": history, "slotted": slotted, "loss": loss, "module": module}
        )
        return weakly(loss.grad_fn)

    ref = step()
    gc.collect()
    try:
        found = torch.who_holds(ref())
        assert [holder.name for holder in found] == [name]
    finally:
        globals()["KEPT"] = None


def weakly(node: Any) -> Any:
    import weakref

    return weakref.ref(node)


def test_a_closure() -> None:
    x = torch.ones(2, requires_grad=True)

    def make() -> tuple[Any, Any]:
        kept = (x * x).sum()
        return lambda: kept, weakly(kept.grad_fn)

    function, ref = make()
    (holder,) = torch.who_holds(ref())
    assert (holder.name, holder.kind) == ("kept", "closure")
    assert function() is not None


def test_nobody() -> None:
    x = torch.ones(2, requires_grad=True)
    ref = weakly((x * x).sum().grad_fn)
    assert torch.who_holds(ref()) == []
    assert torch.who_holds((x * x).sum().grad_fn) == []


class Block(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(64)
        self.up, self.down = nn.Linear(64, wide), nn.Linear(wide, 64)

    def forward(self, x: Any) -> Any:
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(64), Block(512), Block(128)])
        self.head = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_modules_and_what_a_checkpoint_saves() -> None:
    net = Blocks()
    x, y = torch.randn(256, 64), torch.randint(0, 10, (256,))
    report = torch.memory(F.cross_entropy(net(x), y))
    # its input and the normalised one, 64 wide; mean and scale; before and after gelu, 512 wide
    assert report.by_module["net.blocks.1.norm"] == 4 * 256 * (64 + 2)
    assert report.by_module["net.blocks.1.up"] == 4 * 256 * 64
    best = report.checkpoint[0]
    assert (best.module, best.keeps) == ("net.blocks.1", 4 * 256 * (64 + 2 + 64 + 512 + 512))
    assert best.saves == best.keeps - 4 * 256 * 64
    # And that is what it saves indeed.
    net.blocks[1] = Checkpointed(net.blocks[1])
    after = torch.memory(F.cross_entropy(net(x), y))
    assert abs(report.total - after.total - best.saves) <= 0.01 * report.total
    assert report.peak is not None
    assert "checkpoint net.blocks.1: keeps 1.1 MB less (of 1.1 MB)" in str(report)


class Checkpointed(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Any) -> Any:
        return checkpoint(self.block, x, use_reentrant=False)
