"""Which module each node belongs to: as it was captured, or concluded from parameters and source lines."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import CodeType
from typing import Any

from ..autograd.node import AccumulateGrad
from ..autograd.recorded import OpNode
from ..nn.modules.container import Sequential
from .capture import noted
from .names import called_at


class Modules:
    """The modules that a graph may have gone through.

    Attributes:
        path: dotted path by id of a module; the first part is the name of the outermost one.
        owner: id of a parameter -> (path of its module, its name there).
    """

    def __init__(self, roots: Sequence[tuple[str, Any]]) -> None:
        self.path: dict[int, str] = {}
        self.at: dict[str, Any] = {}
        self.owner: dict[int, tuple[str, str]] = {}
        self.by_code: dict[CodeType, list[str]] = {}
        for name, root in roots:
            self.add(name, root)

    def add(self, name: str, root: Any) -> None:
        """Enter a module and all inside it."""
        for inner, module in root.named_modules():
            path = f"{name}.{inner}" if inner else name
            self.path.setdefault(id(module), path)
            self.at[path] = module
            for part, parameter in module._parameters.items():
                if parameter is not None:
                    self.owner.setdefault(id(parameter), (path, part))
            for method in vars(type(module)).values():
                code = getattr(method, "__code__", None)
                if code is not None:
                    self.by_code.setdefault(code, []).append(path)

    def captured(self, node: Any) -> str | None:
        """The path of the module a captured node ran in; None if it was not captured."""
        found = noted.get(node)
        if found is None:
            return None
        if not found.modules:
            return ""
        if id(found.modules[0]) not in self.path:
            self.add(type(found.modules[0]).__name__, found.modules[0])
        innermost = found.modules[-1]
        if id(innermost) not in self.path:
            self.add(type(innermost).__name__, innermost)
        return self.path[id(innermost)]


def paths_of(nodes: Sequence[Any], modules: Modules) -> dict[int, str]:
    """The module path of each node (by id), "" where it is in none.

    Args:
        nodes: in the order of their creation.
    """
    found: dict[int, str] = {}
    derived = False
    for node in nodes:
        path = modules.captured(node)
        if path is not None:
            found[id(node)] = path
        elif node.__class__ is AccumulateGrad:
            found[id(node)] = modules.owner.get(id(node.variable), ("", ""))[0]
        else:
            derived = True
    if derived and modules.at:
        _conclude([n for n in nodes if id(n) not in found], found, modules)
    return found


def _conclude(nodes: list[Any], found: dict[int, str], modules: Modules) -> None:
    """Nodes that read a module's parameters are that module's; others follow from the line that made them."""
    prepared: dict[int, str] = {}  # nodes that only rearrange parameters
    for node in nodes:
        paths = [prepared.get(id(e)) or _parameter_path(e, modules) for e in node.edges if e is not None]
        known = [p for p in paths if p]
        if known:
            found[id(node)] = known[-1]
            if len(known) == len(paths) == 1 and isinstance(node, OpNode) and node.op.is_view:
                prepared[id(node)] = known[-1]
    for group in _calls([n for n in nodes if n.code in modules.by_code]):
        candidates = modules.by_code[group[0].code]
        inside = [found[id(n)] for n in group if found.get(id(n))]
        here = [c for c in candidates if any(p == c or p.startswith(c + ".") for p in inside)]
        if not here and len(candidates) == 1:
            here = candidates
        if not here:
            continue
        for node in group:
            if id(node) not in found:
                found[id(node)] = _called(node, here[0], modules)
    for node in nodes:
        if id(node) not in found:
            path = _called(node, "", modules)
            if path:
                found[id(node)] = path
    _in_sequence(nodes, found, modules)


def _parameter_path(node: Any, modules: Modules) -> str | None:
    if node.__class__ is not AccumulateGrad:
        return None
    return modules.owner.get(id(node.variable), (None, ""))[0]


def _calls(nodes: list[Any]) -> list[list[Any]]:
    """Nodes of the same code, cut into runs of it: a run goes on as long as the instructions go forward."""
    groups: list[list[Any]] = []
    open_groups: dict[CodeType, list[Any]] = {}
    for node in nodes:
        group = open_groups.get(node.code)
        if group is None or group[-1].lasti > node.lasti:
            group = open_groups[node.code] = []
            groups.append(group)
        group.append(node)
    return groups


def _called(node: Any, path: str, modules: Modules) -> str:
    """The module that a line such as `self.relu(x)` in the module at `path` calls; that module if none."""
    parts: list[str] = []
    at = called_at(node.code, node.lasti)
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    if isinstance(at, ast.Name):
        start = path if at.id == "self" and path else at.id
        inner = ".".join([start, *reversed(parts)])
        if inner in modules.at and (parts or at.id != "self"):
            return inner
    return path


def _in_sequence(nodes: list[Any], found: dict[int, str], modules: Modules) -> None:
    """Children of a Sequential run in order: what is known to be in it is the next child of its kind."""
    reached: dict[str, int] = {}
    for node in nodes:
        path = found.get(id(node), "")
        container = modules.at.get(path)
        if isinstance(container, Sequential):
            children = list(container.named_children())
            for k in range(reached.get(path, 0), len(children)):
                if _plain(type(children[k][1]).__name__) == _plain(node.name().partition("Backward")[0]):
                    found[id(node)] = f"{path}.{children[k][0]}"
                    reached[path] = k + 1
                    break
            continue
        while "." in path:
            path, _, child = path.rpartition(".")
            if isinstance(modules.at.get(path), Sequential):
                reached[path] = [name for name, _ in modules.at[path].named_children()].index(child) + 1


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
