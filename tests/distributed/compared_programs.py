"""Calls whose results and errors are the same under PyTorch: each program is `program(rank, size)`."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as fc
from programs import main
from torch.distributed.algorithms import model_averaging as averaging
from torch.distributed.algorithms.ddp_comm_hooks import (
    DDPCommHookType,
    ddp_zero_hook,
    register_ddp_comm_hook,
)
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import (
    PostLocalSGDState,
    post_localSGD_hook,
)
from torch.distributed.algorithms.model_averaging import averagers
from torch.distributed.algorithms.model_averaging.hierarchical_model_averager import (
    HierarchicalModelAverager,
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.optim import PostLocalSGDOptimizer, ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from wrapped import fsdp as fsdp

ROWS = [2, 1, 1, 2]  # how much each rank sends to each, modulo the ranks


def told(calls: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """What each call returns, as text, or its error; and of what it warned."""
    found = {}
    for name, call in calls.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = repr(call())
            except Exception as error:
                value = f"{type(error).__name__}: {error}"
        found[name] = [value, [str(each.message) for each in caught]]
    return found


def kinds(y: Any) -> list[str]:
    """What comes of a tensor that a collective brings."""
    found = [y, y + 1, y.wait(), y.trigger_wait(), fc.wait_tensor(y), y.numpy(), y.tolist()]
    return [type(each).__name__ for each in found]


def functional(rank: int, size: int) -> Any:
    """Functional collectives: what they give, and for what they take a group."""
    world = dist.group.WORLD
    x = torch.arange(8.0) + rank
    square = x[:4].reshape(2, 2).repeat(2, 2)
    line, grid = init_device_mesh("cpu", (size,)), init_device_mesh("cpu", (2, size // 2))
    named = init_device_mesh("cpu", (size // 2, 2), mesh_dim_names=("dp", "tp"))
    sent, got = [ROWS[(rank + r) % 4] for r in range(size)], [ROWS[(rank + r) % 4] for r in range(size)]
    calls: dict[str, Callable[[], Any]] = {
        f"all_reduce {op}": lambda op=op: fc.all_reduce(x, op, world)
        for op in ("sum", "avg", "product", "min", "max", "SUM", "band", "nosuch")
    }
    return told({
        **calls,
        "kinds": lambda: kinds(fc.all_reduce(x, "sum", world)),
        "item": lambda: fc.all_reduce(x, "sum", world)[1].item(),
        "str": lambda: str(fc.all_reduce(x, "sum", world)),
        "gather": lambda: fc.all_gather_single(x, 0, world),
        "gather along 1": lambda: fc.all_gather_single(square, 1, world),
        "gather, old name": lambda: fc.all_gather_tensor(x, 0, world),
        "gather, autograd": lambda: fc.all_gather_tensor_autograd(x, 0, world),
        "scatter": lambda: fc.reduce_scatter_single(x, "sum", 0, world),
        "scatter along 1": lambda: fc.reduce_scatter_single(square, "avg", 1, world),
        "scatter, old name": lambda: fc.reduce_scatter_tensor(x, "max", 0, world),
        "scatter, odd": lambda: fc.reduce_scatter_single(x[:3], "sum", 0, world),
        "exchange": lambda: fc.all_to_all_single(x, None, None, world),
        "exchange of parts": lambda: fc.all_to_all_single(x[: sum(sent)], got, sent, world),
        "exchange, one list": lambda: fc.all_to_all_single(x, got, None, world),
        "exchange, floats": lambda: fc.all_to_all_single(x, [1.0], [1.0], world),
        "broadcast": lambda: fc.broadcast(x, 1, world),
        "permute": lambda: fc.permute_tensor(x, [1, 2, 3, 0], world),
        "several": lambda: fc.all_reduce_coalesced([x, x[:2]], "sum", world),
        "several, dtypes": lambda: fc.all_reduce_coalesced([x, x.int()], "sum", world),
        "several gathered": lambda: fc.all_gather_into_tensor_coalesced([x, x[:2]], world),
        "several scattered": lambda: fc.reduce_scatter_tensor_coalesced([x, square], "sum", [0, 1], world),
        "several, few": lambda: fc.reduce_scatter_tensor_coalesced([x, square], "sum", [0], world),
        "by ranks": lambda: fc.all_reduce(x, "sum", list(range(size))),
        "by name": lambda: fc.all_reduce(x, "sum", world.group_name),
        "by nothing": lambda: fc.all_reduce(x, "sum", 3),
        "by a name that is not there": lambda: fc.all_reduce(x, "sum", "nowhere"),
        "by mesh": lambda: fc.all_reduce(x, "sum", line),
        "by mesh and dimension": lambda: fc.all_reduce(x, "sum", (grid, 1)),
        "by grid": lambda: fc.all_reduce(x, "sum", grid),
        "by line of a grid": lambda: fc.all_reduce(x, "sum", named["dp"]),
        "gather in place": lambda: fc.all_gather_tensor_inplace(torch.zeros(2 * size), x[:2], world),
        "scatter in place": lambda: fc.reduce_scatter_tensor_inplace(torch.zeros(8 // size), x, "sum", world),
        "reduce in place": lambda: fc.all_reduce_inplace(x.clone(), "sum", world),
        "reduce in place, later": lambda: fc.all_reduce_inplace(x.clone(), "sum", world, True),
    })  # fmt: skip


def gradients(rank: int, size: int) -> Any:
    """Gradients of functional collectives, and the names of their nodes."""
    world = dist.group.WORLD

    def names(node: Any) -> list[str]:
        return (
            []
            if node is None
            else [node.name(), *(names(node.next_functions[0][0]) if node.next_functions else [])]
        )

    def run(function: Callable[[Any], Any], shape: tuple[int, ...] = (8,)) -> Any:
        z = (torch.arange(8.0).reshape(shape) + rank).requires_grad_()
        y = function(z)
        weights = torch.arange(1.0, y.numel() + 1).reshape(y.shape) * (rank + 1)
        first = torch.autograd.grad((y * y * weights).sum(), z, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), z)[0]
        return names(y.grad_fn), first.tolist(), second.tolist()

    functions: dict[str, tuple[Any, ...]] = {
        "all_reduce": (lambda z: fc.all_reduce(z, "sum", world),),
        "mean": (lambda z: fc.all_reduce(z, "avg", world),),
        "gather": (lambda z: fc.all_gather_single(z, 0, world),),
        "scatter": (lambda z: fc.reduce_scatter_single(z, "sum", 0, world),),
        "scatter along 1": (lambda z: fc.reduce_scatter_single(z, "sum", 1, world), (2, 4)),
        "greatest": (lambda z: fc.reduce_scatter_single(z, "max", 0, world),),
        "exchange": (lambda z: fc.all_to_all_single(z, None, None, world),),
        "permute": (lambda z: fc.permute_tensor(z, [1, 2, 3, 0], world),),
        "several": (lambda z: fc.all_reduce_coalesced([z], "sum", world)[0],),
        "several gathered": (lambda z: fc.all_gather_single_coalesced([z], world)[0],),
        "wait": (lambda z: fc.wait_tensor(z * 2),),
    }
    return told({name: lambda given=given: run(*given) for name, given in functions.items()})


def mesh(rank: int, size: int) -> Any:
    """Four processes as a mesh."""
    grid = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    line = init_device_mesh("cpu", (4,))
    deep = init_device_mesh("cpu", (2, 1, 2), mesh_dim_names=("a", "b", "c"))
    plain = DeviceMesh("cpu", [[0, 1], [2, 3]])
    ranks = dist.get_process_group_ranks
    return told({
        "shown": lambda: (grid, line, deep, plain, grid.mesh),
        "sizes": lambda: (grid.ndim, grid.shape, grid.size(), grid.size(0), grid.mesh_dim_names),
        "place": lambda: (grid.get_coordinate(), grid.get_rank(), grid.get_local_rank("dp")),
        "place along what": lambda: grid.get_local_rank(),
        "group of what": lambda: grid.get_group(),
        "groups": lambda: ([ranks(g) for g in grid.get_all_groups()], grid.get_group("dp").group_desc),
        "no such dimension": lambda: grid.get_group("xx"),
        "no such number": lambda: grid.get_group(5),
        "parts": lambda: (grid["dp"], grid["dp", "tp"] is grid, grid["tp"].mesh, grid["tp"].get_coordinate()),
        "group of a part": lambda: grid["tp"].get_group() is grid.get_group("tp"),
        "turned": lambda: grid["tp", "dp"],
        "no such part": lambda: grid["dp", "xx"],
        "no names": lambda: line["dp"],
        "equal": lambda: (grid["tp"] == grid["tp"], grid["dp"] == grid["tp"]),
        "in sets": lambda: len({grid["tp"], grid["tp"], grid["dp"]}),
        "flat": lambda: (grid["dp", "tp"]._flatten(), ranks(grid._flatten().get_group()), grid["dp_tp"].mesh),
        "flat, taken": lambda: grid._flatten("dp"),
        "flat, named": lambda: (grid._flatten("all"), grid["all"]),
        "world": lambda: line.get_group() is dist.group.WORLD,
        "deep": lambda: (deep["a", "c"], deep["a", "b"].mesh, deep["a", "c"]["c"].mesh),
        "deep, turned": lambda: deep["c", "a"],
        "deep, flat": lambda: (deep["a", "b"]._flatten("ab").mesh, ranks(deep["ab"].get_group())),
        "few": lambda: init_device_mesh("cpu", (3,)),
        "many": lambda: init_device_mesh("cpu", (8,)),
        "twice a name": lambda: init_device_mesh("cpu", (2, 2), mesh_dim_names=("a", "a")),
        "a name too few": lambda: init_device_mesh("cpu", (2, 2), mesh_dim_names=("a",)),
        "index": lambda: init_device_mesh("cpu:0", (4,)),
        "outside": lambda: DeviceMesh("cpu", [0, 1]).get_coordinate(),
        "of a group": lambda: DeviceMesh.from_group(dist.group.WORLD, "cpu"),
        "of groups": lambda: DeviceMesh.from_group(
            grid.get_all_groups(), "cpu", mesh=grid.mesh, mesh_dim_names=("x", "y")
        ),
        "of no group": lambda: DeviceMesh.from_group([], "cpu"),
        "of groups, no mesh": lambda: DeviceMesh.from_group(grid.get_all_groups(), "cpu"),
        "of groups, no names": lambda: DeviceMesh.from_group(grid.get_all_groups(), "cpu", mesh=grid.mesh),
        "of a group, another mesh": lambda: DeviceMesh.from_group(dist.group.WORLD, "cpu", mesh=[0, 1]),
        "entered": lambda: grid.__enter__() is grid,
        "names": lambda: (dist.init_device_mesh is init_device_mesh, dist.DeviceMesh is DeviceMesh),
    })  # fmt: skip


def overlap(rank: int, size: int) -> Any:
    """ZeroRedundancyOptimizer made to step within the backward, which Gloo refuses."""
    net = torch.nn.Linear(2, 2)
    ddp = DistributedDataParallel(net)
    overlapping = ZeroRedundancyOptimizer(net.parameters(), torch.optim.Adam, overlap_with_ddp=True, lr=0.1)
    plain = ZeroRedundancyOptimizer(net.parameters(), torch.optim.SGD, lr=0.1)
    logging.disable(logging.WARNING)
    interleaved = ddp_zero_hook.hook_with_zero_step_interleaved
    return told({
        "hook": lambda: ddp_zero_hook.hook_with_zero_step(allreduce_hook, ddp, overlapping),
        "interleaved": lambda: interleaved(allreduce_hook, ddp, overlapping),
        "hook, plain": lambda: ddp_zero_hook.hook_with_zero_step(allreduce_hook, ddp, plain),
        "step": lambda: overlapping.step(),
        "state": lambda: overlapping.state_dict(),
        "load": lambda: overlapping.load_state_dict({}),
        "consolidate": lambda: overlapping.consolidate_state_dict(),
        "group": lambda: overlapping.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]}),
        "state, plain": lambda: plain.state_dict(),
        "optimizer": lambda: ZeroRedundancyOptimizer(
            net.parameters(), torch.optim.LBFGS, overlap_with_ddp=True
        ),
    })  # fmt: skip


def any_bucket(state: Any, bucket: Any) -> Any:
    return bucket.buffer()


def annotated(name: str, kind: type) -> Any:
    """A communication hook with one annotation."""
    hook = functools.partial(any_bucket)
    hook.__name__ = hook.__qualname__ = "hook"  # type: ignore[attr-defined]
    kinds = {"bucket": inspect.Parameter.empty, "return": inspect.Parameter.empty, name: kind}
    places = [
        inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
        for each, annotation in (("state", inspect.Parameter.empty), ("bucket", kinds["bucket"]))
    ]
    hook.__signature__ = inspect.Signature(places, return_annotation=kinds["return"])  # type: ignore[attr-defined]
    return hook


def wrappers(rank: int, size: int) -> Any:
    """What DistributedDataParallel and ZeroRedundancyOptimizer take and refuse, and groups."""
    net = torch.nn.Linear(2, 2)
    ddp = DistributedDataParallel(net)
    ddp(torch.ones(1, 2)).sum().backward()
    zero = functools.partial(ZeroRedundancyOptimizer, optimizer_class=torch.optim.SGD, lr=0.1)
    plain = zero(net.parameters())

    def attributes(found: Any) -> Any:
        names = "dim broadcast_buffers bucket_bytes_cap device_ids output_device device"
        return [getattr(found, name) for name in names.split()]

    def copied() -> Any:
        found = copy.deepcopy(ddp)
        (found(torch.ones(1, 2) * (rank + 1)).sum() * 2).backward()
        return found.module.bias.grad.tolist(), net.bias.grad.tolist(), attributes(found)

    def with_hook(kind: str) -> Any:
        found = DistributedDataParallel(copy.deepcopy(net))
        found.zero_grad()
        register_ddp_comm_hook(DDPCommHookType[kind], found)
        (found(torch.ones(1, 2)) * torch.tensor([rank + 1.0, 2.0])).sum().backward()
        return found.module.bias.grad.tolist()

    return told({
        "named hooks": lambda: [with_hook(kind) for kind in ("ALLREDUCE", "FP16_COMPRESS", "NOOP")],
        "devices": lambda: DistributedDataParallel(net, device_ids=[0]),
        "device": lambda: DistributedDataParallel(net, output_device=1),
        "nothing to train": lambda: DistributedDataParallel(torch.nn.ReLU()),
        "attributes": lambda: attributes(ddp),
        "copied": copied,
        "hook, bucket": lambda: ddp.register_comm_hook(None, annotated("bucket", int)),
        "hook, return": lambda: ddp.register_comm_hook(None, annotated("return", int)),
        "hook": lambda: ddp.register_comm_hook(None, annotated("state", int)),
        "hook, twice": lambda: ddp.register_comm_hook(None, annotated("state", int)),
        "hook, none": lambda: ddp.register_comm_hook(None, 1),
        "zero of nothing": lambda: zero([]),
        "zero of None": lambda: zero(None),
        "zero of text": lambda: zero("abc"),
        "zero of several kinds": lambda: zero([1, torch.ones(1)]),
        "zero of no parameters": lambda: zero([{"a": 1}]),
        "zero of a tensor": lambda: zero(torch.ones(2)),
        "zero loads": lambda: plain.load_state_dict({"state": {}, "param_groups": []}),
        "zero state": lambda: plain.state_dict(),
        "backend": lambda: dist.new_group(list(range(size)), backend="nosuch"),
        "timeout": lambda: dist.new_group(list(range(size)), timeout=3),
        "turned": lambda: dist.get_process_group_ranks(dist.new_group([3, 1, 0, 2])),
        "outside": lambda: dist.new_group([0]) == dist.GroupMember.NON_GROUP_MEMBER == -100,
        "world": lambda: dist.GroupMember.WORLD is dist.group.WORLD,
        "config": lambda: (dist.get_backend_config(), dist.group.WORLD.group_desc, dist.group.WORLD.name()),
        "subgroups": lambda: dist.new_subgroups(group_size=3),
        "subgroups by nothing": lambda: dist.new_subgroups_by_enumeration([]),
        "subgroups, twice": lambda: dist.new_subgroups_by_enumeration([[0], [0]]),
    })  # fmt: skip


def averages(rank: int, size: int) -> Any:
    """Parameters that are averaged now and then: averagers, the optimizer and the hook that go with them."""
    pairs, _ = dist.new_subgroups(group_size=2)
    sgd = functools.partial(torch.optim.SGD, lr=0.5)

    def model() -> Any:
        net = torch.nn.Linear(2, 2)
        with torch.no_grad():
            net.weight.copy_(torch.arange(4.0).view(2, 2))
            net.bias.fill_(1.0)
        return net

    def lossy(net: Any) -> Any:
        return net(torch.tensor([[1.0, 2.0]]) * (rank + 1)).sum()

    def steps(make: Callable[[], Any], count: int = 6, *, wrapped: bool = True) -> Any:
        net = model()
        inner = sgd(net.parameters())
        optimizer = PostLocalSGDOptimizer(inner, make()) if wrapped else inner
        averager = None if wrapped else make()
        found = []
        for _ in range(count):
            optimizer.zero_grad()
            lossy(net).backward()
            optimizer.step()
            if averager is not None:
                averager.average_parameters(net.parameters())
            found.append(net.weight.tolist())
        return found

    def with_hook(after: bool) -> Any:
        ddp = DistributedDataParallel(model())
        state = PostLocalSGDState(None, pairs, 2, post_local_gradient_allreduce=after)
        ddp.register_comm_hook(state, post_localSGD_hook)
        found = []
        for _ in range(4):
            ddp.zero_grad()
            lossy(ddp).backward()
            found.append((ddp.module.weight.grad.tolist(), state.iter))
        return found

    def saved() -> Any:
        net = model()
        optimizer = PostLocalSGDOptimizer(sgd(net.parameters()), averagers.PeriodicModelAverager(2))
        lossy(net).backward()
        optimizer.step()
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.25})
        state = optimizer.state_dict()
        del state["step"]
        optimizer.load_state_dict(state)
        return repr(optimizer), optimizer.state, len(optimizer.param_groups), optimizer.averager.step

    def outside() -> Any:
        group = dist.new_group([0, 1])
        net = model()
        with torch.no_grad():
            net.bias.add_(rank)
        averaging.utils.average_parameters(iter([net.bias, net.weight.data.double()]), group)
        return net.bias.tolist()

    def without(kind: Any) -> Any:
        return averaging.utils.get_params_to_average(kind)

    periodic, hierarchical = averagers.PeriodicModelAverager, HierarchicalModelAverager
    return told({
        "every second": lambda: steps(lambda: periodic(2)),
        "every third, from the second on": lambda: steps(lambda: periodic(3, warmup_steps=1)),
        "by itself": lambda: steps(lambda: periodic(2, 2), wrapped=False),
        "of pairs": lambda: steps(lambda: periodic(2, process_group=pairs)),
        "of pairs and of all": lambda: steps(lambda: hierarchical({2: 2, 4: size}, 1), 9),
        "of all": lambda: steps(lambda: hierarchical({3: size})),
        "every time": lambda: periodic(1).period,
        "every time, of all": lambda: list(hierarchical({1: size}).period_process_group_dict),
        "never": lambda: periodic(0),
        "before": lambda: periodic(2, -1),
        "before, of all": lambda: hierarchical({2: size}, -1),
        "of nobody": lambda: hierarchical(),
        "of few": lambda: hierarchical({2: 2}),
        "of all, never": lambda: hierarchical({0: size}),
        "hook": lambda: with_hook(True),
        "hook, then nothing": lambda: with_hook(False),
        "saved": saved,
        "of a part": outside,
        "no gradients": lambda: without(model().parameters()),
        "no parameters": lambda: without([1]),
        "no parameters at all": lambda: averaging.utils.average_parameters(iter([]), None),
    })  # fmt: skip


if __name__ == "__main__":
    main(globals())
    sys.stdout.flush()
