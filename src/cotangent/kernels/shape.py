"""Views of arrays that NumPy offers under other rules than PyTorch, and their transposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as _as_strided

from .layout import as_chosen, dense
from .reduce import sum_

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_ALL = slice(None)
# The key of a deep copy's memo under which the copies of memory are kept.
STORAGES: Any = "cotangent storages"


# -- memory ----------------------------------------------------------------------------------------------


def owner(a: Array) -> Array:
    """The array whose memory `a` looks into."""
    while True:
        above: Any = a.base
        if not isinstance(above, np.ndarray):
            above = getattr(above, "base", None)  # NumPy's as_strided puts an object of its own in between
            if not isinstance(above, np.ndarray):
                return a
        a = above


def address(a: Array) -> int:
    """Where the first element of `a` lies."""
    return int(a.__array_interface__["data"][0])


def storage_offset(a: Array) -> int:
    """Elements between the start of the memory `a` looks into and its first element."""
    whole = owner(a)
    return 0 if whole is a else (address(a) - address(whole)) // a.itemsize


def element_strides(a: Array) -> Shape:
    """Strides in elements."""
    item = a.itemsize
    return tuple(s // item for s in a.strides)


def reshaped(a: Array, shape: Shape) -> Array:
    """The array in another shape; a copy where that is needed."""
    if a.flags.c_contiguous or can_view(a, shape):
        return a.reshape(shape)
    found: Array = dense(a)
    return found.reshape(shape)


def copied(a: Array) -> Array:
    """A copy with the dimensions in the same order in memory."""
    if a.flags.forc:
        return a.copy(order="K")
    found: Array = as_chosen(a.copy() if 0 in a.strides else a.copy(order="K"), [a])
    return found


def copied_whole(a: Array, known: dict[Any, Any]) -> Array:
    """A copy of the memory that `a` looks into, and `a` in it.

    Args:
        a: the array.
        known: the copies so far by the addresses of the originals, so that what shares memory does again.
    """
    whole = owner(a)
    start = address(whole)
    if not whole.size or not np.may_share_memory(whole.ravel(order="K"), whole):
        return copied(a)
    memory = known.get(start)
    if memory is None:
        memory = known[start] = whole.copy(order="K").ravel(order="K").view(np.uint8)
    return np.ndarray(a.shape, a.dtype, memory, address(a) - start, a.strides)


def copied_in(a: Array, order: Shape) -> Array:
    """A copy with the dimensions in that order in memory."""
    found: Array = dense(a.transpose(order))
    return found.transpose(tuple(np.argsort(order)))


def dense_strides(shape: Shape) -> Shape:
    """Strides, in elements, of a contiguous array of that shape."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def _restrided(a: Array, shape: Shape, strides: Shape) -> Array:
    """Another shape and strides (in bytes) from the first element of `a`, within its memory."""
    if a.flags.c_contiguous:
        # Four times as fast as NumPy's as_strided. bfloat16 has no buffer of its own.
        source = a.view(f"u{a.itemsize}") if a.dtype.kind == "V" else a
        return np.ndarray(shape, a.dtype, source, 0, strides)
    return _as_strided(a, shape, strides)


def memory(a: Array) -> Array:
    """All bytes of the memory `a` looks into, flat; of a copy where that memory is no dense block."""
    flat = owner(a).ravel(order="K")
    return np.asarray(flat.view(np.uint8))


def in_memory(a: Array, shape: Shape, strides: Shape, start: int) -> Array | None:
    """Shape and strides (in elements) on the memory `a` looks into, from `start` elements after its start.

    Returns:
        the view; None if that memory is no dense block, or too short.
    """
    whole = owner(a)
    flat = whole.ravel(order="K")
    if flat.size and not np.may_share_memory(flat, whole):
        return None
    item = a.itemsize
    if 0 in shape:
        start = 0
    elif (
        start < 0
        or (start + 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))) * item > flat.nbytes
    ):
        return None
    return np.ndarray(shape, a.dtype, flat.view(np.uint8), start * item, tuple(s * item for s in strides))


# -- views -----------------------------------------------------------------------------------------------


def view(a: Array, shape: Shape) -> Array:
    """`a` under another shape without copying.

    Raises:
        ValueError: if the memory layout does not allow it.
    """
    if a.flags.c_contiguous:
        return _stepped(a.reshape(shape), a) if 1 in a.shape else a.reshape(shape)
    found: Array = np.reshape(a, shape, copy=False)
    return _stepped(found, a) if 1 in shape else found


def _stepped(found: Array, a: Array) -> Array:
    """The view `found` of `a` with PyTorch's steps for dimensions of one: past what lies behind them."""
    if not found.size or not found.ndim:
        return found
    strides = list(found.strides)
    kept = found.shape == a.shape
    if found.shape[-1] == 1 or kept:
        strides[-1] = a.strides[-1] if a.ndim else a.itemsize
    for d in range(found.ndim - 2, -1, -1):
        if found.shape[d] == 1:
            strides[d] = strides[d + 1] * found.shape[d + 1]
        elif kept:
            strides[d] = a.strides[d]
    return found if tuple(strides) == found.strides else _as_strided(found, found.shape, tuple(strides))


def view_bits(a: Array, dtype: np.dtype[Any]) -> Array:
    """The bits of `a` as another element type; what the last dimension counts changes with the size."""
    if a.size:
        return a.view(dtype)
    last = a.shape[-1] * a.itemsize // dtype.itemsize if a.ndim else 1
    return np.empty((*a.shape[:-1], last) if a.ndim else (), dtype)


def can_view(a: Array, shape: Shape) -> bool:
    """Whether `view` would succeed."""
    if a.flags.c_contiguous:
        return True
    try:
        np.reshape(a, shape, copy=False)
    except ValueError:
        return False
    return True


def expand(a: Array, shape: Shape) -> Array:
    """`a` broadcast to `shape`; other than `np.broadcast_to`'s, the view may be written where it can be."""
    lead = len(shape) - a.ndim
    strides = list(a.strides)
    if a.shape != shape[lead:]:
        sizes = zip(a.shape, shape[lead:], strides, strict=True)
        strides = [0 if n == 1 and m != 1 else s for n, m, s in sizes]
    for i in range(lead - 1, -1, -1):  # dimensions of one get the step that would lead past the ones behind
        strides.insert(0, shape[i + 1] * strides[0] if shape[i] == 1 and strides else 0)
    return _restrided(a, shape, tuple(strides))


def transpose(a: Array, dim0: int, dim1: int) -> Array:
    """Two dimensions exchanged."""
    return a.view() if dim0 == dim1 else a.swapaxes(dim0, dim1)


def squeeze(a: Array, dims: Shape | None) -> Array:
    """Without those of the dims (None: of all) whose size is one."""
    shape = a.shape
    ones = tuple(d for d in (range(len(shape)) if dims is None else dims) if d < len(shape) and shape[d] == 1)
    return a.squeeze(ones)


def unsqueeze(a: Array, dim: int) -> Array:
    """With a dimension of size one at `dim`."""
    shape, strides = a.shape, a.strides
    if a.flags.c_contiguous and 1 not in shape:
        return a.reshape(shape[:dim] + (1,) + shape[dim:])
    step = shape[dim] * strides[dim] if dim < a.ndim else a.itemsize
    return _restrided(a, shape[:dim] + (1,) + shape[dim:], strides[:dim] + (step,) + strides[dim:])


def select(a: Array, dim: int, index: int) -> Array:
    """Element `index` of dimension `dim`, as a view also when it is 0-d."""
    return a[(_ALL,) * dim + (index, ...)]


def slice_(a: Array, dim: int, start: int, stop: int, step: int) -> Array:
    """Elements start, start+step, ... of dimension `dim`."""
    return a[(_ALL,) * dim + (slice(start, stop, step),)]


def diagonal(a: Array, offset: int, dim1: int, dim2: int) -> Array:
    """Diagonals over two dimensions, as a last dimension; a view that can be written."""
    view = a.diagonal(offset, dim1, dim2)
    if a.flags.writeable:
        view.flags.writeable = True
    return view


def windows(a: Array, dim: int, size: int, step: int) -> Array:
    """Windows of `size` along `dim`, one every `step`, as a last dimension."""
    if a.ndim == 0:
        return a.reshape(1)[:size]
    shape, strides = list(a.shape), list(a.strides)
    stride = strides[dim]
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] = stride * step
    return _restrided(a, (*shape, size), (*strides, stride))


def pieces(a: Array, dim: int, lengths: Shape) -> tuple[Array, ...]:
    """Sections of these lengths along `dim`."""
    lead = (_ALL,) * dim
    out, start = [], 0
    for n in lengths:
        out.append(a[(*lead, slice(start, start + n))])
        start += n
    return tuple(out)


def even_lengths(total: int, length: int) -> Shape:
    """How long the sections are when `total` is cut into sections of `length`; at least one section."""
    whole, rest = divmod(total, length) if length else (1, 0)
    if not length:
        return (0,)
    return (length,) * whole + ((rest,) if rest or not whole else ())


def slices(a: Array, dim: int) -> tuple[Array, ...]:
    """The elements of dimension `dim`, as views without it."""
    lead: tuple[Any, ...] = (_ALL,) * dim
    return tuple(a[(*lead, i, ...)] for i in range(a.shape[dim]))


# -- transposes of views ---------------------------------------------------------------------------------


def sum_to_size(a: Array, shape: Shape) -> Array:
    """`a` summed over the dimensions that expanding from `shape` would add or stretch."""
    lead = a.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i + lead for i, n in enumerate(shape) if n == 1 and a.shape[i + lead] != 1
    )
    if axes:
        return sum_(a, axes, False).reshape(shape)
    return a.reshape(shape) if lead else a


def select_backward(g: Array, shape: Shape, dim: int, index: int) -> Array:
    """Zeros of `shape` with `g` at `index` of dimension `dim`."""
    out = np.zeros(shape, g.dtype)
    out[(_ALL,) * dim + (index,)] = g
    return out


def slice_backward(g: Array, shape: Shape, dim: int, start: int, stop: int, step: int) -> Array:
    """Zeros of `shape` with `g` at the elements that `slice_` takes."""
    out = np.zeros(shape, g.dtype)
    out[(_ALL,) * dim + (slice(start, stop, step),)] = g
    return out


def diagonal_backward(g: Array, shape: Shape, offset: int, dim1: int, dim2: int) -> Array:
    """Zeros of `shape` with `g` on the diagonals that `diagonal` takes."""
    out = np.zeros(shape, g.dtype)
    diagonal(out, offset, dim1, dim2)[...] = g
    return out


def windows_backward(g: Array, shape: Shape, dim: int, size: int, step: int) -> Array:
    """Zeros of `shape` with every window of `g` added where `windows` took it."""
    wide = np.float32 if g.itemsize == 2 and g.dtype.kind in "fV" else g.dtype
    out = np.zeros(shape or (1,), wide)
    if not shape:
        return np.asarray(g.sum(dtype=g.dtype))
    count = g.shape[dim]
    lead = (_ALL,) * dim
    for k in range(size):
        out[(*lead, slice(k, k + (count - 1) * step + 1 if count else k, step))] += g[..., k]
    return out.reshape(shape).astype(g.dtype, copy=False)


# -- as_strided ------------------------------------------------------------------------------------------
#
# `as_strided` is about memory, not about elements: what it means depends on the strides of its input.
# Its gradient, or the same view of another array, is therefore computed on a model of that memory: one
# flat array in which each element of the input has its place.


def _places(shape: Shape, strides: Shape) -> Array:
    """For every element, how many elements after the first it lies in memory."""
    where = np.zeros(shape, np.intp)
    for d, (n, s) in enumerate(zip(shape, strides, strict=True)):
        where += (np.arange(n) * s).reshape((n,) + (1,) * (len(shape) - d - 1))
    return where


def _model(
    in_shape: Shape, in_stride: Shape, size: Shape, stride: Shape, start: int
) -> tuple[Array, Array, int]:
    """(places of the input's elements, places of the view's elements, size of the memory)."""
    given, taken = _places(in_shape, in_stride).reshape(-1), _places(size, stride).reshape(-1) + start
    low = min(given.min(initial=0), taken.min(initial=0))
    given, taken = given - low, taken - low
    return given, taken, int(max(given.max(initial=-1), taken.max(initial=-1))) + 1


def as_strided(a: Array, size: Shape, stride: Shape, start: int, in_stride: Shape) -> Array:
    """A view with `size` and `stride`, `start` elements after the first of `a`; its strides are `in_stride`.

    An array with other strides gets what the view would have been, as a copy.
    """
    if element_strides(a) == in_stride or a.size == 0:
        view = in_memory(a, size, stride, storage_offset(a) + start)
        if view is not None:
            return view
    given, taken, extent = _model(a.shape, in_stride, size, stride, start)
    memory = np.zeros(extent, a.dtype)
    memory[given] = a.reshape(-1)
    return memory[taken].reshape(size)


def as_strided_backward(
    g: Array, shape: Shape, in_stride: Shape, size: Shape, stride: Shape, start: int
) -> Array:
    """Transpose of `as_strided`: elements seen several times get the sum, elements in one place share it."""
    given, taken, extent = _model(shape, in_stride, size, stride, start)
    memory = np.zeros(extent, g.dtype)
    np.add.at(memory, taken, g.reshape(-1))
    if len(np.unique(given)) != len(given):
        memory = (memory / np.maximum(np.bincount(given, minlength=extent), 1)).astype(g.dtype)
    return memory[given].reshape(shape)


def as_strided_scatter(
    a: Array, src: Array, size: Shape, stride: Shape, start: int, in_stride: Shape
) -> Array:
    """`a` with `src` where `as_strided` would look."""
    given, taken, extent = _model(a.shape, in_stride, size, stride, start)
    memory = np.zeros(extent, a.dtype)
    memory[given] = a.reshape(-1)
    memory[taken] = src.reshape(-1)
    return memory[given].reshape(a.shape)


def memory_needed(size: Shape, stride: Shape, offset: int) -> int:
    """How many elements of memory a view touches, counted from the memory's start."""
    if 0 in size:
        return 0
    return offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def count(shape: Shape) -> int:
    """How many elements a shape has."""
    return math.prod(shape)
