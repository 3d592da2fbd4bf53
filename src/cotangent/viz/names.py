"""What the user calls things: names of tensors and modules, from the program's variables and source text."""

from __future__ import annotations

import ast
import linecache
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType
from typing import Any, Final

from ..autograd.base import TensorBase
from ..autograd.node import accumulator_of
from ..autograd.where import place
from ..nn.modules.module import Module

Span = tuple[int, int, int, int]
_Positions = tuple[dict[Span, str], dict[Span, ast.expr]]


class Names:
    """Names by identity: of nodes (by the tensor they made), of arrays, of modules that stand alone.

    Args:
        scopes: mappings from names to objects, those of the innermost scope first.
    """

    def __init__(self, scopes: Iterable[Mapping[str, Any]]) -> None:
        self.nodes: dict[int, str] = {}
        self.arrays: dict[int, str] = {}
        self.roots: dict[int, tuple[str, Any]] = {}
        self.kept: list[Any] = []
        self.values: dict[int, Any] = {}
        hidden: set[str] = set()
        for scope in scopes:
            for name, value in list(scope.items()):
                if name.startswith("__") or name.strip("_").isdigit() or not name.strip("_"):
                    continue
                if name not in hidden:
                    self.add(name, value)
            hidden.update(scope)
        held = {id(m) for _, root in self.roots.values() for m in root.modules() if m is not root}
        self.roots = {key: root for key, root in self.roots.items() if key not in held}

    def add(self, name: str, value: Any) -> None:
        """Enter what a name stands for, unless it has a name already."""
        if isinstance(value, Module):
            self.roots.setdefault(id(value), (name, value))
        elif isinstance(value, TensorBase):
            self.tensor(name, value)
        elif isinstance(value, (list, tuple)) and 0 < len(value) <= 32:
            for k, item in enumerate(value):
                if isinstance(item, TensorBase):
                    self.tensor(f"{name}[{k}]", item)
        elif isinstance(value, dict) and 0 < len(value) <= 64:
            for key, item in value.items():
                if isinstance(key, str) and isinstance(item, TensorBase):
                    self.tensor(key, item)

    def tensor(self, name: str, t: Any) -> None:
        """Enter the name of a tensor."""
        if t._level:
            return
        self.arrays.setdefault(id(t._data), name)
        self.kept.append(t._data)
        if t._req:
            node = t._node or accumulator_of(t)
            self.kept.append(node)  # ids are good only as long as what they are of
            self.nodes.setdefault(id(node), name)
            self.values.setdefault(id(node), t._data)


def scopes_of(frame: FrameType | None) -> Iterator[Mapping[str, Any]]:
    """The variables that can be seen from a frame: its own, then its module's."""
    if frame is None:
        return
    found = frame.f_locals
    if found is frame.f_globals:
        yield found
        return
    yield dict(found)
    # Up to Python 3.12 a frame goes on to hold this copy of its variables, and would keep what the function
    # deletes. It is emptied unless somebody else (a call of `locals()`) has it: the frame, the name here and
    # getrefcount's argument are three references.
    if found.__class__ is dict and frame.f_code.co_flags & CO_OPTIMIZED and sys.getrefcount(found) == 3:
        found.clear()
    yield frame.f_globals


@lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _parsed(lines: tuple[str, ...], line: int, end_line: int) -> _Positions:
    """(names of targets by the position of what is assigned to them, expressions by position).

    Of a file that is no Python as a whole (a page with blocks of code), only the statement around some lines.
    """
    tree = _tree("".join(lines))
    if tree is not None:
        return _positions(tree)
    for first in range(line - 1, max(line - 7, -1), -1):
        for last in range(end_line, min(end_line + 6, len(lines)) + 1):
            text = "".join(lines[first:last])
            part = _tree(textwrap.dedent(text))
            if part is not None and part.body:
                indent = len(text) - len(text.lstrip(" "))
                for node in ast.walk(part):
                    if hasattr(node, "lineno"):
                        at: Any = node
                        at.lineno, at.end_lineno = at.lineno + first, at.end_lineno + first
                        at.col_offset, at.end_col_offset = at.col_offset + indent, at.end_col_offset + indent
                return _positions(part)
    return {}, {}


@lru_cache(maxsize=64)
def _positions(tree: ast.Module) -> _Positions:
    targets: dict[Span, str] = {}
    expressions: dict[Span, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            expressions.setdefault(_span(node), node)
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            _target(node.targets[0], node.value, targets)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            _target(node.target, node.value, targets)
        elif isinstance(node, ast.AugAssign):
            _target(node.target, node, targets)
    return targets, expressions


def _target(target: ast.expr, value: Any, targets: dict[Span, str]) -> None:
    if isinstance(target, ast.Name):
        targets[_span(value)] = target.id
    elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        targets[_span(value)] = target.attr
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, given in zip(target.elts, value.elts):
            _target(one, given, targets)


def _span(node: Any) -> Span:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _source(code: CodeType, lasti: int) -> tuple[_Positions, Span] | None:
    positions = list(code.co_positions())
    if not 0 <= lasti // 2 < len(positions):
        return None
    line, end_line, column, end = positions[lasti // 2]
    if line is None or end_line is None or column is None or end is None:
        return None
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    return _parsed(tuple(lines), line, end_line), (line, column, end_line, end)


def target_of(code: CodeType | None, lasti: int) -> str | None:
    """The variable that the expression at an instruction is assigned to."""
    found = None if code is None else _source(code, lasti)
    return None if found is None else found[0][0].get(found[1])


def operands_of(code: CodeType | None, lasti: int) -> list[ast.expr]:
    """The operands of the arithmetic operator at an instruction, as expressions."""
    found = None if code is None else _source(code, lasti)
    at = None if found is None else found[0][1].get(found[1])
    if isinstance(at, ast.BinOp):
        return [at.left, at.right]
    return []


def called_at(code: CodeType | None, lasti: int) -> ast.expr | None:
    """What is called by the call at an instruction."""
    found = None if code is None else _source(code, lasti)
    at = None if found is None else found[0][1].get(found[1])
    return at.func if isinstance(at, ast.Call) else None


_SHORT: Final = 18


def spelled(expression: ast.expr) -> str:
    """An expression as it is written, shortened."""
    text = ast.unparse(expression)
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


def line_of(code: CodeType | None, lasti: int) -> tuple[str, int, str] | None:
    """(file, line, text of the line) of an instruction."""
    if code is None:
        return None
    spot = place(code, lasti)
    return spot.file, spot.line, spot.text.strip()
