"""Programs about hooks of modules: which run, in which order, with what, and what they may change."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def forward_hooks(torch: Any, say: Say) -> None:
    class Scale(torch.nn.Module):
        def forward(self, x: Any, factor: float = 2.0) -> Any:
            say("forward", x, factor)
            return x * factor

    m = Scale()
    x = torch.ones(1)
    pre = m.register_forward_pre_hook(lambda module, args: say("pre", type(module).__name__, args))
    post = m.register_forward_hook(lambda module, args, out: say("post", args, out))
    m.register_forward_pre_hook(lambda module, args: args[0] + 1, prepend=True)
    m.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"factor": kwargs.get("factor", 1.0) * 10}), with_kwargs=True
    )
    m.register_forward_hook(lambda module, args, kwargs, out: out + kwargs["factor"], with_kwargs=True)
    m.register_forward_hook(lambda module, args, out: say("early", out), prepend=True)
    say(m(x), m(x, factor=3.0))
    pre.remove()
    post.remove()
    pre.remove()
    say(m(x), len(m._forward_hooks), len(m._forward_pre_hooks), len(m._forward_hooks_with_kwargs))
    with m.register_forward_hook(lambda module, args, out: (out, out)):
        say(m(x))
    m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    say.failure(lambda: m(x))


@program
def always_called(torch: Any, say: Say) -> None:
    class Failing(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("on purpose")

    m = Failing()
    m.register_forward_hook(lambda module, args, out: say("never"))
    m.register_forward_hook(lambda module, args, out: say("always", args, out), always_call=True)
    m.register_forward_hook(
        lambda module, args, kwargs, out: say("with kwargs", kwargs, out), always_call=True, with_kwargs=True
    )
    say.failure(lambda: m(torch.ones(1)))

    def broken(module: Any, args: Any, out: Any) -> Any:
        raise KeyError("in the hook")

    m.register_forward_hook(broken, always_call=True)
    say.failure(lambda: m(torch.ones(1)))
    ok = torch.nn.ReLU()
    ok.register_forward_hook(lambda module, args, out: say("once", out), always_call=True)
    ok.register_forward_hook(broken)
    say.failure(lambda: ok(torch.ones(1)))


@program
def backward_hooks(torch: Any, say: Say) -> None:
    m = torch.nn.Linear(2, 2)
    with torch.no_grad():
        m.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        m.bias.zero_()
    x = torch.ones(1, 2, requires_grad=True)
    m.register_full_backward_pre_hook(lambda module, gout: say("pre", gout))
    m.register_full_backward_hook(lambda module, gin, gout: say("full", gin, gout))
    m.register_full_backward_hook(lambda module, gin, gout: (gin[0] * 10,), prepend=True)
    m.register_full_backward_pre_hook(lambda module, gout: (gout[0] * 2,), prepend=True)
    out = m(x)
    say(type(out.grad_fn).__name__)
    out.sum().backward()
    say(x.grad, m.weight.grad, m.bias.grad)
    with torch.no_grad():
        say(m(x).grad_fn)
    bad = torch.nn.ReLU()
    bad.register_full_backward_hook(lambda module, gin, gout: (gin[0], gin[0]))
    say.failure(lambda: bad(x).sum().backward())
    worse = torch.nn.ReLU()
    worse.register_full_backward_pre_hook(lambda module, gout: (gout[0], gout[0]))
    say.failure(lambda: worse(x).sum().backward())
    say.failure(lambda: m.register_backward_hook(print))


@program
def backward_hooks_of_several(torch: Any, say: Say) -> None:
    class Pair(torch.nn.Module):
        def forward(self, a: Any, b: Any, n: int) -> Any:
            return a * n, b + a, "text"

    m = Pair()
    m.register_full_backward_pre_hook(lambda module, gout: say("pre", gout))
    m.register_full_backward_hook(lambda module, gin, gout: say("full", gin, gout))
    a, b = torch.ones(1, requires_grad=True), torch.ones(1)
    one, other, text = m(a, b, 3)
    say(one, other, text)
    (one * 2).backward()
    say(a.grad, b.grad)
    one, other, _ = m(a, b, 3)
    (one + other).backward()
    say(a.grad)
    names: list[str] = []
    net = torch.nn.Sequential(
        torch.nn.Linear(1, 1), torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(1, 1))
    )
    for name, module in net.named_modules():
        module.register_full_backward_pre_hook(lambda module, gout, name=name: names.append("before " + name))
        module.register_full_backward_hook(lambda module, gin, gout, name=name: names.append("after " + name))
        module.register_forward_pre_hook(lambda module, args, name=name: names.append("enter " + name))
        module.register_forward_hook(lambda module, args, out, name=name: names.append("leave " + name))
    net(torch.ones(1, 1, requires_grad=True)).sum().backward()
    say(names)


@program
def backward_hooks_without_inputs(torch: Any, say: Say) -> None:
    m = torch.nn.Linear(1, 1)
    m.register_full_backward_hook(lambda module, gin, gout: say("full", gin, gout))
    m(torch.ones(1, 1)).sum().backward()
    wrong = torch.nn.Linear(1, 1)
    wrong.register_full_backward_hook(lambda module, gin, gout: (torch.ones(1),))
    say.failure(lambda: wrong(torch.ones(1, 1)).sum().backward())

    class Dictionary(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"x": x}

    d = Dictionary()
    d.register_full_backward_hook(lambda module, gin, gout: say("never"))
    say(list(d(torch.ones(1, requires_grad=True))))


@program
def older_backward_hooks(torch: Any, say: Say) -> None:
    m = torch.nn.Tanh()
    x = torch.zeros(1, requires_grad=True)
    m.register_backward_hook(lambda module, gin, gout: say("older", type(module).__name__, gin, gout))
    m.register_backward_hook(lambda module, gin, gout: (gin[0] * 3,))
    m(x).backward()
    say(x.grad)
    say.failure(lambda: m.register_full_backward_hook(print))

    class Two(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return (x + 1) * 2

    class Listed(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return [x * 2]

    class Pair(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2, x * 3

    class Nested(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"a": x[0] * 2}

    for module, value in ((Two(), x), (Listed(), x), (Pair(), x), (Nested(), [x])):
        module.register_backward_hook(lambda module, gin, gout: say("seen", len(gin), len(gout)))
        out = module(value)
        first = out["a"] if isinstance(out, dict) else out[0]
        first.sum().backward()


@program
def hooks_for_all(torch: Any, say: Say) -> None:
    where = torch.nn.modules.module
    x = torch.ones(1, requires_grad=True)
    m = torch.nn.Tanh()
    m.register_forward_hook(lambda module, args, out: say("own"))
    with (
        where.register_module_forward_pre_hook(lambda module, args: say("pre", type(module).__name__)),
        where.register_module_forward_hook(lambda module, args, out: say("post")),
        where.register_module_forward_hook(
            lambda module, args, kwargs, out: say("kwargs", kwargs), with_kwargs=True
        ),
        where.register_module_full_backward_pre_hook(lambda module, gout: say("backward pre")),
        where.register_module_full_backward_hook(lambda module, gin, gout: say("backward", gin)),
        where.register_module_parameter_registration_hook(lambda module, name, value: say("parameter", name)),
        where.register_module_buffer_registration_hook(lambda module, name, value: torch.ones(3)),
        where.register_module_module_registration_hook(lambda module, name, value: say("module", name)),
    ):
        m(x).backward()
        torch.nn.Sequential(torch.nn.Linear(1, 1))(x)
        holder = torch.nn.Module()
        holder.register_buffer("b", torch.zeros(1))
        holder.child = torch.nn.ReLU()
        say(holder.b)
    m(x).backward()


@program
def state_dict_hooks(torch: Any, say: Say) -> None:
    m = torch.nn.Sequential(torch.nn.Linear(1, 1))
    inner = m[0]

    def after(module: Any, state: Any, prefix: str, meta: Any) -> None:
        say("after", type(module).__name__, list(state), repr(prefix), meta)
        state[prefix + "extra"] = torch.ones(1)

    inner.register_state_dict_post_hook(after)
    inner.register_state_dict_pre_hook(lambda module, prefix, keep: say("before", repr(prefix), keep))
    m._register_state_dict_hook(lambda module, state, prefix, meta: {"replaced": len(state)})
    say(m.state_dict())
    say.failure(lambda: inner._register_state_dict_hook(after))
    bad = torch.nn.Linear(1, 1)
    bad.register_state_dict_post_hook(lambda module, state, prefix, meta: state)
    say.failure(lambda: bad.state_dict())

    net = torch.nn.Sequential(torch.nn.Linear(1, 1))

    def rename(module: Any, state: Any, prefix: str, meta: Any, strict: bool, *lists: Any) -> None:
        say("loading", type(module).__name__, list(state), repr(prefix), meta, strict, lists)
        if prefix + "w" in state:
            state[prefix + "weight"] = state.pop(prefix + "w")

    net[0].register_load_state_dict_pre_hook(rename)
    net[0]._register_load_state_dict_pre_hook(lambda state, prefix, *rest: say("older", prefix))
    net.register_load_state_dict_post_hook(lambda module, keys: say("loaded", keys))
    net[0].register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    say(net.load_state_dict({"0.w": torch.zeros(1, 1)}))
    say(net[0].weight)
    net.register_load_state_dict_post_hook(lambda module, keys: 3)
    say.failure(lambda: net.load_state_dict({"0.w": torch.zeros(1, 1)}))


class Renaming:
    """A hook that can be pickled."""

    def __call__(self, module: Any, *rest: Any) -> None:
        module.renamed = True


@program
def hooks_are_copied(torch: Any, say: Say) -> None:
    m = torch.nn.Linear(1, 1)
    handle = m.register_forward_hook(Renaming())
    m.register_load_state_dict_pre_hook(Renaming())
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        other(torch.ones(1))
        say(other.renamed, hasattr(m, "renamed"), len(other._forward_hooks))
        other.renamed = False
        other.load_state_dict(m.state_dict())
        say(other.renamed, hasattr(m, "renamed"))
    kept = pickle.loads(pickle.dumps((m, handle)))
    kept[1].remove()
    say(len(kept[0]._forward_hooks), len(m._forward_hooks))
