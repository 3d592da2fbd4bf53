"""Optimizers whose parameters are updated together by one generated kernel: the same bits as with NumPy."""

from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.kernels import groups, runtime, sized
from cotangent.optim import _update

SHAPES = [(150, 120), (7,), (), (33, 3, 5), (0, 4), (1,)]
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("ASGD", {}),
    ("Rprop", {}),
]


def trained(name: str, options: dict[str, Any], dtype: Any) -> list[bytes]:
    rng = np.random.default_rng(0)
    parameters = [torch.nn.Parameter(torch.tensor(rng.standard_normal(s)).to(dtype)) for s in SHAPES]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    for step in range(4):
        for i, p in enumerate(parameters):
            # One parameter starts late, so that numbers differ within the group.
            p.grad = None if i == 1 and step < 2 else torch.tensor(rng.standard_normal(p.shape)).to(dtype)
        optimizer.step()
    return [p.detach().float().numpy().tobytes() for p in parameters]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_the_same_bits(
    name: str, options: dict[str, Any], dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sized._state, "on", False)
    monkeypatch.setattr(sized._state, "off", True)
    expected = trained(name, options, dtype)
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)
    used: list[bool] = []
    update = groups.update

    def watched(*args: Any) -> bool:
        used.append(update(*args))
        return used[-1]

    monkeypatch.setattr(_update.groups, "update", watched)
    assert trained(name, options, dtype) == expected
    assert used and all(used)


def test_a_parameter_given_twice_keeps_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones(5, np.float32)

    def rule(xp: Any, t: Any, u: Any, tensors: Any, numbers: Any) -> Any:
        p, g = tensors
        return (xp.subtract(p, xp.multiply(g, numbers[0], t), p),)

    assert runtime.ready()
    assert not groups.update(rule, [[a, a.copy()], [a, a.copy()]], [[1.0], [1.0]], ())
    assert groups.update(rule, [[a, a.copy()]], [[0.5]], ())
    assert (a == 0.5).all()
