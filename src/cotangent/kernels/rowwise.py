"""Softmax, normalisation and reductions of large arrays by generated kernels: several passes over a row in
cache.

The callers (`softmax`, `norm`, `reduce`) have the NumPy code for small arrays and say what each function
means. All arrays of a call have one float type; 16-bit ones are computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any, Final

import numpy as np

from . import loops
from .eager import Fused
from .layout import lies_by_channels
from .loops import Body, Loop, Operand, Pass, kind_of
from .symbolic import Sym, call, where
from .vectors import compute_type

__all__ = [
    "Context", "attend", "attend_backward", "correlated", "dot", "log_softmax", "log_softmax_backward",
    "norm", "reduced", "run_rows", "scaled", "shifted", "softmax", "softmax_backward", "standard",
    "standard_backward",
]  # fmt: skip

# A description for given operands: called with symbols of all operands and a maker of row symbols.
Build = Callable[..., tuple[tuple[Pass, ...], tuple[tuple[int, int], ...]]]

_plans: Final[dict[Any, loops.Plan]] = {}
_PLANS: Final = 4096


class Context:
    """What a description is written with: the body under construction, and makers of its leaves."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self.body = Body()
        self.kind = compute_type(kinds[0])
        self.inputs = [Sym(self.body, self.body.input(i, compute_type(k))) for i, k in enumerate(kinds)]

    def row(self, i: int) -> Sym:
        """Row value i."""
        return Sym(self.body, self.body.row(i, self.kind))

    def number(self, i: int) -> Sym:
        """Number i."""
        return Sym(self.body, self.body.number(i, self.kind))


def run_rows(
    name: Any, build: Build, arrays: list[Any], axes: tuple[int, ...], numbers: Sequence[float]
) -> None:
    """Run what `build` describes over arrays that broadcast to the shape of the first."""
    layout = (name, axes, *[(a.dtype, a.shape, a.strides) for a in arrays])
    plan = _plans.get(layout)
    if plan is None:
        if len(_plans) >= _PLANS:
            _plans.clear()
        shape = arrays[0].shape
        kinds = [kind_of(a.dtype) or "" for a in arrays]
        context = Context(kinds)
        passes, finish = build(context, *context.inputs)
        operands = tuple(Operand(k, _strides(a, len(shape))) for k, a in zip(kinds, arrays))
        plan = _plans[layout] = loops.lower(Loop(shape, operands, context.body, passes, axes, finish))
    loops.run(plan, arrays, dict(enumerate(numbers)))


def _strides(array: Any, ndim: int) -> tuple[int, ...]:
    """Strides in elements, for an array that is broadcast to `ndim` dimensions."""
    own = [0 if n == 1 else s // array.itemsize for n, s in zip(array.shape, array.strides)]
    return (*([0] * (ndim - array.ndim)), *own)


# -- softmax --------------------------------------------------------------------------------------------


def _softmax(c: Context, x: Sym, y: Sym) -> Any:
    e = call("exp", x - c.row(0))
    return (
        Pass(reductions=(("max", x.ref),)),
        Pass(stores=((1, e.ref),), reductions=(("sum", e.ref),)),
        Pass(stores=((1, (y * (1.0 / c.row(1))).ref),)),
    ), ()


def _softmax_half(c: Context, x: Sym, y: Sym) -> Any:
    """Without the sums' terms in memory, where they would be rounded to 16 bits."""
    e = call("exp", x - c.row(0))
    return (
        Pass(reductions=(("max", x.ref),)),
        Pass(reductions=(("sum", e.ref),)),
        Pass(stores=((1, (e * (1.0 / c.row(1))).ref),)),
    ), ()


def _log_softmax(c: Context, x: Sym, y: Sym) -> Any:
    t = x - c.row(0)
    return (
        Pass(reductions=(("max", x.ref),)),
        Pass(reductions=(("sum", call("exp", t).ref),)),
        Pass(stores=((1, (t - call("log", c.row(1))).ref),)),
    ), ()


def _softmax_backward(c: Context, g: Sym, y: Sym, out: Sym) -> Any:
    return (
        Pass(reductions=(("sum", (g * y).ref),)),
        Pass(stores=((2, ((g - c.row(0)) * y).ref),)),
    ), ()


def _log_softmax_backward(c: Context, g: Sym, y: Sym, out: Sym) -> Any:
    return (
        Pass(reductions=(("sum", g.ref),)),
        Pass(stores=((2, (g - call("exp", y) * c.row(0)).ref),)),
    ), ()


def softmax(a: Any, dim: int) -> Any:
    """exp(a) over its sum along `dim`."""
    out = np.empty(a.shape, a.dtype)
    build = _softmax if a.itemsize > 2 else _softmax_half
    run_rows(build, build, [a, out], (dim,), ())
    return out


def log_softmax(a: Any, dim: int) -> Any:
    """The logarithm of `softmax`."""
    out = np.empty(a.shape, a.dtype)
    run_rows(_log_softmax, _log_softmax, [a, out], (dim,), ())
    return out


def softmax_backward(g: Any, y: Any, dim: int) -> Any:
    """y * (g - sum(g * y)), where y = softmax(a)."""
    out = np.empty(y.shape, y.dtype)
    run_rows(_softmax_backward, _softmax_backward, [np.broadcast_to(g, y.shape), y, out], (dim,), ())
    return out


def log_softmax_backward(g: Any, y: Any, dim: int) -> Any:
    """g - exp(y) * sum(g), where y = log_softmax(a)."""
    out = np.empty(y.shape, y.dtype)
    run_rows(_log_softmax_backward, _log_softmax_backward, [np.broadcast_to(g, y.shape), y, out], (dim,), ())
    return out


# -- attention ------------------------------------------------------------------------------------------
#
# Number: the factor of the scores. What is added to scores (arrays of their type) and what hides them (of
# booleans) broadcasts to them.


def _masked(c: Context, s: Sym, masks: Sequence[Sym]) -> Sym:
    value = s * c.number(0)
    for mask in masks:
        value = where(mask, -inf, value) if mask.kind == "b1" else value + mask
    return value


def _weight(x: Sym) -> Sym:
    """exp(x), and zero instead of numbers that are not normal: multiplying by these takes long."""
    least = -87.0 if x.kind == "f32" else -708.0
    return where(x < least, 0.0, call("exp", call("maximum", x, least)))


def _attend(c: Context, s: Sym, y: Sym, logs: Sym, *masks: Sym) -> Any:
    x = _masked(c, s, masks)
    top, total = c.row(0), c.row(1)
    top = where(top == -inf, 0.0, top)  # a row that may attend to nothing gives zeros, not nan
    e = _weight(x - top)
    nothing = total == 0.0
    return (
        Pass(reductions=(("max", x.ref),)),
        Pass(stores=((1, e.ref),), reductions=(("sum", e.ref),)),
        Pass(stores=((1, (y * (1.0 / where(nothing, 1.0, total))).ref),)),
    ), ((2, where(nothing, inf, top + call("log", total)).ref),)


def _attend_backward(
    c: Context, s: Sym, p: Sym, given: Sym, d: Sym, logs: Sym, mean: Sym, *masks: Sym
) -> Any:
    e = _weight(_masked(c, s, masks) - logs)
    return (Pass(stores=((1, e.ref), (3, (e * (given - mean) * c.number(0)).ref))),), ()


def _dot(c: Context, x: Sym, y: Sym, out: Sym) -> Any:
    return (Pass(reductions=(("sum", (x * y).ref),)),), ((2, c.row(0).ref),)


def attend(scores: Any, scale: float, masks: Sequence[Any]) -> Any:
    """Turn scores into weights, in place: the softmax of `scale * scores` with what masks add or hide.

    Args:
        scores: (..., rows, columns).
        scale: their factor.
        masks: arrays that broadcast to them: to be added, or booleans that hide.

    Returns:
        (..., rows, 1), the logarithms of the sums of exponentials, inf for rows without any.
    """
    logs = np.empty((*scores.shape[:-1], 1), scores.dtype)
    run_rows("attend", _attend, [scores, scores, logs, *masks], (scores.ndim - 1,), (scale,))
    return logs


def attend_backward(
    scores: Any, of_weights: Any, logs: Any, means: Any, scale: float, masks: Sequence[Any]
) -> None:
    """Turn scores into weights and the weights' cotangents into those of the unscaled scores, in place.

    Args:
        scores: (..., rows, columns).
        of_weights: likewise.
        logs: (..., rows, 1), what `attend` gave.
        means: (..., rows, 1), the weighted means of `of_weights`.
        scale: the scores' factor.
        masks: as for `attend`.
    """
    arrays = [scores, scores, of_weights, of_weights, logs, means, *masks]
    run_rows("attend_backward", _attend_backward, arrays, (), (scale,))


def dot(x: Any, y: Any) -> Any:
    """The sums of x * y along the last dimension, which stays with size 1.

    Args:
        x: the array.
        y: likewise.
    """
    out = np.empty((*x.shape[:-1], 1), x.dtype)
    run_rows("dot", _dot, [x, y, out], (x.ndim - 1,), ())
    return out


# -- normalisation --------------------------------------------------------------------------------------
#
# Numbers: 1 / (elements of a row), eps.


def _moments(c: Context, x: Sym) -> tuple[tuple[Pass, ...], Sym, Sym, Sym]:
    """Two passes, then x minus the mean, 1 / sqrt(variance + eps), and the variance."""
    t = x - c.row(0) * c.number(0)
    passes = (Pass(reductions=(("sum", x.ref),)), Pass(reductions=(("sum", (t * t).ref),)))
    variance = c.row(1) * c.number(0)
    return passes, t, call("rsqrt", variance + c.number(1)), variance


def _scaled(value: Sym, scale: Sym | None, shift: Sym | None) -> Sym:
    if scale is not None:
        value = value * scale
    return value if shift is None else value + shift


def standard(
    a: Any, weight: Any, bias: Any, axes: tuple[int, ...], eps: float, *, statistics: int = 0
) -> tuple[Any, ...]:
    """(a - mean) / sqrt(variance + eps) over `axes`, scaled and shifted.

    Args:
        a: the array.
        weight: broadcasts to it, or None.
        bias: broadcasts to it, or None.
        axes: the dimensions of a row, counted from the front.
        eps: added to the variance.
        statistics: how many of mean, 1 / sqrt(variance + eps) and variance to give as well.

    Returns:
        The result; then the statistics asked for, with size 1 along `axes`.
    """
    out = _result(a, axes)
    arrays = [a, out]
    if weight is not None:
        arrays.append(weight)
    if bias is not None:
        arrays.append(bias)
    first = len(arrays)
    if statistics:
        kept = tuple([1 if d in axes else n for d, n in enumerate(a.shape)])
        arrays += [np.empty(kept, a.dtype) for _ in range(statistics)]

    def build(c: Context, x: Sym, y: Sym, *others: Sym) -> Any:
        passes, t, scale, variance = _moments(c, x)
        given = list(others)
        value = _scaled(
            t * scale,
            given.pop(0) if weight is not None else None,
            given.pop(0) if bias is not None else None,
        )
        finish = [c.row(0) * c.number(0), scale, variance][:statistics]
        stores = tuple((first + i, s.ref) for i, s in enumerate(finish))
        return (*passes, Pass(stores=((1, value.ref),))), stores

    name = ("standard", weight is None, bias is None, statistics)
    run_rows(name, build, arrays, axes, _row_numbers(a, axes, eps))
    return (out, *arrays[first:])


def _result(a: Any, axes: tuple[int, ...]) -> Any:
    """Where a normalised array goes: in order, or channels innermost as in the images it is made of."""
    return np.empty_like(a) if 0 in axes and lies_by_channels(a) else np.empty(a.shape, a.dtype)


def shifted(a: Any, mean: Any, scale: Any) -> Any:
    """(a - mean) * scale, for statistics that broadcast to `a`."""
    return _shifted((a, mean.astype(a.dtype, copy=False), scale.astype(a.dtype, copy=False)))


_shifted: Final = Fused(lambda x, mean, scale: (x - mean) * scale)
# x * factor + shift
scaled: Final = Fused(lambda x, factor, shift: x * factor + shift)


def standard_backward(
    g: Any, a: Any, mean: Any, scale: Any, axes: tuple[int, ...], eps: float, weight: Any = None
) -> Any:
    """The Jacobian of `standard` at `a` applied to g: r * (g - mean(g) - h * mean(g * h)).

    Args:
        g: the cotangent; broadcasts to `a`.
        a: the array.
        mean: its means with size 1 along `axes`, or None.
        scale: its 1 / sqrt(variance + eps), likewise, or None.
        axes: the dimensions of a row.
        eps: added to the variance.
        weight: what g is multiplied by first; broadcasts to `a`.

    Returns:
        An array like `a`.
    """
    out = _result(a, axes)
    arrays = [a, np.broadcast_to(g, a.shape), out]
    given = mean is not None
    weighted = weight is not None
    if weighted:
        arrays.append(weight)
    if given:
        arrays += [mean.astype(a.dtype, copy=False), scale.astype(a.dtype, copy=False)]

    def build(c: Context, x: Sym, g: Sym, y: Sym, *known: Sym) -> Any:
        passes: tuple[Pass, ...] = ()
        if weighted:
            g, known = g * known[0], known[1:]
        if given:
            h, r = (x - known[0]) * known[1], known[1]
        else:
            passes, t, r, _ = _moments(c, x)
            h = t * r
        first = 0 if given else 2
        value = (g - c.row(first) * c.number(0) - h * (c.row(first + 1) * c.number(0))) * r
        sums = Pass(reductions=(("sum", g.ref), ("sum", (g * h).ref)))
        return (*passes, sums, Pass(stores=((2, value.ref),))), ()

    run_rows(("standard_backward", given, weighted), build, arrays, axes, _row_numbers(a, axes, eps))
    return out


def correlated(g: Any, a: Any, mean: Any, scale: Any, over: tuple[int, ...]) -> Any:
    """The sum over the dimensions `over` of g * (a - mean) * scale.

    Args:
        g: broadcasts to `a`.
        a: the array.
        mean: broadcasts to it.
        scale: likewise.
        over: the dimensions that are summed.

    Returns:
        An array of the other dimensions.
    """
    out = np.empty([1 if d in over else n for d, n in enumerate(a.shape)], a.dtype)
    rows = [x.astype(a.dtype, copy=False) for x in (mean, scale)]

    def build(c: Context, x: Sym, g: Sym, mean: Sym, scale: Sym, y: Sym) -> Any:
        return (Pass(reductions=(("sum", (g * ((x - mean) * scale)).ref),)),), ((4, c.row(0).ref),)

    run_rows("correlated", build, [a, np.broadcast_to(g, a.shape), *rows, out], over, ())
    return out.reshape([n for d, n in enumerate(a.shape) if d not in over])


def _row_numbers(a: Any, axes: tuple[int, ...], eps: float) -> tuple[float, float]:
    return 1.0 / prod([a.shape[d] for d in axes]), float(eps)


# -- reductions -----------------------------------------------------------------------------------------


def reduced(
    a: Any, dims: tuple[int, ...] | None, keepdim: bool, how: str, factor: float | None = None
) -> Any:
    """The sum, prod, max or min over `dims` (all if None), times a factor if one is given."""
    def build(c: Context, x: Sym, y: Sym) -> Any:
        total = c.row(0) if factor is None else c.row(0) * c.number(0)
        return (Pass(reductions=((how, x.ref),)),), ((1, total.ref),)

    return _gone((how, factor is None), build, a, dims, keepdim, () if factor is None else (factor,))


def norm(a: Any, dims: tuple[int, ...] | None, keepdim: bool) -> Any:
    """The roots of the sums of squares over `dims` (all if None)."""
    return _gone("norm", _norm, a, dims, keepdim, ())


def _norm(c: Context, x: Sym, y: Sym) -> Any:
    return (Pass(reductions=(("sum", (x * x).ref),)),), ((1, call("sqrt", c.row(0)).ref),)


def _gone(
    name: Any,
    build: Build,
    a: Any,
    dims: tuple[int, ...] | None,
    keepdim: bool,
    numbers: Sequence[float],
) -> Any:
    """What `build` describes of an array and one with size 1 along `dims`, which are left out then."""
    axes = tuple(range(a.ndim)) if dims is None else dims
    if not axes:
        return np.array(a)
    out = np.empty([1 if d in axes else n for d, n in enumerate(a.shape)], a.dtype)
    run_rows(name, build, [a, out], axes, numbers)
    return out if keepdim else out.reshape([n for d, n in enumerate(a.shape) if d not in axes])
