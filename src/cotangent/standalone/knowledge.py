"""What is known inside a function that is being rewritten."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Final

import numpy as np

from ..kernels import reduce, shape
from .syntax import UNKNOWN, Probe, literal

# Functions of NumPy whose result's shape no element decides, and methods of arrays.
_SHAPING: Final = (
    np.asarray, np.ascontiguousarray, np.empty, np.zeros, np.ones, np.full, np.empty_like, np.zeros_like,
    np.ones_like, np.full_like, np.where, np.clip, np.matmul, np.broadcast_to, np.moveaxis, np.swapaxes,
)  # fmt: skip
_METHODS: Final = ("copy", "astype", "reshape", "transpose", "swapaxes", "view", "dot", "ravel")
_LARGEST: Final = 1 << 20
# A kernel that calls itself for arrays of another shape ends there; one that goes on is given up.
DEEPEST: Final = 2


def is_shaping(function: Any) -> bool:
    """Whether a function is one of the kernels of which shapes alone decide the result's shape."""
    return inspect.isfunction(function) and function.__module__ in (shape.__name__, reduce.__name__)


class Knowledge:
    """Values of names, and what follows from them.

    Attributes:
        scope: what names outside the function stand for.
        known: values of names inside; a Probe for an array.
        local: all names inside.
    """

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.known: dict[str, Any] = {}
        self.local: set[str] = set()

    def value(self, e: ast.expr) -> Any:
        """The value of an expression from what is known, or UNKNOWN."""
        if any(isinstance(n, (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield)) for n in ast.walk(e)):
            return UNKNOWN
        if isinstance(e, ast.Slice) or (
            isinstance(e, ast.Tuple) and any(isinstance(p, ast.Slice) for p in e.elts)
        ):
            return UNKNOWN
        inner = {
            n.id for part in ast.walk(e) if isinstance(part, ast.comprehension) for n in ast.walk(part.target)
            if isinstance(n, ast.Name)
        }  # fmt: skip
        for n in ast.walk(e):
            if (
                isinstance(n, ast.Name)
                and n.id in self.local
                and n.id not in self.known
                and n.id not in inner
            ):
                return UNKNOWN
        try:
            code = compile(ast.fix_missing_locations(ast.Expression(body=e)), "<known>", "eval")
            return eval(code, {**self.scope, **self.known})
        except Exception:
            return UNKNOWN

    def probed(self, e: ast.expr) -> Any:
        """Type and shape of the array that an expression gives, as a Probe, if they follow; else UNKNOWN."""
        if not self.harmless(e):
            return UNKNOWN
        scope = {
            k: np.zeros(v.shape, v.dtype) if isinstance(v, Probe) and v.size <= _LARGEST else v
            for k, v in self.known.items()
        }
        try:
            code = compile(ast.fix_missing_locations(ast.Expression(body=e)), "<probe>", "eval")
            with np.errstate(all="ignore"):
                found = eval(code, {**self.scope, **scope})
        except Exception:
            return UNKNOWN
        return Probe(found) if isinstance(found, (np.ndarray, np.generic)) else UNKNOWN

    def harmless(self, e: ast.expr) -> bool:
        """Whether an expression is made of NumPy calls whose result has a shape that no element decides."""
        if self.value(e) is not UNKNOWN:
            return True
        if isinstance(e, ast.Call):
            parts = [*e.args, *(k.value for k in e.keywords)]
            if not all(self.harmless(a) for a in parts) or any(k.arg == "out" and not isinstance(
                k.value, ast.Constant) for k in e.keywords):  # fmt: skip
                return False
            function = self.target(e.func)
            if isinstance(function, np.ufunc) or function in _SHAPING or is_shaping(function):
                return True
            if isinstance(getattr(function, "__self__", None), np.ufunc):
                return function.__name__ in ("reduce", "outer", "accumulate")
            return (
                isinstance(e.func, ast.Attribute)
                and e.func.attr
                in ("copy", "astype", "reshape", "transpose", "swapaxes", "view", "dot", "ravel")
                and self.harmless(e.func.value)
            )
        if isinstance(e, ast.Subscript):
            index = self.value(e.slice)
            places = index if isinstance(index, tuple) else (index,)
            return self.harmless(e.value) and all(
                isinstance(p, (int, slice, type(...))) or p is None for p in places
            )
        if isinstance(e, ast.BinOp):
            return self.harmless(e.left) and self.harmless(e.right)
        return isinstance(e, ast.UnaryOp) and self.harmless(e.operand)

    def target(self, e: ast.expr) -> Any:
        """What a name or a dotted name stands for outside the function; UNKNOWN for anything local."""
        names = [n.id for n in ast.walk(e) if isinstance(n, ast.Name)]
        if not isinstance(e, (ast.Name, ast.Attribute)) or any(n in self.local for n in names):
            return UNKNOWN
        return self.value(e)

    def known_of(self, e: ast.expr) -> Any:
        """What a function that is given an expression may know of it."""
        found = self.value(e)
        if isinstance(found, Probe) or (found is not UNKNOWN and literal(found) is not None):
            return found
        return self.probed(e)

    def array(self, e: ast.expr) -> Probe | None:
        """What is known of an array."""
        found = self.value(e)
        found = self.probed(e) if found is UNKNOWN else found
        return found if isinstance(found, Probe) else None
