"""Training on several ranks against one process: programs as in programs.py."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import DTensor, Shard, distribute_tensor, init_device_mesh
from torch.nn.parallel import DistributedDataParallel as DDP

BATCH = 8


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Any) -> Any:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        y = self.norm(x)
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """The table of words is also the last layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.places = nn.Parameter(torch.zeros(6, 8))
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.last = nn.Linear(8, 11, bias=False)
        self.last.weight = self.words.weight

    def forward(self, x: Any) -> Any:
        return self.last(self.blocks(self.words(x) + self.places[: x.shape[1]])).flatten(0, 1)


def make(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "mlp":
        model: Any = nn.Sequential(nn.Linear(5, 21), nn.Tanh(), nn.Linear(21, 9), nn.Tanh(), nn.Linear(9, 3))
    elif kind == "cnn":
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.GELU(),
            nn.Conv2d(4, 3, 3, stride=2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(12, 3),
        )
    else:
        model = GPT()
    return model.double()


def data(kind: str) -> tuple[Any, Any]:
    if kind == "gpt":
        words = torch.arange(BATCH * 7).reshape(BATCH, 7) * 5 % 11
        return words[:, :-1], words[:, 1:]
    shape = (BATCH, 5) if kind == "mlp" else (BATCH, 1, 8, 8)
    x = torch.linspace(-2, 2, BATCH * (5 if kind == "mlp" else 64), dtype=torch.float64).reshape(shape).sin()
    return x, torch.arange(BATCH) % 3


def shard(kind: str, model: Any, **options: Any) -> Any:
    if kind == "gpt":
        for block in model.blocks:
            fully_shard(block, **options)
    else:
        for layer in model:
            if list(layer.parameters()):
                fully_shard(layer, **options)
    return fully_shard(model, **options)


def loss_of(kind: str, model: Any, part: slice) -> Any:
    x, y = data(kind)
    return nn.functional.cross_entropy(model(x[part]), y[part].flatten())


def part_of(rank: int, size: int) -> slice:
    return slice(rank * BATCH // size, (rank + 1) * BATCH // size)


def whole(t: Any) -> Any:
    return t.full_tensor() if isinstance(t, DTensor) else t


def parity(rank: int, size: int) -> Any:
    """The first gradients and the weights after 50 steps, against one process."""
    found = {}
    for kind in ("mlp", "cnn", "gpt"):
        alone = make(kind)
        optimizer = torch.optim.Adam(alone.parameters(), lr=0.01)
        first = None
        for _ in range(50):
            optimizer.zero_grad()
            loss_of(kind, alone, slice(None)).backward()
            first = first or [p.grad.clone() for p in alone.parameters()]
            optimizer.step()
        for how in ("ddp", "zero", "fully_shard"):
            model = make(kind)
            if how == "fully_shard":
                model = shard(kind, model)
                optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            else:
                model = DDP(model, bucket_cap_mb=0.01, gradient_as_bucket_view=how == "zero")
                optimizer = (
                    ZeroRedundancyOptimizer(model.parameters(), torch.optim.Adam, lr=0.01)
                    if how == "zero"
                    else torch.optim.Adam(model.parameters(), lr=0.01)
                )
            for step in range(50):
                optimizer.zero_grad()
                loss_of(kind, model, part_of(rank, size)).backward()
                if not step:
                    gradients = [whole(p.grad) for p in model.parameters()]
                    found[f"{kind} {how} gradients"] = distance(gradients, first)
                optimizer.step()
            weights = [whole(p.detach()) for p in model.parameters()]
            found[f"{kind} {how} weights"] = distance(weights, alone.parameters())
    return found


def distance(some: Any, others: Any) -> float:
    return max((a - b).abs().max().item() for a, b in zip(some, others, strict=True))


def sharded(rank: int, size: int) -> Any:
    """What fully_shard keeps, and what of it can be chosen."""
    found: dict[str, Any] = {}
    alone, model = make("mlp"), shard("mlp", make("mlp"))
    found["class"] = [
        type(model).__name__,
        isinstance(model[0], FSDPModule),
        isinstance(model, nn.Sequential),
    ]
    p = model[0].weight
    found["parameter"] = [list(p.shape), p.numel(), list(p.to_local().shape), str(p.placements)]
    found["is one"] = (
        isinstance(p, nn.Parameter) and isinstance(p, DTensor) and "DTensor(local_tensor=" in repr(p)
    )
    total = sum(q.numel() for q in alone.parameters())
    loss_of("mlp", model, part_of(rank, size)).backward()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    kept = [q.to_local() for q in model.parameters()] + [q.grad.to_local() for q in model.parameters()]
    kept += [t for s in optimizer.state.values() for t in s.values() if t.dim()]
    found["share"] = sum(t.numel() for t in kept) / (4 * total)
    # Only the outermost keeps its whole parameters between forward and backward.
    model = make("mlp")
    fully_shard(model[0])
    fully_shard(model)
    output = model(data("mlp")[0])
    found["after forward"] = [
        layer.weight.shape == layer.weight._data.shape for layer in (model[0], model[4])
    ]
    output.sum().backward()
    found["after backward"] = all(isinstance(q, DTensor) for q in model.parameters())
    # A model that is used without gradients, and one that is called twice.
    with torch.no_grad():
        model(data("mlp")[0])
    found["after no_grad"] = all(isinstance(q, DTensor) for q in model.parameters())
    for m in (alone, model):
        set_model_state_dict(m, make("mlp").state_dict())
        m.zero_grad()
        x = data("mlp")[0][part_of(rank, size) if m is model else slice(None)]
        (m(x).mean() + m(2 * x).mean() ** 1).backward()
    found["twice"] = distance(
        [q.grad.full_tensor() for q in model.parameters()], [q.grad for q in alone.parameters()]
    )
    # Gradients of several backwards, reduced once.
    for m in (alone, model):
        m.zero_grad()
        for last in (False, True):
            if m is model:
                m.set_requires_gradient_sync(last)
            loss_of("mlp", m, part_of(rank, size) if m is model else slice(None)).backward()
    found["accumulated"] = distance(
        [q.grad.full_tensor() for q in model.parameters()], [q.grad for q in alone.parameters()]
    )
    norms = [nn.utils.clip_grad_norm_(m.parameters(), 0.1).item() for m in (alone, model)]
    infinite = [
        nn.utils.get_total_norm([q.grad for q in m.parameters()], float("inf")).item() for m in (alone, model)
    ]
    found["clipped"] = [
        abs(norms[0] - norms[1]), abs(infinite[0] - infinite[1]),
        distance([q.grad.full_tensor() for q in model.parameters()], [q.grad for q in alone.parameters()]),
    ]  # fmt: skip
    found["unused"] = unused(rank, size)
    found["mixed"] = mixed(rank, size)
    found["checkpointed"] = recomputed(rank, size)
    found["unsharded"] = by_hand()
    for wrong in (lambda: fully_shard(model), lambda: fully_shard(nn.ModuleList())):
        try:
            wrong()
        except ValueError as error:
            found.setdefault("refused", []).append(str(error)[:40])
    if size == 4:
        found["grid"] = grid(rank)
    return found


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.one.bias.requires_grad_(False)

    def forward(self, x: Any, which: int) -> Any:
        x = self.one(x)
        return x if which == 0 else self.two(x) if which == 1 else self.three(self.two(x))


def unused(rank: int, size: int) -> float:
    """Layers that some steps leave out, and a frozen bias."""
    torch.manual_seed(0)
    alone = Branches()
    torch.manual_seed(0)
    model = Branches()
    for layer in (model.two, model.three):
        fully_shard(layer)
    fully_shard(model)
    worst = 0.0
    x = torch.linspace(-1, 1, 4 * size).reshape(size, 4)
    optimizers = [
        torch.optim.SGD([p for p in m.parameters() if p.requires_grad], 0.5) for m in (alone, model)
    ]
    for which in (2, 0, 1, 2, 2, 1):
        for m, optimizer, part in (
            (alone, optimizers[0], slice(None)),
            (model, optimizers[1], slice(rank, rank + 1)),
        ):
            optimizer.zero_grad()
            (m(x[part], which) ** 2).mean().backward()
            optimizer.step()
        pairs = list(zip(model.parameters(), alone.parameters()))
        assert [a.grad is None for a, _ in pairs] == [b.grad is None for _, b in pairs]
        worst = max(worst, distance([a.detach().full_tensor() for a, _ in pairs], [b for _, b in pairs]))
    return worst


def mixed(rank: int, size: int) -> Any:
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32
    )
    seen = []
    model = nn.Sequential(nn.Linear(5, 21), nn.Tanh(), nn.Linear(21, 3))
    model[0].register_forward_hook(
        lambda m, args, out: seen.extend([str(args[0].dtype), str(m.weight.dtype)])
    )
    for layer in (model[0], model[2]):
        fully_shard(layer, mp_policy=policy)
    fully_shard(model, mp_policy=policy)
    output = model(torch.ones(2, 5))
    output.sum().backward()
    p = model[0].weight
    return [*seen, str(output.dtype), str(p.dtype), str(p.grad.dtype)]


def recomputed(rank: int, size: int) -> float:
    """Layers whose forward runs again inside backward."""
    from torch.utils.checkpoint import checkpoint

    alone = make("mlp")
    loss_of("mlp", alone, slice(None)).backward()

    class Net(nn.Module):
        def __init__(self, layers: Any) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = checkpoint(layer, x, use_reentrant=False)
            return x

    net = Net(make("mlp"))
    for layer in net.layers:
        if list(layer.parameters()):
            fully_shard(layer)
    fully_shard(net)
    loss_of("mlp", net, part_of(rank, size)).backward()
    return distance([q.grad.full_tensor() for q in net.parameters()], [q.grad for q in alone.parameters()])


def by_hand() -> Any:
    model = fully_shard(make("mlp"))
    handle = model.unshard(async_op=True)
    handle.wait()
    there = distance(model.parameters(), make("mlp").parameters())
    model.reshard()
    return there, isinstance(model[0].weight, DTensor)


def grid(rank: int) -> Any:
    """Two copies of the parameters, each on two ranks."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("copies", "parts"))
    alone, model = make("mlp"), shard("mlp", make("mlp"), mesh=mesh)
    loss_of("mlp", alone, slice(None)).backward()
    loss_of("mlp", model, part_of(rank, 4)).backward()
    gradients = [p.grad.full_tensor() for p in model.parameters()]
    coordinate = [mesh["copies"].get_local_rank(), mesh.get_local_rank("parts")]
    return (
        distance(gradients, [p.grad for p in alone.parameters()]),
        coordinate,
        list(model[0].weight.to_local().shape),
    )


# -- checkpoints --


def step(kind: str, model: Any, optimizer: Any, rank: int, size: int) -> float:
    optimizer.zero_grad()
    loss = loss_of(kind, model, part_of(rank, size))
    loss.backward()
    optimizer.step()
    return loss.item()


def saves(rank: int, size: int) -> Any:
    """Train, save in several ways, go on."""
    folder = Path(sys.argv[2])
    model = shard("gpt", make("gpt"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(3):
        step("gpt", model, optimizer, rank, size)
    states = get_state_dict(model, optimizer)
    state = {"model": states[0], "optimizer": states[1], "step": 3, "extra": {"list": [1, 2]}}
    dcp.save(state, checkpoint_id=folder / "sync")
    dcp.save(state, checkpoint_id=folder / "sync")  # over the old one
    future = dcp.async_save(state, checkpoint_id=folder / "async")
    with torch.no_grad():  # what is being written is a copy
        for p in model.parameters():
            p._data[...] += 0
    future.wait()
    options = StateDictOptions(full_state_dict=True)
    full = (
        get_model_state_dict(model, options=options),
        get_optimizer_state_dict(model, optimizer, options=options),
    )
    if rank == 0:
        torch.save(full, folder / "full.pt")
    for _ in range(3):
        step("gpt", model, optimizer, rank, size)
    weights = [p.detach().full_tensor() for p in model.parameters()]
    if rank == 0:
        torch.save(weights, folder / "after.pt")
    return [sorted(p.name for p in folder.iterdir()), str(dcp.last_complete(folder))]


def loads(rank: int, size: int) -> Any:
    """Go on from what another number of ranks has saved, in three ways."""
    folder = Path(sys.argv[2])
    after = torch.load(folder / "after.pt")
    found = []
    for how in ("sync", "async", "full", "full from rank 0", "one process"):
        torch.manual_seed(rank)
        model = make("gpt")
        for p in model.parameters():
            p.data.fill_(0.5)
        if how != "one process":
            shard("gpt", model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
        if how.startswith("full"):
            first = how == "full"
            full = torch.load(folder / "full.pt") if rank == 0 or first else ({}, {})
            options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=not first)
            set_model_state_dict(model, full[0], options=options)
            set_optimizer_state_dict(model, optimizer, full[1], options=options)
        else:
            states = get_state_dict(model, optimizer)
            state = {"model": states[0], "optimizer": states[1], "step": 0, "extra": {"list": []}}
            dcp.load(state, checkpoint_id=folder / ("sync" if how == "one process" else how))
            assert state["step"] == 3 and state["extra"] == {"list": [1, 2]}
            set_state_dict(
                model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"]
            )
        for _ in range(3):
            if how == "one process":
                step("gpt", model, optimizer, 0, 1)
            else:
                step("gpt", model, optimizer, rank, size)
        found.append(distance([whole(p.detach()) for p in model.parameters()], after))
    return found


def dealt(rank: int, size: int) -> Any:
    """DTensors by hand."""
    mesh = init_device_mesh("cpu", (size,))
    t = distribute_tensor(torch.arange(10.0).reshape(5, 2), mesh, [Shard(0)])
    copy = DTensor.from_local(t.to_local().clone(), mesh, [Shard(0)], shape=(5, 2))
    copy.copy_(torch.ones(5, 2))
    state = {"t": t, "copy": copy}
    dcp.save(state, checkpoint_id=Path(sys.argv[2]) / "dealt")
    return t.full_tensor().tolist(), list(t.to_local().shape), copy.full_tensor().sum().item()


if __name__ == "__main__":
    dist.init_process_group("gloo", timeout=timedelta(seconds=30))
    rank, size = dist.get_rank(), dist.get_world_size()
    result = globals()[sys.argv[1]](rank, size)
    with open(f"{sys.argv[2]}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump(result, file)
    dist.barrier()
    dist.destroy_process_group()
