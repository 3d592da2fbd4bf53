"""Convolution: a family of three operations that are each other's derivatives.

    conv_of(x, w)            <y, conv_of(x, w)>  =  <conv_transpose_of(y, w), x>  =  <conv_weight(y, x), w>

`conv_transpose_of` is the adjoint in the input, and is transposed convolution; `conv_weight` the adjoint in
the weights. Each is bilinear, so the rules of each are the other two. Complex numbers are conjugated where an
adjoint asks for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import conv as k
from ..kernels.layout import like_image
from .batching import in_front, joined, parted
from .blas import conj_of
from .reduce import sum_dims
from .table import bilinear, general
from .views import expand_to, reshape_any, unsqueeze_at


def _but_channels(g: Any) -> tuple[int, ...]:
    return tuple([d for d in range(g.ndim) if d != 1])


def _added(parts: list[Any]) -> Any:
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total


def _tangent(op: Any, tangents: Any, args: Any, out: Any) -> Any:
    """The product rule; a bias alone is spread over the result."""
    (x, w, _), statics = args[:3], args[3:]
    tx, tw, tb = tangents
    parts = [
        None if tx is None else op(tx, w, tb, *statics),
        None if tw is None else op(x, tw, None if tx is not None else tb, *statics),
    ]
    if tx is None and tw is None:
        shape = tuple(out.shape)
        parts = [expand_to(reshape_any(tb, (shape[1], *(1,) * (len(shape) - 2))), shape)]
    return _added(parts)


# -- shapes without numbers, for tracing: a convolution of zeros costs as much as any other --------------


def _zeros(like: Any, *shape: int) -> Any:
    kind = getattr(like, "np_dtype", None) or like.dtype
    return np.broadcast_to(np.zeros((), kind), shape)


def _conv_shape(x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = k.output_sizes(tuple(x.shape[2:]), tuple(w.shape[2:]), stride, padding, dilation)
    return _zeros(x, x.shape[0], w.shape[0], *out)


def _transposed_shape(x: Any, w: Any, bias: Any, sizes: Any, *windows: Any) -> Any:
    return _zeros(x, x.shape[0], w.shape[1] * windows[-1], *sizes)


def _weight_shape(g: Any, x: Any, window: Any, *windows: Any) -> Any:
    return _zeros(x, g.shape[1], x.shape[1] // windows[-1], *window)


# -- vmap ------------------------------------------------------------------------------------------------


def _examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `conv_of` and `conv_transpose_of`: examples join the examples, weights become groups."""
    x, w, b = tensors
    if dims[1] is None and dims[2] is None:
        return parted(op.entry(joined(x, dims[0], size, 0), w, b, *statics), size, 0)
    if dims[1] is None:
        # Only the bias is mapped, and perhaps the input: the bias is added last.
        if dims[0] is None:
            found, at = op.entry(x, w, None, *statics), None
        else:
            found, at = parted(op.entry(joined(x, dims[0], size, 0), w, None, *statics), size, 0)
        spatial = (1,) * (w.ndim - 2)
        whole = found if at is not None else unsqueeze_at(found, 0)
        return whole + reshape_any(in_front(b, dims[2], size), (size, 1, -1, *spatial)), 0
    *rest, groups = statics
    weights = joined(w, dims[1], size, 0)
    bias = None if b is None else joined(b, dims[2], size, 0)
    shared = op.name == "conv_of" and dims[0] is None and groups == 1
    inputs = x if shared else joined(x, dims[0], size, 1)
    return parted(op.entry(inputs, weights, bias, *rest, groups if shared else groups * size), size, 1)


def _example_weights(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `conv_weight`: examples become groups."""
    g, x = tensors
    *rest, groups = statics
    if dims[1] is None and groups == 1:
        return parted(op.entry(joined(g, dims[0], size, 1), x, *rest, 1), size, 0)
    both = joined(g, dims[0], size, 1), joined(x, dims[1], size, 1)
    return parted(op.entry(*both, *rest, groups * size), size, 0)


conv_of: Any = general(
    "conv_of(input, weight, bias? | stride, padding, dilation, groups)",
    like_image(k.convolve, 2),
    node="ConvolutionBackward0",
    public="convolution",
    batch=_examples,
    infer=_conv_shape,
    jvp=lambda tangents, args, out: _tangent(conv_of, tangents, args, out),
    input=lambda g, weight, input_shape, stride, padding, dilation, groups: conv_transpose_of(
        g, conj_of(weight), None, tuple(input_shape[2:]), stride, padding, dilation, groups
    ),
    weight=lambda g, input, weight_shape, stride, padding, dilation, groups: conv_weight(
        g, conj_of(input), tuple(weight_shape[2:]), stride, padding, dilation, groups
    ),
    bias=lambda g: sum_dims(g, _but_channels(g), False),
)
conv_transpose_of: Any = general(
    "conv_transpose_of(input, weight, bias? | sizes, stride, padding, dilation, groups)",
    like_image(k.convolve_transposed, 2),
    node="ConvolutionBackward0",
    public="convolution",
    batch=_examples,
    infer=_transposed_shape,
    jvp=lambda tangents, args, out: _tangent(conv_transpose_of, tangents, args, out),
    input=lambda g, weight, stride, padding, dilation, groups: conv_of(
        g, conj_of(weight), None, stride, padding, dilation, groups
    ),
    weight=lambda g, input, weight_shape, stride, padding, dilation, groups: conv_weight(
        conj_of(input), g, tuple(weight_shape[2:]), stride, padding, dilation, groups
    ),
    bias=lambda g: sum_dims(g, _but_channels(g), False),
)
conv_weight: Any = bilinear(
    "conv_weight(g, input | window, stride, padding, dilation, groups)",
    k.convolve_weight,
    node="ConvolutionBackwardBackward0",
    public="convolution_backward",
    batch=_example_weights,
    infer=_weight_shape,
    g=lambda c, input, stride, padding, dilation, groups: conv_of(
        conj_of(input), c, None, stride, padding, dilation, groups
    ),
    input=lambda c, g, input_shape, stride, padding, dilation, groups: conv_transpose_of(
        conj_of(g), c, None, tuple(input_shape[2:]), stride, padding, dilation, groups
    ),
)


def transposed_sizes(
    sizes: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...],
    dilation: tuple[int, ...], output_padding: tuple[int, ...],
) -> tuple[int, ...]:  # fmt: skip
    """Sizes of the spatial dimensions of a transposed convolution's result."""
    return tuple(
        (n - 1) * s - 2 * p + d * (m - 1) + extra + 1
        for n, m, s, p, d, extra in zip(
            sizes, kernel, stride, padding, dilation, output_padding, strict=True
        )
    )


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(before, after) in each dimension that keep the sizes; the larger half comes after."""
    total = [d * (m - 1) for m, d in zip(kernel, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in total)
