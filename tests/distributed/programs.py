"""Programs of several ranks; each is `program(rank, size)` and returns what the test compares."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP


def collectives(rank: int, size: int) -> Any:
    found: dict[str, Any] = {}
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int16, torch.int64, torch.uint8):
        t = torch.full((3, 5), rank + 1).to(dtype)
        dist.all_reduce(t)
        found[f"sum {dtype}"] = t.flatten()[0].item()
    for op in ("PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR"):
        t = torch.tensor([rank + 1, 6])
        dist.all_reduce(t, op=getattr(dist.ReduceOp, op))
        found[op] = t.tolist()
    t = torch.arange(6).reshape(2, 3).t() * (rank + 1)  # not contiguous
    dist.all_reduce(t)
    found["strided"] = t.tolist()
    t = torch.tensor([float(rank)])
    dist.broadcast(t, src=1)
    found["broadcast"] = t.item()
    t = torch.tensor([float(rank + 1)])
    dist.reduce(t, dst=0)
    found["reduce"] = t.item() if rank == 0 else None
    outs = [torch.zeros(2) for _ in range(size)]
    dist.all_gather(outs, torch.tensor([rank, rank + 0.5]))
    found["all_gather"] = [o.tolist() for o in outs]
    out = torch.zeros(size * 2)
    dist.all_gather_into_tensor(out, torch.tensor([rank, rank + 0.5]))
    found["into"] = out.tolist()
    outs = [torch.zeros(1) for _ in range(size)] if rank == 1 else None
    dist.gather(torch.tensor([float(rank)]), outs, dst=1)
    found["gather"] = None if outs is None else [o.item() for o in outs]
    t = torch.zeros(2)
    dist.scatter(t, [torch.full((2,), float(r)) for r in range(size)] if rank == 0 else None, src=0)
    found["scatter"] = t.tolist()
    t = torch.zeros(2)
    dist.reduce_scatter(t, [torch.full((2,), float(r + rank)) for r in range(size)])
    found["reduce_scatter"] = t.tolist()
    t = torch.zeros(1)
    dist.reduce_scatter_tensor(t, torch.arange(float(size)))
    found["reduce_scatter_tensor"] = t.tolist()
    outs = [torch.zeros(1) for _ in range(size)]
    dist.all_to_all(outs, [torch.tensor([float(rank * 10 + r)]) for r in range(size)])
    found["all_to_all"] = [o.item() for o in outs]
    work = dist.all_reduce(torch.ones(100000), async_op=True)
    work.wait()
    found["async"] = work.is_completed()
    right, left = (rank + 1) % size, (rank - 1) % size
    got = torch.zeros(1)
    works = dist.batch_isend_irecv(
        [dist.P2POp(dist.isend, torch.tensor([float(rank)]), right), dist.P2POp(dist.irecv, got, left)]
    )
    for work in works:
        work.wait()
    found["ring"] = got.item() == left
    objects: list[Any] = [None] * size
    dist.all_gather_object(objects, {"rank": rank, "text": "x" * rank})
    found["objects"] = objects
    held = [{"a": rank}, rank]
    dist.broadcast_object_list(held, src=0)
    found["broadcast objects"] = held
    mine: list[Any] = [None]
    dist.scatter_object_list(mine, [f"to {r}" for r in range(size)] if rank == 0 else None, src=0)
    found["scatter objects"] = mine
    pair = dist.new_group([0, 1])
    if rank < 2:
        t = torch.tensor([rank + 1.0])
        dist.all_reduce(t, group=pair)
        found["group"] = (t.item(), dist.get_rank(pair), dist.get_world_size(pair))
    dist.barrier()
    dist.monitored_barrier(timeout=timedelta(seconds=20))
    return found


def large(rank: int, size: int) -> Any:
    """Collectives of more than the ranks' shared memory holds at once; and empty ones."""
    count = 2_500_000
    x = torch.arange(count, dtype=torch.float32) % 1000 * (rank + 1)
    t = x.clone()
    dist.all_reduce(t)
    found = [torch.equal(t, torch.arange(count, dtype=torch.float32) % 1000 * (size * (size + 1) / 2))]
    t = torch.arange(20_000).double() * (rank + 1)  # of a size that ranks share the work of
    dist.all_reduce(t, op=dist.ReduceOp.MAX)
    found.append(torch.equal(t, torch.arange(20_000).double() * size))
    out = torch.empty(size * count)
    dist.all_gather_into_tensor(out, x)
    found.append(
        all(torch.equal(out[r * count : (r + 1) * count], x / (rank + 1) * (r + 1)) for r in range(size))
    )
    t = x.clone()
    dist.broadcast(t, src=size - 1)
    found.append(torch.equal(t, x / (rank + 1) * size))
    t = torch.empty(count)
    dist.reduce_scatter_tensor(t, torch.cat([x + r for r in range(size)]))
    found.append(torch.equal(t, x / (rank + 1) * (size * (size + 1) / 2) + rank * size))
    t = torch.zeros(0)
    dist.all_reduce(t)
    dist.all_gather_into_tensor(torch.zeros(0), t)
    return found


def unequal(rank: int, size: int) -> Any:
    """Collectives that do not fit together, outside of debug mode; the next one is sound."""
    text = said(lambda: dist.all_reduce(torch.ones(3 + rank)))
    t = torch.ones(2)
    dist.all_reduce(t)
    return text, t.tolist()


def model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 3),
    )


def data() -> tuple[Any, Any]:
    x = torch.linspace(-1, 1, 12 * 6).reshape(12, 6)
    return x, (x.sum(1, keepdim=True) * torch.tensor([1.0, -2.0, 0.5])).sin()


def training(rank: int, size: int, steps: int = 10) -> Any:
    """DDP on shares of the batch against one process on all of it."""
    x, y = data()
    whole, alone = model(), model()
    torch.manual_seed(rank + 5)
    with torch.no_grad():
        for p in whole.parameters():
            p.add_(torch.randn(p.shape) * (rank > 0))  # rank 0's parameters are everybody's
    ddp = DDP(whole, bucket_cap_mb=0.001)
    share = slice(rank * 12 // size, (rank + 1) * 12 // size)
    pairs = []
    for module, part in ((ddp, share), (alone, slice(None))):
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            ((module(x[part]) - y[part]) ** 2).mean().backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
            optimizer.step()
        pairs.append([p.detach() for p in module.parameters()])
    return max((a - b).abs().max().item() for a, b in zip(*pairs)), len(ddp.reducer.buckets)


def accumulation(rank: int, size: int) -> Any:
    x, y = data()
    share = slice(rank * 12 // size, (rank + 1) * 12 // size)
    once, twice = DDP(model()), DDP(model(), gradient_as_bucket_view=True)
    (((once(x[share]) - y[share]) ** 2).sum() * 2).backward()
    with twice.no_sync():
        ((twice(x[share]) - y[share]) ** 2).sum().backward()
    ((twice(x[share]) - y[share]) ** 2).sum().backward()
    return max((a.grad - b.grad).abs().max().item() for a, b in zip(once.parameters(), twice.parameters()))


class Branches(torch.nn.Module):
    """Parameters that some passes do not use."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(2, 1)
        self.two = torch.nn.Linear(2, 1)
        self.never = torch.nn.Linear(2, 1)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Any, second: bool) -> Any:
        self.count += 1
        return self.one(x) + (self.two(x) if second else 0)


def unused(rank: int, size: int) -> Any:
    torch.manual_seed(0)
    ddp = DDP(Branches(), find_unused_parameters=True)
    ddp.module.count.fill_(float(rank))
    ddp(torch.ones(1, 2), second=rank == 0).sum().backward()
    module = ddp.module
    found = [module.one.weight.grad.tolist(), module.two.weight.grad.tolist(), module.never.weight.grad]
    strict = DDP(Branches())
    strict(torch.ones(1, 2), second=False).sum().backward()
    try:
        strict(torch.ones(1, 2), second=False)
        text = ""
    except RuntimeError as error:
        text = str(error)
    return [
        *found,
        module.count.item(),
        "two.weight" in text and "never.bias" in text and "prior iteration" in text,
    ]


def said(call: Any) -> str:
    try:
        return f"no error: {call()!r}"
    except RuntimeError as error:
        return str(error)


def reasons(rank: int, size: int) -> Any:
    """Why gradients do not come."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.dropped, self.left_out, self.idle = (torch.nn.Linear(2, 2) for _ in range(4))
            self.frozen = torch.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            self.dropped(x)
            return self.used(x), self.left_out(x) + self.frozen(x)

    ddp = DDP(Net())
    ddp(torch.ones(1, 2))[0].sum().backward()
    ddp.module.frozen.requires_grad_(False)
    return said(lambda: ddp(torch.ones(1, 2)))


def joined(rank: int, size: int) -> Any:
    """Ranks with different numbers of batches."""
    from torch.distributed.algorithms import Join
    from torch.distributed.optim import ZeroRedundancyOptimizer

    found: dict[str, Any] = {}
    for initial in (True, False):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.BatchNorm1d(2, affine=False))
        net.eval()
        ddp = DDP(net, bucket_cap_mb=0.00001)
        start = net[0].weight.detach().clone()
        optimizer = torch.optim.SGD(ddp.parameters(), lr=1.0)
        moves = []
        with ddp.join(divide_by_initial_world_size=initial):
            for _ in range(2 * rank + 1):
                before = net[0].weight.detach().clone()
                optimizer.zero_grad()
                ddp(torch.ones(4, 2)).mean().backward()
                optimizer.step()
                moves.append(round((before - net[0].weight).sum().item(), 3))
        found[f"initial {initial}"] = moves
        found[f"moved {initial}"] = round((start - net[0].weight).sum().item(), 3)
    ddp = DDP(torch.nn.Linear(2, 1))
    zero = ZeroRedundancyOptimizer(ddp.parameters(), torch.optim.SGD, lr=0.1)
    with Join([ddp, zero]):
        for _ in range(rank + 1):
            zero.zero_grad()
            ddp(torch.ones(1, 2)).sum().backward()
            zero.step()
    weights: list[Any] = [None] * size
    dist.all_gather_object(weights, ddp.module.weight.tolist())
    found["with zero"] = weights[0] == weights[1]

    def train(throw: bool, escape: bool) -> None:
        with ddp.join(throw_on_early_termination=throw):
            for step in range(rank + 2):
                ddp(torch.ones(1, 2)).sum().backward()
                if escape and step == 1:
                    raise RuntimeError(f"escaped on {rank}")

    found["thrown"] = said(lambda: train(True, False))
    found["escaped"] = said(lambda: train(False, True))
    with ddp.join():
        for _ in range(rank + 1):
            with ddp.no_sync():
                ddp(torch.ones(1, 2)).sum().backward()
            ddp(torch.ones(1, 2)).sum().backward()
    with ddp.join(enable=False):
        ddp(torch.ones(1, 2)).sum().backward()
    return found


def hooks(rank: int, size: int) -> Any:
    """Gradients on the way as they are, with 16 bits, as thin matrices, and by a hook of one's own."""
    from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

    x, y = data()
    share = slice(rank * 12 // size, (rank + 1) * 12 // size)
    alone = model()
    ((alone(x) - y) ** 2).mean().backward()
    exact = torch.cat([p.grad.flatten() for p in alone.parameters()])

    def own(state: Any, bucket: Any) -> Any:
        state.append((bucket.index(), bucket.is_last(), len(bucket.gradients()), len(bucket.parameters())))
        work = dist.all_reduce(bucket.buffer(), async_op=True)
        return work.get_future().then(lambda done: done.value()[0] / size)

    seen: list[Any] = []
    found = {}
    for name, state, hook in (
        ("allreduce", None, default_hooks.allreduce_hook),
        ("fp16", None, default_hooks.fp16_compress_hook),
        ("bf16", None, default_hooks.bf16_compress_hook),
        ("fp16 around", seen, default_hooks.fp16_compress_wrapper(own)),
        ("own", seen, own),
    ):
        ddp = DDP(model(), bucket_cap_mb=0.001)
        ddp.register_comm_hook(state, hook)
        ((ddp(x[share]) - y[share]) ** 2).mean().backward()
        got = torch.cat([p.grad.flatten() for p in ddp.parameters()])
        found[name] = ((got - exact).norm() / exact.norm()).item()
    found["twice"] = said(lambda: ddp.register_comm_hook(None, own))
    found["seen"] = seen[-2:]
    for name, hook in (
        ("power", powerSGD_hook.powerSGD_hook),
        ("batched", powerSGD_hook.batched_powerSGD_hook),
    ):
        ddp = DDP(model())
        state = powerSGD_hook.PowerSGDState(None, 2, start_powerSGD_iter=2)
        ddp.register_comm_hook(state, hook)
        optimizer = torch.optim.SGD(ddp.parameters(), lr=0.1)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = ((ddp(x[share]) - y[share]) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        same: list[Any] = [None] * size
        dist.all_gather_object(same, [p.tolist() for p in ddp.parameters()])
        found[name] = [losses[-1] / losses[0], state.compression_stats()[0], same[0] == same[1]]
    return found


class Tied(torch.nn.Module):
    """One layer, used as often as it is told, each time in a checkpoint: backward runs inside backward."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(2, 2)
        self.two = torch.nn.Linear(2, 2)

    def forward(self, x: Any, times: int, second: bool = False) -> Any:
        from torch.utils.checkpoint import checkpoint

        for _ in range(times):
            x = checkpoint(self.one, x, use_reentrant=True)
        return self.two(x) if second else x


def static(rank: int, size: int) -> Any:
    """The same parameters in every pass: those that are not used, and those used several times."""

    def run(ddp: Any, *how: Any) -> Any:
        ddp.zero_grad()
        x = torch.full((1, 2), rank + 1.0, requires_grad=True)
        ddp(x, *how).sum().backward()
        return [None if p.grad is None else p.grad.tolist() for p in ddp.module.parameters()]

    def make(**options: Any) -> Any:
        torch.manual_seed(0)
        return DDP(Tied(), bucket_cap_mb=0.000001, **options)

    ddp = make(static_graph=True)
    found = [run(ddp, 2) for _ in range(3)]
    torch.manual_seed(0)
    alone = Tied()
    for k in range(size):
        (alone(torch.full((1, 2), k + 1.0, requires_grad=True), 2).sum() / size).backward()
    close = all(
        abs(a - b) < 1e-5 for grads in found for a, b in zip(grads[0][0], alone.one.weight.grad[0].tolist())
    )
    return [
        close, [grads[2] for grads in found], said(lambda: run(ddp, 2, True)), said(lambda: run(make(), 2)),
    ]  # fmt: skip


def compiled(rank: int, size: int) -> Any:
    """DDP of a compiled module, and a compiled DDP."""
    x, y = data()
    share = slice(rank * 12 // size, (rank + 1) * 12 // size)
    alone = model()
    ((alone(x) - y) ** 2).mean().backward()
    found = []
    for make in (lambda: DDP(torch.compile(model())), lambda: torch.compile(DDP(model()))):
        net = make()
        for _ in range(3):
            net.zero_grad()
            ((net(x[share]) - y[share]) ** 2).mean().backward()
        found.append(
            max((a.grad - b.grad).abs().max().item() for a, b in zip(net.parameters(), alone.parameters()))
        )
    return found


def steps(rank: int, size: int) -> Any:
    """Whole compiled steps: forward, backward with the exchange, clipping, optimizer."""
    from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

    x, y = data()
    share = slice(rank * 12 // size, (rank + 1) * 12 // size)
    found: dict[str, Any] = {}

    def train(net: Any, part: slice, how: str, wrap: Any) -> Any:
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad(set_to_none=how != "kept")
            if how == "twice":
                with net.no_sync() if isinstance(net, DDP) else contextlib.nullcontext():
                    ((net(x) - y) ** 2).mean().backward()
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            return loss.detach()

        run = wrap(step)
        return [run(x[part], y[part]) for _ in range(8)], net.state_dict(), run

    for how in ("plain", "kept", "twice", "hook"):
        ddp = DDP(model(), bucket_cap_mb=0.001)
        if how == "hook":
            ddp.register_comm_hook(None, default_hooks.bf16_compress_hook)
        _, weights, run = train(ddp, share, how, lambda f: torch.compile(f, fullgraph=True))
        _, expected, _ = train(model(), slice(None), how, lambda f: f)
        pairs = zip(weights.values(), expected.values())
        found[how] = [max((a - b).abs().max().item() for a, b in pairs), run.traces]
    # Buffers are rank 0's, whatever the others have.
    nets = [torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(3)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    nets = [DDP(net) for net in nets]
    for net in nets:
        net.module[1].running_mean.fill_(rank + 0.5)
    a, b = (train(net, share, "plain", wrap)[1] for net, wrap in zip(nets, (torch.compile, lambda f: f)))
    found["buffers"] = max((a[k] - b[k]).abs().max().item() for k in a)
    # What is not compiled runs as it is, and says so.
    loose = DDP(model(), find_unused_parameters=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, weights, _ = train(loose, share, "plain", torch.compile)
    _, expected, _ = train(model(), slice(None), "plain", lambda f: f)
    distance = max((weights[f"module.{k}"] - v).abs().max().item() for k, v in expected.items())
    found["refused"] = [distance, [str(w.message) for w in caught]]
    return found


def order(rank: int, size: int) -> Any:
    """Collectives in different orders, in debug mode."""
    dist.all_reduce(torch.ones(3))
    first = said(lambda: dist.all_reduce(torch.ones(2)) if rank else dist.broadcast(torch.ones(2), 0))
    second = said(lambda: dist.all_reduce(torch.ones(2 + rank)))
    t = torch.ones(1)
    dist.all_reduce(t)
    return first, second, t.item()


def different(rank: int, size: int) -> Any:
    try:
        DDP(torch.nn.Linear(2, 1 + rank))
    except RuntimeError as error:
        return str(error)
    return None


def sharded(rank: int, size: int) -> Any:
    from torch.distributed.optim import ZeroRedundancyOptimizer

    x, y = data()
    alone, shared = model(), model()
    optimizers = [
        torch.optim.Adam(alone.parameters(), lr=0.05),
        ZeroRedundancyOptimizer(shared.parameters(), torch.optim.Adam, lr=0.05),
    ]
    schedules = [torch.optim.lr_scheduler.StepLR(o, 2, 0.5) for o in optimizers]

    def steps(count: int) -> None:
        for _ in range(count):
            for module, optimizer, schedule in zip((alone, shared), optimizers, schedules):
                optimizer.zero_grad()
                ((module(x) - y) ** 2).mean().backward()
                optimizer.step()
                schedule.step()

    steps(3)
    zero = optimizers[1]
    zero.consolidate_state_dict(0)
    held = [zero.state_dict() if rank == 0 else None]
    dist.broadcast_object_list(held, src=0)
    same = all(
        torch.allclose(held[0]["state"][k][name], state[name])
        for k, state in optimizers[0].state_dict()["state"].items()
        for name in ("exp_avg", "exp_avg_sq")
    )
    again = ZeroRedundancyOptimizer(shared.parameters(), torch.optim.Adam, lr=0.05)
    again.load_state_dict(held[0])
    optimizers[1] = again
    schedules[1] = torch.optim.lr_scheduler.StepLR(again, 2, 0.5, last_epoch=2)
    steps(3)
    count = sum(
        t.numel() for s in again.optim.state.values() for t in s.values() if torch.is_tensor(t) and t.dim()
    )
    distance = max((a - b).abs().max().item() for a, b in zip(alone.parameters(), shared.parameters()))
    return same, count, distance


def killed(rank: int, size: int) -> Any:
    dist.barrier()
    if rank == 1:
        os._exit(0)  # with another status the launcher would end the other one
    start = time.monotonic()
    try:
        dist.all_reduce(torch.ones(10))
        return "nothing was noticed"
    except dist.DistBackendError as error:
        return str(error), time.monotonic() - start < 15


def stuck(rank: int, size: int) -> Any:
    """A rank that does not come."""
    if rank == 1:
        time.sleep(60)
    dist.all_reduce(torch.ones(3))


def raises(rank: int, size: int) -> Any:
    """An exception that nobody catches."""
    if rank == 1:
        raise ValueError("on purpose")
    dist.all_reduce(torch.ones(3))


def late(rank: int, size: int) -> Any:
    if rank:
        time.sleep(3)
        return None
    barrier = functools.partial(dist.monitored_barrier, timeout=timedelta(seconds=0.5))
    return said(barrier), said(functools.partial(barrier, wait_all_ranks=True))


def main(programs: dict[str, Any]) -> None:
    """Run the programs that the command line names, and write what each returns to a file of this rank.

    Args:
        programs: all that there are.
    """
    dist.init_process_group(
        os.environ.get("BACKEND", "gloo"), timeout=timedelta(seconds=float(os.environ.get("LIMIT", "20")))
    )
    name, folder = sys.argv[1:3]
    rank, size = dist.get_rank(), dist.get_world_size()
    found = {each: programs[each](rank, size) for each in name.split(",")}
    result = found if "," in name else found[name]
    Path(folder, f"{rank}.json").write_text(json.dumps(result), encoding="utf-8")
    if name not in ("killed", "late"):
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main(globals())
