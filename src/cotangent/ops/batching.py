"""What batching rules (vmap) of several families share."""

from __future__ import annotations

from typing import Any

from .join import stack_of
from .views import expand_to, permute_dims, select_at, unsqueeze_at


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
