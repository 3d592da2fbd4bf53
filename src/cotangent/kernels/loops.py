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
    call.count, call.grain   the index space; call.cost the time for an element, about

`steps(plan, addresses)` makes `runtime.Step`s of it; `run(plan, arrays, scalars)` runs it at once. Kernels
are named by structure (types, classes of strides, the expression), never by sizes, so that new shapes reuse
code. Results depend on shapes alone, not on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import jit, nest_ir, runtime
from .nest import Nest, Pass
from .scalar import Body, needed, widest
from .vectors import ITEMSIZE

__all__ = ["Body", "Call", "Loop", "Operand", "Pass", "Plan", "kind_of", "lower", "run", "steps"]

# Elements of a cheap expression that are worth a chunk of their own, and the most chunks.
_CHUNK: Final = 16384
_CHUNKS: Final = 128

_KINDS: Final = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32",
    "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b1",
}  # fmt: skip
_known: Final[dict[Any, str | None]] = {}


def kind_of(dtype: Any) -> str | None:
    """The name that kernels have for a NumPy dtype, or None if they do not know it.

    Args:
        dtype: a NumPy dtype.

    Returns:
        "f32" and so on.
    """
    found = _known.get(dtype, "")
    if found == "":  # the name of a dtype is put together anew each time
        found = _known[dtype] = _KINDS.get(dtype.name)
    return found


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
    cost: int = 1


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
    if not runtime.ready():
        raise RuntimeError("no machine code can be generated: llvmlite is not usable here")
    plan = Plan()
    if not loop.axes:
        if all(loop.shape):
            plan.calls.append(_elementwise(loop))
    else:
        _reduction(loop, plan)
    known = scalars if isinstance(scalars, Mapping) else dict(enumerate(scalars))
    for call in plan.calls:
        put(call.numbers, call.scalars, known)
    return plan


def put(numbers: NDArray[np.int64], slots: Mapping[int, int], scalars: Mapping[int, float]) -> None:
    """Put the values of a body's numbers where a kernel reads them.

    Args:
        numbers: of a call.
        slots: its `scalars`.
        scalars: value by number; those that are missing are left as they are.
    """
    floats = numbers.view(np.float64)
    for i, slot in slots.items():
        if i in scalars:
            value = scalars[i]
            if isinstance(value, float):
                floats[slot] = value
            else:
                numbers[slot] = value


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
        numbers = call.numbers
        if scalars and call.scalars:
            # A plan may be run by several threads at once, with other values.
            numbers = numbers.copy()
            put(numbers, call.scalars, scalars)
        runtime.launch_packed(
            call.kernel, call.count, call.grain, numbers, [buffers[b] for b in call.buffers]
        )


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


# Operations that take many instructions: they leave little to gain from more lanes, and little registers.
_HEAVY: Final = frozenset(
    (
        "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sigmoid", "tanh", "erf", "sin", "cos",
        "tan", "pow", "lgamma",
    )
)  # fmt: skip


def _lanes(body: Body, length: int, *, reducing: bool = False, columns: bool = False) -> int:
    """Elements at once: one register, or several where a reduction waits for its own last addition.

    Columns that little is done with are taken by half the registers, as rows are read in longer runs.
    """
    natural = max(jit.host().vector_bytes // max(widest(body), 2), 2)
    if reducing and not any(node[0] in _HEAVY for node in body.nodes):
        natural *= jit.host().registers // 2 if columns and len(body.nodes) <= 4 else 4
    while natural > 4 and natural // 2 >= length:
        natural //= 2
    return natural


def _numbers(
    inner: int,
    outer: Sequence[int],
    segments: Sequence[int],
    strides: Sequence[Sequence[int]],
    operands: Sequence[tuple[str, str]],
) -> list[int]:
    """The numbers of a nest but for the last ones; strides are along outer, segment, innermost dimension."""
    numbers = [inner, *outer[1:], *segments]
    for (_, sort), own in zip(operands, strides):
        numbers += own if sort == "s" else own[:-1]
    return numbers


def _elementwise(loop: Loop) -> Call:
    """One flat kernel."""
    outputs = [operand for operand, _ in loop.passes[0].stores]
    sizes, strides, _ = collapsed(
        loop.shape, [o.strides for o in loop.operands], [0] * len(loop.shape), outputs[0]
    )
    if not sizes:
        sizes, strides = [1], [[1] for _ in loop.operands]
    operands = tuple((o.dtype, _sort(s[-1])) for o, s in zip(loop.operands, strides))
    lanes = _lanes(loop.body, sizes[-1])
    structure = Nest("flat", len(sizes) - 1, 0, operands, loop.body, loop.passes, (), lanes)
    numbers = _numbers(sizes[-1], sizes[:-1], (), strides, operands)
    return call(structure, tuple(range(len(operands))), numbers, prod(sizes), 1)


# Fewer parallel indices than this, and the reduced dimensions are cut as well.
_PARTS: Final = 32
_STRETCH: Final = 1 << 17
_STRETCHES: Final = 64


def _reduction(loop: Loop, plan: Plan, whole: bool = False) -> None:
    """The kernels of a loop that reduces; `whole`: in one stage."""
    reduced = {axis % len(loop.shape) for axis in loop.axes} if loop.shape else set()
    if not all(loop.shape[d] for d in range(len(loop.shape)) if d not in reduced):
        return
    # What is read or written in every element decides the order of the dimensions.
    lead = max(range(len(loop.operands)), key=lambda i: (sum(s != 0 for s in loop.operands[i].strides), -i))
    sizes, strides, groups = collapsed(
        loop.shape,
        [o.strides for o in loop.operands],
        [int(d in reduced) for d in range(len(loop.shape))],
        lead,
    )
    kept = [d for d in range(len(sizes)) if not groups[d]]
    gone = [d for d in range(len(sizes)) if groups[d]]
    if not gone:
        # A dimension of one element, so that there is something to pass over.
        sizes, strides = [*sizes, prod(loop.shape[d] for d in reduced)], [[*s, 0] for s in strides]
        gone = [len(sizes) - 1]
    columns = bool(kept) and kept[-1] > gone[-1]
    inner = kept.pop() if columns else gone.pop()
    # The largest first: it is the one that is cut.
    gone.sort(key=lambda d: -sizes[d])
    shape = _Shape(sizes, strides, kept, gone, inner, columns)
    parallel = prod(sizes[d] for d in kept) * (-(-sizes[inner] // 64) if columns else 1)
    length = prod(sizes[d] for d in gone) * (1 if columns else sizes[inner])
    cut = gone[0] if gone else inner
    simple = len(loop.passes) == 1 and not any(how.startswith("arg") for how, _ in loop.passes[0].reductions)
    chunks = parallel * length * (64 if columns else 1) // _CHUNK
    parts = 1
    if simple and not whole:
        # Columns are passed over for a stretch of rows at a time, which stays in the cache for the next ones;
        # so many rows that the sums of stretches are few beside what is added up.
        stretches = min(prod(sizes) // _STRETCH, length // _STRETCHES) if columns else 0
        parts = min(max(_PARTS // parallel, min(stretches, _STRETCHES)), chunks, sizes[cut])
    if parts < 2:
        plan.calls.append(_reduce_whole(loop, shape))
    else:
        _reduce_in_parts(loop, shape, plan, parts, cut)


@dataclass(slots=True)
class _Shape:
    """A reduction's dimensions in order: which are kept, reduced, innermost."""

    sizes: list[int]
    strides: list[list[int]]
    kept: list[int]
    gone: list[int]
    inner: int
    columns: bool

    def nest(self, loop: Loop, finish: tuple[tuple[int, int], ...], types: list[str], split: bool) -> Nest:
        """The structure that passes over these dimensions."""
        operands = tuple((kind, _sort(s[self.inner])) for kind, s in zip(types, self.strides))
        return Nest(
            "columns" if self.columns else "rows",
            len(self.kept) + split,
            len(self.gone),
            operands,
            loop.body,
            loop.passes,
            finish,
            _lanes(
                loop.body,
                self.sizes[self.inner],
                reducing=True,
                columns=self.columns and len(loop.passes) == 1,
            ),
            split,
        )

    def call(self, structure: Nest, extra: Sequence[int], part: int = 0, cut: int = -1) -> Call:
        """Its call; `part` is the size of the parts that dimension `cut` is cut into."""
        sizes = list(self.sizes)
        outer = [sizes[d] for d in self.kept]
        along = [*self.kept, *self.gone, self.inner]
        strides = [[own[d] for d in along] for own in self.strides]
        if structure.split:
            # Along the parts the scratch buffers come one after the other.
            outer.insert(0, -(-sizes[cut] // part))
            for own, full in zip(strides, self.strides):
                own.insert(0, full[cut] * part)
            sizes[cut] = part
        numbers = _numbers(
            sizes[self.inner], outer, [sizes[d] for d in self.gone], strides, structure.operands
        )
        count = prod(outer)
        each = prod(sizes[d] for d in self.gone)
        if self.columns:
            count *= -(-sizes[self.inner] // structure.lanes)
            each *= structure.lanes
        else:
            each *= sizes[self.inner]
        return call(structure, tuple(range(len(strides))), [*numbers, *extra], count, each)


def _reduce_whole(loop: Loop, shape: _Shape) -> Call:
    """One kernel, whose rows (or columns) are not cut."""
    types = [o.dtype for o in loop.operands]
    return shape.call(shape.nest(loop, loop.finish, types, False), ())


def _reduce_in_parts(loop: Loop, shape: _Shape, plan: Plan, parts: int, cut: int) -> None:
    """Partial results into scratch buffers, and a second kernel that puts them together."""
    work = loop.passes[0]
    sizes = shape.sizes
    first = len(loop.operands)
    part = -(-sizes[cut] // parts)
    parts = -(-sizes[cut] // part)
    # Scratch: [parts, kept dimensions in order], of the type that is computed in.
    kept = [*shape.kept, *([shape.inner] if shape.columns else [])]
    inside: dict[int, int] = {}
    stride = 1
    for d in reversed(kept):
        inside[d] = stride
        stride *= sizes[d]
    body = loop.body.copy()
    kinds = [body.kind(ref) for _, ref in work.reductions]
    rows = tuple(body.row(i, kind) for i, kind in enumerate(kinds))
    scratch = tuple(range(first, first + len(kinds)))
    own = [inside.get(d, 0) for d in range(len(sizes))]
    partial = _Shape(
        sizes, [*shape.strides, *([*own] for _ in kinds)], shape.kept, shape.gone, shape.inner, shape.columns
    )
    inner_loop = Loop(loop.shape, loop.operands, body, (work,), loop.axes)
    structure = partial.nest(
        inner_loop, tuple(zip(scratch, rows)), [*(o.dtype for o in loop.operands), *kinds], True
    )
    made = partial.call(structure, (sizes[cut],), part, cut)
    outer = len(structure.operands) - len(kinds)
    _set_part_stride(structure, made, range(outer, outer + len(kinds)), stride)
    plan.scratch += [parts * stride * ITEMSIZE[kind] for kind in kinds]
    plan.calls.append(made)
    # The second stage: over [parts, kept], with what `finish` reads and writes as further operands.
    second = Body()
    values = [second.input(i, kind) for i, kind in enumerate(kinds)]
    moved, refs = _transplanted(loop, second, len(kinds))
    combined = Loop(
        (parts, *(sizes[d] for d in kept)),
        (
            *(Operand(kind, (stride, *(inside[d] for d in kept))) for kind in kinds),
            *(Operand(loop.operands[o].dtype, (0, *(shape.strides[o][d] for d in kept))) for o in moved),
        ),
        second,
        (Pass(reductions=tuple((how, v) for (how, _), v in zip(work.reductions, values))),),
        (0,),
        refs,
    )
    before = len(plan.calls)
    _reduction(combined, plan, whole=True)
    names = (*scratch, *moved)
    for later in plan.calls[before:]:
        later.buffers = tuple(names[b] for b in later.buffers)


def _set_part_stride(structure: Nest, made: Call, operands: Sequence[int], stride: int) -> None:
    """Put the scratch buffers' stride along the parts into the numbers."""
    at = 1 + structure.outer - 1 + structure.segments
    for i, (_, sort) in enumerate(structure.operands):
        if i in operands:
            made.numbers[at] = stride
        at += structure.outer + structure.segments + (sort == "s")


def _transplanted(loop: Loop, body: Body, first: int) -> tuple[list[int], tuple[tuple[int, int], ...]]:
    """What `finish` needs, copied into another body: the operands it uses, and its pairs there."""
    used: list[int] = []

    def place(operand: int) -> int:
        if operand not in used:
            used.append(operand)
        return first + used.index(operand)

    copies: dict[int, int] = {}
    for position in needed(loop.body, [ref for _, ref in loop.finish]):
        name, kind, *rest = loop.body.nodes[position]
        if name == "in":
            copies[position] = body.input(place(rest[0]), kind)
        elif name in ("num", "const", "row"):
            copies[position] = body.leaf(name, kind, *rest)
        else:
            copies[position] = body.leaf(name, kind, *(copies[r] for r in rest))
    return used, tuple((place(operand), copies[ref]) for operand, ref in loop.finish)


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
    kernel = jit.function(structure.name(), lambda: nest_ir.module(structure))
    cost = cost_of(structure.body)
    return Call(kernel, buffers, np.array(numbers, np.int64), slots, count, grain(count, each, cost), cost)


def cost_of(body: Body) -> int:
    """Time for an element, about; 1 for cheap operations."""
    return 1 + 4 * sum(node[0] in _HEAVY for node in body.nodes)


def grain(count: int, each: int, cost: int = 1) -> int:
    """How many indices make a chunk.

    Args:
        count: indices.
        each: elements per index.
        cost: time for an element, about; 1 for cheap operations.

    Returns:
        The grain.
    """
    chunk = max(_CHUNK // (each * cost or 1), -(-count // _CHUNKS), 1)
    if each == 1:
        # Whole vectors and cache lines.
        chunk = -(-chunk // 1024) * 1024
    return chunk
