"""What a function can reach: its closure, the globals it names, its arguments, and what hangs on these.

Every object found gets a `Spot`: the way to it from the roots, so that a compiled function finds its
tensors and numbers again at the next call, wherever they have been put since. The contents of the
containers are remembered, to see afterwards what the function changed.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from ..autograd.base import TensorBase
from ..dtypes import dtype

LIMIT: Final = 400_000
PLAIN: Final = (int, float, bool, str, bytes, complex, type(None), dtype)
SKIPPED: Final = frozenset((*sys.stdlib_module_names, "cotangent", "torch", "numpy", "scipy", "ml_dtypes"))


class Spot:
    """An object and the way to it.

    Attributes:
        value: the object.
        above: the spot of the container it is in; None for roots.
        kind: how it is reached from there: attr, item, cell, global, grad, part (of a method or partial),
            member (of a class or module), ...
        key: name or index; of members, the class or module and the name.
    """

    __slots__ = ("value", "above", "kind", "key", "number")

    def __init__(self, value: Any, above: Spot | None, kind: str, key: Any, number: int) -> None:
        self.value = value
        self.above = above
        self.kind = kind
        self.key = key
        self.number = number

    def name(self) -> str:
        """The way to it as a person would write it."""
        if self.above is None:
            return str(self.key)
        above = self.above.name()
        if self.kind in ("cell", "global"):
            return str(self.key)
        if self.kind == "item":
            return f"{above}[{self.key!r}]" if isinstance(self.key, (int, str)) else f"{above}[...]"
        if self.kind == "member":
            return f"{self.key[0].__name__}.{self.key[1]}"
        return f"{above}.{'grad' if self.kind == 'grad' else self.key}"


class Walk:
    """All that can be reached from some roots.

    Args:
        roots: pairs of name and object.
    """

    def __init__(self, roots: list[tuple[str, Any]]) -> None:
        self.spots: dict[int, Spot] = {}
        self.scalars: list[Spot] = []
        self.functions: list[Spot] = []
        self.arrays: list[Spot] = []
        self.optimizers: list[Spot] = []
        self.again: list[Spot] = []  # other ways to objects that have a spot
        self.missing: list[Spot] = []  # attributes that objects have from their class
        self.contents: dict[int, tuple[Spot, Any, Any]] = {}
        self.complete = True
        self.count = 0
        todo: deque[Spot] = deque()
        for name, value in roots:
            self._meet(value, None, "root", name, todo)
        while todo:
            if len(self.spots) > LIMIT:
                self.complete = False
                break
            self._visit(todo.popleft(), todo)

    def forget(self) -> None:
        """Let go of everything found; spots that others hold stay good."""
        for held in (
            self.spots, self.contents, self.scalars, self.functions, self.arrays, self.optimizers, self.again,
            self.missing,
        ):  # fmt: skip
            held.clear()

    def _meet(self, value: Any, above: Spot | None, kind: str, key: Any, todo: deque[Spot]) -> None:
        if isinstance(value, PLAIN):
            self.scalars.append(Spot(value, above, kind, key, -1))
            return
        callable_ = isinstance(value, (FunctionType, types.BuiltinFunctionType, type))
        if callable_:
            self.functions.append(Spot(value, above, kind, key, -1))
        if id(value) in self.spots:
            if not callable_:
                self.again.append(Spot(value, above, kind, key, -1))
            return
        spot = self.spots[id(value)] = Spot(value, above, kind, key, self.count)
        self.count += 1
        todo.append(spot)

    def _visit(self, spot: Spot, todo: deque[Spot]) -> None:
        value = spot.value
        for kind, key, child in self._children(spot):
            self._meet(child, spot, kind, key, todo)
        del value

    def _children(self, spot: Spot) -> Iterator[tuple[str, Any, Any]]:
        value = spot.value
        if isinstance(value, TensorBase):
            grad = value.__dict__.get("_grad")
            if grad is not None:
                yield "grad", "grad", grad
            return
        kind = type(value)
        if kind in (dict, OrderedDict, defaultdict):
            self.contents[id(value)] = (spot, value, dict(value))
            yield from (("item", k, v) for k, v in value.items())
        elif kind is list:
            self.contents[id(value)] = (spot, value, list(value))
            yield from (("item", k, v) for k, v in enumerate(value))
        elif isinstance(value, tuple):
            yield from (("item", k, v) for k, v in enumerate(value))
        elif kind in (set, deque):
            self.contents[id(value)] = (spot, value, kind(value))
        elif kind is FunctionType:
            yield from _of_function(value)
        elif kind is MethodType:
            yield "part", "__self__", value.__self__
            yield "part", "__func__", value.__func__
        elif kind is partial:
            yield "part", "func", value.func
            yield "part", "args", value.args
            yield "part", "keywords", value.keywords
        elif isinstance(value, type):
            yield from _of_class(value)
        elif isinstance(value, ModuleType):
            return
        elif kind.__module__ == "numpy":
            self.arrays.append(spot)
        else:
            yield from self._of_object(spot, value, kind)

    def _of_object(self, spot: Spot, value: Any, kind: type) -> Iterator[tuple[str, Any, Any]]:
        held = getattr(value, "__dict__", None)
        if isinstance(held, dict):
            self.contents[id(held)] = (spot, held, dict(held))
            if isinstance(held.get("param_groups"), list) and "state" in held:
                self.optimizers.append(spot)
            yield from (("attr", k, v) for k, v in held.items())
        for cls in kind.__mro__:
            if cls.__module__.partition(".")[0] in SKIPPED:
                continue
            for way in _of_class(cls):
                if isinstance(held, dict) and way[1][1] not in held and not isinstance(way[2], FunctionType):
                    self.missing.append(Spot(None, spot, "attr", way[1][1], -1))
                yield way
            for name in _slots(cls):
                member = getattr(value, name, None)
                if member is not None:
                    yield "slot", name, member


def _of_class(cls: type) -> Iterator[tuple[str, Any, Any]]:
    """What a program's class says of all its instances."""
    if cls.__module__.partition(".")[0] in SKIPPED:
        return
    for name, member in vars(cls).items():
        if isinstance(member, (FunctionType, TensorBase, list, dict)) or (
            isinstance(member, (*PLAIN, tuple)) and not name.startswith("__")
        ):
            yield "member", (cls, name), member


def _slots(cls: type) -> tuple[str, ...]:
    names = vars(cls).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)


def _of_function(f: FunctionType) -> Iterator[tuple[str, Any, Any]]:
    if f.__module__ is not None and f.__module__.partition(".")[0] in SKIPPED:
        for k, cell in enumerate(f.__closure__ or ()):
            yield from _cell(k, cell)
        return
    names: set[str] = set()
    nested = [f.__code__]
    while nested:
        code = nested.pop()
        names.update(code.co_names)
        nested.extend(c for c in code.co_consts if isinstance(c, CodeType))
    for k, cell in enumerate(f.__closure__ or ()):
        for way in _cell(k, cell, f.__code__.co_freevars[k]):
            yield way
            yield from _of_module(way[2], names)
    scope = f.__globals__
    for name in names:
        if name in scope:
            yield "global", name, scope[name]
            yield from _of_module(scope[name], names)
    yield "part", "__defaults__", f.__defaults__
    yield "part", "__kwdefaults__", f.__kwdefaults__


def _cell(k: int, cell: Any, name: str | None = None) -> Iterator[tuple[str, Any, Any]]:
    try:
        yield "cell", (k, name), cell.cell_contents
    except ValueError:  # empty still
        return


def _of_module(value: Any, names: set[str], inside: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """What a function mentions of a module, and of modules in it."""
    if not isinstance(value, ModuleType) or value.__name__.partition(".")[0] in SKIPPED or value in inside:
        return
    for name in names.intersection(vars(value)):
        yield "member", (value, name), vars(value)[name]
        yield from _of_module(vars(value)[name], names, (*inside, value))
