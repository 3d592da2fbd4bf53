"""Normalisation of arrays to mean 0 and variance 1, over the dimensions `axes`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import lazy
from .halves import in_float, is_half, wide
from .sized import HEAVY, generated

rowwise: Any = lazy.module("cotangent.kernels.rowwise")

Array = Any  # numpy.ndarray, whose stubs know no computed indices
Axes = tuple[int, ...]

_sum: Any = np.add.reduce


def last(ndim: int, count: int) -> Axes:
    """The last `count` dimensions."""
    return tuple(range(ndim - count, ndim))


def _size(a: Any, axes: Axes) -> Any:
    return a.dtype.type(math.prod([a.shape[d] for d in axes]))


def kept(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """`shape` with size 1 along `axes`."""
    return tuple([1 if d in axes else n for d, n in enumerate(shape)])


def _mean(a: Any, axes: Axes, n: Any) -> Any:
    """Mean over `axes`, which stay with size 1."""
    if a.flags.c_contiguous and len(axes) > 1 and axes[-1] == a.ndim - 1:
        # Rows in memory first: a reduction over several dimensions at once is slow.
        run = len(axes)
        while run > 1 and axes[-run] != a.ndim - run:
            run -= 1
        inner = a.reshape(*a.shape[: a.ndim - run], math.prod(a.shape[a.ndim - run :]))
        rows = _sum(inner, -1).reshape(*a.shape[: a.ndim - run], *(1,) * run)
        mean = _sum(rows, axes, None, None, True)
    else:
        mean = _sum(a, axes if len(axes) > 1 else axes[0], None, None, True)
    mean /= n
    return mean


def moments(a: Any, axes: Axes) -> tuple[Any, Any, Any]:
    """(mean, the array minus it, variance), reduced dimensions kept with size 1."""
    n = _size(a, axes)
    mean = _mean(a, axes, n)
    t = np.subtract(a, mean, out=...)
    return mean, t, _mean(np.multiply(t, t, out=...), axes, n)


def _inverse_root(variance: Any, eps: float) -> Any:
    scale = variance + variance.dtype.type(eps)
    np.sqrt(scale, scale)
    np.reciprocal(scale, scale)
    return scale


def _standard(a: Any, mean: Any, scale: Any, axes: Axes, eps: float) -> tuple[Any, Any]:
    """(the array with mean 0 and variance 1 over `axes`, 1 / sqrt(variance + eps)).

    `mean` and `scale` are None or already known.
    """
    if mean is None:
        _, t, variance = moments(a, axes)
        scale = _inverse_root(variance, eps)
    else:
        shape = kept(a.shape, axes)
        t = np.subtract(a, mean.reshape(shape).astype(a.dtype, copy=False), out=...)
        scale = scale.reshape(shape).astype(a.dtype, copy=False)
    t *= scale
    return t, scale


@in_float
def standard(a: Any, mean: Any, scale: Any, axes: Axes, eps: float) -> Any:
    """(a - mean) / sqrt(variance + eps)."""
    if generated(a):
        shape = kept(a.shape, axes)
        if mean is None:
            return rowwise.standard(a, None, None, axes, eps)[0]
        return rowwise.shifted(a, mean.reshape(shape), scale.reshape(shape))
    return _standard(a, mean, scale, axes, eps)[0]


@in_float
def inverse_spread(a: Any, axes: Axes, eps: float) -> Any:
    """1 / sqrt(variance + eps), the reduced dimensions kept."""
    return _inverse_root(moments(a, axes)[2], eps)


@in_float
def standard_backward(g: Any, a: Any, mean: Any, scale: Any, axes: Axes, eps: float) -> Any:
    """The (symmetric) Jacobian of `standard` at `a` applied to g: r * (g - mean(g) - h * mean(g * h))."""
    if generated(a, HEAVY, g):
        if mean is not None:
            shape = kept(a.shape, axes)
            mean, scale = mean.reshape(shape), scale.reshape(shape)
        return rowwise.standard_backward(g, a, mean, scale, axes, eps)
    h, r = _standard(a, mean, scale, axes, eps)
    n = _size(a, axes)
    t = np.multiply(g, h, out=...)
    h *= _mean(t, axes, n)
    np.subtract(g, _mean(g, axes, n), out=t)
    t -= h
    t *= r
    return t


@in_float
def scaled_backward(g: Any, weight: Any, a: Any, mean: Any, scale: Any, axes: Axes, eps: float) -> Any:
    """`standard_backward` of `g * weight`; weight, mean and scale broadcast to `a`."""
    if generated(a, HEAVY, g, weight):
        return rowwise.standard_backward(g, a, mean, scale, axes, eps, weight)
    return standard_backward(g if weight is None else g * weight, a, mean, scale, axes, eps)


@in_float
def correlated(g: Any, a: Any, mean: Any, scale: Any, over: Axes) -> Any:
    """The sum over the dimensions `over` of g * (a - mean) * scale; mean and scale broadcast to `a`."""
    if generated(a, HEAVY, g):
        return rowwise.correlated(g, a, mean, scale, over)
    t = np.subtract(a, mean, out=...)
    t *= scale
    t *= g
    return _sum(t, over)


def layer_norm(a: Any, weight: Any, bias: Any, count: int, eps: float) -> tuple[Any, Any, Any]:
    """(`standard` over the last dimensions, scaled and shifted; mean; 1 / sqrt(variance + eps)).

    The last two have size 1 in the dimensions that are reduced, and stay in float32 for 16-bit arrays.
    """
    dense = np.asarray(a, order="C")  # and so is the result
    found, *rows = _layer_norm(wide(dense), wide(weight), wide(bias), last(a.ndim, count), eps)
    return (found.astype(a.dtype, copy=False), *rows)


def _layer_norm(a: Any, weight: Any, bias: Any, axes: Axes, eps: float) -> tuple[Any, ...]:
    if generated(a, HEAVY, weight, bias):
        return rowwise.standard(a, weight, bias, axes, eps, statistics=2)  # type: ignore[no-any-return]
    mean, t, variance = moments(a, axes)
    scale = _inverse_root(variance, eps)
    t *= scale
    if weight is not None:
        t *= weight
    if bias is not None:
        t += bias
    return t, mean, scale


@in_float
def _batch_norm(a: Array, weight: Any, bias: Any, axes: Axes, eps: float) -> tuple[Any, Any, Any, Any]:
    shape = kept(a.shape, axes)
    if not _size(a, axes):
        nothing = np.full([n for d, n in enumerate(a.shape) if d not in axes], np.nan, a.dtype)
        return a.copy(), np.zeros_like(nothing), nothing, nothing.copy()
    if generated(a, HEAVY, weight, bias):
        factor, shift = (None if x is None else x.reshape(shape) for x in (weight, bias))
        found, *rows = rowwise.standard(a, factor, shift, axes, eps, statistics=3)
        return (found, *[x.squeeze(axes) for x in rows])
    mean, t, variance = moments(a, axes)
    scale = _inverse_root(variance, eps)
    t *= scale
    if weight is not None:
        t *= weight.reshape(shape)
    if bias is not None:
        t += bias.reshape(shape)
    return t, mean.squeeze(axes), scale.squeeze(axes), variance.squeeze(axes)


def batch_norm(a: Array, weight: Any, bias: Any, axes: Axes, eps: float) -> tuple[Any, Any, Any, Any]:
    """(`standard` scaled and shifted, mean, 1 / sqrt(variance + eps), variance).

    All but the first have the dimensions that are not reduced, as have weight and bias. In 16 bits, the
    result is computed from the rounded mean and scale, as PyTorch does.
    """
    found: tuple[Any, Any, Any, Any] = _batch_norm(a, weight, bias, axes, eps)
    if not is_half(a.dtype):
        return found
    shape = kept(a.shape, axes)
    mean, scale = wide(found[1]), wide(found[2])
    factor = scale if weight is None else scale * wide(weight)
    shift = -mean * factor if bias is None else wide(bias) - mean * factor
    out = wide(a) * factor.reshape(shape) + shift.reshape(shape)
    return (out.astype(a.dtype), *found[1:])


@in_float
def fixed_norm(a: Array, weight: Any, bias: Any, mean: Any, variance: Any, axes: Axes, eps: float) -> Any:
    """As `batch_norm` with mean and variance given."""
    shape = kept(a.shape, axes)
    factor = _inverse_root(variance, eps)
    if weight is not None:
        factor = factor * weight
    shift = -mean * factor
    if bias is not None:
        shift = shift + bias
    if generated(a, HEAVY, factor, shift):
        return rowwise.scaled((a, factor.reshape(shape), shift.reshape(shape)))
    t = np.multiply(a, factor.reshape(shape), out=...)
    t += shift.reshape(shape)
    return t


@in_float
def group_norm(a: Array, weight: Any, bias: Any, groups: int, eps: float) -> tuple[Any, Any, Any]:
    """(`standard` over groups of channels, scaled and shifted by channel; mean; 1 / sqrt(variance + eps))."""
    rows = a.reshape(a.shape[0], groups, math.prod(a.shape[1:]) // groups)
    if not rows.shape[2]:
        nothing = np.zeros(rows.shape[:2], a.dtype)
        return a.copy(), nothing, nothing.copy()
    if generated(rows, HEAVY, weight, bias):
        grouped = (a.shape[0], groups, a.shape[1] // groups, math.prod(a.shape[2:]))
        factor, shift = (None if x is None else x.reshape(1, *grouped[1:3], 1) for x in (weight, bias))
        found, *kept_rows = rowwise.standard(a.reshape(grouped), factor, shift, (2, 3), eps, statistics=2)
        return (found.reshape(a.shape), *[x[..., 0, 0] for x in kept_rows])
    mean, t, variance = moments(rows, (2,))
    scale = _inverse_root(variance, eps)
    t *= scale
    t = t.reshape(a.shape)
    shape = (-1, *(1,) * (a.ndim - 2))
    if weight is not None:
        t *= weight.reshape(shape)
    if bias is not None:
        t += bias.reshape(shape)
    return t, mean[..., 0], scale[..., 0]
