"""What of a compiled function becomes one loop, and that it gives what eager gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch
from cotangent.kernels import runtime

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="there is no machine code here")
F = torch.nn.functional


def _units(function: Callable[..., Any], *args: Any) -> list[str]:
    """The units of a function's program, after its results have been compared with eager's."""
    compiled = torch.compile(function)
    for _ in range(2):
        torch.testing.assert_close(compiled(*args), function(*args))
    text = compiled.show()
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line[:4].strip().isdigit()]


def test_a_formula_and_its_derivatives_are_one_loop() -> None:
    torch.manual_seed(0)
    s, v, t = (torch.rand(200_000).add_(0.5).requires_grad_() for _ in range(3))

    def price(s: Any, v: Any, t: Any) -> Any:
        spread = v * t.sqrt()
        d = (torch.log(s) + v * v / 2 * t) / spread
        value = s * (1 + torch.erf(d)) - torch.exp(-t) * (1 + torch.erf(d - spread))
        delta, vega, theta = torch.autograd.grad(value.sum(), (s, v, t))
        return value.detach().mean(), (delta + vega + theta).mean()

    units = _units(price, s, v, t)
    assert [unit.partition(" ")[0] for unit in units if "200000" in unit] == ["loop"], units


def test_outer_products_are_computed_where_they_are_read() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(8, 300, 1), torch.randn(8, 1, 200)
    units = _units(lambda a, b: ((a @ b).transpose(1, 2) ** 2).sum(), a, b)
    assert [unit for unit in units if "product" in unit or "NumPy" in unit] == []
    assert sum("loop [8" in unit for unit in units) == 1, units


def test_scalar_operations_follow_a_transposition() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 1, 70, 30)

    def function(x: Any) -> Any:
        y = torch.tanh(x).permute(3, 1, 0, 2)
        return (y * y + 1).sum((0, 2)), (y * 2).amax((1, 3))

    units = _units(function, x)
    assert sum("tanh" in unit for unit in units) == 1
    assert _units(lambda x: (torch.tanh(x).permute(3, 1, 0, 2) * 2).contiguous(), x)


def test_constants_through_a_gradient_stay_numbers() -> None:
    x = torch.randn(300_000, requires_grad=True)

    def function(x: Any) -> Any:
        return torch.autograd.grad((1 - x.sin() * 3).sum(), x)[0]

    units = _units(function, x)
    assert len(units) == 1, units
    assert "neg" not in units[0]


@pytest.mark.parametrize(
    ("ignored", "weighed", "reduction"),
    [*itertools.product((-100, 0, 3), (False, True), ("mean", "sum", "none"))],
)
def test_losses_with_classes_that_are_ignored(ignored: int, weighed: bool, reduction: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 4, requires_grad=True)
    target = torch.tensor([0, 1, 2, 0, 3, 1])
    weight = torch.rand(4) if weighed else None

    def function(x: Any) -> Any:
        options = {"ignore_index": ignored, "weight": weight, "reduction": reduction}
        loss = F.cross_entropy(x, target, **options)
        nll = F.nll_loss(x, target, **options)
        return loss.detach(), nll.detach(), torch.autograd.grad((loss * loss + nll).sum(), x)[0]

    assert not any("NumPy" in unit for unit in _units(function, x))
