"""Programs about forward mode by hand: dual tensors written in place, and Functions that have a jvp."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def the_number_of_the_level(torch: Any, say: Say) -> None:
    ahead = torch.autograd.forward_ad
    say(ahead._current_level, ahead._is_fwd_grad_enabled())
    with ahead.dual_level() as level:
        say(level, ahead._current_level)
        x = ahead.make_dual(torch.tensor([2.0]), torch.tensor([1.0]))
        with ahead._set_fwd_grad_enabled(False):
            say(ahead._is_fwd_grad_enabled(), x * x)
        say(x * x)
        say.failure(lambda: ahead.make_dual(torch.zeros(1), x))
        say.failure(lambda: ahead.make_dual(x, torch.zeros(1)))
    say(ahead._current_level)
    say.failure(lambda: ahead.exit_dual_level(level=1))


@program
def dual_tensors_written_in_place(torch: Any, say: Say) -> None:
    ahead = torch.autograd.forward_ad
    primal, tangent = torch.ones(2), torch.full((2,), 3.0)
    with ahead.dual_level():
        x = ahead.make_dual(primal, tangent)
        x.mul_(2)
        say(x, primal, tangent, x._version, primal._version, tangent._version)
        unpacked = ahead.unpack_dual(x)
        say(unpacked.primal is ahead.unpack_dual(x).primal, unpacked.tangent is tangent)
        unpacked.primal.mul_(2)
        unpacked.tangent.mul_(2)
        view = x.narrow(0, 0, 1)
        view += 1
        say(x, view, primal, tangent)
        x[1] = x[0] * 3
        say(x, view)
        say(x.fill_(2.0), x.zero_())
        x = ahead.make_dual(torch.ones(2), torch.ones(2))
        say(x.clamp_(0, 0.5), x.unsqueeze_(0))
        x = ahead.make_dual(torch.ones(2), torch.ones(2))
        x[torch.tensor([True, False])] = 5
        say(x, x.masked_fill_(torch.tensor([False, True]), 2), x.add_(torch.ones(2)))
        x.data.mul_(2)
        say(x)
        x = x.clone()
        x.detach_()
        say(x, ahead.unpack_dual(x).tangent)
        say.failure(lambda: torch.add(primal, primal, out=ahead.make_dual(torch.ones(2), torch.ones(2))))
        y = torch.ones(2, requires_grad=True)
        z = ahead.make_dual(y * 1, torch.ones(2))
        z.mul_(3)
        say(z.requires_grad, z.tolist(), ahead.unpack_dual(z).tangent.tolist())
        z.sum().backward()
        say(y.grad)
        say.failure(lambda: ahead.make_dual(y, torch.ones(2)).mul_(2))
    say(x, primal)


@program
def tensors_that_become_dual(torch: Any, say: Say) -> None:
    ahead = torch.autograd.forward_ad
    with ahead.dual_level():
        x = ahead.make_dual(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 10.0]))
        plain = torch.zeros(2)
        plain += x
        say(plain)
        plain = torch.zeros(2)
        seen = plain.view(2)
        plain[0] = x[0]
        say(plain, seen, ahead.unpack_dual(seen).tangent)
        apart = torch.zeros(2)
        beside = apart.detach()
        beside += x
        say(apart, beside)
        for write in (lambda t: t.add_(x), lambda t: t.mul_(x), lambda t: t.copy_(x)):
            base = torch.ones(2, 2)
            turned = base.t()
            write(turned)
            turned *= 2
            say(base, turned)
        wide = torch.zeros(1, 2)
        say(wide.copy_(x))
        turned = torch.arange(4.0).view(2, 2).t()
        y = ahead.make_dual(torch.zeros(2, 2), turned)
        say(ahead.unpack_dual(y).tangent is turned, y)
        y = ahead.make_dual(torch.zeros(4)[:2], torch.ones(2))
        say(y.as_strided((4,), (1,), 0).shape)
    say(plain, base)


def _function(torch: Any, forward: Callable[..., Any], jvp: Callable[..., Any], passive: bool = False) -> Any:
    def run(ctx: Any, x: Any) -> Any:
        out = forward(ctx, x)
        if passive:
            ctx.mark_non_differentiable(out)
        return out

    body = {
        "forward": staticmethod(run),
        "backward": staticmethod(lambda ctx, g: g),
        "jvp": staticmethod(lambda ctx, t: jvp(t)),
    }
    return type("Made", (torch.autograd.Function,), body)


@program
def what_a_jvp_may_return(torch: Any, say: Say) -> None:
    ahead = torch.autograd.forward_ad

    def dirty(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    cases = [
        (lambda ctx, x: x, lambda t: t, False),
        (lambda ctx, x: x, lambda t: t * 2, False),
        (lambda ctx, x: x, lambda t: t.view_as(t), False),
        (lambda ctx, x: x.narrow(0, 0, 2), lambda t: t.narrow(0, 0, 2), False),
        (lambda ctx, x: x.narrow(0, 0, 2), lambda t: t.narrow(0, 0, 2).clone(), False),
        (lambda ctx, x: x.narrow(0, 0, 2), lambda t: t.narrow(0, 0, 2).clone().view(-1), False),
        (lambda ctx, x: x.clone(), lambda t: t.sum(), False),
        (lambda ctx, x: x.clone(), lambda t: 3, False),
        (lambda ctx, x: x.clone(), lambda t: (t, t), False),
        (lambda ctx, x: x.clone(), lambda t: t, True),
        (lambda ctx, x: x.clone(), lambda t: None, True),
        (dirty, lambda t: t, False),
        (dirty, lambda t: t.mul_(2), False),
        (dirty, lambda t: t * 2, False),
    ]
    with ahead.dual_level():
        for forward, jvp, passive in cases:
            for wanted in (True, False):
                leaf = torch.ones(4, requires_grad=wanted)
                x = ahead.make_dual(leaf * 1 if forward is dirty else leaf, torch.full((4,), 5.0))
                made = _function(torch, forward, jvp, passive)
                try:
                    out = made.apply(x)
                    say(out.requires_grad, ahead.unpack_dual(out).tangent, out is x)
                except RuntimeError as error:
                    say(error)


@program
def what_a_jvp_finds_saved(torch: Any, say: Say) -> None:
    ahead = torch.autograd.forward_ad

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, n: int) -> Any:
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x)
            ctx.n = n
            return n * x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            return ctx.n * g * y, ctx.n * g * x, None

        @staticmethod
        def jvp(ctx: Any, x_t: Any, y_t: Any, _: Any) -> Any:
            say([t.item() for t in ctx.saved_tensors], y_t)
            return x_t * ctx.n

    x = torch.tensor(2.0, requires_grad=True)
    y = torch.tensor(3.0, requires_grad=True)
    with ahead.dual_level():
        out = Product.apply(ahead.make_dual(x, torch.tensor(7.0)), y, 4)
        say(ahead.unpack_dual(out).tangent)
        out.backward()
        say(x.grad, y.grad)


@program
def dirty_inputs(torch: Any, say: Say) -> None:
    def made(forward: Callable[..., Any]) -> Any:
        body = {
            "forward": staticmethod(forward),
            "backward": staticmethod(lambda ctx, *gs: (gs[0], gs[0])),
        }
        return type("Made", (torch.autograd.Function,), body)

    def outsider(ctx: Any, a: Any, b: Any) -> Any:
        c = a * 3
        ctx.mark_dirty(c)
        return c

    def two(ctx: Any, a: Any, b: Any) -> Any:
        ctx.mark_dirty(a)
        return a.add_(b), a + b

    def lost(ctx: Any, a: Any, b: Any) -> Any:
        ctx.mark_dirty(a)
        return a.add_(b).clone()

    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        say(made(outsider).apply(x.clone(), y))
    say(len(seen), str(seen[0].message).partition(" (Triggered")[0])
    say.failure(lambda: made(two).apply(x.clone().view(2), y))
    say(made(two).apply(x.clone(), y))
    say.failure(lambda: made(lost).apply(x.clone(), y))
    view = made(lambda ctx, a, b: a.view_as(a)).apply(torch.ones(2), torch.ones(2))
    say.failure(lambda: view.add_(y))
    with torch.no_grad():
        view = made(lambda ctx, a, b: a.view_as(a)).apply(torch.ones(2), torch.ones(2))
    say.failure(lambda: view.add_(y))


@program
def missing_gradients_of_passive_outputs(torch: Any, say: Say) -> None:
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, fill: bool) -> Any:
            out = x.clone()
            ctx.mark_non_differentiable(out)
            ctx._materialize_non_diff_grads = fill
            return x * 2, out

        @staticmethod
        def backward(ctx: Any, g: Any, none: Any) -> Any:
            say(g, none)
            return g, None

    x = torch.tensor(1.0, requires_grad=True)
    for fill in (True, False):
        Two.apply(x, fill)[0].backward()


@program
def detached_while_saved(torch: Any, say: Say) -> None:
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = x * 1
    z = y.sin()
    w = y.exp()
    y.detach_()
    say(y.requires_grad, y._version)
    say.failure(lambda: z.sum().backward())
    w.detach_()
    y.add_(1)
    say(y._version, w._version)
    v = (x * 1).exp()
    u = v * x
    v.detach_()
    say.failure(lambda: u.sum().backward())
    t = (x * 1).exp()
    s = t.sum()
    t.detach_()
    s.backward()
    say(x.grad)
    t.add_(1)
    say.failure(lambda: (t * x).sum().backward())


@program
def distinct_values_have_a_history(torch: Any, say: Say) -> None:
    x = torch.tensor([2.0, 1.0, 2.0], requires_grad=True)
    for function in (torch.unique, torch.unique_consecutive):
        for options in ({}, {"dim": 0}):
            values, inverse, counts = function(x, return_inverse=True, return_counts=True, **options)
            say(values, inverse.requires_grad, counts.requires_grad)
    say.failure(lambda: torch.unique(x).sum().backward())


@program
def dual_tensors_meet_ordinary_ones(torch: Any, say: Say) -> None:
    """The ones that carry no tangent have a history all the same."""
    ahead = torch.autograd.forward_ad
    w = torch.tensor([[0.5, 1.0], [2.0, -1.0]], requires_grad=True)
    b = torch.tensor([3.0, 4.0], requires_grad=True)
    x = torch.tensor([1.0, 2.0])
    with ahead.dual_level():
        dual = ahead.make_dual(x, torch.tensor([1.0, 0.0]))
        y = (torch.mv(w.exp(), dual) * b.square()).sum()
        say(y)
        say(*torch.autograd.grad(y, (w, b), retain_graph=True))
        (again,) = torch.autograd.grad(y, b, create_graph=True)
        say(again.requires_grad, ahead.unpack_dual(again).tangent.detach())
        y.backward()
    say(w.grad, b.grad)
    for function in (lambda p, q: p.sum() * q.sum(), lambda p, q: (p * q).exp()):
        pair = [torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True) for _ in range(2)]
        for fast in (True, False):
            say(torch.autograd.gradgradcheck(function, pair, check_fwd_over_rev=True, fast_mode=fast))
