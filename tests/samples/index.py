"""Reading and writing through indices: `x[...]`, `x[...] = v`, gather, scatter and their kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .case import ALL, BOOL, INTS, REALS, Array, Make, OpCase, S, Sample, V


def _basic(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield S(x, 1)
    yield S(x, (slice(None), slice(1, None, 2)))
    yield S(make(2, 3, 4), (Ellipsis, 1))
    yield S(make(2, 3, 4), (0, slice(None), None, slice(0, 2)))
    yield S(make(4, 3, layout="t"), (slice(1, 3), -1))
    yield S(x, None)
    yield S(make(), Ellipsis)
    yield S(make(), None)
    yield S(x, (slice(0, 0),))
    yield S(x, ())
    yield S(x, True)
    yield V(x, (slice(-2, None), slice(None, -1)))
    yield V(make(0, 3), slice(None))


def _advanced(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield S(x, make.given(2, 0, 2, -1, dtype="int64"))
    yield S(x, (make.given(0, 2, dtype="int64"), make.given(1, 3, dtype="int64")))
    yield S(make(2, 3, 4), (slice(None), make.given([0, 1], [2, 2], dtype="int64")[0]))
    yield S(
        make(2, 3, 4), (make.given(0, 1, 1, dtype="int64"), slice(None), make.given(3, 0, 1, dtype="int64"))
    )
    yield S(make(2, 3, 4), (slice(None), make.given(2, 0, dtype="int64"), make.given(1, 3, dtype="int64")))
    yield S(x, (make.index(3, 2, 1), make.index(4, 3)))
    yield S(make(4, 3, layout="t"), ([0, 2, 2], slice(1, None)))
    yield S(x, make.given(1, dtype="int64").reshape(()))
    yield S(x, (1, make.given(0, 3, dtype="int64")))
    yield S(make(2, 3, 4), (Ellipsis, make.given(0, 2, dtype="int64"), None))
    yield V(x, make(0, dtype="int64"))
    yield V(x, (make.given(0, 2, dtype="int32"),))


def _boolean(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield S(x, make.given([True, False, True], [False, True, False], dtype="bool")[0])
    yield S(x, make.mask(3, 4))
    yield S(make(4, 3, layout="t"), (slice(None), make.given(True, False, True, dtype="bool")))
    yield S(x, (make.given(True, False, True, dtype="bool"), make.given(1, 2, dtype="int64")))
    yield V(x, make.mask(3, 4) & False)
    yield V(make(), make.given(True, dtype="bool").reshape(()))


def _read(xp: Any, x: Any, index: Any) -> Any:
    return x[index]


def _assigned(xp: Any, x: Any, index: Any, value: Any) -> Any:
    written = x.clone()
    written[index] = value
    return written


def _assignment(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield S(x, 1, make(4))
    yield S(x, (slice(None), slice(1, None, 2)), make(3, 1))
    yield S(x, (Ellipsis, 0), make())
    yield S(make(4, 3, layout="t"), (slice(0, 2), -1), 1)
    yield S(x, make.given(2, 0, dtype="int64"), make(2, 4))
    yield S(x, (make.given(0, 2, dtype="int64"), make.given(1, 3, dtype="int64")), make(2))
    yield S(make(2, 3, 4), (slice(None), make.given(2, 0, dtype="int64")), make(4))
    yield S(make(), Ellipsis, make())
    yield V(x, slice(0, 0), 1)
    yield V(x, 0, make(4, low=0, high=3, dtype="int64"))


def _masked_assignment(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield S(x, make.mask(3, 4), make())
    yield S(x, make.mask(3, 4), 0)
    yield S(x, make.given(True, False, True, dtype="bool"), make(2, 4))
    yield S(make(4, 3, layout="t"), (slice(None), make.given(True, False, True, dtype="bool")), make(4, 2))
    yield V(x, make.mask(3, 4) & False, 1)


def _gather(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 1, make.index(4, 3, 2))
    yield S(make(3, 4), 0, make.index(3, 2, 4))
    yield S(make(4, 3, layout="t"), -1, make.index(3, 4, 4))
    yield S(make(2, 3, 2), 1, make.index(3, 2, 4, 1))
    yield S(make(), 0, make.index(1))
    yield S(make(), 0, make.index(1, 2))
    yield V(make(3, 4), 1, make.index(4, 3, 0))
    yield V(make(3), 0, make.index(3, 0))


def distinct_rows(make: Make, rows: int, of: int, columns: int) -> Array:
    """An index (rows, columns) that names no element of an axis twice in a column."""
    return np.stack([make.permutation(of)[:rows] for _ in range(columns)], axis=1)


def _scatter(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, distinct_rows(make, 2, 3, 4), make(2, 4))
    yield S(make(3, 4), 1, distinct_rows(make, 2, 4, 3).T, make(3, 2))
    yield V(make(3, 4), 1, distinct_rows(make, 2, 4, 3).T, make(3, 3))
    yield S(make(4, 3, layout="t"), 0, distinct_rows(make, 3, 3, 2), 2)
    yield S(make(3, 4), -1, make.index(4, 3, 1), make(3, 1))
    yield S(make(), 0, make.index(1), make())
    yield V(make(3, 4), 0, make.index(3, 0, 4), make(2, 4))


def _scatter_add(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, make.index(3, 5, 4), make(5, 4))
    yield S(make(3, 4), 1, make.index(4, 3, 2), make(3, 2))
    yield V(make(3, 4), 1, make.index(4, 3, 2), make(3, 3))
    yield S(make(4, 3, layout="t"), -1, make.index(3, 2, 2), make(2, 2))
    yield S(make(), 0, make.index(1), make())
    yield V(make(3, 4), 0, make.index(3, 0, 4), make(2, 4))


def _scatter_reduce(reduce: str) -> Any:
    def samples(make: Make) -> Iterator[Sample]:
        source = make(5, 4, low=0.4, high=3.0, distinct=True)
        target = make(3, 4, low=0.3, high=2.9, distinct=True)
        yield S(target, 0, make.index(3, 5, 4), source, reduce)
        yield S(target, 1, make.index(4, 3, 2), source[:3, :2], reduce, include_self=False)
        yield S(target, 1, make.index(4, 3, 2), source[:3, :2], reduce=reduce)

    return samples


def _index_select(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, make.given(2, 0, 2, dtype="int64"))
    yield S(make(3, 4), 1, make.given(3, 1, dtype="int64"))
    yield S(make(4, 3, layout="t"), -1, make.given(0, dtype="int64"))
    yield S(make(), 0, make.given(0, dtype="int64"))
    yield V(make(3, 4), 0, make(0, dtype="int64"))
    yield V(make(3, 4), 0, make.given(1, 1, dtype="int32"))


def _index_add(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, make.given(2, 0, 2, dtype="int64"), make(3, 4))
    yield S(make(3, 4), 1, make.given(3, 1, dtype="int64"), make(3, 2))
    yield S(make(4, 3, layout="t"), -1, make.given(0, 0, dtype="int64"), make(4, 2))
    yield S(make(), 0, make.given(0, dtype="int64"), make())
    if make.dtype != "bool":
        yield S(make(3, 4), 0, make.given(1, 1, dtype="int64"), make(2, 4), alpha=2)
    yield V(make(3, 4), 0, make(0, dtype="int64"), make(0, 4))


def _index_copy(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, make.given(2, 0, dtype="int64"), make(2, 4))
    yield S(make(3, 4), 1, make.given(3, dtype="int64"), make(3, 1))
    yield S(make(4, 3, layout="t"), -1, make.given(0, 2, dtype="int64"), make(4, 2))
    yield V(make(3, 4), 0, make(0, dtype="int64"), make(0, 4))


def _index_fill(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0, make.given(2, 0, dtype="int64"), 1)
    yield S(make(3, 4), 1, make.given(3, dtype="int64"), make())
    yield S(make(4, 3, layout="t"), -1, make.given(0, 0, dtype="int64"), 1)
    yield V(make(3, 4), 0, make(0, dtype="int64"), 1)


def _index_put(make: Make) -> Iterator[Sample]:
    pair = (make.given(0, 2, dtype="int64"), make.given(1, 3, dtype="int64"))
    yield S(make(3, 4), pair, make(2))
    yield S(make(3, 4), pair[:1], make(2, 4))
    yield S(
        make(3, 4),
        (make.given(0, 0, dtype="int64"), make.given(1, 1, dtype="int64")),
        make(2),
        accumulate=True,
    )
    yield S(make(3, 4), pair[:1], make())


def _index_put_mask(make: Make) -> Iterator[Sample]:
    yield S(make(4, 3, layout="t"), (make.mask(4, 3),), make())
    yield S(make(3, 4), (make.given(True, False, True, dtype="bool"),), make(2, 4), accumulate=True)


def _masked_fill(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make.mask(3, 4), 1)
    yield S(make(3, 4), make.mask(4), make())
    yield S(make(4, 3, layout="t"), make.mask(4, 1), 0)
    yield S(make(), make.mask(), 1)
    yield V(make(0, 2), make.mask(2), 1)
    yield V(make(3, 1), make.mask(3, 4), 1)
    if make.floating:
        yield V(make(3, 4), make.mask(3, 4), float("-inf"))


def _masked_select(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make.mask(3, 4))
    yield S(make(3, 4), make.mask(4))
    yield S(make(4, 3, layout="t"), make.mask(4, 1))
    yield V(make(2), make.mask(3, 2) & False)


def _masked_scatter(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make.mask(3, 4), make(3, 4))
    yield S(make(3, 4), make.mask(4), make(12))
    yield S(make(4, 3, layout="t"), make.mask(4, 1), make(2, 7))


def _take_along(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make.index(4, 3, 2), 1)
    yield S(make(3, 4), make.index(3, 2, 1), 0)
    yield S(make(4, 3), make.index(12, 5))
    yield S(make(4, 3, layout="t"), make.index(3, 4, 2), -1)
    yield S(make(1, 4), make.index(4, 3, 2), 1)


def _take(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make.given(0, 11, 5, 5, -1, dtype="int64"))
    yield S(make(4, 3, layout="t"), make.index(12, 2, 2))
    yield V(make(3), make(0, dtype="int64"))


def _nonzero(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4, low=-1, high=1))
    yield V(make(2, 3, 2, low=0, high=1))
    yield V(make())
    yield V(make(0, 2))


def _select_scatter(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(4), 0, 1)
    yield S(make(4, 3, layout="t"), make(4), -1, -2)


def _slice_scatter(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 2), 1, 1, 3)
    yield S(make(5, 2), make(3, 2), 0, 0, 5, 2)


def _diagonal_scatter(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3))
    yield S(make(3, 3), make(2), 1)


def _searchsorted(make: Make) -> Iterator[Sample]:
    edges = np.sort(make(5, low=0, high=9))
    yield V(edges, make(3, 2, low=0, high=9))
    yield V(edges, make(4, low=0, high=9), right=True)
    yield V(np.sort(make(2, 4, low=0, high=9), axis=1), make(2, 3, low=0, high=9))


def _bincount(make: Make) -> Iterator[Sample]:
    yield V(make(7, low=0, high=5))
    yield V(make(7, low=0, high=5), minlength=9)
    yield V(make(0))


def _one_hot(make: Make) -> Iterator[Sample]:
    yield V(make(2, 3, low=0, high=3), 5)
    yield V(make(4, low=0, high=3))


# Sums of several terms at one place: whether halves are rounded after each term is no part of the operator.
SUMS = {"float16": (4e-3, 2e-3), "bfloat16": (3e-2, 2e-2)}
REDUCE = ("sum", "prod", "mean", "amax", "amin")

CASES = [
    OpCase("getitem basic", _basic, ALL, _read),
    OpCase("getitem advanced", _advanced, ALL, _read),
    OpCase("getitem boolean", _boolean, ALL, _read, vmap=False, trace=False),
    OpCase("setitem", _assignment, ALL, _assigned, vmap_rest=False),
    OpCase("setitem boolean", _masked_assignment, ALL, _assigned, vmap=False, trace=False),
    OpCase(
        "index_put mask",
        _index_put_mask,
        ALL,
        lambda xp, *a, **k: xp.index_put(*a, **k),
        vmap=False,
        trace=False,
    ),
    OpCase("gather", _gather, ALL, out=True),
    OpCase("scatter", _scatter, ALL, inplace=True),
    OpCase("scatter_add", _scatter_add, ALL, inplace=True, tolerance=SUMS),
    *(
        OpCase(
            f"scatter_reduce {reduce}",
            _scatter_reduce(reduce),
            REALS,
            lambda xp, *a, **k: xp.scatter_reduce(*a, **k),
            tolerance=SUMS,
            second=reduce != "prod",
        )
        for reduce in REDUCE
    ),
    OpCase("index_select", _index_select, ALL, out=True),
    OpCase("index_add", _index_add, ALL, inplace=True, tolerance=SUMS),
    OpCase("index_copy", _index_copy, ALL, inplace=True),
    OpCase("index_fill", _index_fill, ALL, inplace=True),
    OpCase("index_put", _index_put, ALL, inplace=True, tolerance=SUMS),
    OpCase("masked_fill", _masked_fill, ALL, inplace=True),
    OpCase("masked_select", _masked_select, ALL, out=True, vmap=False, trace=False),
    OpCase("masked_scatter", _masked_scatter, ALL, inplace=True),
    OpCase("take_along_dim", _take_along, ALL, out=True),
    OpCase("take", _take, ALL),
    OpCase("nonzero", _nonzero, ALL, grad=False, out=True, vmap=False, trace=False),
    OpCase("argwhere", _nonzero, ALL, grad=False, vmap=False, trace=False),
    OpCase("select_scatter", _select_scatter, REALS + BOOL),
    OpCase("slice_scatter", _slice_scatter, REALS + BOOL),
    OpCase("diagonal_scatter", _diagonal_scatter, ALL),
    OpCase("searchsorted", _searchsorted, REALS, grad=False, out=True),
    OpCase("bincount", _bincount, INTS, grad=False, vmap=False, trace=False),
    OpCase("nn.functional.one_hot", _one_hot, ("int64",), grad=False, vmap=False, trace=False),
]
