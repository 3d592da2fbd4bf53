"""Averages of weights, and optimizers that optim_db tries on few shapes: the same on both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.optim.swa_utils

import cotangent


def numbers(values: Any) -> list[str]:
    """The numbers of tensors, to five digits."""
    return [f"{v:.5g}" for t in values for v in t.detach().flatten().tolist()]


def trained(xp: Any, average: Any, steps: int = 5) -> list[str]:
    xp.manual_seed(0)
    model = xp.nn.Sequential(xp.nn.Linear(3, 4), xp.nn.Tanh(), xp.nn.Linear(4, 1))
    optimizer = xp.optim.SGD(model.parameters(), lr=0.1)
    averaged = average(xp, model)
    for _ in range(steps):
        optimizer.zero_grad()
        model(xp.ones(2, 3)).square().sum().backward()
        optimizer.step()
        averaged.update_parameters(model)
    return [*numbers(averaged.parameters()), str(averaged.n_averaged), str(list(averaged.state_dict()))]


AVERAGES: dict[str, Callable[[Any, Any], Any]] = {
    "swa": lambda xp, m: xp.optim.swa_utils.AveragedModel(m),
    "ema": lambda xp, m: xp.optim.swa_utils.AveragedModel(
        m, multi_avg_fn=xp.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    ),
    "ema, one by one": lambda xp, m: xp.optim.swa_utils.AveragedModel(
        m, avg_fn=xp.optim.swa_utils.get_ema_avg_fn(0.9), use_buffers=True
    ),
    "swa, one by one": lambda xp, m: xp.optim.swa_utils.AveragedModel(
        m, avg_fn=xp.optim.swa_utils.get_swa_avg_fn()
    ),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages(name: str) -> None:
    assert trained(cotangent, AVERAGES[name]) == trained(torch, AVERAGES[name])


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 4])
@pytest.mark.parametrize("target", [0.05, [0.5, 0.01]])
def test_schedule(strategy: str, epochs: int, target: Any) -> None:
    def rates(xp: Any) -> list[Any]:
        groups = [{"params": [xp.nn.Parameter(xp.ones(1))], "lr": lr} for lr in (0.1, 1.0)]
        optimizer = xp.optim.SGD(groups, lr=1.0)
        schedule = xp.optim.swa_utils.SWALR(optimizer, target, anneal_epochs=epochs, anneal_strategy=strategy)
        found = []
        for _ in range(6):
            optimizer.step()
            schedule.step()
            found.append([f"{lr:.9g}" for lr in schedule.get_last_lr()])
        return found

    assert rates(cotangent) == rates(torch)


@pytest.mark.parametrize(
    "make",
    [
        lambda xp: xp.optim.swa_utils.get_ema_avg_fn(1.5),
        lambda xp: xp.optim.swa_utils.SWALR(xp.optim.SGD([xp.nn.Parameter(xp.ones(1))]), [1.0, 2.0]),
        lambda xp: xp.optim.swa_utils.SWALR(
            xp.optim.SGD([xp.nn.Parameter(xp.ones(1))]), 1.0, anneal_strategy="x"
        ),
        lambda xp: xp.optim.swa_utils.SWALR(
            xp.optim.SGD([xp.nn.Parameter(xp.ones(1))]), 1.0, anneal_epochs=-1
        ),
        lambda xp: xp.optim.Adafactor([xp.nn.Parameter(xp.ones(1))], d=0.5),
        lambda xp: xp.optim.Adafactor([xp.nn.Parameter(xp.ones(1))], beta2_decay=0.1),
        lambda xp: xp.optim.Adafactor([xp.nn.Parameter(xp.ones(1))], eps=(-1, 1)),
        lambda xp: xp.optim.Muon([xp.nn.Parameter(xp.ones(3))]),
        lambda xp: xp.optim.Muon([xp.nn.Parameter(xp.ones(3, 3))], adjust_lr_fn="x"),
        lambda xp: xp.optim.Muon([xp.nn.Parameter(xp.ones(3, 3))], momentum=-1),
    ],
)
def test_refusals(make: Callable[[Any], Any]) -> None:
    texts = []
    for xp in (cotangent, torch):
        with pytest.raises(ValueError, match=r".") as caught:
            make(xp)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def parameter(xp: Any, *shape: int) -> Any:
    count = 1
    for n in shape:
        count *= n
    return xp.nn.Parameter(xp.arange(1.0, 1 + count).reshape(shape) / 10)


@pytest.mark.parametrize(
    ("name", "options", "digits"),
    [
        ("Adafactor", {"weight_decay": 0.1}, 5),
        ("Adafactor", {"maximize": True, "eps": (1e-3, 1e-2), "d": 2.0, "lr": 0.5}, 5),
        ("Muon", {}, 3),
        ("Muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0, "lr": 0.1}, 3),
    ],
)
def test_steps_of_optimizers(name: str, options: dict[str, Any], digits: int) -> None:
    """Muon iterates in bfloat16, which leaves about three digits."""

    def run(xp: Any) -> list[str]:
        shapes = [(2, 3), (4, 2)] if name == "Muon" else [(2, 3), (4,), (2, 2, 3), ()]
        ps = [parameter(xp, *shape) for shape in shapes]
        optimizer = getattr(xp.optim, name)(ps, **options)
        for step in range(4):
            for p in ps:
                p.grad = xp.cos(p.detach() * (step + 1))
            optimizer.step()
        return [f"{v:.{digits}g}" for p in ps for v in p.detach().flatten().tolist()]

    assert run(cotangent) == run(torch)
