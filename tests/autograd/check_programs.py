"""Programs about gradcheck, torch.autograd.functional, forward mode, and tensors inside transforms."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


def inputs(torch: Any) -> tuple[Any, Any]:
    x = torch.tensor([[0.3, -0.5], [0.7, 1.1]], dtype=torch.float64, requires_grad=True)
    z = torch.tensor([0.3 + 0.2j, -0.5 + 1j], dtype=torch.complex128, requires_grad=True)
    return x, z


@program
def checks_that_pass(torch: Any, say: Say) -> None:
    x, z = inputs(torch)
    check, twice = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's own, on first use of forward mode
    everything = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}
    say(check(torch.exp, (x,), **everything), check(torch.exp, (z,), **everything))
    say(check(lambda a, b: (a @ b, a.sum()), (x, x.detach().clone().requires_grad_()), **everything))
    say(check(torch.exp, (x,), fast_mode=True, check_forward_ad=True))
    say(check(torch.exp, (z,), fast_mode=True, check_forward_ad=True))
    say(check(torch.abs, (z,)), check(torch.abs, (z,), fast_mode=True))
    say(twice(torch.exp, (x,), check_fwd_over_rev=True, check_batched_grad=True))
    say(twice(torch.exp, (z,), check_fwd_over_rev=True), twice(torch.mul, (x, x.detach().clone())))
    say(check(lambda a: (a * 2).long(), (x,)), check(torch.mul, (x, 2.0)), check(torch.sin, x))


@program
def checks_that_fail(torch: Any, say: Say) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's own, on first use of forward mode
    x, z = inputs(torch)
    check, twice = torch.autograd.gradcheck, torch.autograd.gradgradcheck

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return t * 4

    class NeedsGrad(Wrong):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.set_materialize_grads(False)
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    class Shifted(Wrong):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g + 1e-9

    say.failure(lambda: check(Wrong.apply, (x,)))
    say.failure(lambda: check(Wrong.apply, (z,)))
    say.failure(lambda: check(Wrong.apply, (x,), fast_mode=True))
    say.failure(lambda: check(Wrong.apply, (x,), check_backward_ad=False, check_forward_ad=True))
    say.failure(lambda: check(Wrong.apply, (z,), check_backward_ad=False, check_forward_ad=True))
    say.failure(lambda: check(NeedsGrad.apply, (x,)))
    say.failure(lambda: check(Shifted.apply, (x,)))
    say.failure(lambda: check(lambda a: a.detach() * 2, (x,)))
    say(check(Wrong.apply, (x,), raise_exception=False))
    say.failure(lambda: check(torch.exp, (torch.ones(1, dtype=torch.float64, requires_grad=True).expand(3),)))
    say.failure(lambda: check(torch.exp, (x,), check_forward_ad=False, check_backward_ad=False))
    say.failure(lambda: check(torch.exp, (x.detach(),)))
    say.failure(lambda: check(torch.exp, (x,), check_batched_forward_grad=True))
    say.failure(lambda: twice(torch.exp, (x,), check_rev_over_rev=False))
    say.failure(lambda: check(torch.exp, (torch.ones(2, requires_grad=True),), eps=1e-3, atol=1e-2))


@program
def a_check_of_a_backward_that_is_not_the_same_twice(torch: Any, say: Say) -> None:
    calls = [0]

    class Drifts(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            calls[0] += 1
            return g * (1 + 1e-7 * calls[0])

    x, _ = inputs(torch)
    try:
        torch.autograd.gradcheck(Drifts.apply, (x,))
    except RuntimeError as error:
        say(str(error).split("\n")[0])
    say(torch.autograd.gradcheck(Drifts.apply, (x,), nondet_tol=1e-3))


@program
def products(torch: Any, say: Say) -> None:
    f = torch.autograd.functional
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 1.0], [2.0, 5.0]])

    def cubes(x: Any) -> Any:
        return (x**3).sum()

    def product(x: Any, y: Any) -> Any:
        return (x * y).sum()

    for name in ("vjp", "jvp", "vhp", "hvp"):
        function, by_outputs = getattr(f, name), name == "vjp"
        say(name, function(cubes, a, None if by_outputs else torch.ones(2)))
        say(function(product, (a, b), torch.tensor(2.0) if by_outputs else (a, b)))
        say.failure(lambda function=function: function(cubes, a, torch.ones(3)))
        say.failure(lambda function=function: function(lambda x: (x, x), a, (a, a)))
        say.failure(lambda function=function: function(cubes, [a]))
        say.failure(lambda function=function: function(lambda x: 1, a, a))
        say.failure(lambda function=function: function(cubes, a))
        one = torch.tensor(1.0) if by_outputs else a
        for cut in (lambda x: x.detach().sum(), lambda x: x.sum()):
            say.failure(lambda function=function, one=one, cut=cut: function(cut, a, one, strict=True))
        say(function(lambda x: x.sum(), a, one))
        leaf = a.clone().requires_grad_()
        say(function(lambda x: x.exp().sum(), leaf, one, create_graph=True, strict=True))


@program
def matrices(torch: Any, say: Say) -> None:
    f = torch.autograd.functional
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 1.0], [2.0, 5.0]])
    for options in ({}, {"vectorize": True}, {"strict": True}, {"create_graph": True}):
        say(f.jacobian(lambda x: (x.exp().sum(), x * 2), a, **options))
        say(f.jacobian(lambda x, y: (x * y).sum(0), (a, b), **options))
        say.failure(lambda options=options: f.jacobian(lambda x: x.detach(), a, **options))
        say(f.hessian(lambda x: (x**3).sum(), a, **options))
        say.failure(lambda options=options: f.hessian(lambda x: x, a, **options))
        say.failure(lambda options=options: f.hessian(lambda x: x.sum(), a, **options))
    say(f.jacobian(lambda x: (x.exp().sum(), x * 2), a, vectorize=True, strategy="forward-mode"))
    for options in (
        {"strategy": "sideways"}, {"strategy": "forward-mode"},
        {"strategy": "forward-mode", "create_graph": True}, {"strict": True, "vectorize": True},
    ):  # fmt: skip
        say.failure(lambda options=options: f.jacobian(lambda x: x * 2, a, **options))


@program
def dual_numbers(torch: Any, say: Say) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's own, on first use of forward mode
    fw = torch.autograd.forward_ad
    x, t = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0])
    say.failure(lambda: fw.make_dual(x, t))
    with fw.dual_level():
        d = fw.make_dual(x, t)
        say(d, d.sin(), (d * d).sum(), d.detach(), d * t)
        say(fw.unpack_dual(d * 3), fw.unpack_dual(x))
        say.failure(lambda: fw.make_dual(x, torch.ones(3)))
        say.failure(lambda: fw.make_dual(x.long(), t))
        say.failure(lambda: fw.make_dual(x, t.long()))
        say.failure(lambda: fw.make_dual(d, t))
        say.failure(fw.enter_dual_level)
        say.failure(lambda: fw.exit_dual_level(level=3))
        a, b = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.eye(2)
        m = fw.make_dual(a, b)
        say(m @ m, m.t(), m[0], m.sum(1), m.exp(), torch.cat([m, a]))
        say(m.softmax(1), m.max(1)[0], m.prod())
    say(d, d * 2)
    say.failure(fw.exit_dual_level)


@program
def tensors_inside_transforms(torch: Any, say: Say) -> None:
    f, x = torch.func, torch.tensor([1.0, 2.0])

    def shown(function: Any) -> Any:
        def run(*args: Any) -> Any:
            result = function(*args)
            say(result)
            return result

        return run

    f.vmap(shown(torch.sin))(x)
    f.vmap(shown(torch.sum), in_dims=1)(torch.ones(2, 3))
    f.grad(shown(torch.sum))(x)
    f.grad(f.grad(shown(torch.sin)))(torch.tensor(1.0))
    f.vmap(f.grad(shown(torch.sin)))(x)
    say.failure(lambda: f.vmap(lambda a: a if a > 0 else -a)(x))
    say.failure(lambda: f.vmap(lambda a: a * a.item())(x))
    say.failure(lambda: f.vmap(lambda a: a * float(a))(x))
    say.failure(lambda: f.vmap(lambda a: a.numpy())(x))
    say.failure(lambda: f.vmap(lambda a: a.tolist())(x))
    say.failure(lambda: f.vmap(lambda a: f"{a}" and a)(x))
    say(f.grad(lambda a: a.sum() if a.sum() > 0 else -a.sum())(x))
    say(f.grad(lambda a: a.sum() * a.sum().item())(x))
    say.failure(lambda: f.grad(lambda a: a.numpy())(x))
    say.failure(lambda: f.grad(lambda a: a.tolist())(x))
    f.grad(lambda a: say(f"{a.sum():.2f}", a.requires_grad, a.is_leaf, a.grad_fn) or a.sum())(x)
    say(f.grad(lambda a: (a * a.detach()).sum())(x), f.jvp(lambda a: a * a.detach(), (x,), (x,)))
    for transform in (f.grad, f.vmap):
        say.failure(lambda transform=transform: transform(lambda a: (a.sum().backward(), a.sum())[1])(x))
        say.failure(lambda transform=transform: transform(lambda a: a.detach().requires_grad_().sum())(x))


@program
def formats(torch: Any, say: Say) -> None:
    y = torch.tensor(3.14159)
    say(f"{y:.2f} {y} {y!r} {y:>10.3f}", format(torch.ones(2)), f"{torch.tensor(3):05d} {torch.tensor(True)}")
    say.failure(lambda: f"{torch.ones(2):.2f}")
    say.failure(lambda: f"{torch.ones(1):.1f}")
    z = torch.tensor(3.0, requires_grad=True)
    say(f"{z} {z * 2:.1f}", f"{torch.nn.Parameter(torch.tensor(2.0))}")


@program
def profiles(torch: Any, say: Say) -> None:
    profiler = torch.autograd.profiler
    with profiler.profile(enabled=False) as nothing:
        torch.ones(3).exp()
    say(nothing)
    unfinished = profiler.profile()
    say(unfinished)
    say.failure(lambda: unfinished.function_events)
    with profiler.profile() as prof, profiler.record_function("mine"):
        torch.ones(3).exp()
    say(sorted({e.name for e in prof.function_events}))
    events = {e.name: e for e in prof.function_events}
    say(events["aten::exp"].cpu_parent.name, events["aten::fill_"].cpu_parent.name, events["mine"].cpu_parent)
    say([e.count for e in prof.key_averages() if e.key == "aten::exp"])
    table = prof.key_averages().table(sort_by="count", row_limit=1).split("\n")
    say(table[0], table[1], len(table))
    say.failure(lambda: prof.__enter__())
    plan = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    say([plan(step).name for step in range(6)])
    taken: list[int] = []
    with torch.profiler.profile(schedule=plan, on_trace_ready=lambda p: taken.append(p.step_num)) as prof:
        for _ in range(6):
            torch.ones(2).exp()
            prof.step()
    say(taken, [e.count for e in prof.key_averages() if e.key == "aten::exp"])


@program
def a_strict_hessian_names_the_output(torch: Any, say: Say) -> None:
    hessian = torch.autograd.functional.hessian
    x = torch.ones(2)
    say.failure(lambda: hessian(lambda t: t.detach().sum(), x, strict=True))
    say.failure(lambda: hessian(lambda t: (3 * t).sum(), x, strict=True))
    say(hessian(lambda t: t.detach().sum(), x))


@program
def gradcheck_of_sparse_inputs(torch: Any, say: Say) -> None:
    """Sparse inputs: elements that are not stored are constants, or not (`masked`)."""
    gradcheck = torch.autograd.gradcheck
    options = {"check_batched_grad": False, "raise_exception": False}

    def hooked(x: Any) -> Any:
        z = x.clone()
        z.register_hook(lambda g: g.to_dense().to_sparse(1))
        return z.to_dense()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fast in (True, False):
            x = torch.tensor([[0.0, 2.0], [3.0, 0.0]], dtype=torch.float64, requires_grad=True).to_sparse()
            for masked in (True, False):
                say(fast, masked, gradcheck(torch.sum, (x,), masked=masked, fast_mode=fast, **options))
                dense = lambda x: x.to_dense()  # noqa: E731
                say(gradcheck(dense, (x,), masked=masked, fast_mode=fast, **options))
                whole = lambda x: x.to_dense(masked_grad=False)  # noqa: E731
                say(gradcheck(whole, (x,), masked=masked, fast_mode=fast, **options))
            y = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
            product = lambda y, x: y * x.coalesce().to_dense()  # noqa: E731
            say(gradcheck(product, (y, x), masked=True, fast_mode=fast, **options))
            say.failure(partial(gradcheck, lambda x: x * 2, (x,), fast_mode=fast, check_batched_grad=False))
            say.failure(partial(gradcheck, hooked, (x,), atol=0.1, masked=True, fast_mode=fast))
            for layout in ("sparse_csr", "sparse_csc"):
                z = y.detach().to_sparse(layout=getattr(torch, layout)).requires_grad_()
                say(layout, gradcheck(torch.sum, (z,), masked=True, fast_mode=fast, **options))
