"""Programs about custom Functions: contexts, checks, in-place, several outputs, transforms."""

from __future__ import annotations

import warnings
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def plain(torch: Any, say: Say) -> None:
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float, bias: Any = None) -> Any:
            ctx.factor = factor
            ctx.save_for_backward(x)
            say("needs", ctx.needs_input_grad)
            return x * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            say("backward", ctx.saved_tensors, ctx.needs_input_grad)
            return g * ctx.factor, None, None

    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = Scale.apply(a, 3.0)
    say(b, type(b.grad_fn).__name__, b.grad_fn.name(), b.requires_grad)
    b.sum().backward()
    say(a.grad)
    say(Scale.apply(a.detach(), 2.0))
    say.failure(lambda: b.sum().backward())
    with torch.no_grad():
        say(Scale.apply(a, 2.0).requires_grad)


@program
def with_setup_context(torch: Any, say: Say) -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y, x + y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            say("setup", len(inputs), len(output))
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            say("grads", g, h)
            return g * y + h, g * x + h

    a = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(5.0, requires_grad=True)
    p, s = Product.apply(a, b)
    p.backward(retain_graph=True)
    say(a.grad, b.grad)
    (g,) = torch.autograd.grad(p * s, a, create_graph=True)
    say(g, torch.autograd.grad(g, b))


@program
def what_backward_may_return(torch: Any, say: Say) -> None:
    def function(result: Any, forward: Any = None) -> Any:
        class Identity(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any, n: int = 1) -> Any:
                return x.clone() if forward is None else forward(ctx, x)

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return result(g)

        return Identity

    a = torch.tensor([1.0, 2.0], requires_grad=True)
    for result in (
        lambda g: g, lambda g: (g, None), lambda g: (g, None, None), lambda g: (g, g), lambda g: None,
        lambda g: 3, lambda g: g.sum(), lambda g: torch.ones(3), lambda g: torch.ones(4, 2),
        lambda g: g.double(),
    ):  # fmt: skip
        def run(result: Any = result) -> Any:
            return torch.autograd.grad(function(result).apply(a).sum(), a, allow_unused=True)

        say.failure(run)
    say.failure(lambda: function(lambda g: g, lambda ctx, x: 5).apply(a))
    say.failure(lambda: function(lambda g: g, lambda ctx, x: ctx.save_for_backward(1) or x.clone()).apply(a))


@program
def identity_and_views(torch: Any, say: Say) -> None:
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    class View(Same):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.view(-1)

    a = torch.ones(2, requires_grad=True)
    b = Same.apply(a)
    say(b is a, type(b.grad_fn).__name__)
    b.sum().backward()
    say(a.grad)
    c = View.apply(a * 1)
    say(c._is_view(), type(c.grad_fn).__name__)
    say.failure(lambda: c.add_(1))


@program
def dirty_inputs(torch: Any, say: Say) -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    class Forgets(Double):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x * 2

    a = torch.ones(2, requires_grad=True)
    b = a * 1
    c = Double.apply(b)
    say(c is b, b, b._version, type(b.grad_fn).__name__)
    c.sum().backward()
    say(a.grad)
    say.failure(lambda: Double.apply(a))
    say.failure(lambda: Forgets.apply(a * 1))


@program
def outputs_without_gradient(torch: Any, say: Say) -> None:
    class Sorted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, materialize: bool) -> Any:
            ctx.set_materialize_grads(materialize)
            values, order = x.sort()
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(order)
            return values, order, x * 2

        @staticmethod
        def backward(ctx: Any, g: Any, nothing: Any, h: Any) -> Any:
            say(g, nothing, h)
            (order,) = ctx.saved_tensors
            return (torch.zeros(3) if g is None else torch.zeros(3).scatter(0, order, g)), None

    a = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    for materialize in (True, False):
        values, order, _ = Sorted.apply(a, materialize)
        say(order.requires_grad, values.requires_grad)
        (values * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        say(a.grad)


@program
def once(torch: Any, say: Say) -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 2 * x * g

    a = torch.tensor(3.0, requires_grad=True)
    (g,) = torch.autograd.grad(Square.apply(a), a, create_graph=True)
    say(g.requires_grad)
    say.failure(lambda: g.backward())


@program
def misuse(torch: Any, say: Say) -> None:
    class Empty(torch.autograd.Function):
        pass

    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

    a = torch.ones(1, requires_grad=True)
    say.failure(lambda: Empty.apply(a))
    say.failure(lambda: Half.apply(a).backward())
    say.failure(lambda: Half()(a))


@program
def in_transforms(torch: Any, say: Say) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's own, on first use of forward mode
    function = torch.autograd.Function

    class Square(function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            (x,) = ctx.saved_tensors
            return t * 2 * x

    class Generated(Square):
        generate_vmap_rule = True

    class Own(Square):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            say(info, in_dims)
            return Own.apply(x), in_dims[0]

    class Both(Own):
        generate_vmap_rule = True

    class Bad(Square):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return x

    class Old(function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

    f, x = torch.func, torch.tensor([1.0, 2.0, 3.0])
    say(f.grad(lambda a: Square.apply(a).sum())(x), f.grad(f.grad(Square.apply))(torch.tensor(3.0)))
    say(f.jvp(Square.apply, (x,), (x,)), f.jacrev(Generated.apply)(x), f.jacfwd(Generated.apply)(x))
    say(f.hessian(lambda a: Generated.apply(a).sum())(x))
    for kind in (Square, Generated, Own, Both, Bad, Old):
        say.failure(lambda kind=kind: f.vmap(kind.apply)(x))
    say(f.vmap(f.grad(Generated.apply))(x), f.vmap(f.grad(Own.apply))(x))
    say(f.grad(lambda a: f.vmap(Generated.apply)(a).sum())(x))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, x)
        say(Square.apply(dual))
        say.failure(lambda: Old.apply(dual))


@program
def several_inputs_in_transforms(torch: Any, say: Say) -> None:
    class Both(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y, x + y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

        @staticmethod
        def jvp(ctx: Any, a: Any, b: Any) -> Any:
            x, y = ctx.saved_tensors
            return a * y + b * x, a + b

    f, x, y = torch.func, torch.tensor([1.0, 2.0]), torch.tensor([4.0, 5.0])
    say(f.vmap(Both.apply, (0, None))(x, torch.tensor(2.0)))
    say(f.grad(lambda b: sum(o.sum() for o in f.vmap(Both.apply, (0, None))(x, b)))(torch.tensor(2.0)))
    say(f.vmap(f.vmap(Both.apply, (0, None)), (1, 0))(torch.ones(3, 2), y))
    say(f.vmap(lambda a, b: f.jvp(Both.apply, (a, b), (a, a)))(x, y))
    say(f.jvp(lambda a, b: f.vmap(Both.apply)(a, b), (x, y), (x, x)))
    leaf = x.clone().requires_grad_()
    say(torch.autograd.grad(f.vmap(Both.apply)(leaf, y)[0].sum(), leaf))
