"""What `load_state_dict` and `swap_tensors` put where: subclasses, views, modules without memory."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch

import cotangent

LIBRARIES = (torch, cotangent)


@pytest.fixture
def swapping() -> Iterator[None]:
    """Parameters are exchanged with those that are loaded."""
    for t in LIBRARIES:
        t.__future__.set_swap_module_params_on_conversion(True)
    yield
    for t in LIBRARIES:
        t.__future__.set_swap_module_params_on_conversion(False)


def classes(t: Any) -> dict[str, Any]:
    """Subclasses that say themselves what becomes of a tensor that is loaded."""

    def common(cls: Any, func: Any, args: Any, kwargs: Any) -> Any:
        with t._C.DisableTorchFunctionSubclass():
            found = func(*args, **(kwargs or {}))
            return cls(found) if func == t.Tensor.detach and not isinstance(found, cls) else found

    class First(t.Tensor):  # type: ignore[misc]
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is not t.Tensor.module_load:
                return common(cls, func, args, kwargs)
            place, given = args
            if kwargs["assign"]:
                return given.detach()
            if isinstance(place, cls):
                return given.detach() if type(given) is cls else cls(given)
            return t.Tensor(given)

    class Second(First):
        """The same again."""

    class Careless(t.Tensor):  # type: ignore[misc]
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[1] if func is t.Tensor.module_load else common(cls, func, args, kwargs)

    return {"plain": None, "first": First, "second": Second, "careless": Careless}


def model(t: Any, kind: Any) -> Any:
    layer = t.nn.Linear(2, 3, bias=False)
    layer.register_buffer("kept", t.randn(2, 3))
    if kind is not None:
        layer.weight = t.nn.Parameter(kind(layer.weight))
        layer.kept = kind(layer.kept)
    return layer


def loaded(t: Any, into: str, given: str, assign: bool) -> Any:
    kinds = classes(t)
    layer, state = model(t, kinds[into]), model(t, kinds[given]).state_dict()
    before = layer.weight
    try:
        layer.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        return str(error)[:60]
    same = t.equal(layer.weight.as_subclass(t.Tensor), state["weight"].as_subclass(t.Tensor))
    return [
        type(layer.weight).__name__, type(layer.kept).__name__, isinstance(layer.weight, t.nn.Parameter),
        isinstance(layer.kept, t.nn.Parameter), same, layer.weight is before,
    ]  # fmt: skip


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("into, given", [*product(("plain", "first", "second"), classes(torch))])
def test_subclasses_are_exchanged(into: str, given: str, assign: bool, swapping: None) -> None:
    assert loaded(cotangent, into, given, assign) == loaded(torch, into, given, assign)


def assigned(t: Any, keep: bool) -> list[Any]:
    """What a module without memory gets, and what that has to do with the tensors that were given."""
    source = t.nn.Sequential(t.nn.Linear(3, 5), t.nn.BatchNorm1d(5))
    given = source.state_dict(keep_vars=keep)
    for value in given.values():
        value.requires_grad_(False)
    with t.device("meta"):
        layer = t.nn.Sequential(t.nn.Linear(3, 5), t.nn.BatchNorm1d(5))
    before = layer.state_dict(keep_vars=True)
    layer.load_state_dict(given, assign=True)
    after = layer.state_dict(keep_vars=True)
    facts: list[Any] = [
        (k, after[k] is given[k], after[k] is before[k], after[k].requires_grad, type(after[k]).__name__)
        for k in given
    ]
    x = t.ones(4, 3)
    return [*facts, [n for n, _ in layer.named_parameters()], t.equal(source(x), layer(x))]


@pytest.mark.parametrize("keep", [False, True])
def test_modules_without_memory(keep: bool) -> None:
    assert assigned(cotangent, keep) == assigned(torch, keep)


@pytest.mark.parametrize("keep", [False, True])
def test_modules_without_memory_that_are_exchanged(keep: bool, swapping: None) -> None:
    assert assigned(cotangent, keep) == assigned(torch, keep)


def test_loading_leaves_no_cycles() -> None:
    for t in LIBRARIES:
        layer = t.nn.LSTM(4, 4, bidirectional=True)
        state = copy.deepcopy(layer).state_dict()
        gc.collect()
        layer.load_state_dict(state)
        assert gc.collect() == 0


def test_views_are_swapped() -> None:
    found = []
    for t in LIBRARIES:
        base, other = t.zeros(2), t.ones(3)
        view = base.detach()
        t.utils.swap_tensors(view, other)
        base.add_(5)
        x = t.zeros(3, requires_grad=True)
        y = x * 2
        part, plain = y.view(-1), t.ones(3)
        t.utils.swap_tensors(part, plain)
        y.mul_(3)
        plain.sum().backward()
        numbers = view.tolist(), other.tolist(), x.grad.tolist()
        found.append([*numbers, part.requires_grad, plain.requires_grad])
    assert found[0] == found[1]


def test_a_weak_reference_to_a_view_is_in_the_way() -> None:
    for t in LIBRARIES:
        view = t.zeros(2).detach()
        held = weakref.ref(view)
        with pytest.raises(RuntimeError, match="Cannot swap t1 because it has weakref associated with it"):
            t.utils.swap_tensors(view, t.ones(2))
        assert held() is view
