"""Optimizers, schedules and modules exchange their state with PyTorch's, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda t, p: t.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda t, p: t.optim.Adam(p, lr=0.1, amsgrad=True),
    "adamw": lambda t, p: t.optim.AdamW(p, lr=0.1),
    "adagrad": lambda t, p: t.optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "rmsprop": lambda t, p: t.optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    "adadelta": lambda t, p: t.optim.Adadelta(p, lr=0.5),
    "adamax": lambda t, p: t.optim.Adamax(p, lr=0.1),
    "nadam": lambda t, p: t.optim.NAdam(p, lr=0.1),
    "radam": lambda t, p: t.optim.RAdam(p, lr=0.1),
    "rprop": lambda t, p: t.optim.Rprop(p, lr=0.1),
    "asgd": lambda t, p: t.optim.ASGD(p, lr=0.1, t0=2.0),
    "lbfgs": lambda t, p: t.optim.LBFGS(p, lr=0.1, max_iter=3),
}
START = np.linspace(-1.0, 1.0, 6).reshape(2, 3)


def carried(value: Any, to: Any) -> Any:
    """A state with the tensors of the one package turned into the other's."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        return to.from_numpy(np.array(value.detach().numpy()))
    if isinstance(value, dict):
        return {key: carried(item, to) for key, item in value.items()}
    if isinstance(value, list):
        return [carried(item, to) for item in value]
    return value


def steps(t: Any, parameter: Any, optimizer: Any, count: int) -> None:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((parameter**2 - 0.5) ** 2).sum()
        loss.backward()
        return loss.detach()

    for _ in range(count):
        optimizer.step(closure)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("source", "target"), [(torch, cotangent), (cotangent, torch)], ids=["from", "to"])
def test_an_optimizer_goes_on_where_the_other_stopped(name: str, source: Any, target: Any) -> None:
    make = OPTIMIZERS[name]
    one = source.tensor(START.tolist(), dtype=source.float64, requires_grad=True)
    first = make(source, [one])
    steps(source, one, first, 4)
    other = target.tensor(one.detach().tolist(), dtype=target.float64, requires_grad=True)
    second = make(target, [other])
    second.load_state_dict(carried(first.state_dict(), target))
    steps(source, one, first, 4)
    steps(target, other, second, 4)
    np.testing.assert_allclose(other.detach().numpy(), one.detach().numpy(), rtol=1e-7, atol=1e-9)
    assert first.state_dict().keys() == second.state_dict().keys()
    assert carried(first.state_dict()["param_groups"], target) == second.state_dict()["param_groups"]


@pytest.mark.parametrize(("source", "target"), [(torch, cotangent), (cotangent, torch)], ids=["from", "to"])
def test_a_network_computes_the_same_with_the_other_ones_parameters(source: Any, target: Any) -> None:
    def make(t: Any) -> Any:
        nn = t.nn
        return nn.Sequential(
            nn.Embedding(7, 6),
            nn.Linear(6, 5),
            nn.GELU(),
            nn.LayerNorm(5),
            nn.Sequential(nn.Linear(5, 2)),
            nn.PReLU(),
        )

    one, other = make(source), make(target)
    assert (
        str(other.load_state_dict(carried(dict(one.state_dict()), target)))
        == "<All keys matched successfully>"
    )
    assert repr(one) == repr(other)
    index = [[1, 2, 3], [6, 0, 1]]
    got, expected = (net(t.tensor(index)).detach().numpy() for net, t in ((other, target), (one, source)))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["NAdam", "Rprop"])
def test_gradients_through_steps(name: str) -> None:
    """Derivatives of a differentiable step: in the parameter, the gradient and the state."""

    def run(xp: Any) -> list[Any]:
        numbers = [0.3, -0.2, 0.5, 0.9]
        leaves = [xp.tensor(numbers, dtype=xp.float64).mul(k).requires_grad_() for k in (1.0, 0.7)]
        p, g = (t.clone() for t in leaves)
        p.grad = g
        optimizer = getattr(xp.optim, name)([p], lr=0.1, differentiable=True)
        product = xp.tensor(0.8, dtype=xp.float64, requires_grad=True)
        if name == "NAdam":
            states = {
                "step": xp.tensor(3.0, dtype=xp.float64), "exp_avg": leaves[0] * 0.1,
                "exp_avg_sq": leaves[1] ** 2, "mu_product": product.clone(),
            }  # fmt: skip
            optimizer.state[p].update(states)
        optimizer.step()
        inputs = [*leaves, product] if name == "NAdam" else leaves
        return [d.tolist() for d in xp.autograd.grad((p**2).sum(), inputs)]

    np.testing.assert_allclose(
        np.hstack([np.ravel(d) for d in run(cotangent)]),
        np.hstack([np.ravel(d) for d in run(torch)]),
        rtol=1e-9,
    )
