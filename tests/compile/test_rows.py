"""Rows taken and added by number, in compiled functions: what eager gives, and no call of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.kernels import recurrent, recurrent_programs, runtime

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="there is no machine code here")


def _graph(edges: int = 400, nodes: int = 37) -> tuple[Any, Any]:
    torch.manual_seed(3)
    return torch.randint(0, nodes, (edges,)), torch.randint(0, nodes, (edges,))


def _spread(h: Any, source: Any, target: Any, weight: Any) -> Any:
    return torch.zeros_like(h).index_add(0, target, h[source] * weight)


@pytest.mark.parametrize("width", [1, 5, 16, 64, 75])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighed", ["edge", "number", "element"])
def test_messages_along_the_edges_of_a_graph(width: int, dtype: Any, weighed: str) -> None:
    source, target = _graph()
    h = torch.randn(37, width, dtype=dtype, requires_grad=True)
    weight = torch.rand({"edge": (400, 1), "number": (1,), "element": (400, width)}[weighed], dtype=dtype)

    def step(h: Any, weight: Any) -> Any:
        out = _spread(h, source, target, weight)
        return out, torch.autograd.grad((out * out).sum(), h)[0]

    compiled = torch.compile(step)
    wanted, wanted_grad = step(h, weight)
    for _ in range(2):
        out, grad = compiled(h, weight)
        torch.testing.assert_close(out, wanted)
        torch.testing.assert_close(grad, wanted_grad)
    if weighed == "edge":
        units = compiled.show().split("out   ")[1]
        assert units.count("scatter [37,") == 2
        assert "NumPy" not in units
        assert "gather" not in units or width == 1


def test_weights_with_gradients_keep_the_gathered_rows() -> None:
    source, target = _graph()
    options: Any = {"dtype": torch.float64, "requires_grad": True}
    h, weight = torch.randn(37, 8, **options), torch.rand(400, 1, **options)

    def step(h: Any, weight: Any) -> Any:
        return torch.autograd.grad(_spread(h, source, target, weight).pow(3).sum(), (h, weight))

    for one, other in zip(torch.compile(step)(h, weight), step(h, weight), strict=True):
        torch.testing.assert_close(one, other)


def test_rows_are_added_to_what_is_there() -> None:
    source, target = _graph()
    x, rows = torch.randn(37, 9), torch.randn(400, 9)

    def step(x: Any, rows: Any) -> Any:
        return (
            x.index_add(0, target, rows),
            x.index_select(0, source),
            x[source.view(20, 20)],
            x[:, source % 9],
        )

    for one, other in zip(torch.compile(step)(x, rows), step(x, rows), strict=True):
        torch.testing.assert_close(one, other)


def test_numbers_below_zero_count_from_the_end() -> None:
    index = torch.tensor([-1, 0, -37, 5, -1])
    x = torch.randn(37, 3, requires_grad=True)

    def step(x: Any, index: Any) -> Any:
        y = x[index]
        return y, torch.autograd.grad((y * y).sum(), x)[0]

    for one, other in zip(torch.compile(step)(x, index), step(x, index), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("how", "bad"),
    [
        (lambda x, index: x[index], [0, 37]),
        (lambda x, index: x[index], [-38, 1]),
        (lambda x, index: x.index_select(0, index), [0, 37]),
        (lambda x, index: x.index_select(0, index), [-1, 0]),
        (lambda x, index: x.index_add(0, index, x[:2]), [0, 40]),
        (lambda x, index: x[:, 0].index_add(0, index, x[:2, 0]), [0, 40]),
    ],
)
def test_numbers_outside_are_refused_before_anything_is_changed(how: Any, bad: list[int]) -> None:
    x, state = torch.randn(37, 3), torch.zeros(1)

    @torch.compile
    def step(x: Any, index: Any) -> Any:
        state.add_(1)
        return how(x, index)

    assert torch.equal(step(x, torch.tensor([1, 2])), how(x, torch.tensor([1, 2])))
    with pytest.raises((IndexError, RuntimeError)) as wanted:
        how(x, torch.tensor(bad))
    with pytest.raises(wanted.type) as found:
        step(x, torch.tensor(bad))
    assert str(found.value) == str(wanted.value)
    assert state.item() == 1


def test_constants_like_others() -> None:
    def step(x: Any) -> Any:
        i = x.to(torch.int64)
        return torch.zeros_like(x) + x, torch.full_like(x, 2.5), torch.full_like(i, 3), torch.ones_like(i) * i

    x = torch.randn(5, 4)
    for one, other in zip(torch.compile(step)(x), step(x), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype


def test_a_trace_of_a_long_lstm_runs_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels on the stand-ins of a trace, which have no memory of their own, once read beside them."""
    monkeypatch.setattr(recurrent, "_large", lambda x, weight: True)
    lstm, x = torch.nn.LSTM(8, 24), torch.randn(9, 4, 8)

    def step(x: Any) -> Any:
        lstm.zero_grad()
        lstm(x)[0].square().sum().backward()
        return [p.grad.clone() for p in lstm.parameters()]

    wanted = step(x)
    for one, other in zip(torch.compile(step)(x), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_recurrent_programs_refuse_arrays_with_gaps() -> None:
    x, h, weight = (np.ones(s, np.float32) for s in ((3, 2, 64), (2, 16), (64, 16)))
    kept = recurrent_programs.lstm(x, h, h, weight, False)[3:]
    with pytest.raises(ValueError, match="got an array with strides"):
        recurrent_programs.lstm_backward((None,), x.shape, h.T.copy().T, h.copy(), weight, kept, False)
    shown = [np.broadcast_to(np.float32(0), a.shape) for a in kept]
    d = recurrent_programs.lstm_backward((None,), x.shape, h.copy(), h.copy(), weight, shown, False)
    assert d.shape == (6, 64)


def test_the_work_of_a_recurrent_layer_is_counted() -> None:
    net, x = torch.nn.LSTM(6, 8), torch.randn(5, 3, 6)
    net.weight_ih_l0.requires_grad_(False)

    def step(x: Any) -> Any:
        return torch.autograd.grad(net(x)[0].sum(), net.weight_hh_l0)[0]

    compiled = torch.compile(step)
    torch.testing.assert_close(compiled(x), step(x))
    flops, _ = compiled.work()
    # The inputs, the states forward; the gradients of states and of their weights.
    assert flops == 2 * 5 * 3 * 4 * 8 * (6 + 8 + 2 * 8)
