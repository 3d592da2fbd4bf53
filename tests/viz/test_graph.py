"""`cotangent.graph`: what it knows of a graph, and that looking changes nothing."""

import gc
import math
import weakref
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import drawn
import numpy as np
import pytest

import cotangent as torch
from cotangent import nn
from cotangent.autograd.modes import modes
from cotangent.viz import capture
from cotangent.viz.capture import noted


def facts(graph: Any) -> dict[str, tuple[Any, Any]]:
    """(value, gradient) by name, of the vertices that have single numbers."""
    return {
        name: (v.value.get("item"), v.gradient.get("item") if v.gradient else None)
        for v, name in zip(graph.vertices, graph.names, strict=True)
        if v.value is not None and v.kind != "result"
    }


def neuron() -> Any:
    x1, x2, w1, w2, b = (
        torch.tensor(n, requires_grad=True, dtype=torch.float64)
        for n in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432)
    )
    n = x1 * w1 + x2 * w2 + b
    o = torch.tanh(n)
    return torch.graph(o), o, (x1, x2, w1, w2, b)


def test_the_neuron_of_the_textbooks() -> None:
    graph, o, leaves = neuron()
    assert graph.textbook
    found = facts(graph)
    assert found["x₁"] == (2.0, -1.5) and found["w₁"] == (-3.0, 1.0)
    assert found["x₂"] == (0.0, 0.5) and found["w₂"] == (1.0, 0.0)
    assert found["n"] == (0.88137, 0.5) and found["o"] == (0.70711, 1.0)
    assert sorted(graph.labels.values()) == sorted(
        ["∂v₁/∂x₁ = −3", "∂v₁/∂w₁ = 2", "∂v₂/∂x₂ = 1", "∂v₂/∂w₂ = 0", "∂v₃/∂v₁ = 1", "∂v₃/∂v₂ = 1",
         "∂n/∂v₃ = 1", "∂n/∂b = 1", "∂o/∂n = 0.5"]
    )  # fmt: skip
    o.backward()
    grads = [leaf.grad.item() for leaf in leaves]
    np.testing.assert_allclose(grads, [-1.5, 0.5, 1.0, 0.0, 0.5], atol=1e-12)


def test_gradients_are_those_of_autograd() -> None:
    model, run = drawn.attention()
    loss = run()
    graph = torch.graph(loss)
    found = {(v.module, v.title): v.gradient for v in graph.vertices if v.kind == "parameter"}
    loss.backward()
    assert len(found) == len(list(model.parameters()))
    for name, p in model.named_parameters():
        module, _, title = ("model." + name).rpartition(".")
        assert math.isclose(found[module, title]["norm"], p.grad.norm().item(), rel_tol=1e-4), name


def test_contributions_add_up() -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(-3.0, requires_grad=True)
    assert facts(torch.graph(a * b + a))["a"] == (2.0, -2.0)
    assert facts(torch.graph([a * b, a * 3.0]))["a"] == (2.0, 0.0)


def test_local_derivatives_times_gradients_are_what_flows() -> None:
    x = torch.tensor(0.7, requires_grad=True, dtype=torch.float64)
    y = torch.exp(torch.sin(x) * x) / (1.0 + x**2)
    graph = torch.graph(y)
    checked = 0
    for link in graph.links:
        if link.local and link.gradient:
            incoming = graph.vertices[link.target].gradient["item"]
            product = incoming * link.local["item"]
            assert math.isclose(product, link.gradient["item"], rel_tol=1e-3)
            checked += 1
    assert checked == 8


def test_values_are_computed_again_where_nothing_keeps_them() -> None:
    a = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    graph = torch.graph(((a + 1.0) * 2.0 - a).sum())
    values = [v.value for v in graph.operations]
    assert [v["values"] for v in values[:3]] == [[2.0, 3.0, 4.0], [4.0, 6.0, 8.0], [3.0, 4.0, 5.0]]
    assert values[3]["item"] == 12.0
    assert [v.title for v in graph.vertices if v.kind == "constant"] == ["1", "2"]


def test_names_come_from_variables_and_from_the_source() -> None:
    def inside(a: Any, b: Any) -> Any:
        product = a * b
        total = product + a
        return total.tanh()

    p, q = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    result = inside(p, q)
    graph = torch.graph(result)
    assert [v.name for v in graph.vertices] == ["p", "q", "product", "total", "result", "result"]
    by_call = torch.graph(inside, p, q)
    assert [v.name for v in by_call.vertices] == ["a", "b", "product", "total", "", "output"]
    given = torch.graph(p * q, names={"left": p})
    assert [v.name for v in given.vertices][:2] == ["left", "q"]


@pytest.mark.parametrize("make", [drawn.resnet, drawn.mlp, drawn.rnn])
def test_modules_concluded_afterwards_are_those_captured(make: Any) -> None:
    model, run = make()
    concluded = torch.graph(run(), names={"model": model})
    captured = torch.graph(run, names={"model": model})
    assert [(v.title, v.module) for v in concluded.operations] == [
        (v.title, v.module) for v in captured.operations
    ]
    assert any(v.module for v in concluded.operations)


def test_a_parameter_used_outside_its_module_tells_the_owner() -> None:
    model, run = drawn.attention()  # MultiheadAttention reads out_proj's weight without calling out_proj
    concluded = torch.graph(run(), names={"model": model})
    captured = torch.graph(run, names={"model": model})
    for a, b in zip(concluded.operations, captured.operations, strict=True):
        assert b.module.startswith(a.module) or (b.module, a.module) == ("model.attn", "model.attn.out_proj")


def test_capture_is_exact_and_forgets_with_the_graph() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Softplus(), nn.Dropout(0.5), nn.Linear(3, 1))
    with capture():
        loss = model(torch.ones(2, 3)).mean()
    assert not modes.extras.watchers and modes.grad is True
    graph = torch.graph(loss)
    modules = [v.module for v in graph.operations]
    assert modules == ["model.0", "model.0", "model.1", "model.2", "model.3", "model.3", ""]
    assert all(v.value is not None for v in graph.operations)
    before = len(noted)
    del loss, graph
    gc.collect()
    assert len(noted) == before - 7


def test_variables_looked_at_do_not_live_longer() -> None:
    x = torch.ones((), requires_grad=True)
    y = x.exp()
    node = weakref.ref(y.grad_fn)
    held = locals()
    torch.graph(y)
    assert held["x"] is x
    del held
    torch.graph(y)
    del y
    assert node() is None


def test_nothing_is_noted_unless_asked_for() -> None:
    gc.collect()
    before = len(noted)
    drawn.mlp()[1]()
    assert len(noted) == before and not modes.extras.any()


def test_looking_changes_nothing() -> None:
    seen = []
    w = torch.ones(2, requires_grad=True)
    h = w * 3.0
    h.register_hook(seen.append)
    loss = (h * h).sum()
    torch.graph(loss)
    torch.graph(loss).html()
    assert seen == [] and w.grad is None and w._version == 0
    loss.backward()
    assert len(seen) == 1 and w.grad.tolist() == [18.0, 18.0]
    torch.graph((w * 2.0).sum())
    assert w.grad.tolist() == [18.0, 18.0]


def test_a_freed_graph_says_so_and_keeps_its_shape() -> None:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    loss = (x.exp() * x).sum()
    loss.backward()
    graph = torch.graph(loss)
    assert graph.freed and [v.title for v in graph.operations] == ["exp", "mul", "sum"]
    leaf = next(v for v in graph.vertices if v.kind == "leaf")
    assert leaf.gradient["values"] == pytest.approx(x.grad.tolist(), rel=1e-4)
    warning = '<div class="warn"'
    assert warning in graph.html() and warning not in torch.graph(x.sum()).html()


def test_several_outputs_functions_of_the_user_and_writes_in_place() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = torch.tensor([[3.0, 1.0], [2.0, 4.0]], requires_grad=True)
    values, _ = torch.sort(Double.apply(x), dim=1)
    a, b = values.unbind(1)
    a = a.clone()
    a.mul_(b.detach())
    a[0] = 5.0
    loss = a.sum() + b.sum()
    graph = torch.graph(loss)
    titles = [v.title for v in graph.operations]
    assert "Double" in titles and "sort" in titles and "unbind" in titles and "CopySlices" in titles
    leaf = next(v for v in graph.vertices if v.kind == "leaf")
    loss.backward()
    assert leaf.gradient["norm"] == pytest.approx(x.grad.norm().item(), rel=1e-4)
    assert torch.graph([a.sum(), b.sum()]).vertices[-1].name == "output1"


def test_bytes_are_counted_once() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = x.exp()
    graph = torch.graph((y * y).sum())
    assert sum(v.nbytes for v in graph.vertices) == 4000


def test_a_deep_graph() -> None:
    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(1500):
        y = y + 1.0
    graph = torch.graph(y)
    assert len(graph.operations) == 1500 and "#1499" in str(graph)
    assert ET.fromstring(graph.svg()) is not None


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((torch.ones(1),), RuntimeError, "does not require grad"),
        ((3,), TypeError, "tensors or a function, not int"),
        ((torch.ones(1, requires_grad=True), 1), TypeError, "only after a function"),
        ((lambda: None,), TypeError, "no tensor"),
    ],
)
def test_refusals(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        torch.graph(*arguments)


def test_saving(tmp_path: Path) -> None:
    graph, _, _ = neuron()
    for ending, start in {
        "svg": "<svg ", "html": "<!doctype html>", "dot": "digraph", "mmd": "flowchart", "txt": "o = ",
    }.items():  # fmt: skip
        graph.save(tmp_path / f"g.{ending}")
        assert (tmp_path / f"g.{ending}").read_text(encoding="utf-8").startswith(start)
    with pytest.raises(ValueError, match="not as"):
        graph.save(tmp_path / "g.png")
    with pytest.raises(ValueError, match="theme"):
        graph.svg(theme="blue")
    with pytest.raises(ValueError, match="lang"):
        graph.svg(lang="fr")
    with pytest.raises(ValueError, match="fold"):
        graph.svg(fold="all")
    assert "iframe" in graph._repr_html_() and graph._repr_svg_().startswith("<svg")


def test_names_are_escaped_everywhere() -> None:
    evil = '</script><b>"x&'
    x = torch.tensor(2.0, requires_grad=True)
    graph = torch.graph(x * x, names={evil: x})
    root = ET.fromstring(graph.svg())
    assert any(evil in (text.text or "") for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert graph.html().count("</script>") == 1 and "<b>" not in graph.mermaid()
    assert evil.replace('"', '\\"') in graph.dot()


def test_text_forms_show_modules() -> None:
    model, run = drawn.mlp()
    graph = torch.graph(run, names={"model": model})
    dot = graph.dot()
    assert 'label="model Sequential"' in dot and dot.count("subgraph") == 4
    assert dot.count("{") == dot.count("}")
    mermaid = graph.mermaid()
    assert mermaid.count("subgraph") == mermaid.count("\n  end") + mermaid.count("\n    end") == 4
    shown = str(graph)
    assert "model Sequential" in shown and "← " in shown and "│   ├── 0 Linear" in shown


def test_folding() -> None:
    model, run = drawn.resnet()
    graph = torch.graph(run, names={"model": model})

    def shown(fold: Any) -> int:
        return graph.svg(fold=fold, theme="light").count("<g ")

    assert shown(0) < shown(1) < shown(2) < shown(3) < shown(None)
    assert shown(None) == len(graph.vertices)
    assert "layer1" in graph.svg(fold=1) and "layer1" not in graph.svg(fold=0)
    chinese = graph.svg(fold=1, lang="zh")
    assert "个参数" in chinese and "parameters" not in chinese
    assert any(scope.path == "model.layer1.0.relu·2" for scope in graph.scopes.all) is False  # one operation
    assert sum(p.numel() for p in model.parameters()) == graph.scopes.all[1].parameters
