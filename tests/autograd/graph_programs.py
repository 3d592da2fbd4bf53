"""Programs about the recorded graph: leaves, nodes, hooks, saved values, accumulation, retaining, freeing."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def leaves_and_nodes(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = a * 2
    c = b.detach()
    say(a.is_leaf, b.is_leaf, c.is_leaf, a.requires_grad, b.requires_grad, c.requires_grad)
    say(a.grad_fn, type(b.grad_fn).__name__, b.grad_fn.name(), c.grad_fn)
    say([type(f).__name__ for f, _ in b.grad_fn.next_functions], b.grad_fn.next_functions[0][0].variable is a)
    say(b.grad_fn.next_functions[0][1], b.grad_fn is b.grad_fn, b.grad_fn.next_functions[1])
    parts = (b * 3).split(1)
    say([p.output_nr for p in parts], [type(p.grad_fn).__name__ for p in parts])
    say((parts[0] + parts[1]).grad_fn.next_functions[1][1])
    x = torch.ones(2, dtype=torch.int64)
    say.failure(lambda: x.requires_grad_())
    say.failure(lambda: setattr(b, "requires_grad", False))
    say.failure(lambda: torch.tensor([1], requires_grad=True))


@program
def names_of_nodes(torch: Any, say: Say) -> None:
    a = torch.tensor([[0.5, 1.5], [2.0, 0.25]], requires_grad=True)
    results = {
        "add": a + 1, "sub": a - 1, "rsub": 1 - a, "mul": a * a, "div": a / 2, "rdiv": 2 / a, "neg": -a,
        "pow": a**2, "rpow": 2**a, "matmul": a @ a, "sum": a.sum(), "sum0": a.sum(0),
        "mean": a.mean(), "mean1": a.mean(1),
        "exp": a.exp(), "log": a.log(), "tanh": a.tanh(), "sigmoid": a.sigmoid(), "relu": a.relu(),
        "view": a.view(4), "reshape": a.reshape(4), "t": a.t(), "transpose": a.transpose(0, 1), "index": a[0],
        "slice": a[0:1], "mask": a[a > 1], "cat": torch.cat([a, a]),
        "stack": torch.stack([a, a]), "max": a.max(),
        "max0": a.max(0)[0], "expand": a[0].expand(2, 2), "permute": a.permute(1, 0),
        "squeeze": a[0:1].squeeze(0), "norm": a.norm(),
        "softmax": a.softmax(0), "clamp": a.clamp(0, 1), "where": torch.where(a > 1, a, 2 * a),
        "clone": a.clone(),
        "prod": a.prod(), "cumsum": a.cumsum(0), "abs": a.abs(), "sqrt": a.sqrt(), "double": a.double(),
    }  # fmt: skip
    for name, result in results.items():
        say(name, type(result.grad_fn).__name__)


@program
def saved_values(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([3.0, 4.0], requires_grad=True)
    node = (a * b).grad_fn
    say(node._saved_self, node._saved_other, node._saved_self is a)
    node = a.exp().grad_fn
    say(node._saved_result)
    node = a.pow(3).grad_fn
    say(node._saved_exponent, node._saved_self)
    c = a * b
    c.sum().backward()
    say.failure(lambda: c.grad_fn._saved_self)
    say.failure(lambda: c.sum().backward())


@program
def accumulation(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    (a * a).sum().backward()
    say(a.grad)
    kept = a.grad
    (a * 3).sum().backward()
    say(a.grad, kept is a.grad, kept)
    a.grad = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's text ends with a place in its sources
        (a * a).sum().backward(create_graph=True)
    say(a.grad.requires_grad)
    b = a.grad.sum()
    a.grad = None
    b.backward()
    say(a.grad)
    say.failure(lambda: setattr(a, "grad", torch.ones(3)))
    say.failure(lambda: setattr(a, "grad", 1))
    say.failure(lambda: setattr(a, "grad", torch.ones(2, dtype=torch.float64)))


@program
def diamonds(torch: Any, say: Say) -> None:
    a = torch.tensor(2.0, requires_grad=True)
    b = a * a
    c = b * b + b * a + a
    c.backward()
    say(a.grad)
    x = a
    for _ in range(40):  # 2**40 paths
        x = (x + x) * 0.5
    (g,) = torch.autograd.grad(x, a)
    say(g)
    say(torch.autograd.grad(a * 1, [a, a]))


@program
def arguments_of_backward(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([3.0, 4.0], requires_grad=True)
    (a * b).backward(torch.tensor([1.0, 10.0]))
    say(a.grad, b.grad)
    c = (a * b).sum()
    c.backward(inputs=[a])
    say(a.grad, b.grad)
    c = (a * b).sum()
    c.backward(retain_graph=True)
    c.backward()
    say(a.grad, b.grad)
    say.failure(lambda: c.backward())
    say.failure(lambda: (a * b).backward())
    say.failure(lambda: (a * b).backward(torch.ones(3)))
    say.failure(lambda: (a * b).sum().backward(inputs=[]))
    say.failure(lambda: torch.ones(1).backward())
    torch.autograd.backward([a.sum(), (b * 2).sum()])
    say(a.grad, b.grad)
    torch.autograd.backward([a * 2, b * 2], [torch.ones(2), torch.tensor([5.0, 6.0])])
    say(a.grad, b.grad)


@program
def arguments_of_grad(torch: Any, say: Say) -> None:
    a = torch.tensor(3.0, requires_grad=True)
    b = torch.tensor(5.0, requires_grad=True)
    say(torch.autograd.grad(a * b, (a, b)), a.grad, b.grad)
    say(torch.autograd.grad(a * a, (a, b), allow_unused=True))
    say(torch.autograd.grad(a * a, (a, b), materialize_grads=True))
    say.failure(lambda: torch.autograd.grad(a * a, b))
    say.failure(lambda: torch.autograd.grad(a * a, b, allow_unused=False, materialize_grads=True))
    say.failure(lambda: torch.autograd.grad(a.detach(), a))
    say.failure(lambda: torch.autograd.grad(a * a, torch.ones(1)))
    c = a * b
    d = c * c
    say(torch.autograd.grad(d, (c, a), retain_graph=True))
    (g,) = torch.autograd.grad(d, a, create_graph=True)
    (h,) = torch.autograd.grad(g, a, create_graph=True)
    say(g, h, torch.autograd.grad(h, a, allow_unused=True))
    x = torch.ones(3, requires_grad=True)
    say(torch.autograd.grad(x * x, x, torch.eye(3) * 2, is_grads_batched=True))
    say.failure(lambda: torch.autograd.grad(x * x, x, torch.ones(2, 2), is_grads_batched=True))
    say.failure(lambda: torch.autograd.grad([a * a], [a], only_inputs=False))


@program
def tensor_hooks(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = a * 2
    first = b.register_hook(lambda g: say("first", g))
    b.register_hook(lambda g: g * 10)
    b.register_hook(lambda g: say("third", g))
    leaf = a.register_hook(lambda g: g + 1)
    b.sum().backward()
    say(a.grad)
    first.remove()
    leaf.remove()
    a.grad = None
    (a * 2).sum().backward()
    say(a.grad)
    b = a * 2
    b.retain_grad()
    b.register_hook(lambda g: g * 3)
    b.sum().backward()
    say(b.grad, b.retains_grad, a.retains_grad)
    say.failure(lambda: torch.ones(1).register_hook(print))
    say.failure(lambda: torch.ones(1).retain_grad())

    def wrong(g: Any) -> Any:
        return torch.ones(5)

    c = a * 1
    c.register_hook(wrong)
    say.failure(lambda: c.sum().backward())
    d = a * 1
    d.register_hook(lambda g: 7)
    say.failure(lambda: d.sum().backward())


@program
def accumulate_hooks(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([1.0, 2.0], requires_grad=True)
    handle = a.register_post_accumulate_grad_hook(lambda t: say("done", t is a, t.grad))
    b.register_post_accumulate_grad_hook(lambda t: setattr(t, "grad", None))
    (a * 2 + a * 3 + b).sum().backward()
    say(a.grad, b.grad)
    handle.remove()
    (a * 2).sum().backward()
    say(a.grad)
    say.failure(lambda: (a * 2).register_post_accumulate_grad_hook(print))
    a.register_post_accumulate_grad_hook(lambda t: 1)
    say.failure(lambda: (a * 1).sum().backward())


@program
def node_hooks(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = a.exp()
    c = b * 2
    c.grad_fn.register_prehook(lambda gs: say("pre", gs))
    c.grad_fn.register_hook(lambda ins, outs: say("post", ins, outs))
    b.grad_fn.register_prehook(lambda gs: (gs[0] * 10,))
    handle = b.grad_fn.register_hook(lambda ins, outs: (ins[0] * 0 + 1,))
    c.sum().backward(retain_graph=True)
    say(a.grad)
    handle.remove()
    c.sum().backward(retain_graph=True)
    say(a.grad)
    b.grad_fn.register_hook(lambda ins, outs: (ins[0], ins[0]))
    say.failure(lambda: c.sum().backward())
    order: list[str] = []
    x = torch.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: order.append("tensor"))
    y.grad_fn.register_prehook(lambda gs: order.append("pre"))
    y.grad_fn.register_hook(lambda ins, outs: order.append("post"))
    x.register_post_accumulate_grad_hook(lambda t: order.append("accumulated"))
    x.register_hook(lambda g: order.append("leaf"))
    y.sum().backward()
    say(order)


@program
def multi_grad_hooks(torch: Any, say: Say) -> None:
    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(2.0, requires_grad=True)
    c = torch.tensor(3.0, requires_grad=True)
    handle = torch.autograd.graph.register_multi_grad_hook((a, b, c), lambda gs: say("all", gs))
    torch.autograd.graph.register_multi_grad_hook((a, b), lambda g: say("any", g), mode="any")
    (a * b).backward()
    handle.remove()
    (a * b).backward()
    edge = torch.autograd.graph.get_gradient_edge(a * b)
    say(type(edge.node).__name__, edge.output_nr)
    y = a * b
    z = y * y
    say(torch.autograd.grad(z, torch.autograd.graph.get_gradient_edge(y)))


@program
def saved_tensor_hooks(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)

    def pack(t: Any) -> Any:
        say("pack", t.tolist())
        return t * 2

    def unpack(t: Any) -> Any:
        say("unpack", t.tolist())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        b = a * a
        c = b.exp()
    say("built")
    c.sum().backward()
    say(a.grad)
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        say.failure(lambda: torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t).__enter__())
    with torch.autograd.graph.save_on_cpu():
        b = a * a
    a.grad = None
    b.sum().backward()
    say(a.grad)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: 7, lambda n: n):
        d = a * a
    say.failure(lambda: d.sum().backward())


@program
def what_a_graph_keeps_alive(torch: Any, say: Say) -> None:
    a = torch.ones(3, requires_grad=True)
    b = a.exp()
    c = b * 2
    inner = weakref.ref(b)
    del b
    gc.collect()
    say(inner() is None, a.grad)
    d = c * a
    del c, a
    gc.collect()
    say(torch.autograd.grad(d.sum(), d.grad_fn.next_functions[1][0].variable))


@program
def anomaly(torch: Any, say: Say) -> None:
    warnings.simplefilter("ignore")  # PyTorch's warning holds a traceback
    a = torch.tensor([0.0, 4.0], requires_grad=True)
    with torch.autograd.detect_anomaly(check_nan=True):
        b = a.sqrt() * 0
        say.failure(lambda: b.sum().backward())
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (a.sqrt() * 0).sum().backward()
        say(a.grad, torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    say(torch.is_anomaly_enabled())
