"""Matrix products as steps of generated kernels.

    gemm = Gemm(m, n, k, a=Layout(k, 1), b=Layout(n, 1), c=Layout(n, 1), dtype="f32")
    plan = plan_gemm(gemm, machine(), threads=2)
    program = runtime.Program(steps(plan, {"a": a, "b": b, "c": c, "scratch": memory}))

computes c = a @ b for an m x k and a k x n matrix. The four transpositions, slices and broadcasts are
strides; b given as the (n, k) weight of a linear layer is Layout(rows=1, columns=k). Batches have up to two
dimensions. Roles of the buffers are "a", "b", "c", "scratch" and, for what the fusions read, "a.0", "a.1",
..., "b.0", "c.0", ...

An operand that lies in memory as the micro-kernel wants it is read where it is; otherwise a first step packs
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from . import contract_multiply as mult, contract_pack as pack
from .contract_fusion import Fusion
from .contract_micro import RESUME, Block
from .contract_plan import TILE_WORK, Machine, Part, Plan, block_cost, choose_block, choose_tiles, grain
from .vectors import ITEMSIZE, compute_type


@dataclass(frozen=True, slots=True)
class Layout:
    """How a matrix lies in its buffer, in elements.

    Attributes:
        rows, columns: strides of the two dimensions.
        outer, inner: strides of the two batch dimensions.
    """

    rows: int
    columns: int
    outer: int = 0
    inner: int = 0

    @property
    def turned(self) -> Layout:
        return Layout(self.columns, self.rows, self.outer, self.inner)


@dataclass(frozen=True, slots=True)
class Gemm:
    """A product c = a @ b, or a batch of them.

    Attributes:
        m, n, k: c is m x n, the reduction has k steps.
        a, b, c: layouts; one of c's strides must be 1.
        dtype: of a and b: "f32", "f64", "bf16", "f16". Sums of 16-bit elements are kept in f32.
        result: type of c; by default that of a and b.
        outer, inner: sizes of the two batch dimensions.
        accumulate: add to c (of the type that is computed in) instead of overwriting it.
        reads_c: c is also among what the epilogue reads.
        epilogue: what is done with the sums before they are stored.
        left, right: prologues of a and b, on their own matrices.
    """

    m: int
    n: int
    k: int
    a: Layout
    b: Layout
    c: Layout
    dtype: str = "f32"
    result: str = ""
    outer: int = 1
    inner: int = 1
    accumulate: bool = False
    reads_c: bool = False
    epilogue: Fusion | None = None
    left: Fusion | None = None
    right: Fusion | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Decisions that have defaults, for measuring."""

    block: tuple[int, int] | None = None
    pack_a: bool | None = None
    pack_b: bool | None = None
    tiles: tuple[int, int] | None = None
    turned: bool | None = None


Blocks = tuple[tuple[int, int], ...]

# Reductions longer than this are cut into chunks, so that a panel of B stays in the second cache.
_LONGEST: Final = 1536
_CHUNK: Final = 1024
# Bytes that stay in a core's second cache, about.
_SECOND_CACHE: Final = 1 << 20
# Longest reduction of a product that is turned: its sums cannot wait in C.
_LONGEST_TURNED: Final = 4096
# Elements worth a chunk of a packing step.
_PACK_WORK: Final = 8192


@lru_cache(maxsize=4096)
def plan_gemm(gemm: Gemm, machine: Machine, threads: int, choice: Choice = Choice()) -> Plan:
    """The steps of a matrix product.

    Args:
        gemm: the product.
        machine: what is computed on.
        threads: how many will take part.
        choice: decisions made by the caller.

    Returns:
        The plan.

    Raises:
        ValueError: if neither stride of c is 1, or what is added to has another type than the sums.
    """
    if not (gemm.m and gemm.n and gemm.outer and gemm.inner):
        return Plan((), 0)
    planner = _Planner(gemm, machine, threads, choice)
    return planner.plan()


class _Planner:
    """Makes one plan."""

    def __init__(self, gemm: Gemm, machine: Machine, threads: int, choice: Choice) -> None:
        self.g, self.names = _normal(gemm)
        g = self.g
        self.threads, self.choice = threads, choice
        self.computed, self.result = compute_type(g.dtype), g.result or g.dtype
        if g.accumulate and self.result != self.computed:
            raise ValueError(f"sums in {self.computed} cannot be added to {self.result}")
        self.lanes, self.size = machine.lanes(g.dtype), ITEMSIZE[self.computed]
        blocks = machine.blocks()
        # Blocks are turned in registers: they have no more rows than lanes.
        turnable = tuple(s for s in blocks if s[0] <= self.lanes)
        self.turned = _can_turn(g) and (
            self._turning_gains(blocks, turnable) if choice.turned is None else choice.turned
        )
        if self.turned:
            self.g, self.names = _swapped(g, self.names)
            g, blocks = self.g, turnable
        self.rows, vectors = choice.block or choose_block(
            g.m, g.n, g.k, self.lanes, blocks, self.turned
        )
        self.vectors = min(vectors, -(-g.n // self.lanes))
        self.width = self.vectors * self.lanes
        self.whole, self.rest = divmod(g.n, self.width)
        self.edge = -(-self.rest // self.lanes) if self.whole else 0
        self.numbers = [0] * mult.OPERANDS
        self.parts: list[Part] = []
        self.scratch = 0
        self.roles = [*self.names, "c"]

    def plan(self) -> Plan:
        a_mode, a_packed = self.left()
        b_mode = "packed" if self.right() else "rows"
        self.multiply(a_mode, a_packed, b_mode)
        return Plan(tuple(self.parts), self.scratch)

    def left(self) -> tuple[str, bool]:
        """Where the multiplying kernel finds A: its mode, and whether it is packed."""
        g, numbers, rows = self.g, self.numbers, self.rows
        must = (
            self.computed != g.dtype or g.left is not None or 1 not in (g.a.columns, g.a.rows) or g.m < rows
        )
        if not (must or (self._a_gains() if self.choice.pack_a is None else self.choice.pack_a)):
            numbers[mult.A_ROW], numbers[mult.A_STEP] = g.a.rows * self.size, g.a.columns * self.size
            numbers[mult.A_OUTER], numbers[mult.A_INNER] = g.a.outer * self.size, g.a.inner * self.size
            return "rows" if g.a.columns == 1 else "columns", False
        blocks = -(-g.m // rows)
        each = _aligned(blocks * rows * g.k * self.size)
        packing = pack.Packing(
            rows, 0, self.lanes, g.dtype, along(g.a.rows, g.a.columns), _structure(g.left, g.a)
        )
        strides = self.pack(0, packing, g.left, g.m, g.a, each)
        numbers[mult.A_OUTER], numbers[mult.A_INNER], numbers[mult.A_PLACE] = strides
        numbers[mult.A_ROW], numbers[mult.A_STEP] = self.size, rows * self.size
        numbers[mult.A_BLOCK] = rows * g.k * self.size
        return "columns", True

    def right(self) -> bool:
        """The same for B: whether it is packed."""
        g, numbers = self.g, self.numbers
        must = self.computed != g.dtype or g.right is not None or g.b.columns != 1
        if not (must or (self._b_gains() if self.choice.pack_b is None else self.choice.pack_b)):
            numbers[mult.B_STEP], numbers[mult.B_PANEL] = g.b.rows * self.size, self.width * self.size
            numbers[mult.B_OUTER], numbers[mult.B_INNER] = g.b.outer * self.size, g.b.inner * self.size
            return False
        vectors = self.whole * self.vectors + -(-self.rest // self.lanes)
        each = _aligned(vectors * self.lanes * g.k * self.size)
        turned = g.b.turned
        prologue = g.right.turned() if g.right else None
        packing = pack.Packing(
            self.width, self.edge * self.lanes, self.lanes, g.dtype, along(turned.rows, turned.columns),
            _structure(prologue, turned),
        )  # fmt: skip
        strides = self.pack(1, packing, prologue, g.n, turned, each)
        numbers[mult.B_OUTER], numbers[mult.B_INNER], numbers[mult.B_PLACE] = strides
        numbers[mult.B_PANEL] = self.width * g.k * self.size
        return True

    def _turning_gains(self, blocks: Blocks, turnable: Blocks) -> bool:
        """Whether it is quicker to compute the transposed product, whose right operand need not be turned."""
        g = self.g
        if self.computed != g.dtype or g.b.columns == 1 or g.b.rows != 1:
            return False

        def cycles(m: int, n: int, shapes: Blocks, packs: bool, turned: bool) -> float:
            block = choose_block(m, n, g.k, self.lanes, shapes, turned)
            elements = n * g.k
            packing = elements * (1.0 if elements * self.size > _SECOND_CACHE else 0.4) if packs else 0.0
            return block_cost(m, n, g.k, self.lanes, block, turned) + packing

        return cycles(g.n, g.m, turnable, g.a.rows != 1, True) < cycles(g.m, g.n, blocks, True, False)

    def _a_gains(self) -> bool:
        """Whether columns a multiple of the page apart are worth a copy: they share few lines of a cache."""
        g = self.g
        return g.a.rows == 1 and g.a.columns * self.size % 4096 == 0 and g.n >= 512 and g.k >= 256

    def _b_gains(self) -> bool:
        """Whether rows of B are read often enough, and are so much that they leave the caches in between."""
        g = self.g
        return g.m > 96 and g.k * g.n * self.size > _SECOND_CACHE // 3

    def pack(
        self,
        operand: int,
        packing: pack.Packing,
        prologue: Fusion | None,
        extent: int,
        layout: Layout,
        each: int,
    ) -> tuple[int, int, int]:
        """Adds the step that packs an operand (rows: `extent`, columns: steps).

        Returns:
            The strides between the packed matrices, outer and inner, and where they begin.
        """
        g, size = self.g, ITEMSIZE[packing.dtype]
        sources = prologue.sources if prologue else ()
        # What is broadcast is packed once.
        outers = g.outer if layout.outer or any(s.outer for s in sources) else 1
        inners = g.inner if layout.inner or any(s.inner for s in sources) else 1
        panels = -(-extent // packing.width)
        pieces = outers * inners * panels
        chunks = max(1, min(4 * self.threads // pieces, g.k // 64))
        chunk = max(self.lanes, -(-g.k // (chunks * self.lanes)) * self.lanes)
        chunks = max(1, -(-g.k // chunk))
        numbers: list[float] = [0] * pack.OPERANDS
        numbers[pack.EXTENT], numbers[pack.STEPS] = extent, g.k
        numbers[pack.OUTER_STRIDE], numbers[pack.STEP_STRIDE] = layout.rows * size, layout.columns * size
        numbers[pack.PANELS], numbers[pack.CHUNKS], numbers[pack.CHUNK] = panels, chunks, chunk
        numbers[pack.INNER], numbers[pack.TARGET_BATCH], numbers[pack.TARGET] = inners, each, self.scratch
        numbers[pack.BATCH_OUTER], numbers[pack.BATCH_INNER] = layout.outer * size, layout.inner * size
        name = self.names[operand]
        numbers[pack.WIDTH], numbers[pack.EDGE] = packing.width, packing.edge or packing.width
        part = Part(
            packing.name, lambda: pack.write_pack(packing, prologue),
            (name, "scratch", *_roles(name, prologue)), (*numbers, *(prologue.numbers() if prologue else ())),
            pieces * chunks, grain(pieces * chunks, extent * g.k * outers * inners, _PACK_WORK, self.threads),
            barrier=not self.parts,
        )  # fmt: skip
        self.parts.append(part)
        self.roles[operand] = "scratch"
        place, self.scratch = self.scratch, self.scratch + outers * inners * each
        return inners * each if outers > 1 else 0, each if inners > 1 else 0, place

    def multiply(self, a_mode: str, a_packed: bool, b_mode: str) -> None:
        """Adds the step that multiplies."""
        g, numbers, rows = self.g, self.numbers, self.rows
        cut = g.k > _LONGEST and self.result == self.computed and not g.reads_c and not self.turned
        chunks = -(-g.k // _CHUNK) if cut else 1
        odd = self.rest % self.lanes > 0
        block = Block(
            rows, self.vectors, self.lanes, self.computed, a_mode, b_mode, odd and not self.whole,
            chunks > 1 or g.accumulate, self.turned,
        )  # fmt: skip
        epilogue = g.epilogue
        late = self.turned and epilogue is not None and epilogue.reads_columns
        multiply = mult.Multiply(
            block,
            self.edge,
            odd and self.edge > 0,
            a_packed,
            self.result,
            epilogue.structure(late) if epilogue else "",
            late,
        )
        stored = ITEMSIZE[self.result]
        numbers[mult.ROWS], numbers[mult.COLUMNS], numbers[mult.STEPS] = g.m, g.n, g.k
        numbers[mult.C_ROW] = (g.c.columns if self.turned else g.c.rows) * stored
        numbers[mult.C_OUTER], numbers[mult.C_INNER] = g.c.outer * stored, g.c.inner * stored
        numbers[mult.INNER] = g.inner
        numbers[mult.CHUNKS], numbers[mult.CHUNK] = chunks, -(-g.k // chunks)
        numbers[mult.BEGIN] = numbers[mult.CHUNK]
        numbers[mult.FIRST_PHASE] = RESUME if g.accumulate else 0
        blocks, panels, batches = -(-g.m // rows), -(-g.n // self.width), g.outer * g.inner
        work = g.m * g.n * g.k
        tile = self.choice.tiles or choose_tiles(
            blocks, panels, batches, work, rows * numbers[mult.CHUNK] * self.size, self.threads
        )
        numbers[mult.TILE_BLOCKS], numbers[mult.TILE_PANELS] = tile
        numbers[mult.ROW_TILES], numbers[mult.COLUMN_TILES] = -(-blocks // tile[0]), -(-panels // tile[1])
        count = numbers[mult.ROW_TILES] * numbers[mult.COLUMN_TILES] * batches
        self.parts.append(
            Part(
                multiply.name, lambda: mult.write_multiply(multiply, epilogue),
                (*self.roles, *_roles("c", epilogue)),
                (*numbers, *(epilogue.numbers() if epilogue else ())),
                count, grain(count, work * batches, TILE_WORK, self.threads),
            )
        )  # fmt: skip


def _normal(g: Gemm) -> tuple[Gemm, Sequence[str]]:
    """The same product with the rows of c contiguous, and what its left and right operand are called.

    Strides that no element takes become those of the simplest layout.
    """
    names: Sequence[str] = ("a", "b")
    if g.c.columns != 1 and g.n > 1:
        if g.c.rows != 1 and g.m > 1:
            raise ValueError("one of the strides of c must be 1")
        g, names = _swapped(g, names)
    a, b = g.a, g.b
    if g.k <= 1:
        a, b = replace(a, columns=1), replace(b, rows=1)
    if g.m == 1:
        a = replace(a, rows=max(g.k, 1))
    if g.n == 1:
        b = replace(b, columns=1)
    return replace(g, a=a, b=b), names


def _swapped(g: Gemm, names: Sequence[str]) -> tuple[Gemm, Sequence[str]]:
    """The product of the transposed matrices in reverse order."""
    swapped = replace(
        g, m=g.n, n=g.m, a=g.b.turned, b=g.a.turned, c=g.c.turned,
        epilogue=g.epilogue and g.epilogue.turned(), left=g.right and g.right.turned(),
        right=g.left and g.left.turned(),
    )  # fmt: skip
    return swapped, names[::-1]


def _can_turn(g: Gemm) -> bool:
    return not g.accumulate and g.k <= _LONGEST_TURNED


def along(outer: int, steps: int) -> str:
    """`Packing.along` of an operand with these element strides."""
    return "outer" if outer == 1 else "steps" if steps == 1 else "neither"


def _structure(prologue: Fusion | None, layout: Layout) -> str:
    return prologue.structure(along(layout.rows, layout.columns) == "outer") if prologue else ""


def _roles(name: str, fusion: Fusion | None) -> tuple[str, ...]:
    return tuple(f"{name}.{i}" for i in range(len(fusion.sources))) if fusion else ()


def _aligned(n: int) -> int:
    return -(-n // 128) * 128
