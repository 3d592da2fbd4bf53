"""Compressed sparse tensors: rows (CSR), columns (CSC), and the same with blocks (BSR, BSC).

A `Compressed` is a `Coo` as well: it holds the place of every element beside the compressed indices, so that
whatever is written for coordinates serves here, too. What keeps the places keeps the layout.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .sparse import Array, Coo
from .sparse_parts import to_sparse

__all__ = [
    "LAYOUTS",
    "Compressed",
    "compress",
    "like",
    "make",
    "raw_at",
    "raw_of",
    "to_coordinates",
    "with_raw",
]

# Name -> whether rows are compressed (columns else), whether elements come in blocks, the layout's transpose.
LAYOUTS: Final = {
    "torch.sparse_csr": (True, False, "torch.sparse_csc"),
    "torch.sparse_csc": (False, False, "torch.sparse_csr"),
    "torch.sparse_bsr": (True, True, "torch.sparse_bsc"),
    "torch.sparse_bsc": (False, True, "torch.sparse_bsr"),
}


# Operations whose results are in coordinates.
_LEAVE: Final = frozenset(("select_at", "select_rows", "unbind_dim", "coordinates_of", "turned_of"))


class Compressed(Coo):
    """Values, which of them are in each row (or column), and in which column (or row) each is.

    Args:
        layout: a name of LAYOUTS.
        compressed: (batch..., rows + 1), where each row's values begin.
        plain: (batch..., count), the column of each.
        raw: (batch..., count, block..., dense...).
        shape: (batch..., rows, columns, dense...).
    """

    __slots__ = ("layout", "compressed", "plain", "raw")

    def __init__(
        self, layout: str, compressed: Array, plain: Array, raw: Array, shape: tuple[int, ...]
    ) -> None:
        self.layout, self.compressed, self.plain, self.raw = layout, compressed, plain, raw
        by_rows, blocked, _ = LAYOUTS[layout]
        indices, values = _places(by_rows, blocked, compressed, plain, raw)
        super().__init__(indices, values, shape, by_rows and not blocked)

    @property
    def batch(self) -> int:
        """How many leading dimensions are a batch."""
        return int(self.compressed.ndim) - 1

    @property
    def blocksize(self) -> tuple[int, ...]:
        """The sizes of a block; none where there are no blocks."""
        n = self.batch + 1
        return tuple(self.raw.shape[n : n + 2]) if LAYOUTS[self.layout][1] else ()

    def with_values(self, values: Array) -> Coo:
        """Other values at the same places."""
        dense = values.shape[1:]
        raw = values.reshape(self.raw.shape[: self.batch + 1 + len(self.blocksize)] + dense)
        return Compressed(
            self.layout, self.compressed, self.plain, raw, self.shape[: self.sparse_dim] + dense
        )

    def copy(self, order: str = "K") -> Coo:
        """The same in memory of its own."""
        return Compressed(self.layout, self.compressed.copy(), self.plain.copy(), self.raw.copy(), self.shape)

    def parts(self) -> dict[str, Array]:
        """What a `repr` shows, by name."""
        names = (
            ("crow_indices", "col_indices") if LAYOUTS[self.layout][0] else ("ccol_indices", "row_indices")
        )
        return {names[0]: self.compressed, names[1]: self.plain, "values": self.raw}

    def coalesce(self) -> Coo:
        """The same: no place comes twice."""
        return self

    def at(self, places: Array, sizes: tuple[int, ...]) -> Array:
        """The values at other places, zeros where none is stored."""
        return self.coordinates().at(places, sizes)

    def permute(self, order: tuple[int, ...]) -> Coo:
        """The dimensions in another order: rows and columns exchanged, in the layout that fits."""
        found = transposed(self, order)
        return self.coordinates().permute(order) if found is None else found

    def apply_op(self, op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Run an operation of the table of which this is an operand; its result has this layout.

        What is masked gets the layout of the mask.
        """
        found = super().apply_op(op, payloads, statics)
        layout = payloads[1] if op.name == "masked_of" else self
        return found if op.name in _LEAVE or not isinstance(layout, Compressed) else like(found, layout)

    def coordinates(self) -> Coo:
        """The same in coordinates, in order."""
        return Coo(self.indices, self.values, self.shape, self.coalesced).coalesce()


def _places(by_rows: bool, blocked: bool, compressed: Array, plain: Array, raw: Array) -> tuple[Array, Array]:
    """(the places of all elements, their values) of compressed indices."""
    lead, count = plain.shape[:-1], plain.shape[-1]
    batch = len(lead)
    many = math.prod(lead)
    starts = compressed.reshape(many, compressed.shape[-1]).astype(np.int64)
    minor = plain.reshape(many * count).astype(np.int64)
    sizes = np.diff(starts, axis=1)
    major = np.concatenate(
        [np.repeat(np.arange(sizes.shape[1]), row)[:count] for row in sizes] or [minor[:0]]
    )
    if len(major) < len(minor):  # unchecked indices that do not fit; what they say is undefined
        major = np.concatenate((major, np.zeros(len(minor) - len(major), np.int64)))
    at = np.indices(lead).reshape(batch, many).repeat(count, axis=1)
    pair = (major, minor) if by_rows else (minor, major)
    if not blocked:
        return np.concatenate((at, np.stack(pair))), raw.reshape((many * count, *raw.shape[batch + 1 :]))
    height, width = raw.shape[batch + 1 : batch + 3]
    i, j = np.indices((height, width)).reshape(2, -1)
    rows = (pair[0][:, None] * height + i).reshape(-1)
    columns = (pair[1][:, None] * width + j).reshape(-1)
    values = raw.reshape((many * count * height * width, *raw.shape[batch + 3 :]))
    return np.concatenate((at.repeat(height * width, axis=1), np.stack((rows, columns)))), values


def make(compressed: Array, plain: Array, raw: Array, shape: tuple[int, ...], layout: str) -> Compressed:
    """A compressed tensor of its parts."""
    return Compressed(layout, compressed, plain, raw, shape)


def compress(a: Any, layout: str, blocksize: tuple[int, ...], batch: int) -> Compressed:
    """`compressed_form`, whose indices are of the type that those of another compressed tensor are of."""
    found = compressed_form(a, layout, blocksize, batch)
    if isinstance(a, Compressed) and a.compressed.dtype != found.compressed.dtype:
        starts, plain = (x.astype(a.compressed.dtype) for x in (found.compressed, found.plain))
        return Compressed(layout, starts, plain, found.raw, found.shape)
    return found


def compressed_form(a: Any, layout: str, blocksize: tuple[int, ...], batch: int) -> Compressed:
    """An array or a sparse tensor in a compressed layout.

    Args:
        a: (batch..., rows, columns, dense...); of an array what is not zero is stored.
        layout: a name of LAYOUTS.
        blocksize: the sizes of blocks, for layouts that have them.
        batch: how many leading dimensions are a batch.

    Raises:
        RuntimeError: if the examples of a batch have different numbers of elements.
    """
    by_rows, blocked, _ = LAYOUTS[layout]
    if isinstance(a, Coo):
        coo = a.coordinates() if isinstance(a, Compressed) else a.coalesce()
    else:
        dims = batch + 2
        dense = a.shape[dims:]
        hit = a != 0 if not dense else (a != 0).reshape(*a.shape[:dims], math.prod(dense)).any(-1)
        indices: Array = np.array(np.nonzero(hit), np.int64).reshape(dims, -1)
        coo = Coo(indices, a[tuple(indices)], a.shape, True)
    if blocked:
        return _blocks(coo, layout, by_rows, blocksize, batch)
    order = np.arange(coo.indices.shape[1])
    if not by_rows:
        order = np.lexsort((coo.indices[batch], coo.indices[batch + 1], *coo.indices[:batch][::-1]))
    places, values = coo.indices[:, order], coo.values[order]
    major, minor = (places[batch], places[batch + 1])[:: 1 if by_rows else -1]
    size = coo.shape[batch if by_rows else batch + 1]
    compressed, plain, _ = _counted(places[:batch], major, minor, size, coo.shape[:batch])
    return Compressed(layout, compressed, plain, values.reshape((*plain.shape, *values.shape[1:])), coo.shape)


def _counted(
    at: Array, major: Array, minor: Array, size: int, lead: tuple[int, ...]
) -> tuple[Array, Array, tuple[int, ...]]:
    """(where each row begins, the columns, the batch's shape) of places that are in order."""
    many = math.prod(lead)
    example = np.ravel_multi_index(tuple(at), lead) if len(lead) else np.zeros(len(major), np.int64)
    counts = np.bincount(example * size + major, minlength=many * size).reshape(many, size)
    if many and len(set(counts.sum(1).tolist())) > 1:
        raise RuntimeError("Expect the same number of specified elements per batch.")
    starts: Array = np.zeros((many, size + 1), np.int64)
    np.cumsum(counts, axis=1, out=starts[:, 1:])
    count = len(minor) // many if many else 0
    return starts.reshape((*lead, size + 1)), minor.reshape((*lead, count)), lead


def _blocks(coo: Coo, layout: str, by_rows: bool, blocksize: tuple[int, ...], batch: int) -> Compressed:
    height, width = blocksize
    rows, columns = coo.shape[batch : batch + 2]
    block = (coo.indices[batch] // height, coo.indices[batch + 1] // width)
    major, minor = block if by_rows else block[::-1]
    sizes = (rows // height, columns // width)[:: 1 if by_rows else -1]
    lead = coo.shape[:batch]
    whole = (*lead, *sizes)
    keys = np.ravel_multi_index((*coo.indices[:batch], major, minor), whole) if coo.indices.size else major
    found, number = np.unique(keys, return_inverse=True)
    raw = np.zeros((len(found), height, width, *coo.values.shape[1:]), coo.values.dtype)
    raw[number.reshape(-1), coo.indices[batch] % height, coo.indices[batch + 1] % width] = coo.values
    places = np.array(np.unravel_index(found, whole), np.int64).reshape(batch + 2, -1)
    compressed, plain, _ = _counted(places[:batch], places[batch], places[batch + 1], sizes[0], lead)
    shaped = raw.reshape((*lead, plain.shape[-1], *raw.shape[1:]))
    return Compressed(layout, compressed, plain, shaped, coo.shape)


def emptied(a: Coo, layout: str, dtype: Any) -> Coo | None:
    """Nothing stored, with the batch, the sparse and the dense dimensions of a sparse array.

    Args:
        a: the array.
        layout: of the result; None is returned for "torch.strided" after coordinates.
        dtype: of the values.

    Raises:
        RuntimeError: for a layout with blocks after one without, or the other way round, or a dense one.
    """
    n = a.batch if isinstance(a, Compressed) else a.sparse_dim - 2
    block = a.blocksize if isinstance(a, Compressed) else ()
    dense = a.shape[n + 2 :]
    if layout == "torch.sparse_coo":
        return Coo(np.zeros((n + 2, 0), np.int64), np.zeros((0, *dense), dtype), a.shape, True)
    if layout not in LAYOUTS:
        if not isinstance(a, Compressed):
            return None
        raise RuntimeError(
            "empty_like with different sparse layout is not supported (self is "
            f"{a.layout.title().rpartition('.')[2].replace('_', '')} but you requested Strided)"
        )
    by_rows, blocked, _ = LAYOUTS[layout]
    if blocked != bool(block):
        raise RuntimeError(
            "sparse_compressed_tensor_with_dims: blocksize "
            + (
                "needs to be a tuple of size 2, but got 0"
                if blocked
                else "cannot be specified for non-block layout "
                + layout.title().rpartition(".")[2].replace("_", "")
            )
        )
    at = n if by_rows else n + 1
    lines = a.shape[at] // (block[at - n] if block else 1)
    lead = a.shape[:n]
    raw = np.zeros((*lead, 0, *block, *dense), dtype)
    starts, plain = np.zeros((*lead, lines + 1), np.int64), np.zeros((*lead, 0), np.int64)
    return Compressed(layout, starts, plain, raw, a.shape)


def like(found: Any, model: Any) -> Any:
    """A sparse result in the layout of an operand, if that is a compressed one."""
    if not isinstance(model, Compressed) or not isinstance(found, Coo) or isinstance(found, Compressed):
        return found
    return compress(found, model.layout, model.blocksize, model.batch)


def transposed(a: Compressed, order: tuple[int, ...]) -> Coo | None:
    """Rows and columns exchanged: the same numbers in the other layout; None for another order."""
    n = a.batch
    if tuple(order) != (*range(n), n + 1, n, *range(n + 2, a.ndim)):
        return None
    shape = tuple(a.shape[d] for d in order)
    raw = a.raw.swapaxes(n + 1, n + 2) if a.blocksize else a.raw
    return Compressed(LAYOUTS[a.layout][2], a.compressed, a.plain, raw, shape)


def raw_of(a: Compressed) -> Array:
    """The values, in blocks where the layout has them."""
    return a.raw


def with_raw(pattern: Compressed, raw: Array) -> Compressed:
    """Other values at the same places."""
    return Compressed(pattern.layout, pattern.compressed, pattern.plain, raw, pattern.shape)


def raw_at(a: Any, pattern: Compressed) -> Array:
    """The values of a sparse or dense tensor at the places of another, in that one's blocks."""
    if isinstance(a, Coo):
        found = a.at(pattern.indices, a.shape[: a.sparse_dim])
    else:
        found = a[tuple(pattern.indices)]
    return np.asarray(found.reshape(pattern.raw.shape))


def to_coordinates(a: Any) -> Coo:
    """In coordinates."""
    return a.coordinates() if isinstance(a, Compressed) else a


def stored_as(a: Array, pattern: Coo) -> Coo:
    """What is not zero in an array, stored in the layout of `pattern`."""
    if isinstance(pattern, Compressed):
        return compress(a, pattern.layout, pattern.blocksize, pattern.batch)
    return to_sparse(a, pattern.sparse_dim)
