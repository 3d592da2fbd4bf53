"""Reductions of scattered elements: what falls on one place is summed, multiplied, averaged or compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import in_float
from .placing import combine, places

Array = np.ndarray[Any, Any]

_HOW = {
    "sum": "sum", "mean": "sum", "prod": "prod", "amax": "max", "amin": "min",
    # Those of segments: what they start from takes no share of the derivative, and nan counts as largest.
    "max": "max", "min": "min",
}  # fmt: skip


def _start(a: Array, reduce: str) -> Any:
    """What a place holds before anything falls on it."""
    if reduce in ("sum", "mean") or a.dtype.kind == "c":  # of complex numbers nothing can be compared
        return 0
    if reduce == "prod":
        return 1
    if a.dtype.kind in "fV":
        return -np.inf if reduce == "amax" else np.inf
    if a.dtype.kind == "b":
        return reduce == "amin"
    return np.iinfo(a.dtype).min if reduce == "amax" else np.iinfo(a.dtype).max


def _counts(a: Array, index: Array, dim: int, include_self: bool) -> Array:
    """How many elements meet at each place; 1 where nothing falls."""
    counts = np.full(a.shape, 1 if include_self else 0, np.int64)
    combine(counts, index, np.broadcast_to(np.int64(1), index.shape), dim, "sum")
    return np.maximum(counts, 1)


def reduce_at(a: Array, src: Array, index: Array, dim: int, reduce: str, include_self: bool) -> Array:
    """A copy of `a` with `src` reduced into it at `index` along `dim`, rounded to its dtype at each step."""
    if not a.ndim:
        one = reduce_at(a.reshape(1), src.reshape(1), index.reshape(1), 0, reduce, include_self)
        return np.asarray(one.reshape(()))
    out = a.copy()
    part = src[tuple(slice(n) for n in index.shape)]
    if not include_self:
        combine(out, index, np.broadcast_to(np.asarray(_start(a, reduce), a.dtype), index.shape), dim, "last")
    combine(out, index, part, dim, _HOW[reduce])
    if reduce == "mean":
        counts = _counts(a, index, dim, include_self)
        if a.dtype.kind in "iu":
            return np.asarray(np.floor_divide(out, counts.astype(a.dtype)))
        return np.asarray(np.divide(out, counts.astype(a.dtype)), a.dtype)
    return out


scatter_reduce = in_float(reduce_at)


def scatter_weights(
    a: Array, src: Array, index: Array, dim: int, reduce: str, include_self: bool
) -> tuple[Array, Array]:
    """(d out / d a, d out / d src) of `scatter_reduce`, in the shapes of `a` and of `index`."""
    if not a.ndim:
        shaped = [x.reshape(1) for x in (a, src, index)]
        found = scatter_weights(shaped[0], shaped[1], shaped[2], 0, reduce, include_self)
        return found[0].reshape(()), found[1].reshape(())
    where = places(index, dim)
    part = src[tuple(slice(n) for n in index.shape)]
    own = np.ones(a.shape, a.dtype)
    if not include_self:
        own[where] = 0
    if reduce == "sum":
        return own, np.ones(index.shape, a.dtype)
    if reduce == "mean":
        counts = _counts(a, index, dim, include_self).astype(a.dtype)
        return own / counts, 1 / counts[where]
    if reduce == "prod":
        return _prod_weights(a, part, where, own)
    # The largest (smallest) elements that meet at a place share what comes back.
    out = scatter_reduce(a, src, index, dim, reduce, include_self)
    if reduce in ("max", "min"):
        mine, theirs = np.zeros_like(a), ((part == out[where]) | (part != part)).astype(a.dtype)
        share = np.zeros_like(a)
        np.add.at(share, where, theirs)
        return mine, theirs / np.maximum(share, 1)[where]
    # As in PyTorch, `a` counts where it equals the result, also if it had no part in it; and nan equals none.
    equal, theirs = (a == out).astype(a.dtype), (part == out[where]).astype(a.dtype)
    share = equal.copy()
    np.add.at(share, where, theirs)
    mine = np.where(own == 0, own, equal / share)
    return mine, theirs / share[where]


def _prod_weights(a: Array, part: Array, where: Any, own: Array) -> tuple[Array, Array]:
    """Products of all other elements at a place; right with zeros among them as well."""
    start = np.where(own == 1, a, np.ones((), a.dtype))
    zeros = (start == 0).astype(np.int64)
    np.add.at(zeros, where, part == 0)
    rest = np.where(start == 0, np.ones((), a.dtype), start)
    np.multiply.at(rest, where, np.where(part == 0, np.ones((), a.dtype), part))

    def others(value: Array, count: Array, product: Array) -> Array:
        alone = np.where(value == 0, np.ones((), a.dtype), value)
        return np.where(count - (value == 0) > 0, np.zeros((), a.dtype), product / alone)

    return own * others(start, zeros, rest), others(part, zeros[where], rest[where])
