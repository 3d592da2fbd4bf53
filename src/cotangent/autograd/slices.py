"""What the source text around an error tells: where values left the graph, which leaves were used.

Operations leave marks on tensors (cuts.py), but `item()` gives a plain number, and nothing marks a leaf for
which nobody asked for gradients. So at the time of the error the text of the user's function is read, from
the names in the failing expression back over the assignments to them.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, Final

from .base import TensorBase
from .where import Place, place

_EXITS: Final = frozenset(("item", "tolist", "numpy"))
_NUMBERS: Final = frozenset(("float", "int"))
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def tree_of(code: CodeType) -> ast.Module | None:
    """The syntax tree of the file that code is from; of its function alone if the file is not all Python.

    None if there is no text.
    """
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    found = _parsed("".join(lines))
    if found is None and code.co_name != "<module>":
        block = inspect.getblock(lines[code.co_firstlineno - 1 :])
        # The `if` allows for an indentation, and keeps columns as they are.
        found = _parsed("if True:\n" + "".join(block)) or _parsed("\n" + "".join(block))
        if found is not None:
            found = ast.increment_lineno(copy.deepcopy(found), code.co_firstlineno - 2)
    return found


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def gave_away(frame: FrameType) -> tuple[str, Place | None, list[tuple[Any, Place]]]:
    """What the expression that runs in `frame` was computed from.

    Returns:
        how a value left the graph (`.item()`, empty if none did) and where; and the leaf tensors that
        require no gradient, with the places where they were made.
    """
    code = frame.f_code
    module = tree_of(code)
    if module is None:
        return "", None, []
    current = place(code, frame.f_lasti)
    scope = _scope(module, code)
    start = next(
        (n for n in ast.walk(scope) if isinstance(n, ast.Call) and _starts(n, current)),
        None,
    )
    if start is None:
        return "", None, []
    known = {**frame.f_globals, **frame.f_locals}
    leaves: list[tuple[Any, Place]] = []
    seen: set[str] = set()
    pending: list[ast.expr] = [start]
    while pending:
        expression = pending.pop(0)
        for node in ast.walk(expression):
            by = _exit(node)
            if by:
                return by, _placed(node, current), []
            if not isinstance(node, ast.Name) or node.id in seen:
                continue
            seen.add(node.id)
            values = list(_assigned(scope, node.id)) or list(_assigned(module, node.id))
            earlier = [v for v in values if v.lineno <= current.line]
            pending.extend(reversed(earlier or values))
            value = known.get(node.id)
            if earlier and _is_plain_leaf(value) and not _uses(earlier[-1], known):
                leaves.append((value, _placed(earlier[-1], current)))
    return "", None, leaves


def expression_at(code: CodeType | None, lasti: int) -> ast.AST | None:
    """The expression (or augmented assignment) that an instruction belongs to, if it stands in one line."""
    if code is None:
        return None
    text = place(code, lasti).expression
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    return statement.value if isinstance(statement, ast.Expr) else statement


def returned_at(function: Any, count: int) -> Place | None:
    """Where a function returns `count` values: that return statement, or else its last one."""
    code: CodeType | None = getattr(function, "__code__", None)
    module = None if code is None else tree_of(code)
    if code is None or module is None:
        return None
    scope = _scope(module, code)
    returns = [n for n in ast.walk(scope) if isinstance(n, ast.Return) and n.value is not None]
    if not returns:
        return None
    returns.sort(key=lambda n: n.lineno)
    fitting = [n for n in returns if _count(n.value) == count]
    value = (fitting or returns)[-1].value
    return _placed(value, place(code, 0))


def _count(value: Any) -> int:
    return len(value.elts) if isinstance(value, ast.Tuple) else 1


def _scope(module: ast.Module, code: CodeType) -> ast.AST:
    """The function of a code object, or the module."""
    for node in ast.walk(module):
        if isinstance(node, _SCOPES):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            if first == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name:
                return node
    return module


def _starts(node: ast.AST, current: Place) -> bool:
    return _placed(node, current)[:4] == current[:4]


def _exit(node: ast.AST) -> str:
    """How a call takes a value out of the graph, if it does."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute) and node.func.attr in _EXITS:
        return f".{node.func.attr}()"
    if isinstance(node.func, ast.Name) and node.func.id in _NUMBERS:
        return f"{node.func.id}()"
    return ""


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """The expressions assigned to a name in a scope, in the order of their lines."""
    found: list[ast.expr] = []
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            targets: list[ast.AST] = list(node.targets)
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
            targets = [node.target]
        else:
            continue
        if node.value is not None and any(
            isinstance(n, ast.Name) and n.id == name for target in targets for n in ast.walk(target)
        ):
            found.append(node.value)
    yield from sorted(found, key=lambda n: n.lineno)


def _placed(node: Any, current: Place) -> Place:
    """The place of a syntax node in the file of `current`."""
    text = linecache.getline(current.file, node.lineno).rstrip("\n")
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    return Place.of(current.file, text, *start, *end, current.function)


def _uses(node: ast.AST, known: dict[str, Any]) -> bool:
    """Whether an expression names a tensor."""
    return any(isinstance(n, ast.Name) and isinstance(known.get(n.id), TensorBase) for n in ast.walk(node))


def _is_plain_leaf(value: Any) -> bool:
    return isinstance(value, TensorBase) and value._node is None and not value._req
