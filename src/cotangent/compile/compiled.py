"""Compiled functions: entries of a cache, each a program with the guards under which it holds.

A call looks for an entry whose guards hold, runs its program, and sets what the traced function had set:
arrays written in place, `.grad`, attributes, results. If there is none the function is traced anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..autograd.base import cell_of, wrap
from ..autograd.modes import modes
from ..autograd.node import FREED_TEXT, Node, next_seq
from ..autograd.recorded import port_of
from ..autograd.views import edge_of
from ..autograd.where import here
from ..kernels import runtime
from .execute import Writer
from .graph import Graph
from .guards import Finder
from .passes import prune, simplify, turn_products
from .program import Program as NativeProgram
from .recorder import put
from .schedule import Cycle
from .tracing import Made, Outcome, Outer, Told, Traced, tensor_like


class CompiledFunctionBackward(Node):
    """History of a compiled function's results: runs the traced backward."""

    __slots__ = ("program", "saved", "versions", "outputs", "given")
    __module__ = "builtins"

    nout = 0  # several, through ports

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        values = self.apply(tuple(g), False)
        for edge, value in zip(self.edges, values, strict=True):
            if edge is not None and value is not None:
                held = grads.get(edge)
                grads[edge] = value if held is None else held + value
        if not keep:
            self.release()

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        if self.saved is None:
            raise RuntimeError(FREED_TEXT)
        for cell, version in self.versions:
            if cell[0] != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: it is at version {cell[0]}; expected version {version} instead."
                )
        if not tensors:
            return self.program.backward(self.saved, self.given, grads)
        if modes.grad is not None:
            raise RuntimeError("torch.compile with aot_autograd does not currently support double backward")
        # Somewhere there are tensors that say themselves what operations do; here are arrays.
        given = tuple([None if g is None else g._data for g in grads])
        found = self.program.backward(self.saved, self.given, given)
        return tuple([None if a is None else wrap(a) for a in found])

    def release(self) -> None:
        self.saved = None

    def start(self, count: int) -> None:
        """Make room for the histories of `count` outputs."""
        self.outputs: Any = (None,) * count

    def port(self, number: int) -> Any:
        """The history of output `number`."""
        return port_of(self, number)


class Program:
    """A traced function made ready to run.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        recorder, outcome = traced.recorder, traced.outcome
        self.outcome = outcome
        self.streams = [stream for stream, _ in recorder.streams.values()]
        history = outcome.history
        self.mades = _all_made(outcome)
        wanted = [n for _, n in outcome.writes] + [m.root for m in self.mades if m.source is None]
        results = [] if history is None else [n for n in history.results if n is not None]
        cotangents = [] if history is None else history.cotangents
        graph = Graph(
            list(recorder.instructions),
            [index for index, _, _ in recorder.sources] + cotangents,
            dict(recorder.constants),
            {n: (held, d) for n, (_, held, d) in recorder.scalars.items()},
            wanted + results,
            recorder.types(),
            list(recorder.guards.values()),
        )
        graph.told = [v.number for v in _told(outcome)]
        graph = turn_products(simplify(graph))
        forward, backward = graph, None
        if history is not None and not history.freed:
            forward, backward = _split(graph, history, len(wanted), cotangents, recorder.count)
        forward = prune(forward)
        used = set(forward.roots())
        for step in forward.steps:
            used.update(step.reads())
        self.sources = [k for k, source in enumerate(recorder.sources) if source.number in used]
        forward.inputs = [recorder.sources[k].number for k in self.sources]
        # Inputs that the backward reads are kept as they are, unless the forward writes them.
        written = {index for index, _ in outcome.writes}
        position = {recorder.sources[k].number: at for at, k in enumerate(self.sources)}
        self.kept: list[tuple[bool, int]] = []  # per value kept for backward: (is an input, position)
        count = len(wanted)
        for n in forward.wanted[count:]:
            at = forward.of(n)
            if at in position and at not in written:
                self.kept.append((True, position[at]))
            else:
                self.kept.append((False, len(wanted)))
                wanted.append(n)
        self.saved_layouts = {
            n: recorder.sources[self.sources[at]].array.strides
            for n, (is_input, at) in zip(forward.wanted[count:], self.kept)
            if is_input
        }
        forward.wanted = wanted
        self.forward = forward
        self.backward_graph = None if backward is None else prune(backward)
        self.layouts = {recorder.sources[k].number: recorder.sources[k].array.strides for k in self.sources}
        self.native: Any = None
        if runtime.ready():
            pairs = [(index, at) for at, (index, _) in enumerate(outcome.writes)]
            with contextlib.suppress(Cycle):
                self.native = NativeProgram(forward, self.streams, self.layouts, pairs)
                self.run = self.native.build()
        if self.native is None:
            self.run = Writer(forward, self.streams).run()
        self.backward_run: Any = None
        # Per wanted value: where it is in the output of the run.
        count = len(outcome.writes)
        placed = [False] * count if self.native is None else self.native.placed
        self.writes = [(at, index) for at, (index, _) in enumerate(outcome.writes) if not placed[at]]
        self.at: dict[int, int] = {}
        for m in self.mades:
            if m.source is None:
                self.at[id(m)] = count
                count += 1
        self.first_saved = count
        self.careful = self._careful(count)

    def _careful(self, count: int) -> list[bool]:
        """Which outputs of the run must be copied because they are somebody else's memory."""
        forward = self.forward
        if self.native is not None:
            return [v.base.role == "call" for v in self.native.results]
        fixed = {*forward.inputs, *forward.constants}
        written = {index for index, _ in self.outcome.writes}
        seen: dict[int, int] = {}
        out = []
        for k, n in enumerate(forward.wanted):
            at = forward.of(n)
            taken = seen.setdefault(at, n)
            if k >= count:
                out.append(at in written)
            elif k < len(self.outcome.writes):
                out.append(at in fixed)
            else:
                out.append(at in fixed or taken != n)
        return out

    def arrays(self, arrays: list[Any], given: list[float]) -> tuple[list[Any], tuple[float, ...]] | None:
        """Run the forward; None if a guard on numbers does not hold."""
        states = [stream.get_state() for stream in self.streams] if self.forward.guards else []
        out = self.run(arrays, given)
        if out is None:
            for stream, state in zip(self.streams, states):
                stream.set_state(state)
            return None
        found = list(out[0])
        for k, must in enumerate(self.careful):
            array = found[k]
            shared = self.native is None and array.base is not None and (k < self.first_saved or self.writes)
            if must or shared:
                found[k] = array.copy()
        return found, out[1]

    def backward(self, saved: list[Any], given: list[float], grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run the traced backward on the cotangents of the outputs."""
        graph = self.backward_graph
        assert graph is not None and self.outcome.history is not None
        if self.backward_run is None:
            if self.native is not None:
                with contextlib.suppress(Cycle):
                    self.backward_run = NativeProgram(graph, self.streams, self.saved_layouts, []).build()
            if self.backward_run is None:
                self.backward_run = Writer(graph, self.streams).run()
        cotangents = []
        for n, g in zip(self.outcome.history.cotangents, grads, strict=True):
            shape, d = graph.types[n]
            cotangents.append(np.zeros(shape, d) if g is None else np.ascontiguousarray(g).reshape(shape))
        out = iter(self.backward_run([*saved, *cotangents], given)[0])
        return tuple(None if n is None else next(out) for n in self.outcome.history.results)


def _told(outcome: Outcome) -> list[Told]:
    values = [*outcome.leaves, *(v for _, _, _, v in outcome.effects)]
    return [v for v in values if isinstance(v, Told)]


def _all_made(outcome: Outcome) -> list[Made]:
    found: dict[int, Made] = {}
    for leaf in [
        *outcome.leaves,
        *(g for _, _, g in outcome.grads),
        *(m for _, m in outcome.rebinds),
        *(v for _, _, _, v in outcome.effects),
        *(m for _, m in outcome.escaped),
    ]:
        if isinstance(leaf, Made):
            found[id(leaf)] = leaf
    return list(found.values())


def _split(graph: Graph, history: Any, count: int, cotangents: list[int], traced: int) -> tuple[Graph, Graph]:
    """The forward and the backward part of a graph; the forward also gives what the backward reads.

    Values from number `traced` on were made by passes.
    """
    first = min(cotangents)
    backward = (k for k, s in enumerate(graph.steps) if first <= s.results[0] < traced)
    begin = next(backward, len(graph.steps))
    early, late = graph.steps[:begin], graph.steps[begin:]
    made = {r for s in late for r in s.results}
    saved: dict[int, None] = {}
    wanted = [graph.of(n) for n in graph.wanted[count:]]
    late = prune(graph.but(steps=late, wanted=wanted, guards=[], told=[])).steps
    views = {s.results[0]: s for s in early if s.op.is_view and not s.many}
    needed = [n for s in late for n in s.reads()] + wanted
    for s in late:
        for static in s.statics:
            needed += graph.items(static)
    again: dict[int, Any] = {}  # views cost nothing: they are taken again, and their bases kept
    for n in needed:
        if n in graph.scalars:
            needed += graph.items(graph.scalars[n][0])
        elif n in views:
            again[n] = views[n]
            needed += views[n].reads()
        elif n not in made and n not in graph.constants and n not in cotangents:
            saved[n] = None
    late = [again[n] for n in sorted(again)] + late
    forward = graph.but(
        steps=early, inputs=[n for n in graph.inputs if n not in cotangents],
        wanted=[*graph.wanted[:count], *saved],
    )  # fmt: skip
    return forward, graph.but(steps=late, inputs=[*saved, *cotangents], wanted=wanted, guards=[], told=[])


class Entry:
    """A program with the guards under which it holds.

    Args:
        traced: the trace.
        once: whether it is for this one call only.
    """

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.program = Program(traced)
        outcome = traced.outcome
        self.once = outcome.once
        self.find: Callable[[Any], Any] | None = None
        recorder = traced.recorder
        # Tensors from outside that a run needs, the owners of the inputs first.
        tensors: dict[int, Any] = {}
        self.inputs = [recorder.sources[k] for k in self.program.sources]
        for source in self.inputs:
            tensors.setdefault(id(source.tensor), source.tensor)
        written = {index for index, _ in outcome.writes}
        seen = {m.source for m in self.program.mades}
        self.written = [s for s in recorder.sources if s.number in written]
        self.touched = [s for s in recorder.sources if s.number in written or s.number in seen]
        for source in self.touched:
            tensors.setdefault(id(source.tensor), source.tensor)
        for t in _outer(outcome):
            tensors.setdefault(id(t), t)
        self.tensors = list(tensors.values())
        self.place = {key: k for k, key in enumerate(tensors)}
        if self.once is None:
            missing = [t for t in self.tensors if id(t) not in traced.walk.spots]
            if missing or not traced.walk.complete:
                self.once = "it uses tensors that the compiler cannot find again"
        if self.once is None:
            self._write_guards()

    def _write_guards(self) -> None:
        walk, outcome, recorder = self.traced.walk, self.traced.outcome, self.traced.recorder
        finder = Finder(walk, recorder.codes)
        followed = {(id(spot.above), spot.kind, spot.key) for spot, _ in self.traced.given}
        for spot in walk.scalars:
            if (id(spot.above), spot.kind, spot.key) not in followed and finder.relevant(spot):
                finder.scalar(spot)
        for spot in walk.functions:
            if spot.above is not None and finder.relevant(spot):
                where = finder.way(spot)
                finder.check(f"{where} is {finder.bound(spot.value)}", f"{spot.name()} is another function")
        for spot in walk.missing:
            if finder.relevant(spot):
                finder.absent(spot)
        for spot in walk.again:
            if finder.relevant(spot):
                finder.one(spot, walk.spots[id(spot.value)])
        for spot, held, before in walk.contents.values():
            finder.sizes(spot, before if spot.value is held else None)
        replaced = {(id(spot), kind, key) for spot, kind, key, _ in outcome.effects}
        names = []
        for t in self.tensors:
            spot = walk.spots[id(t)]
            name = finder.spot(spot)
            names.append(name)
            stable = not _from_arguments(spot) and spot.kind != "grad"
            stable = stable and (id(spot.above), spot.kind, spot.key) not in replaced
            finder.tensor(name, spot, t, stable, recorder)
        graded = [walk.spots[key] for key in dict.fromkeys(id(t) for t, _, _ in outcome.grads)]
        if len(graded) > 1 and any(_from_arguments(spot) for spot in graded):
            finder.distinct(graded)
        read = {source.number for source in self.inputs}
        fetched = [*self.inputs, *(s for s in self.touched if s.number not in read)]
        for k, source in enumerate(fetched):
            name = names[self.place[id(source.tensor)]]
            finder.array(f"a{k}", name, source.array, walk.spots[id(source.tensor)])
        arrays = [f"a{k}" for k in range(len(self.inputs))]
        for t, known in recorder.alike:
            spots = walk.spots.get(id(t)), walk.spots.get(id(known))
            if spots[0] is None or spots[1] is None:
                self.once = "it uses tensors that the compiler cannot find again"
                return
            test = f"{finder.spot(spots[0])}._data is {finder.spot(spots[1])}._data"
            finder.check(test, f"{spots[0].name()} has memory of its own now")
        written = {source.number for source in self.written}
        held = [f"a{k}" for k, source in enumerate(fetched) if source.number in written]
        for k, source in enumerate(self.inputs):
            spot = walk.spots[id(source.tensor)]
            if held and source.number not in written and _from_arguments(spot):
                finder.apart(f"a{k}", held, spot)
        for t, before in recorder.grads.values():
            at = walk.spots.get(id(t))
            if at is not None:
                test = "is" if before is None else "is not"
                what = f"{at.name()}.grad is {'no longer None' if before is None else 'None'}"
                finder.check(f"{finder.spot(at)}.__dict__.get('_grad') {test} None", what)
        given: list[str] = []
        for spot, _ in self.traced.given:
            assert spot.above is not None
            where = finder.reach(finder.spot(spot.above), spot)
            given.append(f"g{len(given)}")
            finder.lines.append(f"{given[-1]} = {where}")
            finder.check(f"{given[-1]}.__class__ is float", f"{spot.name()} is no float")
        self.find = finder.finish(f"[{', '.join(names)}], [{', '.join(arrays)}], [{', '.join(given)}]")

    def first_run(self) -> tuple[list[Any], tuple[float, ...]]:
        """Run for the call that was traced."""
        found = self.program.arrays([s.array for s in self.inputs], [value for _, value in self.traced.given])
        assert found is not None, "a guard failed on the numbers it was made from"
        return found

    def settle_first(self, found: tuple[list[Any], tuple[float, ...]]) -> Any:
        """Set what the traced call sets, from what `first_run` gave."""
        arrays = [s.array for s in self.inputs]
        result = self.settle(self.tensors, arrays, [value for _, value in self.traced.given], *found)
        self._settle_escaped(found[0])
        self.traced.forget()
        return result

    def _settle_escaped(self, out: list[Any]) -> None:
        """Give tensors that the traced call left somewhere their arrays."""
        arrays = {s.number: s.array for s in self.traced.recorder.sources}
        for t, made in self.traced.outcome.escaped:
            array = arrays[made.source] if made.source is not None else out[self.program.at[id(made)]]
            put(t, _seen(array, made))

    def settle(
        self,
        tensors: list[Any],
        arrays: list[Any],
        given: list[float],
        out: list[Any],
        told: tuple[float, ...],
    ) -> Any:
        """Set what the function sets, and give back what it gives back."""
        program, outcome = self.program, self.traced.outcome
        payloads = {source.number: tensors[self.place[id(source.tensor)]]._data for source in self.touched}
        for at, index in program.writes:
            payloads[index][...] = out[at]
        for source in self.written:
            cell = cell_of(tensors[self.place[id(source.tensor)]])
            if cell.__class__ is list:
                cell[0] += 1
        node = self._node(tensors, arrays, given, out)
        made: dict[int, Any] = {}
        numbers = iter(told)

        def tensor(spec: Any) -> Any:
            if isinstance(spec, Outer):
                return tensors[self.place[id(spec.tensor)]]
            if isinstance(spec, Told):
                return next(numbers)
            if not isinstance(spec, Made):
                return spec
            t = made.get(id(spec))
            if t is None:
                array = payloads[spec.source] if spec.source is not None else out[program.at[id(spec)]]
                t = made[id(spec)] = tensor_like(spec.kind, _seen(array, spec), spec.requires_grad)
                if spec.port is not None:
                    t._node = node.port(spec.port)
            return t

        leaves = [tensor(leaf) for leaf in outcome.leaves]
        for t, _, now in outcome.grads:
            t = tensors[self.place[id(t)]]
            if now is None:
                t.__dict__.pop("_grad", None)
            else:
                t.__dict__["_grad"] = tensor(now)
        for t, spec in outcome.rebinds:
            tensors[self.place[id(t)]]._data = tensor(spec)._data
        for t, flag in outcome.flags:
            tensors[self.place[id(t)]]._req = flag
        for t, port in outcome.histories:
            t = tensors[self.place[id(t)]]
            t._node, t._req = node.port(port), True
        for spot, kind, key, value in outcome.effects:
            _put_back(spot, kind, key, tensor(value))
        return tree.unflatten(outcome.result, leaves)

    def _node(self, tensors: list[Any], arrays: list[Any], given: list[float], out: list[Any]) -> Any:
        history = self.traced.outcome.history
        if history is None:
            return None
        node: Any = CompiledFunctionBackward()
        node.edges = tuple(edge_of(tensors[self.place[id(t)]]) for t in history.ends)
        node.seq = next_seq()
        node.code, node.lasti = here()
        node.hooks = node.fit = None
        node.program, node.given = self.program, given
        node.saved, node.versions = None, []
        if not history.freed:
            node.saved = [arrays[at] if is_input else out[at] for is_input, at in self.program.kept]
            for is_input, at in self.program.kept:
                if is_input:
                    cell = cell_of(tensors[self.place[id(self.inputs[at].tensor)]])
                    if cell.__class__ is list:
                        node.versions.append((cell, cell[0]))
        node.start(len(history.ports))
        return node


def _outer(outcome: Outcome) -> list[Any]:
    found = [
        v.tensor for v in [*outcome.leaves, *(v for _, _, _, v in outcome.effects)] if isinstance(v, Outer)
    ]
    found += [g.tensor for _, _, g in outcome.grads if isinstance(g, Outer)]
    found += [t for t, _, _ in outcome.grads] + [t for t, _ in outcome.rebinds]
    found += [t for t, _ in outcome.flags] + [t for t, _ in outcome.histories]
    return found + ([] if outcome.history is None else outcome.history.ends)


def _from_arguments(spot: Any) -> bool:
    while spot.above is not None:
        spot = spot.above
    return bool(spot.key != "function")


def _seen(array: Any, made: Made) -> Any:
    """What a chain of views shows of an array."""
    for link in made.chain:
        shown = link.op.kernel(array, *link.statics)
        array = shown[link.output] if link.op.nout != 1 else shown
    return array


def _put_back(spot: Any, kind: str, key: Any, value: Any) -> None:
    """Set an entry of a container."""
    if kind == "attr":
        spot.value.__dict__[key] = value
    elif kind == "item":
        spot.value[key] = value
    elif kind == "cell":
        spot.value.__closure__[key[0]].cell_contents = value
    else:
        spot.value.__globals__[key] = value
