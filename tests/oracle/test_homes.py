"""Modules that PyTorch spreads its names over are there, with what programs import from them."""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

# Module -> names of PyTorch's that are left out, because they are about other devices or its own works.
HOMES: dict[str, str] = {
    "accelerator": "",
    "accelerator.graphs": "",
    "accelerator.memory": "",
    "autograd._functions.utils": "",
    "autograd.anomaly_mode": "",
    "autograd.grad_mode": "",
    "cpu": "",
    "cpu.amp.autocast_mode": "",
    "cpu.amp.grad_scaler": "",
    "multiprocessing._atfork": "",
    "multiprocessing.pool": "",
    "multiprocessing.queue": "",
    "multiprocessing.spawn": "",
    "nn._reduction": "",
    "nn.modules.linear_cross_entropy": "",
    "nn.modules.linear_cross_entropy_options": "",
    "optim.asgd": "",
    "optim.nadam": "",
    "optim.rprop": "",
    "profiler.itt": "",
    "profiler.profiler": "ExecutionTraceObserver",
    "return_types": "",
    "serialization": "StorageType mkdtemp",
    "signal.windows.windows": "",
    "utils.data.backward_compatibility": "",
    "utils.data.datapipes.iter.combining": "",
    "utils.data.datapipes.iter.filelister": "",
    "utils.data.datapipes.iter.fileopener": "",
    "utils.data.datapipes.iter.streamreader": "",
    "utils.data.datapipes.map.callable": "",
    "utils.data.datapipes.map.combinatorics": "",
    "utils.data.datapipes.map.combining": "",
    "utils.data.datapipes.map.grouping": "",
    "utils.data.datapipes.map.utils": "",
    "utils.data.graph_settings": "",
    "utils.dlpack": "",
}


def public(module: ModuleType) -> set[str]:
    """What a module defines or offers, without what it merely imports."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return set(names)
    own = (name for name in dir(module) if not name.startswith("_"))
    return {name for name in own if getattr(getattr(module, name), "__module__", None) == module.__name__}


@pytest.mark.parametrize("home", HOMES)
def test_homes_have_their_names(home: str) -> None:
    ours = importlib.import_module(f"cotangent.{home}")
    lacking = {name for name in public(importlib.import_module(f"torch.{home}")) if not hasattr(ours, name)}
    assert lacking == set(HOMES[home].split())
    assert [name for name in getattr(ours, "__all__", []) if not hasattr(ours, name)] == []


def outcome(call: Callable[[Any], Any], t: Any) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = call(t)
        except Exception as error:
            result = type(error).__name__, str(error)
    return result, [(each.category.__name__, str(each.message)) for each in told]


def lists(t: Any, numbers: list[list[float]]) -> list[list[Any]]:
    return [[t.tensor([n, -0.5 * n, 1.0]) for n in row] for row in numbers]


def stepped(t: Any, name: str, scalars: int, **options: Any) -> list[Any]:
    """Three steps of an optimizer's functional form, and all that it changes."""
    function = getattr(importlib.import_module(f"{t.__name__}.optim.{name}"), name)
    (params, grads, first, second) = lists(t, [[1.0, 2.0], [0.3, -1.0], [0.0, 0.0], [0.1, 0.1]])
    second = [x.abs() for x in second]
    state = [first, second][: 2 if scalars < 2 else 1]
    state += [[t.tensor(1.0), t.tensor(0.5)] for _ in range(scalars)]
    steps = [t.tensor(0.0), t.tensor(3.0)]
    for _ in range(3):
        function(params, grads, *state, steps, **options)
        for g in grads:
            g.mul_(-0.75)
    return [
        [[round(n, 4) for n in x.reshape(-1).tolist()] for x in row] for row in (params, *state, [*steps])
    ]


class Named:
    __version__ = "1.12.3"
    __name__ = "named"


def compared(t: Any, wanted: tuple[int, ...], strict: bool = True) -> bool:
    return bool(t.serialization.check_module_version_greater_or_equal(Named, wanted, strict))


CALLS: dict[str, Callable[[Any], Any]] = {
    "view": lambda t: (
        importlib.import_module(f"{t.__name__}.autograd._functions.utils")
        .maybe_view(t.ones(2, 3).t(), (6,))
        .tolist()
    ),
    "not expanded": lambda t: (
        importlib.import_module(f"{t.__name__}.autograd._functions.utils")
        .maybe_unexpand(t.ones(4, 2, 3), (2, 1))
        .tolist()
    ),
    "stream": lambda t: repr(t.Stream()),
    "stream of cuda": lambda t: t.Stream("cuda"),
    "stream of nothing": lambda t: t.Stream("nothing"),
    "stream of a number": lambda t: t.Stream(1),
    "equal streams": lambda t: [t.Stream() == t.Stream(), t.Stream() == 3, t.Stream("cpu:0").query()],
    "stream in a block": lambda t: repr(t.Stream().__enter__()),
    "stream waits": lambda t: t.Stream().wait_stream(t.Stream()),
    "event recorded": lambda t: t.Event().record(),
    "event of a stream": lambda t: t.Stream().record_event(),
    "event": lambda t: [repr(t.Event(enable_timing=True)), t.Event().query(), t.Event().wait()],
    "time between": lambda t: t.Event().elapsed_time(t.Event()),
    "capability": lambda t: t.accelerator.get_device_capability(),
    "accelerator's stream": lambda t: t.accelerator.current_stream(),
    "accelerator's stream, set": lambda t: t.accelerator.set_stream(t.Stream()),
    "accelerator's stream, set to nothing": lambda t: t.accelerator.set_stream(None),
    "accelerator's host cache": lambda t: t.accelerator.empty_host_cache(),
    "accelerator's graph": lambda t: t.accelerator.Graph(),
    "cpu's stream": lambda t: t.cpu.stream(None).__enter__(),
    "cpu's event": lambda t: [t.cpu.Event().query(), t.cpu.Event().record(), t.cpu.is_initialized()],
    "cpu's device": lambda t: t.cpu.set_device("cpu"),
    "version": lambda t: t.serialization.check_module_version_greater_or_equal(Named, (1, 13)),
    "version, more parts": lambda t: compared(t, (1, 2, 3, 4)),
    "version, more parts, warned": lambda t: compared(t, (1, 2, 3, 4), False),
    "cuda validated": lambda t: t.serialization.validate_cuda_device("cuda:1"),
    "cpu validated": lambda t: t.serialization.validate_cuda_device("cpu"),
    "hpu validated": lambda t: t.serialization.validate_hpu_device("hpu"),
    "worker": lambda t: importlib.import_module(
        f"{t.__name__}.utils.data.backward_compatibility"
    ).worker_init_fn(1),
    "return types": lambda t: [kind.__name__ for kind in t.return_types.all_return_types],
    "return type": lambda t: repr(t.return_types.max_out((1, 2))),
    "asgd": lambda t: stepped(t, "asgd", 2, lambd=1e-2, lr=0.1, t0=1, alpha=0.75, weight_decay=0.1),
    "nadam": lambda t: stepped(
        t, "nadam", 1, beta1=0.9, beta2=0.99, lr=0.1, weight_decay=0.1, momentum_decay=4e-3, eps=1e-8
    ),
    "rprop": lambda t: stepped(
        t, "rprop", 0, step_size_min=1e-6, step_size_max=50, etaminus=0.5, etaplus=1.2
    ),
    "errors of devices": lambda t: [
        [kind.__name__ for kind in error.__mro__]
        for error in (t.OutOfMemoryError, t.AcceleratorError, t.FatalError, t.cuda.OutOfMemoryError)
    ],
    "one error of memory": lambda t: t.cuda.OutOfMemoryError is t.OutOfMemoryError,
    "NumPy wrapped": lambda t: t.compiler.wrap_numpy(lambda x, y: [np.add(x, y), x.size])(
        t.ones(2), t.arange(2.0)
    )[0].tolist(),
    "NumPy wrapped, of a variable": lambda t: t.compiler.wrap_numpy(np.sin)(t.ones(2, requires_grad=True)),
    "regions": lambda t: t.compiler.nested_compile_region(lambda x: x + 1)(t.ones(1)).tolist(),
    "assumed constant": lambda t: t.compiler.assume_constant_result(stepped) is stepped,
    "questions to the compiler": lambda t: [
        t.compiler.is_exporting(),
        t.compiler.get_default_backend(),
        t.compiler.set_enable_guard_collectives(False),
        t.compiler.save_cache_artifacts(),
    ],
    "old reduction": lambda t: t.nn._reduction.legacy_get_enum(False, None),
    "hook": lambda t: t.utils.hooks.unserializable_hook(Named).__torch_unserializable__,
    "kinds of devices": lambda t: {k: int(v) for k, v in t.utils.dlpack.DLDeviceType.__members__.items()},
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_do_the_same(name: str) -> None:
    assert outcome(CALLS[name], cotangent) == outcome(CALLS[name], torch)


def test_the_processors_capabilities_are_pytorchs() -> None:
    caches = {"l1d_cache_size", "l2_cache_size"}
    theirs = {name: value for name, value in torch.cpu.get_capabilities().items() if name not in caches}
    assert dict(cotangent.cpu.get_capabilities()) == theirs


def test_a_stream_of_the_cpu_is_current_in_its_block() -> None:
    mine = cotangent.cpu.Stream()
    before = cotangent.cpu.current_stream()
    with cotangent.cpu.stream(mine):
        assert cotangent.cpu.current_stream() is mine
    assert cotangent.cpu.current_stream() is before


def test_a_storage_is_held_weakly() -> None:
    for t in (torch, cotangent):
        held = importlib.import_module(f"{t.__name__}.multiprocessing.reductions").StorageWeakRef
        x: Any = t.zeros(3)
        ref, other = held(x.untyped_storage()), held(t.zeros(3).untyped_storage())
        assert ref == held(x[1:].untyped_storage())
        assert hash(ref) == hash(held(x.untyped_storage()))
        assert other != ref
        assert not ref.expired()
        del x
        assert ref.expired()


def test_a_connection_carries_tensors_in_shared_memory() -> None:
    home = importlib.import_module("cotangent.multiprocessing.queue")
    mine, theirs = (home.ConnectionWrapper(end) for end in multiprocessing.Pipe())
    x = cotangent.zeros(3)
    mine.send(x)
    received = theirs.recv()
    x[1] = 2.0
    assert received.tolist() == [0.0, 2.0, 0.0]
    assert not mine.closed


def test_a_function_runs_after_a_fork() -> None:
    called: list[int] = []
    importlib.import_module("cotangent.multiprocessing._atfork").register_after_fork(lambda: called.append(1))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, bytes([len(called)]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"\x01"
    assert called == []


def test_hooks_marked_do_not_hinder_saving() -> None:
    x = cotangent.ones(2, requires_grad=True)
    x.register_hook(cotangent.utils.hooks.unserializable_hook(lambda grad: grad))
    cotangent.save(x, io.BytesIO())
