"""Convolutions and their two adjoints as steps of generated kernels: implicit matrix products.

    conv = Conv(examples=32, groups=1, inputs=64, outputs=64, sizes=(32, 32), kernel=(3, 3), stride=(1, 1),
                padding=(1, 1), dilation=(1, 1))
    plan = plan_forward(conv, machine(), threads=2)          # roles "x", "w", "y"
    plan = plan_input_gradient(conv, machine(), threads=2)   # roles "g", "w", "x"
    plan = plan_weight_gradient(conv, machine(), threads=2)  # roles "x", "g", "w"

`inputs` and `outputs` are channels of one group. No matrix of windows is made: the micro-kernel finds element
(i, k) of its left operand at the sum of two offsets, that of window i and that of the weight's element k
(channel and place in the window), in images that a first step has put in frames of zeros. The three are the
same product with other tables:

                     rows               steps                     columns
    forward          windows            weight elements           output channels
    input gradient   inputs of a phase  output channels and taps  input channels
    weight gradient  weight elements    windows of all examples   output channels

With a stride, inputs fall into phases that meet different taps; each phase is a product of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import (
    contract_depthwise as depthwise,
    contract_frame as frames,
    contract_multiply as mult,
    contract_pack as pack,
)  # fmt: skip
from .contract_gemm import Gemm, Layout, along, plan_gemm
from .contract_plan import Machine, Plan, grain
from .contract_windows import FINISH, Conv, Images, Planner, Sizes
from .vectors import ITEMSIZE


def _grid(counts: Sizes, steps: Sizes) -> NDArray[Any]:
    """Sums of multiples of steps: one dimension for each count."""
    total: NDArray[Any] = np.zeros((1,) * len(counts), np.int64)
    for i, (count, step) in enumerate(zip(counts, steps)):
        shape = [1] * len(counts)
        shape[i] = count
        total = total + (np.arange(count) * step).reshape(shape)
    return total


@lru_cache(maxsize=1024)
def plan_forward(conv: Conv, machine: Machine, threads: int) -> Plan:
    """y (N, groups * outputs, *out) from x and w.

    Args:
        conv: the convolution.
        machine: what is computed on.
        threads: how many will take part.

    Returns:
        The plan, with roles "x", "w", "y", and "c.0", ... for the epilogue.
    """
    c = conv.in_three()
    if depthwise.is_depthwise(c):
        return depthwise.plan_forward(c, machine, threads)
    p = Planner(c, machine, threads)
    windows, taps = math.prod(c.out), math.prod(c.kernel)
    if not (c.examples and windows and c.outputs and c.groups):
        return p.plan()
    pointwise = taps == 1 and not any(c.padding) and c.stride == (1, 1, 1)
    if pointwise and _step(c.x_strides, c.sizes) == 1 and c.outputs >= 4:
        return _pointwise(c, machine, threads, windows)
    frame = tuple((o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(c.out, c.stride, c.dilation, c.kernel))
    images = p.images("x", c.groups * c.inputs, c.x_strides, c.sizes, c.padding, frame)
    s, steps = p.size, c.inputs * taps
    block = p.block(windows, c.outputs, steps, True)
    rows = p.table("rows", _window_offsets(c, images) * s)
    places = p.table("steps", _weight_offsets(c, images) * s)
    packing = _packing(p, block, c.outputs, "steps")
    place, each = p.packed("w", packing, c.outputs, steps, steps, 1, (1, c.groups), (0, c.outputs * steps))
    stored = ITEMSIZE[c.dtype]
    p.multiply(
        windows, c.outputs, block, rows, places, images,
        {
            mult.A_OUTER: images.strides[0] * s, mult.A_INNER: c.inputs * images.strides[1] * s,
            mult.A_PLACE: images.place, mult.B_INNER: each, mult.B_PLACE: place,
            mult.C_ROW: windows * stored, mult.C_OUTER: c.groups * c.outputs * windows * stored,
            mult.C_INNER: c.outputs * windows * stored,
        },
        "y", c.dtype, True, 1, (c.examples, c.groups), steps,
    )  # fmt: skip
    return p.plan()


def _step(strides: Sizes, sizes: Sizes) -> int:
    """How far apart neighbouring elements of a plane are; 0 if that differs."""
    step = expected = 0
    for n, s in zip(reversed(sizes), reversed(strides)):
        if n > 1:
            step = step or s
            if s != (expected or s):
                return 0
            expected = s * n
    return step or 1


def _pointwise(c: Conv, machine: Machine, threads: int, windows: int) -> Plan:
    """Windows of one element: a matrix product for each example and group."""
    outputs = c.groups * c.outputs
    gemm = Gemm(
        c.outputs, windows, c.inputs, Layout(c.inputs, 1, 0, c.outputs * c.inputs),
        Layout(c.x_strides[1], 1, c.x_strides[0], c.inputs * c.x_strides[1]),
        Layout(windows, 1, outputs * windows, c.outputs * windows), c.dtype,
        outer=c.examples, inner=c.groups, epilogue=c.epilogue and c.epilogue.turned(),
    )  # fmt: skip
    plan = plan_gemm(gemm, machine, threads)
    names = {"a": "w", "b": "x", "c": "y"}
    parts = (replace(part, roles=tuple(names.get(r, r) for r in part.roles)) for part in plan.parts)
    return Plan(tuple(parts), plan.scratch)


def _window_offsets(c: Conv, images: Images) -> NDArray[Any]:
    """Where windows begin, in elements of the images."""
    return _grid(c.out, tuple(a * b for a, b in zip(images.strides[2:], c.stride)))


def _weight_offsets(c: Conv, images: Images) -> NDArray[Any]:
    """What the elements of a group's weight are multiplied by, relative to a window's beginning."""
    moves = tuple(a * b for a, b in zip(images.strides[2:], c.dilation))
    return _grid((c.inputs, *c.kernel), (images.strides[1], *moves))


def _packing(p: Planner, block: tuple[int, int], columns: int, along: str, dtype: str = "") -> pack.Packing:
    width = block[1] * p.lanes
    whole, rest = divmod(columns, width)
    edge = -(-rest // p.lanes) * p.lanes if whole else 0
    return pack.Packing(width, edge, p.lanes, dtype or p.conv.dtype, along)


@lru_cache(maxsize=1024)
def plan_input_gradient(conv: Conv, machine: Machine, threads: int) -> Plan:
    """The adjoint of the convolution in x: from g (N, groups * outputs, *out) and w.

    Args:
        conv: the convolution.
        machine: what is computed on.
        threads: how many will take part.

    Returns:
        The plan, with roles "g", "w", "x" (written), and "c.0", ... for the epilogue.
    """
    c = conv.in_three()
    if depthwise.is_depthwise(c):
        return depthwise.plan_input_gradient(c, machine, threads)
    p = Planner(c, machine, threads)
    elements, taps = math.prod(c.sizes), math.prod(c.kernel)
    if not (c.examples and elements and c.inputs and c.groups):
        return p.plan()
    phases = [_Phase(c, corner) for corner in product(*(range(min(s, n)) for s, n in zip(c.stride, c.sizes)))]
    first = tuple(min((q for phase in phases for q in phase.moves[i]), default=0) for i in range(3))
    last = tuple(
        max((phase.counts[i] - 1 + q for phase in phases for q in phase.moves[i]), default=0)
        for i in range(3)
    )
    before = tuple(-q for q in first)
    frame = tuple(b - a + 1 for a, b in zip(first, last))
    images = p.images("g", c.groups * c.outputs, c.g_strides, c.out, before, frame)
    s, stored = p.size, ITEMSIZE[c.dtype]
    ordered = len(phases) > 1
    channels = c.groups * c.inputs
    target = p.room(c.examples * channels * elements * s) if ordered else 0
    # Sums for several phases wait, in the type they are computed in, until they are put in order.
    result, c_size = (p.computed, s) if ordered else (c.dtype, stored)
    begun = 0
    for i, phase in enumerate(phases):
        count, steps = math.prod(phase.counts), c.outputs * math.prod(len(t) for t in phase.taps)
        block = p.block(count, c.inputs, max(steps, 1), True)
        rows = p.table(f"rows {i}", _grid(phase.counts, images.strides[2:]) * s)
        places = p.table(f"steps {i}", phase.places(c, images, before) * s)
        weights = p.table(f"weights {i}", phase.weights(c) * stored)
        place, each = p.packed(
            "w", _packing(p, block, c.inputs, "table"), c.inputs, steps, taps, 0, (1, c.groups),
            (0, c.outputs * c.inputs * taps), table=weights,
        )  # fmt: skip
        p.multiply(
            count, c.inputs, block, rows, places, images,
            {
                mult.A_OUTER: images.strides[0] * s, mult.A_INNER: c.outputs * images.strides[1] * s,
                mult.A_PLACE: images.place, mult.B_INNER: each, mult.B_PLACE: place,
                mult.C_ROW: elements * c_size, mult.C_OUTER: channels * elements * c_size,
                mult.C_INNER: c.inputs * elements * c_size, mult.C_PLACE: target + begun * c_size,
            },
            "scratch" if ordered else "x", result, True, 1, (c.examples, c.groups), steps,
        )  # fmt: skip
        begun += count
    if ordered:
        order = frames.Order(p.computed, c.dtype)
        table = p.table("order", _phase_order(c, phases) * s)
        planes = c.examples * channels
        p.add(
            FINISH, order.name, lambda: frames.write_order(order), ("scratch", "x", table),
            (elements, elements * s, elements * stored, target), planes,
            grain(planes, planes * elements, 16384, threads),
        )  # fmt: skip
    return p.plan()


class _Phase:
    """The inputs at `corner + stride * t`: the taps that meet them, and at which outputs `t + move`."""

    def __init__(self, c: Conv, corner: Sizes) -> None:
        self.corner = corner
        self.counts = tuple(-(-(n - f) // s) for n, f, s in zip(c.sizes, corner, c.stride))
        self.taps: list[list[int]] = []
        self.moves: list[list[int]] = []
        for f, k, s, p, d in zip(corner, c.kernel, c.stride, c.padding, c.dilation):
            taps = [tap for tap in range(k) if (f + p - tap * d) % s == 0]
            self.taps.append(taps)
            self.moves.append([(f + p - tap * d) // s for tap in taps])

    def places(self, c: Conv, images: Images, before: Sizes) -> NDArray[Any]:
        """Where the output of each (channel, tap) lies, relative to that of move 0 in the frame's corner."""
        total = (np.arange(c.outputs) * images.strides[1]).reshape(-1, 1, 1, 1)
        for i, moves in enumerate(self.moves):
            shape = [1, 1, 1, 1]
            shape[i + 1] = len(moves)
            offsets = (np.array(moves, np.int64) + before[i]) * images.strides[2 + i]
            total = total + offsets.reshape(shape)
        return np.asarray(total)

    def weights(self, c: Conv) -> NDArray[Any]:
        """Where the weight of each (channel, tap) lies, for the first input channel."""
        _, h, w = c.kernel
        taps = math.prod(c.kernel)
        total = (np.arange(c.outputs) * (c.inputs * taps)).reshape(-1, 1, 1, 1)
        for i, step in enumerate((h * w, w, 1)):
            shape = [1, 1, 1, 1]
            shape[i + 1] = len(self.taps[i])
            total = total + (np.array(self.taps[i], np.int64) * step).reshape(shape)
        return np.asarray(total)


def _phase_order(c: Conv, phases: list[_Phase]) -> NDArray[Any]:
    """For each input its number among the inputs of all phases."""
    order = np.empty(c.sizes, np.int64)
    begun = 0
    for phase in phases:
        count = math.prod(phase.counts)
        where = tuple(slice(f, None, s) for f, s in zip(phase.corner, c.stride))
        order[where] = np.arange(begun, begun + count).reshape(phase.counts)
        begun += count
    return order


@lru_cache(maxsize=1024)
def plan_weight_gradient(conv: Conv, machine: Machine, threads: int) -> Plan:
    """The adjoint of the convolution in w: from x and g.

    Args:
        conv: the convolution.
        machine: what is computed on.
        threads: how many will take part.

    Returns:
        The plan, with roles "x", "g", "w" (written).
    """
    c = conv.in_three()
    if depthwise.is_depthwise(c):
        return depthwise.plan_weight_gradient(c, machine, threads)
    p = Planner(c, machine, threads)
    windows, taps = math.prod(c.out), math.prod(c.kernel)
    elements = c.inputs * taps
    if not (elements and c.outputs and c.groups):
        return p.plan()
    frame = tuple((o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(c.out, c.stride, c.dilation, c.kernel))
    images = p.images("x", c.groups * c.inputs, c.x_strides, c.sizes, c.padding, frame)
    s = p.size
    block = p.block(elements, c.outputs, windows, False)
    rows = p.table("rows", _weight_offsets(c, images) * s)
    places = p.table("steps", _window_offsets(c, images) * s)
    g = Images("g", 0, c.g_strides)
    step, dtype = _step(c.g_strides, c.out), c.dtype
    if not step:
        # Windows must be evenly apart: copied like images.
        g, step, dtype = (
            p.framed("g", c.groups * c.outputs, c.g_strides, c.out, (0, 0, 0), c.out),
            1,
            p.computed,
        )
    packing = _packing(p, block, c.outputs, along(g.strides[1], step), dtype)
    place, each = p.packed(
        g.role, packing, c.outputs, windows, g.strides[1], step, (c.examples, c.groups),
        (g.strides[0], c.outputs * g.strides[1]), g.place,
    )  # fmt: skip
    # Few rows and columns: the examples are shared out, and partial sums added afterwards.
    tiles = -(-elements // block[0]) * -(-c.outputs // (block[1] * p.lanes)) * c.groups
    splits = _splits(c.examples, -(-4 * threads // tiles) if threads > 1 else 1)
    share = c.examples // splits
    target = p.room(splits * c.groups * elements * c.outputs * s)
    p.multiply(
        elements, c.outputs, block, rows, places, images,
        {
            mult.A_OUTER: share * images.strides[0] * s, mult.A_INNER: c.inputs * images.strides[1] * s,
            mult.A_CHUNK: images.strides[0] * s, mult.A_PLACE: images.place,
            mult.B_OUTER: share * c.groups * each, mult.B_INNER: each, mult.B_CHUNK: c.groups * each,
            mult.B_PLACE: place, mult.C_ROW: c.outputs * s, mult.C_OUTER: c.groups * elements * c.outputs * s,
            mult.C_INNER: elements * c.outputs * s, mult.C_PLACE: target,
        },
        "scratch", p.computed, False, max(share, 1), (splits, c.groups), windows if c.examples else 0,
    )  # fmt: skip
    total = frames.Total(p.computed, c.dtype, p.lanes, c.accumulate)
    stored = ITEMSIZE[c.dtype]
    bands = -(-elements // p.lanes)
    p.add(
        FINISH, total.name, lambda: frames.write_total(total), ("scratch", "w"),
        (
            elements, c.outputs, splits, c.groups * elements * c.outputs * s, c.outputs * s, bands,
            elements * c.outputs * s, c.outputs * elements * stored, elements * stored, target,
        ),
        c.groups * bands, grain(c.groups * bands, c.groups * elements * c.outputs * splits, 8192, threads),
    )  # fmt: skip
    return p.plan()


def _splits(examples: int, wanted: int) -> int:
    """The smallest divisor of `examples` that is at least `wanted`."""
    return next((n for n in range(max(wanted, 1), examples) if examples % n == 0), max(examples, 1))
