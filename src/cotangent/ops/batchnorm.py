"""Normalisation over examples (batch norm) and groups of channels, with the primitives of `normalize`."""

from __future__ import annotations

import math
from typing import Any

from ..kernels import norm as k
from ..kernels.layout import like_image
from .batching import in_front
from .normalize import correlated, scaled_backward, standard
from .powers import rsqrt
from .reduce import sum_dims
from .table import general
from .views import expand_to, reshape_any


def _shifted(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching: all tensors get the batch in front, the reduced dimensions move on by one."""
    values = [None if t is None else in_front(t, d, size) for t, d in zip(tensors, dims, strict=True)]
    axes, eps = statics
    return op.entry(*values, tuple(d + 1 for d in axes), eps), 0


def _along(t: Any, shape: Any, dims: Any) -> Any:
    """A tensor of the dimensions that are not reduced in a shape that broadcasts with the input."""
    return reshape_any(t, k.kept(tuple(shape), dims))


batch_norm_of: Any = general(
    "batch_norm_of(input, weight?, bias? | dims, eps)",
    like_image(k.batch_norm),
    node="NativeBatchNormBackward0",
    public="batch_norm",
    nout=4,
    nondiff_outputs=(1, 2, 3),
    batch=_shifted,
    input=lambda g, input, weight, out1, out2, dims, eps: scaled_backward(
        g[0],
        None if weight is None else _along(weight, input.shape, dims),
        input,
        _along(out1, input.shape, dims),
        _along(out2, input.shape, dims),
        dims,
        eps,
    ),
    weight=lambda g, input, out1, out2, dims, eps: correlated(
        g[0], input, _along(out1, input.shape, dims), _along(out2, input.shape, dims), dims, eps, dims
    ),
    bias=lambda g, dims: sum_dims(g[0], dims, False),
)
fixed_norm_of: Any = general(
    "fixed_norm_of(input, weight?, bias?, mean, variance | dims, eps)",
    k.fixed_norm,
    node="NativeBatchNormBackward0",
    public="batch_norm",
    batch=_shifted,
    input=lambda g, input_shape, weight, variance, dims, eps: (
        g * _along(_factor(weight, variance, eps), input_shape, dims)
    ),
    weight=lambda g, input, mean, variance, dims, eps: (
        sum_dims(g * (input - _along(mean, input.shape, dims)), dims, False) * _factor(None, variance, eps)
    ),
    bias=lambda g, dims: sum_dims(g, dims, False),
)


def _factor(weight: Any, variance: Any, eps: float) -> Any:
    scale = rsqrt(variance + eps)
    return scale if weight is None else scale * weight


def _rows(t: Any, groups: int) -> Any:
    shape = tuple(t.shape)
    return reshape_any(t, (shape[0], groups, math.prod(shape[1:]) // groups))


def _examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `group_norm_of`: the batch joins the examples; mapped parameters are applied after."""
    input, weight, bias = tensors
    x = in_front(input, dims[0], size)
    shape = tuple(x.shape)
    merged = reshape_any(x, (shape[0] * shape[1], *shape[2:]))
    apart = dims[1] is not None or dims[2] is not None
    found = op.entry(merged, None if apart else weight, None if apart else bias, *statics)
    out, mean, scale = [reshape_any(t, (*shape[:2], *tuple(t.shape)[1:])) for t in found]
    if apart:
        each = (size, 1, shape[2], *(1,) * (len(shape) - 3))
        if weight is not None:
            out = out * reshape_any(in_front(weight, dims[1], size), each)
        if bias is not None:
            out = out + reshape_any(in_front(bias, dims[2], size), each)
    return (out, mean, scale), 0


def _not_channels(t: Any) -> tuple[int, ...]:
    return tuple([d for d in range(t.ndim) if d != 1])


def _channels(t: Any, groups: int, channels: int) -> Any:
    """(examples, groups, channels or 1, elements): `t` is an image or has a number for each group."""
    shape = tuple(t.shape)
    return reshape_any(t, (shape[0], groups, channels, math.prod(shape[1:]) // max(groups * channels, 1)))


def _group_input(g: Any, weight: Any, input: Any, mean: Any, scale: Any, groups: int, eps: float) -> Any:
    count = tuple(input.shape)[1] // groups
    x, g = _channels(input, groups, count), _channels(g, groups, count)
    factors = None if weight is None else reshape_any(weight, (1, groups, count, 1))
    mean, scale = _channels(mean, groups, 1), _channels(scale, groups, 1)
    return _rows(scaled_backward(g, factors, x, mean, scale, (2, 3), eps), groups)


def _group_weight(g: Any, input: Any, mean: Any, scale: Any, groups: int, eps: float) -> Any:
    count = tuple(input.shape)[1] // groups
    x, g = _channels(input, groups, count), _channels(g, groups, count)
    found = correlated(g, x, _channels(mean, groups, 1), _channels(scale, groups, 1), (2, 3), eps, (0, 3))
    return reshape_any(found, (groups * count,))


def _group_back(g: Any, input: Any, weight: Any, out1: Any, out2: Any, groups: int, eps: float) -> Any:
    """Pullback of the result, the mean and the inverse standard deviation r, whose gradient is -r^2 h / n."""
    x, mean, scale = _rows(input, groups), _rows(out1, groups), _rows(out2, groups)
    n = tuple(x.shape)[2]
    parts = []
    if g[0] is not None:
        parts.append(_group_input(g[0], weight, input, out1, out2, groups, eps))
    if g[1] is not None:
        parts.append(expand_to(_rows(g[1], groups) * (1.0 / n), tuple(x.shape)))
    if g[2] is not None:
        h = standard(x, mean, scale, (2,), eps)
        parts.append(h * (_rows(g[2], groups) * scale * scale * (-1.0 / n)))
    total = None
    for part in parts:
        total = part if total is None else total + part
    return reshape_any(total, tuple(input.shape))


group_norm_of: Any = general(
    "group_norm_of(input, weight?, bias? | groups, eps)",
    like_image(k.group_norm),
    node="NativeGroupNormBackward0",
    public="group_norm",
    nout=3,
    batch=_examples,
    input=_group_back,
    weight=lambda g, input, out1, out2, groups, eps: (
        None if g[0] is None else _group_weight(g[0], input, out1, out2, groups, eps)
    ),
    bias=lambda g: None if g[0] is None else sum_dims(g[0], _not_channels(g[0]), False),
)
layer_stats: Any = general(
    "layer_stats(input | dims, eps)",
    lambda a, dims, eps: _kept_stats(a, dims, eps),
    batch=_shifted,
    nout=2,
)


def _kept_stats(a: Any, dims: Any, eps: float) -> Any:
    _, mean, scale, _ = k.batch_norm(a, None, None, dims, eps)
    shape = k.kept(a.shape, dims)
    return mean.reshape(shape), scale.reshape(shape)
