"""Programs of `FullyShardedDataParallel` on several ranks; each is `program(rank, size)`."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
import torch.distributed as dist
from programs import main
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel as FSDP,
    MixedPrecision,
    ShardingStrategy,
    StateDictType,
)
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.distributed.tensor import DTensor
from wrapped import FULL, inputs, net, settings, train, wrapped

LINEARS = ModuleWrapPolicy({nn.Linear})


def plain() -> Any:
    """A model without batch statistics: all ranks together do what one process does."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(5, 7), nn.Tanh(), nn.Sequential(nn.Linear(7, 5), nn.GELU()), nn.Linear(5, 3)
    ).double()


def distance(model: Any, other: Any) -> float:
    one, two = model.state_dict(), other.state_dict()
    assert list(one) == list(two)
    return max((one[name] - two[name]).abs().max().item() for name in one)


def trains(rank: int, size: int) -> Any:
    """How far every way of dealing out is from one process, after some steps."""
    alone = plain()
    optimizer = torch.optim.AdamW(alone.parameters(), lr=0.05)
    for step in range(4):
        optimizer.zero_grad()
        for r in range(size):
            (alone(inputs(r, step)).square().mean() / size).backward()
        nn.utils.clip_grad_norm_(alone.parameters(), 0.5)
        optimizer.step()
    grids: dict[str, Any] = {"HYBRID_SHARD": {"device_mesh": init_device_mesh("cpu", (size // 2, 2))}}
    grids["_HYBRID_SHARD_ZERO2"] = grids["HYBRID_SHARD"]
    found = {}
    for strategy in ShardingStrategy:
        for policy in (None, LINEARS):
            for whole in (True, False):
                model = wrapped(
                    model=plain(), sharding_strategy=strategy, auto_wrap_policy=policy, use_orig_params=whole,
                    **grids.get(strategy.name, {}),
                )  # fmt: skip
                optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
                for step in range(4):
                    optimizer.zero_grad()
                    model(inputs(rank, step)).square().mean().backward()
                    model.clip_grad_norm_(0.5)
                    optimizer.step()
                found[f"{strategy.name} {policy is not None} {whole}"] = distance(model, alone)
    found["nodes"] = wrapped(
        model=plain(), sharding_strategy=ShardingStrategy.HYBRID_SHARD, auto_wrap_policy=LINEARS
    ).process_group.size()
    return found


def keeps(rank: int, size: int) -> Any:
    """What is on a rank, and when."""
    found: dict[str, Any] = {}
    for strategy in ("FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD"):
        model = wrapped(model=plain(), sharding_strategy=ShardingStrategy[strategy], auto_wrap_policy=LINEARS)
        rows = [list(p.to_local().shape) for p in model.parameters()][:2]
        output = model(inputs(rank))
        between = [not isinstance(p, DTensor) for p in model.parameters()]
        output.sum().backward()
        after = all(isinstance(p, DTensor) for p in model.parameters())
        found[strategy] = rows, between, after
    model = wrapped(model=net(rank), sync_module_states=True)
    found["synchronized"] = distance(model, net(0))
    model = wrapped(model=plain(), auto_wrap_policy=LINEARS)
    model(inputs(rank)).sum().backward()
    alone = plain()
    for r in range(size):
        (alone(inputs(r)).sum() / size).backward()
    with FSDP.summon_full_params(model, with_grads=True):
        pairs = zip(model.parameters(), alone.parameters(), strict=True)
        found["gradients"] = max((p.grad - q.grad).abs().max().item() for p, q in pairs)
    with FSDP.summon_full_params(model, writeback=False, rank0_only=True):
        found["first"] = next(isinstance(p, DTensor) for p in model.parameters())
    with torch.device("meta"):
        unborn = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2))
    made = wrapped(model=unborn, sync_module_states=True)
    found["born"] = sum(t.numel() for t in made.state_dict().values()), made.module[0].weight.device.type

    def fill(m: Any) -> None:
        m.to_empty(device="cpu", recurse=False)
        for p in m.parameters(recurse=False):
            nn.init.constant_(p, 3.0)

    with torch.device("meta"):
        unborn = nn.Linear(2, 4)
    found["filled"] = wrapped(model=unborn, param_init_fn=fill).state_dict()["bias"].tolist()
    model = wrapped(model=plain().float(), auto_wrap_policy=LINEARS)
    model(inputs(rank).float()).sum().backward()
    model.zero_grad()
    model.double()
    model(inputs(rank)).sum().backward()
    grown = plain().float().double()
    for r in range(size):
        (grown(inputs(r)).sum() / size).backward()
    pairs = zip(model.parameters(), grown.parameters(), strict=True)
    found["converted"] = max((p.grad.full_tensor() - q.grad).abs().max().item() for p, q in pairs)
    mixed = MixedPrecision(torch.bfloat16, cast_forward_inputs=True, cast_root_forward_inputs=False)
    seen = []
    model = wrapped(model=plain().float(), mixed_precision=mixed, auto_wrap_policy=LINEARS)
    model.module[2].register_forward_hook(lambda m, args, output: seen.append(str(output.dtype)))
    seen.append(str(model(inputs(rank).float()).dtype))
    found["mixed"] = seen
    refused = []
    for options in (
        {"mixed_precision": MixedPrecision(keep_low_precision_grads=True)},
        {"device_id": "cuda"},
        {"param_init_fn": 3},
    ):
        try:
            wrapped(**options)  # type: ignore[arg-type]
        except Exception as error:
            refused.append(f"{type(error).__name__}: {error}")
    settings(model, StateDictType.LOCAL_STATE_DICT)
    for call in (model.state_dict, lambda: model.register_comm_hook(None, print)):
        try:
            call()
        except NotImplementedError as error:
            refused.append(str(error))
    found["refused"] = refused
    return found


def saves(rank: int, size: int) -> Any:
    """A model and its optimizer that go on from states of every kind do the same as without."""
    model = wrapped(model=plain(), auto_wrap_policy=LINEARS)
    optimizer = train(model, rank)
    kinds: dict[str, Any] = {
        "whole": (FULL,),
        "of the first": (FULL, FullStateDictConfig(True, True), FullOptimStateDictConfig(True, True)),
        "rows": (StateDictType.SHARDED_STATE_DICT,),
    }
    copies, found = {}, {}
    for name, options in kinds.items():
        settings(model, *options)
        state, of_optimizer = model.state_dict(), FSDP.optim_state_dict(model, optimizer)
        found[name] = len(state), len(of_optimizer)
        if name == "of the first":
            box = [state]
            dist.broadcast_object_list(box, 0)
            state = box[0]
        unlike = plain()
        nn.init.ones_(unlike[0].weight)
        other = wrapped(model=unlike, auto_wrap_policy=None if name != "rows" else LINEARS)
        settings(other, *options)
        other.load_state_dict(state)
        later = torch.optim.AdamW(other.parameters(), lr=1.0)
        loaded = FSDP.optim_state_dict_to_load(other, later, copy.copy(of_optimizer))
        later.load_state_dict(loaded)
        copies[name] = other, later
    for m, o in ((model, optimizer), *copies.values()):
        for step in (7, 8):
            o.zero_grad()
            m(inputs(rank, step)).square().sum().backward()
            o.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            settings(m, FULL)
    return found, {name: distance(model, other) for name, (other, _) in copies.items()}


def scales(rank: int, size: int) -> Any:
    """One rank's gradients overflow; all leave the step out."""
    model = wrapped(model=plain(), auto_wrap_policy=LINEARS)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = ShardedGradScaler("cpu", init_scale=8.0, growth_interval=1)
    found = []
    for spoiled in (False, True, False):
        optimizer.zero_grad()
        scaler.scale(model(inputs(rank)).square().mean()).backward()
        if spoiled and rank == 1:
            model.module[0].weight.grad[0, 0] = float("inf")
        before = model.state_dict()["0.weight"].clone()
        scaler.step(optimizer)
        scaler.update()
        moved = (model.state_dict()["0.weight"] - before).abs().max().item() > 0
        found.append([moved, scaler.get_scale()])
    half = scaler.scale([torch.ones((), dtype=torch.float16)])[0]
    return found, str(half.dtype), half.item()


if __name__ == "__main__":
    main(globals())
