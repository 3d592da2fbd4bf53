"""`torch.jit` without TorchScript: the same functions and modules, with PyTorch's attributes."""

from __future__ import annotations

from typing import Any

import pytest

import cotangent as torch


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 3)
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x: Any) -> Any:
        return self.inner(x) + self.shift

    @torch.jit.export
    def twice(self, x: Any) -> Any:
        return 2 * self(x)


@pytest.mark.parametrize("make", (torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1, 2))))
def test_a_module_keeps_its_parameters_and_methods(make: Any) -> None:
    net = Net()
    made = make(net)
    x = torch.randn(4, 2)
    assert made is not net and isinstance(made, (torch.jit.ScriptModule, Net))
    assert torch.equal(made(x), net(x)) and torch.equal(made.twice(x), net.twice(x))
    assert list(made.state_dict()) == list(net.state_dict())
    assert all(a is b for a, b in zip(made.parameters(), net.parameters(), strict=True))
    assert made.original_name == "Net" and repr(made) == repr(net)
    made(x).sum().backward()
    assert net.inner.weight.grad is not None
    assert torch.jit.freeze(made.eval()) is made
    assert net.training


def test_a_function_is_called_as_it_is() -> None:
    @torch.jit.script
    def relu_of(x: Any, slope: float = 0.0) -> Any:
        """What it says."""
        return torch.where(x > 0, x, slope * x)

    assert isinstance(relu_of, torch.jit.ScriptFunction) and relu_of.__doc__ == "What it says."
    assert relu_of(torch.tensor([-1.0, 2.0]), slope=0.5).tolist() == [-0.5, 2.0]
    assert "torch.where" in relu_of.code
    assert torch.jit.script(relu_of) is relu_of


def test_fork_and_wait_hand_on_results_and_errors() -> None:
    assert torch.jit.wait(torch.jit.fork(lambda a: a + 1, 1)) == 2
    with pytest.raises(ZeroDivisionError):
        torch.wait(torch.fork(lambda: 1 // 0))


def test_files_and_graphs_are_refused() -> None:
    scripted = torch.jit.script(Net())
    for call in (lambda: scripted.save("x.pt"), lambda: torch.jit.load("x.pt"), lambda: scripted.graph):
        with pytest.raises(NotImplementedError, match="TorchScript"):
            call()
    with pytest.raises(RuntimeError, match="expected a function"):
        torch.jit.script(3)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    (
        ([1, 2], list[int], True), ([1, "a"], list[int], False), ({"a": 1}, dict[str, int], True),
        ((1, "a"), tuple[int, str], True), ((1, 2, 3), tuple[int, ...], True), (3, int, True),
        (None, type(None), True), (1.0, (int, float), True), (1, int | None, True),
    ),
)  # fmt: skip
def test_isinstance_knows_containers(value: Any, kind: Any, wanted: bool) -> None:
    assert torch.jit.isinstance(value, kind) is wanted


def test_an_interrupted_link_leaves_later_kernels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from cotangent.kernels import jit

    if not jit.available():
        pytest.skip("no compiler")
    text = "define void @kernel() {{\n  ret void\n}}\n; {0}\n"
    monkeypatch.setattr(jit, "SYMBOL", "absent")
    with pytest.raises(Exception):  # noqa: B017  # whatever LLVM says of a symbol that is not there
        jit._link(jit.compile_object(text.format(1)))
    monkeypatch.undo()
    assert jit._link(jit.compile_object(text.format(2)))
