"""Attaches the operations to Tensor: `x.add`, `x.add_`, `x + y` are the functions of `ops/` themselves.

Every module of `ops/` says what it offers:

    FUNCTIONS   names that become `torch.NAME`
    METHODS     names that become `Tensor.NAME` (the tensor is the first argument)
    INPLACE     names that get an in-place twin `Tensor.NAME_`
    WRITTEN     operations that serve for that in place of the named ones: {"abs": "abs_written"}
    FUNCTIONAL  names that become `torch.nn.functional.NAME`
    ALIASES     other names of the same things: {"multiply": "mul"}
    DUNDERS     Python's operators, and methods whose function has another name: {"__add__": "add"}
    PROPERTIES  names that become properties of Tensor
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from .autograd import emit, emit_write, histories, notes, positions, resize
from .autograd.inplace import in_place, operator
from .ops import (
    activation,
    arithmetic,
    broadcast,
    comparison,
    complex as complex_ops,
    copies,
    exponential,
    fill,
    gather,
    indexing,
    join,
    logic,
    matmul,
    order,
    piecewise,
    powers,
    reduce,
    sections,
    select,
    shape,
    softmax,
    split,
    trigonometric,
    viewfronts,
)  # fmt: skip
from .ops.table import operator_of
from .tensor import Tensor

FAMILIES: Final[tuple[ModuleType, ...]] = (
    activation, piecewise, softmax, arithmetic, comparison, complex_ops, copies, exponential, logic, powers,
    select, trigonometric, viewfronts, order, broadcast, sections, join, split, shape,
    resize, matmul, reduce, indexing, fill, gather,         )  # fmt: skip


# Python's binary operators on numbers, plain, reflected and in place: `add` stands for __add__, and so on.
_BINARY: Final = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
)
OPERATORS: Final = frozenset(prefix + name for name in _BINARY for prefix in ("", "r", "i")) | frozenset(
    ("eq", "ne", "lt", "le", "gt", "ge")
)


def _attach(family: ModuleType) -> None:
    scope = vars(family)
    aliases: dict[str, str] = scope.get("ALIASES", {})
    for name in scope.get("METHODS", ()):
        setattr(Tensor, name, scope[name])
    for name in scope.get("INPLACE", ()):
        setattr(Tensor, name + "_", in_place(scope[scope.get("WRITTEN", {}).get(name, name)]))
    for name in scope.get("PROPERTIES", ()):
        setattr(Tensor, name, property(scope[name], _setter(scope[name])))
    for other, name in aliases.items():
        if name in scope.get("METHODS", ()):
            setattr(Tensor, other, scope[name])
        if name in scope.get("INPLACE", ()):
            setattr(Tensor, other + "_", getattr(Tensor, name + "_"))
    for dunder, name in scope.get("DUNDERS", {}).items():
        function = getattr(Tensor, name) if hasattr(Tensor, name) else scope[name]
        if dunder.strip("_") in OPERATORS:
            function = _operator(function)
        elif dunder in ("__matmul__", "__rmatmul__"):
            function = operator(function, (Tensor,))
        setattr(Tensor, dunder, function)


def _setter(view: Any) -> Any:
    """Assignment to a property that is a view writes through the view."""

    def assign(self: Any, value: Any) -> None:
        if isinstance(value, (int, float)):
            view(self).fill_(value)
        else:
            view(self).copy_(value)

    return assign


def _operator(function: Any) -> Any:
    """`function` as an operator: NotImplemented, not a TypeError, for operands it does not know."""
    op = getattr(function, "op", None)
    return operator_of(function) if op is not None and len(op.tensors) == 2 else operator(function)


def public(kind: str) -> dict[str, Any]:
    """What the families offer under FUNCTIONS or FUNCTIONAL, by name."""
    found: dict[str, Any] = {}
    for family in FAMILIES:
        scope = vars(family)
        names = scope.get(kind, ())
        for name in names:
            found[name] = scope[name]
        for other, name in scope.get("ALIASES", {}).items():
            if name in names:
                found[other] = scope[name]
    return found


emit.install()
notes.install()
positions.install()
histories.install()
emit_write.install()
for _family in FAMILIES:
    _attach(_family)
