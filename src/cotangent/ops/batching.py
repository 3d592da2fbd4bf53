"""What batching rules (vmap) of several families share."""

from __future__ import annotations

from typing import Any

from .join import stack_of
from .views import expand_to, permute_dims, reshape_any, select_at, unsqueeze_at


def in_front(t: Any, bdim: int | None, size: int) -> Any:
    """`t` with its batch dimension in front, expanded if it has none."""
    if bdim is None:
        return expand_to(unsqueeze_at(t, 0), (size, *tuple(t.shape)))
    if bdim == 0:
        return t
    return permute_dims(t, (bdim, *[d for d in range(t.ndim) if d != bdim]))


def one_by_one(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> tuple[Any, int]:
    """The results of `op` on each example, stacked: for combinations that no single call covers."""
    pairs = list(zip(tensors, dims, strict=True))
    found = [
        op.entry(*[t if d is None else select_at(t, d, i) for t, d in pairs], *statics) for i in range(size)
    ]
    return stack_of(found, 0), 0


def leading(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> tuple[Any, int]:
    """Batching of what works on the last dimensions and takes any number before them: one more in front."""
    values = [None if t is None else in_front(t, d, size) for t, d in zip(tensors, dims, strict=True)]
    return op.entry(*values, *statics), 0


def joined(t: Any, bdim: int | None, size: int, at: int) -> Any:
    """`t` with its batch dimension (made by repetition if it has none) joined to dimension `at`, in front."""
    t = in_front(t, bdim, size)
    if at:
        t = permute_dims(t, (*range(1, at + 1), 0, *range(at + 1, t.ndim)))
    shape = tuple(t.shape)
    return reshape_any(t, (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]))


def parted(t: Any, size: int, at: int) -> tuple[Any, int]:
    """A result with dimension `at` split into the batch and the rest, and where the batch now is."""
    shape = tuple(t.shape)
    return reshape_any(t, (*shape[:at], size, shape[at] // max(size, 1), *shape[at + 1 :])), at


def with_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> tuple[Any, int]:
    """Batching of what works on examples (N, ...) one by one: the batch joins them."""
    values = [None if t is None else joined(t, d, size, 0) for t, d in zip(tensors, dims, strict=True)]
    return parted(op.entry(*values, *statics), size, 0)


def same_rank(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """As `leading`, for operands of which examples have equally many dimensions; statics name some."""
    ranks = {t.ndim - (d is not None) for t, d in zip(tensors, dims, strict=True)}
    if len(ranks) > 1:
        return NotImplemented
    return leading(op, size, tensors, dims, tuple(d + 1 for d in statics))


def in_place(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of what treats all elements alike: the batch stays where it is."""
    return op.entry(tensors[0], *statics), dims[0]


def flat(t: Any, bdim: int | None, size: int) -> Any:
    """The elements of each example in a row."""
    t = in_front(t, bdim, size)
    count = 1
    for n in tuple(t.shape)[1:]:
        count *= n
    return reshape_any(t, (size, count))
