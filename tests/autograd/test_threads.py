"""Modes belong to their thread; several threads may run backward at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

import cotangent as torch


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0) ... work(count - 1)` at once and raise what they raised."""
    start = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_recording_is_a_matter_of_the_thread() -> None:
    inside, leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with torch.no_grad():
            inside.set()
            leave.wait()
            seen.append(torch.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    x = torch.ones(1, requires_grad=True)
    assert torch.is_grad_enabled()
    assert (x * 2).requires_grad
    leave.set()
    thread.join()
    assert seen == [False]


def test_a_new_thread_records_whatever_its_maker_does() -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode_of_one_thread_leaves_the_others_alone() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with torch.inference_mode():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    made = torch.ones(2) * 2
    leave.set()
    thread.join()
    assert not made.is_inference()


def test_backward_on_separate_graphs() -> None:
    found: dict[int, float] = {}

    def work(number: int) -> None:
        for _ in range(20):
            x = torch.full((50,), float(number), requires_grad=True)
            y = x
            for _ in range(30):
                y = y * 1.0 + x
            y.sum().backward()
            assert x.grad is not None
            found[number] = x.grad[0].item()
            assert bool((x.grad == 31).all())

    in_threads(4, work)
    assert found == dict.fromkeys(range(4), 31.0)


def test_backward_through_a_shared_part() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    shared = x
    for _ in range(50):
        shared = shared * 1.01
    leaves = [torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    grads: list[object] = [None] * 4

    def work(number: int) -> None:
        for _ in range(10):
            out = (shared * leaves[number]).sum()
            grads[number] = torch.autograd.grad(out, (x, leaves[number]), retain_graph=True)

    in_threads(4, work)
    for pair in grads:
        assert isinstance(pair, tuple)
        np.testing.assert_allclose(pair[0].numpy(), np.full(2, 1.01**50), rtol=1e-12)
        np.testing.assert_allclose(pair[1].numpy(), shared.detach().numpy(), rtol=1e-12)


def test_transforms_of_one_thread_leave_the_others_alone() -> None:
    inside, leave = threading.Event(), threading.Event()

    def held(t: torch.Tensor) -> torch.Tensor:
        inside.set()
        leave.wait()
        return (t * t).sum()

    found: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: found.append(torch.func.grad(held)(torch.ones(2))))
    thread.start()
    inside.wait()
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()  # refused inside a transform
    leave.set()
    thread.join()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0]
    assert found[0].tolist() == [2.0, 2.0]
