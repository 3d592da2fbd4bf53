"""Programs about the engine's inner faces: calling nodes, handles on what they keep, questions to a "
"backward."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def calling_a_node(torch: Any, say: Say) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    node = y.grad_fn
    say(node(torch.ones(2)), node(None))
    for call in (
        lambda: node(),
        lambda: node(1),
        lambda: node(torch.ones(2), torch.ones(2)),
        lambda: node(g=torch.ones(2)),
        lambda: node(torch.ones(3)),
    ):
        say.failure(call)
    var, _ = torch.var_mean(x)
    say(var.grad_fn(torch.ones(()), torch.ones(())))
    say.failure(lambda: var.grad_fn(torch.ones(())))
    say(x.view(2).grad_fn.next_functions[0][0](torch.ones(2)), x.grad)
    with torch.no_grad():
        say((x + 1).requires_grad, node(torch.ones(2)))


@program
def nodes_are_virtual_subclasses(torch: Any, say: Say) -> None:
    kind = torch.autograd.graph.Node
    node = torch.ones(1, requires_grad=True).exp().grad_fn
    leaf = node.next_functions[0][0]
    say(isinstance(node, kind), isinstance(leaf, kind), kind in type(node).mro())
    say(issubclass(type(node), kind), issubclass(type(leaf), kind))
    say(isinstance(1, kind), isinstance(kind, kind), issubclass(kind, kind), issubclass(int, kind))
    say(issubclass(torch.autograd.function.BackwardCFunction, kind))
    say([type(n).__name__ for n, _ in (torch.ones(1, requires_grad=True) + 1).grad_fn.next_functions])


@program
def handles_on_saved_tensors(torch: Any, say: Say) -> None:
    say.failure(lambda: torch.autograd.SavedTensor())
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    raw = y.grad_fn._raw_saved_self
    say(type(raw).__name__, raw.data, raw.unpack_hook, raw.unpack())
    raw.register_hooks(lambda t: t * 2, lambda t: t + 1)
    say(raw.data, y.grad_fn._saved_self)
    for wrong in ((lambda t: t, lambda t: t), (lambda t: t,), (1, 1)):
        try:
            raw.register_hooks(*wrong)
        except (RuntimeError, TypeError) as error:
            say(type(error).__name__, str(error).partition("Invoked")[0])
    y.sum().backward()
    say(x.grad)
    say.failure(lambda: raw.register_hooks(lambda t: t, lambda t: t))
    say.failure(lambda: y.grad_fn._saved_self)
    z = x.exp()
    z.grad_fn._raw_saved_result.register_hooks(lambda t: t, lambda t: t)
    say(z.grad_fn._saved_result.grad_fn is z.grad_fn, z.grad_fn._saved_result)
    z.mul_(2)  # what went through hooks is no longer watched
    say.failure(lambda: torch.autograd.grad(z.sum(), x))
    w = (x * 2) ** 2
    w.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: 1)
    say.failure(lambda: w.sum().backward())
    say.failure(lambda: (x**2).grad_fn._raw_saved_self.register_hooks(lambda t: t.mul_(2), lambda t: t))


@program
def handles_of_a_function(torch: Any, say: Say) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x, None)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 + ctx.saved_tensors[0]

    x = torch.tensor([3.0], requires_grad=True)
    y = Twice.apply(x)
    first, second = y.grad_fn._raw_saved_tensors
    say.failure(lambda: second.register_hooks(lambda t: t, lambda t: t))
    first.register_hooks(lambda t: t + 1, lambda t: t * 10)
    say.failure(lambda: first.register_hooks(lambda t: t, lambda t: t))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        say(y.grad_fn.saved_tensors, y.grad_fn.saved_variables)
    say([str(w.message) for w in seen])
    y.backward()
    say(x.grad)
    say.failure(lambda: y.grad_fn._raw_saved_tensors)


@program
def hooks_leave_numbers_alone(torch: Any, say: Say) -> None:
    packed = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        y = (x * 3 / 2).exp().sum()
    say(len(packed), packed[0].tolist())
    y.backward()
    say(x.grad)


@program
def hooks_registered_while_backward_runs(torch: Any, say: Say) -> None:
    order = []

    def unpack(t: Any) -> Any:
        torch._C._current_autograd_node().register_hook(
            lambda given, _: tuple(g / 2 if g is not None else g for g in given)
        )
        return t

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, unpack):
        x.exp().sum().backward()
    say(x.grad)
    leaf = torch.ones(1, requires_grad=True)
    node = leaf.view(1).grad_fn.next_functions[0][0]
    leaf.register_hook(lambda g: order.append("tensor"))
    node.register_prehook(lambda gs: order.append("before"))
    leaf.register_post_accumulate_grad_hook(lambda t: order.append("accumulated"))
    node.register_hook(lambda *gs: order.append("after"))
    leaf.sum().backward()
    say(order)


@program
def hooks_after_accumulation_only(torch: Any, say: Say) -> None:
    """No other hooks: when they run, what is there already, and whose memory it is."""
    a, b, c = (torch.full((2,), float(k), requires_grad=True) for k in (1, 2, 3))
    seen: list[Any] = []

    def hook(name: str) -> Any:
        def run(t: Any) -> None:
            seen.append((name, t.grad.tolist(), c.grad is None, torch.is_grad_enabled()))

        return run

    for name, leaf in (("a", a), ("b", b)):
        leaf.register_post_accumulate_grad_hook(hook(name))
    for _ in range(2):
        y = a + b  # both get the same cotangent
        (y * c * a + a).sum().backward()
        say(seen)
        seen.clear()
    a.grad.zero_()
    say(b.grad, c.grad)
    # A leaf that is the root, and an error in a hook: what came before it stays.
    a.sum().backward()
    d = torch.ones(2, requires_grad=True)
    d.register_post_accumulate_grad_hook(lambda t: torch.ones(3) + torch.ones(2))
    e = torch.ones(2, requires_grad=True)
    try:
        (e * (d * 2)).sum().backward()
    except RuntimeError:
        say("refused", d.grad, e.grad)
    root = torch.ones((), requires_grad=True)
    root.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    root.backward()
    say(seen)
    # The graph is kept or freed as elsewhere.
    z = (a * a).sum()
    z.backward(retain_graph=True)
    z.backward()
    say(a.grad)
    try:
        z.backward()
    except RuntimeError as error:
        say(str(error)[:50])


@program
def entering_hooks_inside_backward(torch: Any, say: Say) -> None:
    hooks = torch.autograd.graph.saved_tensors_hooks

    def scope() -> Any:
        def unpack(t: Any) -> Any:
            outer().__enter__()
            return t

        block = hooks(lambda t: t, unpack)
        outer = weakref.ref(block)
        with block:
            torch.ones(2, requires_grad=True).sin().sum().backward()
        return weakref.ref(unpack)

    gc.disable()
    try:
        say(scope()() is None)
    finally:
        gc.enable()
    y = torch.ones(1, requires_grad=True).exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda t: t, lambda t: t)
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        (y * y).backward()
        say(torch._C._autograd._saved_tensors_hooks_is_enabled())
        say.failure(lambda: hooks(lambda t: t, lambda t: t).__enter__())
    say(torch._C._autograd._saved_tensors_hooks_is_enabled())


@program
def what_a_backward_answers(torch: Any, say: Say) -> None:
    seen: list[Any] = []
    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(2.0, requires_grad=True)
    out = b.sin() * a.cos()
    leaf = a.view(()).grad_fn.next_functions[0][0]

    def hook(g: Any) -> None:
        seen.append(torch._C._current_graph_task_id())
        seen.append([n.name() for n in torch._C._current_graph_task_execution_order()])
        seen.append(type(torch._C._current_autograd_node()).__name__)
        seen.append(torch._C._autograd._get_current_graph_task_keep_graph())
        seen.append(torch._C._will_engine_execute_node(leaf))

    out.register_hook(hook)
    with torch.autograd.set_multithreading_enabled(False):
        say(torch.autograd.is_multithreading_enabled())
        out.backward(retain_graph=True)
        first = seen[0]
        say(seen[1:])
        seen.clear()
        out.backward(retain_graph=True, inputs=[a])
        say(seen[0] - first, seen[1:])
    say(torch._C._current_graph_task_id(), torch._C._current_autograd_node())
    for question in (
        lambda: torch._C._current_graph_task_execution_order(),
        lambda: torch._C._will_engine_execute_node(out.grad_fn),
        lambda: torch._C._will_engine_execute_node(out),
        lambda: out.backward(retain_graph=True),
    ):
        say.failure(question)


@program
def callbacks_at_the_end(torch: Any, say: Say) -> None:
    called = []
    engine = torch.autograd.Variable._execution_engine
    say.failure(lambda: engine.queue_callback(lambda: None))

    def last() -> None:
        called.append("last")

    class Queue(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, inner: Any) -> Any:
            ctx.inner = inner
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            engine.queue_callback(lambda: (called.append("first"), engine.queue_callback(last)))
            if ctx.inner:
                with torch.enable_grad():
                    x = torch.ones(1, requires_grad=True)
                    Queue.apply(x, False).backward()
                called.append("inner done")
            return g * 2, None

    x = torch.ones(1, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda t: called.append("accumulated"))
    Queue.apply(x, False).sum().backward()
    say(called)
    called.clear()
    Queue.apply(x * 1, True).sum().backward()
    say(called)


@program
def a_very_deep_reentrance(torch: Any, say: Say) -> None:
    class Again(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            if ctx.x < 0:
                return g
            with torch.enable_grad():
                Again.apply(ctx.x).sum().backward()
            return g

    x = torch.tensor(300.0, requires_grad=True)
    Again.apply(x).sum().backward()
    say(x.grad)


@program
def edges_instead_of_tensors(torch: Any, say: Say) -> None:
    graph = torch.autograd.graph
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    out = y.sin().sum()
    edge = graph.get_gradient_edge(y)
    say(torch.autograd.grad(out, edge, retain_graph=True))
    say(torch.autograd.grad(edge, x, grad_outputs=torch.ones(2), retain_graph=True))
    say.failure(lambda: torch.autograd.grad(edge, x))
    say.failure(lambda: torch.autograd.grad(edge, x, grad_outputs=torch.ones(4)))
    say.failure(lambda: torch.autograd.grad(edge, x, grad_outputs=torch.ones(2, dtype=torch.complex64)))
    say(torch.autograd.grad(graph.get_gradient_edge(out), x, retain_graph=True))
    torch.autograd.backward(out, inputs=(edge, x), retain_graph=True)
    say(x.grad)
    other = graph.GradientEdge((x * 3).grad_fn, 0)
    say(torch.autograd.grad(out, (x, other), allow_unused=True, retain_graph=True))
    say.failure(
        lambda: torch.autograd.grad(out, (x, other), None, True, allow_unused=True, materialize_grads=True)
    )
    mean = torch.var_mean(x)[1]
    say(torch.autograd.grad(mean * 2, graph.get_gradient_edge(mean)))
    z = x * y
    found = z.grad_fn._input_metadata[0]
    say(tuple(found.shape), found.dtype, found.is_nested_tensor, len(z.grad_fn._input_metadata))


@program
def histories_of_refusals(torch: Any, say: Say) -> None:
    def described(node: Any) -> str:
        if node is None:
            return "None"
        return f"{type(node).__name__}({', '.join(described(n) for n, _ in node.next_functions)})"

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, number: Any, y: Any) -> Any:
            return x + number * y

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2, None, g * 3

    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Once.apply(x, 2, y).sum().backward(torch.ones((), requires_grad=True), create_graph=True)
    say(x.grad, described(x.grad.grad_fn), x.grad.grad_fn.next_functions[1][0].name())
    say.failure(lambda: x.grad.sum().backward())
    late = torch._C._functions.DelayedError("too late", 1)
    say(type(late(x * 2).grad_fn).__name__)
    say.failure(lambda: late(x * 2).sum().backward())
    say.failure(lambda: late(x, x))
    z = torch.ones(1, requires_grad=True)
    torch._C._functions.UndefinedGrad()(z * 2).backward()
    say(z.grad, torch._C._functions.UndefinedGrad()(z * 2).grad_fn.name())


@program
def written_while_saved(torch: Any, say: Say) -> None:
    graph = torch.autograd.graph
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with graph.allow_mutation_on_saved_tensors() as context:
        y = x.clone()
        first = (y**2).sum()
        y.sin_()
        second = y.view(2) ** 2
        y[:1] *= 3
        say(len(context.cloned))
        torch.sin(torch.ones(2), out=y.detach())
        first.backward()
        say(x.grad, len(context.cloned))
        second.sum().backward()
        say(x.grad, len(context.cloned))
        with torch.no_grad():
            z = x * x
            w = x.exp()
            x.zero_()
        w = x.exp()
        z = w * w
        w.add_(1)
        z.sum().backward()
        say(x.grad)
        say.failure(lambda: graph.allow_mutation_on_saved_tensors().__enter__())
    with graph.allow_mutation_on_saved_tensors():
        out = (x * x).sum()
    try:
        out.backward()
    except AssertionError as error:
        say(error)


@program
def replaying_views(torch: Any, say: Say) -> None:
    force = torch.autograd._force_original_view_tracking

    def name() -> str:
        view = torch.ones(2, 2, requires_grad=True).clone().view(-1)
        view.add_(1)
        return type(view.grad_fn).__name__

    say(name(), torch.autograd.is_view_replay_enabled())
    with force(True):
        say(name(), torch.autograd.is_view_replay_enabled())
        x = torch.ones(2, 2, requires_grad=True)
        base = x * 2
        view = base[0]
        view.mul_(3)
        (view.sum() + base.sum()).backward()
        say(x.grad)
    say(name(), torch.autograd.is_view_replay_enabled())


@program
def deprecated_decorations(torch: Any, say: Say) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")

        @torch.no_grad()
        class Quiet:
            def __init__(self) -> None:
                self.recording = torch.is_grad_enabled()

            @torch.no_grad()
            def asked(self) -> bool:
                return bool(torch.is_grad_enabled())

        say(Quiet().recording, Quiet().asked(), torch.is_grad_enabled())
    say([(w.category.__name__, str(w.message)) for w in seen])


@program
def second_derivatives_of_reduced_products(torch: Any, say: Say) -> None:
    warnings.simplefilter("ignore")
    index = torch.tensor([0, 0])
    for function in (torch.scatter_reduce, torch.index_reduce):
        for values, kept in (([0.0, 0.0], True), ([0.0, 2.0], True), ([0.0, 2.0], False), ([3.0, 2.0], True)):
            x = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)
            src = torch.tensor(values, dtype=torch.float64, requires_grad=True)
            y = function(x, 0, index, src, "prod", include_self=kept)
            gradients = torch.autograd.grad(y.sum(), (x, src), create_graph=True)
            say([g.tolist() for g in gradients])
            for g in gradients:
                try:
                    found = torch.autograd.grad(g.sum(), (x, src), retain_graph=True, allow_unused=True)
                    say([f if f is None else f.tolist() for f in found])
                except RuntimeError as error:
                    say(error)


@program
def products_with_linear_weights(torch: Any, say: Say) -> None:
    def described(node: Any) -> str:
        if node is None:
            return "None"
        return f"{type(node).__name__}({', '.join(described(n) for n, _ in node.next_functions)})"

    def wanted(*shape: int) -> Any:
        return torch.ones(*shape, requires_grad=True)

    linear = torch.nn.functional.linear
    for operands in (
        (wanted(3), wanted(2, 3), wanted(2)),
        (wanted(3), wanted(2, 3)),
        (wanted(3), wanted(3)),
        (wanted(2, 3), wanted(3)),
        (wanted(4, 2, 3), wanted(5, 3), wanted(5)),
        (wanted(2, 3), wanted(5, 3), wanted(5)),
    ):
        out = linear(*operands)
        say(described(out.grad_fn), out._is_view(), tuple(out.shape))
    say.failure(lambda: linear(wanted(2, 3), wanted(3), torch.ones(())))


@program
def gradients_of_middle_elements(torch: Any, say: Say) -> None:
    for values in ([1.0, 0.0, 1.0, 0.0, 1.0], [float("nan")] * 3, [1.0, float("nan"), 1.0]):
        for function in (torch.min, torch.max, torch.median, torch.nanmedian):
            x = torch.tensor(values, requires_grad=True)
            y = function(x)
            y.backward()
            say(type(y.grad_fn).__name__, x.grad.tolist())
    exponent = torch.tensor([0.3 + 0.2j, 1 - 1j], dtype=torch.complex128, requires_grad=True)
    for base in (-torch.ones(2, dtype=torch.float64), -1):
        (g,) = torch.autograd.grad(torch.pow(base, exponent).abs().sum(), exponent)
        say([round(v, 4) for v in torch.view_as_real(g).flatten().tolist()])


@program
def written_views_leave_no_cycles(torch: Any, say: Say) -> None:
    gone = []

    class Mark:
        def __call__(self, *gradients: Any) -> None:
            pass

        def __del__(self) -> None:
            gone.append(1)

    def block(write: Any) -> None:
        copy = torch.randn(3, 3, requires_grad=True).clone()
        copy.grad_fn.register_hook(Mark())
        write(copy)

    gc.disable()
    try:
        for write in (
            lambda t: torch.relu_(t.view(9)),
            lambda t: t[0].mul_(2),
            lambda t: t.t()[0].add_(t[1].detach()).exp_(),
        ):
            block(write)
            say(len(gone))
    finally:
        gc.enable()


@program
def other_memory_for_a_leaf(torch: Any, say: Say) -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with torch.no_grad():
        x.set_(torch.zeros(2))
    say.failure(lambda: torch.autograd.grad(y.sum(), x))
    z = torch.nn.Parameter(torch.ones(4))
    with torch.no_grad():
        z.set_(z[1:])
    (z * 2).sum().backward()
    say(z.grad)
    with torch.inference_mode():
        w = torch.ones(1, 2, 3, requires_grad=True)
        say(w.resize_(1, 2), w.copy_(torch.zeros(1, 2)))
    say.failure(lambda: torch.mul(torch.ones(1, 2), 2, out=w))
    say(torch.tensor([torch.ones(1), torch.tensor(2.0)]), torch.tensor([[torch.ones(1, 1)]]))
    say.failure(lambda: torch.tensor([torch.ones(2)]))
    b = torch.rand(3, 3, requires_grad=True)
    var, mean = torch.var_mean(b, dim=0)
    var.mul_(2)
    (var + mean).sum().backward()
    say(b.grad.shape)


@program
def what_nodes_say_they_keep(torch: Any, say: Say) -> None:
    x = torch.ones(2, 3, requires_grad=True)
    for out in (
        x.sum(1), x.mean(), x.exp(), x * x, x.max(1)[0], x.sort(1)[0], x[:, torch.tensor([0, 1])], x.t(),
        x.expand(4, 2, 3), x.narrow(1, 0, 2), x.unfold(1, 2, 1), torch.stack([x, x]), x.diagonal(), x**2,
    ):  # fmt: skip
        node = out.grad_fn
        names = [n for n in dir(node) if "saved" in n]
        say(type(node).__name__, names)
        for n in names:
            if n.startswith("_saved"):
                value = getattr(node, n)
                say(n, tuple(value) if isinstance(value, (list, tuple)) else value)
    node = x[:, torch.tensor([0, 1])].grad_fn
    say(len(node._raw_saved_indices), node._saved_indices)
    say.failure(lambda: node._raw_saved_indices[0].register_hooks(lambda t: t, lambda t: t))
    node._raw_saved_indices[1].register_hooks(lambda t: t, lambda t: t)
    say(hasattr(node, "_saved_nothing"), hasattr(node, "_raw_saved_self_sym_sizes"))


@program
def data_of_another_dtype(torch: Any, say: Say) -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = x * 3
    x.data = torch.ones(2)
    y.sum().backward(retain_graph=True)
    say(x.dtype, x.grad, x.grad.dtype)
    say(torch.autograd.grad(y.sum(), x, retain_graph=True, materialize_grads=True))
    say.failure(lambda: torch.autograd.grad(y.sum(), x))
    z = torch.ones(1, requires_grad=True)
    (g,) = torch.autograd.grad(z.sum(), z)
    say.failure(lambda: g.detach_())
    with torch.inference_mode():
        w = torch.ones(2, requires_grad=True)
    say(w.detach_().requires_grad)


@program
def gradients_lie_like_their_leaves(torch: Any, say: Say) -> None:
    """The first gradient takes the leaf's order of memory; a leaf with gaps gets rows."""
    formats = (torch.contiguous_format, torch.channels_last)
    for mine in formats:
        for others in formats:
            a = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=mine).requires_grad_()
            b = torch.ones(1, 2, 3, 4).to(memory_format=others).requires_grad_()
            a.sum().backward()
            say(a.grad.stride(), a.stride())
            a.grad = None
            (a * b).sum().backward()
            say(a.grad.stride(), b.grad.stride(), b.grad)
            a.grad = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                (a * b * b).sum().backward(create_graph=True)
            say(a.grad.stride(), type(a.grad.grad_fn).__name__)
            (2 * a).sum().backward()
            say(a.grad.stride(), a.grad)
    turned = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    given = torch.ones(3, 2)
    turned.backward(given)
    say(turned.grad.stride(), turned.grad.data_ptr() == given.data_ptr())
    gaps = torch.empty_strided((2, 2), (4, 2)).copy_(torch.ones(2, 2)).requires_grad_()
    (gaps * torch.ones(2, 2).t()).sum().backward()
    say(gaps.grad.stride())
    single = torch.ones(3, 1, 2).transpose(0, 1).requires_grad_()
    (single * 2).sum().backward()
    say(single.grad.stride(), single.stride())


@program
def sparse_gradients_add_up(torch: Any, say: Say) -> None:
    """A dense gradient takes a sparse one in place; a sparse one with a dense one becomes dense."""

    def sparse() -> Any:
        places = torch.tensor([[1, 1]])
        return torch.sparse_coo_tensor(places, torch.tensor([1.0, 1.0]), check_invariants=True)

    for create_graph in (False, True):
        for held in (sparse, lambda: torch.tensor([1.5, 1.5]), lambda: None):
            for given in (sparse, lambda: torch.tensor([1.5, 1.5])):
                p = torch.tensor([1.5, 1.5]).requires_grad_()
                p.grad = before = held()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    p.backward(given(), create_graph=create_graph)
                say(p.grad is before, p.grad.layout, p.grad.to_dense() if p.grad.is_sparse else p.grad)
