"""What nobody else refers to is found to be alone, and nothing else is, on every interpreter."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.autograd import recorded
from cotangent.autograd.recorded import plus
from cotangent.references import ARGUMENT, PARAMETER


def asked(thing: object) -> int:
    return sys.getrefcount(thing)


def test_the_counts_of_calls() -> None:
    thing, other = object(), object()
    assert asked(thing) == 1 + PARAMETER + ARGUMENT
    assert sys.getrefcount(thing) == 1 + ARGUMENT
    holders = [other, other]
    assert asked(other) == 1 + len(holders) + PARAMETER + ARGUMENT


def test_pending_cotangents_are_added_in_place_where_they_are_alone() -> None:
    def step(grads: dict[int, Any], d: Any) -> Any:  # as nodes have it
        held = grads.get(0)
        grads[0] = d if held is None else plus(held, d)
        return held

    grads = {0: np.ones(3)}
    assert step(grads, np.ones(3)) is grads[0] and grads[0].tolist() == [2.0] * 3
    mine = np.ones(3)
    grads = {0: mine}
    assert step(grads, np.ones(3)) is mine and mine.tolist() == [1.0] * 3 and grads[0].tolist() == [2.0] * 3
    grads = {0: np.ones(3)}
    grads[1] = grads[0]  # pending for another node as well
    step(grads, np.ones(3))
    assert grads[1].tolist() == [1.0] * 3


def test_generated_steps_add_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = []

    def add(a: Any, b: Any, out: Any) -> Any:
        sums.append(a.shape)
        return np.add(a, b, out)

    monkeypatch.setattr(recorded, "_add", add)
    x = torch.ones(5, requires_grad=True)
    a = x * 2
    (a.exp() + a.sin() + a.cos()).sum().backward()
    assert sums == [(5,), (5,)]
    sums.clear()
    a = x * 2
    y = a + 1  # its cotangent goes on to `a` as it is: pending twice until y has been run
    (y + a).sum().backward()
    assert sums == []


def test_a_gradient_is_the_array_that_arrives() -> None:
    x, made = torch.ones(4, requires_grad=True), []
    node = (x * 3).grad_fn
    kind, step = type(node), type(node).step

    def noted(self: Any, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        step(self, g, grads, keep)
        made.extend(id(array) for array in grads.values())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "step", noted)
        (x * 3).sum().backward()
    assert x.grad is not None and id(x.grad._data) in made and x.grad.tolist() == [3.0] * 4
    x.grad = None
    g = torch.ones(4)
    (x + 0).backward(g)  # the caller's array goes all the way
    assert x.grad is not None and x.grad._data is not g._data
    x.grad.add_(1)
    assert g.tolist() == [1.0] * 4


def test_shared_cotangents_stay_apart() -> None:
    a = torch.tensor(2.0, requires_grad=True)
    b = a * a
    (b * b + b * a + a).backward()
    assert a.grad is not None and a.grad.item() == 45.0
    x, y = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    (x + y).sum().backward()
    assert x.grad is not None and y.grad is not None and x.grad._data is not y.grad._data
    x.grad.mul_(5)
    assert y.grad.tolist() == [1.0] * 3


def test_watched_tensors_are_not_swapped() -> None:
    a, b = torch.ones(2), torch.zeros(3)
    watcher = weakref.ref(a)
    with pytest.raises(RuntimeError, match="weakref"):
        torch.utils.swap_tensors(a, b)
    del watcher
    torch.utils.swap_tensors(a, b)
    assert a.shape == (3,)
