"""`make_fx`: graphs of operations compute what the program does; traces that come after others."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch
from cotangent.fx.experimental.proxy_tensor import get_proxy_mode, make_fx

F = torch.nn.functional
torch.manual_seed(0)
linear, conv, norm = torch.nn.Linear(4, 4), torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.LayerNorm(4)
batch_norm = torch.nn.BatchNorm2d(2).eval()
lstm = torch.nn.LSTM(4, 3, batch_first=True)
attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)

PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "layers": lambda x: torch.relu(linear(x)) @ linear.weight,
    "where": lambda x: torch.where(x > 0, x, -x).cumsum(0),
    "order": lambda x: torch.sort(x, 1)[0] + torch.topk(x, 4, 1)[0],
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "images": lambda x: batch_norm(conv(x[None, None])).relu().mean((2, 3)),
    "pooling": lambda x: F.max_pool2d(x[None, None], 2),
    "norms": lambda x: norm(x) / x.norm(dim=1, keepdim=True) + torch.linalg.norm(x),
    "lstm": lambda x: lstm(x[None])[0],
    "attention": lambda x: attention(x[None], x[None], x[None])[0],
    "losses": lambda x: F.cross_entropy(x, torch.tensor([0, 1, 2, 3])) + F.mse_loss(x, x.flip(0)),
    "columns": lambda x: torch.einsum("ij,jk->ik", x, x) + torch.cat([x, x * 2], 1).chunk(2, 1)[1],
    "statistics": lambda x: x.std(0) + x.var(1) + x.logsumexp(1) + x.max(),
    "padding": lambda x: F.pad(x, (1, 1)).roll(1, 0).tril(),
    "activations": lambda x: F.gelu(x) + F.silu(x) + F.elu(x) + F.softplus(x),
    "vmap": torch.vmap(lambda row: (row * row.sum()).sin()),
}
IN_PLACE: dict[str, Callable[[Any], Any]] = {
    "regions": lambda x: (y := x.clone(), y.add_(1), y[0].mul_(2))[0],
    "one column": lambda x: (y := x.clone(), y.__setitem__((slice(None), 0), x.sum()))[0],
}


def gradient(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def of(x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    return of


@pytest.mark.parametrize("name", [*PROGRAMS, *IN_PLACE])
def test_graphs_compute_the_program(name: str) -> None:
    f = (PROGRAMS | IN_PLACE)[name]
    example, other = torch.randn(4, 4), torch.randn(4, 4)
    torch.testing.assert_close(make_fx(f)(example)(other), f(other))


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "where"])
def test_graphs_of_gradients_compute_them(name: str) -> None:
    f = gradient(PROGRAMS[name])
    example, other = torch.randn(4, 4), torch.randn(4, 4)
    torch.testing.assert_close(make_fx(f)(example)(other), f(other))


def test_a_graph_of_what_values_decide_is_refused() -> None:
    x = torch.tensor([1.0, -1.0])
    with pytest.raises(RuntimeError, match=re.escape("trying to get value out of a tracing tensor")):
        make_fx(lambda x: x if x.sum() > 0 else -x)(x)
    with pytest.raises(NotImplementedError, match="a tensor that no operation had made"):
        make_fx(lambda x: x[x > 0] * 2)(x)
    with pytest.raises(NotImplementedError, match="shapes as numbers"):
        make_fx(torch.sin, tracing_mode="symbolic")
    with pytest.raises(AssertionError, match="tracing_mode must be one of"):
        make_fx(torch.sin, tracing_mode="other")
    assert get_proxy_mode() is None


def test_tensors_from_outside_are_constants() -> None:
    shift = torch.arange(3.0)
    gm = make_fx(lambda x: x + shift)(torch.ones(3))
    assert gm._tensor_constant0 is shift
    assert gm(torch.zeros(3)).tolist() == [0.0, 1.0, 2.0]


def test_a_trace_after_a_program_that_wraps_by_path() -> None:
    class Doubled(torch.nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x * 2

    gm = pickle.loads(pickle.dumps(torch.fx.symbolic_trace(Doubled(), concrete_args={"y": None})))
    assert gm(torch.ones(1), None).item() == 2.0
    with pytest.raises(AssertionError, match="y has been specialized to have value None"):
        gm(torch.ones(1), 3)
    assert 'wrap("torch.fx._symbolic_trace._assert_is_none")' in gm.code
    assert torch.fx.symbolic_trace(lambda x: x + 1)(1) == 2


def test_decompositions_take_the_place_of_operators() -> None:
    table = {torch.ops.aten.relu.default: lambda x: (x > 0) * x}
    gm = make_fx(lambda x: torch.relu(x), table)(torch.ones(3))
    called = [str(node.target) for node in gm.graph.nodes if node.op == "call_function"]
    assert called == ["aten.gt.Scalar", "aten.mul.Tensor"]
    assert gm(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
