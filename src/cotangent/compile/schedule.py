"""The order in which units run: stages of units that do not wait for each other, calls in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .fuse import CallUnit, LoopUnit, ProductUnit, SpecialUnit, reads_of, restrided, same
from .ir import Base, Const, Val, dense


class Cycle(Exception):
    """Fusion has made units that wait for each other: the graph runs through its kernels instead."""


@dataclass(eq=False)
class NumberUnit:
    """Followed numbers that are computed in Python, from elements of values."""

    base: Base
    needs: list[Base] = field(default_factory=list)


@dataclass(eq=False)
class CheckUnit:
    """Guards, looked at when what they need is there."""

    needs: list[Base] = field(default_factory=list)


@dataclass
class Schedule:
    """Units in order.

    Attributes:
        stages: each a list of units; native ones may run side by side, others are alone.
        in_place: base -> the input whose memory it takes.
    """

    stages: list[list[Any]]
    in_place: dict[int, Base]


NATIVE: Final = (LoopUnit, ProductUnit, SpecialUnit)


def makes(unit: Any) -> list[Base]:
    """The bases a unit makes."""
    if isinstance(unit, CallUnit):
        return list(unit.node.outs)
    if isinstance(unit, ProductUnit):
        return [unit.node.out, *(makes(unit.epilogue) if unit.epilogue else [])]
    if isinstance(unit, LoopUnit):
        return [node.out for node in unit.nodes]
    if isinstance(unit, SpecialUnit):
        return [unit.node.out]
    return [unit.base] if isinstance(unit, NumberUnit) else []


def needs(unit: Any) -> list[Base]:
    """The bases a unit reads."""
    return list(unit.needs) if isinstance(unit, (NumberUnit, CheckUnit)) else reads_of(unit)


class Scheduler:
    """Finds the order.

    Args:
        units: in the order of the program.
        writes: pairs (input, base): what is to be in the input's memory at the end.
        first: whether a check is among the units that nothing may be written before.
    """

    def __init__(self, units: Sequence[Any], writes: Sequence[tuple[Base, Base]]) -> None:
        self.units = list(units)
        self.maker = {id(b): k for k, u in enumerate(self.units) for b in makes(u)}
        self.before: list[set[int]] = [
            {self.maker[id(b)] for b in needs(u) if id(b) in self.maker} - {k}
            for k, u in enumerate(self.units)
        ]
        self.readers: dict[int, set[int]] = {}
        for k, unit in enumerate(self.units):
            for base in needs(unit):
                self.readers.setdefault(id(base), set()).add(k)
        self.draws = -1
        for k, unit in enumerate(self.units):
            if isinstance(unit, CallUnit) and unit.node.step.effect:
                if self.draws >= 0:
                    self.before[k].add(self.draws)  # one stream, one order
                self.draws = k
        self.ancestors = self._ancestors()
        self.in_place: dict[int, Base] = {}
        checks = [k for k, u in enumerate(self.units) if isinstance(u, CheckUnit)]
        for into, base in writes:
            self._place(into, base, checks)

    def _ancestors(self) -> list[int]:
        found = [0] * len(self.units)
        for k in self._topological():
            bits = 0
            for d in self.before[k]:
                bits |= found[d] | 1 << d
            found[k] = bits
        return found

    def _topological(self) -> list[int]:
        order: list[int] = []
        state = [0] * len(self.units)  # 1: on the way, 2: done
        for k in range(len(self.units)):
            todo = [k]
            while todo:
                at = todo[-1]
                if state[at] == 2:
                    todo.pop()
                    continue
                state[at] = 1
                open_ = [d for d in self.before[at] if state[d] != 2]
                if open_:
                    if any(state[d] for d in open_):
                        raise Cycle("units that wait for each other")
                    todo.extend(open_)
                else:
                    state[at] = 2
                    order.append(at)
                    todo.pop()
        return order

    def _place(self, into: Base, base: Base, checks: list[int]) -> None:
        """Let a value be computed straight into the memory of the input it is to replace, if that is safe."""
        k = self.maker.get(id(base))
        if k is None or id(base) in self.in_place or base.role != "node":
            return
        unit = self.units[k]
        if into.shape != base.shape or into.kind != base.kind or into.strides != base.strides:
            return
        if not _elementwise_safe(unit, into):
            return
        first = (self.readers.get(id(into), set()) | set(checks)) - {k}
        if any(self.ancestors[r] >> k & 1 for r in first):
            return
        if not first <= self.before[k]:
            self.before[k] |= first
            more = 0
            for r in first:
                more |= self.ancestors[r] | 1 << r
            for later, bits in enumerate(self.ancestors):
                if later == k or bits >> k & 1:
                    self.ancestors[later] = bits | more
        self.in_place[id(base)] = into

    def run(self) -> Schedule:
        """The stages."""
        waiting = [len(b) for b in self.before]
        after: list[list[int]] = [[] for _ in self.units]
        for k, b in enumerate(self.before):
            for d in b:
                after[d].append(k)
        urgent = self._urgent()
        ready = [k for k, n in enumerate(waiting) if not n]
        stages: list[list[Any]] = []
        while ready:
            native = [k for k in ready if isinstance(self.units[k], NATIVE)]
            early = [k for k in native if k in urgent]
            python = [k for k in ready if isinstance(self.units[k], (NumberUnit, CheckUnit))]
            if early:
                chosen = early
            elif python and not any(not self._done(k, ready) for k in urgent if k not in python):
                chosen = python
            elif native:
                chosen = native
            else:
                chosen = python or [min(ready)]
            if isinstance(self.units[chosen[0]], NATIVE):
                stages.append([self.units[k] for k in chosen])
            else:
                stages.extend([self.units[k]] for k in chosen)
            self.finished.update(chosen)
            ready = [k for k in ready if k not in set(chosen)]
            for k in chosen:
                for a in after[k]:
                    waiting[a] -= 1
                    if not waiting[a]:
                        ready.append(a)
            ready.sort()
        return Schedule(stages, self.in_place)

    finished: set[int]

    def _done(self, k: int, ready: list[int]) -> bool:
        return k in self.finished

    def _urgent(self) -> set[int]:
        """What numbers and checks wait for, if that is little: it is run first, in one go."""
        self.finished = set()
        wanted = 0
        for k, unit in enumerate(self.units):
            if isinstance(unit, (NumberUnit, CheckUnit)):
                wanted |= self.ancestors[k]
        found = {k for k in range(len(self.units)) if wanted >> k & 1}
        small = all(
            isinstance(self.units[k], (NumberUnit, CheckUnit))
            or (isinstance(self.units[k], LoopUnit) and self.units[k].shape in ((), (1,)))
            for k in found
        )
        return found if small else set()


def _elementwise_safe(unit: Any, into: Base) -> bool:
    """Whether a unit may write over the input: it reads each element where it writes it, or none."""
    if isinstance(unit, (ProductUnit, SpecialUnit)):
        return all(b is not into for b in reads_of(unit))
    if not isinstance(unit, LoopUnit):
        return False
    reads = [
        (a, node.args[0].shape if not hasattr(node, "name") else node.out.shape)
        for node in unit.nodes
        for a in node.args
        if not isinstance(a, Const) and a.base is into
    ]
    if not reads:
        return True
    if unit.axes is not None:
        return False
    for a, over in reads:
        assert isinstance(a, Val)
        strides = restrided(a, over, unit.shape)
        if a.offset or strides is None or not same(strides, dense(unit.shape), unit.shape):
            return False
    return True
