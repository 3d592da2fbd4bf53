"""Rules of convolutions, pooling and batch normalisation."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from ..config import settings
from ..kernels.contract_conv import plan_forward, plan_input_gradient, plan_weight_gradient
from ..kernels.contract_plan import machine
from ..kernels.contract_windows import Conv
from .handle import H
from .rules import floats, rule


def _plain(*sizes: Any) -> bool:
    return all(isinstance(n, int) for group in sizes for n in group)


def _conv(x_shape: Any, w_shape: Any, out: Any, kind: str, statics: Any) -> Conv:
    stride, padding, dilation, groups = statics
    return Conv(
        x_shape[0], groups, w_shape[1], w_shape[0] // groups, tuple(x_shape[2:]), tuple(w_shape[2:]),
        tuple(stride), tuple(padding), tuple(dilation), kind, tuple(out),
    )  # fmt: skip


def _run(b: Any, plan: Any, roles: dict[str, Any], result: str, shape: Any, kind: str, kernel: Any) -> Any:
    names = tuple(roles)
    args = [b.dense(roles[name].v) for name in names]
    return H(b, b.special("plan", args, (plan, names, result, tuple(kernel)), tuple(shape), kind))


def _with_bias(result: Any, bias: Any) -> Any:
    return result if bias is None else result + bias.reshape((1, -1, *[1] * (len(result.shape) - 2)))


@rule("conv_of")
def _convolve(b: Any, x: Any, w: Any, bias: Any, *statics: Any) -> Any:
    if not floats(x, w, bias) or not math.prod((*x.shape, *w.shape)) or not _plain(*statics[:3]):
        return None
    conv = _conv(x.shape, w.shape, (), x.kind, statics)
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(conv.sizes, conv.kernel, conv.stride, conv.padding, conv.dilation)
    )
    plan = plan_forward(conv, machine(), settings.thread_count())
    return _with_bias(
        _run(b, plan, {"x": x, "w": w}, "y", (x.shape[0], w.shape[0], *out), x.kind, conv.kernel), bias
    )


@rule("conv_transpose_of")
def _transposed(b: Any, g: Any, w: Any, bias: Any, sizes: Any, *statics: Any) -> Any:
    if not floats(g, w, bias) or not math.prod((*g.shape, *w.shape)) or not _plain(sizes, *statics[:3]):
        return None
    shape = (g.shape[0], w.shape[1] * statics[3], *sizes)
    conv = _conv(shape, w.shape, g.shape[2:], g.kind, statics)
    plan = plan_input_gradient(conv, machine(), settings.thread_count())
    return _with_bias(_run(b, plan, {"g": g, "w": w}, "x", shape, g.kind, conv.kernel), bias)


@rule("conv_weight")
def _weight(b: Any, g: Any, x: Any, window: Any, *statics: Any) -> Any:
    if not floats(g, x) or not math.prod((*g.shape, *x.shape)) or not _plain(window, *statics[:3]):
        return None
    shape = (g.shape[1], x.shape[1] // statics[3], *window)
    conv = _conv(x.shape, shape, g.shape[2:], g.kind, statics)
    plan = plan_weight_gradient(conv, machine(), settings.thread_count())
    return _run(b, plan, {"x": x, "g": g}, "w", shape, g.kind, conv.kernel)


# -- pooling -----------------------------------------------------------------------------------------------

# Windows larger than this are left to the kernel: each element of a window is an operand of the loop.
_WINDOW = 9


@rule("max_pool1d_of", "max_pool2d_of", "max_pool3d_of")
def _max_pool(b: Any, x: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, window: Any) -> Any:
    n = len(window)
    if not floats(x) or any(padding) or ceil or math.prod(window) > _WINDOW or not math.prod(x.shape):
        return None
    sizes = x.shape[-n:]
    out = tuple((m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(sizes, window, stride, dilation))
    steps = [math.prod(sizes[d + 1 :]) for d in range(n)]
    origin: Any = np.zeros((1,) * n, np.int64)
    for d in range(n):
        along = [1] * n
        along[d] = out[d]
        origin = origin + (np.arange(out[d]) * stride[d] * steps[d]).reshape(along)
    start = H(b, b.array(np.ascontiguousarray(origin), "i64"))
    best: Any = None
    index: Any = None
    for place in product(*map(range, window)):
        cut = (
            ...,
            *[slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(place, dilation, out, stride)],
        )
        value = x.viewed(lambda a, cut=cut: a[cut])
        at = start + sum(i * d * step for i, d, step in zip(place, dilation, steps))
        if best is None:
            best, index = value, at
            continue
        better = (value > best).op("or", value.op("ne", value))
        best, index = better.where(value, best), better.where(at, index)
    shape = (*x.shape[:-n], *out)
    index = index.viewed(lambda a: np.broadcast_to(a, shape))
    index = H(b, b.copy(index.v))
    tiled = tuple(stride) == tuple(window) and all(d == 1 for d in dilation)
    if tiled and all(o * k == m for o, k, m in zip(out, window, sizes)):
        b.tiles[id(index.v.base)] = tuple(window)
    return best, index


@rule("scatter_windows")
def _scatter(b: Any, g: Any, index: Any, sizes: Any, adds: bool) -> Any:
    window = b.tiles.get(id(getattr(index.v, "base", None)))
    n = len(sizes)
    if window is None or not floats(g) or not index.v.whole:
        return None
    # Windows that tile the image: each place belongs to one of them, whose index may be this place.
    return H(b, b.special("tiles", [b.dense(g.v), index.v], (window,), (*g.shape[:-n], *sizes), g.kind))


# -- batch normalisation -----------------------------------------------------------------------------------


@rule("batch_norm_of")
def _batch_norm(b: Any, x: Any, weight: Any, bias: Any, dims: Any, eps: float) -> Any:
    if not floats(x, weight, bias) or not math.prod(x.shape):
        return None
    n = float(math.prod(x.shape[d] for d in dims))
    kept = tuple(1 if d in dims else m for d, m in enumerate(x.shape))
    rest = tuple(m for d, m in enumerate(x.shape) if d not in dims)
    mean = x.sum(dims) / n
    t = x - mean
    variance = (t * t).sum(dims) / n
    scale = 1.0 / (variance + eps).op("sqrt")
    out = t * scale
    out = out if weight is None else out * weight.reshape(kept)
    out = out if bias is None else out + bias.reshape(kept)
    return out, mean.reshape(rest), scale.reshape(rest), variance.reshape(rest)


@rule("fixed_norm_of")
def _fixed_norm(
    b: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, dims: Any, eps: float
) -> Any:
    if not floats(x, weight, bias, mean, variance) or not math.prod(x.shape):
        return None
    kept = tuple(1 if d in dims else m for d, m in enumerate(x.shape))
    scale = 1.0 / (variance + eps).op("sqrt")
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.reshape(kept) + shift.reshape(kept)
