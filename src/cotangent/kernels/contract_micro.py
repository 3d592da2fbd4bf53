"""The micro-kernel of contractions: a block of rows x vectors kept in registers over the whole reduction.

Each step of the reduction loads a few vectors of B and multiplies them by `rows` broadcast elements of A. All
sums stay in registers until the end; 24 of them hide the latency of the multiply-add units and leave room for
the operands among 32 registers (12 among 16). Such a block reaches 98 % of the peak of the multiply-add units
from caches, without unrolling.

The scheme is that of K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM
Transactions on Mathematical Software 34(3), 2008, in the form of F. Van Zee and R. van de Geijn, "BLIS: A
Framework for Rapidly Instantiating BLAS Functionality", ibid. 41(3), 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from .contract_fusion import Reader
from .contract_text import Text
from .vectors import ITEMSIZE, Vec, llvm_type

# How many rows of A share one base address; the others are reached by an index (which x86 scales by 1 and 2).
_ROWS_A_BASE: Final = 3


@dataclass(frozen=True)
class Block:
    """The shape of a block and how its operands lie.

    Attributes:
        rows: rows of A and C.
        vectors: vectors of B and C.
        lanes: elements of a vector.
        dtype: what is computed in, "f32" or "f64".
        a: "columns" (the rows' elements of one step side by side, steps any distance apart; so are packed
            panels), "rows" (each row's elements side by side), "table" (element (i, k) at the sum of two
            offsets that tables give).
        b: "packed" (one step's vectors follow the last one's) or "rows" (any distance).
        masked: the last vector may be partly outside.
        chunked: the reduction comes in several parts; the sums wait in C.
        turned: the rows of a block are stored side by side, its columns `crs` apart.
    """

    rows: int
    vectors: int
    lanes: int
    dtype: str
    a: str
    b: str
    masked: bool
    chunked: bool
    turned: bool = False

    @property
    def width(self) -> int:
        return self.vectors * self.lanes


# Writes what the code between sums and store needs once: (text, place of the block) -> a reader of a fusion.
# The place is outer and inner batch index, row and column.
Epilogue = Callable[[Text, tuple[Vec, Vec, Vec, Vec]], Reader]

# Bits of `phase`: sums start in C instead of at zero; sums go back to C as they are.
RESUME: Final = 1
SUSPEND: Final = 2


def arguments(block: Block) -> list[tuple[str, str]]:
    """Types and names of a block function's arguments.

    `a`, `b`, `c`: addresses of the block's first elements; `ars`, `acs`, `bst`, `crs`: bytes between the rows
    and the steps of A, the steps of B, the rows of C (or, of A as a table: addresses of the offsets of the
    block's rows, and of the steps); `steps` of the reduction; only rows from `low` up to `high` and `columns`
    columns are stored; `row`, `column` say where in C the block lies, `outer`, `inner` in which of
    a batch; `phase` is for chunks; `buffers` and `numbers` are the kernel's own.
    """
    a = "ptr" if block.a == "table" else "i64"
    return [
        ("ptr", "a"), (a, "ars"), (a, "acs"), ("ptr", "b"), ("i64", "bst"), ("ptr", "c"), ("i64", "crs"),
        ("i64", "steps"), ("i64", "low"), ("i64", "high"), ("i64", "columns"), ("i64", "row"),
        ("i64", "column"), ("i64", "outer"), ("i64", "inner"), ("i64", "phase"),
        ("ptr", "buffers"), ("ptr", "numbers"),
    ]  # fmt: skip


def write_block(name: str, block: Block, result: str, finish: Epilogue | None, late: bool = False) -> Text:
    """The function of one block.

    Args:
        name: the function's name.
        block: its shape.
        result: type of C in memory.
        finish: what is done with the sums before they are stored, or None.
        late: that is done to turned vectors, which lie along the rows.

    Returns:
        The text.
    """
    listed = ", ".join(f"{kind} %{argument}" for kind, argument in arguments(block))
    text = Text(f"define internal void @{name}({listed}) noinline")
    _Block(text, block, result, finish, late).write()
    return text


class _Block:
    """Writes the parts of a block's function."""

    def __init__(self, text: Text, block: Block, result: str, finish: Epilogue | None, late: bool) -> None:
        self.late = late
        self.text = text
        self.block = block
        self.result = result
        self.finish = finish
        self.type = llvm_type(block.dtype, block.lanes)
        self.size = ITEMSIZE[block.dtype]
        self.mask: Vec | None = None
        self.reader: Reader | None = None
        self.names = [[f"%s{r}.{v}" for v in range(block.vectors)] for r in range(block.rows)]

    def write(self) -> None:
        block, text = self.block, self.text
        if block.turned and not self.late:
            text.line(f"%spare = alloca [{block.lanes * block.rows * self.size} x i8], align 64")
        if block.masked:
            self.mask = text.mask(block.lanes, text.argument("columns") - (block.vectors - 1) * block.lanes)
        sums = self.reduction(self.starts())
        if block.turned:
            self.begin()
            self.store_turned(sums)
            return
        if block.chunked:
            text.branch((text.argument("phase") & SUSPEND).compare("eq", 0), "complete", "suspend")
            text.label("suspend")
            self.store_rows(sums, block.dtype)
            text.line("ret void")
            text.label("complete")
        self.begin()
        self.store_rows(sums, self.result)

    def begin(self) -> None:
        """Prepares the epilogue."""
        if self.finish:
            outer, inner, row, column = (self.text.argument(x) for x in ("outer", "inner", "row", "column"))
            self.reader = self.finish(self.text, (outer, inner, row, column))

    def limit(self, v: int) -> Vec | None:
        """The mask of vector `v` of a row."""
        return self.mask if v == self.block.vectors - 1 else None

    def inside(self, r: int) -> Vec:
        return (self.text.argument("low") <= r) & (self.text.argument("high") > r)

    def rows_of_c(self) -> list[str]:
        rows = ["%c"]
        for _ in range(1, self.block.rows):
            rows.append(self.text.at(rows[-1], self.text.argument("crs")))
        return rows

    def starts(self) -> list[list[str]]:
        """What the sums start from: zero, or what an earlier chunk left in C."""
        block, text = self.block, self.text
        if not block.chunked:
            return [["zeroinitializer"] * block.vectors for _ in range(block.rows)]
        text.branch((text.argument("phase") & RESUME).compare("eq", 0), "fresh", "resume")
        text.label("resume")
        first = text.at("%c", text.argument("low") * text.argument("crs"))
        loaded = []
        for r, row in enumerate(self.rows_of_c()):
            # Rows outside are not touched: another's address stands in.
            safe = text.choose(self.inside(r), row, first)
            loaded.append([self.read(safe, v, self.limit(v)).name for v in range(block.vectors)])
        text.jump("begin")
        text.label("fresh")
        text.jump("begin")
        text.label("begin")
        return [[self.phi(value, "resume", "zeroinitializer", "fresh") for value in row] for row in loaded]

    def phi(self, value: str, block: str, other: str, other_block: str) -> str:
        kind = f"phi {self.type} [{value}, %{block}], [{other}, %{other_block}]"
        return self.text.op(kind, self.block.dtype, self.block.lanes).name

    def read(self, row: str, v: int, mask: Vec | None) -> Vec:
        place = self.text.at(row, v * self.block.lanes * self.size)
        return self.text.load(place, self.block.dtype, self.block.lanes, mask)

    def reduction(self, start: list[list[str]]) -> list[list[Vec]]:
        """The loop over the reduction; returns the sums."""
        text, block = self.text, self.block
        bases = self.bases()
        steps = text.argument("steps")
        twice = text.argument("ars") * 2 if block.a == "rows" and block.rows > 2 else steps
        before = text.block
        text.branch(steps > 0, "body", "done")
        text.label("body")
        text.line(f"%i = phi i64 [0, %{before}], [%i.next, %body]")
        text.line(f"%bp = phi ptr [%b, %{before}], [%bp.next, %body]")
        if block.a == "columns":
            text.line(f"%ap = phi ptr [%a, %{before}], [%ap.next, %body]")
        for names, initial in zip(self.names, start):
            for name, value in zip(names, initial):
                text.line(f"{name} = phi {self.type} [{value}, %{before}], [{name}.next, %body]")
        self.step(bases, twice)
        forward = str(self.size * block.width) if block.b == "packed" else "%bst"
        text.line(f"%bp.next = getelementptr i8, ptr %bp, i64 {forward}")
        if block.a == "columns":
            text.line("%ap.next = getelementptr i8, ptr %ap, i64 %acs")
        text.line("%i.next = add i64 %i, 1")
        text.branch(text.argument("i.next") < steps, "body", "done")
        text.label("done")
        return [
            [
                Vec(text, self.phi(value, before, f"{name}.next", "body"), block.dtype, block.lanes)
                for name, value in zip(names, initial)
            ]
            for names, initial in zip(self.names, start)
        ]

    def step(self, bases: list[str], twice: Vec) -> None:
        """One step of the reduction."""
        text, block = self.text, self.block
        b = [self.read("%bp", v, self.limit(v) if block.b == "rows" else None) for v in range(block.vectors)]
        i = text.argument("i")
        offset = i
        if block.a == "table":
            offset = text.op(f"load i64, ptr {text.at('%acs', i * 8)}, align 8", "i64", 1)
        elif block.a == "rows":
            offset = i * self.size
        here = "%ap"
        for r, names in enumerate(self.names):
            if block.a == "columns":
                place = text.at("%ap", r * self.size)
            elif block.a == "table":
                place = text.at(bases[r], offset)
            elif r % _ROWS_A_BASE == 0:
                place = here = text.at(bases[r // _ROWS_A_BASE], offset)
            else:
                place = text.at(here, text.argument("ars") if r % _ROWS_A_BASE == 1 else twice)
            element = text.splat(text.load(place, block.dtype, 1), block.lanes)
            for name, right in zip(names, b):
                code = text.intrinsic(
                    f"llvm.fma.v{block.lanes}{block.dtype}" if block.lanes > 1 else f"llvm.fma.{block.dtype}",
                    self.type, (self.type, element.name), (self.type, right.name), (self.type, name),
                )  # fmt: skip
                text.line(f"{name}.next = {code}")

    def bases(self) -> list[str]:
        """Addresses from which the rows of A are reached."""
        text, block = self.text, self.block
        if block.a == "table":
            offsets = [
                text.op(f"load i64, ptr {text.at('%ars', 8 * r)}, align 8", "i64", 1)
                for r in range(block.rows)
            ]
            return [text.at("%a", offset) for offset in offsets]
        bases = ["%a"]
        if block.a == "rows" and block.rows > _ROWS_A_BASE:
            stride = text.argument("ars") * _ROWS_A_BASE
            for _ in range((block.rows - 1) // _ROWS_A_BASE):
                bases.append(text.at(bases[-1], stride))
        return bases

    def finished(self, value: Vec, r: int, v: int) -> Vec:
        """The epilogue of vector `v` of row `r`."""
        if self.reader is None or self.late:
            return value
        return self.reader.apply(value, self.limit(v), r, v * self.block.lanes)

    def store_rows(self, sums: list[list[Vec]], result: str) -> None:
        """From the sums to C, as far as rows are inside."""
        text = self.text
        for r, row in enumerate(self.rows_of_c()):
            with text.when(self.inside(r)):
                for v, value in enumerate(sums[r]):
                    place = text.at(row, v * self.block.lanes * ITEMSIZE[result])
                    text.store(self.finished(value, r, v), place, result, self.limit(v))

    def store_turned(self, sums: list[list[Vec]]) -> None:
        """From the sums to C with the roles of rows and columns exchanged."""
        text, block = self.text, self.block
        low, high, columns = (text.argument(name) for name in ("low", "high", "columns"))
        # Rows below `low` are another block's.
        above, below = text.mask(block.rows, high), text.mask(block.rows, low)
        rows = above & (below ^ True) if above and below else None
        whole = low.compare("eq", 0) & high.compare("eq", block.rows)
        for v in range(block.vectors):
            values = [self.finished(row[v], r, v) for r, row in enumerate(sums)]
            first = text.at("%c", text.argument("crs") * (v * block.lanes)) if v else "%c"
            store = partial(self.store_columns, turn(text, values), first, v * block.lanes)
            text.either(
                whole & (columns >= (v + 1) * block.lanes),
                partial(store, None, None),
                partial(store, rows, columns - v * block.lanes),
            )

    def store_columns(
        self, turned: list[Vec], place: str, first: int, rows: Vec | None, count: Vec | None
    ) -> None:
        text, stride = self.text, self.text.argument("crs")
        if count is None:
            for x, value in enumerate(turned):
                place = text.at(place, stride) if x else place
                self.store_column(value, place, first + x, None)
        elif self.late:
            for x, value in enumerate(turned):
                place = text.at(place, stride) if x else place
                with text.when(count > x):
                    self.store_column(value, place, first + x, rows)
        else:
            # By way of memory and a loop, which is little code.
            step = self.block.rows * self.size
            for x, value in enumerate(turned):
                text.store(value, text.at("%spare", x * step), self.block.dtype)
            with text.loop(0, text.minimum(count, len(turned))) as i:
                value = text.load(text.at("%spare", i * step), self.block.dtype, self.block.rows)
                self.store_column(value, text.at(place, stride * i), 0, rows)

    def store_column(self, value: Vec, place: str, column: int, mask: Vec | None) -> None:
        if self.reader is not None and self.late:
            value = self.reader.apply(value, mask, 0, column)
        self.text.store(value, place, self.result, mask)


def turn(text: Text, rows: list[Vec]) -> list[Vec]:
    """Transposes vectors in registers.

    Each round interleaves the first half of the vectors with the second one: the highest bit of a
    vector's number becomes the lowest of the lane's, and the lane's highest the lowest of the number's. After
    as many rounds as the number has bits, all elements lie in transposed order.

    Args:
        text: where to write.
        rows: at most as many vectors as each has lanes, a power of two.

    Returns:
        For each lane a vector of one element for each row.
    """
    lanes = rows[0].lanes
    count = 1 << (len(rows) - 1).bit_length()
    flat = rows + [Vec(text, "poison", rows[0].kind, lanes)] * (count - len(rows))
    low = [x // 2 + (lanes if x % 2 else 0) for x in range(lanes)]
    high = [x + lanes // 2 for x in low]
    for _ in range(count.bit_length() - 1):
        half = count // 2
        flat = [text.shuffle(flat[i], flat[i + half], order) for i in range(half) for order in (low, high)]
    if len(rows) == lanes:
        return flat
    starts = [divmod(x * count, lanes) for x in range(lanes)]
    return [text.shuffle(flat[i], None, range(first, first + len(rows))) for i, first in starts]
