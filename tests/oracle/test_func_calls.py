"""Calls of transforms, one a line, in both libraries: results, exceptions with their texts."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

# x: (3, 4); `saw(f)` is a function of one tensor that returns it after it has called f.
CALLS = """
F.vmap(lambda a, b: a, in_dims=(0,))(x, x)
F.vmap(lambda z: z[0] + z[1], in_dims=([0, 0],))((x, x))
F.vmap(t.mul, in_dims=[0, 0])(x, x)
F.vmap(t.mul, in_dims=None)(x, x)
F.vmap(t.mul, in_dims=(None, None))(x, x)
F.vmap(t.mul, in_dims=(0, "a"))(x, x)
F.vmap(t.mul, in_dims=(0, 0))(x, 2)
F.vmap(t.mul, in_dims=(0, 4))(x, x)
F.vmap(t.mul)(x, x[:2])
F.vmap(lambda a: a.clone().long().sin_())(x)
F.vmap(lambda a: a.clone().long().div_(2))(x)
F.vmap(lambda a: a.clone().lt_(0.5))(x)
F.vmap(lambda a: a.float().add_(a.double()))(x)
F.vmap(lambda a: a.long().clamp_(0.5))(x)
F.vmap(lambda a: a.long().mul_(2).add_(a.long()))(x)
F.vmap(lambda a: a.long().add_(0.5))(x)
F.vmap(lambda a: t.zeros(4).add_(a.long()[0]), randomness="same")(x)
F.grad(lambda a: (a * 1).float().mul_(a.double()).sum())(x)
F.jvp(lambda a: (a * 1).float().mul_(a.double()), (x,), (x,))
F.vmap(lambda: 1)()
F.vmap(functools.partial(t.mul, 2))()
F.vmap(t.sin, out_dims=(1,))(x)
F.vmap(t.sin, out_dims=(1, 1))(x)
F.vmap(t.sin, out_dims="lol")(x)
F.vmap(t.sin, out_dims=None)(x)
F.vmap(lambda a: (a, 1))(x)
F.vmap(lambda a: (a, 1), out_dims=(0, None))(x)
F.vmap(lambda a: {"b": a, "a": a}, out_dims={"a": 1, "b": 0})(x)
F.vmap(t.sin, randomness="some")(x)
F.vmap(t.sin, chunk_size=0)(x)
F.vmap(lambda a: a.sum().item())(x)
F.vmap(lambda a: int(a.sum()))(x)
F.vmap(lambda a: 1 if a.sum() > 0 else 2)(x)
F.vmap(lambda a: a.data)(x)
F.vmap(lambda a: setattr(a, "data", t.ones(3)))(x)
F.vmap(lambda a: a.tolist())(x)
F.vmap(lambda a: a.numpy())(x)
F.vmap(lambda a: a.data_ptr())(x)
F.vmap(lambda a: t.abs(a, out=a))(x)
F.vmap(t.equal)(x, x)
F.vmap(t.where)(x)
F.vmap(t.nonzero)(x)
F.vmap(t.unique)(x)
F.vmap(lambda a: a[a > 0])(x)
F.vmap(lambda a: t.masked_select(a, a > 0))(x)
F.vmap(lambda a: t.mm(a, a))(x)
F.vmap(lambda a: t.zeros(4).copy_(a))(x)
F.vmap(lambda a: t.zeros(4).add_(a))(x)
F.vmap(t.Tensor.view, in_dims=(1, None))(t.ones(2, 7, 5), [10])
F.vmap(t.Tensor.view_as_complex if hasattr(t.Tensor, "view_as_complex") else t.view_as_complex)(x)
F.vmap(lambda a: a.is_conj(), out_dims=None)(x + 1j), F.vmap(lambda a: a.conj())(x + 1j).is_conj()
F.vmap(lambda a: a.clone(memory_format=t.channels_last))(t.ones(2, 2, 2, 2, 2))
F.vmap(lambda a: a.contiguous(memory_format=t.channels_last))(t.ones(2, 2, 2, 2, 2))
F.vmap(lambda a: a.is_contiguous(memory_format=t.channels_last), out_dims=None)(t.ones(2, 2, 2, 2, 2))
F.vmap(lambda a: a.new_empty_strided([2, 3], [3, 1]))(x).stride()
F.vmap(lambda a: a + t.randn(()))(x)
F.vmap(F.vmap(lambda a: a + t.randn(()), randomness="different"), randomness="different")(x)
F.vmap(F.vmap(lambda a: a + t.randn(()), randomness="same"), randomness="different")(x)
F.vmap(F.vmap(lambda a: a + t.randn(()), randomness="different"), randomness="same")(x)
F.vmap(lambda a: t.rand_like(a), randomness="same", chunk_size=2)(x)
F.vmap(lambda a: t.randperm(4), randomness="different")(x).shape
F.vmap(lambda a: t.bernoulli(t.full((4,), 0.5)), randomness="different")(x)
F.vmap(lambda a: t.normal(t.zeros(4), 1.0), randomness="different")(x)
F.vmap(lambda a: t.normal(a, a, out=a))(x)
F.vmap(t.Tensor.exp_)(x) is x, x
F.vmap(t.Tensor.exp_, out_dims=1)(x)._base is x
F.vmap(F.vmap(t.Tensor.exp_))(x) is x
F.vmap(t.Tensor.atan2_, (1, 0))(x, t.ones(4, 3)), x
F.grad(t.sin)(x)
F.grad(lambda a: 1)(x)
F.grad(t.sum, argnums=-3)(x)
F.grad(t.mul, argnums=[0])(x[0, 0], x[0, 1])
F.grad(t.mul, argnums=("0",))(x[0, 0], x[0, 1])
F.grad(t.mul, argnums=(0, -2))(x[0, 0], x[0, 1])
F.grad(t.mul, argnums=())(x[0, 0], x[0, 1])
F.grad(t.sum)(t.tensor([1]))
F.grad(t.sum)(1.0)
F.grad(lambda a: a.sum(), has_aux=True)(x)
F.grad(lambda a: (a.sum(), 1.0), has_aux=True)(x)
F.grad(lambda a: (a.sum(), [a, a]), has_aux=True)(x)
F.grad(lambda a: x.copy_(a).sum())(x * 2)
F.grad(lambda a, b: b.copy_(a).sum())(x * 2, x), x
F.grad(lambda a: t.zeros(4).copy_(a[0]).mul(a[1]).sum())(x)
F.grad(lambda a: a.clone().view(12).sin_().sum())(x)
F.grad(lambda a: a.retain_grad())(x)
F.grad(lambda b: (F.grad(lambda a: ((a @ b) ** 2).sum())(x) ** 2).sum())(x.t() @ x)
t.autograd.grad(F.vjp(lambda a: a @ w, x)[1](x)[0].sum(), w)
t.autograd.grad(F.vjp(lambda a: t.nn.functional.linear(a, w).tanh(), x)[1](x)[0].sum(), w)
t.autograd.grad(F.vmap(F.jacrev(lambda a: t.mv(w, a).tanh()))(x).pow(2).sum(), w)
t.autograd.grad(F.vmap(F.jacfwd(lambda a: t.mv(w, a).tanh()))(x).pow(2).sum(), w)
F.grad(lambda a: (lambda c: (c.view(4, 3).mul_(3), c)[1])(a.clone()).sum())(x)
F.grad(lambda a: (lambda c: (c.view(3, 4).mul_(3), c)[1])(a.clone()).sum())(x)
F.vmap(lambda a: (lambda c: (c.view(2, 2).mul_(3), c)[1])(a.clone()))(x)
F.vmap(lambda a: (lambda c: (c.reshape(4).mul_(3), c)[1])(a.clone()))(x)
F.vmap(F.vmap(t.Tensor.neg_), in_dims=1)(x)._base is x, x
F.vmap(lambda a: a.as_strided((2, 2), (1, 1), 2), in_dims=1)(x)._base is x
F.vmap(lambda a: a.as_strided((2, 2), (1, 1), 2), in_dims=1)(x)
F.vmap(lambda a: a.squeeze(0))(x[0])._base is x, F.vmap(lambda a: a.transpose(0, 0))(x[0])._base is x
F.vmap(lambda a: a.reshape(2, 2))(x)._base is x, F.vmap(lambda a: a.expand(2, 4))(x)._base is x
F.vmap(lambda a: a.transpose(0, 1), in_dims=1)(t.ones(2, 3, 4, 5)).shape
t._is_all_true(x > 1), t._is_any_true(x > 1), F.vmap(lambda a: t._is_any_true(a > 1), out_dims=None)(x)
F.vjp(lambda a: None, x)
F.vjp(lambda a: (), x)
F.vjp(lambda a: (a, 1), x)
F.vjp(lambda a: a > 0, x)
F.vjp(lambda a: (a, [a]), x)[1](x)
F.vjp(lambda a: (a, [a]), x)[1]((x, (x,)))
F.vjp(lambda a: (a, [a]), x)[1]((x, [x]))
F.jvp(t.sin, x, x)
F.jvp(t.sin, (), ())
F.jvp(t.sin, (1.0,), (1.0,))
F.jvp(t.sin, (x,), (1.0,))
F.jvp(t.sin, (x,), [x])
F.jvp(t.sin, (x,), (x[0],))
F.jvp(lambda a: None, (x,), (x,))
F.jvp(lambda a: x, (x,), (x,), strict=True)
F.jvp(lambda a: a, (x,), (x,), has_aux=True)
F.jvp(lambda a: (a, 1), (x,), (x,), has_aux=True)
F.jvp(lambda a: (a.sin(), a.cos()), (x,), (x,), has_aux=True)
F.jvp(lambda a, b: b.copy_(a), (x, x * 1), (x * 2, x))
F.jvp(lambda a: t.zeros(3, 4, dtype=t.float64).copy_(a), (x,), (x * 2,))
F.jacrev(t.sin)(x + 1j)
F.jacrev(lambda a: a + 1j)(x)
F.jacfwd(t.sin)(x + 1j)
F.jacfwd(lambda a: a + 1j)(x)
F.jacrev(t.sin, chunk_size=0)
F.jacrev(t.sin, argnums=0.5)(x)
F.jacfwd(t.sin, argnums=0.5)(x)
F.jacfwd(t.sin, argnums=())(x)
F.jacrev(lambda a: ())(x)
F.jacfwd(lambda a: ())(x)
F.jacrev(lambda a: (a.sin(), a.sum()), chunk_size=1)(x[0])
F.jacrev(lambda a: (a.sin(), a.sum()), chunk_size=3)(x[0])
F.jacrev(lambda a: (a.sin(), a.cos()), has_aux=True)(x[0])
F.jacfwd(lambda a: (a.sin(), a.cos()), has_aux=True)(x[0])
F.jacfwd(lambda a, b: b.copy_(a))(x[0], x[1] * 1)
F.jacrev(lambda a, b: b.copy_(a))(x[0], x[1] * 1)
F.hessian(lambda a: (a**3).sum())(x[0])
F.linearize(t.sin, x)[1](x[0])
F.linearize(t.sin, x)[1](x, x)
F.linearize(t.sin, x)[1](x.float())
F.linearize(t.sin, x)[1](x)
F.functionalize(t.sin, remove="all")(x)
F.functionalize(lambda a: a.clone().add_(1))(x)
F.stack_module_state([])
F.grad(lambda a: Same.apply(a.clone()).sum())(x)
F.jvp(lambda a: Same.apply(a.clone()), (x,), (x,))
Same.apply(x.clone().requires_grad_())
F.vmap(Wrong.apply)(x)
F.vmap(Lists.apply)(x, [x, x])
F.grad(lambda a: named(Wrong.apply(a)).sum())(x), seen
F.vmap(t.bincount)(t.ones(2, 3, dtype=t.int64))
F.vmap(lambda a: t.repeat_interleave(a, t.tensor([1, 2, 1, 1])))(x)
F.grad(lambda a: hooked(t.sin, a))(x)
F.vjp(lambda a: hooked(t.sin, a), x)
F.hessian(lambda a: hooked(t.sin, a))(x)
F.jacrev(lambda a: hooked(t.sin, a))(x)
F.jvp(lambda a: hooked(t.sin, a), (x,), (x,))
hooked(F.grad(lambda a: a.sin().sum()), x)
hooked(F.grad_and_value(lambda a: a.sin().sum()), x)
F.vmap(lambda a: recomputed(t.sin, a))(x)
F.jvp(lambda a: recomputed(t.sin, a), (x,), (x,))
F.jacfwd(lambda a: recomputed(t.sin, a))(x)
F.grad(lambda a: recomputed(t.sin, a).sum())(x)
F.vmap(lambda a: a + a.storage_offset())(x[1:])
F.grad(lambda a: a.sum() * a.storage_offset())(x[1:])
F.vmap(lambda a: a.untyped_storage())(x)
F.grad(lambda a: a.sum() * a.untyped_storage().nbytes())(x)
F.vmap(lambda a: a.as_strided([3], [1], a.storage_offset() + 1))(x[1:])
F.vmap(lambda a: a.as_strided([3], [1], 1))(x[:, :3])
F.vmap(lambda a: a.as_strided([4, 4], [4, 1], 0))(t.ones(2, 3, 5))
F.vmap(lambda a: a.as_strided([3], [1], 0))(x[1:])
F.vmap(lambda a: a.as_strided([3], [1]))(t.ones(3, 0, 3))
F.vmap(lambda a: a.as_strided([3], [5]), in_dims=1)(t.ones(3, 4))
F.vmap(lambda a: a.as_strided([3, 0], [1, 99]))(x)
F.vmap(lambda a: a.as_strided([1, 1, 1], [1, 1]))(x)
F.grad(lambda a: (a.t().as_strided([2, 2], [1, 3], 1) * x[:2, :2]).sum())(x[:2, 1:])
F.grad(lambda a: a.as_strided([3, 3], [1, 3]).sum())(t.ones(5))
F.vmap(lambda a: t.rand_like(a), in_dims=1, randomness="different")(x)
F.vmap(lambda a: t.randint_like(a, 3, 20), in_dims=1, randomness="different")(x)
F.vmap(lambda a: t.randn_like(a), in_dims=1, randomness="same")(x)
t.rand_like(x[0].expand(5, 4)).stride(), t.randn_like(x.t().expand(2, 4, 3))
F.vmap(lambda a: Keyed.apply(a, k=a))(x)
F.grad(lambda a: Keyed.apply(a, k=2).sum())(x)
F.vmap(lambda a: Keyed.apply(a))(x)
once(F.vjp(lambda a: Once.apply(a), w)[1](w.detach().clone().requires_grad_())[0])
"""


def functions(library: Any) -> dict[str, Any]:
    """Custom Functions of a library."""

    class Same(library.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(a: Any) -> Any:
            return a

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

        @staticmethod
        def jvp(ctx: Any, move: Any) -> Any:
            return move.view_as(move)

    class Wrong(library.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(a: Any) -> Any:
            return a.clone()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

        @staticmethod
        def vmap(info: Any, in_dims: Any, a: Any) -> Any:
            return a, (None,)

    class Lists(library.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(a: Any, b: Any) -> Any:
            return a

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def vmap(info: Any, in_dims: Any, a: Any, b: Any) -> Any:
            assert in_dims == (0, [0, 0])
            return (a, b), in_dims

    class Keyed(library.autograd.Function):  # type: ignore[misc, name-defined]
        generate_vmap_rule = True

        @staticmethod
        def forward(a: Any, *, k: Any = None) -> Any:
            return a * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

    class Once(library.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(a: Any) -> Any:
            return a * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        @library.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    def hooked(f: Any, a: Any) -> Any:
        with library.autograd.graph.save_on_cpu():
            return f(a)

    def recomputed(f: Any, a: Any) -> Any:
        return library.utils.checkpoint.checkpoint(f, a, use_reentrant=False)

    return {
        "Same": Same, "Wrong": Wrong, "Lists": Lists, "Keyed": Keyed, "Once": Once, "hooked": hooked,
        "recomputed": recomputed, "once": lambda found: found.sum().backward(),
    }  # fmt: skip


def plain(value: Any) -> Any:
    """A result as numbers, dtypes and shapes."""
    if isinstance(value, (torch.Tensor, xp.Tensor)):
        return (
            str(value.dtype),
            tuple(value.shape),
            np.round(value.detach().resolve_conj().numpy(), 5).tolist(),
        )
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def told(library: Any, call: str) -> Any:
    """What comes of a call: its result or its error."""
    seen: list[Any] = []

    def named(a: Any) -> Any:
        seen.append(type(a.grad_fn).__name__)
        return a

    library.manual_seed(0)
    x = library.arange(12.0, dtype=library.float64).view(3, 4) / 7 + 0.1
    w = (x.t() @ x).requires_grad_()
    space = {
        "t": library, "F": library.func, "x": x, "functools": functools, "named": named, "seen": seen, "w": w,
        **functions(library),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(eval(call, space))
        except Exception as error:  # whatever PyTorch raises is what is asked for
            return type(error).__name__, str(error)


@pytest.mark.parametrize("call", [c for c in CALLS.split("\n") if c])
def test_call(call: str) -> None:
    """Both libraries give the same."""
    assert told(xp, call) == told(torch, call)
