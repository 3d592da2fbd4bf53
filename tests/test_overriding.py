"""What stays the same in a process in which classes may take over calls."""

from __future__ import annotations

from running import RunPython

PROGRAM = """
import cotangent as torch

class Early(torch.Tensor):
    "From here on every public call asks first."

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.second(self.first(x).detach())

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def step():
    optimizer.zero_grad()
    net(torch.ones(3, 2)).sum().backward()
    optimizer.step()

print(torch.doctor(step, runs=1).kinds)
a = torch.eye(2, requires_grad=True)
with torch.autocast("cpu", dtype=torch.bfloat16):
    product = a @ a
    print(product.dtype, product.prod().dtype, torch.prod(product).dtype, product.inverse().dtype)

class Told(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            print(func.__name__, args[0].dtype)
        return super().__torch_function__(func, types, args, kwargs or {})

with torch.autocast("cpu", dtype=torch.bfloat16):
    torch.mm(a.detach().as_subclass(Told), a)
"""


def test_the_doctor_and_autocast_see_through_it(run_python: RunPython) -> None:
    result = run_python("-c", PROGRAM)
    assert result.stdout.splitlines() == [
        "['detached']",
        "torch.bfloat16 torch.float32 torch.float32 torch.float32",
        "mm torch.float32",
    ], result.stderr


def test_functional_has_the_names_of_overrides(run_python: RunPython) -> None:
    code = (
        "from torch.nn.functional import has_torch_function, handle_torch_function\n"
        "import torch\n"
        "print(has_torch_function is torch.overrides.has_torch_function, has_torch_function((1,)))\n"
        "print(torch.nn.functional.has_torch_function_unary(torch.nn.Parameter(torch.ones(1))))\n"
    )
    result = run_python("-c", "from cotangent.torch_alias import install; install()\n" + code)
    assert result.stdout.splitlines() == ["True False", "False"], result.stderr


LOCALS = """
import sys
import cotangent as torch

class Own(torch.Tensor):
    pass

x = torch.ones(2, 2).as_subclass(Own)
seen = []
sys.setprofile(lambda frame, event, arg: seen.append(len(frame.f_locals)))
x @ x + x
sys.setprofile(None)
print(len(seen) > 10)
try:
    torch.ones(2, 3) @ torch.ones(2, 3)
except RuntimeError as error:
    print(str(error)[:36])
"""


def test_locals_of_all_frames_can_be_read(run_python: RunPython) -> None:
    """Debuggers do; functions with cells keep them when their calls go another way."""
    result = run_python("-c", LOCALS)
    assert result.stdout.splitlines() == ["True", "mat1 and mat2 shapes cannot be multi"], result.stderr
