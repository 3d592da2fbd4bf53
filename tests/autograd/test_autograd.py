"""What the programs of this directory say is what PyTorch says."""

import importlib
from typing import Any

import pytest
from told import SOURCES, difference, recorded, told

import cotangent

AREA = "autograd"
PROGRAMS = {
    name: program
    for module in SOURCES[AREA]
    for name, program in importlib.import_module(module).PROGRAMS.items()
}


def test_everything_is_recorded() -> None:
    assert sorted(recorded(AREA)) == sorted(PROGRAMS)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_says_what_pytorch_says(name: str) -> None:
    found = difference(recorded(AREA)[name], told(PROGRAMS[name], cotangent))
    assert found is None, found


def test_a_function_may_keep_what_it_likes_in_its_context() -> None:
    class Reduced(cotangent.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.op = "sum"  # nodes of operators have an attribute of this name
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            assert ctx.op == "sum"
            return g * 2

    x = cotangent.ones(3, requires_grad=True)
    assert cotangent.autograd.grad(Reduced.apply(x).sum(), x)[0].tolist() == [2.0] * 3
