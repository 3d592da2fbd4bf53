"""Sorting and running reductions of arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import in_float, is_half
from .layout import as_operand, dense
from .placing import taken
from .reduce import wide
from .sized import HEAVY, generated, worthwhile

row_tops: Any = lazy.module("cotangent.kernels.row_tops")
scans: Any = lazy.module("cotangent.kernels.scans")

Array = np.ndarray[Any, Any]


def sort(a: Array, dim: int, descending: bool) -> tuple[Array, Array]:
    """(sorted values, their positions), stable; nan counts as largest."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    key = a.astype(np.float32) if is_half(a.dtype) else a
    if a.size >= _SOME and key.dtype in _PACKED:
        order = _order(key, dim, descending)
        return as_operand(taken(a, order, dim), a), as_operand(order, a)
    if descending:
        # A stable descending order: sort the reversed array ascending and read it backwards.
        flipped = np.flip(key, dim)
        order = np.flip(np.argsort(flipped, axis=dim, kind="stable"), dim)
        order = a.shape[dim] - 1 - order
    else:
        order = np.argsort(key, axis=dim, kind="stable")
    values = np.take_along_axis(a, order, axis=dim)
    return as_operand(values, a), as_operand(order, a)


# Types whose elements fit into half of an int64, the other half of which takes their positions: sorting these
# numbers (by vector instructions) takes a tenth of a stable sort of positions.
_PACKED: Final = (np.dtype(np.float32), np.dtype(np.int32))


def _order(key: Array, dim: int, descending: bool) -> Array:
    """Positions in stable order, nan last (first if descending)."""
    rows = np.moveaxis(key, dim, -1)
    if key.dtype.kind == "f":
        rows = rows + np.float32(0)  # without negative zeros
        nan = rows != rows
        if nan.any():
            rows[nan] = np.nan
        bits = rows.view(np.int32)
        # The bits as integers that are ordered as the numbers.
        rank = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    else:
        rank = rows
    packed = (~rank if descending else rank).astype(np.int64, order="C")
    packed <<= 32
    packed |= np.arange(packed.shape[-1])
    packed.sort(-1)
    packed &= 0xFFFFFFFF
    order = np.moveaxis(packed, -1, dim)
    return order if order.flags.c_contiguous else np.asarray(dense(order))


def ranked(a: Array, dim: int, rank: int) -> Array:
    """The positions, with size 1 along `dim`, of the elements that stable sorting would put at `rank`."""
    key = a.astype(np.float32) if is_half(a.dtype) else a
    if a.size < _SOME or a.dtype.kind not in "fViu":
        return np.take(np.argsort(key, axis=dim, kind="stable"), [rank], axis=dim)
    rows = np.moveaxis(key, dim, -1)
    rows = (rows if rows.flags.c_contiguous else dense(rows)).reshape(-1, a.shape[dim])
    value = np.partition(rows, rank, axis=-1)[:, rank : rank + 1]
    equal = rows == value
    found = equal.argmax(-1)
    # Among several equal ones, and with nan, the order says which one it is.
    several = np.count_nonzero(equal, axis=-1) != 1
    if several.any():
        found[several] = sort(rows[several], 1, False)[1][:, rank]
    shape = (*a.shape[:dim], *a.shape[dim + 1 :], 1)
    return np.moveaxis(found.reshape(shape), -1, dim)


def topk(a: Array, k: int, dim: int, largest: bool, in_order: bool) -> tuple[Array, Array]:
    """(k largest or smallest values, their positions)."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    if k > 0 and _MANY * k <= a.shape[dim] and a.size >= _SOME and a.dtype.kind in "fiu":
        return _selected(a, k, dim, largest)
    values, order = sort(a, dim, largest)
    cut = (slice(None),) * dim + (slice(k),)
    return values[cut].copy(), order[cut].copy()


# A row that is this many times as long as what is wanted of it is not sorted whole, in arrays of some size.
_MANY: Final = 4
_SOME: Final = 1024
# So many are kept in order while a row is looked through.
_FEW: Final = 64


def _selected(a: Array, k: int, dim: int, largest: bool) -> tuple[Array, Array]:
    """`topk` of long rows: the rows are parted at the last wanted element, and those before it sorted."""
    rows = np.moveaxis(a, dim, -1)
    n = rows.shape[-1]
    rows = rows.reshape(-1, n)
    shape = (*a.shape[:dim], *a.shape[dim + 1 :], k)
    if k <= _FEW and generated(rows, _SOME) and a.itemsize > 2:
        order = row_tops.places(np.ascontiguousarray(rows), k, largest)
        turned = np.take_along_axis(rows, order, axis=-1)
        return _moved(turned, shape, dim), _moved(order, shape, dim)
    parted = np.argpartition(rows, n - k if largest else k - 1, axis=-1)
    order = np.sort(parted[:, n - k :] if largest else parted[:, :k], axis=-1)
    values = np.take_along_axis(rows, order, axis=-1)
    turned, places = sort(values, 1, largest)
    order = np.take_along_axis(order, places, axis=-1)
    # Of equal elements the first ones count. Which ones have been parted off is chance, as with nan.
    last = turned[:, -1:]
    chance = np.count_nonzero(rows == last, axis=-1) != np.count_nonzero(turned == last, axis=-1)
    chance |= (last != last)[:, 0]
    if chance.any():
        whole, spots = sort(rows[chance], 1, largest)
        turned[chance], order[chance] = whole[:, :k], spots[:, :k]
    return _moved(turned, shape, dim), _moved(order, shape, dim)


def _moved(found: Array, shape: tuple[int, ...], dim: int) -> Array:
    """Rows in a new array of that shape whose last dimension is moved to `dim`."""
    return np.ascontiguousarray(np.moveaxis(found.reshape(shape), -1, dim))


# What running sums and products of a type are kept in.
_KEPT: Final = {
    np.dtype(np.float32): np.float64, np.dtype(np.complex64): np.complex128,
}  # fmt: skip


def running(a: Array, dim: int, how: str, backwards: bool = False) -> Array:
    """Running sums ("sum") or products ("prod") along `dim`, from the end if `backwards`."""
    if a.size >= HEAVY and a.flags.c_contiguous and worthwhile(a.size):
        made: Array | None = scans.totals(a, dim, how, backwards)
        if made is not None:
            return made
    if backwards:
        return np.flip(running(np.flip(a, dim), dim, how), dim)
    kept = _KEPT.get(a.dtype) or wide(a)
    if how == "prod":
        return np.multiply.accumulate(a, axis=dim, dtype=kept).astype(a.dtype, copy=False)
    sums = np.add.accumulate(a, axis=dim, dtype=kept)
    if a.dtype.kind not in "iu":
        sums += 0  # they start at zero, so there is no negative zero
    return sums.astype(a.dtype, copy=False)


def cumsum(a: Array, dim: int) -> Array:
    """Running sums along `dim`."""
    return running(a, dim, "sum") if a.ndim else a.copy()


def reverse_cumsum(a: Array, dim: int) -> Array:
    """Running sums along `dim` from the end."""
    return running(a, dim, "sum", True) if a.ndim else a.copy()


def cumprod(a: Array, dim: int) -> Array:
    """Running products along `dim`."""
    return running(a, dim, "prod") if a.ndim else a.copy()


def cumprod_back(g: Array, a: Array, dim: int, out: Array | None = None) -> Array:
    """sum over j >= i of g_j times the product of x_0..x_j without x_i, for every i.

    Before the first zero of a row the product is divided by x_i; at that zero it is taken of what goes before
    and what follows; behind it, it is zero. (PyTorch's formulas, which decide what becomes of infinities.)
    `out` are the products, where they are known.
    """
    if not a.ndim:
        return g.copy()
    x = np.conjugate(a) if a.dtype.kind == "c" else a
    products = cumprod(x, dim) if out is None else np.conjugate(out) if out.dtype.kind == "c" else out
    if x.all():
        return np.asarray(reverse_cumsum(products * g, dim) / x)
    x, h, whole = (np.moveaxis(t, dim, -1) for t in (x, g, products))
    zeros = np.add.accumulate(x == 0, axis=-1, dtype=np.intp)
    led_up = np.where(zeros == 0, whole * h, 0)
    before = reverse_cumsum(led_up, -1) / x
    first = (zeros == 1) & (x == 0)
    behind = cumprod(np.where((zeros == 1) & ~first, x, x.dtype.type(1)), -1)
    led = np.concatenate([np.ones_like(whole[..., :1]), whole[..., :-1]], axis=-1)
    at_zero = led * np.where(zeros == 1, behind * h, 0).sum(-1, keepdims=True)
    return np.moveaxis(np.where(zeros == 0, before, np.where(first, at_zero, 0)).astype(h.dtype), -1, dim)


def cumulative_extreme(a: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    """(running maxima or minima, positions of the latest element that attains them)."""
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    if a.size >= HEAVY and a.flags.c_contiguous and worthwhile(a.size):
        made: tuple[Array, Array] | None = scans.extremes(a, dim, largest)
        if made is not None:
            return made
    key = a.astype(np.float32) if a.dtype.kind == "V" else a
    values = (np.maximum if largest else np.minimum).accumulate(key, axis=dim)
    steps = np.arange(a.shape[dim]).reshape((1,) * dim + (-1,) + (1,) * (a.ndim - dim - 1))
    hit = (key == values) | (key != key)
    indices = np.maximum.accumulate(np.where(hit, steps, 0), axis=dim)
    return np.asarray(values, a.dtype, order="C"), np.asarray(indices, order="C")


def _decay(rows: Array) -> Array:
    """exp(a_i - a_{i+1}) along the first dimension; 1 between equal elements, infinite ones among them."""
    same = rows[:-1] == rows[1:]
    return np.asarray(np.exp(np.where(same, 0, rows[:-1] - rows[1:])))


@in_float
def later_sums(g: Array, a: Array, dim: int) -> Array:
    """Sums of g_j exp(a_i - a_j) over j >= i along `dim`."""
    if not a.ndim or not g.size:
        return g.copy()
    out = np.array(g)
    rows, decay = np.moveaxis(out, dim, 0), _decay(np.moveaxis(a, dim, 0))
    for i in range(len(rows) - 2, -1, -1):
        rows[i] += decay[i] * rows[i + 1]
    return out


@in_float
def earlier_sums(h: Array, a: Array, dim: int) -> Array:
    """Sums of h_i exp(a_i - a_j) over i <= j along `dim`."""
    if not a.ndim or not h.size:
        return h.copy()
    out = np.array(h)
    rows, decay = np.moveaxis(out, dim, 0), _decay(np.moveaxis(a, dim, 0))
    for j in range(1, len(rows)):
        rows[j] += decay[j - 1] * rows[j - 1]
    return out


def _complex_logcumsumexp(a: Array, dim: int) -> Array:
    out = a.copy()
    rows = np.moveaxis(out, dim, 0)
    before = np.full(rows.shape[1:], -np.inf, a.dtype)
    for i in range(len(rows)):
        before = rows[i] = _complex_step(before, rows[i])
    return out


def _complex_step(total: Array, term: Array) -> Array:
    """log(exp(total) + exp(term)); what is infinite or nan comes out as PyTorch has it."""
    swap = term.real < total.real
    low, high = np.where(swap, term, total), np.where(swap, total, term)
    found = np.log1p(np.exp(low - high)) + high
    ends = np.isinf(low.real) & (low.real == high.real)
    if ends.any():  # of exp(-inf) no phase is known, and of two infinities the sum has to say
        found = np.where(ends, np.where(low.real < 0, total, np.log(np.exp(low) + np.exp(high))), found)
    return np.where(np.isnan(total) | np.isnan(term), complex(np.nan, np.nan), found)


def logcumsumexp(a: Array, dim: int) -> Array:
    """log of the running sums of exponentials along `dim`."""
    if not a.ndim:
        return a.copy()
    if a.dtype.kind == "c":
        return _complex_logcumsumexp(a, dim)
    return np.logaddexp.accumulate(a.astype(wide(a), copy=False), axis=dim).astype(a.dtype, copy=False)
