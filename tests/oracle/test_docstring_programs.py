"""Programs after PyTorch's own docstrings, whose lines print what they print there."""

import re
import subprocess
import sys

import pytest
from running import PROJECT

HEAD = """\
import re, torch
torch.manual_seed(0)
def told(f):
    try:
        print(f())
    except Exception as error:
        print(type(error).__name__, str(error))
"""
PROGRAMS = {
    "packed tensors have their history": """
held = []
def pack(t):
    print(t.requires_grad, type(t.grad_fn).__name__, any(t is known for known in held))
    return t
a = torch.ones(3, dtype=torch.float64, requires_grad=True)
b = a * 2
held += [a, b]
with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
    c = a * b
    d = c.exp()
    held += [c, d]
    e = d.view(3, 1) @ b.view(1, 3)
    f = torch.sigmoid(e)
    held.append(f)
    g = torch.nn.functional.linear(f, e).sum() + a.softmax(0).sum()
g.backward()
print(a.grad)
""",
    "an output that is packed is the output": """
seen = []
def pack(t):
    seen.append(t)
    return t.clone()
x = torch.ones(2, requires_grad=True)
with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
    y = x.exp()
print(seen[0].requires_grad, type(seen[0].grad_fn).__name__, y.grad_fn._saved_result)
y.sum().backward()
print(x.grad)
""",
    "a Function may keep what it likes on ctx, whatever the name": """
class Named(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.op, ctx.kind, ctx.edge, ctx.tensors = "sum", 3, None, []
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
x = torch.tensor([1.0, 2.0], requires_grad=True)
(g,) = torch.autograd.grad(Named.apply(x).sum(), x, create_graph=True)
print(g.detach(), torch.autograd.grad(g.sum(), x))
y = torch.ones(1, requires_grad=True)
told(lambda: torch.autograd.grad(Named.apply(x).sum(), y))
""",
    "a hook after accumulation may return its tensor": """
v = torch.tensor([0., 0., 0.], requires_grad=True)
h = v.register_post_accumulate_grad_hook(lambda p: p.add_(p.grad, alpha=-0.01))
v.backward(torch.tensor([1., 2., 3.]))
print(v)
h.remove()
v.register_post_accumulate_grad_hook(lambda p: p.detach())
told(lambda: v.backward(torch.ones(3)))
""",
    "redispatch_function in a class and in a mode": """
from torch.overrides import has_torch_function, handle_torch_function, TorchFunctionMode
class Logging(torch.Tensor):
    depth = 0
    @classmethod
    def __torch_function__(cls, func, types, args, kwargs=None):
        print("  " * cls.depth, func.__name__)
        cls.depth += 1
        r = torch.overrides.redispatch_function(func, types, args, kwargs)
        cls.depth -= 1
        return r
def scaled(a, b):
    if has_torch_function((a, b)):
        return handle_torch_function(scaled, (a, b), a, b)
    return a * b + 1
x, y = Logging(torch.tensor([3.0])), Logging(torch.tensor([4.0]))
print(scaled(x, y))
class Mode(TorchFunctionMode):
    depth = 0
    def __torch_function__(self, func, types, args, kwargs=None):
        print("  " * self.depth, func.__name__)
        self.depth += 1
        with self:
            r = torch.overrides.redispatch_function(func, types, args, kwargs)
        self.depth -= 1
        return r
a, b = torch.tensor([3.0]), torch.tensor([4.0])
with Mode():
    r = scaled(a, b)
print(r)
""",
    "ranks are those of the matrices given": """
A, B = torch.randn(4, 1, 3, 2), torch.randn(4, 4, 3, 5)
for driver in ("gelsy", "gelsd", "gels"):
    print([tuple(v.shape) for v in torch.linalg.lstsq(A, B, driver=driver)])
A, B = torch.randn(1, 3, 2), torch.randn(4, 3, 5)
print([tuple(v.shape) for v in torch.linalg.lstsq(A, B, driver="gelsd")])
""",
    "sparse products that reduce, and sparse refusals": """
a = torch.tensor([[1., 0, 2], [0, 3, 0], [0, 0, 0]]).to_sparse_csr()
b = torch.tensor([[0, 1.], [2, 0], [4, 5]], requires_grad=True)
for reduce in ("sum", "mean", "max", "min", "amax", "amin", "prod", "foo"):
    told(lambda: torch.sparse.mm(a, b, reduce).detach())
told(lambda: torch.sparse.mm(a.to_sparse_csc(), b, "mean"))
d = torch.tensor([[1, 0], [0, 0], [2, 3]])
told(lambda: d.to_sparse_bsr((2, 1)))
told(lambda: d.to_sparse(layout=torch.sparse_bsr, blocksize=(2, 1)))
told(lambda: d.to_sparse(layout=torch.sparse_bsc, blocksize=(2, 1)))
told(lambda: d.float().to_sparse().to_sparse_bsr((2, 1)))
told(lambda: torch.sparse_coo_tensor([[0]], [1.], device="cuda"))
told(lambda: torch.sparse_csr_tensor([0, 1], [0], [1.], device="cuda"))
told(lambda: torch.nn.functional.max_pool2d(3, 2, return_indices=True))
""",
    "tensors without dimensions are numbers": """
x, y = torch.ones(3, requires_grad=True), torch.arange(3.)
for number in (torch.tensor(2.), torch.tensor(2)):
    told(lambda: torch.add(x, y, alpha=number))
    told(lambda: torch.autograd.grad(torch.sub(y, x, alpha=number).sum(), x))
    told(lambda: y.clone().add_(y, alpha=number))
    told(lambda: torch.clamp(y, 0, number))
    told(lambda: torch.clamp(x, number, 3.0))
for number in (torch.tensor([2.]), torch.tensor(2., requires_grad=True)):
    told(lambda: torch.add(x, y, alpha=number))
    told(lambda: y.clone().add_(y, alpha=number))
""",
    "numbers as a quantiser would round them": """
x = (torch.randn(3, 4) * 3).requires_grad_()
q, c = torch.fake_quantize_per_tensor_affine, torch.fake_quantize_per_channel_affine
step, zero = torch.tensor(.1), torch.tensor(2, dtype=torch.int32)
steps, zeros = torch.tensor([.1, .2, .3]), torch.tensor([0, 1, 2], dtype=torch.int32)
for y in (q(x, .1, 0, -10, 10), q(x, step, zero, 0, 20), c(x, steps, zeros, 0, -5, 5),
          c(x, steps, zeros.float() + 0.5, 0, -5, 5), q(x.half(), .1, 0, -10, 10)):
    print(y)
    y.pow(2).sum().backward()
    print(x.grad)
    x.grad = None
print(q(torch.tensor([float("nan"), float("inf"), -float("inf"), .05, .15, .25, -.05]), .1, 0, -10, 10))
for bad in (
    lambda: q(x, .1, 20, 0, 10), lambda: q(x, .1, 0, 10, 0), lambda: q(x.int(), .1, 0, 0, 10),
    lambda: c(x, steps, zeros, 5, -5, 5), lambda: c(x, steps[:2], zeros[:2], 0, -5, 5),
    lambda: c(x, steps, zeros[:2], 0, -5, 5), lambda: c(x, steps, zeros + 10, 0, -5, 5),
    lambda: c(x, steps, zeros.long(), 0, -5, 5), lambda: c(x, steps.double(), zeros, 0, -5, 5),
    lambda: c(x, steps, zeros, 0, 5, -5), lambda: c(x, steps, zeros, -2, -5, 5),
    lambda: q(x, torch.ones(2), zero, 0, 20), lambda: c(x, .1, 0, 0, 0, 1),
    lambda: c(x, steps.reshape(3, 1), zeros, 0, -5, 5), lambda: q(x, step.requires_grad_(), zero, 0, 20),
    lambda: c(x, steps.requires_grad_(), zeros, 0, -5, 5),
):
    told(bad)
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_prints_what_pytorch_prints(name: str) -> None:
    printed = []
    for start in ("", "from cotangent.torch_alias import install; install()\n"):
        command = [sys.executable, "-W", "ignore", "-c", f"{start}{HEAD}{PROGRAMS[name]}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(re.sub("0x[0-9a-f]+", "0x", done.stdout).splitlines())
    assert printed[1] == printed[0]
