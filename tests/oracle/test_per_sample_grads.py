"""Gradients of each sample of a batch, against PyTorch's and against a loop over the samples."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

import cotangent

MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "linear": (lambda t: t.nn.Linear(3, 2), (4, 3)),
    "linear over a sequence": (lambda t: t.nn.Linear(3, 2, bias=False), (4, 5, 3)),
    "two layers": (lambda t: t.nn.Sequential(t.nn.Linear(3, 5), t.nn.Tanh(), t.nn.Linear(5, 1)), (4, 3)),
    "convolution": (lambda t: t.nn.Conv2d(2, 3, 3, padding=1, stride=2), (4, 2, 5, 5)),
    "convolution of groups": (lambda t: t.nn.Conv1d(4, 4, 2, groups=2), (3, 4, 6)),
    "layer norm": (lambda t: t.nn.Sequential(t.nn.Linear(3, 4), t.nn.LayerNorm(4)), (4, 3)),
    "group norm": (lambda t: t.nn.GroupNorm(2, 4), (3, 4, 5)),
    "instance norm": (lambda t: t.nn.InstanceNorm1d(4, affine=True), (3, 4, 5)),
}


def call_of(t: Any) -> Any:
    return importlib.import_module(f"{t.__name__}.nn.utils._per_sample_grad").call_for_per_sample_grads


def samples(t: Any, name: str, **options: Any) -> list[Any]:
    make, shape = MODELS[name]
    model = make(t).double()
    generator = torch.Generator().manual_seed(0)
    with t.no_grad():
        for p in model.parameters():
            p.copy_(t.tensor(torch.randn(p.shape, generator=generator).tolist(), dtype=t.float64))
    x = t.tensor(torch.randn(shape, generator=generator).tolist(), dtype=t.float64, requires_grad=True)
    y = call_of(t)(model, **options)(x)
    y = y.reshape(shape[0], -1).pow(2).sum(1)
    (y.mean() if options.get("loss_reduction") == "mean" else y.sum()).backward()
    assert all(p.grad is None for p in model.parameters())
    return [torch.tensor(found.tolist()) for found in (*[p.grad_sample for p in model.parameters()], x.grad)]


@pytest.mark.parametrize("options", [{}, {"loss_reduction": "mean"}], ids=["sum", "mean"])
@pytest.mark.parametrize("name", MODELS)
def test_samples_have_pytorchs_gradients(name: str, options: dict[str, Any]) -> None:
    ours, theirs = samples(cotangent, name, **options), samples(torch, name, **options)
    torch.testing.assert_close(ours, theirs)


def test_embeddings() -> None:
    found = []
    for t in (cotangent, torch):
        model = t.nn.Embedding(5, 2)
        y = call_of(t)(model)(t.tensor([[1, 2, 1], [0, 4, 4]]))
        (y * t.arange(12.0).view(2, 3, 2)).sum().backward()
        found.append(model.weight.grad_sample.tolist())
    assert found[0] == found[1]


def refused(t: Any, name: str) -> tuple[str, str]:
    call = call_of(t)
    layer = t.nn.Linear(2, 2)
    with t.no_grad():
        layer.weight.fill_(1.0)
    x = t.ones(3, 2)
    try:
        match name:
            case "reduction":
                call(layer, loss_reduction="max")
            case "module":
                call(3)
            case "size":
                call(layer, batch_size="a")
            case "no size":
                call(layer, batch_size=0)
            case "no tensor":
                call(layer)()
            case "other sizes":
                call(t.nn.Bilinear(2, 2, 2))(x, t.ones(2, 2))
            case "another function":
                call(t.nn.Bilinear(2, 2, 2))(x, x)
            case "again":
                call(layer)(x).sum().backward()
                call(layer)
    except RuntimeError as error:
        return type(error).__name__, str(error)
    raise AssertionError


@pytest.mark.parametrize(
    "name",
    ["reduction", "module", "size", "no size", "no tensor", "other sizes", "another function", "again"],
)
def test_refusals(name: str) -> None:
    assert refused(cotangent, name) == refused(torch, name)
