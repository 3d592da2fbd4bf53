"""Tensors in memory that several processes write and read."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent import multiprocessing as mp


def _add(target: Any, amount: float) -> None:
    target.add_(amount)


def _answer(inbox: Any, outbox: Any) -> None:
    for _ in range(2):
        got = inbox.get(timeout=60)
        got.mul_(2)
        outbox.put(got)
    outbox.put(None)
    inbox.get()  # memory is fetched from this process: it must live until then


def _train(net: Any, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        x = torch.randn(16, 3)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), x.sum(1, keepdim=True)).backward()
        optimizer.step()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_process_writes_the_others_read(method: str) -> None:
    x = torch.arange(6.0).view(2, 3).share_memory_()
    assert x.is_shared()
    process = multiprocessing.get_context(method).Process(target=_add, args=(x.t()[1:], 10.0))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert x.tolist() == [[0, 11, 12], [3, 14, 15]]


def test_a_module_is_trained_by_other_processes() -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1).share_memory()
    before = [p.detach().clone() for p in net.parameters()]
    workers = [multiprocessing.get_context("spawn").Process(target=_train, args=(net, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert all(not torch.equal(p, old) for p, old in zip(net.parameters(), before))
    assert all(p.is_shared() and isinstance(p, torch.nn.Parameter) for p in net.parameters())


def test_a_queue_carries_the_memory_itself() -> None:
    context = mp.get_context("spawn")
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=_answer, args=(inbox, outbox))
    process.start()
    whole = torch.ones(4, dtype=torch.float64)
    for sent in (whole[1:3], torch.tensor(3)):
        inbox.put(sent)
        got = outbox.get(timeout=60)
        assert got.dtype is sent.dtype and got.is_shared() and sent.is_shared()
        assert torch.equal(got, sent)  # doubled in the memory that was sent
    assert outbox.get(timeout=60) is None
    inbox.put(None)
    process.join(60)
    assert whole.tolist() == [1, 2, 2, 1]


def test_views_move_along_and_history_goes_on() -> None:
    base = torch.zeros(4)
    view = base[1:3]
    weights = torch.ones(4, requires_grad=True)
    loss = (weights * weights).sum()
    view.share_memory_()
    assert base.is_shared() and view.is_shared()
    assert base.untyped_storage().is_shared()
    view.fill_(1)
    assert base.tolist() == [0, 1, 1, 0]
    weights.share_memory_()
    loss.backward()
    assert weights.grad.tolist() == [2, 2, 2, 2]
    assert weights.is_leaf and not torch.zeros(2).is_shared()
    assert torch.zeros(0).share_memory_().is_shared()


def test_a_tensor_with_history_does_not_travel() -> None:
    with pytest.raises(
        RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"
    ):
        multiprocessing.reduction.ForkingPickler.dumps(torch.ones(2, requires_grad=True) * 2)


def test_memory_goes_back() -> None:
    x = torch.zeros(1000).share_memory_()
    array = x.numpy()
    del x
    array[0] = 1  # the block lives as long as somebody looks into it
    assert np.sum(array) == 1
