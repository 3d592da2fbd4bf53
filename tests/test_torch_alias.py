"""`import torch` and `import torch.anything` under `python -m cotangent`."""

import json
from pathlib import Path

import pytest
from running import RunPython

SAME_MODULES = """\
import sys
import cotangent
import torch
import torch.nn as nn
from torch.nn import functional as F
import torch.nn.functional
import torch.utils.data
from torch.utils.data import DataLoader
from torch.autograd import Function, gradcheck
from torch.autograd.gradcheck import GradcheckError
import torch.autograd.gradcheck
import torch.optim as optim
from torch import Tensor, optim as same_optim
assert torch is cotangent and sys.modules['torch'] is cotangent
assert nn is cotangent.nn is sys.modules['torch.nn'] is sys.modules['cotangent.nn'] is torch.nn
assert F is cotangent.nn.functional is sys.modules['torch.nn.functional']
assert sys.modules['torch.utils.data'] is cotangent.utils.data and DataLoader is torch.utils.data.DataLoader
assert optim is same_optim is cotangent.optim
assert Tensor is cotangent.Tensor and Function is cotangent.autograd.Function
# the function keeps the name in its package, and the module stays importable
assert torch.autograd.gradcheck is gradcheck is sys.modules['cotangent.autograd.gradcheck'].gradcheck
assert issubclass(GradcheckError, RuntimeError)
assert sys.modules['torch.autograd.gradcheck'] is sys.modules['cotangent.autograd.gradcheck']
# modules keep their own names and specs
assert all(m.__spec__.name == m.__name__ for m in (nn, F, optim, torch.utils.data)), torch.__spec__
# libraries look names of the form torch.x up by the name of the module
assert torch.__name__ == 'torch' and torch.__spec__.name == 'cotangent'
import importlib, importlib.util
assert importlib.util.find_spec('torch').name == 'cotangent'
assert importlib.util.find_spec('torch.nn').name == 'cotangent.nn'
assert importlib.util.find_spec('torch.no_such_module') is None
assert importlib.reload(optim) is optim
print('same')
"""


def test_torch_modules_are_the_cotangent_modules(run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", "-c", SAME_MODULES)
    assert (result.stdout, result.stderr) == ("same\n", "")


@pytest.mark.parametrize(
    "first",
    [
        "import torch.nn.functional",
        "from torch.autograd.gradcheck import GradcheckError",
        "import torch.autograd.gradcheck as module; assert module is not None",
        "from torch.nn import Linear",
        "import cotangent.autograd",
    ],
)
def test_the_first_import_may_be_any(first: str, run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", "-c", f"{first}\n{SAME_MODULES}")
    assert (result.stdout, result.stderr) == ("same\n", "")


def test_an_installed_torch_is_left_aside(tmp_path: Path, run_python: RunPython) -> None:
    """Neither the script nor a library that it imports gets to see a `torch` that is on sys.path."""
    (tmp_path / "torch/nn").mkdir(parents=True)
    for name in ("torch/__init__.py", "torch/nn/__init__.py", "torch/only_there.py"):
        (tmp_path / name).write_text("raise AssertionError('the other torch was imported')\n")
    (tmp_path / "library.py").write_text("import torch.nn\nfrom torch import nn\nNAME = nn.__name__\n")
    (tmp_path / "program.py").write_text("""\
import library, torch
print(library.NAME, torch.__spec__.name)
try:
    import torch.only_there
except ModuleNotFoundError as error:
    print(error.name)
""")
    result = run_python("-m", "cotangent", "program.py")
    assert (result.stdout, result.stderr) == ("cotangent.nn cotangent\ntorch.only_there\n", "")


@pytest.mark.parametrize(
    ("code", "kind", "symptom", "nearest"),
    [
        ("torch.matmull", "AttributeError", "module 'torch' has no attribute 'matmull'", "torch.matmul"),
        (
            "torch.nn.linaer",
            "AttributeError",
            "module 'torch.nn' has no attribute 'linaer'",
            "torch.nn.Linear",
        ),
        (
            "torch.autograd.gradchek",
            "AttributeError",
            "module 'torch.autograd' has no attribute 'gradchek'",
            "torch.autograd.gradcheck",
        ),
        ("torch.zzzzzzzz", "AttributeError", "module 'torch' has no attribute 'zzzzzzzz'", None),
        (
            "from torch import matmull",
            "ImportError",
            "cannot import name 'matmull' from 'torch'",
            "torch.matmul",
        ),
        (
            "from torch.nn.functional import crossentropy",
            "ImportError",
            "cannot import name 'crossentropy' from 'torch.nn.functional'",
            "torch.nn.functional.cross_entropy",
        ),
        (
            "import torch.nn.functionals",
            "ModuleNotFoundError",
            "No module named 'torch.nn.functionals'",
            "torch.nn.functional",
        ),
        (
            "from torch.zzzzzzzz import anything",
            "ModuleNotFoundError",
            "No module named 'torch.zzzzzzzz'",
            None,
        ),
    ],
)
def test_a_missing_name_says_what_is_near(
    code: str, kind: str, symptom: str, nearest: str | None, run_python: RunPython
) -> None:
    program = f"import torch\nimport torch.nn.functional\n{code}\n"
    result = run_python("-m", "cotangent", "-c", program)
    hint = "" if nearest is None else f" The nearest name it has is {nearest}."
    expected = f"{kind}: {symptom}: cotangent does not have it yet.{hint}"
    assert result.stderr.splitlines()[-1] == expected


def test_names_may_be_probed_for(run_python: RunPython) -> None:
    program = """\
import inspect, torch
print(hasattr(torch, 'zzzzzzzz'), getattr(torch.nn, 'linaer', 3), inspect.unwrap(torch) is torch)
try:
    torch.__no_such_name__
except AttributeError as error:
    print(error)
"""
    result = run_python("-m", "cotangent", "-c", program)
    expected = "False 3 True\nmodule 'torch' has no attribute '__no_such_name__'\n"
    assert (result.stdout, result.stderr) == (expected, "")


SPAWNING = """\
import json, multiprocessing, sys
import torch

class Task:
    # pickled by reference to this script, which the child has to import, `import torch` and all
    def __init__(self, depth): self.depth = depth

def names(task, queue):
    queue.put((torch.__spec__.name, sys.modules['torch'].__spec__.name, __name__, sys.argv[1:]))
    if task.depth:
        context = multiprocessing.get_context(sys.argv[1])
        child = context.Process(target=names, args=(Task(task.depth - 1), queue))
        child.start(); child.join()

if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=names, args=(Task(1), queue))
    process.start()
    seen = [queue.get(timeout=60) for _ in range(2)]
    process.join()
    print(json.dumps([process.exitcode, *seen]))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_started_by_the_program_see_cotangent(
    method: str, tmp_path: Path, run_python: RunPython
) -> None:
    (tmp_path / "program.py").write_text(SPAWNING)
    result = run_python("-m", "cotangent", "program.py", method)
    assert result.stderr == ""
    name = "__main__" if method == "fork" else "__mp_main__"
    seen = ["cotangent", "cotangent", name, [method]]
    assert json.loads(result.stdout) == [0, seen, seen]


def test_a_module_that_starts_processes(tmp_path: Path, run_python: RunPython) -> None:
    (tmp_path / "program.py").write_text(SPAWNING)
    result = run_python("-m", "cotangent", "-m", "program", "spawn")
    seen = ["cotangent", "cotangent", "__mp_main__", ["spawn"]]
    assert (json.loads(result.stdout), result.stderr) == ([0, seen, seen], "")


def test_install_refuses_when_the_other_torch_is_loaded(run_python: RunPython) -> None:
    program = """\
import sys, types
sys.modules['torch'] = types.ModuleType('torch')
from cotangent import torch_alias
try:
    torch_alias.install()
except RuntimeError as error:
    print(error)
del sys.modules['torch']
torch_alias.install()
finders = len(sys.meta_path)
torch_alias.install()
import torch
print(torch.__spec__.name, len(sys.meta_path) - finders)
"""
    result = run_python("-c", program)
    assert result.stdout == (
        "PyTorch is imported already: install the alias before the first `import torch`\ncotangent 0\n"
    )


VERSIONS = """\
import torch
assert torch.__version__ >= '2.0' and torch.__version__ >= (2, 13) and torch.__version__ < '2.14'
assert isinstance(torch.__version__, torch.torch_version.TorchVersion)
assert tuple(int(part) for part in torch.__version__.split('+')[0].split('.')) == (2, 13, 0)
assert torch.version.__version__ == torch.__version__ and type(torch.version.__version__) is str
print(torch.__version__)
"""


def test_programs_that_ask_for_the_version_see_pytorchs(run_python: RunPython) -> None:
    assert run_python("-m", "cotangent", "-c", VERSIONS).stdout == "2.13.0+cpu\n"
