"""Convolutions in eager mode, by generated kernels.

`conv` asks here once generated kernels are in use; the answer is None where NumPy's path is faster, as
benchmarks/contract.py measures: very few channels in what would be the columns of the product (but for
depthwise convolutions, which are no products), strided windows of one element, and work not worth a plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from ..config import settings
from . import contract_depthwise as depthwise
from .contract_conv import plan_forward, plan_input_gradient, plan_weight_gradient
from .contract_eager import KINDS, Prepared, kept
from .contract_fusion import Fusion, Source
from .contract_plan import Machine, Plan, machine
from .contract_windows import Conv
from .scalar import Body
from .vectors import compute_type

__all__ = ["convolve", "convolve_transposed", "convolve_weight"]

Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]

# Channels of a group from which they are the columns of a product that is faster than NumPy's.
_CHANNELS: Final = 5
# Multiply-adds that are worth a plan.
_LEAST: Final = 1 << 16


def convolve(
    x: Array, w: Array, bias: Array | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array | None:
    """As `conv.convolve`, or None where that should do it."""
    statics = stride, padding, dilation
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], *statics)
    )
    x = _in_rows(x, groups, w)

    def make() -> Prepared | None:
        outputs = w.shape[0] // groups
        if not _suits((x, w, bias), x.shape[0] * math.prod(out) * w.size):
            return None
        conv = Conv(
            x.shape[0], groups, w.shape[1], outputs, x.shape[2:], w.shape[2:], *statics, KINDS[x.dtype.name],
            out, x_strides=_steps(x),
        )  # fmt: skip
        roles = "x", "w", "y", "c.0"
        if depthwise.is_depthwise(conv.in_three()):
            return _prepare(partial(depthwise.plan_forward, bias=bias is not None), conv.in_three(), roles)
        if outputs < _CHANNELS:
            return None
        return _prepare(plan_forward, replace(conv, epilogue=_added(bias, outputs)), roles)

    ready = kept(_key("forward", (x, w, bias), statics, groups), make)
    if ready is None:
        return None
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    ready.run(x, np.ascontiguousarray(w), y, *_given(bias))
    return y


def convolve_transposed(
    g: Array, w: Array, bias: Array | None, sizes: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Array | None:  # fmt: skip
    """As `conv.convolve_transposed`, or None where that should do it."""
    statics = stride, padding, dilation
    g = _in_rows(g, groups, w)

    def make() -> Prepared | None:
        inputs, kernel, out = w.shape[1], w.shape[2:], g.shape[2:]
        strided_points = max(stride) > 1 and math.prod(kernel) == 1
        work = g.shape[0] * math.prod(out) * w.size
        if not _suits((g, w, bias), work):
            return None
        conv = Conv(
            g.shape[0], groups, inputs, w.shape[0] // groups, sizes, kernel, *statics, KINDS[g.dtype.name],
            out, g_strides=_steps(g),
        )  # fmt: skip
        roles = "g", "w", "x", "c.0"
        if depthwise.is_depthwise(conv.in_three()):
            plan = partial(depthwise.plan_input_gradient, bias=bias is not None)
            return _prepare(plan, conv.in_three(), roles)
        if inputs < _CHANNELS or strided_points:
            return None
        return _prepare(plan_input_gradient, replace(conv, epilogue=_added(bias, inputs)), roles)

    ready = kept(_key("input", (g, w, bias), statics, groups, sizes), make)
    if ready is None:
        return None
    x = np.empty((g.shape[0], w.shape[1] * groups, *sizes), g.dtype)
    ready.run(g, np.ascontiguousarray(w), x, *_given(bias))
    return x


def convolve_weight(
    g: Array, x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array | None:
    """As `conv.convolve_weight`, or None where that should do it."""
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    if shape[:2] == (groups, 1) != (1, 1):  # depthwise
        x, g = _rows(x), _rows(g)

    def make() -> Prepared | None:
        outputs, out = g.shape[1] // groups, g.shape[2:]
        work = g.shape[0] * math.prod(out) * math.prod(shape)
        if not _suits((g, x), work):
            return None
        conv = Conv(
            x.shape[0], groups, shape[1], outputs, x.shape[2:], kernel, stride, padding, dilation,
            KINDS[x.dtype.name], out, _steps(x), _steps(g),
        )  # fmt: skip
        if outputs < _CHANNELS and not depthwise.is_depthwise(conv.in_three()):
            return None
        return _prepare(plan_weight_gradient, conv, ("x", "g", "w"))

    ready = kept(_key("weight", (g, x), (stride, padding, dilation), groups, kernel), make)
    if ready is None:
        return None
    w = np.empty(shape, x.dtype)
    ready.run(x, g, w)
    return w


def _rows(a: Array) -> Array:
    """The array with neighbouring elements of a row side by side."""
    return a if a.strides[-1] == a.itemsize else np.ascontiguousarray(a)


def _in_rows(images: Array, groups: int, w: Array) -> Array:
    """What a depthwise convolution reads; other images as they are."""
    return _rows(images) if w.shape[:2] == (groups, 1) != (1, 1) else images


def _suits(arrays: tuple[Array | None, ...], work: int) -> bool:
    """Whether arrays are of one type that kernels know, in one to three dimensions, and worth a plan."""
    given = [a for a in arrays if a is not None]
    first = given[0]
    return (
        work >= _LEAST
        and 3 <= first.ndim <= 5
        and first.dtype.name in KINDS
        and all(a.dtype == first.dtype for a in given)
        and not any(step % a.itemsize for a in given for step in a.strides)
    )


def _given(bias: Array | None) -> tuple[Array, ...]:
    return () if bias is None else (np.ascontiguousarray(bias),)


def _key(name: str, arrays: tuple[Array | None, ...], *statics: Any) -> Any:
    return name, statics, *(None if a is None else (a.dtype, a.shape, a.strides) for a in arrays)


def _prepare(plan: Callable[[Conv, Machine, int], Plan], conv: Conv, roles: tuple[str, ...]) -> Prepared:
    return Prepared(plan(conv, machine(), settings.thread_count()), roles)


def _steps(a: Array) -> Sizes:
    return tuple(step // a.itemsize for step in a.strides)


def _added(bias: Array | None, channels: int) -> Fusion | None:
    """The sum plus a number for each channel."""
    if bias is None:
        return None
    kind = KINDS[bias.dtype.name]
    computed = compute_type(kind)
    body = Body()
    value = body.op("add", body.input(0, computed), body.input(1, computed))
    return Fusion(body, value, (Source(kind, rows=0, columns=1, inner=channels),))
