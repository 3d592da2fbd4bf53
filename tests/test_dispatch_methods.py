"""Modes see methods that classes with `__torch_function__` have made functions of their own."""

from running import RunPython

PROGRAM = '''
import cotangent as torch
from cotangent.utils._python_dispatch import TorchDispatchMode

x = torch.ones(2)
x * 2, x.mul(2), x + x, 1 - x, x.exp(), x.sum(), x.t(), x.clone().mul_(2)  # the code of these is there by now

class Other(torch.Tensor):
    pass

class Seen(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        seen.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))

for _ in range(2):
    seen = []
    with Seen():
        x * 2, x.mul(2), torch.mul(x, 2), x + x, 1 - x, x.exp(), x.sum(), x.t(), x.clone().mul_(2)
    print(*seen)
    seen.clear()
    x * 2
    print(len(seen), (x * 2).tolist(), Other([1.0]).mul(2).__class__.__name__)
'''


def test_methods_that_were_called_before(run_python: RunPython) -> None:
    result = run_python("-c", PROGRAM)
    assert result.returncode == 0, result.stderr
    names = "mul mul mul add rsub exp sum t clone mul_"
    assert result.stdout.split("\n")[:-1] == [names, "0 [2.0, 2.0] Other"] * 2
