"""Members of modules by their paths, against PyTorch's accessor."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

import cotangent


def model(t: Any) -> Any:
    inner = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.BatchNorm1d(1, affine=False))
    inner.register_buffer("seen", t.zeros(1))
    inner.note = "text"
    outer = t.nn.Sequential(inner, t.nn.Linear(1, 1, bias=False))
    with t.no_grad():
        for p in outer.parameters():
            p.fill_(0.5)
    return outer


def kept(t: Any, m: Any, call: Callable[[], Any]) -> Any:
    """What a call raises, and that the model is as it was."""
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error), {k: v.tolist() for k, v in m.module.state_dict().items()}
    raise AssertionError


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "tensor": lambda t, m: m.get_tensor("0.0.weight").tolist(),
    "tensors": lambda t, m: [x.tolist() for x in m.get_tensors(["0.seen", "1.weight"])],
    "no bias": lambda t, m: m.get_tensor("1.bias"),
    "no such tensor": lambda t, m: m.get_tensor("0.0.weights"),
    "a text": lambda t, m: m.get_tensor("0.note"),
    "no such module": lambda t, m: m.get_submodule("0.7.1"),
    "no module": lambda t, m: m.get_submodule("0.note"),
    "module": lambda t, m: [type(m.get_submodule(n)).__name__ for n in ("", "0", "0.0")],
    "set": lambda t, m: (
        m.set_tensors(["0.0.weight", "0.x"], [t.ones(1, 1), t.ones(2)]),
        type(m.get_tensor("0.0.weight")).__name__,
        m.get_tensor("0.x").tolist(),
    ),
    "set to a number": lambda t, m: m.set_tensor("0.0.weight", 3),
    "set too few": lambda t, m: m.set_tensors(["0.0.weight"], []),
    "set at nothing": lambda t, m: m.set_tensor("0.", t.ones(1)),
    "set by dictionary": lambda t, m: (
        m.set_tensors_dict({"0.seen": t.ones(1)}),
        m.get_tensor("0.seen").tolist(),
    ),
    "deleted": lambda t, m: (m.del_tensors(["0.seen"]), m.check_keys(["0.0.weight", "x"])),
    "deleted twice": lambda t, m: (m.del_tensor("0.seen"), m.del_tensor("0.seen")),
    "swapped": lambda t, m: [x.tolist() for x in m.swap_tensors(["0.seen", "1.weight"], [t.ones(1), None])],
    "swapped with a text": lambda t, m: m.swap_tensor("0.note", t.ones(1)),
    "swapped with nothing": lambda t, m: m.swap_tensor("0.nothing", t.ones(1)),
    "swapped by dictionary": lambda t, m: [
        x.tolist() for x in m.swap_tensors_dict({"0.seen": t.ones(1), "1.weight": t.ones(1, 1)})[0].values()
    ],
    "swapped by dictionary, lacking": lambda t, m: kept(
        t, m, lambda: m.swap_tensors_dict({"0.seen": t.ones(1), "0.nothing": t.ones(1)})
    ),
    "swapped by dictionary, allowed": lambda t, m: m.swap_tensors_dict({"0.x": t.ones(1)}, True)[1],
    "swapped by dictionary, failing": lambda t, m: kept(
        t, m, lambda: m.swap_tensors_dict({"0.seen": t.ones(1), "0.note": t.ones(1)})
    ),
    "module swapped": lambda t, m: (
        type(m.swap_submodule("0.1", t.nn.ReLU())).__name__,
        type(m.module[0][1]).__name__,
    ),
    "module swapped with nothing": lambda t, m: m.swap_submodule("0.x", t.nn.ReLU()),
    "module swapped for a text": lambda t, m: m.swap_submodule("0.1", "text"),
    "names": lambda t, m: [[n for n, _ in m.named_tensors()], [n for n, _ in m.named_modules()]],
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_do_the_same(name: str) -> None:
    found = []
    for t in (cotangent, torch):
        home = importlib.import_module(f"{t.__name__}.nn.utils._named_member_accessor")
        try:
            found.append(CALLS[name](t, home.NamedMemberAccessor(model(t))))
        except Exception as error:
            found.append((type(error).__name__, str(error)))
    assert found[0] == found[1]
