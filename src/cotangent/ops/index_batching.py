"""How vmap treats operations at index tensors: the batch is one more dimension, or one more index."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batching import in_front
from .table import TABLE, constant
from .views import permute_dims, reshape_any


def _entry(name: str) -> Any:
    return TABLE[name].entry


def _rank(t: Any, bdim: int | None) -> int:
    """The number of dimensions that the mapped function sees."""
    found: int = t.ndim - (bdim is not None)
    return found


def _adjacent(dims: tuple[int, ...]) -> bool:
    return dims == tuple(range(dims[0], dims[0] + len(dims)))


def _with_rank(t: Any, rank: int) -> Any:
    """(B, ...) with ones after the batch dimension, so that `rank` dimensions follow it."""
    shape = tuple(t.shape)
    return reshape_any(t, (shape[0], *(1,) * (rank + 1 - len(shape)), *shape[1:]))


class _Indices:
    """The index tensors of one call: the dimensions they stand for, and whether each example has its own."""

    def __init__(self, given: Any, where: Any, dims: Any, size: int) -> None:
        many = isinstance(given, (list, tuple))
        self.tensors, self.where = (list(given), list(where)) if many else ([given], [where])
        self.dims: tuple[int, ...] = tuple(dims) if many else (dims,)
        self.size = size
        self.rank = max(map(_rank, self.tensors, self.where))
        self.own = any(d is not None for d in self.where)
        self.shifted = tuple(d + 1 for d in self.dims)
        self.place = self.dims[0] if _adjacent(self.dims) else 0  # where results have the index's dimensions
        # With the batch as one more dimension in front, results are as the function sees them.
        self.plain = not self.own and _adjacent(self.dims)

    def fronted(self) -> list[Any]:
        """The index tensors with the batch dimension in front, where they have one."""
        pairs = zip(self.tensors, self.where, strict=True)
        return [t if d is None else _with_rank(in_front(t, d, self.size), self.rank) for t, d in pairs]

    def with_rows(self) -> tuple[list[Any], tuple[int, ...]]:
        """The index tensors and one that counts examples; results then are (B, index's, others)."""
        count = constant(np.arange(self.size).reshape(self.size, *(1,) * self.rank))
        return [count, *self.fronted()], (0, *self.shifted)

    def to_front(self, t: Any) -> Any:
        """(B, ..., index's, ...) with the index's dimensions directly after the batch."""
        p, n = self.place, self.rank
        if not p or not n:
            return t
        order = (0, *range(p + 1, p + 1 + n), *range(1, p + 1), *range(p + 1 + n, t.ndim))
        return permute_dims(t, order)

    def to_place(self, t: Any) -> Any:
        """The way back."""
        p, n = self.place, self.rank
        if not p or not n:
            return t
        order = (0, *range(n + 1, n + 1 + p), *range(1, n + 1), *range(n + 1 + p, t.ndim))
        return permute_dims(t, order)


def taken(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`index_of`, `index_one`: elements at an index."""
    at = _Indices(tensors[1], where[1], statics[0], size)
    if at.own and where[0] is None:
        return _entry("index_of")(tensors[0], at.fronted(), at.dims), at.place
    x = in_front(tensors[0], where[0], size)
    if not at.own:
        # Of dimensions that are apart, NumPy and PyTorch put the index's dimensions in front of all.
        return _entry("index_of")(x, at.tensors, at.shifted), 0 if at.plain else at.rank
    return at.to_place(_entry("index_of")(x, *at.with_rows())), 0


def put_back(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`index_back`, `index_one_back`: sums at an index of zeros."""
    shape, dims = statics
    at = _Indices(tensors[1], where[1], dims, size)
    g, whole = in_front(tensors[0], where[0], size), (size, *shape)
    if at.plain:
        return _entry("index_back")(g, at.tensors, whole, at.shifted), 0
    indices, dims = at.with_rows()
    return _entry("index_back")(at.to_front(g), indices, whole, dims), 0


def cleared(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`index_clear`: zeros at an index."""
    at = _Indices(tensors[1], where[1], statics[0], size)
    x = in_front(tensors[0], where[0], size)
    return op.entry(x, *(at.with_rows() if at.own else (at.tensors, at.shifted))), 0


def written(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`index_put_at`: values written or added at an index."""
    dims, accumulate = statics
    at = _Indices(tensors[2], where[2], dims, size)
    x = in_front(tensors[0], where[0], size)
    rank = at.rank + x.ndim - 1 - len(at.dims)
    if _rank(tensors[1], where[1]) > rank:
        return NotImplemented
    values = in_front(tensors[1], where[1], size)
    values = _with_rank(values, rank)
    if at.plain:
        return _entry("index_put_at")(x, values, at.tensors, at.shifted, accumulate), 0
    return _entry("index_put_at")(x, at.to_front(values), *at.with_rows(), accumulate), 0


def copied(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`copy_to`: the source is broadcast to the shape of what it is written to."""
    x = in_front(tensors[0], where[0], size)
    if _rank(tensors[1], where[1]) > x.ndim - 1:
        return NotImplemented
    source = tensors[1] if where[1] is None else in_front(tensors[1], where[1], size)
    return op.entry(x, source if where[1] is None else _with_rank(source, x.ndim - 1)), 0


def _loop_rows(tensors: Any, where: Any) -> bool:
    """Whether rows of a tensor are none: a number, or one number as the index."""
    return not _rank(tensors[0], where[0]) or _rank(tensors[-1], where[-1]) != 1


def rows_taken(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`select_rows`."""
    if _loop_rows(tensors, where):
        return NotImplemented
    if where[1] is not None:
        return taken(op, size, tensors, where, statics)
    return op.entry(in_front(tensors[0], where[0], size), tensors[1], statics[0] + 1), 0


def rows_back(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`add_rows_to_zeros`."""
    shape, dim = statics
    if _loop_rows(tensors, where) or not shape:
        return NotImplemented
    if where[1] is not None:
        return put_back(op, size, tensors, where, statics)
    return op.entry(in_front(tensors[0], where[0], size), tensors[1], (size, *shape), dim + 1), 0


def rows_written(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`add_rows`, `copy_rows`: rows added or written at an index."""
    (x, source, index), (dim, *alpha) = tensors, statics
    if _loop_rows(tensors, where) or _rank(x, where[0]) != _rank(source, where[1]):
        return NotImplemented
    if where[2] is not None:
        scaled = source * alpha[0] if alpha and alpha[0] != 1 else source
        return written(op, size, (x, scaled, [index]), (*where[:2], [where[2]]), ((dim,), bool(alpha)))
    whole = [in_front(t, d, size) for t, d in zip(tensors[:2], where[:2], strict=True)]
    return op.entry(*whole, index, dim + 1, *alpha), 0


def rows_filled(op: Any, size: int, tensors: Any, where: Any, statics: Any) -> Any:
    """`fill_rows`, at places that all examples share."""
    if _loop_rows(tensors, where) or where[1] is not None:
        return NotImplemented
    return op.entry(in_front(tensors[0], where[0], size), tensors[1], statics[0] + 1, statics[1]), 0
