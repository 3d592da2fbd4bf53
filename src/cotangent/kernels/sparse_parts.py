"""The kernels of sparse tensors that `ops/sparse.py` declares: making them, taking them apart, their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from .sparse import Array, Coo


def make(indices: Array, values: Array, shape: tuple[int, ...], coalesced: bool) -> Coo:
    """Values at places."""
    return Coo(indices, values, shape, coalesced)


def values_at(a: Any, indices: Array) -> Array:
    """The values of a sparse or dense tensor at places."""
    if isinstance(a, Coo):
        return a.at(indices, a.shape[: a.sparse_dim])
    if not len(indices):  # of a number
        return np.broadcast_to(a, (indices.shape[1], *a.shape))
    return a[tuple(indices)]


def to_dense(a: Any) -> Array:
    """As an array."""
    return a.dense() if isinstance(a, Coo) else a


def to_sparse(a: Array, sparse_dim: int) -> Coo:
    """Only what is not zero."""
    flat = a != 0
    if sparse_dim < a.ndim:
        flat = flat.any(axis=tuple(range(sparse_dim, a.ndim)))
    if not sparse_dim:
        stored = int(bool(flat))
        return Coo(np.zeros((0, stored), np.int64), np.broadcast_to(a, (stored, *a.shape)), a.shape, True)
    places = np.nonzero(flat)
    indices = np.array(places, np.int64).reshape(sparse_dim, len(places[0]))
    return Coo(indices, a[tuple(indices)], a.shape, True)


def masked(a: Any, pattern: Coo, dense: bool) -> Coo:
    """The values of a sparse or dense tensor where another one has values, in its order."""
    if not isinstance(pattern, Coo):  # a dense cotangent of what is sparse has been made dense
        return a
    places = pattern.coalesce()
    return places.with_values(values_at(a, places.indices))


def values_of(a: Coo) -> Array:
    """The values."""
    return a.values


def with_values(pattern: Coo, values: Array) -> Coo:
    """Other values at the same places."""
    return pattern.with_values(values)


def pattern_values(a: Any, pattern: Coo) -> Array:
    """The values of a tensor at the places of another."""
    return values_at(a, pattern.indices)


def coalesced(a: Coo) -> Coo:
    """Every place once."""
    return a.coalesce()


def sampled(a: Array, b: Array, pattern: Coo) -> Coo:
    """a @ b.T where the pattern has values."""
    places = pattern.coalesce()
    rows, columns = places.indices
    return places.with_values(np.einsum("ij,ij->i", a[rows], b[columns]))


def turned(a: Any, order: tuple[int, ...], back: tuple[int, ...]) -> Any:
    """The dimensions of a sparse or dense tensor in another order."""
    return a.permute(order) if isinstance(a, Coo) else a.transpose(order)


def summed(a: Coo, dims: tuple[int, ...]) -> Coo:
    """The sum over sparse and dense dimensions, of which some sparse one is left."""
    n = a.sparse_dim
    kept = [d for d in range(n) if d not in dims]
    values = a.values.sum(axis=tuple(d - n + 1 for d in dims if d >= n)) if max(dims) >= n else a.values
    shape = tuple(size for d, size in enumerate(a.shape) if d not in dims)
    return Coo(a.indices[kept], values, shape).coalesce()


def spread_sum(g: Any, pattern: Coo, dims: tuple[int, ...]) -> Coo:
    """The pullback of `summed`: each stored place gets what its sum got."""
    n = pattern.sparse_dim
    kept = [d for d in range(n) if d not in dims]
    values = values_at(g, pattern.indices[kept])
    for d in sorted(d for d in dims if d >= n):
        values = np.expand_dims(values, d - n + 1)
    return pattern.with_values(np.broadcast_to(values, pattern.values.shape).copy())


def rows_gradient(g: Array, indices: Array, shape: tuple[int, ...], padding_idx: int) -> Coo:
    """The gradient of an embedding's weight: the cotangent of each row that was looked up, at its place."""
    places = indices.reshape(1, -1).astype(np.int64)
    values = g.reshape(places.shape[1], shape[1])
    if padding_idx >= 0:
        kept = places[0] != padding_idx
        places, values = places[:, kept], values[kept]
    return Coo(places, values, shape)
