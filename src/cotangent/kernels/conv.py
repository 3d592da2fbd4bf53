"""Convolution of arrays and its two adjoints, in one to three spatial dimensions.

All three lay the windows of a block of examples out as the rows of a matrix and multiply (im2col). Where
the stride is 1, the matrix is taken from whole rows of the padded image, borders included: its copies are
long runs of memory, at the cost of a few columns that are computed and dropped. Blocks are small enough
for the matrix to stay in the second-level cache.

`convolve`, `convolve_transposed` and `convolve_weight` are all that other modules call. Large ones are
computed by generated kernels (`contract_eager_conv`), which read the windows where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import wraps
from itertools import product
from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import in_float
from .sized import worthwhile

generated: Any = lazy.module("cotangent.kernels.contract_eager_conv")

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Sizes = tuple[int, ...]

# Elements of one block's matrix: a megabyte of float32.
BLOCK: Final = 1 << 18
# Elements of the operands from which generated kernels are asked.
LEAST: Final = 2048
# How many times the wanted columns may be computed for the sake of long runs.
_WASTE: Final = 1.34


def output_sizes(sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Sizes:
    """Sizes of the result's spatial dimensions."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


class Lowering:
    """How windows of images (N, C, *sizes) become matrices (C * kernel, windows), block by block.

    Args:
        shape: of the images.
        kernel, stride, padding, dilation: of the windows.
        out: how many windows there are along each dimension.
        dtype: of the images.
    """

    def __init__(
        self, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes,
        dtype: Any,
    ) -> None:  # fmt: skip
        self.kernel, self.stride, self.dilation, self.out = kernel, stride, dilation, out
        self.examples, self.channels = shape[:2]
        self.padded = tuple(n + 2 * p for n, p in zip(shape[2:], padding, strict=True))
        self.borders = any(padding)
        self.inner = (..., *[slice(p, p + n) for n, p in zip(shape[2:], padding, strict=True)])
        row = math.prod(out[1:])
        whole_row = math.prod(self.padded[1:])
        self.wide = stride == (1,) * len(out) and whole_row <= _WASTE * row
        self.row = whole_row if self.wide else row
        self.depth = self.channels * math.prod(kernel)
        self.dtype = dtype
        rows = out[0]
        fitting = max(BLOCK // max(self.depth * self.row, 1), 1)
        self.rows = min(rows, fitting)
        self.count = max(min(self.examples, fitting // max(rows, 1)), 1)

    def blocks(self) -> Iterator[tuple[slice, slice, slice, int, int]]:
        """(examples, rows of windows, their place in a window view, number of examples, number of rows)."""
        for n in range(0, self.examples, self.count):
            examples = slice(n, min(n + self.count, self.examples))
            for r in range(0, self.out[0], self.rows):
                rows = slice(r, min(r + self.rows, self.out[0]))
                run = slice(r * self.row, rows.stop * self.row) if self.wide else rows
                yield examples, rows, run, examples.stop - n, rows.stop - r

    def windows(self, images: Array) -> Array:
        """A view (C, *kernel, N, *windows) of padded images; wide: (C, *kernel, N, run)."""
        steps = images.strides[2:]
        offsets = tuple(s * d for s, d in zip(steps, self.dilation, strict=True))
        if self.wide:
            length = 1 + sum((o - 1) * s for o, s in zip(self.out, steps, strict=True)) // images.itemsize
            shape: Sizes = (length,)
            moves: Sizes = (images.itemsize,)
        else:
            shape = self.out
            moves = tuple(s * t for s, t in zip(steps, self.stride, strict=True))
        return np.lib.stride_tricks.as_strided(
            images,
            (images.shape[1], *self.kernel, images.shape[0], *shape),
            (images.strides[1], *offsets, images.strides[0], *moves),
        )

    def frame(self, examples: int) -> Array:
        """Zeroed padded images."""
        return np.zeros((examples, self.channels, *self.padded), self.dtype)

    def columns(self, images: Array) -> Iterator[tuple[slice, slice, Array]]:
        """(examples, rows, matrix (depth, windows)) of each block; the matrix is overwritten by the next."""
        shape = (self.channels, *self.kernel, self.count, self.rows * self.row)
        space: Array = np.zeros(shape, self.dtype)
        direct = not self.borders and (not self.wide or _dense(images))
        view: Any = self.windows(images) if direct else None
        frame = None if direct else self.frame(self.count)
        filled = None
        lead = (slice(None),) * (1 + len(self.kernel))
        for examples, rows, run, n, r in self.blocks():
            if frame is not None:
                if filled != examples:
                    frame[:n][self.inner] = images[examples]
                    filled = examples
                windows = self.windows(frame[:n])
            else:
                windows = view[(*lead, examples)]
            windows = windows[(*lead, slice(None), run)]
            block = space if (n, r) == (self.count, self.rows) else self._part(space, n, r)
            if self.wide:
                block[..., : windows.shape[-1]] = windows
            else:
                block.reshape(windows.shape)[...] = windows
            yield examples, rows, block.reshape(self.depth, n * r * self.row)

    def _part(self, space: Array, n: int, r: int) -> Array:
        """The beginning of `space` as a smaller block."""
        shape = (*space.shape[:-2], n, r * self.row)
        part = space.reshape(-1)[: math.prod(shape)].reshape(shape)
        part[...] = 0
        return part

    def cropped(self, block: Array, n: int, r: int) -> Array:
        """A block (channels, windows) as (n, channels, r, *rest) without the columns that are no windows."""
        rest = self.padded[1:] if self.wide else self.out[1:]
        shaped = block.reshape(block.shape[0], n, r, *rest)
        return shaped[(..., *[slice(o) for o in self.out[1:]])].swapaxes(0, 1)


def _dense(images: Array) -> bool:
    """Whether the spatial dimensions lie in memory as in a contiguous array."""
    step = images.itemsize
    for n, s in zip(images.shape[:1:-1], images.strides[:1:-1], strict=True):
        if s != step:
            return False
        step *= n
    return True


def _pointwise(kernel: Sizes, padding: Sizes) -> bool:
    """Whether every window is a single element."""
    return not any(padding) and all(k == 1 for k in kernel)


def _every(x: Array, stride: Sizes, out: Sizes) -> Array:
    """The elements that windows of size 1 hold."""
    return x[(..., *[slice(0, (o - 1) * s + 1, s) for o, s in zip(out, stride, strict=True)])]


def _grouped(a: Array, groups: int) -> Array:
    """A matrix as a stack of `groups` matrices; itself for one group."""
    return a if groups == 1 else a.reshape(groups, a.shape[0] // groups, a.shape[1])


def _column(bias: Array, spatial: int) -> Array:
    return bias.reshape(-1, *(1,) * spatial)


def sized(kernel: Any) -> Any:
    """A decorator: `kernel`, or the generated kernel of its name where that is in use and faster."""

    @wraps(kernel)
    def run(a: Array, b: Array, *rest: Any) -> Array:
        if a.size + b.size >= LEAST and worthwhile(a.size):
            found: Array | None = getattr(generated, kernel.__name__)(a, b, *rest)
            if found is not None:
                return found
        result: Array = kernel(a, b, *rest)
        return result

    return run


@sized
@in_float
def convolve(
    x: Array, w: Array, bias: Array | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array:
    """Correlation of x (N, C, *sizes) with w (O, C / groups, *kernel), plus a bias (O,)."""
    kernel = w.shape[2:]
    out = output_sizes(x.shape[2:], kernel, stride, padding, dilation)
    outputs = w.shape[0]
    result = np.empty((x.shape[0], outputs, *out), np.result_type(x, w))
    if not result.size:
        return result
    if not w.size:
        result[...] = 0 if bias is None else _column(bias, len(out))
        return result
    flat = w.reshape(outputs, -1)
    if _pointwise(kernel, padding):
        return _matmul_each(_every(x, stride, out), flat, bias, groups, result)
    plan = Lowering(x.shape, kernel, stride, padding, dilation, out, x.dtype)
    stack = _grouped(flat, groups)
    space = np.empty(outputs * plan.count * plan.rows * plan.row, result.dtype)
    column = None if bias is None else _column(bias, len(out))
    for examples, rows, columns in plan.columns(x):
        width = columns.shape[1]
        block = space[: outputs * width].reshape(outputs, width)
        np.matmul(stack, _grouped(columns, groups), out=_grouped(block, groups))
        n = examples.stop - examples.start
        found = plan.cropped(block, n, rows.stop - rows.start)
        if column is None:
            result[examples, :, rows] = found
        else:
            np.add(found, column, out=result[examples, :, rows])
    return result


def _matmul_each(x: Array, flat: Array, bias: Array | None, groups: int, result: Array) -> Array:
    """Windows of one element: a matrix product for each example and group."""
    n, c = x.shape[:2]
    size = math.prod(x.shape[2:])
    outputs = flat.shape[0]
    if groups == 1:
        np.matmul(flat, x.reshape(n, c, size), out=result.reshape(n, outputs, size))
    else:
        parts = x.reshape(n, groups, c // groups, size)
        np.matmul(_grouped(flat, groups), parts, out=result.reshape(n, groups, outputs // groups, size))
    if bias is not None:
        result += _column(bias, x.ndim - 2)
    return result


@sized
@in_float
def convolve_transposed(
    g: Array, w: Array, bias: Array | None, sizes: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Array:  # fmt: skip
    """Adjoint of `convolve` in x: from g (N, O, *out) and w (O, C / groups, *kernel) to (N, C, *sizes)."""
    kernel, out = w.shape[2:], g.shape[2:]
    outputs = w.shape[0]
    channels = w.shape[1] * groups
    shape = (g.shape[0], channels, *sizes)
    dtype = np.result_type(g, w)
    if not g.size or not w.size or not math.prod(shape):
        result = np.zeros(shape, dtype)
        return result if bias is None else result + _column(bias, len(sizes))
    flat = _grouped(w.reshape(outputs, -1), groups).swapaxes(-1, -2)
    if _pointwise(kernel, padding):
        back = np.empty((g.shape[0], channels, *out), dtype)
        _matmul_each(g, np.ascontiguousarray(flat).reshape(-1, outputs // groups), None, groups, back)
        if out == sizes and stride == (1,) * len(out):
            result = back
        else:
            result = np.zeros(shape, dtype)
            _every(result, stride, out)[...] = back
    else:
        plan = Lowering(shape, kernel, stride, padding, dilation, out, dtype)
        result = _folded(g, flat, shape, plan, groups)
    if bias is not None:
        result += _column(bias, len(sizes))
    return result


def _folded(g: Array, flat: Array, shape: Sizes, plan: Lowering, groups: int) -> Array:
    """The columns that g and the transposed weights make, added up where their windows lie."""
    outputs = g.shape[1]
    result: Array = np.empty(shape, plan.dtype) if plan.borders else np.zeros(shape, plan.dtype)
    frame = plan.frame(plan.count) if plan.borders else None
    spread = np.zeros(outputs * plan.count * plan.rows * plan.row, plan.dtype)
    space = np.empty(plan.depth * plan.count * plan.rows * plan.row, plan.dtype)
    images = result
    for examples, rows, run, n, r in plan.blocks():
        width = n * r * plan.row
        block = spread[: outputs * width].reshape(outputs, width)
        if plan.wide and (n, r) != (plan.count, plan.rows):
            block[...] = 0  # its columns lie elsewhere than those of the blocks before
        plan.cropped(block, n, r)[...] = g[examples, :, rows]
        columns = space[: plan.depth * width].reshape(plan.depth, width)
        np.matmul(flat, _grouped(block, groups), out=_grouped(columns, groups))
        if frame is not None:
            images = frame[:n]
            if rows.start == 0:
                images[...] = 0
        else:
            images = result[examples]
        _add_windows(images, columns, plan, run, n, r)
        if frame is not None and rows.stop == plan.out[0]:
            result[examples] = images[plan.inner]
    return result


def _add_windows(images: Array, columns: Array, plan: Lowering, run: slice, n: int, r: int) -> None:
    """Add a block's columns to the places of padded images that its windows show."""
    windows = plan.windows(images)
    lead = (slice(None),) * (1 + len(plan.kernel))
    windows = windows[(*lead, slice(None), run)]
    shape = (plan.channels, *plan.kernel, n)
    if plan.wide:
        values = columns.reshape(*shape, r * plan.row)[..., : windows.shape[-1]]
    else:
        values = columns.reshape(*shape, r, *plan.out[1:])
    for place in product(*map(range, plan.kernel)):
        at = (slice(None), *place)
        windows[at] += values[at]


@sized
@in_float
def convolve_weight(
    g: Array, x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array:
    """Adjoint of `convolve` in w: from g (N, O, *out) and x (N, C, *sizes) to (O, C / groups, *kernel)."""
    outputs, out = g.shape[1], g.shape[2:]
    channels = x.shape[1] // groups
    dtype = np.result_type(g, x)
    total = np.zeros((outputs, channels * math.prod(kernel)), dtype)
    shape = (outputs, channels, *kernel)
    if not g.size or not x.size:
        return total.reshape(shape)
    plan = Lowering(x.shape, kernel, stride, padding, dilation, out, dtype)
    spread = np.zeros(outputs * plan.count * plan.rows * plan.row, dtype)
    stack = _grouped(total, groups)
    part = np.empty_like(stack)
    for examples, rows, columns in plan.columns(x):
        width = columns.shape[1]
        n, r = examples.stop - examples.start, rows.stop - rows.start
        block = spread[: outputs * width].reshape(outputs, width)
        if plan.wide and (n, r) != (plan.count, plan.rows):
            block[...] = 0
        plan.cropped(block, n, r)[...] = g[examples, :, rows]
        np.matmul(_grouped(block, groups), _grouped(columns, groups).swapaxes(-1, -2), out=part)
        stack += part
    return total.reshape(shape)


# -- windows on their own --------------------------------------------------------------------------------


def _flat_plan(shape: Sizes, spec: tuple[Sizes, Sizes, Sizes, Sizes], dtype: Any) -> Lowering:
    kernel, dilation, padding, stride = spec
    out = output_sizes(shape[2:], kernel, stride, padding, dilation)
    plan = Lowering(shape, kernel, stride, padding, dilation, out, dtype)
    plan.wide = False
    return plan


def im2col(x: Array, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
    """The windows of images (..., C, *sizes) as columns: (..., C * kernel, number of windows)."""
    d = len(kernel)
    lead, shape = x.shape[: -d - 1], x.shape[-d - 1 :]
    images = x.reshape(math.prod(lead), *shape)
    plan = _flat_plan(images.shape, (kernel, dilation, padding, stride), x.dtype)
    if plan.borders:
        frame = plan.frame(images.shape[0])
        frame[plan.inner] = images
        images = frame
    windows = np.moveaxis(plan.windows(images), 1 + d, 0)
    return windows.copy(order="C").reshape(*lead, plan.depth, math.prod(plan.out))


@in_float
def col2im(g: Array, sizes: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
    """Adjoint of `im2col`: columns added up where their windows lie."""
    d = len(kernel)
    lead = g.shape[:-2]
    channels = g.shape[-2] // math.prod(kernel)
    n = math.prod(lead)
    plan = _flat_plan((n, channels, *sizes), (kernel, dilation, padding, stride), g.dtype)
    frame = plan.frame(n)
    windows = plan.windows(frame)
    values = np.moveaxis(g.reshape(n, channels, *kernel, *plan.out), 0, 1 + d)
    for place in product(*map(range, kernel)):
        at = (slice(None), *place)
        windows[at] += values[at]
    return np.ascontiguousarray(frame[plan.inner]).reshape(*lead, channels, *sizes)
