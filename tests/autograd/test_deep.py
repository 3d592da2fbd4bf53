"""Graphs far deeper than Python's recursion limit: built, run, and freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch

DEPTH = 200_000


def chain(step: Callable[[Any], Any], start: Any, depth: int) -> Any:
    """`step` applied `depth` times."""
    for _ in range(depth):
        start = step(start)
    return start


def test_built_run_and_freed() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    y = chain(lambda t: t + 1.0, x, DEPTH)
    assert y.item() == DEPTH + 1
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0


def test_freed_without_having_run() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    first = x * 1.0
    node = weakref.ref(first.grad_fn)
    y = chain(lambda t: t * 1.0, first, DEPTH)
    del first
    gc.collect()
    assert node() is not None
    del y
    assert node() is None


class Twice(torch.autograd.Function):
    """A custom step."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


def through_ports(t: Any) -> Any:
    a, b = t.unbind(0)
    return torch.stack([b, a])


@pytest.mark.parametrize(
    ("step", "start"),
    [
        (torch.sin, torch.tensor(0.5)),
        (lambda t: t.view(2), torch.ones(2)),
        (through_ports, torch.ones(2)),
        (Twice.apply, torch.ones(2)),
        (lambda t: t.mul_(1.0), torch.ones(2)),
    ],
    ids=["saved results", "views", "several outputs", "Function", "in place"],
)
def test_every_kind_of_node(step: Callable[[Any], Any], start: Any) -> None:
    x = start.clone().requires_grad_()
    y = chain(step, x.clone(), 20_000)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape
    del y
    chain(step, x.clone(), 20_000)  # freed without having run


def test_second_order() -> None:
    x = torch.tensor(0.5, requires_grad=True)
    y = chain(lambda t: t * 1.0, x, 20_000)
    (g,) = torch.autograd.grad(y * x, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert g.item() == 1.0
    assert h.item() == 2.0
