"""`TorchDispatchMode`: both libraries show the same operators in the same order, and do what modes say."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils._python_dispatch as theirs
from samples.library import xp

from cotangent.utils import _python_dispatch as ours

MODES = {torch: theirs, xp: ours}


def logging(library: Any, log: list[str], name: str = "") -> Any:
    """A mode that notes the operators it sees."""

    class Log(MODES[library].TorchDispatchMode):  # type: ignore[misc, name-defined]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append(name + str(func))
            return func(*args, **(kwargs or {}))

    return Log()


def given(library: Any) -> dict[str, Any]:
    """The tensors that programs use."""
    x = library.arange(12.0).view(4, 3) / 7 + 0.1
    images = library.arange(2.0 * 3 * 64).view(2, 3, 8, 8) / 100
    w = (library.arange(15.0).view(5, 3) / 9).requires_grad_()
    model = library.nn.Sequential(library.nn.Linear(3, 8), library.nn.ReLU(), library.nn.Linear(8, 5))
    kernel = library.ones(4, 3, 3, 3).requires_grad_()
    return {
        "t": library, "F": library.nn.functional, "x": x, "w": w, "b": library.ones(5).requires_grad_(),
        "r": x.clone().requires_grad_(), "y": library.tensor([0, 2, 1, 4]), "images": images, "model": model,
        "kernel": kernel, "k": library.ones(4).requires_grad_(),
    }  # fmt: skip


# One program a line.
PROGRAMS = """
F.cross_entropy(model(x), y).backward()
F.mse_loss(t.tanh(F.linear(x, w, b)), t.ones(4, 5)).backward()
((r * 2 + 1 - x / r) ** 2).exp().mean().backward()
2 - r, r ** 2, -r, 1 / r, r // 2, r % 2, r > 0, r == x, r.abs(), r.exp().log().sqrt().sin()
r.clamp(0, 1), t.maximum(r, x), t.where(r > 0, r, x), t.where(r > 0, r, 0.0), r.lerp(x, 0.5)
t.addcmul(r, x, x), t.addcdiv(r, x, x, value=2), r.pow(x), t.pow(2, r), r.masked_fill(r > 0, 1)
r.softmax(1).log_softmax(0).sum().backward()
F.max_pool2d(F.relu(F.conv2d(images, kernel, k, padding=1)), 2).sum().backward()
(F.layer_norm(r, (3,)) * t.eye(3)[0]).sum().backward()
F.embedding(y, w).sum().backward()
(F.gelu(r) + F.silu(r) + t.sigmoid(r) + t.tanh(r) + F.relu(r)).sum().backward()
F.leaky_relu(r), F.elu(r), F.softplus(r), F.glu(t.ones(4)), F.hardtanh(r), F.logsigmoid(r), F.mish(r)
x[0], x[1:], x[:, 1], x[..., None], x[::2], x[y[:2]], x[x > 0]
r[0].sum().backward(), r[y[:2]].sum().backward(), r[1:, 0].sum().backward()
x.t(), x.view(12), x.reshape(3, 4), x.t().reshape(-1), x.transpose(0, 1).contiguous(), x.permute(1, 0)
x.unsqueeze(0).squeeze(0), x.expand(2, 4, 3), x.flatten(), x.repeat(2, 1), x.flip(0), x.roll(1, 0)
t.cat([x, x]), t.stack([x, x]), x.split(2), x.chunk(2), x.unbind(), x.tril(), x.triu(1)
x.sum(), x.sum(0), x.mean(), x.mean(1, keepdim=True), x.max(), x.max(0), x.argmax(), x.argmax(1), x.std()
x.var(0), x.norm(), x.prod(), x.cumsum(0), x.all(), x.any(), x.amax(1), x.min(), x.logsumexp(0), x.sort()
x.topk(2), x.sum((0, 1), keepdim=True), x.all(0), x.amin(0), x.cumprod(1), x.min(1)
x @ w.t(), x.mm(w.t()), x @ t.ones(3), t.dot(x[0], x[1]), t.addmm(b, x, w.t())
t.bmm(t.ones(2, 3, 4), t.ones(2, 4, 3)), t.outer(x[0], x[0])
(r @ w.t()).sum().backward()
x.clone().add_(1).mul_(x).sub_(x).zero_().fill_(3).copy_(x).clamp_(0).relu_().exp_()
(r * 1).mul_(2).add_(x).sum().backward()
x.clone().__setitem__(slice(1, None), x[1:])
t.ones(2), t.zeros(2, 3), t.empty(2), t.full((2,), 3.0), t.arange(3), t.arange(0, 3, 2), t.eye(2)
t.randn(2), t.rand(2), t.randint(0, 3, (2,)), t.randperm(3), t.linspace(0, 1, 3), t.tensor([1.0, 2.0])
t.zeros_like(x), t.ones_like(x), t.empty_like(x), t.rand_like(x), t.randn_like(x), t.full_like(x, 2)
x.new_zeros(2), x.double(), x.to(t.float64), x.to(t.float32), x.int(), x.clone(), x.detach(), x.data
x[0, 0].item(), float(x.sum()), bool(x.sum() > 0), int(x.sum())
t.bernoulli(x.sigmoid()), t.empty(3).normal_(), t.empty(3).uniform_(), t.empty(3).bernoulli_(0.5)
t.autograd.grad((r ** 2).sum(), r), t.autograd.grad((r ** 2).mean(0).sum(), r)
t.autograd.grad((r * x).sum(), r, create_graph=True)
t.vmap(t.sin)(x), t.func.grad(lambda a: a.sin().sum())(x)
t.ops.aten.mm.default(x, x.t()), t.ops.aten.mm(x, x.t()), t.ops.aten.slice.Tensor(x, 0, 1, 2)
"""


@pytest.mark.parametrize("program", [line for line in PROGRAMS.split("\n") if line])
def test_names(program: str) -> None:
    """The operators that a program is, forward and backward, in order."""
    logs: dict[Any, list[str]] = {torch: [], xp: []}
    values = {}
    for library, log in logs.items():
        library.manual_seed(0)
        space = given(library)
        library.manual_seed(0)
        with logging(library, log):
            found = eval(program, space)
        values[library] = [
            v.detach().double().numpy() for v in (*_tensors(found), *(space[n].grad for n in "rwb"))
            if v is not None and v.numel() and "empty" not in program and "randn" not in program
        ]  # fmt: skip
    assert logs[xp] == logs[torch]
    for mine, wanted in zip(values[xp], values[torch], strict=True):
        np.testing.assert_allclose(mine, wanted, 1e-5, 1e-6)


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    return [value] if isinstance(value, (torch.Tensor, xp.Tensor)) else []


def told(library: Any, program: Callable[..., Any]) -> Any:
    """What a program gives, or its error."""
    log: list[Any] = []
    try:
        found = program(library, MODES[library], log)
    except Exception as error:  # whatever PyTorch raises is what is asked for
        return log, type(error).__name__, str(error)
    return log, [np.round(v.tolist(), 4).tolist() for v in _tensors(found)] or found


def mode(module: Any, handler: Callable[..., Any]) -> Any:
    """A mode with this handler."""

    class Mode(module.TorchDispatchMode):  # type: ignore[misc, name-defined]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return handler(func, types, args, kwargs)

    return Mode()


def nested(t: Any, m: Any, log: list[Any]) -> Any:
    with logging(t, log, "outer "), logging(t, log, "inner "):
        return t.ones(3).exp()


def twice(t: Any, m: Any, log: list[Any]) -> Any:
    one = logging(t, log)
    with one:
        with one as again:
            made = t.ones(2) * 2
        return made, again is one


def other_result(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(3, requires_grad=True)

    def zeroed(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        made = func(*args, **kwargs)
        return t.zeros_like(made)

    with mode(m, zeroed):
        y = x * 5
    log.append(type(y.grad_fn).__name__)
    y.sum().backward()
    return y, x.grad


def arguments(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(3, requires_grad=True)
    made = []

    def look(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        log.append((types, type(args).__name__, kwargs, [a is x for a in args], args[0].requires_grad))
        log.append((func.name(), func.namespace, func._overloadname, repr(func), str(func.overloadpacket)))
        schema = func._schema
        log.append((schema.name, schema.overload_name, schema.is_mutable, func.__name__))
        log.append((func is t.ops.aten.mul.Tensor, func.overloadpacket is t.ops.aten.mul))
        out = func(*args, **kwargs)
        log.append((out.requires_grad, out.grad_fn is None, (out + 1).requires_grad))
        made.append(out)
        return out

    with mode(m, look):
        y = x * x
    log.append((y is made[0], type(y.grad_fn).__name__, y.is_leaf))
    return y


def raising(t: Any, m: Any, log: list[Any]) -> Any:
    def refuse(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise ValueError("not this one")

    x = t.ones(2)
    try:
        with mode(m, refuse):
            x.exp()
    except ValueError as error:
        log.append(str(error))
    log.append(m._get_current_dispatch_mode())
    return x.exp()


def raising_in_backward(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(2, requires_grad=True)
    y = x.exp().sum()

    def refuse(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if "mul" in str(func):
            raise ValueError("not this one")
        return func(*args, **kwargs)

    with mode(m, refuse):
        y.backward()


def undefined(t: Any, m: Any, log: list[Any]) -> Any:
    with m.TorchDispatchMode():
        return t.ones(2) + 1


def declined(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(2)
    with mode(m, lambda *_: NotImplemented):
        return x + 1


def entered_inside(t: Any, m: Any, log: list[Any]) -> Any:
    class Deep(m.TorchDispatchMode):  # type: ignore[misc, name-defined]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append(str(func))
            if len(log) < 4:
                with self:
                    _ = args[0] + 1
            return func(*args, **(kwargs or {}))

    x = t.ones(2)
    with Deep():
        return x * 2


def disabled(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(2)
    one = logging(t, log)
    with one:
        log.append((m._get_current_dispatch_mode() is one, len(m._get_current_dispatch_mode_stack())))
        with m._disable_current_modes():
            _ = x + 1
        return x - 1


def many_threads(t: Any, m: Any, log: list[Any]) -> Any:
    """Other threads go on computing while modes come and go."""
    stop: list[int] = []
    errors: list[str] = []

    def work() -> None:
        x = t.ones(3)
        while not stop:
            try:
                _ = (x + x).clone().mul_(2).sum().item()
            except Exception as error:
                errors.append(str(error))
                return

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with logging(t, log):
            t.ones(2).exp()
    stop.append(1)
    for thread in threads:
        thread.join()
    return errors


def other_thread(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(2)
    with logging(t, log):
        thread = threading.Thread(target=lambda: x.exp())
        thread.start()
        thread.join()
        return x.sin()


def flops(t: Any, m: Any, log: list[Any]) -> Any:
    """The counter that blog posts publish."""
    aten = t.ops.aten
    count: dict[str, int] = {}

    def counted(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in (aten.mm, aten.addmm, aten.bmm):
            a, b = args[-2:]
            count[str(packet)] = count.get(str(packet), 0) + 2 * a.numel() * b.shape[-1]
        elif packet is aten.convolution:
            count[str(packet)] = count.get(str(packet), 0) + 2 * out.numel() * args[1][0].numel()
        return out

    model = t.nn.Sequential(
        t.nn.Conv2d(3, 4, 3), t.nn.ReLU(), t.nn.Flatten(), t.nn.Linear(144, 10), t.nn.Linear(10, 2)
    )
    with mode(m, counted):
        model(t.ones(2, 3, 8, 8)).sum().backward()
    return count


def memory(t: Any, m: Any, log: list[Any]) -> Any:
    seen: dict[int, int] = {}
    kept = []

    def track(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        out = func(*args, **kwargs)
        for made in _tensors(out):
            storage = made.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            kept.append(made)
        return out

    with mode(m, track):
        a = t.ones(10)
        b = a.view(2, 5).t()
        _ = (b + 1).split(2)
    return sum(seen.values())


def steady_noise(t: Any, m: Any, log: list[Any]) -> Any:
    aten = t.ops.aten

    def same(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in (aten.randn.default, aten.rand_like.default):
            return t.full(tuple(getattr(args[0], "shape", args[0])), 0.5)
        return func(*args, **kwargs)

    with mode(m, same):
        return t.randn(2, 3), t.rand_like(t.ones(2))


def versions(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(3, requires_grad=True)
    y = x * 2
    with logging(t, log):
        y.add_(1)
        y[1:] = y[:2]
        z = t.ones(3)
        z.add_(1)
        z.zero_()
    log.append((y._version, z._version, type(y.grad_fn).__name__))
    y.sum().backward()
    return y, x.grad


def before_and_after(t: Any, m: Any, log: list[Any]) -> Any:
    x = t.ones(3, requires_grad=True)
    y = (x * 2).exp()
    with logging(t, log):
        z = y.sin()
    z.sum().backward()
    with logging(t, log):
        (x * 3).sum().backward()
    w = t.ones(3, 3, requires_grad=True)
    loss = (t.nn.functional.tanh(x * 2).view(1, 3).mm(w) / 2).mean().pow(2)
    with logging(t, log):
        loss.backward()
    return x.grad, w.grad


@pytest.mark.parametrize(
    "program",
    [
        nested, twice, other_result, arguments, raising, raising_in_backward, undefined, declined,
        entered_inside, disabled, other_thread, many_threads, flops, memory, steady_noise, versions,
        before_and_after,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_modes(program: Callable[..., Any]) -> None:
    """Both libraries do the same, and what is on is off again afterwards."""
    assert told(xp, program) == told(torch, program)
    assert ours._get_current_dispatch_mode() is None


NOTHING_REMAINS = """
import cotangent as torch
from cotangent.utils._python_dispatch import TorchDispatchMode
class Plain(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))
functions = [torch.add, torch.Tensor.add, torch.Tensor.add_, torch.ones, torch.Tensor.item, torch.sin]
torch.ones(2).add(1).add_(1).sin()
with Plain():
    pass
before = [(f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions]
with Plain():
    during = [f.__code__ for f in functions]
    torch.ones(2).add(1).add_(1).sin()
after = [(f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions]
print(before == after, all(code is not a[0] for code, a in zip(during, after)))
"""


def test_nothing_remains() -> None:
    """Functions are what they were once the last mode has been left: in a process without other fronts."""
    done = subprocess.run([sys.executable, "-c", NOTHING_REMAINS], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_step_of_an_optimizer() -> None:
    """A step is seen, and does the same."""
    log: list[str] = []
    p = xp.nn.Parameter(xp.ones(3))
    p.grad = xp.ones(3)
    with logging(xp, log):
        xp.optim.SGD([p], 0.5).step()
    assert p.tolist() == [0.5] * 3
    assert log == ["aten.clone.default", "aten.mul.Tensor", "aten.sub.Tensor", "aten.copy_.default"]
