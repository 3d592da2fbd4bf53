"""Programs over RPC; each is `program(rank, size)` and returns what the test compares."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import time
from typing import Any

import torch
import torch.distributed.autograd as dist_autograd
import torch.distributed.rpc as rpc
from torch.distributed.optim import DistributedOptimizer


def said(call: Any) -> str:
    """The type and text of what a call raises."""
    try:
        return f"no error: {call()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def until(condition: Any, seconds: float = 10.0) -> bool:
    """Wait for something that other workers do on their own."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# -- what is called --


def fails(text: str) -> None:
    raise ValueError(text)


def sleeps(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def hop(names: list[str], value: Any, depth: int) -> Any:
    """Add 1 on every worker on the way, and again on the way back."""
    if depth == 0:
        return value + 1
    return rpc.rpc_sync(names[0], hop, (names[1:] + names[:1], value + 1, depth - 1)) + 1


class Store:
    def __init__(self, value: Any) -> None:
        self.value = value

    def add(self, amount: Any) -> Any:
        self.value = self.value + amount
        return self.value

    @rpc.functions.async_execution
    def doubled(self) -> Any:
        return rpc.rpc_async("worker2", torch.mul, (self.value, 2))


@rpc.functions.async_execution
def sum_elsewhere(x: Any) -> Any:
    return rpc.rpc_async("worker2", torch.sum, (x,)).then(lambda done: done.wait() + 1)


@rpc.functions.async_execution
def no_future() -> int:
    return 3


def owned_here() -> int:
    gc.collect()
    return len(rpc.api.references.table.owned)


def pass_on(rref: Any, names: list[str], hops: int) -> Any:
    """Hand a reference on; the last one fetches the value."""
    if hops == 0:
        return rref.to_here(), str(rref.owner())
    return rpc.rpc_sync(names[hops % len(names)], pass_on, (rref, names, hops - 1))


_KEPT: list[Any] = []


def keep(rref: Any) -> None:
    _KEPT.append(rref)


def let_go() -> None:
    _KEPT.clear()


class Odd:
    """What pickle does not take."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def calls(rank: int, size: int) -> Any:
    if rank:
        return None
    found: dict[str, Any] = {}
    x = torch.arange(6.0).reshape(2, 3)
    found["builtin"] = rpc.rpc_sync("worker1", torch.add, (x, 1), {"alpha": 2}).tolist()
    found["to a number, to oneself"] = [
        rpc.rpc_sync(2, torch.sum, (x,)).item(), rpc.rpc_sync("worker0", torch.sum, (x,)).item(),
        rpc.rpc_sync(rpc.get_worker_info("worker1"), torch.sum, (x,)).item(),
    ]  # fmt: skip
    kinds = [
        torch.ones(2, dtype=torch.bfloat16), x.t(), torch.zeros(0, 3), torch.tensor(3),
        x[0].to(torch.complex64), torch.nn.Parameter(x), torch.ones(2).to_sparse(), torch.tensor([True]),
        torch.ones(1, requires_grad=True),
    ]  # fmt: skip
    back = rpc.rpc_sync("worker1", list, (kinds,))
    found["kinds"] = [repr(a) == repr(b) and type(a) is type(b) for a, b in zip(kinds, back)]
    same = rpc.rpc_sync("worker1", list, ([x, x],))
    found["one tensor twice"] = same[0] is same[1]
    model = torch.nn.Linear(2, 3)
    found["a module"] = torch.equal(rpc.rpc_sync("worker1", hop_module, (model, x[:, :2])), model(x[:, :2]))
    found["hops"] = rpc.rpc_sync("worker1", hop, (["worker2", "worker0", "worker1"], 0, 12))
    found["error"] = said(lambda: rpc.rpc_sync("worker1", fails, ("on purpose",)))
    found["nested error"] = said(lambda: rpc.rpc_sync("worker1", rpc.rpc_sync, ("worker2", fails, ("deep",))))
    found["not callable"] = said(lambda: rpc.rpc_sync("worker1", 3))
    found["nobody"] = said(lambda: rpc.rpc_sync("nobody", fails))
    found["no pickle"] = said(lambda: rpc.rpc_sync("worker1", str, (Odd(),)))[:9]
    found["no pickle back"] = said(lambda: rpc.rpc_sync("worker1", Odd))
    start = time.monotonic()
    found["timeout"] = said(lambda: rpc.rpc_sync("worker1", sleeps, (5.0,), timeout=0.2))
    found["timeout is kept"] = time.monotonic() - start < 4.5
    found["timeout 0"] = rpc.rpc_sync("worker1", sleeps, (0.01,), timeout=0)
    found["async"] = [f.wait() for f in [rpc.rpc_async(f"worker{k % size}", pow, (k, 2)) for k in range(40)]]
    many = [rpc.rpc_async("worker1", sleeps, (0.3,)) for _ in range(30)]
    start = time.monotonic()
    torch.futures.wait_all(many)
    found["at once"] = time.monotonic() - start < 6  # one after the other they take 9
    found["then"] = rpc.rpc_async("worker1", pow, (2, 3)).then(
        lambda done: rpc.rpc_sync("worker1", pow, (done.wait(), 2))
    ).wait()  # fmt: skip
    found["async execution"] = rpc.rpc_sync("worker1", sum_elsewhere, (x,)).item()
    found["no future"] = said(lambda: rpc.rpc_sync("worker1", no_future))
    big = torch.arange(1 << 20)
    found["big"] = torch.equal(rpc.rpc_sync("worker1", torch.neg, (big,)), -big)
    found["again"] = said(lambda: rpc.init_rpc("worker0", rank=0, world_size=3))
    return found


def hop_module(model: Any, x: Any) -> Any:
    return model(x).detach()


def references(rank: int, size: int) -> Any:
    if rank:
        return None
    found: dict[str, Any] = {}
    names = [f"worker{k}" for k in range(size)]
    one = rpc.remote("worker1", Store, (torch.ones(2),))
    found["methods"] = [
        one.rpc_sync().add(1).tolist(), one.rpc_async().add(1).wait().tolist(),
        one.remote().add(1).to_here().tolist(), one.rpc_sync().doubled().tolist(),
        one.remote().doubled().to_here().tolist(),
    ]  # fmt: skip
    found["confirmed"] = until(one.confirmed_by_owner)
    found["who"] = [one.owner_name(), one.is_owner(), str(one.owner())]
    found["local"] = said(one.local_value)
    found["error"] = said(lambda: rpc.remote("worker1", fails, ("on purpose",)).to_here())
    slow = rpc.remote("worker1", sleeps, (2.0,))
    found["timeout"] = said(lambda late=slow: late.to_here(timeout=0.1))
    found["later"] = slow.to_here()
    mine = rpc.RRef(torch.ones(1))
    found["mine"] = [mine.is_owner(), mine.owner_name(), mine.to_here() is mine.local_value()]
    back = rpc.rpc_sync("worker1", list, ([mine],))[0]
    found["mine over there and back"] = back.local_value() is mine.local_value()
    found["mine, called"] = rpc.rpc_sync("worker2", pass_on, (mine, names, 0))[1]
    found["mine, by remote"] = rpc.remote("worker0", pow, (2, 5)).to_here()
    found["hops"] = rpc.rpc_sync("worker2", pass_on, (rpc.remote("worker1", pow, (2, 10)), names, 8))
    # Somebody else keeps a reference after its maker has dropped it.
    kept = rpc.remote("worker1", Store, (5,))
    rpc.rpc_sync("worker2", keep, (kept,))
    del kept, one, slow
    gc.collect()
    found["one is left"] = until(lambda: rpc.rpc_sync("worker1", owned_here) == 1)
    time.sleep(0.1)
    found["it stays"] = rpc.rpc_sync("worker1", owned_here)
    rpc.rpc_sync("worker2", let_go)
    found["none is left"] = until(lambda: rpc.rpc_sync("worker1", owned_here) == 0)
    found["none here"] = until(lambda: owned_here() == 0)
    import pickle

    found["pickle"] = said(lambda: pickle.dumps(mine))
    return found


# -- distributed autograd --


def known_contexts() -> list[int]:
    return sorted(dist_autograd._container.contexts)


def forget(context_id: int) -> None:
    dist_autograd._container.take(context_id)


def functions_recorded(context_id: int) -> list[int]:
    context = dist_autograd._retrieve_context(context_id)
    return [len(context._send_functions()), len(context._recv_functions())]


def gradients_there(context_id: int) -> list[float]:
    return sorted(g.sum().item() for g in dist_autograd.get_gradients(context_id).values())


def multiply_there(rref: Any, x: Any) -> Any:
    return rref.local_value() * x


def twice_back(x: Any) -> Any:
    """Calls its caller, which computes with the tensor, too."""
    return rpc.rpc_sync("worker0", torch.mul, (x, 3)) + rpc.rpc_sync("worker2", torch.mul, (x, 4))


def through(rref: Any, x: Any) -> Any:
    return rpc.rpc_sync(rref.owner(), multiply_there, (rref, x))


class Breaks(torch.autograd.Function):
    on = True

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        if Breaks.on:
            raise RuntimeError("Simulate error on backward pass")
        return g


def breaks(x: Any) -> Any:
    return Breaks.apply(x * 2)


def mend() -> None:
    Breaks.on = False


def hooked(x: Any) -> Any:
    y = x * 2
    y.register_hook(lambda g: g * 10)
    return y


def pair(x: Any) -> Any:
    return x * 2, x * 3


def autograd(rank: int, size: int) -> Any:
    if rank:
        return None
    found: dict[str, Any] = {}
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)

    def gradient(function: Any, **options: Any) -> Any:
        with dist_autograd.context() as context_id:
            dist_autograd.backward(context_id, [function()], **options)
            gradients = dist_autograd.get_gradients(context_id)
            return gradients[x].tolist()

    found["one call"] = gradient(lambda: (rpc.rpc_sync("worker1", torch.mul, (x, y)) * x).sum())
    found["nothing in .grad"] = x.grad is None
    found["two round trips"] = gradient(
        lambda: rpc.rpc_sync("worker1", torch.mul, (rpc.rpc_sync("worker2", torch.mul, (x, 2)), y)).sum()
    )
    found["called back"] = gradient(lambda: rpc.rpc_sync("worker1", twice_back, (x,)).sum())
    found["hops"] = gradient(
        lambda: rpc.rpc_sync("worker1", hop_tensor, (["worker2", "worker0", "worker1"], x, 5)).sum()
    )
    rref = rpc.remote("worker1", torch.mul, (torch.ones(2), 5))
    found["to_here"] = gradient(lambda: (rpc.remote("worker1", torch.mul, (x, 7)).to_here() * x).sum())
    found["a reference in a nested call"] = gradient(
        lambda: rpc.rpc_sync("worker2", through, (rref, x)).sum()
    )
    found["to oneself"] = gradient(lambda: rpc.rpc_sync("worker0", torch.mul, (x, 9)).sum())
    found["hooks there"] = gradient(lambda: rpc.rpc_sync("worker1", hooked, (x,)).sum())
    seen = []

    def with_hook() -> Any:
        t = rpc.rpc_sync("worker1", torch.mul, (x, 2))
        t.register_hook(lambda g: seen.append(g.tolist()) or g * 3)
        return t.sum()

    found["hooks here"] = [gradient(with_hook), seen]
    found["one of two results"] = gradient(lambda: rpc.rpc_sync("worker1", pair, (x,))[1].sum())
    found["local only"] = gradient(lambda: (x * x).sum())
    found["retained, twice"] = retained(x)
    with dist_autograd.context() as context_id:
        found["id"] = context_id >> 48
        rpc.rpc_sync("worker1", torch.add, (torch.ones(1), 1))
        found["nothing recorded"] = functions_recorded(context_id)
        a = rpc.rpc_sync("worker1", twice_back, (x,))
        found["recorded"] = [
            functions_recorded(context_id), rpc.rpc_sync("worker1", functions_recorded, (context_id,)),
            rpc.rpc_sync("worker2", functions_recorded, (context_id,)),
        ]  # fmt: skip
        found["known there"] = [context_id in rpc.rpc_sync(f"worker{k}", known_contexts) for k in (1, 2)]
        found["printed"] = str(a)
        found["nested"] = said(lambda: dist_autograd.context().__enter__())
        found["names"] = [a.sum().grad_fn.next_functions[0][0].name()]
    found["cleaned up"] = until(
        lambda: not any(context_id in rpc.rpc_sync(f"worker{k}", known_contexts) for k in range(3))
    )
    found["no context"] = said(lambda: dist_autograd.get_gradients(context_id))
    # A message whose tensors take no part.
    with dist_autograd.context() as context_id:
        rpc.rpc_sync("worker1", torch.mul, (x, 2))
        found["unused"] = said(lambda: dist_autograd.backward(context_id, [(x * 3).sum()]))
    with dist_autograd.context() as context_id:
        wrong = rpc.rpc_sync("worker2", breaks, (x,)).sum()
        found["error there"] = said(lambda: dist_autograd.backward(context_id, [wrong]))
    rpc.rpc_sync("worker2", mend)
    found["afterwards"] = gradient(lambda: rpc.rpc_sync("worker2", breaks, (x,)).sum())
    with dist_autograd.context() as context_id:
        loss = rpc.rpc_sync("worker1", torch.mul, (x, 2)).sum()
        rpc.rpc_sync("worker1", forget, (context_id,))
        found["context gone there"] = said(lambda: dist_autograd.backward(context_id, [loss]))
    found["roots"] = roots(x)
    found["threads"] = threads()
    ref = rpc.remote("worker1", through_parameter, (x,))
    found["without context"] = said(lambda: ref.backward())
    with dist_autograd.context() as context_id:
        ref = rpc.remote("worker1", through_parameter, (x,))
        ref.backward(context_id)
        found["from there"] = dist_autograd.get_gradients(context_id)[x].tolist()
        found["and there"] = rpc.rpc_sync("worker1", gradients_there, (context_id,))
    return found


_PARAMETER = torch.ones(2, requires_grad=True)


def through_parameter(x: Any) -> Any:
    return (x * _PARAMETER * 2).sum()


def hop_tensor(names: list[str], x: Any, depth: int) -> Any:
    if depth == 0:
        return x * 2
    return rpc.rpc_sync(names[0], hop_tensor, (names[1:] + names[:1], x * 2, depth - 1))


def retained(x: Any) -> Any:
    with dist_autograd.context() as context_id:
        loss = rpc.rpc_sync("worker1", torch.mul, (x, x)).sum()
        dist_autograd.backward(context_id, [loss], retain_graph=True)
        dist_autograd.backward(context_id, [loss])
        sums = dist_autograd.get_gradients(context_id)[x].tolist()
        return sums, "second time" in said(lambda: dist_autograd.backward(context_id, [loss]))


def roots(x: Any) -> list[str]:
    with dist_autograd.context() as context_id:
        return [
            said(lambda: dist_autograd.backward(context_id, [])),
            said(lambda: dist_autograd.backward(context_id, [x * 2])),
            said(lambda: dist_autograd.backward(context_id, [torch.ones(1)])),
            said(lambda: dist_autograd.backward(context_id, [3]))[:9],
            said(lambda: dist_autograd.backward(context_id + 99, [x.sum()])),
        ]


def threads() -> Any:
    """20 threads train against one worker; each has a context of its own."""
    shared = torch.ones(2, requires_grad=True)
    found: list[Any] = [None] * 20

    def one(number: int) -> None:
        with dist_autograd.context() as context_id:
            loss = (rpc.rpc_sync("worker1", torch.mul, (shared, float(number))) * shared).sum()
            dist_autograd.backward(context_id, [loss])
            found[number] = dist_autograd.get_gradients(context_id)[shared].tolist()

    started = [threading.Thread(target=one, args=(k,)) for k in range(20)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return found == [[2.0 * k] * 2 for k in range(20)] and shared.grad is None


# -- optimizer --


class Net(torch.nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = torch.nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.linear(x))

    def parameter_rrefs(self) -> Any:
        return [rpc.RRef(p) for p in self.parameters()]

    def values(self) -> Any:
        return [p.detach() for p in self.parameters()]


class Bad(torch.optim.SGD):
    def __init__(self, parameters: Any, when: str) -> None:
        if when == "init":
            raise ValueError("not to be made")
        super().__init__(parameters, lr=0.1)

    def step(self, closure: Any = None) -> None:
        raise ValueError("no step")


def optimizer(rank: int, size: int) -> Any:
    if rank:
        return None
    nets = [rpc.remote("worker1", Net, (1,)), rpc.remote("worker2", Net, (2,))]
    rrefs = [r for net in nets for r in net.rpc_sync().parameter_rrefs()]
    optimizer = DistributedOptimizer(torch.optim.Adam, rrefs, lr=0.05)
    local = [Net(1), Net(2)]
    local_optimizer = torch.optim.Adam([p for net in local for p in net.parameters()], lr=0.05)
    x = torch.linspace(-1, 1, 12).reshape(4, 3)
    for _ in range(5):
        with dist_autograd.context() as context_id:
            loss = nets[1].rpc_sync().forward(nets[0].rpc_sync().forward(x))
            dist_autograd.backward(context_id, [(loss**2).sum()])
            optimizer.step(context_id)
        local_optimizer.zero_grad()
        (local[1](local[0](x)) ** 2).sum().backward()
        local_optimizer.step()
    distance = max(
        (a - b).abs().max().item()
        for net, one in zip(nets, local)
        for a, b in zip(net.rpc_sync().values(), one.values())
    )
    init = said(lambda: DistributedOptimizer(Bad, rrefs, "init"))
    bad = DistributedOptimizer(Bad, rrefs, "step")
    with dist_autograd.context() as context_id:
        step = said(lambda: bad.step(context_id))
    return distance, init, step


# -- ending --


def uneven(rank: int, size: int) -> Any:
    """One worker goes on after the others have called shutdown; they serve it."""
    if rank:
        return None
    time.sleep(0.5)
    chain = rpc.rpc_async("worker1", hop, (["worker2", "worker0", "worker1"], 0, 12))
    return [rpc.rpc_sync(f"worker{k % size}", pow, (k, 2)) for k in range(20)], chain.wait()


def leaks(rank: int, size: int) -> Any:
    if rank == 0:
        keep(rpc.remote("worker1", pow, (2, 3)))
        _KEPT[0].to_here()
    texts: list[str] = []
    logger = logging.getLogger("cotangent.distributed.rpc.api")
    logger.setLevel(logging.INFO)
    handler = logging.Handler()
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    if rank == 1:
        rpc.api.references.table.add_fork("a value", "never dropped")
    rpc.shutdown()
    return texts


def die() -> None:
    os._exit(0)  # with another status the launcher would end the others


def dead(rank: int, size: int) -> Any:
    """Worker 1 ends while it is called, and during a backward."""
    if rank == 2:
        until(lambda: rpc.api.agents.here().gone, 20)
        return said(lambda: rpc.rpc_sync("worker1", pow, (2, 3)))
    if rank == 1:
        time.sleep(60)
    found = []
    x = torch.ones(2, requires_grad=True)
    with dist_autograd.context() as context_id:
        loss = (rpc.rpc_sync("worker1", torch.mul, (x, 2)) + rpc.rpc_sync("worker2", torch.mul, (x, 2))).sum()
        rpc.rpc_sync("worker2", rpc.rpc_sync, ("worker1", pow, (2, 3)))
        start = time.monotonic()
        found.append(said(lambda: rpc.rpc_sync("worker1", die)))
        found.append(said(lambda: dist_autograd.backward(context_id, [loss])))
    found.append(said(lambda: rpc.remote("worker1", pow, (2, 3)).to_here()))
    found.append(time.monotonic() - start < 15)  # and not after the timeout
    return found


if __name__ == "__main__":
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    options = rpc.TensorPipeRpcBackendOptions(rpc_timeout=20)
    rpc.init_rpc(f"worker{rank}", rank=rank, world_size=size, rpc_backend_options=options)
    names, folder = sys.argv[1].split(","), sys.argv[2]
    result = {name: globals()[name](rank, size) for name in names}
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump(result, file)
    if "dead" in names:
        ending = said(lambda: rpc.shutdown(timeout=5))
        with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
            json.dump([result["dead"], ending], file)
    else:
        rpc.shutdown()
