"""Names that programs use now and then: the same calls on cotangent and on PyTorch."""

from __future__ import annotations

import importlib
import weakref
from collections import OrderedDict
from typing import Any

import pytest
import torch

import cotangent


def said(function: Any) -> Any:
    """What a call gives, or the error's type and text."""
    try:
        return function()
    except Exception as error:
        return type(error).__name__, str(error)


def module_utilities(xp: Any) -> Any:
    u = xp.nn.modules.utils
    state = xp.nn.Sequential(xp.nn.Linear(2, 1), xp.nn.ReLU()).state_dict(prefix="module.")
    u.consume_prefix_in_state_dict_if_present(state, "module.")
    return [
        *(f(3) for f in (u._single, u._pair, u._triple, u._quadruple)),
        u._pair([1, 2]),
        u._ntuple(2)("ab"),
        u._pair.__name__,
        u._reverse_repeat_tuple((1, 2), 2),
        u._list_with_default([None, 3], [7, 8, 9]),
        u._list_with_default(3, [7]),
        said(lambda: u._list_with_default([None, 3], [7, 8])),
        list(state),
        {name: dict(entry) for name, entry in state._metadata.items()},
    ]


def factory_kwargs(xp: Any) -> Any:
    f = xp.nn.factory_kwargs
    return [
        f(None),
        f({"dtype": 1, "device": 2}),
        f({"dtype": 1, "factory_kwargs": {"device": 2}}),
        said(lambda: f({"dtype": 1, "factory_kwargs": {"dtype": 2}})),
        said(lambda: f({"size": 1})),
    ]


def containers(xp: Any) -> Any:
    c = xp.nn.modules.container
    return [c.ParameterList is xp.nn.ParameterList, c.ParameterDict is xp.nn.ParameterDict, sorted(c.__all__)]


def data_parallel(xp: Any) -> Any:
    xp.manual_seed(0)
    model = xp.nn.DataParallel(xp.nn.Linear(3, 2))
    x = xp.ones(4, 3)
    return [
        model(x).tolist(),
        list(model.state_dict()),
        repr(model),
        model.device_ids,
        said(lambda: xp.nn.parallel.data_parallel(model.module, x)),
    ]


def swapped(xp: Any) -> Any:
    mine, other = xp.zeros(2, requires_grad=True), xp.ones(2, requires_grad=True)
    optimizer = xp.optim.SGD([mine], lr=0.1, momentum=0.9)
    mine.grad = xp.ones(2)
    optimizer.step()
    other.grad = xp.full((2,), 3.0)
    state = optimizer.state_dict()
    group = optimizer.param_groups[0]
    with xp.optim.swap_in_optimizer_params_and_state(optimizer, {"p": other}, state):
        optimizer.step()
        inside = optimizer.param_groups[0]["params"][0] is other
    return [
        inside,
        optimizer.param_groups[0] is group and group["params"][0] is mine,
        mine.tolist(),
        other.tolist(),
        state["state"][0]["momentum_buffer"].tolist(),
        len(optimizer.state),
    ]


def swap_tensors(xp: Any) -> Any:
    a, b = xp.zeros(2), xp.nn.Parameter(xp.ones(3))
    a.label = "a"
    xp.utils.swap_tensors(a, b)
    first = [a.tolist(), type(a).__name__, a.requires_grad, hasattr(a, "label"), b.tolist(), b.label]
    reference = weakref.ref(a)
    return [*first, said(lambda: xp.utils.swap_tensors(a, b)), reference() is a]


def set_module(xp: Any) -> Any:
    def f() -> None: ...

    xp.utils.set_module(f, "here")
    return [f.__module__, said(lambda: xp.utils.set_module(f, 3))]


def types_and_version(xp: Any) -> Any:
    return [
        isinstance(xp.device("cpu"), xp.types.Device),
        isinstance(2.5, xp.types.Number),
        xp.version.cuda,
        xp.version.hip,
        xp.version.debug,
        isinstance(xp.version.__version__, str),
    ]


def hooks_for_all_modules(xp: Any) -> Any:
    m = xp.nn.modules.module
    m._global_is_full_backward_hook = None  # another test may have registered one
    seen: list[str] = []
    m.register_module_forward_hook(lambda module, args, output: seen.append("forward"))
    m.register_module_forward_pre_hook(lambda module, args: seen.append("before"))
    xp.nn.ReLU()(xp.ones(1))
    counts = [len(m._global_forward_hooks), len(m._global_forward_pre_hooks), len(m._global_backward_hooks)]
    m._global_forward_hooks = OrderedDict()
    xp.nn.ReLU()(xp.ones(1))
    m._global_forward_pre_hooks = OrderedDict()
    xp.nn.ReLU()(xp.ones(1))
    return [seen, counts, m._global_is_full_backward_hook]


def lazy_parameters(xp: Any) -> Any:
    parameter = xp.nn.UninitializedParameter()
    parameter.materialize(3)
    return [
        tuple(parameter.shape),
        said(lambda: xp.nn.utils.spectral_norm(xp.nn.LazyLinear(2))),
        said(lambda: xp.nn.utils.weight_norm(xp.nn.LazyLinear(2))),
    ]


def sparse_gradient_of_nothing(xp: Any) -> Any:
    table = xp.nn.Embedding(0, 0, sparse=True)
    table(xp.tensor([], dtype=xp.int64)).sum().backward()
    return [tuple(table.weight.grad.shape), table.weight.grad.is_sparse]


def sparse_zeros(xp: Any) -> Any:
    made = [xp.zeros(3, 2, layout=xp.sparse_coo), xp.empty((4,), layout=xp.sparse_coo, dtype=xp.int64)]
    return [
        *((str(t), t.is_coalesced(), t.to_dense().tolist()) for t in made),
        said(lambda: xp.ones(2, layout=xp.sparse_coo)),
        said(lambda: xp.optim.SparseAdam([xp.zeros(3, layout=xp.sparse_coo)])),
        xp.zeros(2, layout=xp.strided).tolist(),
    ]


def backends_are_modules(xp: Any) -> Any:
    names = ("cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum")
    found = [importlib.import_module(f"{xp.__name__}.backends.{name}") for name in names]
    return [getattr(xp.backends, name) is module for name, module in zip(names, found, strict=True)]


PROGRAMS = [
    module_utilities, factory_kwargs, containers, data_parallel, swapped, swap_tensors, set_module,
    types_and_version, hooks_for_all_modules, lazy_parameters, sparse_gradient_of_nothing, sparse_zeros,
    backends_are_modules,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature", "ignore:.*weight_norm")
@pytest.mark.parametrize("program", PROGRAMS)
def test_says_what_pytorch_says(program: Any) -> None:
    assert program(cotangent) == program(torch)
