"""What data-parallel and sharded training hold to, and collectives at their edges: as in programs.py."""

from __future__ import annotations

import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from programs import Branches, data, model, said
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel as DDP


def heard(names: list[str], run: Any) -> Any:
    """What is noted in `names` beside the collectives that start meanwhile."""
    submit = dist.ProcessGroup.submit

    def noted(self: Any, work: Any, async_op: bool, name: str, *rest: Any) -> Any:
        names.append(name)
        return submit(self, work, async_op, name, *rest)

    dist.ProcessGroup.submit = noted
    try:
        run()
    finally:
        dist.ProcessGroup.submit = submit
    return names


# -- collectives --


def forms(rank: int, size: int) -> Any:
    """Forms of collectives that programs.py leaves out."""
    found: dict[str, Any] = {}
    some = [torch.full((2,), rank + 1.0), torch.full((3, 2), rank * 2.0)]
    work = dist.all_reduce_coalesced(some, async_op=True)
    work.wait()
    found["coalesced"] = [t.sum().item() for t in some]
    lists = [[torch.zeros(1), torch.zeros(2)] for _ in range(size)]
    dist.all_gather_coalesced(lists, [torch.full((1,), rank + 0.0), torch.full((2,), rank + 0.5)])
    found["gathered"] = [[t.tolist() for t in each] for each in lists]
    objects: list[Any] | None = [None] * size if rank == 2 else None
    dist.gather_object({"rank": rank}, objects, dst=2)
    found["objects"] = objects
    if rank == 0:
        dist.send_object_list([{"a": torch.ones(2)}, "text"], dst=1)
    elif rank == 1:
        got: list[Any] = [None, None]
        dist.recv_object_list(got, src=0)
        found["sent"] = [got[0]["a"].tolist(), got[1]]
    # Tags tell messages apart, whatever order they are asked for in.
    if rank == 0:
        for work in [dist.isend(torch.full((2,), tag + 0.0), dst=1, tag=tag) for tag in (1, 2)]:
            work.wait()
    elif rank == 1:
        two, one = torch.zeros(2), torch.zeros(2)
        dist.recv(two, src=0, tag=2)
        dist.recv(one, src=0, tag=1)
        found["tags"] = [one.tolist(), two.tolist()]
    splits = [r + 1 for r in range(size)]
    out = torch.zeros(size * (rank + 1))
    dist.all_to_all_single(
        out, torch.arange(float(sum(splits))) + 10 * rank,
        output_split_sizes=[rank + 1] * size, input_split_sizes=splits,
    )  # fmt: skip
    found["all_to_all_single"] = out.tolist()
    work = dist.barrier(async_op=True)
    found["waited"] = [work.wait(), work.is_completed(), work.is_success(), work.exception()]
    future = dist.all_reduce(torch.ones(2), async_op=True).get_future()
    found["future"] = future.wait()[0].tolist()
    group = dist.new_group([1, 2])
    found["in the group"] = [dist.get_rank(group), dist.get_world_size(group)]
    if rank:
        t = torch.full((2,), rank + 0.0)
        dist.broadcast(t, src=2, group=group)
        found["from"] = [t.tolist(), dist.get_global_rank(group, 1), dist.get_group_rank(group, 2)]
    return found


def flowing(rank: int, size: int) -> Any:
    """Gradients through collectives: of the sum over ranks of a weighted sum of what each has got."""
    from torch.distributed.nn import functional as flow

    found = {}
    weight = torch.tensor([1.0, 10.0]) * (rank + 1)

    def gradient(name: str, run: Any, count: int = 1) -> None:
        x = [torch.tensor([rank + 1.0, k + 1.0], requires_grad=True) for k in range(count)]
        with warnings.catch_warnings(action="ignore"):
            result = run(x if count > 1 else x[0])
        results = result if isinstance(result, tuple) else (result,)
        squares = sum((weight * (k + 1) * r**2).sum() for k, r in enumerate(results))
        gradients = torch.autograd.grad(squares, x, create_graph=True)
        second = torch.autograd.grad(sum(g.sum() for g in gradients), x)
        found[name] = [
            [r.tolist() for r in results], [g.tolist() for g in gradients], [g.tolist() for g in second],
            results[0].grad_fn.name(),
        ]  # fmt: skip

    gradient("broadcast", lambda x: flow.broadcast(x, 1))
    gradient("reduce", lambda x: flow.reduce(x, 1))
    gradient("gather", lambda x: flow.gather(x, 1))
    gradient("scatter", lambda xs: flow.scatter(xs, 1), size)
    gradient("all_reduce", flow.all_reduce)
    gradient("all_gather", flow.all_gather)
    gradient("reduce_scatter", lambda xs: flow.reduce_scatter(torch.zeros(2), xs), size)
    gradient("all_to_all", lambda xs: flow.all_to_all([torch.zeros(2) for _ in xs], xs), size)
    gradient("all_to_all_single", lambda x: flow.all_to_all_single(torch.zeros(2), x))
    return found


def subgroups(rank: int, size: int) -> Any:
    found: dict[str, Any] = {}
    own, groups = dist.new_subgroups(2)
    t = torch.tensor([rank + 1.0])
    dist.all_reduce(t, group=own)
    found["pairs"] = [t.item(), len(groups), dist.get_process_group_ranks(own)]
    own, groups = dist.new_subgroups_by_enumeration([[1], [0]])
    second = dist.new_group([1])
    part, parts = dist.new_subgroups(1, second)
    found["of a group"] = [part is None, [dist.get_process_group_ranks(g) for g in parts]]
    found["enumerated"] = [dist.get_rank(own), dist.get_world_size(own), groups.index(own)]
    found["refused"] = [
        said_of(ValueError, call)
        for call in (
            lambda: dist.new_subgroups(), lambda: dist.new_subgroups(0), lambda: dist.new_subgroups(3),
            lambda: dist.new_subgroups_by_enumeration([]),
            lambda: dist.new_subgroups_by_enumeration([[0], [0]]),
            lambda: dist.new_subgroups_by_enumeration([[2]]),
        )
    ]  # fmt: skip
    dist.set_debug_level(dist.DebugLevel.DETAIL)
    watched = dist.new_group()
    dist.set_debug_level_from_env()
    found["watched"] = said(lambda: dist.all_reduce(torch.ones(1 + rank), group=watched))[:40]
    found["local"] = dist.get_node_local_rank()
    return found


def said_of(kind: Any, call: Any) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    return "no error"


def hung(rank: int, size: int) -> Any:
    """A rank that does not come, though it has not ended: it waits until the other one has noticed."""
    group = dist.new_group(timeout=timedelta(seconds=1.5))
    noticed = "noticed"
    if rank:
        group.store.wait([noticed], timedelta(seconds=60))
        return None
    text = said(lambda: dist.all_reduce(torch.ones(10), group=group))
    group.store.set(noticed, "")
    return text


# -- DDP --


def branches(rank: int, size: int) -> Any:
    """Without syncing, ranks take branches of their own; the sum is that of one process on everything."""

    def inputs(rank: int, step: int) -> Any:
        return torch.full((1, 2), rank + 1.0 + step)

    torch.manual_seed(0)
    ddp = DDP(Branches(), find_unused_parameters=True)
    torch.manual_seed(0)
    alone = Branches()
    found = []
    # Which ranks take the second branch in which step; the last step syncs.
    for plan in ([(0,), ()], [(), (1,)], [(0,), (1,)], [(0, 1), (), ()], [(), ()]):
        ddp.zero_grad(), alone.zero_grad()
        for step, who in enumerate(plan):
            for k in range(size):
                (alone(inputs(k, step), k in who).sum() / size).backward()
            if step < len(plan) - 1:
                with ddp.no_sync():
                    ddp(inputs(rank, step), rank in who).sum().backward()
            else:
                ddp(inputs(rank, step), rank in who).sum().backward()
        pairs = [(p.grad, q.grad) for p, q in zip(ddp.module.parameters(), alone.parameters(), strict=True)]
        found.append(all((a is None) == (b is None) for a, b in pairs))
        found.append(all(torch.allclose(a, b) for a, b in pairs if a is not None))
    return found


def overlap(rank: int, size: int) -> Any:
    """When the exchange of each bucket starts, beside the gradients that come."""
    ddp = DDP(model(), bucket_cap_mb=0.001)
    x, y = data()
    names: list[str] = []
    for name, p in ddp.module.named_parameters():
        p.register_hook(lambda g, name=name: names.append(name))
    loss = ((ddp(x) - y) ** 2).mean()
    return heard(names, loss.backward)


def once(rank: int, size: int) -> Any:
    """How often gradients travel when four backwards accumulate them."""
    x, y = data()
    ddp, sharded = DDP(model()), model()
    for layer in (sharded[0], sharded[2]):
        fully_shard(layer)
    fully_shard(sharded)
    found = []

    def accumulate(net: Any) -> None:
        for step in range(4):
            if net is ddp and step < 3:
                with ddp.no_sync():
                    ((ddp(x) - y) ** 2).mean().backward()
                continue
            if net is sharded:
                sharded.set_requires_gradient_sync(step == 3)
            ((net(x) - y) ** 2).mean().backward()

    for net in (ddp, sharded):
        names = heard([], lambda net=net: accumulate(net))
        found.append(sorted(n for n in names if n != "FULLY_SHARD_GATHER"))
    gradients = [p.grad.full_tensor() for p in sharded.parameters()]
    distance = max((a - p.grad).abs().max().item() for a, p in zip(gradients, ddp.parameters(), strict=True))
    return [*found, distance]


def ahead(rank: int, size: int) -> Any:
    """When fully_shard gathers and reduces, beside the layers that run; of the second step."""
    net = model()
    for layer in (net[0], net[2], net[4]):
        fully_shard(layer)
    fully_shard(net)
    names: list[str] = []
    for number in (0, 2, 4):
        net[number].register_forward_pre_hook(lambda *_, n=number: names.append(f"forward {n}"))
        net[number].register_full_backward_hook(lambda *_, n=number: names.append(f"backward {n}"))
    x, y = data()
    x.requires_grad_(True)  # so that the first layer's hook hears of its backward

    def step() -> None:
        ((net(x) - y) ** 2).mean().backward()

    step()
    names.clear()
    return heard(names, step)


# -- sharded optimizers --


def steps(net: Any, optimizer: Any, count: int) -> None:
    x, y = data()
    for _ in range(count):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()


def zero_saves(rank: int, size: int) -> Any:
    """The state of two ranks' shares, for any number of ranks; and the weights three steps later."""
    folder = Path(sys.argv[2])
    net = model()
    optimizer = ZeroRedundancyOptimizer(net.parameters(), torch.optim.AdamW, lr=0.05)
    steps(net, optimizer, 3)
    optimizer.consolidate_state_dict(1)
    refused = said(optimizer.state_dict)
    if rank == 1:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / "zero.pt")
    steps(net, optimizer, 3)
    if rank == 1:
        torch.save(net.state_dict(), folder / "zero_after.pt")
    return refused


def zero_loads(rank: int, size: int) -> Any:
    folder = Path(sys.argv[2])
    state, after = torch.load(folder / "zero.pt"), torch.load(folder / "zero_after.pt")
    net = torch.nn.Sequential(*model())
    net.load_state_dict(state["net"])
    optimizer = ZeroRedundancyOptimizer(net.parameters(), torch.optim.AdamW, lr=0.5)
    optimizer.load_state_dict(state["optimizer"])
    steps(net, optimizer, 3)
    return max((p - after[name]).abs().max().item() for name, p in net.state_dict().items())


def empty(rank: int, size: int) -> Any:
    """More ranks than parameters, or than rows."""
    x = torch.linspace(-1, 1, 8).reshape(4, 2)
    nets = [torch.nn.Linear(2, 1, bias=False) for _ in range(3)]
    for net in nets:
        net.load_state_dict({"weight": torch.tensor([[0.5, -1.0]])})
    fully_shard(nets[2])
    optimizers = [
        torch.optim.Adam(nets[0].parameters(), lr=0.1),
        ZeroRedundancyOptimizer(nets[1].parameters(), torch.optim.Adam, lr=0.1),
        torch.optim.Adam(nets[2].parameters(), lr=0.1),
    ]
    norms = []
    for net, optimizer in zip(nets, optimizers, strict=True):
        for _ in range(4):
            optimizer.zero_grad()
            ((net(x) - 1) ** 2).sum().backward()
            norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item())
            optimizer.step()
    optimizers[1].consolidate_state_dict(2)
    states = len(optimizers[1].state_dict()["state"]) if rank == 2 else None
    weights = [nets[0].weight, nets[1].weight, nets[2].weight.full_tensor()]
    return {
        "weights": max((w - weights[0]).abs().max().item() for w in weights),
        "norms": max(abs(a - b) for other in (norms[4:8], norms[8:]) for a, b in zip(norms[:4], other)),
        "rows": nets[2].weight.to_local().shape[0],
        "kept": len(optimizers[1].optim.state),
        "states": states,
    }


if __name__ == "__main__":
    dist.init_process_group("gloo", timeout=timedelta(seconds=float(os.environ.get("LIMIT", "30"))))
    import json

    rank, size = dist.get_rank(), dist.get_world_size()
    names, folder = sys.argv[1].split(","), sys.argv[2]
    result = {name: globals()[name](rank, size) for name in names}
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump(result, file)
    if "hung" not in names:
        dist.barrier()
        dist.destroy_process_group()
