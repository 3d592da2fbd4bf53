"""What programs do with tensors that carry tangents: writes through views, masks, questions about memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")

QUESTIONS = """
d.stride(), d.t().stride(), d.expand(2, 2, 3).stride(), d.stride(1)
d.storage_offset(), d.is_contiguous(), d.dim_order(), d.is_set_to(d)
d[d > 0]
d[d.sum(1) > 3]
d[:, d[0] > 0]
t.where(d > 1)
(d > 1).nonzero()
t.nonzero(d, as_tuple=True)
t.argwhere(d)
t.masked_select(d, d > 2)
t.unique((d > 2).long())
t.unique_consecutive((d > 2).long())
d.index_put((d > 2,), t.tensor(0.0))
t.arange(3)[d[0] > 0]
d.clone().masked_scatter_(d > 2, t.zeros(6))
""".strip().split("\n")


def _plain(answer: Any) -> Any:
    if isinstance(answer, tuple):
        return [_plain(part) for part in answer]
    return (str(answer.dtype), answer.tolist()) if hasattr(answer, "tolist") else answer


def asked(t: Any, question: str, way: str) -> Any:
    found = []
    x = t.arange(6.0).reshape(2, 3)

    def ask(d: Any) -> Any:
        found.append(_plain(eval(question, {"t": t, "d": d})))
        return d * 1

    if way == "dual":
        with t.autograd.forward_ad.dual_level():
            ask(t.autograd.forward_ad.make_dual(x, t.ones(2, 3)))
    elif way == "jvp":
        t.func.jvp(ask, (x,), (t.ones(2, 3),))
    else:
        t.func.vjp(ask, x)
    return found[0]


@pytest.mark.parametrize("way", ["dual", "jvp", "vjp"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_tensors_with_tangents_answer_as_in_pytorch(question: str, way: str) -> None:
    assert asked(xp, question, way) == asked(torch, question, way)


def _parts(t: Any, x: Any) -> Any:
    y = t.zeros_like(x)
    y[0] = x[0]
    y[1:] = x[1:] * x[:2]
    return y.add_(x)


def _sum(t: Any, x: Any) -> Any:
    return t.zeros(3).add_(x) * 2


def _copy(t: Any, x: Any) -> Any:
    y = t.empty(3)
    y.copy_(x)
    return y * y


def _rows(t: Any, x: Any) -> Any:
    y = t.zeros(3, 3)
    row = y[1]
    row.copy_(x)
    y[0, 0] = x[1]
    column = y[:, 2]
    column.add_(x)
    return y.sum(0) + y[1] * column


def _turned(t: Any, x: Any) -> Any:
    y = t.zeros_like(x).expand(2, 3).clone().t()
    y[:, 1] = x.sin()
    return y.sum(1) * y[:, 1]


def _masked(t: Any, x: Any) -> Any:
    y = x.clone()
    y[x > 1] = 0
    return y + t.zeros(3).index_put((x > 0,), x[x > 0] ** 2)


FUNCTIONS = [_parts, _sum, _copy, _rows, _turned, _masked]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_tangents_follow_writes(function: Any) -> None:
    def outcomes(t: Any) -> list[Any]:
        x = t.tensor([0.5, 1.5, 2.5])
        forward_ad = t.autograd.forward_ad
        with forward_ad.dual_level():
            dual = forward_ad.unpack_dual(function(t, forward_ad.make_dual(x, t.tensor([1.0, 2.0, 3.0]))))
        return [
            dual.primal.tolist(),
            dual.tangent.tolist(),
            t.autograd.functional.jacobian(lambda v: function(t, v), x).tolist(),
            t.func.jvp(lambda v: function(t, v), (x,), (t.ones(3),))[1].tolist(),
        ]

    for found, expected in zip(outcomes(xp), outcomes(torch), strict=True):
        assert np.asarray(found) == pytest.approx(np.asarray(expected), rel=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS[:-1], ids=lambda f: f.__name__)
def test_batches_of_tangents_follow_writes(function: Any) -> None:
    for t in (xp, torch):
        x = t.tensor([0.5, 1.5, 2.5])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forward = t.autograd.functional.jacobian(
                lambda v, t=t: function(t, v), x, strategy="forward-mode", vectorize=True
            )
        backward = t.autograd.functional.jacobian(lambda v, t=t: function(t, v), x)
        assert np.asarray(forward.tolist()) == pytest.approx(np.asarray(backward.tolist()), rel=1e-5)


@pytest.mark.parametrize("fill", ["normal_", "uniform_", "bernoulli_", "exponential_", "random_"])
def test_random_numbers_have_no_tangent_where_they_lie(fill: str) -> None:
    for t in (xp, torch):
        forward_ad = t.autograd.forward_ad
        with forward_ad.dual_level():
            x = t.ones(3)
            dual = forward_ad.make_dual(x, t.ones(3))
            assert getattr(dual, fill)() is dual
            assert forward_ad.unpack_dual(dual).tangent.tolist() == [0, 0, 0]
            assert dual.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
            assert x.tolist() == forward_ad.unpack_dual(dual).primal.tolist()


FILLS = ["normal_()", "uniform_(0, 2)", "exponential_()", "geometric_(0.5)", "random_()"]


@pytest.mark.parametrize("fill", FILLS)
def test_random_numbers_are_constants_of_a_jvp(fill: str) -> None:
    def noisy(t: Any, x: Any) -> Any:
        return eval(f"x.clone().{fill}", {"x": x}) * x

    found = []
    for t in (xp, torch):
        t.manual_seed(0)
        x = t.linspace(-1.0, 1.0, 5)
        results = t.func.jvp(lambda v, t=t: noisy(t, v), (x,), (t.ones(5),))
        found.append([r.tolist() for r in results])
    assert found[0] == found[1]


def _set_rows(t: Any, x: Any) -> Any:
    y = x.new_ones(3, 4)
    y[0] = x * 2
    y[1].add_(x**2)
    y.t()[0].mul_(x[:3])
    return y.prod(0).sum()


def _set_slice(t: Any, x: Any) -> Any:
    y = x.clone()
    y[1:3] = x[:2] * x[2:]
    return y.pow(2).sum()


def _filled(t: Any, x: Any) -> Any:
    y = t.outer(x, x)
    y.fill_diagonal_(0.0)
    return (y @ x).pow(2).sum()


def _scattered(t: Any, x: Any) -> Any:
    return x.clone().scatter_(0, t.tensor([1]), x[:1] ** 2).pow(2).sum()


def _in_turn(t: Any, x: Any) -> Any:
    y = x.clone()
    y.mul_(x).sin_().add_(x, alpha=2)
    y[0].exp_()
    return y.sum()


def _overwritten(t: Any, x: Any) -> Any:
    return (x.exp().div_(x).tanh_().mul_(2).sub_(x)).pow(2).sum()  # the result of tanh is needed


@pytest.mark.parametrize(
    "function", [_set_rows, _set_slice, _filled, _scattered, _in_turn, _overwritten], ids=lambda f: f.__name__
)
def test_second_derivatives_of_writes(function: Any) -> None:
    """Forward over reverse, reverse over forward, and by hessian()."""

    def outcomes(t: Any) -> list[Any]:
        x = t.tensor([0.3, 1.2, 2.1, -0.7], dtype=t.float64)
        forward_ad = t.autograd.forward_ad

        def over_reverse() -> Any:
            with forward_ad.dual_level():
                dual = forward_ad.make_dual(x.clone().requires_grad_(), t.ones_like(x))
                (g,) = t.autograd.grad(function(t, dual), dual)
                return forward_ad.unpack_dual(g).tangent

        def under_reverse() -> Any:
            leaf = x.clone().requires_grad_()
            with forward_ad.dual_level():
                dual = function(t, forward_ad.make_dual(leaf, t.ones_like(x)))
                return t.autograd.grad(forward_ad.unpack_dual(dual).tangent, leaf)[0]

        def batched() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return t.autograd.functional.hessian(
                    lambda v: function(t, v), x, vectorize=True, outer_jacobian_strategy="forward-mode"
                )

        found = []
        for way in (over_reverse, under_reverse, batched):
            try:
                found.append(way().reshape(-1).tolist())
            except RuntimeError as error:
                found.append(str(error)[:90])
        return found

    for found, expected in zip(outcomes(xp), outcomes(torch), strict=True):
        said = isinstance(expected, str)
        assert found == (expected if said else pytest.approx(expected, rel=1e-9, abs=1e-10))


def _functions(t: Any) -> list[Any]:
    class Cube(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0] ** 2

        @staticmethod
        def jvp(ctx: Any, moved: Any) -> Any:
            return moved * 3 * ctx.saved_tensors[0] ** 2

    class Exp(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            ctx.save_for_forward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

        @staticmethod
        def jvp(ctx: Any, moved: Any) -> Any:
            return moved * ctx.saved_tensors[0]

    return [Cube, Exp]


@pytest.mark.parametrize("number", [0, 1])
def test_second_derivatives_of_functions_that_programs_define(number: int) -> None:
    """What `backward` reads of a Function's operands and results has their tangents."""

    def outcomes(t: Any) -> list[Any]:
        apply, forward_ad = _functions(t)[number].apply, t.autograd.forward_ad
        x = t.tensor([0.3, 1.2])
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x.clone().requires_grad_(), t.ones(2))
            (g,) = t.autograd.grad(apply(dual).sum(), dual)
            over = forward_ad.unpack_dual(g).tangent
            leaf = x.clone().requires_grad_()
            moved = forward_ad.unpack_dual(apply(forward_ad.make_dual(leaf, t.ones(2)))).tangent
            under = forward_ad.unpack_dual(t.autograd.grad(moved.sum(), leaf)[0]).primal
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = t.autograd.functional.hessian(
                lambda v: apply(v).sum(), x, vectorize=True, outer_jacobian_strategy="forward-mode"
            )
        return [found.detach().tolist() for found in (over, under, whole)]

    for found, expected in zip(outcomes(xp), outcomes(torch), strict=True):
        assert np.asarray(found) == pytest.approx(np.asarray(expected), rel=1e-5)
