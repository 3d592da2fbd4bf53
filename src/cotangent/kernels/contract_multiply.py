"""The multiplying kernel of contractions: from an index to a tile of C, and from there to blocks.

An index of the kernel's range is a tile: some row blocks by some column panels of one matrix of a batch.
Within it the panels of B are the outer loop, so that a panel stays in the caches while the rows of A pass by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from .contract_fusion import Fusion, Reader
from .contract_micro import RESUME, SUSPEND, Block, arguments, write_block
from .contract_text import KERNEL, Text, module
from .vectors import ITEMSIZE, Vec

# What the numbers of the kernel are; strides and places are in bytes.
(
    ROWS,
    COLUMNS,
    STEPS,
    A_ROW,
    A_STEP,
    A_BLOCK,  # between the row blocks of A, if it is packed
    B_STEP,
    B_PANEL,  # between the whole panels of B
    C_ROW,
    TILE_BLOCKS,  # row blocks and panels of a tile
    TILE_PANELS,
    ROW_TILES,
    COLUMN_TILES,
    INNER,  # size of the inner batch dimension
    A_OUTER,
    A_INNER,
    B_OUTER,
    B_INNER,
    C_OUTER,
    C_INNER,
    A_PLACE,  # where the operands begin in their buffers
    B_PLACE,
    C_PLACE,
    CHUNKS,  # parts of the reduction, and their steps
    CHUNK,
    BEGIN,  # steps between the beginnings of parts, where they follow each other in A and B,
    A_CHUNK,  # and bytes between those of others
    B_CHUNK,
    FIRST_PHASE,  # RESUME if C is added to
) = range(29)
# The epilogue's numbers follow.
OPERANDS = 29
# Buffers: A, B, C, the tables of rows and steps if A is reached by tables, then the epilogue's.
ROW_TABLE, STEP_TABLE = 3, 4


@dataclass(frozen=True)
class Multiply:
    """The structure of a multiplying kernel.

    Attributes:
        main: the block of whole panels.
        edge: vectors of a narrower last panel, 0 for none.
        edge_masked: its last vector may be partly outside.
        padded: A is packed up to whole blocks; otherwise a last block is moved up so that it is inside.
        result: type of C in memory.
        epilogue: structure of what is done with the sums.
        late: it reads neighbours in columns, after the block is turned.
    """

    main: Block
    edge: int
    edge_masked: bool
    padded: bool
    result: str
    epilogue: str = ""
    late: bool = False

    @property
    def first_operand(self) -> int:
        """The epilogue's first buffer."""
        return 5 if self.main.a == "table" else 3

    @property
    def name(self) -> str:
        m = self.main
        switches = (m.masked, m.chunked, m.turned, self.edge_masked, self.padded, self.late)
        flags = "".join(letter for letter, on in zip("mctepl", switches) if on)
        return (
            f"contract multiply {m.rows}x{m.vectors}+{self.edge} x{m.lanes} {m.dtype} {m.a} {m.b} {flags} "
            f"{self.result} {self.epilogue}"
        )


def write_multiply(multiply: Multiply, epilogue: Fusion | None) -> str:
    """The kernel; an index is a tile.

    Args:
        multiply: the structure.
        epilogue: what is done with the sums.

    Returns:
        LLVM's assembly.
    """

    def finish(text: Text, place: tuple[Vec, Vec, Vec, Vec]) -> Reader:
        assert epilogue is not None
        return Reader(epilogue, text, place, multiply.first_operand, OPERANDS, multiply.late)

    main = multiply.main
    chosen = finish if epilogue else None
    functions = [write_block("main_block", main, multiply.result, chosen, multiply.late)]
    if multiply.edge:
        edge = replace(main, vectors=multiply.edge, masked=multiply.edge_masked)
        functions.append(write_block("edge_block", edge, multiply.result, chosen, multiply.late))
    text = Text(KERNEL)
    _Driver(text, multiply).write()
    return module([*functions, text])


@dataclass
class _Panel:
    """What the loop over row blocks needs to know."""

    outer: Vec
    inner: Vec
    phase: Vec
    a: str
    b: str
    c: str
    begin: Vec
    steps: Vec
    column: Vec
    columns: Vec
    first: Vec
    last: Vec


class _Driver:
    """Writes the loops around the blocks."""

    def __init__(self, text: Text, multiply: Multiply) -> None:
        self.text = text
        self.multiply = multiply
        self.n = [text.number(i) for i in range(OPERANDS)]
        self.a = text.at(text.buffer(0), self.n[A_PLACE])
        self.b = text.at(text.buffer(1), self.n[B_PLACE])
        self.c = text.at(text.buffer(2), self.n[C_PLACE])
        table = multiply.main.a == "table"
        self.rows_table = text.buffer(ROW_TABLE) if table else ""
        self.steps_table = text.buffer(STEP_TABLE) if table else ""

    def write(self) -> None:
        text, n, main = self.text, self.n, self.multiply.main
        blocks, _ = text.divided(n[ROWS] + (main.rows - 1), main.rows)
        panels, _ = text.divided(n[COLUMNS] + (main.width - 1), main.width)
        with text.loop(text.argument("begin"), text.argument("end")) as tile:
            rest, row_tile = text.divided(tile, n[ROW_TILES])
            batch, column_tile = text.divided(rest, n[COLUMN_TILES])
            outer, inner = text.divided(batch, n[INNER])
            a, b, c = (
                text.at(text.at(base, outer * n[o]), inner * n[i])
                for base, o, i in (
                    (self.a, A_OUTER, A_INNER),
                    (self.b, B_OUTER, B_INNER),
                    (self.c, C_OUTER, C_INNER),
                )
            )
            first, first_panel = row_tile * n[TILE_BLOCKS], column_tile * n[TILE_PANELS]
            last = text.minimum(first + n[TILE_BLOCKS], blocks)
            last_panel = text.minimum(first_panel + n[TILE_PANELS], panels)
            with text.loop(0, n[CHUNKS]) as chunk:
                begin = chunk * n[BEGIN]
                steps = text.minimum(n[STEPS] - begin, n[CHUNK])
                phase = chunk.compare("eq", 0).select(n[FIRST_PHASE], RESUME)
                phase = phase | (chunk + 1).compare("eq", n[CHUNKS]).select(text.integer(0), SUSPEND)
                a_here, b_chunk = text.at(a, chunk * n[A_CHUNK]), text.at(b, chunk * n[B_CHUNK])
                if main.a != "table":
                    a_here = text.at(
                        a_here, begin * (ITEMSIZE[main.dtype] if main.a == "rows" else n[A_STEP])
                    )
                with text.loop(first_panel, last_panel) as panel:
                    column = panel * main.width
                    here = _Panel(
                        outer, inner, phase, a_here, text.at(b_chunk, panel * n[B_PANEL]), c, begin, steps,
                        column, n[COLUMNS] - column, first, last,
                    )  # fmt: skip
                    if not self.multiply.edge:
                        self.rows("main_block", main.vectors, here)
                    else:
                        text.either(
                            here.columns >= main.width,
                            partial(self.rows, "main_block", main.vectors, here),
                            partial(self.rows, "edge_block", self.multiply.edge, here),
                        )

    def rows(self, function: str, vectors: int, at: _Panel) -> None:
        """All row blocks of a tile against one panel."""
        text, n, main = self.text, self.n, self.multiply.main
        size, result = ITEMSIZE[main.dtype], ITEMSIZE[self.multiply.result]
        b_step = text.integer(vectors * main.lanes * size) if main.b == "packed" else n[B_STEP]
        b = text.at(at.b, at.begin * b_step)
        with text.loop(at.first, at.last) as block:
            row = block * main.rows
            over = text.maximum(row + main.rows - n[ROWS], 0)
            if self.multiply.padded:
                low, high = text.integer(0), text.integer(main.rows) - over
                a = text.at(at.a, block * n[A_BLOCK])
            else:
                low, high = over, text.integer(main.rows)
                row = row - over
                a = at.a
                if main.a != "table":
                    a = text.at(a, row * (size if main.a == "columns" else n[A_ROW]))
            across, down = (n[C_ROW], result) if main.turned else (result, n[C_ROW])
            c = text.at(text.at(at.c, row * down), at.column * across)
            a_row, a_step = n[A_ROW].name, n[A_STEP].name
            if main.a == "table":
                a_row = text.at(self.rows_table, row * 8)
                a_step = text.at(self.steps_table, at.begin * 8)
            values = {
                "a": a, "ars": a_row, "acs": a_step, "b": b, "bst": b_step.name, "c": c,
                "crs": n[C_ROW].name, "steps": at.steps.name, "low": low.name, "high": high.name,
                "columns": at.columns.name, "row": row.name, "column": at.column.name, "outer": at.outer.name,
                "inner": at.inner.name, "phase": at.phase.name, "buffers": "%buffers", "numbers": "%numbers",
            }  # fmt: skip
            listed = ", ".join(f"{kind} {values[name]}" for kind, name in arguments(main))
            text.line(f"call void @{function}({listed})")
