"""Collectives made of messages: rings and trees over the members of a group.

MPI has some of its own, and so have ranks that share memory: `direct` of their connections.

Each function takes the connections of the group and contiguous arrays. A reduction adds every part in one
order and passes the result on, so all ranks get the same bits. (Thakur, Rabenseifner and Gropp, 2005,
https://doi.org/10.1177/1094342005051521)
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np

from .shared import OPERATIONS

__all__ = [
    "OPERATIONS",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "barrier",
    "broadcast",
    "gather",
    "reduce_scatter",
    "reduce_scatter_rows",
    "scatter",
]

_TAG: Final = 1 << 24  # above the tags that users give


def _parts(count: int, size: int) -> list[slice]:
    """Nearly equal stretches of a flat array, one for each rank."""
    edges = [count * r // size for r in range(size + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _reduce_ring(link: Any, flat: Any, parts: list[slice], operation: str) -> None:
    """After it, part r + 1 of the array on rank r is reduced over all ranks."""
    combine, n, rank = OPERATIONS[operation], link.size, link.rank
    right, left = (rank + 1) % n, (rank - 1) % n
    longest = max(part.stop - part.start for part in parts)
    held = np.empty(longest, flat.dtype)
    for step in range(n - 1):
        mine, theirs = parts[(rank - step) % n], parts[(rank - step - 1) % n]
        sent = link.start_send(flat[mine], right, _TAG)
        incoming = held[: theirs.stop - theirs.start]
        link.recv(incoming, left, _TAG)
        sent.result()
        combine(incoming, flat[theirs], out=flat[theirs])


def _gather_ring(link: Any, flat: Any, parts: list[slice], first: int) -> None:
    """Pass the parts around; rank r begins with part r + first."""
    n, rank = link.size, link.rank
    right, left = (rank + 1) % n, (rank - 1) % n
    for step in range(n - 1):
        mine, theirs = parts[(rank + first - step) % n], parts[(rank + first - step - 1) % n]
        sent = link.start_send(flat[mine], right, _TAG)
        link.recv(flat[theirs], left, _TAG)
        sent.result()


def all_reduce(link: Any, array: Any, operation: str) -> None:
    """Reduce over all ranks, in place.

    Args:
        link: connections of the group.
        array: contiguous; becomes the result.
        operation: a name of OPERATIONS.
    """
    flat = array.reshape(-1)
    if link.direct is not None and link.direct.supports(flat, operation):
        link.direct.all_reduce(flat, operation)
        return
    parts = _parts(flat.size, link.size)
    _reduce_ring(link, flat, parts, operation)
    _gather_ring(link, flat, parts, 1)


def reduce_scatter(link: Any, arrays: list[Any], operation: str) -> Any:
    """The reduction of the arrays with this rank's number.

    Args:
        link: connections of the group.
        arrays: one for each rank, of any lengths.
        operation: a name of OPERATIONS.

    Returns:
        the reduced array.
    """
    # The ring leaves part r + 1 with rank r, so the parts are laid one place on.
    order = [*arrays[-1:], *arrays[:-1]]
    flat = np.concatenate([a.reshape(-1) for a in order])
    ends = np.cumsum([a.size for a in order])
    parts = [slice(int(end) - a.size, int(end)) for end, a in zip(ends, order, strict=True)]
    _reduce_ring(link, flat, parts, operation)
    mine = parts[(link.rank + 1) % link.size]
    return flat[mine].reshape(arrays[link.rank].shape)


def reduce_scatter_rows(link: Any, rows: Any, operation: str) -> Any:
    """The reduction of the row with this rank's number.

    Args:
        link: connections of the group.
        rows: contiguous, one row for each rank; its contents are lost.
        operation: a name of OPERATIONS.

    Returns:
        the reduced row.
    """
    if link.direct is not None and hasattr(link.direct, "reduce_scatter_rows"):
        return link.direct.reduce_scatter_rows(rows, operation)
    n, width = link.size, rows.shape[1]
    # The ring leaves part r + 1 with rank r.
    parts = [slice((r - 1) % n * width, ((r - 1) % n + 1) * width) for r in range(n)]
    _reduce_ring(link, rows.reshape(-1), parts, operation)
    return rows[link.rank]


def broadcast(link: Any, array: Any, root: int) -> None:
    """Every rank gets the root's array, along a binomial tree.

    Args:
        link: connections of the group.
        array: contiguous; filled on all ranks but the root.
        root: the rank that has it.
    """
    if link.direct is not None:
        link.direct.broadcast(array, root)
        return
    n, place = link.size, (link.rank - root) % link.size
    reach = 1
    while reach < n:
        if place < reach and place + reach < n:
            link.send(array, (place + reach + root) % n, _TAG)
        elif reach <= place < 2 * reach:
            link.recv(array, (place - reach + root) % n, _TAG)
        reach *= 2


def all_gather(link: Any, array: Any) -> Any:
    """The arrays of all ranks.

    Args:
        link: connections of the group.
        array: contiguous, of one shape on all ranks.

    Returns:
        an array with one more dimension in front.
    """
    out = np.empty((link.size, *array.shape), array.dtype)
    out[link.rank] = array
    if link.direct is not None:
        link.direct.all_gather(array, out)
        return out
    count = array.size
    _gather_ring(link, out.reshape(-1), [slice(r * count, (r + 1) * count) for r in range(link.size)], 0)
    return out


def gather(link: Any, array: Any, root: int) -> Any:
    """The arrays of all ranks on the root.

    Args:
        link: connections of the group.
        array: contiguous, of one shape on all ranks.
        root: the rank that gets them.

    Returns:
        on the root an array with one more dimension in front, else None.
    """
    if link.rank != root:
        link.send(array, root, _TAG)
        return None
    out = np.empty((link.size, *array.shape), array.dtype)
    for rank in range(link.size):
        if rank == root:
            out[rank] = array
        else:
            link.recv(out[rank], rank, _TAG)
    return out


def scatter(link: Any, arrays: list[Any], out: Any, root: int) -> None:
    """Each rank gets one of the root's arrays.

    Args:
        link: connections of the group.
        arrays: on the root, one for each rank.
        out: filled on each rank.
        root: the rank that has them.
    """
    if link.rank != root:
        link.recv(out, root, _TAG)
        return
    for rank, array in enumerate(arrays):
        if rank == root:
            out[...] = array
        else:
            link.send(array, rank, _TAG)


def all_to_all(link: Any, arrays: list[Any], outs: list[Any]) -> None:
    """Array r of this rank goes to rank r, and is what that one receives from here.

    Args:
        link: connections of the group.
        arrays: one for each rank.
        outs: one for each rank, filled.
    """
    n, rank = link.size, link.rank
    outs[rank][...] = arrays[rank]
    for step in range(1, n):
        to, source = (rank + step) % n, (rank - step) % n
        sent = link.start_send(arrays[to], to, _TAG)
        link.recv(outs[source], source, _TAG)
        sent.result()


def barrier(link: Any) -> None:
    """Wait until all ranks are here.

    Args:
        link: connections of the group.
    """
    all_reduce(link, np.zeros(link.size, np.uint8), "MAX")
