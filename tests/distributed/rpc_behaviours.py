"""What distributed autograd and RPC hold to among three workers: programs as in rpc_programs.py."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.autograd as dist_autograd
import torch.distributed.rpc as rpc
from rpc_programs import known_contexts, said, until
from torch.distributed.optim import DistributedOptimizer
from torch.nn.parallel import DistributedDataParallel as DDP

# -- contexts --


def chained(x: Any) -> Any:
    """On worker 1: go on to worker 2."""
    return rpc.rpc_sync("worker2", torch.mul, (x, x))


class Acts(torch.autograd.Function):
    """Does something in the middle of backward."""

    act: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        Acts.act()
        return g * 2


def forgets(x: Any, context_id: int) -> Any:
    Acts.act = lambda: dist_autograd._release_context(context_id)
    return Acts.apply(x)


def dies(x: Any) -> Any:
    Acts.act = lambda: os._exit(0)  # with another status the launcher would end the others
    return Acts.apply(x)


def contexts(rank: int, size: int) -> Any:
    """Of every worker: its contexts' numbers, and whether they are gone everywhere afterwards."""
    found: dict[str, Any] = {}
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    others = [f"worker{k}" for k in range(size) if k != rank]
    with dist_autograd.context() as first:
        for other in others:
            rpc.rpc_sync(other, torch.mul, (x, 2))
        found["number"] = [first >> 48, first & 0xFFFF]
        found["there"] = [first in rpc.rpc_sync(other, known_contexts) for other in others]
    found["gone"] = until(lambda: not any(first in rpc.rpc_sync(name, known_contexts) for name in others))
    with dist_autograd.context() as second:
        found["next"] = second - first
    return found


def accumulated(rank: int, size: int) -> Any:
    """Gradients add up within a context, and are nobody else's."""
    if rank:
        return None
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    found = []
    with dist_autograd.context() as one:
        loss = rpc.rpc_sync("worker1", chained, (x,)).sum()
        for again in (True, True, False):
            dist_autograd.backward(one, [loss], retain_graph=again)
            found.append(dist_autograd.get_gradients(one)[x].tolist())
    with dist_autograd.context() as two:
        dist_autograd.backward(two, [rpc.rpc_sync("worker1", chained, (x,)).sum()])
        found.append(dist_autograd.get_gradients(two)[x].tolist())
        with_two = said(lambda: dist_autograd.get_gradients(one))
    return [found, with_two, x.grad]


def cleaned(rank: int, size: int) -> Any:
    """Another worker forgets the context while it is in backward; the next one is sound."""
    if rank:
        return None
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    with dist_autograd.context() as context_id:
        y = rpc.rpc_sync("worker2", torch.mul, (x, 3))
        loss = rpc.rpc_sync("worker1", forgets, (y, context_id)).sum()
        first = said(lambda: dist_autograd.backward(context_id, [loss]))
    with dist_autograd.context() as context_id:
        dist_autograd.backward(context_id, [rpc.rpc_sync("worker1", chained, (x,)).sum()])
        return first, dist_autograd.get_gradients(context_id)[x].tolist()


def local(rank: int, size: int) -> Any:
    """A context belongs to the thread that has opened it."""
    if rank:
        return None
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    found: dict[str, Any] = {}

    def beside() -> None:
        found["beside"] = said(dist_autograd._current_context)[:58]
        found["not recorded"] = rpc.rpc_sync("worker1", torch.mul, (x, 2)).grad_fn is None
        with dist_autograd.context() as own:
            found["own"] = own != context_id and dist_autograd._current_context()._context_id() == own
            loss = rpc.rpc_sync("worker1", torch.mul, (x, 5)).sum()
            dist_autograd.backward(own, [loss])
            found["its gradients"] = dist_autograd.get_gradients(own)[x].tolist()

    with dist_autograd.context() as context_id:
        loss = rpc.rpc_sync("worker1", torch.mul, (x, 2)).sum()
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
        found["still"] = dist_autograd._current_context()._context_id() == context_id
        # Backward names its context, so any thread may run it.
        thread = threading.Thread(target=dist_autograd.backward, args=(context_id, [loss]))
        thread.start()
        thread.join()
        found["from a thread"] = dist_autograd.get_gradients(context_id)[x].tolist()
    return found


def crowd(rank: int, size: int) -> Any:
    """20 threads on each worker train against worker 1, each in a context of its own."""
    x = torch.ones(2, requires_grad=True)
    found: list[Any] = [None] * 20

    def one(number: int) -> None:
        with dist_autograd.context() as context_id:
            factor = float(rank * 20 + number)
            y = rpc.rpc_sync("worker1", torch.mul, (x * factor, 3))
            dist_autograd.backward(context_id, [rpc.rpc_sync("worker1", torch.sum, (y,))])
            found[number] = dist_autograd.get_gradients(context_id)[x].tolist()

    threads = [threading.Thread(target=one, args=(k,)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found == [[3.0 * (rank * 20 + k)] * 2 for k in range(20)]


# -- parameter servers --


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.linear(x))

    def rrefs(self) -> Any:
        return [rpc.RRef(p) for p in self.parameters()]

    def gradients(self, context_id: int) -> Any:
        held = dist_autograd.get_gradients(context_id)
        return [held[p] for p in self.parameters()]

    def values(self) -> Any:
        return [p.detach().clone() for p in self.parameters()]


def batch(rank: int) -> Any:
    return torch.linspace(-1, 1, 12).reshape(4, 3) * (rank + 1)


def served(layer: Any, rank: int, steps: int) -> Any:
    """On a trainer: its gradients on the server, one context a step."""
    found = []
    for _ in range(steps):
        with dist_autograd.context() as context_id:
            loss = (layer.rpc_sync().forward(batch(rank)) ** 2).sum()
            dist_autograd.backward(context_id, [loss])
            found.append([g.tolist() for g in layer.rpc_sync().gradients(context_id)])
    return found


def trained(layer: Any, rank: int, steps: int) -> Any:
    """On a trainer: steps of an optimizer whose parameters are on the server."""
    optimizer = DistributedOptimizer(torch.optim.SGD, layer.rpc_sync().rrefs(), lr=0.05)
    losses = []
    for _ in range(steps):
        with dist_autograd.context() as context_id:
            loss = (layer.rpc_sync().forward(batch(rank)) ** 2).sum()
            dist_autograd.backward(context_id, [loss])
            optimizer.step(context_id)
            losses.append(loss.item())
    return losses


def server(rank: int, size: int) -> Any:
    """Trainers on workers 1 and 2 use a layer of worker 0 at once; their gradients do not mix."""
    if rank:
        return None
    layer = rpc.RRef(Layer())
    calls = [rpc.rpc_async(f"worker{k}", served, (layer, k, 6)) for k in (1, 2)]
    right = []
    for k, call in zip((1, 2), calls, strict=True):
        alone = Layer()
        (alone(batch(k)) ** 2).sum().backward()
        expected = [p.grad for p in alone.parameters()]
        for gradients in call.wait():
            right.append(all(torch.allclose(torch.tensor(g), e) for g, e in zip(gradients, expected)))
    untouched = all(p.grad is None for p in layer.local_value().parameters())
    calls = [rpc.rpc_async(f"worker{k}", trained, (layer, k, 15)) for k in (1, 2)]
    falling = [call.wait() for call in calls]
    return right, untouched, [losses[-1] / losses[0] for losses in falling]


class Batched:
    """A server that waits for the gradients of all trainers, steps once and answers all of them."""

    def __init__(self, trainers: int) -> None:
        self.layer = Layer()
        self.optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.05)
        self.trainers, self.came, self.steps = trainers, 0, 0
        self.lock = threading.Lock()
        self.future: Any = torch.futures.Future()

    def values(self) -> Any:
        return self.layer.values()

    @rpc.functions.async_execution
    def update(self, gradients: Any) -> Any:
        with self.lock:
            future = self.future
            for p, g in zip(self.layer.parameters(), gradients, strict=True):
                p.grad = g / self.trainers if p.grad is None else p.grad + g / self.trainers
            self.came += 1
            if self.came == self.trainers:
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.came, self.future = 0, torch.futures.Future()
                self.steps += 1
                future.set_result(self.layer.values())
        return future


def trains(ps: Any, rank: int, steps: int) -> None:
    layer = Layer()
    values = ps.rpc_sync().values()
    for _ in range(steps):
        with torch.no_grad():
            for p, value in zip(layer.parameters(), values, strict=True):
                p.copy_(value)
        layer.zero_grad()
        (layer(batch(rank)) ** 2).sum().backward()
        values = ps.rpc_sync().update([p.grad for p in layer.parameters()])


def batched(rank: int, size: int) -> Any:
    if rank:
        return None
    ps = rpc.RRef(Batched(2))
    torch.futures.wait_all([rpc.rpc_async(f"worker{k}", trains, (ps, k, 8)) for k in (1, 2)])
    alone = Layer()
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.05)
    for _ in range(8):
        optimizer.zero_grad()
        (sum((alone(batch(k)) ** 2).sum() for k in (1, 2)) / 2).backward()
        optimizer.step()
    values = ps.local_value().values()
    return ps.local_value().steps, max((a - b).abs().max().item() for a, b in zip(values, alone.parameters()))


# -- data-parallel modules within distributed autograd --


class Hybrid(torch.nn.Module):
    """A layer here, one on worker 2, another here."""

    def __init__(self, remote: Any, wrap: Any) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.remote = remote
        self.first = wrap(torch.nn.Linear(3, 3))
        self.second = wrap(torch.nn.Linear(2, 2))

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        y = self.remote(y) if callable(self.remote) else self.remote.rpc_sync().forward(y)
        return self.second(y)


def hybrid(rank: int, size: int) -> Any:
    """Trainers 0 and 1, DDP around the local layers or around everything; and plain backwards besides."""
    dist.init_process_group("gloo", rank=rank, world_size=size)
    group = dist.new_group([0, 1])
    found = {}
    if rank < 2:
        remote = rpc.remote("worker2", Layer)
        wholes: dict[str, Any] = {}
        for how in ("inside", "outside"):
            net: Any = Hybrid(
                remote, (lambda m: DDP(m, process_group=group)) if how == "inside" else lambda m: m
            )
            if how == "outside":
                net = DDP(net, process_group=group)
            wholes[how] = net
            for _ in range(3):
                with dist_autograd.context() as context_id:
                    loss = (net(batch(rank)) ** 2).sum()
                    dist_autograd.backward(context_id, [loss])
                    held = dist_autograd.get_gradients(context_id)
                    averages = [held[p].clone() for p in net.parameters()]
                    there = remote.rpc_sync().gradients(context_id)
            alone = Hybrid(Layer(), lambda m: m)
            for k in range(2):
                ((alone(batch(k)) ** 2).sum() / 2).backward()
            own = Hybrid(Layer(), lambda m: m)
            (own(batch(rank)) ** 2).sum().backward()
            here = [p.grad for m in (alone.first, alone.second) for p in m.parameters()]
            found[how] = [
                all(torch.allclose(a, b, atol=1e-5) for a, b in zip(averages, here, strict=True)),
                # What is on worker 2 is nobody's replica: each trainer's context has its own.
                all(torch.allclose(a, p.grad, atol=1e-5) for a, p in zip(there, own.remote.parameters())),
                all(p.grad is None for p in net.parameters()),
            ]
        # The same modules outside of a context.
        plain = wholes["inside"].first
        plain(batch(rank)).sum().backward()
        expected = (batch(0) + batch(1)).sum(0) / 2
        found["plain"] = torch.allclose(plain.module.weight.grad, expected.expand(3, 3), atol=1e-5)
    dist.barrier()
    dist.destroy_process_group()
    return found


# -- a worker that ends --


def dead(rank: int, size: int) -> Any:
    """Worker 1 ends in the middle of a backward."""
    if rank:
        until(lambda: rpc.api.agents.here().gone, 30)
        return None
    x = torch.ones(2, requires_grad=True)
    with dist_autograd.context() as context_id:
        y = rpc.rpc_sync("worker2", torch.mul, (x, 2))
        loss = rpc.rpc_sync("worker1", dies, (y,)).sum()
        text = said(lambda: dist_autograd.backward(context_id, [loss]))
    with dist_autograd.context() as context_id:
        dist_autograd.backward(context_id, [rpc.rpc_sync("worker0", torch.mul, (x, 4)).sum()])
        return text, dist_autograd.get_gradients(context_id)[x].tolist()


if __name__ == "__main__":
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    options = rpc.TensorPipeRpcBackendOptions(rpc_timeout=30)
    rpc.init_rpc(f"worker{rank}", rank=rank, world_size=size, rpc_backend_options=options)
    names, folder = sys.argv[1].split(","), sys.argv[2]
    result = {name: globals()[name](rank, size) for name in names}
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump(result, file)
    if "dead" in names:
        said(lambda: rpc.shutdown(graceful=False))
    else:
        rpc.shutdown()
