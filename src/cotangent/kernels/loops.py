"""Loop nests from a description: elementwise expressions, broadcasting, strides, reductions, row-wise
patterns.

How to use it (this is the interface that `compile` and the eager kernels stand on):

    body = Body()                                     # see `scalar`
    x, y = body.input(0, "f32"), body.input(1, "f32")
    z = body.op("add", body.op("mul", x, body.number(0, "f32")), y)
    loop = Loop(
        shape=(64, 1000),
        operands=(Operand("f32", (1000, 1)), Operand("f32", (0, 1)), Operand("f32", (1000, 1))),
        body=body,
        passes=(Pass(stores=((2, z),)),),             # operand 2 gets z
    )
    plan = lower(loop)

`operands` are inputs and outputs alike; an operand's strides are in elements over `shape`, 0 where it is
broadcast, and `body.input(i)` reads operand i. An output may be an input as well (in place) if element for
element the same memory.

**Reductions**: `axes` says over which dimensions; a Pass lists what it reduces, and each result is the next
*row value*, which later passes and `finish` read by `body.row(i, type)`. Operands of `finish` have stride 0
along `axes`. The sum over the last axis, times a number:

    total = body.row(0, "f32")
    Loop(shape, operands, body, passes=(Pass(reductions=(("sum", x),)),), axes=(1,),
         finish=((1, body.op("mul", total, body.number(0, "f32"))),))

Several passes (softmax: max; sum of exp; divide) need the reduced axes to be the last ones.

The `Plan` is a list of `Call`s, to be run in order with barriers in between, and sizes of scratch buffers:

    call.kernel    address of the kernel
    call.buffers   positions: operands 0..n-1, then scratch buffers
    call.numbers   int64 array, ready but for the body's numbers:
    call.scalars   {i: slot}: number i of the body belongs into numbers[slot] (a float into
                   numbers.view(float64)[slot]); given in `scalars=` of `lower` they are filled in
    call.count, call.grain   the index space

`steps(plan, addresses)` makes `runtime.Step`s of it; `run(plan, arrays, scalars)` runs it at once. Kernels
are named by structure (types, classes of strides, the expression), never by sizes, so that new shapes reuse
code. Results depend on shapes alone, not on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import jit, nest as nests, runtime
from .nest import Nest, Pass
from .scalar import Body, widest

__all__ = ["Body", "Call", "Loop", "Operand", "Pass", "Plan", "kind_of", "lower", "run", "steps"]

# Elements of a cheap expression that are worth a chunk of their own, and the most chunks.
_CHUNK: Final = 16384
_CHUNKS: Final = 128

_KINDS: Final = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32",
    "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b1",
}  # fmt: skip


def kind_of(dtype: Any) -> str | None:
    """The name that kernels have for a NumPy dtype, or None if they do not know it.

    Args:
        dtype: a NumPy dtype.

    Returns:
        "f32" and so on.
    """
    return _KINDS.get(dtype.name)


@dataclass(frozen=True, slots=True)
class Operand:
    """An array as a loop sees it.

    Attributes:
        dtype: type in memory ("f32", "bf16", ...; see `vectors`).
        strides: in elements, over the loop's shape; 0 where broadcast.
    """

    dtype: str
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """What to compute; see the module's text.

    Attributes:
        shape: of the whole index space.
        operands: inputs and outputs.
        body: the expression.
        passes: one for elementwise work and plain reductions.
        axes: the dimensions that are reduced.
        finish: pairs (operand, value), stored once per element that is kept.
    """

    shape: tuple[int, ...]
    operands: tuple[Operand, ...]
    body: Body
    passes: tuple[Pass, ...]
    axes: tuple[int, ...] = ()
    finish: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Call:
    """One kernel with what it is called with."""

    kernel: int
    buffers: tuple[int, ...]
    numbers: NDArray[np.int64]
    scalars: dict[int, int]
    count: int
    grain: int


@dataclass(slots=True)
class Plan:
    """Calls in order, and the bytes of the scratch buffers they need."""

    calls: list[Call] = field(default_factory=list)
    scratch: list[int] = field(default_factory=list)


def lower(loop: Loop, scalars: Sequence[float] | Mapping[int, float] = ()) -> Plan:
    """The kernels that compute a loop, compiled if need be.

    Args:
        loop: what to compute.
        scalars: values of the body's numbers, if known already.

    Returns:
        The plan.

    Raises:
        RuntimeError: if there is no machine code here.
    """
    plan = Plan()
    if not all(loop.shape) and not loop.axes:
        return plan
    if not loop.axes:
        plan.calls.append(_elementwise(loop))
    else:
        raise NotImplementedError
    known = scalars if isinstance(scalars, Mapping) else dict(enumerate(scalars))
    for call in plan.calls:
        fill(call, known)
    return plan


def fill(call: Call, scalars: Mapping[int, float]) -> None:
    """Put the values of a body's numbers into a call.

    Args:
        call: the call.
        scalars: value by number.
    """
    floats = call.numbers.view(np.float64)
    for i, slot in call.scalars.items():
        if i in scalars:
            value = scalars[i]
            if isinstance(value, float):
                floats[slot] = value
            else:
                call.numbers[slot] = value


def steps(plan: Plan, addresses: Sequence[int]) -> list[runtime.Step]:
    """A plan as steps of a program.

    Args:
        plan: the plan.
        addresses: of the operands, then of the scratch buffers.

    Returns:
        The steps; their numbers are the calls' own arrays.
    """
    return [
        runtime.Step(c.kernel, [addresses[b] for b in c.buffers], c.numbers, c.count, c.grain)
        for c in plan.calls
    ]


def run(plan: Plan, arrays: Sequence[Any], scalars: Mapping[int, float] | None = None) -> None:
    """Run a plan now.

    Args:
        plan: the plan.
        arrays: the operands.
        scalars: values of the body's numbers, if they are not in the plan yet.
    """
    buffers = [*arrays, *(np.empty(size, np.uint8) for size in plan.scratch)]
    for call in plan.calls:
        if scalars:
            fill(call, scalars)
        chosen = [buffers[b] for b in call.buffers]
        runtime.launch_packed(call.kernel, call.count, call.grain, chosen, call.numbers)


def collapsed(
    shape: Sequence[int], strides: Sequence[Sequence[int]], groups: Sequence[int], lead: int
) -> tuple[list[int], list[list[int]], list[int]]:
    """Fewer dimensions that walk the same elements.

    Args:
        shape: sizes.
        strides: for each operand.
        groups: a number for each dimension; only dimensions of equal number are merged.
        lead: the operand whose order in memory the dimensions are put in.

    Returns:
        Sizes, strides by operand, and groups, of what is left.
    """
    order = [d for d in range(len(shape)) if shape[d] != 1]
    order.sort(key=lambda d: (-abs(strides[lead][d]), -max(abs(s[d]) for s in strides)))
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    left: list[int] = []
    for d in order:
        if sizes and left[-1] == groups[d] and all(k[-1] == s[d] * shape[d] for k, s in zip(kept, strides)):
            sizes[-1] *= shape[d]
            for k, s in zip(kept, strides):
                k[-1] = s[d]
        else:
            sizes.append(shape[d])
            left.append(groups[d])
            for k, s in zip(kept, strides):
                k.append(s[d])
    return sizes, kept, left


def _sort(stride: int) -> str:
    return "c" if stride == 1 else "b" if stride == 0 else "s"


def _lanes(body: Body) -> int:
    return max(jit.host().vector_bytes // max(widest(body), 2), 2)


def _elementwise(loop: Loop) -> Call:
    """One flat kernel."""
    outputs = [operand for operand, _ in loop.passes[0].stores]
    sizes, strides, _ = collapsed(
        loop.shape, [o.strides for o in loop.operands], [0] * len(loop.shape), outputs[0]
    )
    if not sizes:
        sizes, strides = [1], [[1] for _ in loop.operands]
    operands = tuple((o.dtype, _sort(s[-1])) for o, s in zip(loop.operands, strides))
    structure = Nest("flat", len(sizes) - 1, 0, operands, loop.body, loop.passes, (), _lanes(loop.body))
    numbers: list[int] = [sizes[-1], *sizes[1:-1]]
    for (_, sort), own in zip(operands, strides):
        numbers += own[:-1]
        if sort == "s":
            numbers.append(own[-1])
    return call(structure, tuple(range(len(operands))), numbers, int(np.prod(sizes)), 1)


def call(structure: Nest, buffers: tuple[int, ...], numbers: list[int], count: int, each: int) -> Call:
    """A call of a nest's kernel.

    Args:
        structure: the nest.
        buffers: what it is called with.
        numbers: its numbers, without the body's.
        count: its index space.
        each: elements per index.

    Returns:
        The call, with the body's numbers to be filled in.
    """
    slots: dict[int, int] = {}
    for i, _ in sorted(structure.body.leaves("num"), key=lambda leaf: leaf[1] in ("f32", "f64")):
        slots[i] = len(numbers)
        numbers.append(0)
    kernel = jit.function(structure.name(), lambda: nests.module(structure))
    return Call(
        kernel, buffers, np.array(numbers, np.int64), slots, count, grain(count, each, structure.body)
    )


def grain(count: int, each: int, body: Body) -> int:
    """How many indices make a chunk.

    Args:
        count: indices.
        each: elements per index.
        body: what is computed of an element.

    Returns:
        The grain.
    """
    chunk = max(_CHUNK // max(each, 1), -(-count // _CHUNKS), 1)
    if each == 1:
        # Whole vectors and cache lines.
        chunk = -(-chunk // 1024) * 1024
    return chunk
