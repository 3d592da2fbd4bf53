"""A program holds as long as everything is found where it was: the same objects in the same places."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from running import RunPython

import cotangent as torch

X, Y = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])


def listed(found: Any) -> list[float]:
    return list(found.tolist())


def test_arguments_that_were_one_tensor_may_be_two() -> None:
    f = torch.compile(lambda a, b: a * b + a)
    assert listed(f(X, X)) == [30.0, 56.0]
    assert listed(f(X, Y)) == [10.0, 21.0]
    assert listed(f(Y, X)) == [6.0, 16.0]
    assert listed(f(Y, Y)) == [2.0, 6.0]


def test_an_argument_that_was_a_global_may_be_another_tensor() -> None:
    f = torch.compile(lambda a: a * X + a)
    assert listed(f(X)) == [30.0, 56.0]
    assert listed(f(Y)) == [6.0, 16.0]


def test_containers_that_were_one() -> None:
    f = torch.compile(lambda a, b: a["x"] * b["x"])
    both = {"x": X}
    assert listed(f(both, both)) == [25.0, 49.0]
    assert listed(f(both, {"x": Y})) == [5.0, 14.0]


def test_attributes_that_were_one_tensor() -> None:
    held = SimpleNamespace(a=X, b=X)
    f = torch.compile(lambda: held.a * held.b)
    assert listed(f()) == [25.0, 49.0]
    held.b = Y
    assert listed(f()) == [5.0, 14.0]


def test_gradients_of_tensors_that_are_one_now() -> None:
    @torch.compile
    def step(a: Any, b: Any) -> None:
        (a * 2 + b * 3).sum().backward()

    p, q = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    step(p, q)
    assert (listed(p.grad), listed(q.grad)) == ([2.0, 2.0], [3.0, 3.0])
    p.grad = None
    step(p, p)
    assert listed(p.grad) == [5.0, 5.0]


def test_a_name_that_shares_its_tensor_is_bound_anew_by_every_run() -> None:
    last = X

    @torch.compile
    def step(a: Any) -> Any:
        nonlocal last
        last = last + a
        return last

    assert listed(step(X)) == [10.0, 14.0]
    assert listed(step(Y)) == [11.0, 16.0]
    assert listed(step(Y)) == [12.0, 18.0]
    assert listed(last) == [12.0, 18.0]


@pytest.fixture
def module() -> ModuleType:
    made = ModuleType("settings_of_a_program")
    exec("def helper(a): return a * scale", made.__dict__)
    made.scale, made.weight, made.held = 2.0, X, [1.0]  # type: ignore[attr-defined]
    made.inner = ModuleType("settings_inside")  # type: ignore[attr-defined]
    made.inner.shift = 0.0
    return made


def test_what_modules_hold(module: Any) -> None:
    def f(a: Any) -> Any:
        return module.helper(a) + module.weight * module.scale * module.held[0] + module.inner.shift

    f = torch.compile(f)
    assert listed(f(Y)) == [12.0, 18.0]
    module.scale = 3.0
    assert listed(f(Y)) == [18.0, 27.0]
    module.weight = Y
    assert listed(f(Y)) == [6.0, 12.0]
    module.held = [2.0]
    assert listed(f(Y)) == [9.0, 18.0]
    module.inner.shift = 1.0
    assert listed(f(Y)) == [10.0, 19.0]
    module.helper = lambda a: a
    assert listed(f(Y)) == [8.0, 15.0]


def test_attributes_of_classes() -> None:
    class Scaled:
        factor = 2.0
        table: ClassVar = {"x": 1.0}

    held = Scaled()
    f = torch.compile(lambda a: a * held.factor * Scaled.table["x"])
    assert listed(f(Y)) == [2.0, 4.0]
    Scaled.factor = 3.0
    assert listed(f(Y)) == [3.0, 6.0]
    Scaled.table["x"] = 2.0
    assert listed(f(Y)) == [6.0, 12.0]
    held.factor = 1.0  # in front of the class's
    assert listed(f(Y)) == [2.0, 4.0]


def test_methods_of_classes() -> None:
    class Layer(torch.nn.Module):
        def forward(self, a: Any) -> Any:
            return self.inner(a)

        def inner(self, a: Any) -> Any:
            return a * 2

    f = torch.compile(Layer())
    assert listed(f(Y)) == [2.0, 4.0]
    Layer.inner = lambda self, a: a * 3  # type: ignore[method-assign]
    assert listed(f(Y)) == [3.0, 6.0]


def test_what_stays_as_it_was_is_not_traced_again() -> None:
    f = torch.compile(lambda a, b: a * b)
    for a in (X, Y):
        for b in (X, Y):
            f(a, b)
    assert f.traces == 2


WATCHED = """
import cotangent as torch
from cotangent.utils._python_dispatch import TorchDispatchMode

class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))

f = torch.compile(lambda a: a.sin() * 2)
x = torch.ones(3, requires_grad=True)
y = f(x)
with Seen() as seen:
    y.sum().backward()
assert torch.equal(x.grad, 2 * torch.ones(3).cos()), x.grad
with Seen() as seen:
    f(x)
assert seen.names == ["aten.sin.default", "aten.mul.Tensor"], seen.names

class Told(torch.Tensor):  # from here on operations ask for such tensors
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))

x.grad = None
f(x).sum().backward()
assert torch.equal(x.grad, 2 * torch.ones(3).cos()), x.grad
try:
    torch.autograd.grad(f(x).sum(), x, create_graph=True)
except RuntimeError as error:
    assert "double backward" in str(error)
else:
    raise AssertionError
"""


def test_compiled_functions_beside_dispatch_modes_and_classes(run_python: RunPython) -> None:
    result = run_python("-c", WATCHED)
    assert result.returncode == 0, result.stderr
