"""Optimizers that are given gradients do the steps of PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the oracle's are scripted when they are imported
    import torch.distributed.optim

OPTIONS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "Adadelta": ((0.5, 0.8), {"weight_decay": 0.1}),
    "Adagrad": ((0.1, 0.01), {"initial_accumulator_value": 0.5, "warmup_num_iters": 3.0}),
    "Adam": ((0.1, (0.8, 0.9)), {"amsgrad": True}),
    "AdamW": ((0.1,), {"maximize": True}),
    "Adamax": ((), {"eps": 1e-6}),
    "RMSprop": ((0.1, 0.9), {"momentum": 0.5, "centered": True}),
    "Rprop": ((0.1, (0.4, 1.3), (1e-5, 10.0)), {}),
    "SGD": ((0.1, 0.9), {"nesterov": True, "weight_decay": 0.2}),
}
START, GRADIENTS = np.linspace(-1, 2, 6).reshape(2, 3), np.random.default_rng(0).standard_normal((4, 2, 3))


def told(call: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except Exception as error:
            result = type(error).__name__, str(error).replace("cotangent.", "torch.")
    return result, sorted({str(each.message) for each in caught})


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("name", OPTIONS)
def test_steps(name: str, given: bool) -> None:
    args, options = OPTIONS[name] if given else ((), {})

    def run(t: Any) -> Any:
        w, fixed = t.tensor(START), t.tensor([1.0])
        optimizer = getattr(t.distributed.optim, f"_Functional{name}")([w, fixed], *args, **options)
        found = []
        for g in GRADIENTS:
            # PyTorch's Adagrad does not take None, as its others do.
            optimizer.step([t.tensor(g), t.zeros(1) if name == "Adagrad" else None])
            found.append(w.tolist())
        return found, fixed.tolist(), w.grad

    (ours, notes), (theirs, expected) = told(lambda: run(cotangent)), told(lambda: run(torch))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    assert ours[1:] == theirs[1:]
    assert notes == expected


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_single_parameters(name: str) -> None:
    def run(t: Any) -> Any:
        optimizer = t.distributed.optim.as_functional_optim(getattr(t.optim, name), lr=0.1)
        first, second = t.tensor(START), t.tensor(START[0])
        for g in GRADIENTS:
            optimizer.step_param(first, t.tensor(g))
            optimizer.step_param(second, t.tensor(g[0]))
        return first.tolist(), second.tolist()

    (ours, _), (theirs, _) = told(lambda: run(cotangent)), told(lambda: run(torch))
    for mine, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.distributed.optim.as_functional_optim(t.optim.LBFGS),
        lambda t: t.distributed.optim._FunctionalSGD([]),
        lambda t: t.distributed.optim._FunctionalAdam([t.ones(1)], -1.0),
        lambda t: t.distributed.optim._FunctionalSGD([t.ones(1)]).step([]),
    ],
)
def test_errors(call: Any) -> None:
    ours, theirs = told(lambda: call(cotangent)), told(lambda: call(torch))
    if theirs[0][0] == "Error":  # raised by TorchScript, which gives the text below its own
        assert ours[0][1] in theirs[0][1]
    else:
        assert ours == theirs


def test_register() -> None:
    from cotangent.distributed.optim.utils import functional_optim_map, register_functional_optim

    class Mine:
        def __init__(self, params: list[Any], scale: float, _allow_empty_param_list: bool = False) -> None:
            self.scale = scale

    register_functional_optim("mine", Mine)
    register_functional_optim("mine", None)
    try:
        assert cotangent.distributed.optim.as_functional_optim("mine", 3.0).scale == 3.0
    finally:
        del functional_optim_map["mine"]
