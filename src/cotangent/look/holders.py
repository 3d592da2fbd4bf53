"""Who keeps a graph alive: the variables, attributes and list elements through which it can be reached."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CellType, CodeType, FrameType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase
from ..autograd.node import FREED, Node
from ..autograd.recorded import Packed
from ..autograd.views import edge_of
from ..autograd.where import is_internal

__all__ = ["Holder", "held_outside", "saved_values", "who_holds"]

# Fields of nodes that are no saved values.
_NO_VALUES: Final = frozenset(
    (
        "edges", "seq", "code", "lasti", "hooks", "fit", "meta", "__weakref__", "outputs", "lengths", "level",
        "shown", "noted", "variable", "parent", "output", "view", "__dict__", "_outputs", "_inputs",
        "_is_tensor", "needs_input_grad",
    )
)  # fmt: skip
_FAR: Final = 12  # steps from the graph to the variable
_MANY: Final = 5_000  # objects looked at on the way
# Whose references are no place that a program would name.
_NO_WAY: Final = (FunctionType, MethodType, CodeType, FrameType, ModuleType, type)
_NO_OWNERS: Final = ("builtins", "weakref", "_weakref", "cotangent.autograd.views", "cotangent.look.holders")


def held_outside(tensors: list[Any], nodes: list[Any]) -> list[Any]:
    """Those of some tensors that somebody holds besides the nodes of a graph.

    Args:
        tensors: the tensors in question.
        nodes: the graph.

    Returns:
        The tensors that variables or containers of the program refer to.
    """
    wanted = {id(t): t for t in tensors}
    found: dict[int, Any] = {}
    of_nodes = {id(part) for node in nodes for part in _held(node)}
    asked = tuple(tensors)  # since Python 3.13 the tuple of arguments is found, too
    ours = {id(tensors), id(wanted), id(found), id(asked)}
    for frame in _frames():
        if not is_internal(frame.f_code.co_filename):
            for value in list(frame.f_locals.values()):
                if id(value) in wanted:
                    found[id(value)] = value
    for holder in gc.get_referrers(*asked) if asked else ():
        if id(holder) in of_nodes or id(holder) in ours or not isinstance(holder, _CONTAINERS):
            continue
        if isinstance(holder, dict) and holder.get("__name__") == __name__:
            continue
        for value in gc.get_referents(holder):
            if id(value) in wanted:
                found[id(value)] = value
    return list(found.values())


# Program's own containers; views and nodes are neither.
_CONTAINERS: Final = (list, tuple, dict, set, CellType, GeneratorType)


def _fields_of(node: Any) -> Iterator[Any]:
    """The values of a node that rules read."""
    fields = [name for cls in type(node).__mro__ for name in getattr(cls, "__slots__", ())]
    own = getattr(node, "__dict__", {})
    yield own
    for name in [*fields, *own]:
        if name not in _NO_VALUES:
            yield getattr(node, name, None)


def saved_values(node: Any) -> Iterator[Any]:
    """The tensors and arrays that a node keeps for its backward.

    Args:
        node: a node of the graph.

    Returns:
        Tensors and NumPy arrays, some perhaps twice.
    """
    for value in _held(node):
        if isinstance(value, (TensorBase, np.ndarray)) or (value is not FREED and hasattr(value, "_data")):
            yield value


def _held(node: Any) -> Iterator[Any]:
    """All that a node keeps: its fields, what is in them, what pack hooks keep instead.

    The nodes beside saved tensors are their history, and not this node's.
    """
    seen: set[int] = set()
    stack = [(value, False) for value in _fields_of(node)]
    while stack:
        item, packed = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if item.__class__ is Packed:  # not its `_data`, which would compute a checkpoint again
            stack += [(item.packed, True), (item.unpack_hook, True)]
            continue
        yield item
        inner: Iterable[Any] = ()
        if isinstance(item, (list, tuple, set, dict)):
            values = item.values() if isinstance(item, dict) else item
            inner = [value for value in values if not isinstance(value, Node)]
        elif isinstance(item, Node):
            inner = _fields_of(item)
        elif packed and isinstance(item, FunctionType):
            inner = item.__closure__ or ()
        elif packed and isinstance(item, CellType):
            inner = [item.cell_contents] if _filled(item) else []
        elif packed and isinstance(item, MethodType):
            inner = [item.__self__, item.__func__]
        elif packed and not isinstance(item, (*_NO_WAY, TensorBase)) and not hasattr(item, "_parameters"):
            own = list(getattr(item, "__dict__", {}).values())
            inner = [*own, *(getattr(item, name, None) for name in _slots(item))]
        stack += [(value, packed) for value in inner]


def _filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # not assigned yet
        return False


@dataclass(frozen=True, repr=False)
class Holder:
    """One way by which something is kept alive.

    Args:
        name: the variable as one would write it, such as `losses[2]` or `self.total`.
        kind: "local", "global", "attribute", "element" or "closure".
        where: the function and line, the module, or the class it belongs to.
    """

    name: str
    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {self.where})"

    __repr__ = __str__


def who_holds(graph: Any) -> list[Holder]:
    """Which variables keep a graph alive.

    Args:
        graph: a tensor, or a node (`grad_fn`). Of a tensor, what is asked for is who else reaches its
            graph, the tensor itself included.

    Returns:
        One entry for each variable, attribute or element found, the nearest first; empty if only
        temporaries do.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> losses = [x * step for step in range(3)]
        >>> print(torch.who_holds(losses[1]))
        [losses[1] (global, __main__)]
    """
    node = edge_of(graph) if isinstance(graph, TensorBase) and graph._req else graph
    return [] if node is None else _Search(node, None if node is graph else graph).run()


class _Search:
    """A walk from an object backwards along references, level by level, to things with a name.

    What is reached has a way: what one writes behind its name to get to the target. A dictionary that may
    turn out to be the attributes of an object, and a cell of some function, wait for the next level.
    """

    def __init__(self, target: Any, tensor: Any) -> None:
        self.found: dict[str, Holder] = {}
        self.frames = _frames()
        self.level: list[Any] = [target] if tensor is None else [tensor, target]
        self.ways: dict[int, str] = {id(value): "" for value in self.level}
        self.keys: dict[int, Any] = {}  # dictionaries -> the key of what was reached through them
        self.cells: dict[int, tuple[Any, int]] = {}  # closures -> (the cell, its place there)
        self.kept: list[Any] = []  # so that ids stay good
        self.ours = {id(self), id(self.__dict__), id(self.kept), id(self.frames)}

    def run(self) -> list[Holder]:
        """The holders."""
        known = self._locals()
        self.ours.add(id(known))
        for _ in range(_FAR):
            for value in self.level:
                for name, kind, where in known.get(id(value), ()):
                    self._note(name + self._way(value), kind, where)
            self._climb()
            if not self.level or len(self.ways) > _MANY:
                break
        return list(self.found.values())

    def _note(self, name: str, kind: str, where: str) -> None:
        self.found.setdefault(name, Holder(name, kind, where))

    def _way(self, value: Any) -> str:
        """What to write behind the name of `value`."""
        way = self.ways[id(value)]
        return f"[{self.keys[id(value)]!r}]{way}" if id(value) in self.keys else way

    def _locals(self) -> dict[int, list[tuple[str, str, str]]]:
        """Values of local variables of all running frames of the user, by id."""
        out: dict[int, list[tuple[str, str, str]]] = {}
        for frame in self.frames:
            code = frame.f_code
            scope = frame.f_locals
            if scope is frame.f_globals:
                continue  # of a module: found as what it is
            self.ours.add(id(scope))
            if is_internal(code.co_filename):
                continue
            where = f"{code.co_name}, {code.co_filename}:{frame.f_lineno}"
            for name, value in list(scope.items()):
                if value is None or not name.isidentifier():
                    continue
                kind = "closure" if name in code.co_freevars else "local"
                out.setdefault(id(value), []).append((name, kind, where))
        return out

    def _climb(self) -> None:
        """Go one level up."""
        self.ours.add(id(self.level))
        wanted = {id(value): value for value in self.level}
        self.ours.add(id(wanted))
        following: list[Any] = []
        self.ours.add(id(following))
        asked = tuple(self.level)
        self.ours.add(id(asked))
        holders = gc.get_referrers(*asked)
        self.ours.add(id(holders))
        for holder in holders:
            if id(holder) in self.ways or id(holder) in self.ours or isinstance(holder, FrameType):
                continue
            value = next((v for v in gc.get_referents(holder) if id(v) in wanted), None)
            if value is not None and self._step(holder, value):
                following.append(holder)
        self.kept.append(self.level)
        self.level = following

    def _step(self, holder: Any, value: Any) -> bool:
        """Note a name, or the way of `holder`; whether to go on from there."""
        way = self._way(value)
        if isinstance(holder, (Node, TensorBase)):
            self.ways[id(holder)] = "" if id(value) not in self.keys else f".{self.keys[id(value)]}"
            return True
        if isinstance(holder, dict):
            return self._dictionary(holder, value, way)
        if isinstance(holder, (list, tuple)):
            index = next(i for i, item in enumerate(holder) if item is value)
            if isinstance(value, CellType):
                self.cells[id(holder)] = (value, index)
            # The tuple of a node's edges has no name; what stands behind it is the node's.
            self.ways[id(holder)] = way if isinstance(value, Node) else f"[{index}]{way}"
            return True
        if isinstance(holder, CellType):
            self.ways[id(holder)] = way
            return True
        if isinstance(holder, (set, frozenset)):
            self.ways[id(holder)] = f"{{...}}{way}"
            return True
        if isinstance(holder, FunctionType) and id(value) in self.cells:
            cell, index = self.cells[id(value)]
            name = holder.__code__.co_freevars[index] + self.ways[id(cell)]
            self._note(name, "closure", holder.__qualname__)
        elif isinstance(holder, GeneratorType):
            if not is_internal(holder.gi_code.co_filename):
                self._note(f"{holder.__name__}(){way}", "local", f"a generator, {holder.gi_code.co_filename}")
        elif not isinstance(holder, _NO_WAY) and type(holder).__module__ not in _NO_OWNERS:
            self._owner(holder, value, way)
        return False

    def _dictionary(self, holder: dict[Any, Any], value: Any, way: str) -> bool:
        key = next((k for k, item in holder.items() if item is value), None)
        if key is None:
            return False
        if "__name__" in holder and "__builtins__" in holder:  # of a module
            if not str(holder["__name__"]).startswith("cotangent"):
                self._note(f"{key}{way}", "global", str(holder["__name__"]))
            return False
        self.ways[id(holder)] = way
        self.keys[id(holder)] = key
        return True

    def _owner(self, holder: Any, value: Any, way: str) -> None:
        """An object with attributes: in its dictionary, in it without one, or in slots."""
        if id(value) in self.keys and getattr(holder, "__dict__", None) is value:
            name, way = self.keys[id(value)], self.ways[id(value)]
        else:
            own = getattr(holder, "__dict__", {})
            name = next((key for key, item in own.items() if item is value), None)
            name = name or next((n for n in _slots(holder) if getattr(holder, n, None) is value), None)
        if name is not None:
            called = self._called(holder) or type(holder).__name__
            self._note(f"{called}.{name}{way}", "attribute", type(holder).__qualname__)

    def _called(self, owner: Any) -> str | None:
        """A name of `owner` in the running frames, `self` last."""
        names = [
            name
            for frame in self.frames
            if not is_internal(frame.f_code.co_filename)
            for name, value in list(frame.f_locals.items())
            if value is owner
        ]
        return next((n for n in names if n != "self"), names[0] if names else None)


def _slots(value: Any) -> list[str]:
    slots = [getattr(cls, "__slots__", ()) for cls in type(value).__mro__]
    return [name for names in slots for name in ([names] if isinstance(names, str) else names)]


def _frames() -> list[FrameType]:
    """The running frames of all threads, innermost first."""
    out: list[FrameType] = []
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            out.append(frame)
            frame = frame.f_back
    return out
