"""Tracing at several sizes: which numbers of a program depend on the sizes of its inputs, and how.

A trace knows no symbols; its shapes are plain integers. So the function is traced once at the sizes of the
example and then with other sizes along each dynamic dimension. The traces must be the same up to numbers, and
every number that changes is fitted: `constant + factor * product of sizes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np

from ..autograd.base import new, world
from ..autograd.modes import modes, no_grad
from ..autograd.where import here, place
from ..compile.tape import Instruction, Tape
from ..compile.value import Value, operand
from ..random import default_generator
from .errors import OnnxExporterError, UnsupportedOperatorError

# A dynamic dimension: (number of the input, dimension) -> its name.
Dynamic = Mapping[tuple[int, int], str]


class Size(NamedTuple):
    """constant + factor * the product of the named sizes."""

    base: int  # at the sizes of the first trace
    constant: int
    factor: Fraction
    names: tuple[str, ...]


class Varying(NamedTuple):
    """Something that depends on the sizes in no way that was found; or arrays of several shapes."""

    seen: tuple[Any, ...]


class Traced(NamedTuple):
    """A trace whose numbers may be sizes.

    Attributes:
        steps: instructions; those of the first trace.
        statics: per instruction its statics, with sizes.
        shapes: the shape of each value by number, with sizes.
        dtypes: its NumPy dtype.
        inputs: numbers of the inputs.
        parameters: number -> (name, array) of the module's parameters and buffers.
        arrays: number -> array, or `Varying` arrays, of what the function closed over.
        outputs: numbers of the outputs.
        symbols: name -> (number of the input, dimension) it is read from.
    """

    steps: list[Instruction]
    statics: list[dict[str, Any]]
    shapes: dict[int, tuple[Any, ...]]
    dtypes: dict[int, Any]
    inputs: list[int]
    parameters: dict[int, tuple[str, Any]]
    arrays: dict[int, Any]
    outputs: list[int]
    symbols: dict[str, tuple[int, int]]


class _Run(NamedTuple):
    tape: Tape
    sizes: dict[str, int]


def traced(
    call: Callable[[list[Any]], Sequence[Any]],
    tensors: Sequence[Any],
    parameters: Sequence[tuple[str, Any]],
    dynamic: Dynamic,
) -> Traced:
    """Trace `call` on tensors like these.

    Args:
        call: takes tensors and returns a list of tensors.
        tensors: the example's tensors.
        parameters: names and tensors that are inputs of the graph, too.
        dynamic: which dimensions may have other sizes.

    Raises:
        OnnxExporterError: if the program is another one at other sizes, or draws random numbers.
    """
    symbols: dict[str, tuple[int, int]] = {}
    example: dict[str, int] = {}
    for (number, dim), name in dynamic.items():
        size = tensors[number].shape[dim]
        if example.setdefault(name, size) != size:
            raise OnnxExporterError(f"the dimensions named {name!r} have different sizes in the example")
        symbols.setdefault(name, (number, dim))

    def run(sizes: dict[str, int]) -> _Run:
        shapes = [
            tuple(sizes[dynamic[k, d]] if (k, d) in dynamic else n for d, n in enumerate(t.shape))
            for k, t in enumerate(tensors)
        ]
        return _Run(_trace(call, tensors, shapes, parameters), sizes)

    runs = [run({name: max(size, 2) for name, size in example.items()})]
    for name in example:
        runs += _others(run, runs[0], name)
    if len(example) > 1:
        together = {
            name: next(r.sizes[name] for r in runs if r.sizes[name] != runs[0].sizes[name])
            for name in example
        }
        runs.append(_alike(runs[0], run(together)))
    return _merged(runs, parameters, symbols)


def _others(run: Callable[[dict[str, int]], _Run], first: _Run, name: str) -> list[_Run]:
    """Two traces with other sizes along one dimension."""
    found: list[_Run] = []
    failure: Exception | None = None
    size = first.sizes[name]
    for other in dict.fromkeys((2 * size, size // 2, 3 * size, size // 4, size - 1, size - 2, size + 1)):
        if other < 2 or other == size:
            continue
        try:
            found.append(_alike(first, run({**first.sizes, name: other})))
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
            failure = failure or error
            continue
        if len(found) == 2:
            return found
    raise OnnxExporterError(
        f"the dimension {name!r} cannot be dynamic: with another size than {size} the module fails or is "
        f"another program ({failure})"
    ) from failure


def _trace(
    call: Callable[[list[Any]], Sequence[Any]],
    tensors: Sequence[Any],
    shapes: Sequence[tuple[int, ...]],
    parameters: Sequence[tuple[str, Any]],
) -> Tape:
    tape = Tape()
    lifted = [_lifted(tape, t, shape) for t, shape in zip(tensors, shapes)]
    kept = [(t, t._data) for _, t in parameters]
    random = default_generator.get_state()
    try:
        for t, _ in kept:
            _lift(tape, t, t, tuple(t.shape))
        with no_grad():
            results = call(lifted)
        for result in results:
            payload = result._data
            number = operand(tape, payload.fresh() if isinstance(payload, Value) else payload)
            assert number is not None
            tape.outputs.append(number)
        if not default_generator.get_state().equal(random):
            default_generator.set_state(random)
            _find_the_draw(call, lifted)
    finally:
        default_generator.set_state(random)
        for t, payload in kept:
            t._data = payload
    return tape


def _lift(tape: Tape, t: Any, like: Any, shape: tuple[int, ...]) -> Any:
    data = like._data
    if not isinstance(data, np.ndarray):
        raise OnnxExporterError(f"a tensor of layout {like.layout} cannot be exported")
    value = Value(tape, tape.fresh(), shape, data.dtype)
    tape.inputs.append((value.index, value.shape, value.np_dtype))
    t._data = value
    return t


def _lifted(tape: Tape, like: Any, shape: tuple[int, ...]) -> Any:
    t = new(world.Tensor)
    t._req = False
    t._node = t._vc = t._view = t._cut = None
    return _lift(tape, t, like, shape)


class _NoDraws:
    """Stands where the compiler's recorder stands, and says where random numbers are drawn."""

    def __getattr__(self, name: str) -> Any:
        where = place(*here())
        raise UnsupportedOperatorError(
            f"{where.file}:{where.line} draws random numbers, which has no translation to ONNX "
            f"({where.text.strip()})"
        )


def _find_the_draw(call: Callable[[list[Any]], Sequence[Any]], lifted: list[Any]) -> None:
    modes.tracer = _NoDraws()
    try:
        call(lifted)
    finally:
        modes.tracer = None


# -- comparing traces --------------------------------------------------------------------------------------


def _alike(first: _Run, other: _Run) -> _Run:
    """The other run, if it is the same program as the first."""
    for a, b in zip(first.tape.instructions, other.tape.instructions):
        if a.op is not b.op or a.operands != b.operands or a.results != b.results:
            spot = place(a.code, a.lasti)
            raise OnnxExporterError(f"{spot.file}:{spot.line} does other things with other sizes")
    if len(first.tape.instructions) != len(other.tape.instructions):
        raise OnnxExporterError("it has another number of operations with other sizes")
    if first.tape.outputs != other.tape.outputs:
        raise OnnxExporterError("it has other outputs with other sizes")
    return other


def _merged(
    runs: Sequence[_Run], parameters: Sequence[tuple[str, Any]], symbols: dict[str, tuple[int, int]]
) -> Traced:
    first = runs[0].tape
    sizes = [r.sizes for r in runs]
    tapes = [r.tape for r in runs]
    shapes: dict[int, tuple[Any, ...]] = {}
    kinds: dict[int, Any] = {}
    for entries in zip(*(t.inputs for t in tapes)):
        shapes[entries[0][0]] = _fit([e[1] for e in entries], sizes)
        kinds[entries[0][0]] = entries[0][2]
    arrays: dict[int, Any] = {}
    for entries in zip(*(t.bound for t in tapes)):
        number, array = entries[0]
        kinds[number] = getattr(array, "np_dtype", array.dtype)
        shapes[number] = _fit([tuple(e[1].shape) for e in entries], sizes)
        same = all(e[1] is array or _equal(e[1], array) for e in entries)
        arrays[number] = array if same else Varying(tuple(e[1] for e in entries))
    statics = []
    for steps in zip(*(t.instructions for t in tapes)):
        step = steps[0]
        statics.append(
            {name: _fit([s.statics[k] for s in steps], sizes) for k, name in enumerate(step.op.statics)}
        )
        for k, number in enumerate(step.results):
            shapes[number] = _fit([s.shapes[k] for s in steps], sizes)
            kinds[number] = step.dtypes[k]
    lifted = [number for number, _, _ in first.inputs]
    inputs = lifted[: len(lifted) - len(parameters)]
    named = zip(lifted[len(inputs) :], parameters)
    return Traced(
        first.instructions, statics, shapes, kinds, inputs, {n: (name, t._data) for n, (name, t) in named},
        arrays, first.outputs, symbols,
    )  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    return bool(
        a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    )


def _fit(seen: list[Any], sizes: list[dict[str, int]]) -> Any:
    """One thing for what the runs have: integers that change become sizes."""
    first = seen[0]
    if all(s is first for s in seen):
        return first
    if isinstance(first, (tuple, list)) and all(type(s) is type(first) for s in seen):
        if any(len(s) != len(first) for s in seen):
            return Varying(tuple(seen))
        return tuple(_fit([s[k] for s in seen], sizes) for k in range(len(first)))
    if isinstance(first, int) and not isinstance(first, bool):
        return first if all(s == first for s in seen) else _size(seen, sizes)
    try:
        return first if all(bool(s == first) for s in seen) else Varying(tuple(seen))
    except ValueError:
        return Varying(tuple(seen))


def _size(seen: list[int], sizes: list[dict[str, int]]) -> Size | Varying:
    names = []
    for name in sizes[0]:
        alone = [k for k, s in enumerate(sizes) if all((s[n] != sizes[0][n]) is (n == name) for n in s)]
        if any(seen[k] != seen[0] for k in alone):
            names.append(name)
    products = [math.prod(s[name] for name in names) for s in sizes]
    other = next((k for k in range(len(seen)) if products[k] != products[0]), None)
    if other is None:
        return Varying(tuple(seen))
    factor = Fraction(seen[other] - seen[0], products[other] - products[0])
    constant = seen[0] - factor * products[0]
    fits = all(constant + factor * p == v for p, v in zip(products, seen))
    if not fits or constant.denominator != 1:
        return Varying(tuple(seen))
    return Size(seen[0], int(constant), factor, tuple(names))


def integers(value: Any) -> Iterator[Any]:
    """The leaves of nested tuples."""
    if isinstance(value, (tuple, list)) and not isinstance(value, (Size, Varying)):
        for part in value:
            yield from integers(part)
    else:
        yield value


UNBOUNDED: Final = np.iinfo(np.int64).max

__all__ = ["Dynamic", "Size", "Traced", "UNBOUNDED", "Varying", "integers", "traced"]
