"""Programs: the memory of a lowered graph, its native steps, and the Python text that runs them.

The text takes the inputs and numbers as `execute.Writer`'s does and gives the same results. Values that
only the program knows lie in one arena, where they share memory if they are not needed at the same time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..errors import noted
from ..kernels import disk, pool, runtime
from .emit import Emitted, emit_loop, emit_product, emit_special
from .execute import Writer
from .fuse import CallUnit, LoopUnit, ProductUnit, SpecialUnit, fuse, live
from .graph import Graph
from .ir import NUMPY, Base, Call, Const, Val, dense
from .lower import Lowered
from .schedule import NATIVE, CheckUnit, NumberUnit, Schedule, Scheduler, makes, needs

_numbers: Final = itertools.count()
_ALIGN: Final = 128


class Program(Writer):
    """A graph made ready to run on generated kernels.

    Args:
        graph: what to run.
        streams: the random streams it draws from.
        layouts: strides of the inputs, in bytes.
        writes: pairs (number of an input, position among the wanted values) of what is written back.
        fresh: positions of wanted values that must be new arrays in every run.
    """

    def __init__(
        self,
        graph: Graph,
        streams: list[Any],
        layouts: dict[int, tuple[int, ...]],
        writes: list[tuple[int, int]],
    ) -> None:
        super().__init__(graph, streams)
        self.lowered = Lowered(graph, layouts)
        lowered = self.lowered
        self.results: list[Val] = []
        taken: set[int] = set()
        for n in graph.wanted:
            value = lowered.settled(n)
            if id(value.base) in taken:
                value = lowered.copied(value)
            taken.add(id(value.base))
            self.results.append(value)
        wanted = {id(v.base) for v in self.results}
        held = lowered.b.numbers.values()
        made_from = {id(b): graph.items(b.value) for b in held}
        asked = {id(lowered.of(n).base) for items in made_from.values() for n in items if self._made(n)}
        numbers = {key for key, items in made_from.items() if items}
        extra: list[Any] = [
            NumberUnit(base, [lowered.of(n).base for n in graph.items(base.value) if self._made(n)])
            for base in held
        ]
        checks = [lowered.of(n).base for n in self._guarded() if self._made(n)]
        checks += [x.base for x, *_ in lowered.b.ranges.values() if x.base.role in ("node", "call")]
        outside = [lowered.of(n).base for n in self._outside() if self._made(n)]
        nodes = live(lowered.b.nodes, wanted | asked | {id(base) for base in (*checks, *outside)})
        units: list[Any] = fuse(nodes, wanted, asked, numbers)
        if graph.guards or lowered.b.ranges:
            extra.append(CheckUnit(checks))
        self.units = [*extra, *units]
        pairs = [(lowered.inputs[n], self.results[at].base) for n, at in writes if n in lowered.inputs]
        scheduler = Scheduler(self.units, pairs)
        self.schedule: Schedule = scheduler.run()
        # The wanted values that need no write-back, as they are where they belong.
        self.placed = [id(v.base) in self.schedule.in_place for v in self.results]
        made = [base for unit in self.units for base in makes(unit)]
        if any(base.nbytes >= pool.SMALLEST for base in made if base.kind in NUMPY):
            pool.install()
        self._memory(wanted)

    def _made(self, n: int) -> bool:
        value = self.lowered.of(n)
        return isinstance(value, Val) and value.base.role in ("node", "call", "number")

    def _guarded(self) -> list[int]:
        found: list[int] = []
        for guard in self.graph.guards:
            if guard[0] in ("value", "array"):
                found.append(guard[1])
            else:
                for part in guard[1:]:
                    found.extend(self.graph.items(part))
        return found

    # -- memory ----------------------------------------------------------------------------------------

    def _memory(self, wanted: set[int]) -> None:
        """Emit all units and lay their values and scratch memory into the arena."""
        users: dict[int, list[int]] = {}
        first: dict[int, int] = {}
        bases: dict[int, Base] = {}
        for stage, group in enumerate(self.schedule.stages):
            for unit in group:
                for base in needs(unit):
                    users.setdefault(id(base), []).append(stage)
                for base in makes(unit):
                    first[id(base)] = stage
                    bases[id(base)] = base
        extra = [self.lowered.of(n).base for n in self._outside() if self._made(n)]
        end = len(self.schedule.stages)
        for base in extra:
            users.setdefault(id(base), []).append(end)
        self.emitted: dict[int, Emitted] = {}
        self.arena_of: dict[int, int] = {}
        pieces: list[tuple[int, int, int, Any]] = []  # (first stage, last stage, bytes, key)
        for stage, group in enumerate(self.schedule.stages):
            for unit in group:
                stored = [b for b in makes(unit) if self._stored(unit, b, users, wanted)]
                if isinstance(unit, LoopUnit):
                    self.emitted[id(unit)] = emit_loop(unit, stored)
                elif isinstance(unit, ProductUnit):
                    self.emitted[id(unit)] = emit_product(unit, stored[0])
                elif isinstance(unit, SpecialUnit):
                    self.emitted[id(unit)] = emit_special(unit)
                else:
                    continue
                scratch = self.emitted[id(unit)].scratch
                if scratch:
                    pieces.append((stage, stage, scratch, ("scratch", id(unit))))
                for base in stored:
                    if id(base) not in wanted:
                        pieces.append((stage, max(users[id(base)]), base.nbytes, ("base", id(base))))
        places, self.arena_bytes = lay_out(pieces)
        self.asked_bytes = sum(-(-p[2] // _ALIGN) * _ALIGN for p in pieces)
        self.arena = np.empty(self.arena_bytes + _ALIGN, np.uint8)
        start = -self.arena.ctypes.data % _ALIGN
        self.scratch_of: dict[int, int] = {}
        address = self.arena.ctypes.data + start
        self.arrays: dict[int, Any] = {}
        for (kind, key), place in places.items():
            if kind == "scratch":
                self.scratch_of[key] = address + place
            else:
                base = bases[key]
                self.arena_of[key] = address + place
                self.arrays[key] = np.ndarray(
                    base.shape, NUMPY[base.kind], self.arena, start + place,
                    tuple(s * NUMPY[base.kind].itemsize for s in dense(base.shape)),
                )  # fmt: skip

    def _outside(self) -> list[int]:
        """Values whose elements are read at the end."""
        found: list[int] = []
        for held in self.graph.told:
            found.extend(self.graph.items(held))
        return found

    def _stored(self, unit: Any, base: Base, users: dict[int, list[int]], wanted: set[int]) -> bool:
        if isinstance(unit, (NumberUnit, CheckUnit, CallUnit)):
            return False
        if id(base) in wanted:
            return True
        if isinstance(unit, ProductUnit):
            if unit.epilogue is not None and base is unit.node.out:
                return False
            return unit.epilogue is None or id(base) in users
        return id(base) in users

    def work(self) -> tuple[float, float]:
        """Floating-point operations of the products, and bytes that all units read and write."""
        flops = sum(e.flops for e in self.emitted.values())
        flops += sum(_recurrent(unit.node) for unit in self.units if isinstance(unit, CallUnit))
        return flops, sum(e.nbytes for e in self.emitted.values() if not e.flops)

    # -- text ------------------------------------------------------------------------------------------

    def build(self) -> Callable[[Any, Any], Any]:
        """The function that runs it."""
        self.program_count = 0
        self.slots: dict[Any, list[tuple[str, int, int]]] = {}  # slot -> (program, pointer, bytes)
        self.number_slots: dict[int, tuple[str, Any]] = {}
        self.names: dict[int, str] = {}
        self.scope.update(
            ndarray=np.ndarray, address=runtime.address, empty=np.empty, as_strided=as_strided,
            contiguous=np.ascontiguousarray, settled=_settled,
        )  # fmt: skip
        self.last: list[Any] = []
        self.scope["last"] = self.last
        self.scope["arena"] = self.arena  # the steps have its address: it lives as long as the function
        graph = self.graph
        self.depth = 2
        if graph.inputs:
            self.add(f"{', '.join(f'v{n}' for n in graph.inputs)}, = arrays")
        for n, base in self.lowered.inputs.items():
            self.names[id(base)] = f"v{n}"
        segments = self._segments()
        # Programs are made first, so that the text knows what to patch.
        programs = [self._native(group) if native else None for native, group in segments]
        for base in self.lowered.inputs.values():
            self.patch(base, self.names[id(base)])
        for at, value in enumerate(self.results):
            self.output(at, value.base)
        for (native, group), program in zip(segments, programs, strict=True):
            if native:
                self.add(f"{program}()")
                continue
            for unit in group:
                if isinstance(unit, NumberUnit):
                    self.followed(unit)
                elif isinstance(unit, CheckUnit):
                    self.check()
                else:
                    self.called(unit)
        told = "".join(f"{self.number(held)}, " for held in graph.told)
        self.add(f"return ({''.join(f'{self.names[id(v.base)]}, ' for v in self.results)}), ({told})")
        text = "def run(arrays, given):\n    token = set_errors(QUIET)\n    try:\n" + "\n".join(self.lines)
        text += "\n    finally:\n        reset_errors(token)\n"
        filename = f"<cotangent program {next(_numbers)}>"
        disk.execute(text, filename, self.scope)
        function: Callable[[Any, Any], Any] = self.scope["run"]
        return function

    def _segments(self) -> list[tuple[bool, list[Any]]]:
        """Stages put together: runs of native ones, and what Python does in between."""
        found: list[tuple[bool, list[Any]]] = []
        for group in self.schedule.stages:
            native = isinstance(group[0], NATIVE)
            if found and found[-1][0] == native:
                found[-1][1].append(group) if native else found[-1][1].extend(group)
            else:
                found.append((native, [group] if native else list(group)))
        return found

    def _native(self, stages: list[list[Any]]) -> str:
        """Make one program of some stages; the name of its run."""
        name = f"run{self.program_count}"
        self.program_count += 1
        steps: list[runtime.Step] = []
        patches: list[tuple[int, Base, int]] = []
        at = 0
        for group in stages:
            # Units of several steps go on side by side, phase by phase.
            queue = [_phases(self.emitted[id(unit)]) for unit in group]
            scratch = [self.scratch_of.get(id(unit), 0) for unit in group]
            for turn in range(max(len(phases) for phases in queue)):
                barrier = True
                for phases, memory in zip(queue, scratch, strict=True):
                    for step, spots in phases[turn] if turn < len(phases) else ():
                        buffers = []
                        for spot in spots:
                            fixed = memory if spot.base is None else self.fixed(spot.base)
                            if fixed is None:
                                assert spot.base is not None
                                patches.append((at, spot.base, spot.offset))
                            buffers.append((fixed or 0) + spot.offset)
                            at += 1
                        steps.append(
                            runtime.Step(step.kernel, buffers, step.numbers, step.count, step.grain, barrier)
                        )
                        barrier = False
        program = runtime.Program(steps)
        self.scope[name] = program.run
        self.scope[name + "p"] = program.pointers
        for position, base, offset in patches:
            self.slots.setdefault(id(self.schedule.in_place.get(id(base), base)), []).append(
                (name + "p", position, offset)
            )
        return name

    def fixed(self, base: Base) -> int | None:
        """The address of a base that never moves; None if it does."""
        if id(base) in self.arena_of:
            return self.arena_of[id(base)]
        if base.role == "const":
            self.scope[f"k{id(base)}"] = base.value
            return int(base.value.ctypes.data)
        if base.role == "number":
            if id(base) not in self.number_slots:
                cell = np.zeros((), NUMPY[base.kind])
                name = f"cell{len(self.number_slots)}"
                self.number_slots[id(base)] = (name, cell)
                self.scope[name] = cell
            return int(self.number_slots[id(base)][1].ctypes.data)
        return None

    def patch(self, base: Base, name: str) -> None:
        """Write the address of an array, if it is another one than before, into the programs."""
        slots = self.slots.get(id(base))
        if not slots:
            return
        at = len(self.last)
        self.last.append(None)
        self.add(f"if {name} is not last[{at}]:")
        self.add(f"    last[{at}] = {name}")
        self.add(f"    x = address({name})")
        programs: dict[str, list[tuple[int, int]]] = {}
        for program, position, offset in slots:
            programs.setdefault(program, []).append((position, offset))
        for program, places in programs.items():
            if len(places) <= 3:
                for position, offset in places:
                    self.add(f"    {program}[{position}] = x{f' + {offset}' if offset else ''}")
            else:
                where = self.bound("w", np.array([p for p, _ in places]))
                offsets = self.bound("o", np.array([o for _, o in places]))
                self.add(f"    {program}[{where}] = {offsets} + x")

    def output(self, at: int, base: Base) -> None:
        """A wanted value: the array it is computed into, a new one or one that nobody holds any more."""
        into = self.schedule.in_place.get(id(base))
        if into is not None:
            self.names[id(base)] = self.names[id(into)]
            return
        if base.role == "call":
            return
        name = f"r{at}"
        self.names[id(base)] = name
        shape, d = self.bound("s", base.shape), self.bound("d", NUMPY[base.kind])
        self.add(f"{name} = empty({shape}, {d})")
        self.patch(base, name)

    def array(self, value: Any) -> str:
        """The text for a value as an array."""
        if isinstance(value, Const):
            d = NUMPY[value.kind]
            return self.bound("c", np.broadcast_to(np.asarray(value.value, d), value.shape))
        base = value.base
        if id(base) in self.names:
            name = self.names[id(base)]
        elif id(base) in self.arrays:
            name = self.bound("a", self.arrays[id(base)])
        elif base.role == "const":
            name = self.bound("a", base.value)
        elif base.role == "number":
            self.fixed(base)
            name = self.number_slots[id(base)][0]
        else:
            raise AssertionError("a value that is nowhere")
        if value.whole:
            return name
        fixed = name in self.scope
        item = NUMPY[value.kind].itemsize
        strides = tuple(s * item for s in value.strides)
        if fixed:
            return self.bound("a", _window(self.scope[name], value.shape, strides, value.offset))
        window = self.bound("window", _window)
        return f"{window}({name}, {value.shape}, {strides}, {value.offset})"

    def value(self, n: int) -> str:
        """The name of a value of the graph."""
        return self.array(self.lowered.of(n))

    def followed(self, unit: NumberUnit) -> None:
        """Compute a followed number and put it where kernels find it."""
        base = unit.base
        used = id(base) in self.number_slots
        name = self.number(base.value)
        if used:
            self.add(f"{self.number_slots[id(base)][0]}[()] = {name}")

    def check(self) -> None:
        """Look at the guards."""
        for x, *bounds in self.lowered.b.ranges.values():
            name = self.array(x)
            ok = self.bound("in_range", _in_range)
            self.add(f"{ok}({name}, {', '.join(map(repr, bounds))})")
        for guard in self.graph.guards:
            condition = self.guard(guard)
            self.add(f"if not ({condition}):")
            self.add("    return None")

    def called(self, unit: CallUnit) -> None:
        """A NumPy kernel."""
        node = unit.node
        step = node.step
        operands = [
            f"[{', '.join(self.array(a) for a in arg)}]"
            if isinstance(arg, tuple)
            else "None"
            if arg is None
            else self.array(arg)
            for arg in node.args
        ]
        operands += [self.static(s) for s in step.statics]
        call = f"{self.bound('k', step.op.kernel)}({', '.join(operands)})"
        names = [f"v{base.value}" for base in node.outs]
        self.add(f"{', '.join(names)}{',' if step.many and len(names) == 1 else ''} = {call}")
        for base, d in zip(node.outs, step.dtypes, strict=True):
            name = f"v{base.value}"
            d = np.dtype(base.kind) if d is None else d
            self.names[id(base)] = name
            given = ", ".join(operands[: len(node.args)])
            self.add(f"{name} = settled({name}, {self.bound('d', d)}, [{given}])")
            self.patch(base, name)


def _phases(emitted: Emitted) -> list[list[Any]]:
    """The steps of a unit, those together that may run side by side."""
    found: list[list[Any]] = []
    for step, spots in emitted.steps:
        if step.barrier or not found:
            found.append([])
        found[-1].append((step, spots))
    return found


def _settled(value: Any, d: Any, given: list[Any]) -> Any:
    """A kernel's result as a contiguous array of its dtype, in memory of its own."""
    own = value.__class__ is np.ndarray and value.dtype is d and value.flags.c_contiguous
    if own and value.base is None and all(value is not x for x in given):
        return value
    return np.array(value, d, order="C")


def _window(array: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """A view of an array: shape and strides from `offset` elements after its first one."""
    if array.flags.c_contiguous and array.size and array.dtype.kind != "V":  # bfloat16 makes no buffer
        return np.ndarray(shape, array.dtype, array, offset * array.itemsize, strides)
    if not offset:
        return as_strided(array, shape, strides)
    whole = as_strided(array, (offset + 1,), (array.itemsize,))
    return as_strided(whole[offset:], shape, strides)


def _in_range(numbers: Any, least: int, n: int, but: int | None, told: Any) -> None:
    """Refuse numbers of rows or classes that do not exist, as the kernels do."""
    if not numbers.size or (numbers.min() >= least and numbers.max() < n):
        return
    outside = numbers[(numbers < least) | (numbers >= n)]
    bad = outside if but is None else outside[outside != but]
    if not bad.size:
        return
    if told is not None:
        raise type(told)(str(told).format(bad.flat[0], n))
    error = IndexError(f"Target {bad.flat[0]} is out of bounds.")
    raise noted(error, "target_range", classes=n, last=n - 1, found=bad.flat[0])


# Kernels of recurrent layers: where their tensors are among the operands, how many of these are states, and
# how many products each weight has a part in.
_RECURRENT: Final = {
    "lstm_layer": (0, 2, 1), "gru_layer": (0, 1, 1), "rnn_layer": (0, 1, 1),
    "lstm_pullback": (1, 2, 2), "gru_pullback": (1, 1, 2), "rnn_pullback": (1, 1, 2),
}  # fmt: skip


def _recurrent(node: Call) -> float:
    """Floating-point operations of the products in a recurrent layer's kernel."""
    if node.step.op.name not in _RECURRENT:
        return 0.0
    place, states, products = _RECURRENT[node.step.op.name]
    x, *rest = node.args[place]
    weights = sum(math.prod(w.shape) for w in rest[states:] if len(w.shape) == 2)
    flops: float = 2.0 * products * math.prod(x.shape[:-1]) * weights
    return flops


def lay_out(pieces: list[tuple[int, int, int, Any]]) -> tuple[dict[Any, int], int]:
    """Offsets for pieces of memory that are needed during stages [first, last]: largest first, lowest place.

    Args:
        pieces: (first stage, last stage, bytes, key).

    Returns:
        The offset of each key, and the bytes of all.
    """
    placed: list[tuple[int, int, int, int]] = []
    found: dict[Any, int] = {}
    top = 0
    for first, last, size, key in sorted(pieces, key=lambda p: -p[2]):
        size = max(-(-size // _ALIGN) * _ALIGN, _ALIGN)
        at = 0
        for begin, end, _, _ in sorted(p for p in placed if p[2] <= last and first <= p[3]):
            if begin - at >= size:
                break
            at = max(at, end)
        placed.append((at, at + size, first, last))
        found[key] = at
        top = max(top, at + size)
    return found, top
