"""The syntax tree of a function that is there, and what its names stand for."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any


class NoSource(Exception):
    """There is no Python text behind a callable."""


@lru_cache(maxsize=64)
def _tree(file: str, text: str) -> ast.Module:
    return ast.parse(text)


def definition(function: Any) -> ast.FunctionDef | ast.Lambda:
    """The definition of a function, as a fresh tree.

    Raises:
        NoSource: if it has none.
    """
    if not isinstance(function, FunctionType):
        raise NoSource(repr(function))
    code = function.__code__
    try:
        lines, _ = inspect.findsource(function)
    except (OSError, TypeError):
        raise NoSource(function.__qualname__) from None
    for node in ast.walk(_tree(code.co_filename, "".join(lines))):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return _copy(node)  # type: ignore[no-any-return]
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and _same(node, code):
            return _copy(node)  # type: ignore[no-any-return]
    raise NoSource(function.__qualname__)


def class_definition(cls: type) -> ast.ClassDef:
    """The definition of a class, as a fresh tree."""
    text = "".join(inspect.findsource(cls)[0])
    for node in ast.walk(_tree(inspect.getsourcefile(cls) or "", text)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return _copy(node)  # type: ignore[no-any-return]
    raise NoSource(cls.__qualname__)


def _copy(node: Any) -> Any:
    return ast.parse(ast.unparse(node)).body[0] if not isinstance(node, ast.Lambda) else _expression(node)


def _expression(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


def _same(node: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda's tree has this code: several may stand on a line."""
    body = node.body
    return (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset) in set(code.co_positions())


def scope_of(function: Any) -> dict[str, Any]:
    """What the free names of a function stand for."""
    scope = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            pass
    return scope
