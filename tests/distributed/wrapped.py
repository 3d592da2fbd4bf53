"""What `FullyShardedDataParallel` does under PyTorch, too."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel as FSDP,
    MixedPrecision,
    OptimStateKeyType,
    ShardedStateDictConfig,
    ShardingStrategy,
    StateDictType,
)
from torch.distributed.fsdp.wrap import (
    CustomPolicy,
    ModuleWrapPolicy,
    always_wrap_policy,
    enable_wrap,
    lambda_auto_wrap_policy,
    size_based_auto_wrap_policy,
    transformer_auto_wrap_policy,
    wrap,
)

FULL = StateDictType.FULL_STATE_DICT


def net(seed: int = 0) -> Any:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Linear(5, 7), nn.Tanh(),
        nn.Sequential(nn.Linear(7, 6, bias=False), nn.BatchNorm1d(6)), nn.Linear(6, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        for number, p in enumerate(made.parameters()):
            start = torch.arange(p.numel(), dtype=torch.float64)
            p.copy_(torch.sin(start * (number + 1) + seed).reshape(p.shape) / 2)
    return made


def inputs(rank: int, step: int = 0) -> Any:
    return torch.cos(torch.arange(20.0).double() * (rank + 1) + step).reshape(4, 5)


def wrapped(**options: Any) -> Any:
    options = {"use_orig_params": True, "device_id": torch.device("cpu"), **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FSDP(options.pop("model", None) or net(), **options)


def numbers(t: Any) -> Any:
    return t.detach().double().flatten().tolist()


def whole(model: Any) -> Any:
    return {name: numbers(t) for name, t in model.state_dict().items()}


def train(model: Any, rank: int) -> Any:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    for step in range(3):
        optimizer.zero_grad()
        model(inputs(rank, step)).square().sum().backward()
        optimizer.step()
    return optimizer


def clipped(model: Any, rank: int) -> Any:
    told = []
    for norm in (2, 1.5, float("inf")):
        model.zero_grad()
        model(inputs(rank).float()).square().sum().backward()
        told.append(model.clip_grad_norm_(0.5, norm))
        told.append(model.clip_grad_norm_(1000.0, norm))
    return [round(t.item(), 4) for t in told], str(told[0].dtype)


def settings(model: Any, *options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FSDP.set_state_dict_type(model, *options)


def wrappers(model: Any) -> Any:
    return [
        [name for name, m in model.named_modules() if isinstance(m, FSDP)],
        [name for name, _ in model.named_parameters()],
    ]


def fsdp(rank: int, size: int) -> Any:
    """Training, states, policies and refusals of the wrapper."""
    found: dict[str, Any] = {}
    linears = ModuleWrapPolicy({nn.Linear})
    for strategy in ("FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD"):
        for policy in (None, linears):
            model = wrapped(sharding_strategy=ShardingStrategy[strategy], auto_wrap_policy=policy)
            train(model, rank)
            found[f"{strategy} {policy is not None}"] = whole(model)
            model = wrapped(model=net().float(), sharding_strategy=ShardingStrategy[strategy])
            found[f"{strategy} {policy is not None}, clipped"] = clipped(model, rank)
    model = wrapped(use_orig_params=False, auto_wrap_policy=linears)
    train(model, rank)
    found["flat"] = whole(model)
    found["modules"] = [m is model for m in FSDP.fsdp_modules(model)], len(FSDP.fsdp_modules(model, True))

    model = wrapped(auto_wrap_policy=linears)
    with model.no_sync():
        model(inputs(rank)).sum().backward()
    model(inputs(rank, 1)).sum().backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.step()
    found["accumulated"] = whole(model)
    with FSDP.summon_full_params(model):
        found["summoned"] = {name: [list(p.shape), numbers(p)] for name, p in model.named_parameters()}
        with torch.no_grad():
            model.module[0].bias.fill_(float(7))
    found["written"] = whole(model)
    with FSDP.summon_full_params(model, writeback=False), torch.no_grad():
        model.module[0].weight.zero_()
    found["not written"] = whole(model)
    model.apply(lambda m: nn.init.ones_(m.weight) if isinstance(m, nn.Linear) else None)
    found["applied"] = whole(model)

    optimizer = train(model, rank)
    found["kinds"] = [str(type(FSDP.get_state_dict_type(model).state_dict_config).__name__)]
    full = FSDP.optim_state_dict(model, optimizer)
    found["optimizer"] = {
        # PyTorch's averages of gradients share memory on the CPU, and are wrong.
        name: [
            list(values),
            list(values["exp_avg"].shape),
            *map(numbers, (values["step"], values["exp_avg_sq"])),
        ]
        for name, values in full["state"].items()
    }
    found["groups"] = [group["params"] for group in full["param_groups"]]
    by_number = FSDP.rekey_optim_state_dict(full, OptimStateKeyType.PARAM_ID, model, optim=optimizer)
    found["rekeyed"] = list(by_number["state"]), [g["params"] for g in by_number["param_groups"]]
    old = settings(model, FULL, FullStateDictConfig(False, True), FullOptimStateDictConfig(False, True))
    found["first only"] = whole(model), list(FSDP.optim_state_dict(model, optimizer))
    found["before"] = old.state_dict_type.name
    settings(model, StateDictType.SHARDED_STATE_DICT)
    found["sharded"] = [[name, list(t.size())] for name, t in model.state_dict().items()]

    mixed = MixedPrecision(torch.bfloat16, torch.float32, torch.bfloat16)
    model = wrapped(model=net().float(), mixed_precision=mixed, auto_wrap_policy=linears)
    y = model(inputs(rank).float())
    y.float().sum().backward()
    found["mixed"] = [
        str(y.dtype), str(model.module[2][1].running_mean.dtype), wrappers(model),
        sorted({str(p.grad.dtype) for p in model.parameters() if p.grad is not None}),
        {name: str(t.dtype) for name, t in model.state_dict().items()},
    ]  # fmt: skip
    policies: dict[str, Any] = {
        "always": always_wrap_policy,
        "linears": linears,
        "sizes": functools.partial(size_based_auto_wrap_policy, min_num_params=45),
        "transformer": functools.partial(transformer_auto_wrap_policy, transformer_layer_cls={nn.Sequential}),
        "function": functools.partial(lambda_auto_wrap_policy, lambda_fn=lambda m: isinstance(m, nn.Tanh)),
        "custom": CustomPolicy(lambda m: {"forward_prefetch": True} if isinstance(m, nn.Linear) else False),
    }
    for name, policy in policies.items():
        found[f"policy {name}"] = wrappers(wrapped(auto_wrap_policy=policy))
    with enable_wrap(wrapper_cls=wrapper_of, use_orig_params=True, device_id=torch.device("cpu")):
        inner = wrap(net()[0])
    found["annotated"] = [isinstance(inner, FSDP), isinstance(wrap(net()[0]), FSDP)]
    ignoring = net()
    model = wrapped(model=ignoring, ignored_states=[ignoring[0]])
    found["ignored"] = [list(model.module[0].weight.shape), list(model.state_dict())]

    def refused(call: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call()
        except Exception as error:
            return f"{type(error).__name__}: {error}".partition("\n")[0]
        return None

    frozen = net()
    frozen[0].bias.requires_grad_(False)
    scalar = nn.Linear(2, 2)
    scalar.scale = nn.Parameter(torch.tensor(1.0))
    done = wrapped(auto_wrap_policy=linears)
    done(inputs(rank))
    found["refused"] = [refused(call) for call in (
        lambda: wrapped(sharding_strategy=ShardingStrategy.HYBRID_SHARD),
        lambda: wrapped(model=frozen, use_orig_params=False),
        lambda: wrapped(model=scalar),
        lambda: wrapped(model=net(), ignored_modules=[], ignored_states=[]),
        lambda: wrapped(ignored_states=[1]),
        lambda: wrapped(ignored_modules=[1]),
        lambda: wrapped(process_group=dist.group.WORLD, device_mesh=1),
        lambda: wrapped(model=done, auto_wrap_policy=always_wrap_policy),
        lambda: wrapped(auto_wrap_policy=CustomPolicy(lambda m: 1)),
        lambda: settings(done, FULL, ShardedStateDictConfig()),
        lambda: done.module[0].clip_grad_norm_(1.0),
        lambda: done.module[0].no_sync().__enter__(),
        lambda: FSDP.summon_full_params(done, rank0_only=True).__enter__(),
        lambda: done.nosuch,
    )]  # fmt: skip
    return found


def wrapper_of(module: Any, **options: Any) -> Any:
    return wrapped(model=module, **options)
