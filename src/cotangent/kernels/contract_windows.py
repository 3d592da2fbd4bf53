"""What plans of convolutions are put together from: images in frames, packed operands, products by tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import contract_frame as frames, contract_multiply as mult, contract_pack as pack
from .contract_fusion import Fusion
from .contract_micro import Block
from .contract_plan import TILE_WORK, Machine, Part, Plan, choose_block, choose_tiles, grain
from .vectors import ITEMSIZE, compute_type

Sizes = tuple[int, ...]
Table = NDArray[np.int64]
# The order of steps.
COPY: Final = 0
PACK: Final = 1
MULTIPLY: Final = 2
FINISH: Final = 3


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution of images (N, C, *sizes) with weights (O, C / groups, *kernel).

    Attributes:
        examples: N.
        groups: number of groups.
        inputs, outputs: channels of one group.
        sizes, kernel, stride, padding, dilation: for each of one to three spatial dimensions.
        dtype: of all operands: "f32", "f64", "bf16", "f16"; sums of 16-bit elements are kept in f32.
        out: sizes of the result; by default all that fit.
        x_strides, g_strides: element strides of the images, or of the cotangent, that are read; by default
        those of
            contiguous arrays. Weights and results are contiguous.
        epilogue: what is done with the sums (forward and input gradient); its matrix is (windows, channels of
        a
            group), its batch (examples, groups).
        accumulate: the weight gradient is added to.
    """

    examples: int
    groups: int
    inputs: int
    outputs: int
    sizes: Sizes
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    dtype: str = "f32"
    out: Sizes = ()
    x_strides: Sizes = ()
    g_strides: Sizes = ()
    epilogue: Fusion | None = None
    accumulate: bool = False

    def in_three(self) -> Conv:
        """The same with three spatial dimensions and nothing left to default."""
        out = self.out or tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.sizes, self.kernel, self.stride, self.padding, self.dilation)
        )
        missing = 3 - len(self.sizes)

        def three(values: Sizes, filler: int) -> Sizes:
            return (filler,) * missing + values

        def strides(given: Sizes, channels: int, sizes: Sizes) -> Sizes:
            if given:
                return given[:2] + (0,) * missing + given[2:]
            d, h, w = sizes
            return channels * d * h * w, d * h * w, h * w, w, 1

        sizes, outs = three(self.sizes, 1), three(out, 1)
        return replace(
            self, sizes=sizes, kernel=three(self.kernel, 1), stride=three(self.stride, 1),
            padding=three(self.padding, 0), dilation=three(self.dilation, 1), out=outs,
            x_strides=strides(self.x_strides, self.groups * self.inputs, sizes),
            g_strides=strides(self.g_strides, self.groups * self.outputs, outs),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Images:
    """Where the micro-kernel finds images: a buffer, a place and strides in elements (n, c, d, h, w)."""

    role: str
    place: int
    strides: Sizes


@dataclass(slots=True)
class Planner:
    """Collects the steps of one plan."""

    conv: Conv
    machine: Machine
    threads: int
    parts: list[tuple[int, Part]] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    scratch: int = 0

    @property
    def computed(self) -> str:
        return compute_type(self.conv.dtype)

    @property
    def size(self) -> int:
        return ITEMSIZE[self.computed]

    @property
    def lanes(self) -> int:
        return self.machine.lanes(self.conv.dtype)

    def plan(self) -> Plan:
        parts, reached = [], -1
        for level, part in sorted(self.parts, key=lambda entry: entry[0]):
            parts.append(replace(part, barrier=level > reached))
            reached = level
        return Plan(tuple(parts), self.scratch, dict(self.tables))

    def room(self, n: int) -> int:
        """A place in the scratch memory for `n` bytes."""
        place = self.scratch
        self.scratch += -(-n // 128) * 128
        return place

    def add(
        self,
        level: int,
        name: str,
        build: Callable[[], str],
        roles: Any,
        numbers: Any,
        count: int,
        grain: int,
    ) -> None:
        """A step. Those of one level may run side by side, and wait for those of lower levels."""
        self.parts.append((level, Part(name, build, tuple(roles), tuple(numbers), count, grain)))

    def images(
        self, role: str, channels: int, strides: Sizes, sizes: Sizes, before: Sizes, frame: Sizes
    ) -> Images:
        """Images in frames, if they need any: zeros `before` them, or what is cut off there."""
        conv = self.conv
        fits = not any(b > 0 for b in before) and all(f - b <= n for f, b, n in zip(frame, before, sizes))
        # Planes a multiple of the page apart would share few lines of the first cache.
        if fits and self.computed == conv.dtype and (strides[1] * self.size % 4096 or channels < 8):
            first = -sum(b * s for b, s in zip(before, strides[2:]))
            return Images(role, first * self.size, strides)
        return self.framed(role, channels, strides, sizes, before, frame)

    def framed(
        self, role: str, channels: int, strides: Sizes, sizes: Sizes, before: Sizes, frame: Sizes
    ) -> Images:
        """The same, always as a copy."""
        conv = self.conv
        plane = math.prod(frame) + self.lanes
        if plane * self.size % 4096 < 128:
            plane += 2 * self.lanes
        place = self.room(conv.examples * channels * plane * self.size)
        stored = ITEMSIZE[conv.dtype]
        numbers = [
            channels, *(s * stored for s in strides), *sizes, *before, *frame, plane * self.size, place,
        ]  # fmt: skip
        kernel = frames.Frame(conv.dtype, self.lanes, strides[4] == 1)
        count = conv.examples * channels
        self.add(
            COPY, kernel.name, lambda: frames.write_frame(kernel), (role, "scratch"), numbers, count,
            grain(count, count * plane, 16384, self.threads),
        )  # fmt: skip
        rows = frame[1] * frame[2], frame[2], 1
        return Images("scratch", place, (channels * plane, plane, *rows))

    def packed(
        self, role: str, packing: pack.Packing, extent: int, steps: int, outer: int, step: int, batch: Sizes,
        strides: Sizes, source: int = 0, table: str = "",
    ) -> tuple[int, int]:  # fmt: skip
        """Adds a packing step; returns where the panels begin and the bytes between the matrices."""
        size = ITEMSIZE[packing.dtype]
        lanes = self.lanes
        whole, rest = divmod(extent, packing.width)
        padded = whole * packing.width + (-(-rest // lanes) * lanes if rest else 0)
        each = -(-padded * steps * self.size // 128) * 128
        place = self.room(math.prod(batch) * each)
        panels = -(-extent // packing.width)
        pieces = math.prod(batch) * panels
        if not pieces:
            return place, each
        chunk = max(lanes, -(-steps // (max(1, 4 * self.threads // pieces) * lanes)) * lanes)
        numbers = [0] * pack.OPERANDS
        numbers[pack.EXTENT], numbers[pack.STEPS] = extent, steps
        numbers[pack.OUTER_STRIDE], numbers[pack.STEP_STRIDE] = outer * size, step * size
        numbers[pack.PANELS], numbers[pack.CHUNKS], numbers[pack.CHUNK] = (
            panels,
            max(1, -(-steps // chunk)),
            chunk,
        )
        numbers[pack.INNER], numbers[pack.TARGET_BATCH], numbers[pack.TARGET] = batch[1], each, place
        numbers[pack.BATCH_OUTER], numbers[pack.BATCH_INNER] = strides[0] * size, strides[1] * size
        numbers[pack.SOURCE] = source
        numbers[pack.WIDTH], numbers[pack.EDGE] = packing.width, packing.edge or packing.width
        count = pieces * numbers[pack.CHUNKS]
        self.add(
            PACK if role == "scratch" else COPY,
            packing.name,
            lambda: pack.write_pack(packing, None),
            (role, "scratch", *([table] if table else [])),
            numbers,
            count,
            grain(count, math.prod(batch) * extent * steps, 8192, self.threads),
        )
        return place, each

    def block(self, m: int, n: int, k: int, turned: bool) -> tuple[int, int]:
        """The block for a product whose left operand is reached by tables."""
        # Each row has an address in a register, and turned blocks have no more rows than lanes.
        shapes = tuple(s for s in self.machine.blocks() if s[0] <= min(8, self.lanes))
        rows, vectors = choose_block(m, n, k, self.lanes, shapes, turned)
        return rows, min(vectors, -(-n // self.lanes))

    def multiply(
        self, rows: int, columns: int, block: tuple[int, int], row_table: str, step_table: str,
        images: Images, numbers: dict[int, int], c: str, result: str, turned: bool, chunks: int, batch: Sizes,
        steps: int,
    ) -> None:  # fmt: skip
        """Adds a multiplying step. `numbers` has strides and places of the operands."""
        conv, lanes = self.conv, self.lanes
        width = block[1] * lanes
        whole, rest = divmod(columns, width)
        edge = -(-rest // lanes) if whole else 0
        odd = rest % lanes > 0
        shape = Block(*block, lanes, self.computed, "table", "packed", odd and not whole, chunks > 1, turned)
        epilogue = conv.epilogue if turned else None
        late = epilogue is not None and epilogue.reads_columns
        structure = epilogue.structure(late) if epilogue else ""
        multiply = mult.Multiply(shape, edge, odd and edge > 0, False, result, structure, late)
        values = [0] * mult.OPERANDS
        values[mult.ROWS], values[mult.COLUMNS], values[mult.STEPS] = rows, columns, steps
        values[mult.B_PANEL] = width * steps * self.size
        values[mult.INNER] = batch[1]
        values[mult.CHUNKS], values[mult.CHUNK] = chunks, max(steps, 1)
        for index, value in numbers.items():
            values[index] = value
        blocks, panels, batches = -(-rows // block[0]), -(-columns // width), math.prod(batch)
        work = rows * columns * steps * chunks
        tile = choose_tiles(blocks, panels, batches, work, 1, self.threads)
        values[mult.TILE_BLOCKS], values[mult.TILE_PANELS] = tile
        values[mult.ROW_TILES], values[mult.COLUMN_TILES] = -(-blocks // tile[0]), -(-panels // tile[1])
        count = values[mult.ROW_TILES] * values[mult.COLUMN_TILES] * batches
        more = [f"c.{i}" for i in range(len(epilogue.sources))] if epilogue else []
        self.add(
            MULTIPLY, multiply.name, lambda: mult.write_multiply(multiply, epilogue),
            (images.role, "scratch", c, row_table, step_table, *more),
            (*values, *(epilogue.numbers() if epilogue else ())),
            count, grain(count, work * batches, TILE_WORK, self.threads),
        )  # fmt: skip

    def table(self, name: str, offsets: NDArray[Any]) -> str:
        """A table of byte offsets, under a name of its own."""
        self.tables[name] = np.ascontiguousarray(offsets.reshape(-1), np.int64)
        return name
