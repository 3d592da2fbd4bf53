"""`explain_nan`: twenty-odd programs name the right element, operation, line and module."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest

import cotangent
from cotangent.config import settings

# phase | reason | operands; the line ends in #!
TEXT = '''
== forward | sqrt(-1.0) at [3, 17] | {'input': -1.0}
x = torch.ones(5, 20)
x[3, 17] = -1
x.requires_grad_()
loss = x.sqrt().sum()  #!

== forward | sqrt(-0.5) at [1] | {'input': -0.5}
x = torch.tensor([2.0, 0.5], requires_grad=True)
y = x - 1
loss = y.sqrt().sum()  #!

== forward | log(-2.0) at [0] | {'input': -2.0}
x = torch.tensor([-2.0, 2.0], requires_grad=True)
loss = (x.log() * 3).mean()  #!

== forward | log(0.0) at [2] | {'input': 0.0}
p = torch.tensor([0.5, 0.25, 0.0], requires_grad=True)
loss = -(p * 1.0).log().sum()  #!

== forward | 1.0 / 0.0 at [1] | {'input': 1.0, 'other': 0.0}
a = torch.tensor([1.0, 1.0], requires_grad=True)
b = torch.tensor([2.0, 0.0], requires_grad=True)
loss = (a / b).sum()  #!

== forward | 0.0 / 0.0 at [1, 0] | {'input': 0.0, 'other': 0.0}
a = torch.tensor([[1.0], [0.0]], requires_grad=True)
b = torch.tensor([0.0, 1.0], requires_grad=True)
loss = (a / b)[1].sum()  #!

== forward | exp(1000.0) at [1] | {'input': 1000.0}
x = torch.tensor([0.1, 10.0], requires_grad=True)
loss = (x * 100).exp().sum()  #!

== forward | -8.0 ** 0.5 at [0] | {'input': -8.0}
x = torch.tensor([-8.0, 8.0], requires_grad=True)
loss = (x ** 0.5).sum()  #!

== forward | acos(2.0) at [1] | {'input': 2.0}
x = torch.tensor([0.5, 2.0], requires_grad=True)
loss = x.acos().sum()  #!

== forward | atanh(1.0) at [0] | {'input': 1.0}
x = torch.tensor([1.0, 0.5], requires_grad=True)
loss = x.atanh().sum()  #!

== forward | log1p(-1.0) at [0] | {'input': -1.0}
x = torch.tensor([-1.0, 0.5], requires_grad=True)
loss = x.log1p().sum()  #!

== forward | exp(800.0) at [0] | {'input': 800.0}
x = torch.tensor([800.0], requires_grad=True)
a = x.exp()  #!
b = (x + 100).exp()
loss = (a - b).sum()

== forward | 300.0 ** 2 at [1] | {'input': 300.0}
x = torch.tensor([3.0, 300.0], dtype=torch.float16, requires_grad=True)
loss = (x ** 2).sum()  #!

== forward | mm(input of shape [2, 2], mat2 of shape [2, 2]) at [0, 0] | None
x = torch.full((2, 2), 1e30, requires_grad=True)
loss = (x @ x).sum()  #!

== forward | mean(input of shape [0]) | None
x = torch.ones(3, requires_grad=True)
loss = x[x > 2].mean()  #!

== forward | sqrt(-1.5) at [0] | {'input': -1.5}
x = torch.tensor([0.5], requires_grad=True)
offset = torch.tensor([2.0])
loss = (x - offset).sqrt().sum()  #!

== input | a leaf of shape [2] holds nan at [1] | {}
x = torch.tensor([1.0, float("nan")], requires_grad=True)
loss = (x * 2).sum()

== input | operand other holds inf at [0] | {'other': inf}
x = torch.tensor([1.0, 2.0], requires_grad=True)
scale = torch.tensor([float("inf"), 1.0])
loss = (x * scale).sum()  #!

== backward | 1 * inf in SqrtBackward0 at [0] | {'input': 0.0}
x = torch.tensor([0.0, 1.0], requires_grad=True)
loss = x.sqrt().sum()  #!

== backward | 0 * inf in SqrtBackward0 at [0] | {'input': 0.0}
x = torch.tensor([0.0, 4.0], requires_grad=True)
root = x.sqrt()  #!
loss = torch.where(x > 0, root, 0.0).sum()

== backward | 0 * inf in LogBackward0 at [1] | {'input': 0.0}
x = torch.tensor([2.0, 0.0], requires_grad=True)
log = x.log()  #!
loss = torch.where(x > 0, log, x).sum()

== backward | 1 * inf in PowBackward0 at [0] | {'input': 0.0}
x = torch.tensor([0.0, 1.0], requires_grad=True)
loss = (x ** 0.5).sum()  #!

== backward | 1 * inf in SqrtBackward0 | {'input': 0.0}
x = torch.zeros(3, requires_grad=True)
squares = (x * x).sum()
loss = squares.sqrt()  #!

== backward | 1 * -inf in AcosBackward0 at [1] | {'input': 1.0}
x = torch.tensor([0.5, 1.0], requires_grad=True)
loss = x.acos().sum()  #!

== none |  | None
x = torch.tensor([0.5, 1.0], requires_grad=True)
loss = x.exp().sum()
'''
PROGRAMS = [part.partition("\n") for part in TEXT.split("\n== ")[1:]]
HEADS = [head for head, _, _ in PROGRAMS]


def run(source: str, path: Path) -> dict[str, Any]:
    path.write_text(source, encoding="utf-8")
    linecache.checkcache(str(path))
    scope: dict[str, Any] = {"torch": cotangent, "__name__": "program"}
    exec(compile(source, str(path), "exec"), scope)
    return scope


@pytest.mark.parametrize(("head", "source"), [(h, s) for h, _, s in PROGRAMS], ids=HEADS)
def test_it_names_the_element(head: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    source += "\nfound = torch.autograd.explain_nan(loss)\n"
    found = run(source, path)["found"]
    phase, reason, operands = head.split(" | ")
    assert (found.phase, found.reason) == (phase, reason)
    assert found.operands == eval(operands, {"inf": float("inf")})
    marked = [number for number, line in enumerate(source.splitlines(), 1) if line.endswith("#!")]
    assert (found.place.line if found.place is not None else None) == (marked[0] if marked else None)
    if " at [" in reason:
        assert found.index == tuple(eval(reason.rpartition(" at ")[2]))
    assert not found.freed


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    x = cotangent.tensor([0.0, 1.0], requires_grad=True)
    calls: list[Any] = []
    x.register_hook(calls.append)
    loss = x.sqrt().sum()
    assert cotangent.autograd.explain_nan(loss).phase == "backward"
    assert x.grad is None
    assert calls == []
    loss.backward()
    assert len(calls) == 1


def test_modules_are_named() -> None:
    nn = cotangent.nn

    class Head(nn.Module):
        def forward(self, x: Any) -> Any:
            return (x - x.max()).log()

    model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Tanh(), Head()))
    found = cotangent.autograd.explain_nan(model(cotangent.randn(4, 3)).sum(), model)
    assert found.operation == "LogBackward0"
    assert found.module.endswith(".1.1")
    assert found.place.text.strip() == "return (x - x.max()).log()"


def test_weights_that_are_inf_are_found_through_layers() -> None:
    model = cotangent.nn.Sequential(cotangent.nn.Linear(3, 3), cotangent.nn.ReLU(), cotangent.nn.Linear(3, 1))
    with cotangent.no_grad():
        model[0].weight.fill_(float("inf"))
    found = cotangent.autograd.explain_nan(model(cotangent.ones(2, 3)).sum())
    assert found.phase == "input"
    assert found.reason == "a leaf of shape [3, 3] holds inf at [0, 0]"


def test_a_masked_row_of_softmax_is_where_nan_begins() -> None:
    x = cotangent.ones(2, 3, requires_grad=True)
    masked = x.masked_fill(cotangent.tensor([[True] * 3, [False] * 3]), float("-inf"))
    found = cotangent.autograd.explain_nan(masked.softmax(1).sum())
    assert (found.phase, found.operation, found.index) == ("forward", "SoftmaxBackward0", (0, 0))


def test_custom_functions_are_looked_into() -> None:
    class Root(cotangent.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.sqrt()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 0.5 / x.sqrt()

    x = cotangent.tensor([0.0, 1.0], requires_grad=True)
    found = cotangent.autograd.explain_nan(Root.apply(x).sum())
    assert (found.phase, found.operation, found.index) == ("backward", "RootBackward", (0,))
    negative = cotangent.tensor([1.0, -1.0], requires_grad=True)
    found = cotangent.autograd.explain_nan(Root.apply(negative) * 2)
    assert (found.phase, found.operation, found.index) == ("forward", "RootBackward", (1,))


def test_a_freed_graph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cotangent.tensor([0.0, 1.0], requires_grad=True)
    loss = x.sqrt().sum()
    loss.backward()
    found = cotangent.autograd.explain_nan(loss)
    assert found.freed
    monkeypatch.setattr(settings, "lang", "both")
    assert "retain_graph=True" in str(found)
    assert "计算图已被某次反向传播释放" in str(found)


def test_a_kept_graph_is_explained_after_backward() -> None:
    x = cotangent.tensor([0.0, 1.0], requires_grad=True)
    loss = x.sqrt().sum()
    loss.backward(retain_graph=True)
    assert cotangent.autograd.explain_nan(loss).reason == "1 * inf in SqrtBackward0 at [0]"


def test_no_graph_is_an_error_that_says_why() -> None:
    x = cotangent.tensor([-1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="needs the graph") as caught:
        cotangent.autograd.explain_nan(x.detach().sqrt())
    assert ".detach()" in caught.value.__notes__[0]


def test_it_prints_in_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "x = torch.tensor([-1.0], requires_grad=True)\nfound = torch.autograd.explain_nan(x.sqrt())\n"
    found = run(source, tmp_path / "program.py")["found"]
    monkeypatch.setattr(settings, "lang", "both")
    line = f"{tmp_path / 'program.py'}:2: found = torch.autograd.explain_nan(x.sqrt())"
    assert str(found).splitlines() == [
        "first nan in forward: sqrt(-1.0) at [0]", f"  line {line}", "  operands input = -1.0",
        "前向计算中最早的 nan: sqrt(-1.0) at [0]", f"  行 {line}", "  操作数 input = -1.0",
    ]  # fmt: skip


def test_a_deep_graph_needs_no_recursion() -> None:
    x = cotangent.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0
    assert cotangent.autograd.explain_nan((y - 2).sqrt()).reason == "sqrt(-1.0) at [0]"
