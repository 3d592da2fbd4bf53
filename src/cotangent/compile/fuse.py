"""Fusion: nodes into units, each of which becomes one loop nest, one product, or one call.

A `LoopUnit` is an index space with the scalar operations over it, and reductions over some of its
dimensions; what is computed from the reduced values may go on in the same unit, in a later pass over the
same rows (softmax, normalisation). A node joins the latest unit it fits into; a unit stands in the order
where its first node stood, so all a node reads besides the unit's own values must come from units before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .ir import Base, Call, Const, Point, Product, Reduce, Special, Val, array_like, dense

# How far back a node looks for a unit to join, and how much a unit may hold (registers, compile time).
_BACK: Final = 96
_MOST: Final = 128
_OPERANDS: Final = 24
# A loop over this many elements that reads this many arrays has no room for what shares none of them: the
# processor fetches ahead for some twenty streams, and the update of a parameter has seven.
_LARGE: Final = 1 << 17
_STREAMS: Final = 4
# What costs more than to store its result.
_DEAR: Final = frozenset(
    (
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "sigmoid",
        "tanh",
        "erf",
        "sin",
        "cos",
        "tan",
        "sqrt",
    )
)


@dataclass(eq=False)
class LoopUnit:
    """A fused loop nest.

    Attributes:
        shape: of the index space.
        axes: dimensions that are reduced; None while there is no reduction.
        nodes: in order.
        level: per base made here: "full" (one value for each index) or "row" (one for each kept index).
        turn: per base: in which pass it is there (a row value: after which).
        reads: the bases that are read and made elsewhere.
        large: those of more than one element.
    """

    order: int
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None
    nodes: list[Any] = field(default_factory=list)
    level: dict[int, str] = field(default_factory=dict)
    turn: dict[int, int] = field(default_factory=dict)
    reads: set[int] = field(default_factory=set)
    large: set[int] = field(default_factory=set)

    @property
    def rows(self) -> tuple[int, ...]:
        """The shape of row values."""
        gone = self.axes or ()
        return tuple(1 if d in gone else n for d, n in enumerate(self.shape))

    @property
    def several(self) -> bool:
        """Whether later passes over the same rows are possible: the reduced dimensions are the last."""
        axes = self.axes or ()
        return axes == tuple(range(len(self.shape) - len(axes), len(self.shape)))


@dataclass(eq=False)
class ProductUnit:
    """A matrix product, with the loop that is fused behind it."""

    order: int
    node: Product
    epilogue: LoopUnit | None = None


@dataclass(eq=False)
class CallUnit:
    """A call of a NumPy kernel."""

    order: int
    node: Call


@dataclass(eq=False)
class SpecialUnit:
    """A kernel of its own."""

    order: int
    node: Special


def restrided(val: Any, over: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides over `shape` of a value broadcast to `over`, of as many elements; None if there are none."""
    strides: tuple[int, ...] = val.over(over)
    if over == shape:
        return strides
    if math.prod(over) != math.prod(shape):
        return None
    if all(s == 0 for s in strides):
        return (0,) * len(shape)
    probe = array_like(Val(val.base, over, strides))
    try:
        shown = np.reshape(probe, shape, copy=False)
    except ValueError:
        return None
    return tuple(s // probe.itemsize for s in shown.strides)


class Fuser:
    """Puts nodes into units."""

    def __init__(self, asked: set[int], numbers: set[int]) -> None:
        self.asked = asked
        self.numbers = numbers
        self.before: set[int] = set()  # bases that numbers are made from
        self.after: set[int] = set()  # bases that are made with such numbers
        self.units: list[Any] = []
        self.home: dict[int, Any] = {}  # base -> unit
        self.first: dict[int, Any] = {}  # base -> the node that reads it first
        self.stage: dict[int, int] = {}  # base -> how many reductions, products and calls come before it

    def run(self, nodes: list[Any]) -> list[Any]:
        """The units of some nodes."""
        needed = set(self.asked)
        for node in reversed(nodes):
            made = {id(b) for b in (node.outs if isinstance(node, Call) else [node.out])}
            if made & needed:
                self.before |= made
            for base in bases(node):
                self.first[id(base)] = node
                if made & needed:
                    needed.add(id(base))
        for node in nodes:
            stage = max((self.stage.get(id(b), 0) for b in bases(node)), default=0)
            for out in node.outs if isinstance(node, Call) else [node.out]:
                self.stage[id(out)] = stage + (not isinstance(node, Point))
            if any(id(b) in self.numbers or id(b) in self.after for b in bases(node)):
                self.after |= {id(b) for b in (node.outs if isinstance(node, Call) else [node.out])}
        for node in nodes:
            if isinstance(node, Call):
                unit: Any = CallUnit(len(self.units), node)
                for base in node.outs:
                    self.home[id(base)] = unit
                self.units.append(unit)
            elif isinstance(node, (Product, Special)):
                kind: Any = ProductUnit if isinstance(node, Product) else SpecialUnit
                unit = kind(len(self.units), node)
                self.home[id(node.out)] = unit
                self.units.append(unit)
            else:
                self.place(node)
        return self.units

    def place(self, node: Any) -> None:
        """Let a node join a unit, or begin one."""
        over = node.args[0].shape if isinstance(node, Reduce) else node.out.shape
        latest = max((u.order for u in map(self._maker, node.args) if u is not None), default=-1)
        for unit in reversed(self.units[max(0, len(self.units) - _BACK) :]):
            if unit.order < latest:
                break
            if not isinstance(unit, LoopUnit):
                continue
            if self._better_later(unit, node):
                break
            if self.join(unit, node, over):
                return
        unit = LoopUnit(len(self.units), over)
        self.units.append(unit)
        joined = self.join(unit, node, over)
        assert joined, "a node fits a unit of its own"

    def _better_later(self, unit: LoopUnit, node: Any) -> bool:
        """Whether a node of one operand is only wanted by a loop that has to come after this one."""
        values = [a for a in node.args if not isinstance(a, Const)]
        user = self.first.get(id(node.out))
        if len(values) != 1 or not isinstance(node, Point) or user is None or node.name in _DEAR:
            return False
        if isinstance(user, (Call, Product, Special)):
            return False
        stage = self.stage[id(node.out)]
        for arg in user.args:
            if isinstance(arg, Const) or arg.base is node.out or arg.base.role != "node":
                continue
            maker = self.home.get(id(arg.base))
            if self.stage[id(arg.base)] > stage if maker is None else maker.order > unit.order:
                return True
        return False

    def _maker(self, arg: Any) -> Any:
        return None if isinstance(arg, Const) else self.home.get(id(arg.base))

    def join(self, unit: LoopUnit, node: Any, over: tuple[int, ...]) -> bool:
        """Enter a node into a unit if it fits."""
        if len(unit.nodes) >= _MOST or self._crosses(unit, node) or self._unrelated(unit, node):
            return False
        if isinstance(node, Reduce):
            return self._join_reduce(unit, node, over)
        if math.prod(over) == math.prod(unit.shape):
            turn = self._turn(unit, node, over, unit.shape)
            if turn is not None and (turn == 0 or unit.several):
                return self._enter(unit, node, "full", turn)
        if unit.axes and unit.several and math.prod(over) == math.prod(unit.rows):
            turn = self._row_turn(unit, node, over)
            if turn is not None:
                return self._enter(unit, node, "row", turn)
        return False

    def _crosses(self, unit: LoopUnit, node: Any) -> bool:
        """Whether what numbers in Python are made from would share a unit with what is made with them."""
        if not self.before or not unit.nodes:
            return False
        others = [id(n.out) for n in unit.nodes]
        if id(node.out) in self.after and any(o in self.before for o in others):
            return True
        return id(node.out) in self.before and any(o in self.after for o in others)

    def _unrelated(self, unit: LoopUnit, node: Any) -> bool:
        """Whether a node has nothing to do with a loop that keeps the memory busy as it is."""
        if len(unit.large) < _STREAMS or math.prod(unit.shape) < _LARGE:
            return False
        return not any(id(a.base) in unit.large or id(a.base) in unit.level for a in _large(node))

    def _enter(self, unit: LoopUnit, node: Any, level: str, turn: int) -> bool:
        reads = {id(a.base) for a in node.args if not isinstance(a, Const)} - unit.level.keys()
        if len(unit.reads | reads) > _OPERANDS and unit.nodes:
            return False
        unit.reads |= reads
        unit.large |= {id(a.base) for a in _large(node)} - unit.level.keys()
        unit.nodes.append(node)
        unit.level[id(node.out)] = level
        unit.turn[id(node.out)] = turn
        self.home[id(node.out)] = unit
        return True

    def _turn(self, unit: LoopUnit, node: Any, over: tuple[int, ...], shape: tuple[int, ...]) -> int | None:
        """In which pass a node could be computed for each index; None if it cannot."""
        turn = 0
        for arg in node.args:
            if isinstance(arg, Const):
                continue
            strides = restrided(arg, over, shape)
            if strides is None:
                return None
            level = unit.level.get(id(arg.base))
            if level is None:
                maker = self.home.get(id(arg.base))
                if maker is not None and maker.order >= unit.order:
                    return None
                continue
            if arg.offset:
                return None
            if level == "full":
                if not same(strides, dense(shape), shape):
                    return None
                turn = max(turn, unit.turn[id(arg.base)])
            else:
                rows = unit.rows
                want = tuple(0 if n == 1 else s for n, s in zip(rows, dense(rows)))
                if not same(strides, want, shape):
                    return None
                turn = max(turn, unit.turn[id(arg.base)] + 1)
        return turn

    def _row_turn(self, unit: LoopUnit, node: Any, over: tuple[int, ...]) -> int | None:
        """After which pass a node could be computed for each row; None if it cannot."""
        rows = unit.rows
        turn = -1
        for arg in node.args:
            if isinstance(arg, Const):
                continue
            strides = restrided(arg, over, rows)
            if strides is None:
                return None
            level = unit.level.get(id(arg.base))
            if level is None:
                maker = self.home.get(id(arg.base))
                if maker is not None and maker.order >= unit.order:
                    return None
                continue
            if level == "full" or arg.offset or not same(strides, dense(rows), rows):
                return None
            turn = max(turn, unit.turn[id(arg.base)])
        return None if turn < 0 else turn

    def _join_reduce(self, unit: LoopUnit, node: Reduce, over: tuple[int, ...]) -> bool:
        if over != unit.shape or (unit.axes is not None and unit.axes != node.axes):
            return False
        turn = self._turn(unit, node, over, unit.shape)
        if turn is None:
            return False
        before, unit.axes = unit.axes, node.axes
        if turn and not unit.several:
            unit.axes = before
            return False
        if not self._enter(unit, node, "row", turn):
            unit.axes = before
            return False
        return True


def _large(node: Any) -> list[Any]:
    """The operands of a node that have more than one element."""
    return [a for a in node.args if isinstance(a, Val) and math.prod(a.base.shape) > 1]


def same(a: tuple[int, ...], b: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether strides lead to the same elements."""
    return all(x == y or n == 1 for x, y, n in zip(a, b, shape))


def bases(node: Any) -> list[Base]:
    """The bases a node reads."""
    found = []
    for arg in node.args:
        for a in arg if isinstance(arg, tuple) else (arg,):
            if isinstance(a, Val):
                found.append(a.base)
    return found


def late(nodes: list[Any]) -> list[Any]:
    """The nodes with scalar operations moved down to where they are first used.

    What only a later loop reads is computed there, instead of being an output of the loop where its operands
    happen to be.
    """
    first: dict[int, int] = {}
    key = list(range(len(nodes)))
    for k in range(len(nodes) - 1, -1, -1):
        node = nodes[k]
        if isinstance(node, Point):
            key[k] = first.get(id(node.out), k)
        for arg in node.args:
            for a in arg if isinstance(arg, tuple) else (arg,):
                if isinstance(a, Val):
                    first[id(a.base)] = min(key[k], first.get(id(a.base), key[k]))
    return [nodes[k] for k in sorted(range(len(nodes)), key=lambda k: (key[k], k))]


def live(nodes: list[Any], roots: set[int]) -> list[Any]:
    """The nodes that something needs: rules enter results nobody reads, and kernels take in what others did.

    Args:
        nodes: in order.
        roots: ids of the bases that must be made.
    """
    needed = set(roots)
    found = []
    for node in reversed(nodes):
        if isinstance(node, Call) or id(node.out) in needed:
            found.append(node)
            needed |= {id(base) for base in bases(node)}
    return found[::-1]


def fuse(nodes: list[Any], wanted: set[int], asked: set[int], numbers: set[int]) -> list[Any]:
    """Units for nodes.

    Args:
        nodes: in order.
        wanted: ids of the bases that must exist in memory at the end.
        asked: ids of those that numbers in Python are made from.
        numbers: ids of the bases of such numbers.

    Returns:
        The units in order; loops that begin with a product are part of its unit.
    """
    units = Fuser(asked, numbers).run(late(nodes))
    users: dict[int, set[int]] = {}
    for k, unit in enumerate(units):
        for base in reads_of(unit):
            users.setdefault(id(base), set()).add(k)
    place = {id(unit): k for k, unit in enumerate(units)}
    gone: set[int] = set()
    for unit in units:
        if not isinstance(unit, ProductUnit) or id(unit.node.out) in wanted:
            continue
        using = users.get(id(unit.node.out), set())
        if len(using) != 1:
            continue
        loop = units[next(iter(using))]
        if id(loop) in gone:  # another product has it
            continue
        if isinstance(loop, LoopUnit) and _is_epilogue(loop, unit.node.out, users, place[id(loop)], wanted):
            unit.epilogue = loop
            gone.add(id(loop))
            place[id(unit)] = place[id(loop)]
    # A product with an epilogue stands where the loop stood.
    left = [u for u in units if id(u) not in gone]
    left.sort(key=lambda u: place[id(u)])
    return left


def reads_of(unit: Any) -> list[Base]:
    """The bases a unit reads that it does not make."""
    if isinstance(unit, SpecialUnit):
        return [a.base for a in unit.node.args if isinstance(a, Val)]
    if isinstance(unit, CallUnit):
        found = []
        for arg in unit.node.args:
            for a in arg if isinstance(arg, tuple) else (arg,):
                if isinstance(a, Val):
                    found.append(a.base)
        return found
    if isinstance(unit, ProductUnit):
        found = [a.base for a in unit.node.args]
        if unit.epilogue is not None:
            found += [b for b in reads_of(unit.epilogue) if b is not unit.node.out]
        return found
    return list(
        {
            id(a.base): a.base
            for node in unit.nodes
            for a in node.args
            if isinstance(a, Val) and id(a.base) not in unit.level
        }.values()
    )


def outputs_of(loop: LoopUnit, users: dict[int, set[int]], place: int, wanted: set[int]) -> list[Base]:
    """The bases of a loop that others need."""
    return [
        node.out for node in loop.nodes if id(node.out) in wanted or users.get(id(node.out), set()) - {place}
    ]


def _is_epilogue(loop: LoopUnit, out: Base, users: dict[int, set[int]], place: int, wanted: set[int]) -> bool:
    """Whether a loop can be done on the elements of a product as they come."""
    if loop.axes is not None or len(loop.shape) < 2 or len(out.shape) > 4:
        return False
    if len(outputs_of(loop, users, place, wanted)) != 1 or math.prod(loop.shape) != math.prod(out.shape):
        return False
    for node in loop.nodes:
        for a in node.args:
            if isinstance(a, Const):
                continue
            strides = restrided(a, node.out.shape, out.shape)
            if strides is None:
                return False
            if a.base is out and (a.offset or not same(strides, dense(out.shape), out.shape)):
                return False
    return True
