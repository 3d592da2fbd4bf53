"""Small programs at the edges of the engine, run in both libraries: gradients, histories, errors, memory."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from samples.library import xp

PROGRAMS: list[Callable[[Any], Any]] = []


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS.append(function)
    return function


def _ones(t: Any, *sizes: int) -> Any:
    return t.ones(*sizes, requires_grad=True)


def _seen(y: Any) -> Any:
    history = y.grad_fn and type(y.grad_fn).__name__
    return y.requires_grad, history, y.is_leaf, str(y.device), str(y.dtype), tuple(y.shape), y.stride()


@program
def an_input_that_is_returned_stays_an_input(t: Any) -> Any:
    seen: list[Any] = []

    class First(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.extend((a.requires_grad, a.grad_fn is None, a._version) for a in ctx.saved_tensors)
            return g, None

    def nothing_recorded(a: Any, b: Any) -> Any:
        return a

    for needs in ((False, True), (True, False), (True, True)):
        a, b = (t.ones(2, requires_grad=n) for n in needs)
        out = First.apply(a, b)
        seen.append((out is a, a.requires_grad, *_seen(out)))
        out.sum().backward()
    again = t.utils.checkpoint.checkpoint(nothing_recorded, t.ones(2), _ones(t, 2), use_reentrant=True)
    try:
        again.sum().backward()
    except RuntimeError as error:
        seen.append(str(error))
    return seen


@program
def written_views_give_memory_of_their_own(t: Any) -> Any:
    x = t.tensor([2.0, -1.5, 1.0], requires_grad=True)
    y = x.reshape(-1)
    with t.no_grad():
        x.zero_()
        y.backward(y, retain_graph=True)
        y.backward(t.full_like(y, 0.5), retain_graph=True)
    return x.tolist(), x.grad.tolist(), x._version


@program
def nothing_is_added_to_an_expanded_gradient(t: Any) -> Any:
    x = _ones(t, 2, 2)
    x.grad = t.ones(1, 2).expand(2, 2)
    (x * x).sum().backward()


@program
def nothing_is_added_to_the_gradient_of_a_sum(t: Any) -> Any:
    x = _ones(t, 2, 2)
    (x.grad,) = t.autograd.grad(x.sum(), x)
    x.sum().backward()


@program
def gradients_of_means_are_not_expanded(t: Any) -> Any:
    x = _ones(t, 2, 3)
    (x.grad,) = t.autograd.grad(x.mean(), x)
    seen = x.grad.detach()
    x.sum().backward()
    rows = t.autograd.grad(x.mean(1).sum(), x)[0]
    return seen.tolist(), rows.stride(), rows._is_view()


@program
def running_products_are_kept(t: Any) -> Any:
    x = t.tensor([[1.25, -1.5, 0.75], [2.0, 0.0, 3.0]], requires_grad=True)
    y = x.cumprod(1)
    y.data.mul_(2)
    y.sum().backward()
    return [[round(v, 5) for v in row] for row in x.grad.tolist()]


@program
def one_cotangent_is_one_tensor(t: Any) -> Any:
    x = t.tensor(2.0, dtype=t.float64, requires_grad=True)
    y = x.clone()
    one, two = t.autograd.grad(y * 2, [x, y])
    z = t.zeros(2)
    v = _ones(t, 2)
    w = z.copy_(v)
    three, four = t.autograd.grad(z.sum(), [w, v])
    return one is two, three is four


@program
def the_newest_operation_without_derivative_is_told(t: Any) -> Any:
    x = t.tensor([[3.0, 0.25], [1.0, -1.0]], requires_grad=True)
    (t.floor_divide(x, x).log() / t.heaviside(x, x)).sum().backward()


@program
def quotients_by_integers_have_no_gradient(t: Any) -> Any:
    found = []
    for kind in (t.bool, t.int64, t.uint8):
        x = _ones(t, 2)
        try:
            t.addcdiv(x, x, t.ones(2).to(kind)).sum().backward()
        except RuntimeError as error:
            found.append(str(error))
        x = _ones(t, 2)
        t.addcdiv(t.ones(2), t.ones(2).to(kind), x).sum().backward()
        found.append(x.grad.tolist())
    return found


@program
def tensors_of_inference_mode_stay_unwritten(t: Any) -> Any:
    with t.inference_mode():
        x = t.ones(2)
    x.data = t.ones(2)
    found = []
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.exp_(), lambda: x.copy_(t.ones(2))):
        try:
            found.append(write())
        except RuntimeError as error:
            found.append(str(error))
    with t.inference_mode():
        x.add_(1)
    return found, x.tolist()


@program
def histories_are_looked_at_before_sizes(t: Any) -> Any:
    found = []
    x = _ones(t, 3) * 2
    _, last = x.split(2)
    x.select(0, 0).add_(1)
    for wrong in (lambda: last.tril(), lambda: last.triu(), lambda: last.split(-1)):
        try:
            wrong()
        except RuntimeError as error:
            found.append(str(error))
    return found


@program
def nothing_can_be_taken_from_nothing(t: Any) -> Any:
    return t.zeros(2, 0).take(t.tensor([0, -1]))


@program
def what_is_not_a_number_has_a_slope(t: Any) -> Any:
    f = t.nn.functional
    found = []
    for activation in (f.hardsigmoid, f.hardswish, f.elu, f.celu, f.selu, t.sinc):
        for g in (1.0, float("inf"), float("nan")):
            x = t.tensor([float("nan"), -5.0, 0.0, 0.5, 5.0], requires_grad=True)
            activation(x).backward(t.full((5,), g))
            found.append([round(v, 4) for v in x.grad.tolist()])
    return str(found)


@program
def the_sign_of_zero_passes_relu(t: Any) -> Any:
    return str(t.relu(t.tensor([-0.0, 0.0, -1.0, 2.0]))), str(t.full((70_000,), -0.0).relu()[:2])


@program
def histories_lead_to_meta(t: Any) -> Any:
    x = _ones(t, 2, 3)
    found = [_seen(y) for y in (x.to("meta"), (x * 2).to("meta"), x.t().to("meta", t.float64))]
    like = t.empty(1, device="meta")
    found += [_seen(y) for y in (x.to(like), x.to("meta", t.int64), x.detach().to("meta"))]
    with t.no_grad():
        found.append(_seen(x.to("meta")))
    return found, repr(x.to("meta"))


@program
def gradients_stay_on_meta(t: Any) -> Any:
    y = _ones(t, 2, 3).to("meta")
    y.retain_grad()
    (y * 2).sum().backward(inputs=[y])
    return repr(y.grad)


@program
def nothing_comes_back_from_meta(t: Any) -> Any:
    _ones(t, 2, 3).to("meta").sum().backward()


@program
def sparse_gradients_are_not_shared(t: Any) -> Any:
    class Both(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    a, b = _ones(t, 10, 3), _ones(t, 10, 3)
    rows = t.nn.functional.embedding_bag(t.tensor([1, 2, 4]), Both.apply(a, b), t.tensor([0, 2]), sparse=True)
    rows.sum().backward()
    a.grad._values().mul_(2)
    return a.grad.to_dense().tolist(), b.grad.to_dense().tolist()


@program
def gradients_have_the_layout_of_their_tensors(t: Any) -> Any:
    dense = t.tensor([[1.0, 2.0], [3.0, 4.0]])
    ways = {"to_sparse": (), "to_sparse_csr": (), "to_sparse_csc": (), "to_sparse_bsr": (2,)}
    found = []
    for way, block in ways.items():
        x = dense.to_sparse().requires_grad_()
        g = t.autograd.grad(getattr(x, way)(*block), x, getattr(dense, way)(*block))[0]
        found.append((str(g.layout), g.to_dense().tolist()))
    return found


@program
def hooks_in_a_dict_of_ones_own(t: Any) -> Any:
    plain, x = t.ones(2), _ones(t, 2)
    plain._backward_hooks = {}
    plain._backward_hooks["never"] = lambda g: g * 0
    x._backward_hooks = {}
    x._backward_hooks["twice"] = lambda g: g * 2
    (plain * x).sum().backward()
    return x.grad.tolist(), list(plain._backward_hooks)


@program
def forward_mode_has_no_formula(t: Any) -> Any:
    found = []
    with t.autograd.forward_ad.dual_level():
        x = t.autograd.forward_ad.make_dual(t.ones(2), t.ones(2))
        for function in (t.heaviside, t.floor_divide):
            try:
                function(x, x)
            except NotImplementedError as error:
                found.append(str(error))
    return found


def outcome(function: Callable[[Any], Any], library: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(library)
        except Exception as error:
            return type(error).__name__, str(error)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_end_as_in_pytorch(function: Callable[[Any], Any]) -> None:
    assert outcome(function, xp) == outcome(function, torch), inspect.getsource(function)
