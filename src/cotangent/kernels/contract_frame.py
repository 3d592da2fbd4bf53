"""Kernels around convolutions: images in a frame of zeros, sums of partial results, planes put in order."""

from __future__ import annotations

from dataclasses import dataclass

from .contract_micro import turn
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec, compute_type


@dataclass(frozen=True)
class Frame:
    """The structure of a kernel that copies images to frames, converted to the type that is computed in.

    Attributes:
        dtype: of the images.
        lanes: elements of a vector.
        contiguous: elements of an image's row lie side by side.
    """

    dtype: str
    lanes: int
    contiguous: bool

    @property
    def name(self) -> str:
        return f"contract frame x{self.lanes} {self.dtype} {'c' if self.contiguous else 's'}"


# Numbers of a frame kernel; strides in bytes, sizes in elements, for depth, height and width.
(
    CHANNELS,
    SOURCE_EXAMPLE,
    SOURCE_CHANNEL,
    SOURCE_DEPTH,
    SOURCE_HEIGHT,
    SOURCE_WIDTH,
    DEPTH,  # sizes of the images
    HEIGHT,
    WIDTH,
    BEFORE_DEPTH,  # zeros before them; negative: so much is cut off
    BEFORE_HEIGHT,
    BEFORE_WIDTH,
    FRAME_DEPTH,  # sizes of the frames
    FRAME_HEIGHT,
    FRAME_WIDTH,
    TARGET_PLANE,  # bytes between frames
    TARGET,  # where they begin
) = range(17)
FRAME_NUMBERS = 17


def write_frame(frame: Frame) -> str:
    """The kernel: buffers are the images and the scratch memory; an index is one channel of one example.

    Rows of a frame are written with whole vectors, the last of which may reach into what follows; so there
    must be `lanes` elements between one frame and the next.

    Args:
        frame: the structure.

    Returns:
        LLVM's assembly.
    """
    text = Text(KERNEL)
    n = [text.number(i) for i in range(FRAME_NUMBERS)]
    size = ITEMSIZE[compute_type(frame.dtype)]
    source, target = text.buffer(0), text.at(text.buffer(1), n[TARGET])
    with text.loop(text.argument("begin"), text.argument("end")) as plane:
        example, channel = text.divided(plane, n[CHANNELS])
        image = text.at(text.at(source, example * n[SOURCE_EXAMPLE]), channel * n[SOURCE_CHANNEL])
        target_plane = text.at(target, plane * n[TARGET_PLANE])
        with text.loop(0, n[FRAME_DEPTH]) as z, text.loop(0, n[FRAME_HEIGHT]) as y:
            depth, height = z - n[BEFORE_DEPTH], y - n[BEFORE_HEIGHT]
            inside = (depth >= 0) & (depth < n[DEPTH]) & (height >= 0) & (height < n[HEIGHT])
            row = text.at(text.at(image, depth * n[SOURCE_DEPTH]), height * n[SOURCE_HEIGHT])
            there = text.at(target_plane, (z * n[FRAME_HEIGHT] + y) * n[FRAME_WIDTH] * size)
            length = inside.select(n[WIDTH], 0)
            with text.loop(0, n[FRAME_WIDTH], frame.lanes) as x:
                value = _row_piece(text, frame, row, x - n[BEFORE_WIDTH], length, n[SOURCE_WIDTH])
                text.store(value, text.at(there, x * size), compute_type(frame.dtype))
    return module([text])


def _row_piece(text: Text, frame: Frame, row: str, first: Vec, length: Vec, stride: Vec) -> Vec:
    """Elements of a row from `first` on, zero where there are none."""
    lanes, size = frame.lanes, ITEMSIZE[frame.dtype]
    places = text.iota("i32", lanes) + text.splat(first.cast("i32"), lanes)
    mask = (places >= 0) & (places < text.splat(length.cast("i32"), lanes))
    if frame.contiguous:
        return text.load(text.at(row, first * size), frame.dtype, lanes, mask)
    elements = text.op(f"sdiv i64 {stride.name}, {size}", "i64", 1)
    return text.gather(text.at(row, first * stride), elements, frame.dtype, lanes, mask)


@dataclass(frozen=True)
class Total:
    """The structure of a kernel that adds partial matrices and transposes the sum.

    Attributes:
        dtype: of the partial matrices.
        result: of the sum in memory.
        lanes: elements of a vector.
        adds: to what is there.
    """

    dtype: str
    result: str
    lanes: int
    adds: bool

    @property
    def name(self) -> str:
        return f"contract total x{self.lanes} {self.dtype} {self.result} {'a' if self.adds else ''}"


# Numbers: rows and columns of each partial matrix, how many there are, bytes between them and between the
# rows, bands of rows in a matrix, bytes between the matrices of a batch, in both buffers, and between the
# rows of the result; where the partial matrices begin.
ROWS, COLUMNS, PARTS, PART, ROW, BANDS, BATCH, RESULT_BATCH, RESULT_ROW, PLACE = range(10)
TOTAL_NUMBERS = 10


def write_total(total: Total) -> str:
    """The kernel: buffers are the partial matrices and the result; an index is a band of `lanes` rows.

    Args:
        total: the structure.

    Returns:
        LLVM's assembly.
    """
    text = Text(KERNEL)
    n = [text.number(i) for i in range(TOTAL_NUMBERS)]
    source, target = text.at(text.buffer(0), n[PLACE]), text.buffer(1)
    lanes, size, stored = total.lanes, ITEMSIZE[total.dtype], ITEMSIZE[total.result]
    with text.loop(text.argument("begin"), text.argument("end")) as index:
        batch, band = text.divided(index, n[BANDS])
        first = band * lanes
        here = text.at(text.at(source, batch * n[BATCH]), first * n[ROW])
        there = text.at(text.at(target, batch * n[RESULT_BATCH]), first * stored)
        rows_inside = text.mask(lanes, n[ROWS] - first)
        with text.loop(0, n[COLUMNS], lanes) as column:
            mask = text.mask(lanes, n[COLUMNS] - column)
            rows = []
            for r in range(lanes):
                # Rows outside repeat the last one; their results are not stored.
                row = text.minimum(text.integer(r), n[ROWS] - first - 1)
                rows.append(_added(text, text.at(text.at(here, row * n[ROW]), column * size), total, mask, n))
            for x, value in enumerate(turn(text, rows)):
                with text.when(n[COLUMNS] - column > x):
                    place = text.at(there, (column + x) * n[RESULT_ROW])
                    if total.adds:
                        value = value + text.load(place, total.result, lanes, rows_inside)
                    text.store(value, place, total.result, rows_inside)
    return module([text])


def _added(text: Text, place: str, total: Total, mask: Vec | None, n: list[Vec]) -> Vec:
    """One vector of all partial matrices."""
    first = text.load(place, total.dtype, total.lanes, mask)
    stem = text.new_label("sum")
    before = text.block
    text.jump(f"{stem}.head")
    text.label(f"{stem}.head")
    value = Vec(text, f"%{stem}.v", total.dtype, total.lanes)
    text.line(f"%{stem}.i = phi i64 [1, %{before}], [%{stem}.next, %{stem}.body]")
    text.line(f"{value.name} = phi {value.type} [{first.name}, %{before}], [%{stem}.w, %{stem}.body]")
    counter = text.argument(f"{stem}.i")
    text.branch(counter < n[PARTS], f"{stem}.body", f"{stem}.exit")
    text.label(f"{stem}.body")
    more = text.load(text.at(place, counter * n[PART]), total.dtype, total.lanes, mask)
    text.line(f"%{stem}.w = fadd {value.type} {value.name}, {more.name}")
    text.line(f"%{stem}.next = add i64 {counter.name}, 1")
    text.jump(f"{stem}.head")
    text.label(f"{stem}.exit")
    return value


@dataclass(frozen=True)
class Order:
    """The structure of a kernel that puts the elements of planes in the order that a table gives.

    Attributes:
        dtype: of the source.
        result: of the planes in memory.
    """

    dtype: str
    result: str

    @property
    def name(self) -> str:
        return f"contract order {self.dtype} {self.result}"


# Numbers: elements of a plane, bytes between planes in both buffers, where those of the source begin.
ELEMENTS, SOURCE_PLANE, RESULT_PLANE, SOURCE_PLACE = range(4)
ORDER_NUMBERS = 4


def write_order(order: Order) -> str:
    """The kernel: buffers are the source, the result and the table; an index is a plane.

    Args:
        order: the structure.

    Returns:
        LLVM's assembly.
    """
    text = Text(KERNEL)
    n = [text.number(i) for i in range(ORDER_NUMBERS)]
    source, target, table = text.at(text.buffer(0), n[SOURCE_PLACE]), text.buffer(1), text.buffer(2)
    size = ITEMSIZE[order.result]
    with text.loop(text.argument("begin"), text.argument("end")) as plane:
        here, there = text.at(source, plane * n[SOURCE_PLANE]), text.at(target, plane * n[RESULT_PLANE])
        # One by one: CPUs gather vectors no faster, and some much slower.
        with text.loop(0, n[ELEMENTS]) as i:
            offset = text.op(f"load i64, ptr {text.at(table, i * 8)}, align 8", "i64", 1)
            text.store(
                text.load(text.at(here, offset), order.dtype, 1), text.at(there, i * size), order.result
            )
    return module([text])
