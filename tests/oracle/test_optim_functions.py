"""Optimizers as functions of lists: the same steps as PyTorch's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

import cotangent

ADAM = {"amsgrad": True, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1, "eps": 1e-6}
# name -> how many lists of state, and options
STEPS: dict[str, tuple[int, dict[str, Any]]] = {
    "adadelta": (2, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    "adagrad": (1, {"lr": 0.5, "weight_decay": 0.1, "lr_decay": 0.1, "eps": 1e-6, "maximize": False}),
    "adam": (3, {**ADAM, "maximize": False}),
    "adamw": (3, {**ADAM, "maximize": True}),
    "adamax": (2, {"eps": 1e-6, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1}),
    "radam": (2, {"beta1": 0.9, "beta2": 0.9, "lr": 0.1, "weight_decay": 0.1, "eps": 1e-6}),
    "rmsprop": (
        3,
        {"lr": 0.1, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5, "centered": True},
    ),
}


def lists(t: Any, count: int) -> list[list[Any]]:
    return [[t.zeros(2, 2), t.zeros(3)] for _ in range(count)]


def run(t: Any, steps: Callable[[Any, Any, list[Any], list[Any]], list[Any]]) -> list[Any]:
    params = [t.arange(4.0).reshape(2, 2).cos(), t.arange(3.0).sin()]
    grads = [t.arange(4.0).reshape(2, 2).sin(), t.arange(3.0).cos()]
    kept = steps(t, importlib.import_module(f"{t.__name__}.optim._functional"), params, grads)
    return [each.tolist() for each in (*params, *kept)]


def close(ours: list[Any], theirs: list[Any]) -> bool:
    flat = [
        torch.tensor(each, dtype=torch.float64).flatten().tolist() for side in (ours, theirs) for each in side
    ]
    return flat[: len(ours)] == [pytest.approx(each, rel=1e-5, abs=1e-6) for each in flat[len(ours) :]]


@pytest.mark.parametrize("name", STEPS)
def test_steps(name: str) -> None:
    count, options = STEPS[name]

    def steps(t: Any, functions: Any, params: list[Any], grads: list[Any]) -> list[Any]:
        state, counts = lists(t, count), [t.tensor(0.0), t.tensor(0.0)]
        for _ in range(8):
            getattr(functions, name)(params, grads, *state, counts, **options)
        return [*(each for listed in state for each in listed), *counts]

    assert close(run(cotangent, steps), run(torch, steps))


@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(momentum: float, nesterov: bool) -> None:
    options = {"weight_decay": 0.1, "lr": 0.1, "dampening": 0.0, "maximize": False}

    def steps(t: Any, functions: Any, params: list[Any], grads: list[Any]) -> list[Any]:
        velocities: list[Any] = [None, None]
        for _ in range(3):
            functions.sgd(params, grads, velocities, momentum=momentum, nesterov=nesterov, **options)
        return [each for each in velocities if each is not None]

    assert close(run(cotangent, steps), run(torch, steps))


def test_modules_have_their_functions() -> None:
    for name in (*STEPS, "sgd"):
        for t in (cotangent, torch):
            module = importlib.import_module(f"{t.__name__}.optim.{name}")
            assert getattr(module, name) is getattr(
                importlib.import_module(f"{t.__name__}.optim._functional"), name
            )
