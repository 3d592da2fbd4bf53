"""What a compiled function keeps of Python: state, views, branches, side effects, errors."""

from __future__ import annotations

import gc
import time
import warnings
import weakref
from typing import Any

import pytest

import cotangent as torch
from cotangent import nn
from cotangent.compile import compiled as running


def test_ways_to_call_it() -> None:
    def f(x: Any) -> Any:
        return x * 2

    x = torch.ones(2)
    for g in (torch.compile(f), torch.compile()(f), torch.compile(mode="max-autotune", dynamic=True)(f)):
        assert torch.equal(g(x), f(x))
    assert torch.compile(f, disable=True) is f
    assert torch.compile(f, backend="eager") is f
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(f, mode="default", options={"a": 1})
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        torch.compile(f, mode="fast")


def test_new_shapes_are_traced_again_at_most_eight_times() -> None:
    f = torch.compile(lambda x: x.sum() * 2)
    for n in range(1, 9):
        assert f(torch.ones(n)).item() == 2 * n
    assert f.traces == 8
    assert f(torch.ones(3)).item() == 6
    assert f.traces == 8
    with pytest.warns(UserWarning, match="was compiled 8 times, the last time because .*size"):
        assert f(torch.ones(20)).item() == 40
    assert f(torch.ones(21)).item() == 42


def test_branches_on_numbers_are_guarded_before_anything_is_changed() -> None:
    state = torch.zeros(2)

    @torch.compile(fullgraph=True)
    def f(x: Any) -> Any:
        state.add_(1)
        if x.sum() > 0:
            return x * 2
        return x * 3

    for k, value in enumerate((1.0, -1.0, 2.0, -2.0, 3.0)):
        assert torch.equal(f(torch.full((2,), value)), torch.full((2,), value * (2 if value > 0 else 3)))
        assert state.tolist() == [k + 1.0] * 2
    assert f.traces == 2


def test_python_values_the_function_sees_are_guarded() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    scale = [2.0]

    @torch.compile(fullgraph=True)
    def f(x: Any, power: int = 1) -> Any:
        return model(x) ** power * scale[0]

    x = torch.ones(4, 2)
    model.eval()
    assert torch.allclose(f(x), model(x) * 2)
    scale[0] = 3.0
    assert torch.allclose(f(x), model(x) * 3)
    assert torch.allclose(f(x, power=2), model(x) ** 2 * 3)
    model.train()
    torch.manual_seed(3)
    one = f(x)
    torch.manual_seed(3)
    assert torch.allclose(one, model(x) * 3)
    assert (f(x) == 0).any() and not torch.equal(f(x), f(x))
    model[0] = nn.Linear(2, 2)
    model.eval()
    assert torch.allclose(f(x), model(x) * 3)


def test_random_numbers_are_those_of_eager() -> None:
    def f(x: Any) -> Any:
        return torch.rand(3) + torch.randn_like(x) + torch.bernoulli(x.sigmoid()) + torch.randperm(3)

    call = torch.compile(f, fullgraph=True)
    x = torch.zeros(3)
    for seed in range(3):
        torch.manual_seed(seed)
        plain = [f(x), f(x)]
        torch.manual_seed(seed)
        assert all(torch.allclose(call(x), p) for p in plain)


def test_views_and_writes_through_them() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        tail = y[1:]
        tail.add_(1)
        y.view(-1)[0] = 7.0
        x[:, 0].mul_(2)
        return y, tail, x.t()

    call = torch.compile(f, fullgraph=True)
    a = torch.arange(6.0).view(3, 2)
    b = a.clone()
    for _ in range(3):
        plain, mine = f(a), call(b)
        assert all(torch.equal(p, m) for p, m in zip(plain, mine))
        assert torch.equal(a, b)
    mine[2].zero_()  # a view of the argument, as in eager
    assert not b.any()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.hidden = torch.zeros(2, 3)

    def forward(self, x: Any) -> Any:
        self.hidden = torch.tanh(self.layer(x) + self.hidden).detach()
        return self.hidden


def test_tensors_kept_in_attributes_are_found_again() -> None:
    torch.manual_seed(0)
    module = Recurrent()
    compiled = torch.compile(module, fullgraph=True)
    x = torch.randn(2, 3)
    for start in (torch.zeros(2, 3), torch.ones(2, 3)):
        module.hidden = start
        plain = [module(x).clone() for _ in range(3)]
        module.hidden = start
        assert all(torch.allclose(compiled(x), p, atol=1e-6) for p in plain)
    assert torch.equal(module.hidden, compiled.hidden)


def test_what_cannot_be_compiled_runs_as_it_is(capsys: Any) -> None:
    def f(x: Any) -> Any:
        print("here")
        return x + 1

    call = torch.compile(f)
    with pytest.warns(UserWarning, match=r"cannot be compiled: it calls print\(\) at .*test_compiled.py:"):
        assert call(torch.ones(1)).item() == 2
    assert call(torch.ones(1)).item() == 2
    assert capsys.readouterr().out == "here\n" * 2
    with pytest.raises(RuntimeError, match=r"cannot be compiled: it calls print\(\)"):
        torch.compile(f, fullgraph=True)(torch.ones(1))


def test_counting_in_python_is_never_replayed_wrongly() -> None:
    count = [0]

    @torch.compile
    def f(x: Any) -> Any:
        count[0] += 1
        return x + count[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [f(torch.zeros(1)).item() for _ in range(12)] == [k + 1.0 for k in range(12)]
    assert count[0] == 12


def test_errors_leave_everything_as_it_was() -> None:
    layer = nn.Linear(2, 2)
    seen: list[Any] = []

    @torch.compile
    def f(x: Any) -> Any:
        layer(x).sum().backward()
        seen.append(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        f(torch.ones(1, 2))
    assert layer.weight.grad is None and not seen
    assert torch.equal(layer.weight * 1, layer.weight.detach())


def test_bad_classes_are_refused_before_anything_is_changed() -> None:
    layer = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)

    @torch.compile
    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(layer(x), y).backward()
        optimizer.step()

    x = torch.ones(2, 2)
    for _ in range(3):
        step(x, torch.tensor([0, 2]))
    before = layer.weight.detach().clone()
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        step(x, torch.tensor([0, 3]))
    assert torch.equal(before, layer.weight.detach())


def test_double_backward_inside() -> None:
    def f(x: Any) -> Any:
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (g**2).sum().backward()
        return g

    call = torch.compile(f, fullgraph=True)
    for _ in range(3):
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        assert torch.allclose(call(x), torch.tensor([3.0, 12.0]))
        assert torch.allclose(x.grad, torch.tensor([36.0, 288.0]))


def test_backward_later() -> None:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    f = torch.compile(lambda x: ((w * x).sin(), (w * x).sum()), fullgraph=True)
    for _ in range(3):
        x = torch.tensor([0.5, 0.25], requires_grad=True)
        y, z = f(x)
        assert y.requires_grad and type(y.grad_fn).__name__ == "CompiledFunctionBackward"
        w.grad = None
        (y.sum() + z).backward()
        inner = (w * x).detach().cos() + 1
        assert torch.allclose(w.grad, x.detach() * inner)
        assert torch.allclose(x.grad, w.detach() * inner)
        with pytest.raises(RuntimeError, match="second time"):
            y.sum().backward()
    y, _ = f(x)
    with torch.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_show_names_instructions() -> None:
    f = torch.compile(lambda x: torch.sin(x) * 2)
    assert f.show() == "not called yet"
    f(torch.ones(3))
    assert "sin(%0)" in f.show()


def test_an_argument_in_memory_that_is_written_is_another_program() -> None:
    w = torch.ones(4)

    @torch.compile(fullgraph=True)
    def f(x: Any) -> Any:
        w.add_(1)
        return x * 2 + w

    assert f(torch.ones(4)).tolist() == [4.0] * 4
    assert f(w.detach()).tolist() == [9.0] * 4  # read after the write, as in eager
    assert f(torch.ones(4)).tolist() == [6.0] * 4
    assert f.traces == 2


def test_small_steps_where_counters_and_parameters_have_one_element() -> None:
    losses = []
    for compiled in (False, True):
        torch.manual_seed(0)
        layer = nn.Linear(3, 1)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)

        def step(x: Any, y: Any, layer: Any = layer, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(layer(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        call = torch.compile(step, fullgraph=True) if compiled else step
        x, y = torch.randn(8, 3), torch.randn(8, 1)
        losses.append([call(x, y).item() for _ in range(20)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_memory_of_programs_lives_as_long_as_they_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    arenas = []

    class Program(running.NativeProgram):  # type: ignore[misc, name-defined]
        def _memory(self, wanted: set[int]) -> None:
            super()._memory(wanted)
            arenas.append(weakref.ref(self.arena))

    monkeypatch.setattr(running, "NativeProgram", Program)
    call = torch.compile(lambda x, w: ((x @ w).relu() @ w).square().sum())
    x, w = torch.randn(8, 8, requires_grad=True), torch.randn(8, 8, requires_grad=True)
    call(x, w).backward()
    gc.collect()
    assert len(arenas) == 2  # of the forward program and of its backward
    assert all(arena() is not None for arena in arenas)
    del call
    gc.collect()
    assert all(arena() is None for arena in arenas)


def test_profilers_go_on_after_a_trace() -> None:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    assert torch.compile(lambda x: x + 1)(torch.ones(1)).item() == 2
    gc.collect()
    profile.disable()
    assert "<built-in method gc.collect>" in [entry.code for entry in profile.getstats()]


def test_callbacks_of_the_garbage_collector_are_not_the_functions() -> None:
    def callback(phase: str, info: dict[str, int]) -> None:
        seen.append(time.perf_counter())

    seen: list[float] = []
    threshold = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        call = torch.compile(lambda x: [x.sin(), [x.cos() for _ in range(50)]][0], fullgraph=True)
        assert torch.equal(call(torch.ones(3)), torch.ones(3).sin())
        bad = torch.compile(lambda x: print(x), fullgraph=True)
        with pytest.raises(Exception, match="print"):
            bad(torch.ones(3))
    finally:
        gc.callbacks.remove(callback)
        gc.set_threshold(*threshold)
    assert seen and gc.isenabled()


def test_integers_while_there_has_been_inference_mode() -> None:
    with torch.inference_mode():
        pass

    def masked(x: Any) -> Any:
        return x * torch.empty_like(x, dtype=torch.bool).fill_(True)

    x = torch.ones(3, requires_grad=True)
    torch.compile(masked, fullgraph=True)(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


class Counting:
    """A trainer whose own attributes are called as the library calls some of its own."""

    def __init__(self) -> None:
        self.model = nn.Linear(3, 2)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.number = self.step_count = self.group = 0
        self.scale = 2.0

    def step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = (self.model(x) * self.scale).sum()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def test_attributes_only_others_use_are_no_guards() -> None:
    trainer = Counting()
    step = torch.compile(trainer.step)
    x = torch.randn(4, 3)
    for _ in range(12):
        step(x)
        trainer.number += 1
        trainer.group += 1
    assert step.traces == 2  # without the optimizer's state, and with it
    trainer.scale = 3.0
    before = trainer.model.weight.detach().clone()
    with torch.no_grad():
        wanted = (trainer.model(x) * 3).sum()
    torch.testing.assert_close(step(x), wanted)
    assert not torch.equal(before, trainer.model.weight)
    assert step.traces == 3


@pytest.mark.parametrize("when", ["while tracing", "while compiling", "while settling"])
def test_interrupts_leave_nothing_half_done(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted before the program has run, a call has done nothing; after it, everything."""
    target, name = {
        "while tracing": (torch.optim.Adam, "_options"),
        "while compiling": (running.NativeProgram, "build"),
        "while settling": (running, "tensor_like"),
    }[when]
    plain, trainer = Counting(), Counting()
    trainer.model.load_state_dict(plain.model.state_dict())
    step, x = torch.compile(trainer.step), torch.randn(4, 3)
    given = getattr(target, name)
    armed = [True]

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if armed.pop() if armed else False:
            raise KeyboardInterrupt
        return given(*args, **kwargs)

    monkeypatch.setattr(target, name, interrupted)
    before = plain.model.weight.detach().clone()
    with pytest.raises(KeyboardInterrupt):
        step(x)
    assert not armed
    if when == "while settling":
        plain.step(x)
        assert torch.equal(trainer.model.weight.grad, plain.model.weight.grad)
    else:
        assert torch.equal(trainer.model.weight, before)
        assert trainer.model.weight.grad is None
        assert not trainer.optimizer.state
        assert all(type(g["lr"]) is float for g in trainer.optimizer.param_groups)
    for _ in range(3):
        torch.testing.assert_close(step(x), plain.step(x))
    torch.testing.assert_close(trainer.model.weight, plain.model.weight)


def test_numbers_that_numpy_reads() -> None:
    compiled = torch.compile(lambda x: torch.from_numpy((x * 2).numpy() * 3) + x)
    for x in (torch.arange(3.0), torch.ones(2, 2), torch.arange(3.0) + 1):
        assert torch.equal(compiled(x), x * 7)

    def writes(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.numpy()[0] = 9.0
        return y

    with pytest.raises(ValueError, match="read-only"):
        torch.compile(writes)(torch.ones(3))


def test_functions_whose_backward_reads_numbers_run_uncompiled() -> None:
    class Threefold(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 3

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(g.detach().numpy() * 3)

    x = torch.ones(3, requires_grad=True)
    with pytest.warns(UserWarning, match="reads the numbers of a gradient"):
        torch.compile(lambda x: Threefold.apply(x * 2).sum())(x).backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]
