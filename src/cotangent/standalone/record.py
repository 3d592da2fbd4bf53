"""A function's value and gradient as one flat list of instructions, with what the user calls things."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..autograd.api import grad
from ..autograd.base import TensorBase, wrap
from ..autograd.engine import collect
from ..autograd.modes import enable_grad, modes, no_grad, refresh_extras
from ..autograd.node import AccumulateGrad, Port
from ..autograd.where import place
from ..compile.graph import Graph
from ..compile.passes import prune, simplify
from ..compile.recorder import Recorder, Untraceable, recording
from ..compile.value import Value
from ..dtypes import FLOATING
from ..nn.modules.module import Module
from ..viz.names import target_of


class Unsupported(NotImplementedError):
    """The function does something that a file of NumPy code cannot do."""


class Argument(NamedTuple):
    """A tensor that the written function takes.

    Attributes:
        name: of the argument.
        value: number of its value.
        array: what the example, or the program, has there.
        wanted: whether its gradient is computed.
    """

    name: str
    value: int
    array: Any
    wanted: bool


class Recorded(NamedTuple):
    """What was recorded.

    Attributes:
        name: of the function.
        graph: instructions of value and gradient.
        arguments: in the order of the written function's.
        result: number of the function's value.
        gradients: per wanted argument the number of its gradient, None where it is zero.
        start: instructions of the value; the rest belongs to the gradient.
        names: value number -> the user's name.
        cotangents: value number -> the value it is the gradient by.
        sources: the arrays of tensors from outside, which a run of the function might change.
        text: source of the function, "" if it is not known.
    """

    name: str
    graph: Graph
    arguments: list[Argument]
    result: int
    gradients: list[int | None]
    start: int
    names: dict[int, str]
    cotangents: dict[int, int]
    text: str
    sources: list[Any]
    call: Callable[[], Any]


def record(function: Callable[..., Any], example: Sequence[Any]) -> Recorded:
    """Run a function on traced copies of the example, and its backward.

    Raises:
        Unsupported: if it does what no file of NumPy code can repeat.
        TypeError: if its value is not one tensor of one element.
    """
    leaves, structure = tree.flatten(tuple(example))
    tensors: list[Any] = [t for t in leaves if isinstance(t, TensorBase)]
    chosen = any(t._req for t in tensors)
    fresh: list[Any] = []
    leaf: Any
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            fresh.append(leaf)
            continue
        t = wrap(np.asarray(leaf._data, order="C"))
        t._req = leaf._req if chosen else t.dtype.category >= FLOATING
        fresh.append(t)
    copies = [t for t in fresh if isinstance(t, TensorBase)]
    recorder = _Numberless()
    made: dict[int, tuple[Any, int]] = {}  # node -> the value it is the history of

    def watch(node: Any, operands: Any, results: Any) -> None:
        for t in results[:1]:
            payload = recorder.payload(t)
            if payload.__class__ is Value:
                made[id(node)] = node, payload.index

    modes.extras.watchers.append(watch)
    refresh_extras()
    try:
        with recording(recorder), enable_grad():
            result = function(*tree.unflatten(structure, fresh))
            if recorder.impure is not None:
                raise Untraceable(recorder.impure)
            if not isinstance(result, TensorBase) or result._data.size != 1:
                raise TypeError("source() writes functions whose value is one tensor of one element")
            if not result._req:
                raise TypeError("source(): the value does not depend on an argument that requires grad")
            start = len(recorder.instructions)
            for t in copies:
                recorder.payload(t)
            with no_grad():
                ends, cotangents = _backward(recorder, result, made)
            value = recorder.payload(result).index
    except Untraceable as error:
        raise Unsupported(f"source(): {error}") from None
    finally:
        modes.extras.watchers.remove(watch)
        refresh_extras()
        for stream, state in recorder.streams.values():
            stream.set_state(state)

    def call() -> Any:
        """The value and the gradients as they are computed without a file."""
        for t in copies:
            t._node, t._vc = None, None
        outcome = function(*tree.unflatten(structure, fresh))
        wanted = [t for t in order if t._req]
        return outcome, grad(outcome, wanted, allow_unused=True)

    order = copies + [s.tensor for s in recorder.sources if not any(s.tensor is t for t in copies)]
    order = [t for t in order if id(t) in ends or any(t is c for c in copies)]
    return _recorded(function, example, recorder, copies, ends, cotangents, value, start, call)


class _Numberless(Recorder):
    """A recorder that refuses whatever depends on the numbers in a tensor."""

    def guard(self, condition: tuple[Any, ...]) -> None:
        self.refuse("Python code reads the numbers in a tensor")

    def number(self, value: Value) -> Any:
        self.refuse("Python code reads the numbers in a tensor")


def _backward(
    recorder: Recorder, result: Any, made: dict[int, tuple[Any, int]]
) -> tuple[dict[int, tuple[Any, int]], dict[int, int]]:
    """Record the backward from the result.

    Returns:
        id of a leaf -> (the leaf, value of its gradient); value of a gradient -> value it is the gradient by.
    """
    order, leaves, careful = collect((result._node,))
    if careful and any(node.hooks is not None for node in order):
        raise Untraceable("a hook on a tensor inside")
    shown = recorder.payload(result)
    held: dict[Any, Any] = {result._node: wrap(recorder.constant(np.ones(shown.shape, shown.np_dtype)))}
    cotangents: dict[int, int] = {}
    for node in order:
        g = held.pop(node, None)
        if g is None:
            continue
        if node.__class__ is Port:
            parent: Any = node.parent
            several = held.setdefault(parent, [None] * len(parent.outputs))
            before = several[node.output]
            several[node.output] = g if before is None else before + g
            continue
        if id(node) in made and node.nout == 1:
            cotangents.setdefault(recorder.payload(g).index, made[id(node)][1])
        values = node.apply((g,) if node.nout == 1 else tuple(g), True)
        for edge, value in zip(node.edges, values, strict=True):
            if edge is not None and value is not None:
                held[edge] = value if edge not in held else held[edge] + value
    ends = {}
    for leaf in leaves:
        if leaf.__class__ is AccumulateGrad and leaf in held:
            variable: Any = leaf.variable
            index = recorder.payload(held[leaf]).index
            ends[id(variable)] = variable, index
            cotangents.setdefault(index, recorder.payload(variable).index)
    return ends, cotangents


def _recorded(
    function: Any, example: Any, recorder: Recorder, copies: list[Any], ends: dict[int, tuple[Any, int]],
    cotangents: dict[int, int], value: int, start: int, call: Callable[[], Any],
) -> Recorded:  # fmt: skip
    names = _Unique()
    given = _argument_names(function, example)
    arguments: list[Argument] = []
    gradients: list[int | None] = []
    outside = {id(t): name for name, t in _outside(function)}
    by_tensor = {id(t): recorder.payloads[id(t)][1].index for t in copies}
    known = {source.number: source for source in recorder.sources}
    order = [(t, given[k]) for k, t in enumerate(copies)]
    order += [
        (source.tensor, outside.get(id(source.tensor), "w"))
        for source in recorder.sources
        if id(source.tensor) not in by_tensor
    ]
    for t, name in order:
        number = by_tensor.get(id(t))
        if number is None:
            number = next(n for n, source in known.items() if source.tensor is t)
        wanted = id(t) in ends or (id(t) in by_tensor and t._req)
        arguments.append(Argument(names(name), number, known[number].array, wanted))
        if wanted:
            gradients.append(ends[id(t)][1] if id(t) in ends else None)
    shown = {id(known[by_tensor[id(t)]].array) for t in copies}
    marks = {r: k >= start for k, step in enumerate(recorder.instructions) for r in step.results}
    called = {
        step.results[0]: found
        for step in recorder.instructions[:start]
        if len(step.results) == 1 and (found := target_of(step.code, step.lasti))
    }
    called = _last_of_each(recorder.instructions[:start], called)
    graph = Graph(
        list(recorder.instructions),
        [source.number for source in recorder.sources],
        dict(recorder.constants),
        {n: (held, d) for n, (_, held, d) in recorder.scalars.items()},
        [value, *[n for n in gradients if n is not None]],
        recorder.types(),
        [],
    )
    graph = prune(simplify(graph))
    for step in graph.steps:
        if step.effect:
            where = place(step.code, step.lasti)
            raise Unsupported(
                f"source(): random numbers are drawn at {where.file}:{where.line} "
                f"({where.text.strip()}), which a file of NumPy code cannot repeat"
            )
    read = {n for step in graph.steps for n in step.reads()} | set(graph.roots())
    arguments = [a for a in arguments if a.wanted or a.value in read or id(a.array) in shown]
    split = sum(not marks.get(step.results[0], True) for step in graph.steps)
    named = {graph.of(n): name for n, name in called.items()}
    turned: dict[int, int] = {}
    for n, by in cotangents.items():
        turned.setdefault(graph.of(n), graph.of(by))
    return Recorded(
        _function_name(function), graph, arguments, graph.of(value),
        [None if n is None else graph.of(n) for n in gradients], split, named, turned, _text(function),
        [source.array for source in recorder.sources], call,
    )  # fmt: skip


def _last_of_each(steps: list[Any], called: dict[int, str]) -> dict[int, str]:
    """Names only for the last value that each run of a statement makes."""
    last: dict[Any, int] = {}
    found = dict(called)
    for step in steps:
        spot = step.code, step.lasti
        before = last.get(spot)
        if before is not None and before in step.reads():
            found.pop(before, None)
        if len(step.results) == 1:
            last[spot] = step.results[0]
    return found


class _Unique:
    """Makes names that are Python identifiers and differ."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, name: str) -> str:
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "x"
        name = f"x{name}" if name[0].isdigit() else name
        found, k = name, 2
        while found in self.taken:
            found = f"{name}_{k}"
            k += 1
        self.taken.add(found)
        return found


def _argument_names(function: Any, example: Sequence[Any]) -> list[str]:
    """A name for each tensor among the arguments."""
    target = type(function).forward if isinstance(function, Module) else function
    try:
        parameters = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        parameters = []
    if isinstance(function, Module):
        parameters = parameters[1:]
    found: list[str] = []
    for k, argument in enumerate(example):
        name = parameters[k] if k < len(parameters) else f"x{k}"
        inside = [t for t in tree.flatten(argument)[0] if isinstance(t, TensorBase)]
        if isinstance(argument, TensorBase):
            found.append(name)
        elif isinstance(argument, dict):
            keys = [key for key, t in argument.items() if isinstance(t, TensorBase)]
            found += keys if len(keys) == len(inside) else [f"{name}{j}" for j in range(len(inside))]
        else:
            found += [f"{name}{j}" for j in range(len(inside))]
    return found


def _outside(function: Any) -> list[tuple[str, Any]]:
    """Tensors that a function can see without being given them, with names."""
    found: list[tuple[str, Any]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, TensorBase):
            found.append((name, value))
        elif isinstance(value, Module):
            for inner, p in [*value.named_parameters(), *value.named_buffers()]:
                found.append((inner, p))
        elif isinstance(value, (list, tuple)):
            for k, item in enumerate(value):
                add(f"{name}{k}", item)
        elif isinstance(value, dict):
            for key, item in value.items():
                add(str(key), item)

    if isinstance(function, Module):
        add("", function)
        return found
    code = getattr(function, "__code__", None)
    if code is not None:
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            add(name, cell.cell_contents)
        for name in code.co_names:
            if name in function.__globals__:
                add(name, function.__globals__[name])
    return found


def _function_name(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "f" if name == "<lambda>" or not name.isidentifier() else name


def _text(function: Any) -> str:
    try:
        return inspect.getsource(type(function) if isinstance(function, Module) else function)
    except (OSError, TypeError):
        return ""
