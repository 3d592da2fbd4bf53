"""`absorbing_zeros`: nine programs with a masked singular branch have the expected finite gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.autograd.base import active

Program = tuple[Callable[[Any], Any], list[float], list[float]]
F64 = {"dtype": torch.float64}


def norm_or_zero(x: Any) -> Any:
    squares = (x * x).sum()
    return torch.where(squares > 0, squares.sqrt(), 0.0)


# function, where, the gradient by hand
PROGRAMS: dict[str, Program] = {
    "sqrt at 0": (lambda x: torch.where(x > 0, x.sqrt(), 0.0), [0.0, 4.0], [0.0, 0.25]),
    "log at 0": (lambda x: torch.where(x > 0, x.log(), x), [0.0, 2.0], [1.0, 0.5]),
    "1 / x at 0": (lambda x: torch.where(x != 0, 1 / x, 0.0), [0.0, 2.0], [0.0, -0.25]),
    "a root by pow": (lambda x: torch.where(x > 0, x**0.5, 3 * x), [0.0, 9.0], [3.0, 1 / 6]),
    "acos outside of its domain": (
        lambda x: torch.where(x.abs() < 1, x.acos(), 0.0), [1.0, 0.6], [0.0, -1 / 0.8]
    ),
    "a norm of zeros": (norm_or_zero, [0.0, 0.0], [0.0, 0.0]),
    "x log x": (lambda x: torch.where(x > 0, x * x.log(), 0.0), [0.0, math.e], [0.0, 2.0]),
    "sin x / x": (
        lambda x: torch.where(x == 0, torch.ones_like(x), x.sin() / x), [0.0, math.pi], [0.0, -1 / math.pi]
    ),
    "an overflowing exp filled over": (
        lambda x: x.exp().masked_fill(x > 700, 0.0) + x, [1000.0, 0.0], [1.0, 2.0]
    ),
}  # fmt: skip
NAMES = list(PROGRAMS)


def leaf(values: list[float]) -> Any:
    return torch.tensor(values, **F64).requires_grad_()


@pytest.mark.parametrize("name", NAMES)
def test_nan_without_and_finite_with(name: str) -> None:
    function, at, wanted = PROGRAMS[name]
    x = leaf(at)
    (plain,) = torch.autograd.grad(function(x).sum(), x)
    assert not plain.isfinite().all()
    y = function(x).sum()
    with torch.autograd.absorbing_zeros():
        y.backward()
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_second_order_is_finite_and_right(name: str) -> None:
    function, at, _ = PROGRAMS[name]
    x = leaf(at)
    with torch.autograd.absorbing_zeros():
        (first,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, allow_unused=True, materialize_grads=True)
    assert second.isfinite().all()
    regular = leaf(at[1:])
    (slope,) = torch.autograd.grad(function(regular).sum(), regular, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), regular, allow_unused=True, materialize_grads=True)
    if name != "a norm of zeros":
        np.testing.assert_allclose(second[1:].numpy(), curvature.numpy(), rtol=1e-10)
        assert float(second[0]) == 0


@pytest.mark.parametrize("name", [n for n in NAMES if n != "a norm of zeros"])
def test_under_func_grad_and_vmap(name: str) -> None:
    function, at, wanted = PROGRAMS[name]
    x = torch.tensor(at, **F64)
    with torch.autograd.absorbing_zeros():
        whole = torch.func.grad(lambda t: function(t).sum())(x)
        each = torch.func.vmap(torch.func.grad(function))(x)
    np.testing.assert_allclose(whole.numpy(), wanted, rtol=1e-12)
    np.testing.assert_allclose(each.numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_under_jvp(name: str) -> None:
    function, at, wanted = PROGRAMS[name]
    x = torch.tensor(at, **F64)
    with torch.autograd.absorbing_zeros():
        value, tangent = torch.func.jvp(function, (x,), (torch.ones_like(x),))
        _, still = torch.func.jvp(torch.sqrt, (x * 0,), (torch.zeros_like(x),))
    np.testing.assert_allclose(tangent.numpy(), wanted if value.ndim else sum(wanted), rtol=1e-12)
    assert still.tolist() == [0.0, 0.0]


def test_in_float32_with_broadcasting_and_views() -> None:
    x = torch.tensor([[0.0], [4.0]], requires_grad=True)
    scale = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.where((x > 0).expand(2, 2), (x.sqrt() * scale).t().t(), 0.0)
    with torch.autograd.absorbing_zeros():
        y.sum().backward()
    assert x.grad.tolist() == [[0.0], [0.75]]
    assert scale.grad.tolist() == [2.0, 2.0]


def test_gradients_that_are_not_zero_stay_as_they_are() -> None:
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    with torch.autograd.absorbing_zeros():
        x.sqrt().sum().backward()
    assert x.grad.tolist() == [math.inf, 0.5]


def test_it_ends_nests_and_decorates() -> None:
    x = leaf([0.0])

    def gradient() -> Any:
        return torch.autograd.grad(torch.where(x > 0, x.sqrt(), 0.0).sum(), x)[0]

    with torch.autograd.absorbing_zeros():
        with torch.autograd.absorbing_zeros():
            assert gradient() == 0
        assert gradient() == 0
    assert gradient().isnan()
    assert torch.autograd.absorbing_zeros()(gradient)() == 0
    assert active.absorbing == 0


def test_a_compiled_function_sees_the_block() -> None:
    @torch.compile
    def step(x: Any) -> Any:
        return torch.autograd.grad(torch.where(x > 0, x.sqrt(), 0.0).sum(), x)[0]

    x = torch.tensor([0.0, 4.0], requires_grad=True)
    assert step(x)[0].isnan()
    with torch.autograd.absorbing_zeros():
        assert step(x).tolist() == [0.0, 0.25]
    assert step(x)[0].isnan()
