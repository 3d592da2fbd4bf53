"""Tracing one call of a function as it runs: what it computed, and what it changed.

The function really runs, in Python, with traced payloads in its tensors. What tensors it made and left
somewhere (results, `.grad`, attributes) becomes the outcome: a list of things to set after each run of the
program. Python objects that it changed otherwise make the trace good for this one call only.
"""

from __future__ import annotations

import gc
import random
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..autograd.base import TensorBase, new, world, wrap
from ..autograd.engine import run as run_engine
from ..autograd.modes import modes
from ..autograd.node import FREED_TEXT, AccumulateGrad, Node, Port, next_seq
from .number import Number, make as followed
from .recorder import Recorder, Untraceable, raw, recording
from .value import Link, Value
from .walk import PLAIN, Spot, Walk


class Made(NamedTuple):
    """A tensor the function made: views of what memory, and its history."""

    root: int  # value that is (or began as) the memory
    source: int | None  # the input it is, if it is one
    chain: tuple[Link, ...]
    requires_grad: bool
    port: int | None  # which output of the compiled node, if it has a history
    kind: type


class Outer(NamedTuple):
    """A tensor from outside."""

    tensor: Any


class Told(NamedTuple):
    """A followed number."""

    number: Any


class History(NamedTuple):
    """The backward of a traced function.

    Attributes:
        ports: nodes (of the trace) of its differentiable outputs, in order.
        cotangents: values that stand for their cotangents.
        ends: tensors from outside that its results are the cotangents of.
        results: per end the value of the cotangent, None where none arrives.
        start: how many instructions the forward has.
        freed: the graph was used up inside the function.
    """

    ports: list[Any]
    cotangents: list[int]
    ends: list[Any]
    results: list[int | None]
    start: int
    freed: bool


class Outcome:
    """What one traced call did."""

    def __init__(self) -> None:
        self.result: Any = None
        self.leaves: list[Any] = []
        self.writes: list[tuple[int, int]] = []  # (input value, value)
        self.grads: list[tuple[Any, Any, Any]] = []  # (tensor, grad before, what it is now)
        self.rebinds: list[tuple[Any, Made]] = []
        self.flags: list[tuple[Any, bool]] = []
        self.histories: list[tuple[Any, int]] = []  # outside tensors written with a history: (tensor, port)
        self.effects: list[tuple[Spot, str, Any, Any]] = []  # (container, kind, key, what is put there)
        self.once: str | None = None  # why the trace is good for one call only
        self.escaped: list[tuple[Any, Made]] = []
        self.history: History | None = None


class Traced:
    """A trace with its outcome."""

    def __init__(
        self, recorder: Recorder, walk: Walk, outcome: Outcome, given: list[tuple[Spot, float]]
    ) -> None:
        self.recorder = recorder
        self.walk = walk
        self.outcome = outcome
        self.given = given

    def undo(self) -> None:
        """Put everything in Python back as it was before the trace, where its program could not be run."""
        _undo(self.recorder, self.walk)

    def forget(self) -> None:
        """Let go of what only the first run needed."""
        self.recorder.forget()
        self.walk.forget()


def trace_call(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fixed_numbers: bool = False
) -> Traced:
    """Run `function(*args, **kwargs)` and record it.

    Raises:
        Untraceable: if it cannot be compiled; what it changed in Python objects has been put back.
    """
    walk = Walk([("function", function), ("args", args), ("kwargs", kwargs)])
    recorder = Recorder()
    recorder.fixed_numbers = fixed_numbers
    before_random = _python_random()
    start = next_seq()
    outcome = Outcome()
    record = recording(recorder)
    try:
        given = [] if fixed_numbers else _follow_numbers(walk, recorder)
        with record:
            try:
                outcome.result = function(*args, **kwargs)
            finally:
                _restore_numbers(given)
            if recorder.math_called and not fixed_numbers:
                raise _Again
            if recorder.impure is not None:
                raise Untraceable(recorder.impure)
            if _python_random() != before_random:
                raise Untraceable("it draws random numbers from Python's or NumPy's generator")
            _conclude(recorder, walk, outcome, start)
    except _Again:
        _undo(recorder, walk)
        return trace_call(function, args, kwargs, True)
    except BaseException:
        _undo(recorder, walk)
        raise
    finally:
        record.leave()  # an interrupt may have come before `with` could do it
        for stream, state in recorder.streams.values():
            stream.set_state(state)
    return Traced(recorder, walk, outcome, [(spot, spot.value) for _, _, _, spot in given])


def _python_random() -> Any:
    """Where the random streams of Python and NumPy are."""
    state: Any = np.random.get_state()
    return random.getstate(), state[1].tobytes(), state[2]


class _Again(Exception):
    """Numbers went where they cannot be followed: trace with fixed ones."""


# -- numbers of optimizers ---------------------------------------------------------------------------------


def _follow_numbers(walk: Walk, recorder: Recorder) -> list[tuple[Any, Any, Any, Spot]]:
    """Put followed numbers in the place of the floats in optimizers' groups.

    Returns:
        (container, key, value before, spot of the number) for each.
    """
    changed: list[tuple[Any, Any, Any, Spot]] = []
    slots = 0
    for spot in walk.optimizers:
        groups = spot.value.__dict__["param_groups"]
        for group in groups:
            if not isinstance(group, dict):
                continue
            at = walk.spots[id(group)]
            for key, value in list(group.items()):
                if value.__class__ is float:
                    changed.append((group, key, value, Spot(value, at, "item", key, -1)))
                    group[key] = followed(recorder, value, ("given", slots, f"{key}"))
                    slots += 1
                elif isinstance(value, tuple) and value and all(v.__class__ is float for v in value):
                    inside = walk.spots.get(id(value)) or Spot(value, at, "item", key, -1)
                    made = []
                    for k, v in enumerate(value):
                        changed.append((group, key, value, Spot(v, inside, "item", k, -1)))
                        made.append(followed(recorder, v, ("given", slots, f"{key}[{k}]")))
                        slots += 1
                    group[key] = tuple(made)
    return changed


def _restore_numbers(changed: list[tuple[Any, Any, Any, Spot]]) -> None:
    for group, key, value, _ in changed:
        now = group.get(key)
        if now is not value and (
            now.__class__ is Number or (isinstance(now, tuple) and any(v.__class__ is Number for v in now))
        ):
            group[key] = value


# -- the outcome -------------------------------------------------------------------------------------------


def _conclude(recorder: Recorder, walk: Walk, outcome: Outcome, start: int) -> None:
    """Find out what the function made and changed."""
    leaves, structure = tree.flatten(outcome.result)
    outcome.result = structure
    tensors: list[Any] = [t for t in leaves if isinstance(t, TensorBase)]
    changed_grads = []
    for t, before in recorder.grads.values():
        now = t.__dict__.get("_grad")
        outside = id(t) in recorder.payloads or raw(t).__class__ is np.ndarray
        if outside and now is not before:
            changed_grads.append((t, before, now))
            if now is not None:
                tensors.append(now)
    diffs = _differences(walk, outcome)
    tensors += [new_value for _, _, _, new_value in diffs if isinstance(new_value, TensorBase)]
    outside_written = [
        t
        for t, node, _, _ in recorder.before.values()
        if t._node is not node and t._node is not None and t._node.seq >= start
    ]
    with_history = [t for t in tensors if t._req and t._node is not None and id(t) not in recorder.before]
    history = _history(recorder, [*with_history, *outside_written], start)
    ports = {} if history is None else {id(n): k for k, n in enumerate(history.ports)}
    for t in tensors:
        recorder.payload(t)
    spec = _Specs(recorder, ports)
    outcome.leaves = [spec.of(leaf) for leaf in leaves]
    outcome.grads = [(t, before, None if now is None else spec.of(now)) for t, before, now in changed_grads]
    outcome.effects = [(spot, kind, key, spec.of(value)) for spot, kind, key, value in diffs]
    for index, _, array in recorder.sources:
        root = recorder.roots[id(array)][1]
        if root.writes:
            outcome.writes.append((index, root.now))
    outcome.rebinds = [(t, spec.made(t)) for t in recorder.rebound.values()]
    outcome.histories = [(t, ports[id(t._node)]) for t in outside_written]
    written = {id(t) for t in outside_written}
    for t, node, req, _ in recorder.before.values():
        if id(t) in written:
            t._node, t._req = node, req
        elif t._req is not req:
            outcome.flags.append((t, t._req))
    if history is not None:
        outcome.history = history._replace(ports=[None] * len(history.ports))
    # With the graph gone, what is still there though nothing we know of holds it was put somewhere else.
    known = {id(t) for t in tensors}
    for t in with_history:
        t._node = None
    spec.ports = {}
    del history, ports, with_history, outside_written, tensors, t
    for attempt in range(2):
        strays: list[Any] = [ref() for ref in recorder.born]
        strays = [s for s in strays if s is not None and id(s) not in known and not s._level]
        strays = [s for s in strays if raw(s).__class__ is Value]
        if not strays:
            return
        if not attempt:
            kept = _added(walk)
            if all(id(s) in kept for s in strays):
                break
            strays = []
            gc.collect()
    for stray in strays:
        if stray._node is not None and stray._req:
            raise Untraceable("a tensor with a history is kept somewhere the compiler does not see")
        outcome.escaped.append((stray, spec.made(stray)))
    outcome.once = outcome.once or "it keeps tensors that it made"


def _added(walk: Walk) -> set[int]:
    """Ids of the tensors that were put into containers in reach, such as an optimizer's state."""
    todo = [
        value
        for _, held, before in walk.contents.values()
        if isinstance(held, dict)
        for key, value in held.items()
        if key not in before
    ]
    found = set()
    while todo:
        value = todo.pop()
        if isinstance(value, TensorBase):
            found.add(id(value))
        elif isinstance(value, (dict, list, tuple)):
            todo.extend(value.values() if isinstance(value, dict) else value)
    return found


class _Specs:
    """Says of tensors at the end of a trace what they are."""

    def __init__(self, recorder: Recorder, ports: dict[int, int]) -> None:
        self.recorder = recorder
        self.ports = ports
        self.inputs = {index for index, _, _ in recorder.sources}
        self.memo: dict[int, Any] = {}

    def of(self, leaf: Any) -> Any:
        """What a leaf of the result is."""
        if leaf.__class__ is Number:
            return Told(leaf)
        if not isinstance(leaf, TensorBase):
            return leaf
        if id(leaf) in self.recorder.payloads or raw(leaf).__class__ is np.ndarray:
            return Outer(leaf)
        found = self.memo.get(id(leaf))
        if found is None:
            found = self.memo[id(leaf)] = self.made(leaf)
        return found

    def made(self, t: Any) -> Made:
        """What a tensor made inside is."""
        if t._level:
            raise Untraceable("a tensor of a transform leaves the function")
        value = self.recorder.payload(t)
        root = value.root or value
        source = root.index if root.index in self.inputs else None
        port = None if t._node is None or not t._req else self.ports.get(id(t._node))
        return Made(root.now if source is None else root.index, source, value.chain, t._req, port, type(t))


def _differences(walk: Walk, outcome: Outcome) -> list[tuple[Spot, str, Any, Any]]:
    """What the function changed in the containers that it can reach: entries that were replaced.

    Anything else (more or fewer entries, lists that grew) makes the trace good for one call.
    """
    found: list[tuple[Spot, str, Any, Any]] = []
    for spot, held, before in walk.contents.values():
        if isinstance(held, dict):
            if len(held) != len(before) or any(k not in before for k in held):
                outcome.once = outcome.once or f"it adds to {spot.name()} or takes from it"
            for key, value in held.items():
                if key in before and before[key] is not value:
                    kind = "item" if spot.value is held else "attr"
                    if isinstance(value, (TensorBase, *PLAIN)):
                        found.append((spot, kind, key, value))
                        if not isinstance(value, TensorBase) and isinstance(before[key], TensorBase):
                            outcome.once = outcome.once or f"it changes {spot.name()}"
                    else:
                        outcome.once = outcome.once or f"it puts another object into {spot.name()}"
        elif isinstance(held, list):
            if len(held) != len(before):
                outcome.once = outcome.once or f"it changes the length of {spot.name()}"
            else:
                for k, (a, b) in enumerate(zip(held, before)):
                    if a is not b:
                        if isinstance(a, (TensorBase, *PLAIN)):
                            found.append((spot, "item", k, a))
                        else:
                            outcome.once = outcome.once or f"it changes {spot.name()}"
        elif held != before:
            outcome.once = outcome.once or f"it changes {spot.name()}"
    found += _rebound_names(walk)
    return found


def _rebound_names(walk: Walk) -> list[tuple[Spot, str, Any, Any]]:
    """Closure cells and globals that hold something else now."""
    found: list[tuple[Spot, str, Any, Any]] = []
    for spot in [*walk.spots.values(), *walk.again, *walk.scalars]:
        if spot.above is None:
            continue
        if spot.kind == "cell":
            now = spot.above.value.__closure__[spot.key[0]].cell_contents
        elif spot.kind == "global":
            now = spot.above.value.__globals__.get(spot.key)
        else:
            continue
        if now is not spot.value:
            found.append((spot.above, spot.kind, spot.key, now))
    return found


def _undo(recorder: Recorder, walk: Walk) -> None:
    """Put everything in Python back as it was before a trace that failed."""
    try:
        _put_back(recorder, walk)
    except KeyboardInterrupt:
        _put_back(recorder, walk)
        raise


def _put_back(recorder: Recorder, walk: Walk) -> None:
    for t, before in recorder.grads.values():
        if before is None:
            t.__dict__.pop("_grad", None)
        else:
            t.__dict__["_grad"] = before
    for t, node, req, view in recorder.before.values():
        t._node, t._req, t._view = node, req, view
    for _, held, before in walk.contents.values():
        if held == before if isinstance(held, (set,)) else _alike(held, before):
            continue
        held.clear()
        held.update(before) if isinstance(held, (dict, set)) else held.extend(before)
    for spot, kind, key, _ in _rebound_names(walk):
        old = next(
            s.value
            for s in [*walk.spots.values(), *walk.again, *walk.scalars]
            if s.above is spot and s.kind == kind and s.key == key
        )
        if kind == "cell":
            spot.value.__closure__[key[0]].cell_contents = old
        else:
            spot.value.__globals__[key] = old


def _alike(held: Any, before: Any) -> bool:
    if len(held) != len(before):
        return False
    if isinstance(held, dict):
        return all(k in before and before[k] is v for k, v in held.items())
    return all(a is b for a, b in zip(held, before))


# -- backward ----------------------------------------------------------------------------------------------


def _history(recorder: Recorder, tensors: list[Any], start: int) -> History | None:
    """Trace the backward of what the function leaves behind with a history."""
    ports: list[Any] = []
    shown: list[Any] = []
    for t in tensors:
        if t._node.seq >= start and not any(p is t._node for p in ports):
            ports.append(t._node)
            shown.append(t)
    if not ports:
        return None
    begun = len(recorder.instructions)
    ends = _ends(ports, start)
    cotangents = []
    numbers = []
    for t in shown:
        data = recorder.payload(t)
        value = Value(recorder, recorder.fresh(), data.shape, data.np_dtype)
        recorder.cotangents[value.index] = (data.shape, data.np_dtype)
        numbers.append(value.index)
        cotangents.append(wrap(value))
    before = modes.grad
    try:
        results = run_engine(ports, cotangents, keep=True, create_graph=False, inputs=ends, accumulate=False)
    except RuntimeError as error:
        if str(error) != FREED_TEXT:
            raise
        return History(ports, numbers, [], [], begun, True)
    finally:
        modes.grad = before
    ends = [_tensor_of(recorder, node) for node in ends]
    indices = [None if r is None else recorder.payload(r).index for r in results]
    return History(ports, numbers, ends, indices, begun, False)


def _ends(ports: list[Any], start: int) -> list[Any]:
    """Where the graph of the trace ends: accumulators of leaves, and nodes older than the trace."""
    ends: dict[int, Any] = {}
    seen: set[int] = set()
    todo: list[Node] = list(ports)
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.__class__ is AccumulateGrad or node.seq < start:
            variable = getattr(node, "variable", None)
            if variable is None or raw(variable).__class__ is np.ndarray:
                ends[id(node)] = node
            continue
        todo.extend(e for e in node.edges if e is not None)
    return list(ends.values())


def _tensor_of(recorder: Recorder, node: Any) -> Any:
    """The tensor from outside that a node is the history of."""
    if node.__class__ is AccumulateGrad:
        return node.variable
    for t, before, _, _ in recorder.before.values():
        if before is node:
            return t
    raise Untraceable("it differentiates through a tensor whose history began outside")


def tensor_like(kind: type, data: Any, requires_grad: bool) -> Any:
    """A new tensor of a class."""
    t = new(kind if issubclass(kind, TensorBase) else world.Tensor)
    t._data = data
    t._req = requires_grad
    t._node = t._vc = t._view = t._cut = None
    return t


__all__ = ["History", "Made", "Outcome", "Outer", "Port", "Told", "Traced", "tensor_like", "trace_call"]
