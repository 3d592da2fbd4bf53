"""Classes with `__torch_dispatch__`: both libraries ask them the same, and do the same with their answers."""

import subprocess
import sys

import pytest
from running import PROJECT

pytest.importorskip("torch")

# Run by both libraries, each in a process of its own: what is taken over stays so.
START = """
import torch
from torch.utils._python_dispatch import (
    TorchDispatchMode, is_traceable_wrapper_subclass, return_and_correct_aliasing
)
from torch.utils._pytree import tree_map, tree_map_only

torch.set_printoptions(precision=3)
aten = torch.ops.aten
log = []


def told(f):
    try:
        print(f())
    except Exception as error:
        print(type(error).__name__, error)


class Shown(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        print('mode', func, [c.__name__ for c in types])
        return func(*args, **(kwargs or {}))
"""

LOGGING = """
class LoggingTensor(torch.Tensor):
    @staticmethod
    def __new__(cls, elem, requires_grad=None):
        made = torch.Tensor._make_wrapper_subclass(
            cls, elem.size(), strides=elem.stride(), storage_offset=elem.storage_offset(), dtype=elem.dtype,
            layout=elem.layout, device=elem.device,
            requires_grad=elem.requires_grad if requires_grad is None else requires_grad,
        )
        made.elem = elem.detach() if made.requires_grad else elem
        return made

    def __repr__(self):
        return f'LoggingTensor({self.elem})'

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def unwrap(e):
            return e.elem if isinstance(e, cls) else e

        def wrap(e):
            return cls(e) if isinstance(e, torch.Tensor) else e

        made = tree_map(wrap, func(*tree_map(unwrap, args), **tree_map(unwrap, kwargs or {})))
        log.append((str(func), [c.__name__ for c in types]))
        return made


x = LoggingTensor(torch.tensor([1.0, 2.0, 3.0]), requires_grad=True)
print(x.shape, x.dtype, x.device, x.requires_grad, x.is_leaf, type(x), x.stride(), x.dim(), len(x))
y = x * 2
print(type(y), y.requires_grad, type(y.grad_fn).__name__, y.elem)
z = (y.exp() / 10 + torch.ones(3)).sum()
print(type(z), z.elem)
z.backward()
print(type(x.grad), x.grad)


def written():
    a = L(torch.ones(2))
    a.add_(1)
    return a, a._version


L = LoggingTensor
told(lambda: type(torch.mm(L(torch.ones(2, 3)), torch.ones(3, 2))))
told(lambda: torch.nn.functional.linear(L(torch.ones(2, 3)), torch.ones(4, 3)))
told(lambda: L(torch.ones(2, 3)).view(6).shape)
told(lambda: L(torch.ones(2, 3))[0])
told(written)
told(lambda: torch.cat([L(torch.ones(2)), torch.ones(2)]))
told(lambda: (type(x.detach()), x.detach().requires_grad))
told(lambda: L(torch.ones(1)).item())
told(lambda: L(torch.ones(2, 2)).mean(0))
told(lambda: L(torch.ones(2, 2)).double())
told(lambda: torch.nn.Parameter(L(torch.ones(2))))
told(lambda: L(L(torch.ones(2))) + 1)
with Shown():
    told(lambda: L(torch.ones(2)) + 1)
for entry in log:
    print(entry)


class Slotted(torch.Tensor):
    __slots__ = ['elem']

    @staticmethod
    def __new__(cls, elem, requires_grad=False):
        made = torch.Tensor._make_wrapper_subclass(
            cls, elem.size(), strides=elem.stride(), dtype=elem.dtype, requires_grad=requires_grad
        )
        made.elem = elem.detach() if made.requires_grad else elem
        return made

    def __repr__(self):
        return super().__repr__(tensor_contents=f"{self.elem}")

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def unwrap(e):
            return e.elem if isinstance(e, cls) else e

        made = func(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
        if loud:
            print(f'{func.__module__}.{func.__name__}')
        return tree_map(lambda e: cls(e) if isinstance(e, torch.Tensor) else e, made)


loud = True
x = Slotted(torch.ones(2, 2), requires_grad=True)
y = x.exp()
print(x, y)
print(torch.autograd.grad(y.sum(), x, create_graph=True))
loud = False
functional = torch.autograd.functional
print(functional.jacobian(lambda a: a.exp().sum(dim=1), x))
print(functional.vjp(lambda a: a.exp().sum(dim=1), x, Slotted(torch.ones(2))))
"""

OTHERS = """
class Sub(torch.Tensor):
    @staticmethod
    def __new__(cls, data):
        return torch.Tensor._make_subclass(cls, data)

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        log.append(str(func))
        return func(*[torch.ones(2) if isinstance(a, Sub) else a for a in args], **(kwargs or {}))


s = Sub(torch.zeros(2))
told(lambda: (type(s + 1), s + 1, type(s)))
print(log)


class Silent(torch.Tensor):
    @staticmethod
    def __new__(cls, e):
        return torch.Tensor._make_wrapper_subclass(cls, e.shape, dtype=e.dtype)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


class Plain(torch.Tensor):
    pass


told(lambda: torch.add(Silent(torch.ones(2)), 1))
told(lambda: torch.Tensor._make_wrapper_subclass(torch.Tensor, (2,)))
told(lambda: torch.Tensor._make_wrapper_subclass(Plain, (2,)))


class Int8(torch.Tensor):
    @staticmethod
    def __new__(cls, q, s):
        return torch.Tensor._make_wrapper_subclass(cls, q.shape, dtype=s.dtype, device=q.device)

    def __init__(self, q, s):
        self.q, self.s = q, s

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __tensor_flatten__(self):
        return ['q', 's'], None

    @classmethod
    def __tensor_unflatten__(cls, inner, meta, size, stride):
        return cls(inner['q'], inner['s'])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func is aten.detach.default:
            return cls(args[0].q, args[0].s)
        if func is aten.t.default:
            return cls(args[0].q.t(), args[0].s)
        if func is aten.addmm.default:
            b, x, w = args
            return x.mm(w.q.float()) * w.s + b
        raise NotImplementedError(str(func))


linear = torch.nn.Linear(4, 3)
with torch.no_grad():
    linear.weight.copy_(torch.arange(12.0).view(3, 4))
    linear.bias.zero_()
wanted = linear(torch.ones(2, 4))
q = Int8(linear.weight.detach().to(torch.int8), torch.tensor(1.0))
linear.weight = torch.nn.Parameter(q, requires_grad=False)
print(type(linear.weight), isinstance(linear.weight, torch.nn.Parameter), linear.weight.shape)
told(lambda: (linear(torch.ones(2, 4)) - wanted).abs().max())
told(lambda: torch.autograd.grad(linear(torch.ones(2, 4)).sum(), linear.bias))
told(lambda: linear.weight + 1)
print(is_traceable_wrapper_subclass(q), is_traceable_wrapper_subclass(torch.ones(1)))
"""

TWO = """
class Two(torch.Tensor):
    @staticmethod
    def __new__(cls, a, b):
        made = torch.Tensor._make_wrapper_subclass(
            cls, a.size(), strides=a.stride(), storage_offset=0, device=a.device, layout=a.layout,
            requires_grad=a.requires_grad, dtype=a.dtype,
        )
        made.a, made.b = a, b
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self):
        return f'Two({self.a}, {self.b})'

    @classmethod
    def __torch_dispatch__(cls, func, types, args, kwargs=None):
        kwargs = kwargs or {}
        first = func(*tree_map_only(Two, lambda t: t.a, args), **kwargs)
        second = func(*tree_map_only(Two, lambda t: t.b, args), **kwargs)
        made = tree_map(Two, first, second) if isinstance(first, (list, tuple, torch.Tensor)) else first
        return return_and_correct_aliasing(func, args, kwargs, made)


x = Two(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).requires_grad_()
(x * x).sum().backward()
print(x.grad)
z = Two(torch.ones(2), torch.zeros(2))
print(z.add_(1) is z, z, z._version)
model = torch.nn.Linear(2, 2)
with torch.no_grad():
    model.weight.fill_(1.0)
    model.bias.fill_(0.0)
told(lambda: model(Two(torch.ones(1, 2), torch.zeros(1, 2))))
h = (Two(torch.ones(2, 2), torch.zeros(2, 2)).requires_grad_() * 2).relu().view(4)[1:].sum()
print(h, h.requires_grad)
h.backward()
print(torch.zeros_like(z), z.new_zeros(2), torch.stack([z, z]), z.clone(), z.mean(), torch.softmax(z, 0))
print(z.split(1), z.max(0), z[z > 0.5], torch.allclose(z, z))
e = Two(torch.ones(2), torch.zeros(2)).requires_grad_()
e.exp().sum().backward()
print(e.grad)
parameter = torch.nn.Parameter(Two(torch.ones(2), torch.zeros(2)))
(parameter * 3).sum().backward()
print(parameter.grad, type(parameter))
w = Two(torch.ones(2), torch.zeros(2)).requires_grad_()
v = w * 2
v.add_(1)
v.sum().backward()
print(v, type(v.grad_fn).__name__, w.grad)
print(torch.autograd.grad((w ** 2).sum(), w, create_graph=True)[0])
with Shown():
    print(z * 2)
"""


@pytest.mark.parametrize("program", [LOGGING, OTHERS, TWO], ids=["logging", "others", "two"])
def test_classes(program: str) -> None:
    """Both libraries print the same."""
    found = []
    for head in ("from cotangent.torch_alias import install; install()\n", ""):
        command = [sys.executable, "-W", "ignore", "-c", head + START + program]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    assert found[0] == found[1]
