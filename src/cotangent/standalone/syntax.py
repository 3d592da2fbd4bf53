"""Pieces of syntax trees: values as expressions, what a piece of code assigns and reads, tidying."""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import math
import re
from types import FunctionType
from typing import Any, Final

import numpy as np

PACKAGE: Final = __package__.partition(".")[0]


MODULES: Final = {math: "math", itertools: "itertools"}


class NoForm(Exception):
    """A kernel cannot be written with NumPy alone; says why."""


class Probe:
    """An array of which all is known but the elements."""

    __array_ufunc__ = None

    def __init__(self, array: Any) -> None:
        self.dtype = array.dtype
        self.shape = tuple(array.shape)
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)
        self.itemsize = array.dtype.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    def _elements(self, *_: Any, **__: Any) -> Any:
        raise TypeError("nothing is known of the elements")

    __array__ = __bool__ = __iter__ = __getitem__ = __int__ = __float__ = __index__ = __abs__ = _elements
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __pos__ = __invert__ = _elements
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _elements
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = _elements
    __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __contains__ = _elements
    __hash__ = None  # type: ignore[assignment]


class Unknown:
    """A value of which nothing is known."""


UNKNOWN: Final = Unknown()


def literal(value: Any) -> ast.expr | None:
    """A value as an expression; None if it is not one of those that are written down."""
    if value is None or value is ... or isinstance(value, (bool, int, str)):
        return ast.Constant(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ast.parse({"inf": "np.inf", "-inf": "-np.inf"}.get(str(value), "np.nan"), mode="eval").body
        return ast.parse(repr(value), mode="eval").body
    if isinstance(value, complex):
        return ast.parse(repr(value), mode="eval").body
    if isinstance(value, tuple):
        parts = [literal(v) for v in value]
        return None if any(p is None for p in parts) else ast.Tuple([p for p in parts if p], ast.Load())
    if isinstance(value, list):
        parts = [literal(v) for v in value]
        return None if any(p is None for p in parts) else ast.List([p for p in parts if p], ast.Load())
    if isinstance(value, slice):
        ends = [literal(v) for v in (value.start, value.stop, value.step)]
        if any(e is None for e in ends):
            return None
        return ast.Call(ast.Name("slice", ast.Load()), [e for e in ends if e], [])
    if isinstance(value, np.dtype) and value.kind in "fciub":
        name = "bool_" if value.kind == "b" else value.name
        return ast.parse(f"np.{name}", mode="eval").body
    if isinstance(value, type) and issubclass(value, np.generic):
        return ast.parse(f"np.{value.__name__}", mode="eval").body
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "fiub":
        name = "bool_" if value.dtype.kind == "b" else value.dtype.name
        inner = literal(value.item() if value.dtype.name != "float32" else short(value))
        return None if inner is None else ast.Call(ast.parse(f"np.{name}", mode="eval").body, [inner], [])
    return None


def is_short(value: Any) -> bool:
    """Whether a known value is written where it is read; others keep their names."""
    made = literal(value)
    return made is not None and len(ast.unparse(made)) <= 60


def short(value: Any) -> float:
    """The shortest decimal number that a float32 is the nearest to."""
    return float(str(np.float32(value))) if np.isfinite(value) else float(value)


RESERVED: Final = frozenset(dir(builtins)) | {"np", "math", "itertools"}


def constant_text(value: Any) -> str | None:
    if isinstance(value, (tuple, list)) and value:
        parts = [constant_text(v) for v in value]
        if all(p is not None for p in parts):
            inner = ", ".join(p for p in parts if p)
            return f"({inner},)" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, dict) and value:
        pairs = [(key_text(k), constant_text(v)) for k, v in value.items()]
        if all(k is not None and v is not None for k, v in pairs):
            return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if isinstance(value, np.ufunc):
        return in_numpy(value)
    if isinstance(value, np.ndarray) and value.size <= 1024 and value.dtype.kind in "fiub":
        return f"np.array({value.tolist()!r}, np.{value.dtype.name})"
    made = literal(value)
    return None if made is None else ast.unparse(made)


def key_text(value: Any) -> str | None:
    text = constant_text(value)
    return f"np.dtype({text})" if text and isinstance(value, np.dtype) else text


OPERATORS: Final[dict[str, Any]] = {
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div, "true_divide": ast.Div,
    "power": ast.Pow, "matmul": ast.MatMult, "float_power": None,
}  # fmt: skip


COMPARISONS: Final[dict[str, Any]] = {
    "less": ast.Lt, "less_equal": ast.LtE, "greater": ast.Gt, "greater_equal": ast.GtE, "equal": ast.Eq,
    "not_equal": ast.NotEq,
}  # fmt: skip


def pretty(call: ast.expr) -> ast.expr:
    """`np.add(a, b)` as `a + b`, and so on."""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and not call.keywords):
        return call
    if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "np"):
        return call
    name, args = call.func.attr, call.args
    if any(isinstance(a, ast.Starred) for a in args) or all(isinstance(a, ast.Constant) for a in args):
        return call
    if name in OPERATORS and len(args) == 2 and OPERATORS[name] is not None:
        return ast.BinOp(args[0], OPERATORS[name](), args[1])
    if name in COMPARISONS and len(args) == 2:
        return ast.Compare(args[0], [COMPARISONS[name]()], [args[1]])
    if name == "negative" and len(args) == 1:
        return ast.UnaryOp(ast.USub(), args[0])
    return call


def ours(value: Any) -> bool:
    """Whether a value is a Python function of the package, decorated or not."""
    inner = inspect.unwrap(value) if callable(value) else value
    return isinstance(inner, FunctionType) and (inner.__module__ or "").partition(".")[0] == PACKAGE


def undecorated(function: Any) -> tuple[Any, bool]:
    """The function inside the package's decorators, and whether its result is to be dense.

    The decorators choose generated kernels for large arrays (`sized`) and widen 16-bit floats (`in_float`,
    `in_steps`), which this package's files do not have; `rows` makes results dense.
    """
    dense = False
    while hasattr(function, "__wrapped__"):
        called = getattr(getattr(function, "__code__", None), "co_qualname", "")
        dense |= called.startswith("rows.")
        function = function.__wrapped__
    return function, dense


def as_dense(e: ast.expr) -> ast.expr:
    return ast.Call(ast.parse("np.asarray", mode="eval").body, [e], [ast.keyword("order", ast.Constant("C"))])


def truth(e: ast.expr) -> bool | None:
    """Whether an expression that is a value written down is true; None for other expressions."""
    if isinstance(e, ast.Constant):
        return bool(e.value)
    if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.Not):
        inner = truth(e.operand)
        return None if inner is None else not inner
    return bool(e.elts) if isinstance(e, ast.Tuple) else None


def plain(e: ast.expr) -> bool:
    """Whether an expression is a value that was written down."""
    return all(
        isinstance(n, (ast.Constant, ast.Tuple, ast.Load, ast.UnaryOp, ast.USub, ast.Attribute, ast.Name))
        and not (isinstance(n, ast.Name) and n.id != "np")
        for n in ast.walk(e)
    )


def without_unread(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without assignments of names, attributes and the like that nothing reads."""
    while True:
        read = {
            n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
        }
        kept = [
            s for s in body
            if not (
                isinstance(s, ast.Assign)
                and isinstance(s.targets[0], ast.Name)
                and s.targets[0].id not in read
                and not any(isinstance(n, ast.Call) for n in ast.walk(s.value))
            )
        ]  # fmt: skip
        if len(kept) == len(body):
            break
        body = kept
    match body:
        # What is named only to be part of what is returned stands there itself.
        case [
            *lead,
            ast.Assign(targets=[ast.Name(id=name)], value=value),
            ast.Return(value=ast.expr() as last),
        ]:
            reads = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name]
            loads = [n for n in reads if isinstance(n.ctx, ast.Load)]
            inner = [n for n in ast.walk(last) if n in loads]
            if len(loads) == len(inner) == 1 and len(reads) == 2:
                made = substituted(last, {name: value})
                if made is not None:
                    return without_unread([*lead, ast.Return(made)])
    return body


def in_numpy(value: Any) -> str | None:
    """How NumPy calls something of its own."""
    name = getattr(value, "__name__", "")
    if name and getattr(np, name, None) is value:
        return f"np.{name}"
    for inner, called in (
        (np.linalg, "linalg"),
        (np.fft, "fft"),
        (np.lib.stride_tricks, "lib.stride_tricks"),
    ):
        if name and getattr(inner, name, None) is value:
            return f"np.{called}.{name}"
    owner = getattr(value, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{name}"
    if isinstance(value, np.ufunc) and hasattr(np, name):
        return f"np.{name}"  # clip, whose function in the namespace calls the ufunc
    return None


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, Probe) and isinstance(b, Probe):
        return a.dtype == b.dtype and a.shape == b.shape
    return a is b or (type(a) is type(b) and not isinstance(a, Probe) and bool(a == b))


def assigned(node: ast.AST) -> set[str]:
    """Names that a node assigns (not those of functions inside)."""
    found = set()
    stack = [node]
    while stack:
        n = stack.pop()
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Store, ast.Del)):
            found.add(n.id)
        if isinstance(n, ast.comprehension):
            stack += [n.iter, *n.ifs]  # its target is its own
        else:
            stack += ast.iter_child_nodes(n)
    return found


def bound(target: ast.expr, value: Any) -> dict[str, Any] | None:
    """What names get when a known value is assigned to a target; None where that is not plain unpacking."""
    if isinstance(target, ast.Name):
        return {target.id: value}
    if not isinstance(target, ast.Tuple) or not isinstance(value, tuple) or len(value) != len(target.elts):
        return None
    found: dict[str, Any] = {}
    for part, inner in zip(target.elts, value):
        made = bound(part, inner)
        if made is None:
            return None
        found |= made
    return found


def changed(tree: ast.AST) -> set[str]:
    """Names of what has methods called on it that change lists."""
    return {
        n.func.value.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and isinstance(n.func.value, ast.Name)
        and n.func.attr in ("append", "extend", "insert", "pop", "reverse", "sort", "remove", "clear")
    } | {
        n.value.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and isinstance(n.value, ast.Name)
    }


def substituted(e: ast.expr, given: dict[str, ast.expr]) -> ast.expr | None:
    """A result with arguments put in for parameters; None if one that is no name or constant occurs twice."""
    counts: dict[str, int] = {}
    for n in ast.walk(e):
        if isinstance(n, (ast.Lambda, ast.comprehension)):
            return None
        if isinstance(n, ast.Name):
            counts[n.id] = counts.get(n.id, 0) + 1
    for name, count in counts.items():
        if name in given and count > 1 and not isinstance(given[name], (ast.Name, ast.Constant)):
            return None
    if len(ast.unparse(e)) > 90:
        return None

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return given.get(node.id, node)

    made: ast.expr = Put().visit(e)
    return made


def function_text(parameters: list[str], doc: str | None, body: list[ast.stmt]) -> str:
    statements: list[ast.stmt] = [ast.Expr(ast.Constant(doc.split("\n")[0]))] if doc else []
    arguments = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
    tree = ast.FunctionDef("__NAME__", arguments, [*statements, *body], [], None, lineno=0)
    return ast.unparse(ast.fix_missing_locations(tree))


def with_names(text: str, wanted: dict[str, str]) -> str:
    """A text with names in the place of stand-ins, such as nothing else in it has.

    Args:
        wanted: stand-in -> what it should be called.
    """
    taken = set(RESERVED)
    for n in ast.walk(ast.parse(text)):
        if isinstance(n, ast.Name):
            taken.add(n.id)
        elif isinstance(n, ast.arg):
            taken.add(n.arg)
        elif isinstance(n, (ast.FunctionDef, ast.ClassDef)):
            taken.add(n.name)
    for made, base in wanted.items():
        name, k = base, 2
        if name in taken and name not in wanted.values():
            name = f"{base}_"
        if name in taken:
            name = f"{base}_of"
        while name in taken:
            name = f"{base}_{k}"
            k += 1
        taken.add(name)
        text = re.sub(rf"\b{made}\b", name, text)
    return text
