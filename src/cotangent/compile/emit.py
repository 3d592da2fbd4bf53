"""Units as steps of generated kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..config import settings
from ..kernels import loops, rows, runtime
from ..kernels.contract_fusion import Fusion, Source
from ..kernels.contract_gemm import Gemm, Layout, plan_gemm
from ..kernels.contract_plan import machine, steps as contract_steps
from ..kernels.scalar import Body
from ..kernels.vectors import ITEMSIZE, compute_type
from .fuse import LoopUnit, ProductUnit, SpecialUnit, restrided
from .ir import HALVES, Base, Const, Reduce, Special, Val, dense


@dataclass(frozen=True, eq=False, slots=True)
class Spot:
    """Where a step finds a buffer: a base, and bytes into it; or scratch memory (base None)."""

    base: Base | None
    offset: int


@dataclass(eq=False, slots=True)
class Emitted:
    """Steps whose buffers are spots, and the bytes of scratch memory they share.

    Attributes:
        flops: of products; multiply-adds count two.
        nbytes: read and written.
    """

    steps: list[tuple[runtime.Step, list[Spot]]]
    scratch: int
    flops: float
    nbytes: float


class Expression:
    """A body made of nodes.

    Args:
        first: number of the first input.
    """

    def __init__(self) -> None:
        self.body = Body()
        self.refs: dict[int, int] = {}

    def node(self, node: Any, operand: Any) -> int:
        """The position of a node's value; `operand(arg)` gives those of its arguments."""
        refs: list[int] = [operand(a) for a in node.args]
        ref: int
        if node.name == "copy":
            ref = refs[0]
        elif node.name == "cast":
            ref = self.body.cast(refs[0], compute_type(node.out.kind))
            if node.out.kind in HALVES:
                ref = self.body.op(f"round_{node.out.kind}", ref)
        else:
            ref = self.body.op(node.name, *refs)
        self.refs[id(node.out)] = ref
        return ref


def emit_loop(unit: LoopUnit, stored: list[Base]) -> Emitted:
    """The steps of a fused loop nest.

    Args:
        unit: the nest.
        stored: what it makes that others need.
    """
    shape = unit.shape or (1,)
    expression = Expression()
    body = expression.body
    operands: list[loops.Operand] = []
    spots: list[Spot] = []
    known: dict[Any, int] = {}

    def operand(base: Base, strides: tuple[int, ...], offset: int) -> int:
        key = (id(base), strides, offset)
        if key not in known:
            known[key] = len(operands)
            operands.append(loops.Operand(base.kind, strides or (0,)))
            spots.append(Spot(base, offset * ITEMSIZE[base.kind]))
        return known[key]

    passes: list[tuple[list[tuple[int, int]], list[tuple[str, int]]]] = []
    row_number: dict[int, int] = {}
    # Row values are numbered in the order of passes.
    reductions = sorted(
        (node for node in unit.nodes if isinstance(node, Reduce)), key=lambda n: unit.turn[id(n.out)]
    )
    for k, node in enumerate(reductions):
        row_number[id(node.out)] = k
    count = 1 + max([unit.turn[id(n.out)] for n in unit.nodes if unit.level[id(n.out)] == "full"], default=0)
    count = max(count, 1 + max([unit.turn[id(n.out)] for n in reductions], default=0))
    passes = [([], []) for _ in range(count)]
    finish: list[tuple[int, int]] = []
    kept = unit.rows or (1,)
    need = {id(b) for b in stored}

    def value(node: Any, over: tuple[int, ...], row: bool) -> Any:
        def read(arg: Any) -> int:
            if isinstance(arg, Const):
                return body.const(arg.value, compute_type(arg.kind))
            ref = expression.refs.get(id(arg.base))
            if ref is not None:
                return ref
            onto = unit.rows if row else unit.shape
            strides = restrided(arg, over, onto)
            assert strides is not None
            if row:
                strides = tuple(0 if n == 1 else s for n, s in zip(onto, strides))
            return body.input(operand(arg.base, strides, arg.offset), compute_type(arg.kind))

        return read

    for node in unit.nodes:
        base = node.out
        if isinstance(node, Reduce):
            ref = value(node, unit.shape, False)(node.args[0])
            passes[unit.turn[id(base)]][1].append((node.how, ref))
            expression.refs[id(base)] = body.row(row_number[id(base)], base.kind)
        else:
            row = unit.level[id(base)] == "row"
            expression.node(node, value(node, base.shape, row))
    for node in unit.nodes:
        base = node.out
        if id(base) not in need:
            continue
        ref = expression.refs[id(base)]
        if unit.level[id(base)] == "full":
            at = operand(base, dense(unit.shape), 0)
            passes[unit.turn[id(base)]][0].append((at, ref))
        else:
            strides = tuple(0 if n == 1 else s for n, s in zip(kept, dense(kept)))
            finish.append((operand(base, strides, 0), ref))
    made = tuple(loops.Pass(tuple(stores), tuple(reduced)) for stores, reduced in passes)
    loop = loops.Loop(shape, tuple(operands), body, made, unit.axes or (), tuple(finish))
    plan = loops.lower(loop)
    scratch, places = 0, []
    for size in plan.scratch:
        places.append(scratch)
        scratch += -(-size // 128) * 128
    found = []
    for call in plan.calls:
        where = [spots[b] if b < len(spots) else Spot(None, places[b - len(spots)]) for b in call.buffers]
        step = runtime.Step(call.kernel, [0] * len(where), call.numbers, call.count, call.grain)
        found.append((step, where))
    size = math.prod(shape)
    moved = sum(math.prod(n for n, s in zip(shape, o.strides) if s) * ITEMSIZE[o.dtype] for o in operands)
    return Emitted(found, scratch, 0.0, float(moved))


def _matrix(val: Val, batch: tuple[int, ...]) -> tuple[Layout, int]:
    """Layout of the matrices of a value whose batch dimensions are broadcast to `batch` (two at most)."""
    strides = val.over((*batch, *val.shape[-2:]))
    outer, inner = ((0, 0), (0, strides[0] if batch else 0), strides[:2])[len(batch)]
    return Layout(strides[-2], strides[-1], outer, inner), val.offset * ITEMSIZE[val.kind]


def emit_product(unit: ProductUnit, out: Base) -> Emitted:
    """The steps of a matrix product.

    Args:
        unit: the product, with the loop behind it.
        out: what it stores.
    """
    a, b = unit.node.args
    shape = unit.node.out.shape
    batch = tuple(shape[:-2])
    m, n, k = shape[-2], shape[-1], a.shape[-1]
    a_layout, a_offset = _matrix(a, batch)
    b_layout, b_offset = _matrix(b, batch)
    c_strides = dense(shape)
    outer, inner = ((1, 1), (1, *batch), batch)[len(batch)]
    c_outer, c_inner = ((0, 0), (0, c_strides[0] if batch else 0), c_strides[:2])[len(batch)]
    # One matrix of B for all of a batch that lies in one piece: a single product.
    together = a_layout.inner == m * a_layout.rows and c_inner == m * n
    if outer == 1 and inner > 1 and not b_layout.inner and together and fits_product(unit, (m * inner, n)):
        m, inner = m * inner, 1
        a_layout, c_inner = Layout(a_layout.rows, a_layout.columns), 0
        over: tuple[int, ...] = (m, n)
    else:
        over = tuple(shape)
    spots = {"a": Spot(a.base, a_offset), "b": Spot(b.base, b_offset), "c": Spot(out, 0)}
    spots["scratch"] = Spot(None, 0)
    epilogue = None
    if unit.epilogue is not None:
        epilogue, sources = _epilogue(unit, out, over)
        for i, spot in enumerate(sources):
            spots[f"c.{i}"] = spot
    gemm = Gemm(
        m, n, k, a_layout, b_layout, Layout(n, 1, c_outer, c_inner), a.kind, out.kind, outer, inner,
        epilogue=epilogue,
    )  # fmt: skip
    plan = plan_gemm(gemm, machine(), settings.thread_count())
    found = []
    for part, step in zip(plan.parts, contract_steps(plan, dict.fromkeys(spots, 0)), strict=True):
        found.append((step, [spots[role] for role in part.roles]))
    batches = outer * inner
    size = ITEMSIZE[a.kind]
    moved = float(size * (m * k + k * n + m * n) * batches)
    return Emitted(found, plan.scratch, 2.0 * m * n * k * batches, moved)


def _epilogue(unit: ProductUnit, out: Base, over: tuple[int, ...]) -> tuple[Fusion, list[Spot]]:
    """The loop behind a product as an expression on its sums."""
    loop = unit.epilogue
    assert loop is not None
    product = unit.node.out
    expression = Expression()
    body = expression.body
    passing = body.input(0, product.kind)
    sources: list[Source] = []
    spots: list[Spot] = []
    known: dict[Any, int] = {}
    shape = tuple(product.shape)

    def source(arg: Val, strides: tuple[int, ...]) -> int:
        key = (id(arg.base), strides, arg.offset)
        if key not in known:
            known[key] = len(sources)
            lead = strides[:-2]
            outer, inner = ((0, 0), (0, *lead), lead)[len(lead)]
            sources.append(Source(arg.kind, strides[-2], strides[-1], outer, inner))
            spots.append(Spot(arg.base, arg.offset * ITEMSIZE[arg.kind]))
        return body.input(1 + known[key], compute_type(arg.kind))

    for node in loop.nodes:

        def read(arg: Any, node: Any = node) -> int:
            if isinstance(arg, Const):
                return body.const(arg.value, compute_type(arg.kind))
            if arg.base is product:
                return passing
            ref = expression.refs.get(id(arg.base))
            if ref is not None:
                return ref
            strides = restrided(arg, node.out.shape, shape)
            if strides is not None and over != shape:
                strides = restrided(Val(arg.base, shape, strides, arg.offset), shape, over)
            assert strides is not None
            return source(arg, strides)

        expression.node(node, read)
    return Fusion(body, expression.refs[id(out)], tuple(sources)), spots


def fits_product(unit: ProductUnit, over: tuple[int, ...]) -> bool:
    """Whether what the loop behind a product reads can be walked as a matrix of shape `over`."""
    loop = unit.epilogue
    shape = tuple(unit.node.out.shape)
    if loop is None:
        return True
    for node in loop.nodes:
        for a in node.args:
            if isinstance(a, Val) and a.base is not unit.node.out and id(a.base) not in loop.level:
                strides = restrided(a, node.out.shape, shape)
                if strides is None or restrided(Val(a.base, shape, strides, a.offset), shape, over) is None:
                    return False
    return True


def emit_special(unit: SpecialUnit) -> Emitted:
    """The steps of a kernel of its own."""
    node = unit.node
    out = node.out
    moved = float(2 * out.nbytes)
    if node.name == "cat":
        return Emitted(_cat(node), 0, 0.0, moved)
    if node.name == "plan":
        return _planned(node)
    if node.name == "tiles":
        return Emitted(_tiles(node), 0, 0.0, moved)
    spots = [Spot(a.base, a.offset * ITEMSIZE[a.kind]) for a in node.args]
    spots.insert(2, Spot(out, 0))
    if node.name == "gather":
        made = rows.gather(out.kind, math.prod(node.args[1].shape), out.shape[-1], node.args[0].shape[0])
    else:
        made = rows.scatter(out.kind, node.statics[0])
        moved += 2.0 * made.numbers[0] * made.numbers[1] * ITEMSIZE[out.kind]
    step = runtime.Step(made.kernel, [0] * len(spots), made.numbers, made.extent, made.grain)
    return Emitted([(step, spots)], 0, 0.0, moved)


def _planned(node: Special) -> Emitted:
    """The steps of a contraction that is planned already."""
    plan, names, result, _ = node.statics
    spots = {
        name: Spot(a.base, a.offset * ITEMSIZE[a.kind]) for name, a in zip(names, node.args, strict=True)
    }
    spots[result], spots["scratch"] = Spot(node.out, 0), Spot(None, 0)
    for name, table in plan.tables.items():
        spots[name] = Spot(Base(table.shape, "i64", dense(table.shape), "const", table), 0)
    sizes = [math.prod(a.shape) for a in node.args] + [math.prod(node.out.shape)]
    # Each of the three arrays of a convolution has two of its three extents (but for the border).
    flops = 2.0 * math.sqrt(math.prod(sizes) * math.prod(node.statics[3]))
    made = contract_steps(plan, dict.fromkeys(spots.keys() - plan.tables.keys(), 0))
    found = [
        (step, [spots[role] for role in part.roles]) for part, step in zip(plan.parts, made, strict=True)
    ]
    return Emitted(found, plan.scratch, flops, float(node.out.nbytes))


def _tiles(node: Special) -> list[tuple[runtime.Step, list[Spot]]]:
    """The cotangent of maxima over windows that tile an image: it goes where the index says."""
    (window,) = node.statics
    g, index = node.args
    out = node.out
    n = len(window)
    sizes, counts = out.shape[-n:], g.shape[-n:]
    steps = dense(sizes)
    first = np.zeros((1,) * n, np.int64)
    for d in range(n):
        along = [1] * n
        along[d] = counts[d]
        first = first + (np.arange(counts[d]) * window[d] * steps[d]).reshape(along)
    origin = Base(first.shape, "i64", dense(first.shape), "const", np.ascontiguousarray(first))
    lead = len(g.shape) - n
    body = Body()
    value, at = body.input(0, g.kind), body.op("sub", body.input(1, "i64"), body.input(2, "i64"))
    operands = [
        loops.Operand(g.kind, g.strides),
        loops.Operand("i64", index.strides),
        loops.Operand("i64", (0,) * lead + origin.strides),
    ]
    spots = [
        Spot(g.base, g.offset * ITEMSIZE[g.kind]), Spot(index.base, index.offset * 8), Spot(origin, 0)
    ]  # fmt: skip
    stores = []
    strides = tuple(s * window[d - lead] if d >= lead else s for d, s in enumerate(out.strides))
    for place in product(*map(range, window)):
        here = sum(i * s for i, s in zip(place, steps))
        hit = body.op("eq", at, body.const(here, "i64"))
        stores.append((len(operands), body.op("where", hit, value, body.const(0.0, g.kind))))
        operands.append(loops.Operand(out.kind, strides))
        spots.append(Spot(out, here * ITEMSIZE[out.kind]))
    loop = loops.Loop(g.shape, tuple(operands), body, (loops.Pass(tuple(stores)),))
    return [
        (
            runtime.Step(c.kernel, [0] * len(c.buffers), c.numbers, c.count, c.grain),
            [spots[b] for b in c.buffers],
        )
        for c in loops.lower(loop).calls
    ]


def _cat(node: Special) -> list[tuple[runtime.Step, list[Spot]]]:
    """A copy for each part."""
    out, dim = node.out, node.statics[0]
    found: list[tuple[runtime.Step, list[Spot]]] = []
    at = 0
    for part in node.args:
        body = Body()
        if isinstance(part, Const):
            ref, operands, spots = body.const(part.value, part.kind), [], []
        else:
            ref = body.input(0, part.kind)
            operands = [loops.Operand(part.kind, part.strides)]
            spots = [Spot(part.base, part.offset * ITEMSIZE[part.kind])]
        operands.append(loops.Operand(out.kind, out.strides))
        spots.append(Spot(out, at * out.strides[dim] * ITEMSIZE[out.kind]))
        at += part.shape[dim]
        passes = (loops.Pass(((len(operands) - 1, ref),)),)
        for call in loops.lower(loops.Loop(part.shape, tuple(operands), body, passes)).calls:
            where = [spots[b] for b in call.buffers]
            step = runtime.Step(
                call.kernel, [0] * len(where), call.numbers, call.count, call.grain, not found
            )
            found.append((step, where))
    return found
