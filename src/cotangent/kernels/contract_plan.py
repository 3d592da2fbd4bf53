"""Plans of contractions: steps that are not yet bound to memory.

plan = ...                                        # of contract_gemm or contract_conv
scratch = numpy.empty(plan.scratch, numpy.uint8)
program = runtime.Program(steps(plan, {"a": a, "b": b, "c": c, "scratch": scratch}))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import jit
from .runtime import Step
from .vectors import ITEMSIZE, compute_type


@dataclass(frozen=True, slots=True)
class Part:
    """A step before it is bound to memory.

    Attributes:
        name, build: what `jit.function` takes.
        roles: the buffers, by name.
        numbers: the numbers.
        count, grain, barrier: as in `runtime.Step`.
    """

    name: str
    build: Callable[[], str]
    roles: tuple[str, ...]
    numbers: tuple[float, ...]
    count: int
    grain: int = 1
    barrier: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that compute a contraction.

    Attributes:
        parts: the steps in order.
        scratch: bytes of memory that the steps share (role "scratch"). It need not be initialised, holds
            nothing afterwards, and should begin at a multiple of 64.
        tables: arrays that are the same in every run, by their roles.
    """

    parts: tuple[Part, ...]
    scratch: int
    tables: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


def steps(plan: Plan, buffers: Mapping[str, Any]) -> list[Step]:
    """The steps of a plan, compiled if need be.

    Args:
        plan: what to compute.
        buffers: an array or an address for each role (not for the plan's own tables).

    Returns:
        What `runtime.Program` takes.
    """
    known = {**buffers, **plan.tables}
    return [
        Step(
            jit.function(part.name, part.build), [known[role] for role in part.roles], part.numbers,
            part.count, part.grain, part.barrier,
        )
        for part in plan.parts
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """What the choice of blocks depends on: bytes of a vector and the number of vector registers."""

    vector_bytes: int
    registers: int

    def lanes(self, dtype: str) -> int:
        """Elements of a vector, in the type that `dtype` is computed in."""
        return self.vector_bytes // ITEMSIZE[compute_type(dtype)]

    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The shapes (rows, vectors) that blocks may have, best first."""
        if self.registers >= 32:
            return (
                (6, 4), (8, 3), (12, 2), (14, 2), (8, 2), (24, 1), (8, 1), (4, 4), (4, 1), (2, 4), (2, 1),
                (1, 4), (1, 1),
            )  # fmt: skip
        return (4, 3), (6, 2), (4, 2), (12, 1), (6, 1), (4, 1), (2, 4), (2, 1), (1, 4), (1, 1)


def machine() -> Machine:
    """The machine that code is generated for."""
    host = jit.host()
    return Machine(host.vector_bytes, host.registers)


def block_cost(m: int, n: int, k: int, lanes: int, shape: tuple[int, int], turned: bool = False) -> float:
    """Cycles that a product takes with a block.

    A step takes as long as its multiply-adds, or as its loads where those are more: vectors of B come from
    the second cache.

    Args:
        m, n, k: sizes of the product.
        lanes: elements of a vector.
        shape: rows and vectors of the block.
        turned: the sums are transposed before they are stored.

    Returns:
        The estimate.
    """

    def panel(rows: int, vectors: int) -> float:
        step = max(rows * vectors, 2 * vectors + rows / 2, 5)
        return k * step + 20 + (rows + turning) * vectors if vectors else 0.0

    rows, vectors = shape
    rounds = (rows - 1).bit_length()
    # Shuffles, and for each lane the stores (and cuts) of as many pieces as `rows` has bits.
    turning = (rounds << rounds) + lanes * (3 * rows.bit_count() - 2) if turned else 0
    whole, rest = divmod(-(-n // lanes), vectors)
    return -(-m // rows) * (whole * panel(rows, vectors) + panel(rows, rest))


def choose_block(
    m: int, n: int, k: int, lanes: int, shapes: tuple[tuple[int, int], ...], turned: bool = False
) -> tuple[int, int]:
    """The block that takes least time.

    Args:
        m, n, k: sizes of the product.
        lanes: elements of a vector.
        shapes: the blocks to choose from, best first.
        turned: the sums are transposed before they are stored.

    Returns:
        Rows (at most `m`) and vectors (at most as many as `n` needs).
    """
    needed = -(-n // lanes)
    fitting = [s for s in shapes if s[0] <= m and s[1] <= needed] or [(1, 1)]
    return min(fitting, key=lambda shape: block_cost(m, n, k, lanes, shape, turned))


# Multiply-adds worth a tile of their own, and how many tiles a thread gets of a large product.
TILE_WORK = 1 << 20
_TILES_A_THREAD = 4
# Bytes of A that a tile goes through for each panel of B.
_TILE_BYTES = 384 << 10


def choose_tiles(
    blocks: int, panels: int, batches: int, work: int, block_bytes: int, threads: int
) -> tuple[int, int]:
    """How a matrix is cut, so that all threads have work and a tile's part of A stays in a cache.

    Args:
        blocks, panels: row blocks and column panels of the matrix.
        batches: how many matrices there are.
        work: multiply-adds of each.
        block_bytes: of a row block of A.
        threads: how many take part.

    Returns:
        Row blocks and panels of a tile.
    """
    total = work * batches
    share = max(1, min(_TILES_A_THREAD, total // (threads * TILE_WORK)))
    wanted = -(-threads * share // batches) if total > TILE_WORK // 4 else 1
    most = max(1, _TILE_BYTES // max(block_bytes, 1))
    best, best_cost = (blocks, panels), math.inf
    for column_tiles in range(1, min(panels, wanted) + 1):
        fewest = max(-(-wanted // column_tiles), -(-blocks // most))
        for row_tiles in range(min(blocks, fewest), min(blocks, fewest + threads - 1) + 1):
            tile = -(-blocks // row_tiles), -(-panels // column_tiles)
            count = -(-blocks // tile[0]) * -(-panels // tile[1]) * batches
            shape = 1 + 0.02 * math.log(column_tiles) + 0.01 * math.log(row_tiles)
            cost = -(-count // threads) * tile[0] * tile[1] * shape
            if cost < best_cost:
                best, best_cost = tile, cost
    return best


def grain(count: int, work: int, least: int, threads: int) -> int:
    """Indices per chunk, so that a chunk is worth handing out.

    Args:
        count: indices.
        work: of all of them.
        least: work of a chunk.
        threads: how many take part.

    Returns:
        At least 1.
    """
    return max(1, min(count * least // max(work, 1), count // threads))
