"""`autograd.steps`: the same gradients as `backward`, forwards and back, with the rules' own text."""

from __future__ import annotations

import bdb
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


def network() -> tuple[list[Any], Callable[[], Any]]:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x, y = torch.randn(5, 1, 6, 6), torch.randint(0, 3, (5,))
    return list(model.parameters()), lambda: F.cross_entropy(model(x), y)


def several_outputs() -> tuple[list[Any], Callable[[], Any]]:
    w = torch.randn(4, 6, requires_grad=True)

    def loss() -> Any:
        top, _ = w.max(1)
        a, _, c = w.chunk(3, 1)
        return (top * 2).sum() + (a * c).sin().sum() + w.sort(0)[0][0].sum()

    return [w], loss


def writes_and_views() -> tuple[list[Any], Callable[[], Any]]:
    w = torch.randn(4, 4, requires_grad=True)

    def loss() -> Any:
        y = w * 2
        y[1:3].mul_(w[1:3])
        y.t().add_(1)
        return (y.view(2, 8) ** 2).sum()

    return [w], loss


def a_function_of_ones_own() -> tuple[list[Any], Callable[[], Any]]:
    w = torch.randn(5, requires_grad=True)
    return [w], lambda: (Scale.apply(w) * w.exp()).sum()


def hooks() -> tuple[list[Any], Callable[[], Any]]:
    w = torch.randn(5, requires_grad=True)

    def loss() -> Any:
        y = w * w
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        return y.sum()

    return [w], loss


def recurrence() -> tuple[list[Any], Callable[[], Any]]:
    cell = nn.GRUCell(3, 4)
    x = torch.randn(3, 2, 3)

    def loss() -> Any:
        h = torch.zeros(2, 4)
        for t in x:
            h = cell(t, h)
        return h.square().mean()

    return list(cell.parameters()), loss


PROGRAMS = [network, several_outputs, writes_and_views, a_function_of_ones_own, hooks, recurrence]


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_steps_end_where_backward_ends(build: Any) -> None:
    torch.manual_seed(0)
    parameters, loss = build()
    expected = torch.autograd.grad(loss(), parameters)
    run = torch.autograd.steps(loss())
    run.finish()
    assert all(torch.equal(p.grad, g) for p, g in zip(parameters, expected, strict=True))
    assert run.pending == []
    assert len(run) == len(run.events)
    # Accumulated, as backward does.
    torch.autograd.steps(loss()).finish()
    assert all(torch.allclose(p.grad, g * 2) for p, g in zip(parameters, expected, strict=True))


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_back_and_forth(build: Any) -> None:
    torch.manual_seed(0)
    parameters, loss = build()
    value = loss()
    run = torch.autograd.steps(value)
    states = []
    for _ in run:
        states.append(snapshot(run, parameters))
    # All the way back, looking at every state on the way.
    for count in range(len(states) - 1, 0, -1):
        event = run.back()
        assert event is not None
        assert event.index == count - 1
        assert same(snapshot(run, parameters), states[count - 1])
    assert run.back() is None
    assert all(p.grad is None for p in parameters)
    # And forwards again, in a dance.
    next(run), next(run), run.back(), next(run), next(run), run.back(2)
    for expected in states[1:]:
        next(run)
        assert same(snapshot(run, parameters), expected)
    with pytest.raises(IndexError, match="steps have been made"):
        run.back(len(states) + 1)


def snapshot(run: Any, parameters: Any) -> Any:
    event = run.current
    return (
        event.name,
        [None if g is None else g.clone() for g in event.incoming],
        [(node.name(), g.clone()) for node, g in event.outgoing],
        [None if p.grad is None else p.grad.clone() for p in parameters],
        [(name, g.clone()) for name, g in run.pending],
    )


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def test_what_an_event_tells() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.sin()
    run = torch.autograd.steps((y * x).sum())
    event = run.until("Mul")
    assert event is not None
    assert event.name == "MulBackward0"
    assert event.place is not None
    assert event.place.file == __file__
    assert event.place.text.strip() == "run = torch.autograd.steps((y * x).sum())"
    assert [(rule.parameter, rule.source) for rule in event.rules] == [
        ("input", "lambda g, other: g * other"),
        ("other", "lambda g, input: g * input"),
    ]
    assert event.rules[0].file.endswith("arithmetic.py")
    assert torch.equal(event.incoming[0], torch.ones(2))
    (to_sine, of_sine), (to_leaf, of_leaf) = event.outgoing
    assert (to_sine.name(), to_leaf.name()) == ("SinBackward0", "torch::autograd::AccumulateGrad")
    assert torch.equal(of_sine, x.detach())
    assert torch.equal(of_leaf, y.detach())
    assert {name: t.detach().tolist() for name, t in event.saved.items()} == {
        "input": y.tolist(), "other": [1.0, 2.0],
    }  # fmt: skip
    assert "rule input: lambda g, other: g * other" in str(event)
    assert [name for name, _ in run.pending] == ["SinBackward0"]
    last = run.until(lambda event: event.leaf is x)
    assert last is not None
    assert last.leaf is x
    assert run.until("never") is None
    run.back()
    assert x.grad is None


def test_the_text_of_a_functions_backward() -> None:
    x = torch.ones(1, requires_grad=True)
    event = next(torch.autograd.steps(Scale.apply(x)))
    assert event.source.startswith("@staticmethod\ndef backward(ctx: Any, g: Any) -> Any:")
    assert event.rules[0].file == __file__
    assert [t.item() for t in event.saved.values()] == [1.0]


class Stopper(bdb.Bdb):
    """A debugger that notes where its breakpoints were met, with the cotangent there."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[str, int, list[float]]] = []

    def user_line(self, frame: Any) -> None:
        name, line = self.canonic(frame.f_code.co_filename), frame.f_lineno
        if self.get_breaks(name, line) and "g" in frame.f_locals:
            g = frame.f_locals["g"]
            self.met.append((name, line, (g.tolist() if hasattr(g, "tolist") else [])))
        self.set_continue()


def test_a_breakpoint_inside_a_rule() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x.exp() * 3).sum().backward()  # the rules are generated
    run = torch.autograd.steps((x.exp() * 3).sum())
    event = run.until("Exp")
    assert event is not None
    rule = event.rules[0]
    assert rule.source == "lambda g, out: g * out"
    run.back()
    debugger = Stopper()
    assert debugger.set_break(rule.file, rule.line) is None
    debugger.runcall(next, run)
    assert (debugger.canonic(rule.file), rule.line, [3.0, 3.0]) in debugger.met


def test_cotangents_may_be_given() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.steps(x * 2, torch.tensor([1.0, 10.0])).finish()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        torch.autograd.steps(x * 2)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.steps(torch.ones(1))


def test_rules_of_every_operation_have_a_text() -> None:
    """Of all rules in the table the text is found, and it takes the parameters that the rule takes."""
    from cotangent.autograd.stepping import rule_text
    from cotangent.ops.table import TABLE

    missing = []
    for op in TABLE.values():
        for parameter, rule in op.rules.items():
            text = rule_text(parameter, rule).source
            arguments = rule.__code__.co_varnames[: rule.__code__.co_argcount]
            if not text.startswith(("lambda", "def ")) or not all(name in text for name in arguments):
                missing.append((op.name, parameter, text))
    assert missing == []
