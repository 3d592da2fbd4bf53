"""Depthwise convolutions: each channel with a window of its own, plane by plane.

There is no product of matrices in them, so `contract_conv` hands them over. A plane (of one example and
channel) is put in a frame of zeros in scratch memory that stays in the first cache; from there each tap of
the window is a multiply-add of neighbouring elements. Three layouts of a frame's rows make neighbours of
what a tap meets:

    plain     the elements as they are
    split     for a stride: elements 0, s, 2s, ... first, then 1, s + 1, ... (a tap meets every s-th element)
    spread    for the adjoint of a stride: s - 1 zeros behind each element

The adjoint in the images is the same correlation, of the cotangent in a frame, with the window turned round.
The adjoint in the window sums products of the cotangent and the shifted frame, over all examples, in
registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .contract_plan import Machine, Part, Plan, grain
from .contract_text import KERNEL, Text, module
from .contract_windows import Conv, Sizes
from .vectors import ITEMSIZE, Vec, compute_type, llvm_type

__all__ = ["is_depthwise", "plan_forward", "plan_input_gradient", "plan_weight_gradient"]

# Frames that are in memory at once, and multiply-adds that are worth a chunk.
_CHUNKS: Final = 32
_LEAST: Final = 1 << 16


@dataclass(frozen=True)
class _Structure:
    """What the code of a kernel depends on.

    Attributes:
        window: taps (rows, columns).
        stride, dilation: of the taps in the frame.
        layout: "plain", "split" or "spread"; `step` is the stride that it is for.
        dtype, lanes: of the elements in memory, and elements of a vector.
        rows: of the result that are computed at once.
        bias: whether a number is added for each channel.
        turned: whether the window is read from its end.
    """

    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    layout: str
    step: int
    dtype: str
    lanes: int
    rows: int = 1
    bias: bool = False
    turned: bool = False

    @property
    def kind(self) -> str:
        """The type that is computed in, and that frames hold."""
        return compute_type(self.dtype)

    @property
    def size(self) -> int:
        """Bytes of an element of a frame."""
        return ITEMSIZE[self.kind]

    @property
    def stored(self) -> int:
        """Bytes of an element of the arrays."""
        return ITEMSIZE[self.dtype]

    @property
    def taps(self) -> list[tuple[int, int]]:
        """Rows and columns of the window's elements, in order."""
        return [(a, b) for a in range(self.window[0]) for b in range(self.window[1])]

    def named(self, what: str) -> str:
        """The name of the kernel."""
        return f"depthwise {what} {self}"


# What the numbers of both kernels are; sizes and strides of memory are in bytes.
(
    GRAIN,  # indices of a chunk
    FRAME,  # of a frame with its margin, a multiple of a vector
    CHANNELS,
    EXAMPLES,
    EXAMPLE_STRIDE,
    CHANNEL_STRIDE,
    ROW_STRIDE,
    SOURCE,  # where the first element that is framed lies in a plane
    FIRST,  # where its row begins in the frame
    ROWS,  # of the plane that are framed
    COLUMNS,
    ROW_STEP,  # from one of them to the next in the frame
    ROW,  # of a frame
    PHASE,  # of a row: the part that each phase of a split row has
    OUT_ROWS,
    OUT_COLUMNS,
    G_EXAMPLE,
    G_CHANNEL,
    G_ROW,
) = range(19)
_FIXED: Final = 19
# Behind them for a split row, for each phase: its first element in the source's row, its place, its elements.


class _Writer:
    """Writes one of the kernels."""

    def __init__(self, structure: _Structure) -> None:
        self.s = structure
        self.text = text = Text(KERNEL)
        self.n = [text.number(i) for i in range(_FIXED)]
        phases = structure.step if structure.layout == "split" else 0
        self.phases = [[text.number(_FIXED + 3 * f + i) for i in range(3)] for f in range(phases)]
        chunk, _ = text.divided(text.argument("begin"), self.n[GRAIN])
        self.frame = text.at(text.buffer(3), chunk * self.n[FRAME])

    def cleared(self) -> None:
        """Zeros in the frame."""
        s, text = self.s, self.text
        with text.loop(0, self.n[FRAME], s.lanes * s.size) as at:
            text.store(text.const(0.0, s.kind, s.lanes), text.at(self.frame, at), s.kind)

    def filled(self, plane: str) -> None:
        """The plane's elements put in the frame, whose other elements are zeros already."""
        text, n = self.text, self.n
        with text.loop(0, n[ROWS]) as i:
            source = text.at(text.at(plane, n[SOURCE]), i * n[ROW_STRIDE])
            target = text.at(text.at(self.frame, n[FIRST]), i * n[ROW_STEP])
            writers = {"plain": self._plain, "split": self._split, "spread": self._spread}
            writers[self.s.layout](source, target)

    def _plain(self, source: str, target: str) -> None:
        s, text, columns = self.s, self.text, self.n[COLUMNS]
        with text.loop(0, columns, s.lanes) as j:
            mask = text.mask(s.lanes, columns - j)
            value = text.load(text.at(source, j * s.stored), s.dtype, s.lanes, mask)
            text.store(value, text.at(target, j * s.size), s.kind, mask)

    def _split(self, source: str, target: str) -> None:
        s, text = self.s, self.text
        for first, place, count in self.phases:
            here, there = text.at(source, first), text.at(target, place)
            with text.loop(0, count, s.lanes) as t:
                mask = text.mask(s.lanes, count - t)
                begin = text.at(here, t * (s.step * s.stored))
                if s.step == 2 and s.lanes > 1:
                    left = (count - t) * 2 - 1
                    parts = [
                        text.load(
                            text.at(begin, k * s.lanes * s.stored), s.dtype, s.lanes,
                            text.mask(s.lanes, left - k * s.lanes),
                        )
                        for k in range(2)
                    ]  # fmt: skip
                    value = text.shuffle(parts[0], parts[1], range(0, 2 * s.lanes, 2))
                elif s.lanes > 1:
                    value = text.gather(begin, text.integer(s.step), s.dtype, s.lanes, mask)
                else:
                    value = text.load(begin, s.dtype, 1)
                text.store(value, text.at(there, t * s.size), s.kind, mask)

    def _spread(self, source: str, target: str) -> None:
        s, text, columns = self.s, self.text, self.n[COLUMNS]
        with text.loop(0, columns, s.lanes) as j:
            mask = text.mask(s.lanes, columns - j)
            value = text.load(text.at(source, j * s.stored), s.dtype, s.lanes, mask)
            begin = text.at(target, j * (s.step * s.size))
            if s.step == 2 and s.lanes > 1:
                zeros = text.const(0.0, s.kind, s.lanes)
                order = [lane for i in range(s.lanes) for lane in (i, s.lanes + i)]
                for k in range(2):
                    half = order[k * s.lanes : (k + 1) * s.lanes]
                    on = text.mask(s.lanes, (columns - j) * 2 - k * s.lanes)
                    place = text.at(begin, k * s.lanes * s.size)
                    text.store(text.shuffle(value, zeros, half), place, s.kind, on)
            elif s.lanes > 1:
                text.scatter(value, begin, text.integer(s.step), s.kind, mask)
            else:
                text.store(value, begin, s.kind)

    def reader(self, start: str, below: list[Vec], mask: Vec | None) -> Callable[[int, int], Vec]:
        """Gives what column `b` of the window meets `row` rows below `start`; each is read once."""
        s, text = self.s, self.text
        seen: dict[tuple[int, int], Vec] = {}

        def read(row: int, b: int) -> Vec:
            if (row, b) not in seen:
                moved, phase = divmod(b * s.dilation[1], s.stride[1])
                place = text.at(text.at(start, below[row]), moved * s.size)
                if phase:
                    place = text.at(place, self.n[PHASE] * phase)
                seen[row, b] = text.load(place, s.kind, s.lanes, mask)
            return seen[row, b]

        return read


def _write_convolve(s: _Structure) -> str:
    """Correlation of framed planes with windows; an index is a plane. Buffers: x, w, y, scratch, bias."""
    w = _Writer(s)
    text, n = w.text, w.n
    below = [n[ROW] * k for k in range((s.rows - 1) * s.stride[0] + (s.window[0] - 1) * s.dilation[0] + 1)]
    w.cleared()
    with text.loop(text.argument("begin"), text.argument("end")) as plane:
        example, channel = text.divided(plane, n[CHANNELS])
        w.filled(text.at(text.at(text.buffer(0), example * n[EXAMPLE_STRIDE]), channel * n[CHANNEL_STRIDE]))
        weights = text.at(text.buffer(1), channel * (len(s.taps) * s.stored))
        window = [
            text.splat(text.load(text.at(weights, t * s.stored), s.dtype, 1), s.lanes)
            for t in (reversed(range(len(s.taps))) if s.turned else range(len(s.taps)))
        ]
        begun = text.const(0.0, s.kind, s.lanes)
        if s.bias:
            begun = text.splat(text.load(text.at(text.buffer(4), channel * s.stored), s.dtype, 1), s.lanes)
        row_bytes = n[OUT_COLUMNS] * s.stored
        out = text.at(text.buffer(2), plane * n[OUT_ROWS] * row_bytes)

        def rows(first: Vec, count: int) -> None:
            top, place = text.at(w.frame, first * n[ROW] * s.stride[0]), text.at(out, first * row_bytes)
            with text.loop(0, n[OUT_COLUMNS], s.lanes) as j:
                read = w.reader(text.at(top, j * s.size), below, None)
                mask = text.mask(s.lanes, n[OUT_COLUMNS] - j)
                for r in range(count):
                    total = begun
                    for (a, b), weight in zip(s.taps, window):
                        total = text.fma(read(r * s.stride[0] + a * s.dilation[0], b), weight, total)
                    text.store(total, text.at(text.at(place, row_bytes * r), j * s.stored), s.dtype, mask)

        whole, _ = text.divided(n[OUT_ROWS], s.rows)
        with text.loop(0, whole * s.rows, s.rows) as first:
            rows(first, s.rows)
        with text.loop(whole * s.rows, n[OUT_ROWS]) as first:
            rows(first, 1)
    return module([text])


def _write_weight(s: _Structure) -> str:
    """Sums of products of cotangent and shifted frames; an index is a channel. Buffers: x, g, w, scratch."""
    w = _Writer(s)
    text, n = w.text, w.n
    vector = llvm_type(s.kind, s.lanes)
    sums = []
    for _ in s.taps:
        sums.append(text.fresh("sum"))
        text.line(f"{sums[-1]} = alloca {vector}, align 64")
    below = [n[ROW] * k for k in range((s.window[0] - 1) * s.dilation[0] + 1)]
    w.cleared()
    with text.loop(text.argument("begin"), text.argument("end")) as channel:
        for total in sums:
            text.store(text.const(0.0, s.kind, s.lanes), total, s.kind)
        with text.loop(0, n[EXAMPLES]) as example:
            source = text.at(text.buffer(0), example * n[EXAMPLE_STRIDE])
            w.filled(text.at(source, channel * n[CHANNEL_STRIDE]))
            plane = text.at(text.at(text.buffer(1), example * n[G_EXAMPLE]), channel * n[G_CHANNEL])
            with text.loop(0, n[OUT_ROWS]) as row:
                top = text.at(w.frame, row * n[ROW] * s.stride[0])
                cotangents = text.at(plane, row * n[G_ROW])

                def add(j: Vec, mask: Vec | None, top: str = top, cotangents: str = cotangents) -> None:
                    g = text.load(text.at(cotangents, j * s.stored), s.dtype, s.lanes, mask)
                    read = w.reader(text.at(top, j * s.size), below, mask)
                    for (a, b), total in zip(s.taps, sums):
                        before = text.load(total, s.kind, s.lanes)
                        text.store(text.fma(read(a * s.dilation[0], b), g, before), total, s.kind)

                whole, rest = text.divided(n[OUT_COLUMNS], s.lanes)
                with text.loop(0, whole * s.lanes, s.lanes) as j:
                    add(j, None)
                # What lies behind a row's end may be inf or nan: it is not read.
                with text.when(rest > 0):
                    add(whole * s.lanes, text.mask(s.lanes, rest))
        target = text.at(text.buffer(2), channel * (len(sums) * s.stored))
        for t, total in enumerate(sums):
            value = text.reduce(text.load(total, s.kind, s.lanes), "sum")
            text.store(value, text.at(target, t * s.stored), s.dtype)
    return module([text])


def is_depthwise(conv: Conv) -> bool:
    """Whether each channel has a window of its own, in at most two dimensions, and rows are contiguous.

    Args:
        conv: a convolution `in_three()` dimensions.

    Returns:
        Whether the plans here serve it.
    """
    return (
        conv.inputs == conv.outputs == 1
        and conv.groups > 1
        and conv.sizes[0] == conv.kernel[0] == 1
        and not conv.padding[0]
        and (conv.x_strides[4] == 1 or conv.sizes[2] == 1)
        and (conv.g_strides[4] == 1 or conv.out[2] == 1)
        and conv.epilogue is None
        and not conv.accumulate
        and bool(conv.examples)
        and min(*conv.sizes, *conv.out) > 0
    )


def _two(sizes: Sizes) -> tuple[int, int]:
    return sizes[1], sizes[2]


def _shape(conv: Conv, machine: Machine, adjoint: bool, rows: bool, bias: bool = False) -> _Structure:
    step = conv.stride[2]
    layout = "plain" if step == 1 else "spread" if adjoint else "split"
    return _Structure(
        _two(conv.kernel), (1, 1) if adjoint else _two(conv.stride), _two(conv.dilation), layout, step,
        conv.dtype,
        machine.lanes(conv.dtype), (4 if machine.registers >= 32 else 2) if rows else 1, bias, adjoint,
    )  # fmt: skip


def _frame(s: _Structure, height: int, width: int) -> tuple[int, int, int]:
    """Bytes of a frame, of its rows, and of each phase of a row."""
    phase = -(-width // s.step) if s.layout == "split" else width
    row = (phase * s.step if s.layout == "split" else width) * s.size
    # A vector more: the last one of a row is read whole.
    total = height * row + s.lanes * s.size
    return -(-total // 64) * 64, row, phase * s.size


def _part(
    name: str, build: Callable[[], str], roles: tuple[str, ...], numbers: dict[int, int],
    phases: list[tuple[int, int, int]], count: int, work: int, threads: int,
) -> Plan:  # fmt: skip
    each = max(grain(count, work, _LEAST, threads), -(-count // _CHUNKS))
    numbers[GRAIN] = each
    words = [numbers.get(i, 0) for i in range(_FIXED)] + [word for phase in phases for word in phase]
    part = Part(name, build, roles, tuple(words), count, each)
    return Plan((part,), -(-count // each) * numbers[FRAME])


def _split_phases(s: _Structure, before: int, columns: int, phase: int) -> list[tuple[int, int, int]]:
    """For each phase of a split row its first element in the source, its place, and how many there are."""
    found = []
    for f in range(s.step if s.layout == "split" else 0):
        first = (f - before) % s.step
        count = max(-(-(columns - first) // s.step), 0)
        place = f * phase + (first + before) // s.step * s.size
        found.append((first * s.stored, place, count))
    return found


def _images(conv: Conv, s: _Structure) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
    """The numbers that say how images are framed for windows with a stride."""
    height, width = ((o - 1) * t + d * (k - 1) + 1 for o, t, d, k in zip(
        conv.out[1:], conv.stride[1:], conv.dilation[1:], conv.kernel[1:]
    ))  # fmt: skip
    frame, row, phase = _frame(s, height, width)
    above, before = conv.padding[1:]
    columns = max(min(conv.sizes[2], width - before), 0)
    split = s.layout == "split"
    numbers = {
        FRAME: frame, ROW: row, PHASE: phase, CHANNELS: conv.groups, EXAMPLES: conv.examples,
        EXAMPLE_STRIDE: conv.x_strides[0] * s.stored, CHANNEL_STRIDE: conv.x_strides[1] * s.stored,
        ROW_STRIDE: conv.x_strides[3] * s.stored, FIRST: above * row + (0 if split else before * s.size),
        ROWS: max(min(conv.sizes[1], height - above), 0), COLUMNS: columns, ROW_STEP: row,
        OUT_ROWS: conv.out[1], OUT_COLUMNS: conv.out[2],
    }  # fmt: skip
    return numbers, _split_phases(s, before, columns, phase)


def _work(conv: Conv) -> int:
    return conv.examples * conv.groups * conv.out[1] * conv.out[2] * conv.kernel[1] * conv.kernel[2]


@lru_cache(maxsize=256)
def plan_forward(conv: Conv, machine: Machine, threads: int, bias: bool = False) -> Plan:
    """y (N, C, *out) from x and w.

    Args:
        conv: the convolution, `in_three()` dimensions.
        machine: what is computed on.
        threads: how many will take part.
        bias: whether there is one.

    Returns:
        The plan, with roles "x", "w", "y", and "c.0" for the bias.
    """
    s = _shape(conv, machine, False, True, bias)
    numbers, phases = _images(conv, s)
    roles = ("x", "w", "y", "scratch", *(("c.0",) if bias else ()))
    planes = conv.examples * conv.groups
    return _part(
        s.named("forward"), lambda: _write_convolve(s), roles, numbers, phases, planes, _work(conv), threads
    )


@lru_cache(maxsize=256)
def plan_input_gradient(conv: Conv, machine: Machine, threads: int, bias: bool = False) -> Plan:
    """The adjoint of the convolution in x: from g (N, C, *out) and w.

    Args:
        conv: the convolution, `in_three()` dimensions.
        machine: what is computed on.
        threads: how many will take part.
        bias: whether there is one (of a transposed convolution).

    Returns:
        The plan, with roles "g", "w", "x" (written), and "c.0" for the bias.
    """
    s = _shape(conv, machine, True, True, bias)
    height, width = (
        n + d * (k - 1) for n, d, k in zip(conv.sizes[1:], conv.dilation[1:], conv.kernel[1:])
    )
    frame, row, _ = _frame(s, height, width)
    # Where the first cotangent lies that is inside the frame, in the cotangents and in the frame; how many.
    first, place, count = zip(*(
        _inside(d * (k - 1) - p, t, o, n) for d, k, p, t, o, n in zip(
            conv.dilation[1:], conv.kernel[1:], conv.padding[1:], conv.stride[1:], conv.out[1:],
            (height, width),
        )
    ))  # fmt: skip
    row_stride = conv.g_strides[3] * s.stored
    numbers = {
        FRAME: frame, ROW: row, CHANNELS: conv.groups, EXAMPLES: conv.examples,
        EXAMPLE_STRIDE: conv.g_strides[0] * s.stored, CHANNEL_STRIDE: conv.g_strides[1] * s.stored,
        ROW_STRIDE: row_stride, SOURCE: first[0] * row_stride + first[1] * s.stored,
        FIRST: place[0] * row + place[1] * s.size, ROWS: count[0], COLUMNS: count[1],
        ROW_STEP: conv.stride[1] * row, OUT_ROWS: conv.sizes[1], OUT_COLUMNS: conv.sizes[2],
    }  # fmt: skip
    roles = ("g", "w", "x", "scratch", *(("c.0",) if bias else ()))
    planes = conv.examples * conv.groups
    return _part(
        s.named("forward"), lambda: _write_convolve(s), roles, numbers, [], planes, _work(conv), threads
    )


def _inside(begin: int, step: int, count: int, size: int) -> tuple[int, int, int]:
    """Of places begin, begin + step, ...: the first in [0, size), where it is, and how many there are."""
    first = max(-(begin // step), 0) if begin < 0 else 0
    last = min(count, -(-(size - begin) // step))
    return first, begin + first * step, max(last - first, 0)


@lru_cache(maxsize=256)
def plan_weight_gradient(conv: Conv, machine: Machine, threads: int) -> Plan:
    """The adjoint of the convolution in w: from x and g.

    Args:
        conv: the convolution, `in_three()` dimensions.
        machine: what is computed on.
        threads: how many will take part.

    Returns:
        The plan, with roles "x", "g", "w" (written).
    """
    s = _shape(conv, machine, False, False)
    numbers, phases = _images(conv, s)
    numbers[G_EXAMPLE], numbers[G_CHANNEL] = (step * s.stored for step in conv.g_strides[:2])
    numbers[G_ROW] = conv.g_strides[3] * s.stored
    return _part(
        s.named("weight"), lambda: _write_weight(s), ("x", "g", "w", "scratch"), numbers, phases, conv.groups,
        _work(conv), threads,
    )  # fmt: skip
