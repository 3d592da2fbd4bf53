"""The edges of nodes and what hooks of nodes see are of the inputs that have a derivative, as in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import cotangent

LIBRARIES = {"torch": torch, "cotangent": cotangent}
CALLS = """
x.gather(0, places)
2 - x
torch.rsub(x, 2)
torch.rsub(x, torch.ones(3))
x * 2
x.where(x > 0, torch.zeros(3))
x.index_select(0, places)
written((x * 2), [0, 1], 0.5)
written((x * 2), x > 0, 0.5)
written((x * 2)[:2], [0, 1], 0.5)
written((x * 2)[:2], 0, 0.5)
written((x * 2)[:2], [0, 1], x[:2])
torch.nn.functional.embedding(places, torch.ones(2, 2, requires_grad=True))
x.masked_fill(x > 0, 3.0)
x.pow(2)
2**x
2 / x
x.clamp(0, 1)
x.masked_scatter(x > 0, torch.ones(3))
x.scatter(0, places, torch.ones(2))
x.scatter(0, places, 2.0)
x.index_add(0, places, torch.ones(2))
torch.take(x, places)
torch.nn.functional.nll_loss(x.view(1, 3), torch.tensor([0]))
""".strip().split("\n")


def told(call: str, library: Any) -> list[Any]:
    lines: list[Any] = []

    def written(t: Any, places: Any, values: Any) -> Any:
        t[places] = values
        return t if t._base is None else t._base

    scope = {"torch": library, "written": written, "x": library.ones(3, requires_grad=True)}
    scope["places"] = library.tensor([0, 1])
    y = eval(call, scope)
    node = y.grad_fn

    def hook(given: Any, got: Any) -> None:
        lines.append([None if g is None else g.tolist() for g in given] + [len(got)])

    node.register_hook(hook)
    y.sum().backward()
    lines.append((node.name(), [f and f.name().replace("struct ", "") for f, _ in node.next_functions]))
    return [*lines, scope["x"].grad is not None and scope["x"].grad.tolist()]


@pytest.mark.parametrize("call", CALLS)
def test_inputs_of_nodes(call: str) -> None:
    assert told(call, cotangent) == told(call, torch)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_hook_replaces_the_gradients_it_saw(name: str) -> None:
    library: Any = LIBRARIES[name]
    x = library.ones(3, requires_grad=True)
    y = x.gather(0, library.tensor([2, 0]))
    y.grad_fn.register_hook(lambda given, got: (given[0] * 5,))
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 0.0, 5.0]
    y = 2 - x
    y.grad_fn.register_hook(lambda given, got: (None, None))
    with pytest.raises(RuntimeError, match=r"incorrect number of values \(got 2, but expected 1\)"):
        y.sum().backward()
