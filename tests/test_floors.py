"""The floors: which part of the package may import which.

A module may import from its own floor and from the floors below. No import stands inside a function or a
class, modules do not import each other in a circle, and no file is longer than 600 lines. An import under a
module's `if TYPE_CHECKING:` is for annotations only and may point anywhere. docs/architecture.md says why.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import PROJECT

PACKAGE = "cotangent"
ROOT = PROJECT / "src" / PACKAGE

# The floor of every module and package directly under src/cotangent/. This is the one place that says it.
FLOORS = {
    # 0: checks and messages, dtypes and promotion, flags; nothing of ours below
    "errors": 0,
    "dtypes": 0,
    "config": 0,
    "size": 0,
    "lazy": 0,
    "references": 0,
    "tree": 0,
    "named_dtypes": 0,
    # 1: arrays only
    "kernels": 1,
    "storage": 1,
    "storage_base": 1,
    # 2: the table of operations
    "ops": 2,
    # 3: tensors and the engine
    "autograd": 3,
    "tensor": 3,
    "tracked": 3,
    "creation": 3,
    "factories": 3,
    "new_tensors": 3,
    "conversion": 3,
    "exchange": 3,
    "random": 3,
    "drawing": 3,
    "random_fill": 3,
    "random_gamma": 3,
    "toplevel": 3,
    "functions": 3,
    "late": 3,
    "lowrank": 3,
    "methods": 3,
    "printing": 3,
    "ranges": 3,
    "sparse": 3,
    "sparse_compressed": 3,
    "sharing": 3,
    "special": 3,
    "windows": 3,
    "softmaxes": 3,
    "scalars": 3,
    "foreach": 4,
    "precision": 3,
    "elements": 3,
    "uncommon": 3,
    "sparse_sizes": 3,
    "quantized": 3,
    "quasirandom": 3,
    # 4: transformations, and what of torch.autograd stands on them
    "func": 4,
    "fft": 4,
    "linalg": 4,
    "signal": 4,
    "autograd.differences": 4,
    "autograd.functional": 4,
    "autograd.profiler": 4,
    "autograd.profiler_util": 4,
    "autograd.forward_ad": 4,
    "autograd.gradcheck": 4,
    # 5: what programs are written with
    "compile": 5,
    "dispatched": 5,
    "compiler": 5,
    "nn": 5,
    "optim": 5,
    "utils": 5,
    "__future__": 3,
    "namespaces": 5,
    "_C": 5,
    "_subclasses": 5,
    "_tensor": 5,
    "fx": 5,
    "_functorch": 5,
    "functorch": 5,
    "profiler": 5,
    "serialization": 5,
    "backends": 5,
    "distributed": 5,
    "futures": 5,
    "handed_on": 3,
    "jit": 5,
    "_jit_internal": 5,
    "_ops": 5,
    "_utils": 5,
    "functional": 4,
    "hub": 5,
    "library": 5,
    "masked": 5,
    "nested": 5,
    "checks": 0,
    "return_types": 5,
    "multiprocessing": 5,
    "amp": 5,
    "accelerator": 5,
    "streams": 5,
    "device_errors": 0,
    "onnx": 5,
    "distributions": 5,
    "testing": 5,
    "types": 5,
    "version": 0,
    "torch_version": 0,
    "overriding": 5,
    "_vmap_internals": 5,
    "overrides": 5,
    "look": 5,
    "cpu": 5,
    "cuda": 5,
    "_dynamo": 5,
    "absent": 0,
    "monitor": 5,
    "mps": 5,
    "mtia": 5,
    "xpu": 5,
    "viz": 5,
    "standalone": 5,
    "__init__": 5,
    # 6: the command
    "_VF": 6,
    "torch_alias": 6,
    "__config__": 6,
    "system_info": 6,
    "cli": 6,
    "__main__": 6,
}

LONGEST_FILE = 600

# Functions that import the module whose name they are given.
IMPORTERS = frozenset({"import_module", "__import__", "module"})


@dataclass(frozen=True)
class Import:
    """One import, or one call that imports: the module that comes in, and where it is written."""

    name: str
    line: int
    inside: bool  # a function or a class
    typing_only: bool  # under `if TYPE_CHECKING:` at module level


def modules_of(root: Path) -> dict[str, Path]:
    """Every module under `root` by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def floor_of(module: str) -> int | None:
    """The floor of a module by its dotted name; None when the table has no place for it."""
    inner = module.partition(".")[2] or "__init__"
    return FLOORS.get(inner, FLOORS.get(inner.split(".")[0]))


def is_type_checking(node: ast.AST) -> bool:
    """Is this `if TYPE_CHECKING:` or `if typing.TYPE_CHECKING:`?"""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(path: Path, module: str, known: dict[str, Path]) -> Iterator[Import]:
    """Every import in a file. `from package import name` counts for the module `name` where that is one."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def names(node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = node.module or ""
                if node.level:
                    upper = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*upper, *([base] if base else [])])
                inner = [f"{base}.{alias.name}" for alias in node.names]
                yield from dict.fromkeys(name if name in known else base for name in inner)
            case ast.Call(func=ast.Name(id=call) | ast.Attribute(attr=call), args=[ast.Constant(name)]):
                if call in IMPORTERS and str(name).split(".")[0] == PACKAGE:
                    yield str(name)

    def walk(node: ast.AST, inside: bool, typing_only: bool) -> Iterator[Import]:
        for name in names(node):
            yield Import(name, getattr(node, "lineno", 0), inside, typing_only)
        inside |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef)
        if is_type_checking(node) and not inside:
            assert isinstance(node, ast.If)
            for child in node.body:
                yield from walk(child, inside, True)
            for child in node.orelse:
                yield from walk(child, inside, typing_only)
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, typing_only)

    yield from walk(ast.parse(path.read_text(encoding="utf-8"), str(path)), False, False)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan's algorithm, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []
    for root in graph:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        work = [(root, iter(sorted(graph[root])))]
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    work.append((successor, iter(sorted(graph[successor]))))
                    break
                if successor in stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    if len(stack) - cut > 1:
                        found.append(sorted(stack[cut:]))
                    del stack[cut:]
    return found


def violations(root: Path) -> list[str]:
    """Everything under `root` that breaks a rule of the house, one line each."""
    known = modules_of(root)
    graph: dict[str, set[str]] = {module: set() for module in known}
    found = []
    for module, path in known.items():
        where = path.relative_to(root)
        length = len(path.read_text(encoding="utf-8").splitlines())
        if length > LONGEST_FILE:
            found.append(f"{where}: {length} lines; cut it along a family (at most {LONGEST_FILE})")
        floor = floor_of(module)
        if floor is None:
            found.append(f"{where}: has no floor; give it one in FLOORS of tests/test_floors.py")
        for imported in imports_of(path, module, known):
            here = f"{where}:{imported.line}"
            top = imported.name.split(".")[0]
            if imported.inside:
                found.append(f"{here}: import of {imported.name} inside a function or class")
            if top == "torch":
                found.append(f"{here}: the package never imports torch")
            if top != PACKAGE:
                continue
            if imported.name not in known:
                found.append(f"{here}: there is no module {imported.name}")
                continue
            target = floor_of(imported.name)
            if imported.typing_only:
                continue
            if floor is not None and target is not None and target > floor:
                found.append(f"{here}: floor {floor} imports {imported.name} of floor {target}")
            if imported.name != module:
                graph[module].add(imported.name)
    found += [f"circle of imports: {', '.join(circle)}" for circle in circles(graph)]
    return found


def test_the_package_keeps_to_its_floors() -> None:
    assert violations(ROOT) == []


def test_every_floor_in_the_table_is_inhabited() -> None:
    inner = [module.partition(".")[2] or "__init__" for module in modules_of(ROOT)]
    assert set(FLOORS) - set(inner) - {name.split(".")[0] for name in inner} == set()


CLEAN = {
    "__init__.py": "from cotangent.ops import table\nfrom cotangent import nn",
    "errors.py": "import sys",
    "kernels/__init__.py": "",
    "kernels/loops.py": "from cotangent import errors\nfrom . import blas\nfrom .blas import gemm",
    "kernels/blas.py": "from ..errors import check\ngemm = 1",
    "ops/__init__.py": "",
    "ops/table.py": (
        "from typing import TYPE_CHECKING\nfrom cotangent.kernels.loops import run\n"
        "if TYPE_CHECKING:\n    from cotangent.nn.act import Act\nx = lazy.module('scipy.special')"
    ),
    "nn/__init__.py": "from cotangent.nn.act import Act",
    "nn/act.py": "import typing\nif typing.TYPE_CHECKING:\n    from cotangent import nn",
}
TOO_LONG = LONGEST_FILE + 1


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("ops/table.py", "\nfrom cotangent import nn", "2: floor 2 imports cotangent.nn of floor 5"),
        ("ops/table.py", "import cotangent.nn.act", "1: floor 2 imports cotangent.nn.act of floor 5"),
        ("ops/table.py", "from .. import nn", "1: floor 2 imports cotangent.nn of floor 5"),
        ("ops/table.py", "nn = lazy.module('cotangent.nn')", "1: floor 2 imports cotangent.nn of floor 5"),
        (
            "ops/table.py",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import cotangent.nn",
            "4: floor 2 imports cotangent.nn of floor 5",
        ),
        (
            "nn/act.py",
            "def f():\n    from cotangent.ops import table",
            "2: import of cotangent.ops.table inside a function or class",
        ),
        (
            "nn/act.py",
            "class A:\n    if TYPE_CHECKING:\n        import math",
            "3: import of math inside a function or class",
        ),
        (
            "nn/act.py",
            "f = lambda: __import__('cotangent.ops.table')",
            "1: import of cotangent.ops.table inside a function or class",
        ),
        ("errors.py", "import torch.nn", "1: the package never imports torch"),
        ("errors.py", "if TYPE_CHECKING:\n    from torch import nn", "2: the package never imports torch"),
        ("errors.py", "import cotangent.dtypes", "1: there is no module cotangent.dtypes"),
        ("surprise.py", "", " has no floor; give it one in FLOORS of tests/test_floors.py"),
        ("errors.py", "\n" * TOO_LONG, f" {TOO_LONG} lines; cut it along a family (at most {LONGEST_FILE})"),
    ],
)
def test_each_rule_is_seen_when_broken(file: str, text: str, expected: str, tmp_path: Path) -> None:
    assert violations(write(tmp_path, {})) == []
    assert violations(write(tmp_path, {file: text})) == [f"{file}:{expected}"]


@pytest.mark.parametrize(
    ("file", "text", "circle"),
    [
        ("nn/act.py", "from cotangent import nn", "cotangent.nn, cotangent.nn.act"),
        (
            "kernels/blas.py",
            "from .loops import run",
            "cotangent.kernels.blas, cotangent.kernels.loops",
        ),
        ("nn/act.py", "import cotangent", "cotangent, cotangent.nn, cotangent.nn.act"),
    ],
)
def test_a_circle_is_seen(file: str, text: str, circle: str, tmp_path: Path) -> None:
    assert violations(write(tmp_path, {file: text})) == [f"circle of imports: {circle}"]


def write(folder: Path, changed: dict[str, str]) -> Path:
    """A small package that breaks no rule, except in the `changed` files; returns its root."""
    root = folder / PACKAGE
    for name, content in {**CLEAN, **changed}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root
