"""`__torch_function__`: subclasses, other classes and modes see the same calls as in PyTorch."""

import subprocess
import sys

import pytest
from running import PROJECT

pytest.importorskip("torch")

# Run by both libraries, each in a process of its own: what is taken over stays so.
SUBCLASS = """
log = []


def name(func):
    owner = getattr(func, '__self__', None)
    if func.__name__ in ('__get__', '__set__'):
        for attribute in dir(torch.Tensor):
            member = inspect.getattr_static(torch.Tensor, attribute)
            if member is owner:
                return attribute + '.' + func.__name__
    return func.__name__


class Logging(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        log.append((name(func), [t.__name__ for t in types]))
        return super().__torch_function__(func, types, args, kwargs or {})


x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).as_subclass(Logging)
r = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True).as_subclass(Logging)
plain = torch.ones(2, 2)
F = torch.nn.functional
for text in EXPRESSIONS:
    log.clear()
    value = eval(text)
    print(text, '->', type(value).__name__, log)
print(x, r * 2, x.sum(), repr(x.max(0)))
"""
EXPRESSIONS = """
x+1; 1+x; x-1; 1-x; x*2; 2*x; x/2; 2/x; x//2; 2//x; x%2; 2%x; x**2; 2**x; x@x; plain@x; -x; +x; abs(x);
~(x>1); x==1; x!=1; x<1; 1<x; (x>1)&(x>2); x.add(1); x.add(1,alpha=2); torch.add(x,1);
torch.add(input=x,other=1); x.sum(); torch.sum(x,dim=0); x.mean(); x.max(0); torch.max(x,0); x.shape;
x.size(); x.dtype; x.T; x.grad; x.mT; x.requires_grad; x.device; x.data; x.real; x[0]; x[0,1]; x[x>1];
len(x); bool(x[0,0]); float(x[0,0]); x[0,0].item(); x.tolist(); x.numpy(); list(x); 1 in x; x.clone();
x.detach(); x.view(4); x.reshape(4); x.to(torch.float64); x.double(); torch.cat([x,x]);
torch.stack([x,plain]); torch.split(x,1); x.chunk(2); torch.where(x>1,x,0); torch.relu(x); F.relu(x);
F.softmax(x,-1); F.linear(x,x); F.gelu(x); F.mse_loss(x,x); torch.einsum('ij->i',x);
torch.linalg.norm(x); torch.zeros_like(x); x.new_ones(2); x.add_(1); x.zero_(); x.fill_(2);
x.copy_(plain); x.__setitem__(0,1.); r.sum().backward(); x.numel(); torch.allclose(x,x); x.unbind();
x.sort(); torch.topk(x,1); torch.ones(2).add(x); torch.ones(2,2).mul_(x); torch.nn.Linear(2,2)(x);
torch.nn.ReLU()(x); torch.isnan(x); torch.nn.Parameter(x); torch.as_tensor(x);
torch.broadcast_tensors(x,x); x._version; x.is_leaf; x.stride(); x.__dir__ is None
""".replace("\n", ";")

PROTOCOL = """
from torch.overrides import (
    TorchFunctionMode, get_default_nowrap_functions, handle_torch_function, has_torch_function,
    has_torch_function_unary, has_torch_function_variadic, is_tensor_like, is_tensor_method_or_property,
    resolve_name, wrap_torch_function,
)
HANDLED = {}


def implements(function):
    def decorator(f):
        HANDLED[function] = f
        return f
    return decorator


class Scalar:  # no tensor at all
    def __init__(self, n, value):
        self.n, self.value = n, value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func not in HANDLED or not all(issubclass(t, (torch.Tensor, Scalar)) for t in types):
            return NotImplemented
        return HANDLED[func](*args, **(kwargs or {}))


@implements(torch.mean)
def mean(input):
    return input.value / input.n


@implements(torch.add)
def add(input, other):
    return 'added', type(input).__name__, type(other).__name__


@implements(torch.Tensor.mul)
def mul(input, other):
    return 'multiplied', type(input).__name__, type(other).__name__


def attempt(f):
    try:
        print(f())
    except Exception as error:
        print(type(error).__name__, error)


s = Scalar(5, 2)
attempt(lambda: torch.mean(s))
attempt(lambda: torch.add(s, torch.ones(1)))
attempt(lambda: torch.add(torch.ones(1), s))
attempt(lambda: torch.ones(1) * s)
attempt(lambda: torch.sin(s))
attempt(lambda: torch.cat([s, s]))
attempt(lambda: torch.ones(1) - s)
attempt(lambda: (has_torch_function((s,)), has_torch_function_unary(1), has_torch_function_variadic(1, s)))
attempt(lambda: has_torch_function(object()))
attempt(lambda: (is_tensor_like(s), is_tensor_like(torch.ones(1)), is_tensor_like('a')))
attempt(lambda: (is_tensor_method_or_property(torch.Tensor.add), is_tensor_method_or_property(torch.add)))
attempt(lambda: is_tensor_method_or_property(torch.Tensor.shape.__get__))
attempt(lambda: [resolve_name(f) for f in (torch.add, torch.Tensor.add, torch.Tensor.shape.__get__, len)])
attempt(lambda: torch.Tensor.grad.__get__ in get_default_nowrap_functions())


def own(a, b):
    if has_torch_function((a, b)):
        return handle_torch_function(own, (a, b), a, b)
    return a + b


attempt(lambda: own(1, 2))
attempt(lambda: own(1, s))
HANDLED[own] = lambda a, b: 'own'
attempt(lambda: own(1, s))
attempt(lambda: wrap_torch_function(lambda x: (x,))(lambda x: x + 1)(1))


class Declining(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


class Powers(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return 'power' if func is torch.Tensor.__rpow__ else NotImplemented


d = torch.ones(2).as_subclass(Declining)
for f in (lambda: d + 1, lambda: d.sum(), lambda: d[0], lambda: d.shape, lambda: d < 1, lambda: d == 1,
          lambda: torch.add(d, s), lambda: d.add_(1), lambda: Declining() ** Powers()):
    attempt(f)


class Base(torch.Tensor):
    pass


class Derived(Base):
    pass


b, c = torch.ones(2).as_subclass(Base), torch.ones(2).as_subclass(Derived)
print([type(t).__name__ for t in (b + c, c + b, torch.stack([b, c]), b.max(0)[1])])
print(Base(torch.ones(1))._is_view(), b.requires_grad_() * 2, [type(t).__name__ for t in b])
made = torch.Tensor._make_subclass(Base, torch.ones(2), True)
(made * made).sum().backward()
print(made, made.is_leaf, made.grad, type(made.grad).__name__)


class Seen(TorchFunctionMode):
    def __init__(self, mark):
        self.mark = mark

    def __torch_function__(self, func, types, args=(), kwargs=None):
        print(self.mark, getattr(func, '__name__', func), [t.__name__ for t in types])
        return func(*args, **(kwargs or {}))


with Seen('a'):
    y = torch.ones(2)
    with Seen('b'):
        y + 1
        torch.tensor([1.0]).sum()
        c * 2
        y.shape
    with torch._C.DisableTorchFunctionSubclass():
        print(type(c * 2).__name__)
    with torch._C.DisableTorchFunction():
        print(type(c * 2).__name__)
y + 1


class Nothing(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return NotImplemented


class Wrong(TorchFunctionMode):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def under(mode, f):
    with mode():
        return f()


def told(f):
    try:
        print(f())
    except Exception as error:
        print(type(error).__name__, re.sub('0x[0-9a-f]+', '0x', str(error)))


told(lambda: under(Nothing, lambda: torch.add(y, 1)))
told(lambda: under(Nothing, lambda: torch.zeros(2)))
told(lambda: under(Wrong, lambda: y + 1))
print(y + 1)
"""


def outputs(program):
    found = []
    start = "from cotangent.torch_alias import install; install()\n"
    for head in (start, ""):
        code = f"{head}import inspect, re, torch\n{program}"
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    return found


def test_what_a_subclass_sees():
    expressions = [text.strip() for text in EXPRESSIONS.split(";") if text.strip()]
    ours, theirs = outputs(f"EXPRESSIONS = {expressions!r}\n{SUBCLASS}")
    assert ours == theirs


def test_the_protocol():
    ours, theirs = outputs(PROTOCOL)
    assert ours == theirs
