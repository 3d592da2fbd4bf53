"""The Python text that finds a compiled function's tensors and numbers again, and checks what it relies on.

`find(roots)` returns (tensors, arrays, numbers), or None if something is not as it was when the function was
traced. Only what the trace touched is looked at: attributes and names that the executed code mentions.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, Final

from ..autograd.base import TensorBase
from ..kernels import disk
from ..kernels.shape import owner
from .walk import Spot, Walk

_numbers: Final = itertools.count()


# Code of the engine, which looks at tensors only: how it calls its attributes says nothing about objects. And
# all of this library's code, which knows nothing of the attributes of objects that are not its own.
_PACKAGE: Final = str(Path(__file__).parent.parent) + os.sep
_GENERATED: Final = "<cotangent "
ENGINE: Final = (
    _GENERATED,
    *(f"{_PACKAGE}{floor}{os.sep}" for floor in ("autograd", "compile", "kernels", "ops")),
)
LIBRARY: Final = (_GENERATED, _PACKAGE)


def names_in(codes: set[CodeType], but: tuple[str, ...]) -> set[str]:
    """All attribute and variable names and strings that code mentions, but for code in some places."""
    names: set[str] = set()
    done: set[CodeType] = set()
    todo = list(codes)
    while todo:
        code = todo.pop()
        if code in done or code.co_filename.startswith(but):
            continue
        done.add(code)
        names.update(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        for const in code.co_consts:
            if isinstance(const, str):
                names.add(const)
            elif isinstance(const, CodeType):
                todo.append(const)
            elif isinstance(const, tuple):
                names.update(c for c in const if isinstance(c, str))
    return names


def _foreign(value: Any) -> bool:
    """Whether an object's class has nothing of this library's."""
    library = __package__.partition(".")[0]
    return all(cls.__module__.partition(".")[0] != library for cls in type(value).__mro__)


class Finder:
    """Writes `find`.

    Args:
        walk: what was reachable.
        codes: what was executed.
    """

    def __init__(self, walk: Walk, codes: set[CodeType]) -> None:
        self.walk = walk
        self.names = names_in(codes, ENGINE)
        self.own = names_in(codes, LIBRARY)
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {}
        self.done: dict[int, str] = {}
        self.dicts: set[int] = set()
        self.labels: list[str] = []

    def bound(self, value: Any) -> str:
        """The name of an object that the text compares with."""
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def check(self, condition: str, what: str) -> None:
        """Give up unless the condition holds."""
        self.lines.append(f"if not ({condition}): return {self.bound(what)}")

    def spot(self, spot: Spot) -> str:
        """The variable that holds the object at a spot."""
        name = self.done.get(id(spot))
        if name is not None:
            return name
        name = f"s{len(self.done)}"
        self.done[id(spot)] = name
        if spot.above is None:
            self.lines.append(f"{name} = roots[{spot.key[1] if isinstance(spot.key, tuple) else spot.key!r}]")
        else:
            self.lines.append(f"{name} = {self.way(spot)}")
        self.kind_of(name, spot)
        return name

    def way(self, spot: Spot) -> str:
        """The expression for what there is at a spot that is no root."""
        if spot.kind == "member":  # of classes and modules themselves nothing has to be known
            return f"{self.bound(spot.key[0])}.__dict__[{spot.key[1]!r}]"
        assert spot.above is not None
        return self.reach(self.spot(spot.above), spot)

    def reach(self, above: str, spot: Spot) -> str:
        """The expression for what a spot's container holds there."""
        kind, key = spot.kind, spot.key
        if kind == "attr":
            return f"{self.dict_of(above, spot)}[{key!r}]"
        if kind == "item":
            return f"{above}[{repr(key) if isinstance(key, (int, str)) else self.bound(key)}]"
        if kind == "cell":
            return f"{above}.__closure__[{key[0]}].cell_contents"
        if kind == "global":
            return f"{above}.__globals__[{key!r}]"
        if kind == "grad":
            return f"{above}.__dict__['_grad']"
        return f"{above}.{key}"

    def dict_of(self, above: str, spot: Spot) -> str:
        name = f"{above}d"
        if id(spot.above) not in self.dicts:
            self.dicts.add(id(spot.above))
            self.lines.append(f"{name} = {above}.__dict__")
        return name

    def kind_of(self, name: str, spot: Spot) -> None:
        """Check that the object there is of the kind it was."""
        value = spot.value
        if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
            self.check(f"{name} is {self.bound(value)}", f"{spot.name()} is another function")
        elif isinstance(value, MethodType):
            self.check(f"{name}.__class__ is {self.bound(MethodType)}", f"{spot.name()} is no method")
        elif isinstance(value, TensorBase):
            return
        else:
            self.check(f"{name}.__class__ is {self.bound(type(value))}", f"{spot.name()} is of another type")
            if isinstance(value, (list, tuple, dict)) and spot.kind != "attr":
                self.check(f"len({name}) == {len(value)}", f"the length of {spot.name()} changed")

    def relevant(self, spot: Spot) -> bool:
        """Whether executed code can have looked at what is at a spot."""
        at: Spot | None = spot
        while at is not None:
            if at.kind == "global" or (
                at.kind == "attr" and at.above is not None and _foreign(at.above.value)
            ):
                return at.key in self.own
            if at.kind == "attr" or (at.kind == "item" and isinstance(at.key, str)):
                return at.key in self.names
            if at.kind == "cell":
                return at.key[1] is None or at.key[1] in self.names
            if at.kind == "member":
                return at.key[1] in self.own
            if at.kind in ("root", "slot"):
                return True
            at = at.above
        return True

    def scalar(self, spot: Spot) -> None:
        """Check a plain value."""
        value = spot.value
        where = f"roots[{spot.key!r}]" if spot.above is None else self.way(spot)
        what = f"{spot.name()} is no longer {value!r}"
        if value is None or value is True or value is False:
            self.check(f"{where} is {value}", what)
        elif value != value:
            self.check(f"{where} != {where}", what)
        else:
            held = self.bound(value)
            self.check(f"(x := {where}) == {held} and x.__class__ is {self.bound(type(value))}", what)

    def absent(self, spot: Spot) -> None:
        """Check that an object has no attribute of its own in front of its class's."""
        assert spot.above is not None
        held = self.dict_of(self.spot(spot.above), spot)
        self.check(f"{spot.key!r} not in {held}", f"{spot.name()} is there")

    def one(self, spot: Spot, first: Spot) -> None:
        """Check that two ways still lead to one object."""
        what = f"{spot.name()} and {first.name()} are no longer the same"
        self.check(f"{self.way(spot)} is {self.spot(first)}", what)

    def distinct(self, spots: list[Spot]) -> None:
        """Check that different tensors have not become one."""
        names = [f"id({self.spot(spot)})" for spot in spots]
        what = f"some of {', '.join(spot.name() for spot in spots)} are one tensor now"
        self.check(f"len({{{', '.join(names)}}}) == {len(names)}", what)

    def tensor(self, name: str, spot: Spot, t: Any, stable: bool, recorder: Any) -> None:
        """Check the tensor at a spot: that it is the one it was, or one that works alike."""
        what = spot.name()
        if stable:
            self.check(f"{name} is {self.bound(t)}", f"{what} is another tensor")
        else:
            self.check(f"{name}.__class__ is {self.bound(type(t))}", f"{what} is of another type")
        _, node, req, _ = recorder.before.get(id(t), (t, t._node, t._req, None))
        self.check(f"{name}._req is {req}", f"{what}.requires_grad changed")
        if node is None:
            self.check(f"{name}._node is None", f"{what} has a history now")
        elif not stable:
            self.check(f"{name}._node is not None", f"{what} has no history any more")

    def array(self, name: str, tensor: str, array: Any, spot: Spot) -> None:
        """Find a tensor's array and check that it is like the one it was."""
        self.lines.append(f"{name} = {tensor}._data")
        shape = self.bound(array.shape)
        test = f"{name}.shape == {shape} and {name}.dtype is {self.bound(array.dtype)}"
        if array.flags.c_contiguous:
            test += f" and {name}.flags.c_contiguous"
        else:
            test += f" and {name}.strides == {self.bound(array.strides)}"
        self.check(
            f"{name}.__class__ is {self.bound(type(array))} and {test}",
            f"{spot.name()} changed its size or dtype",
        )

    def apart(self, name: str, written: list[str], spot: Spot) -> None:
        """Check that an array does not lie in memory that is written."""
        test = self.bound(_apart)
        what = f"{spot.name()} lies in memory that the function writes"
        self.check(f"{test}({name}, ({', '.join(written)},))", what)

    def sizes(self, spot: Spot, held: Any) -> None:
        """Check how much a container holds."""
        if isinstance(held, (dict, list)) and self.relevant(spot):
            self.check(f"len({self.spot(spot)}) == {len(held)}", f"the length of {spot.name()} changed")

    def finish(self, result: str) -> Callable[[Any], Any]:
        """Compile the text."""
        text = "def find(roots):\n    try:\n"
        text += "\n".join("        " + line for line in [*self.lines, f"return {result}"])
        text += (
            "\n    except (LookupError, AttributeError, TypeError, ValueError) as error:\n"
            "        return f'{type(error).__name__}: {error}'\n"
        )
        filename = f"<cotangent guards {next(_numbers)}>"
        disk.execute(text, filename, self.scope)
        function: Callable[[Any], Any] = self.scope["find"]
        return function


def _apart(array: Any, written: tuple[Any, ...]) -> bool:
    """Whether an array shares no memory with those that are written."""
    if array.base is None:
        return all(w is not array and (w.base is None or owner(w) is not array) for w in written)
    whole = owner(array)
    return all(w is not whole and (w.base is None or owner(w) is not whole) for w in written)
