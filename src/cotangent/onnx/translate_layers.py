"""Translations of products, convolutions, pooling, normalization, attention and recurrent layers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..kernels.resample import resize
from .sizes import Size, integers
from .translate import Call, maker, mean_and_variance, translates

_RESHAPES: Final = ("reshape_any", "view_as_shape")
_TURNS: Final = ("t_matrix", "transpose_dims")
_PRODUCTS: Final = ("addmm_of", "mm")


# -- products ----------------------------------------------------------------------------------------------


def _matrix(c: Call, number: int) -> tuple[str, int]:
    """A matrix, and whether the name is that of its transpose."""
    turned = maker(c, number, _TURNS)
    if turned is not None and len(c.g.shape(number)) == 2:
        return c.g.name(turned.operands[0]), 1
    return c.g.name(number), 0


@translates("addmm_of")
def _addmm(c: Call) -> str:
    alpha, beta = float(c.get("alpha")), float(c.get("beta"))
    if c.dtype.kind != "f":
        c.g.refuse("has a translation for floating point only")
    (a, turn_a), (b, turn_b) = _matrix(c, c.operands[1]), _matrix(c, c.operands[2])
    return c.g.op("Gemm", a, b, c[0], transA=turn_a, transB=turn_b, alpha=alpha, beta=beta)


@translates("mm", "bmm", "mv", "dot", "sparse_dense_of", "dense_sparse_of")
def _product(c: Call) -> str:
    return c.g.op("MatMul", c[0], c[1])


@translates("baddbmm_of")
def _baddbmm(c: Call) -> str:
    product = c.g.op("MatMul", c[1], c[2])
    alpha, beta = c.get("alpha"), c.get("beta")
    product = product if alpha == 1 else c.g.op("Mul", product, c.scalar(alpha))
    bias = c[0] if beta == 1 else c.g.op("Mul", c[0], c.scalar(beta))
    return c.g.op("Add", product, bias)


@translates("outer_product")
def _outer(c: Call) -> str:
    return c.g.op("Mul", c.g.unsqueeze(c[0], 1), c.g.unsqueeze(c[1], 0))


# -- convolution -------------------------------------------------------------------------------------------


def _window(c: Call, k: int) -> list[int]:
    return [c.g.fixed(n) for n in c.size(k)[2:]]


@translates("conv_of")
def _conv(c: Call) -> str:
    pads = c.wholes("padding")
    return c.g.op(
        "Conv", c[0], c[1], *([c[2]] if c.has(2) else []), kernel_shape=_window(c, 1),
        strides=c.wholes("stride"), pads=pads + pads, dilations=c.wholes("dilation"), group=c.whole("groups"),
    )  # fmt: skip


@translates("conv_transpose_of")
def _conv_transpose(c: Call) -> str:
    pads, strides, dilations = (c.wholes(n) for n in ("padding", "stride", "dilation"))
    window = _window(c, 1)
    extra = []
    for d, size in enumerate(c.get("sizes")):
        have = c.size(0)[2 + d]
        have, size = (n.base if isinstance(n, Size) else n for n in (have, size))
        extra.append(size - ((have - 1) * strides[d] - 2 * pads[d] + dilations[d] * (window[d] - 1) + 1))
    return c.g.op(
        "ConvTranspose", c[0], c[1], *([c[2]] if c.has(2) else []), kernel_shape=window, strides=strides,
        pads=pads + pads, dilations=dilations, group=c.whole("groups"), output_padding=extra,
    )  # fmt: skip


# -- pooling -----------------------------------------------------------------------------------------------


def _framed(c: Call, rank: int, name: str) -> tuple[str, bool]:
    """An image with a dimension of examples in front, and whether that was added."""
    added = len(c.size(0)) == rank + 1
    return (c.g.unsqueeze(name, 0) if added else name), added


@translates("max_pool2d_of", "max_pool3d_of")
def _max_pool(c: Call) -> list[Any]:
    if c.reads(1):
        c.g.refuse("has no translation to ONNX where the positions of maxima are used")
    window, pads = c.wholes("window"), c.wholes("padding")
    x, added = _framed(c, len(window), c[0])
    out = c.g.op(
        "MaxPool", x, kernel_shape=window, strides=c.wholes("stride"), pads=pads + pads,
        dilations=c.wholes("dilation"), ceil_mode=int(c.get("ceil")),
    )  # fmt: skip
    return [c.g.squeeze(out, 0) if added else out, None]


@translates("avg_pool2d_of", "avg_pool3d_of")
def _avg_pool(c: Call) -> str:
    if c.get("override") is not None:
        c.g.refuse("with divisor_override has no translation to ONNX")
    window, pads = c.wholes("window"), c.wholes("padding")
    x, added = _framed(c, len(window), c[0])
    out = c.g.op(
        "AveragePool", x, kernel_shape=window, strides=c.wholes("stride"), pads=pads + pads,
        ceil_mode=int(c.get("ceil")), count_include_pad=int(c.get("include")),
    )  # fmt: skip
    return c.g.squeeze(out, 0) if added else out


@translates("adaptive_avg_pool2d_of", "adaptive_avg_pool3d_of")
def _adaptive(c: Call) -> str:
    spec = c.get("spec")
    x, added = _framed(c, len(spec), c[0])
    if all(goal == 1 for _, _, goal, _, _ in spec):
        out = c.g.op("GlobalAveragePool", x)
    else:
        sizes = [(c.g.fixed(have), c.g.fixed(goal)) for _, have, goal, _, _ in spec]
        if all(have % goal == 0 for have, goal in sizes):
            window = [have // goal for have, goal in sizes]
            out = c.g.op("AveragePool", x, kernel_shape=window, strides=window)
        else:
            out = _by_matrices(c, x, spec)
    return c.g.squeeze(out, 0) if added else out


def _by_matrices(c: Call, x: str, spec: Any) -> str:
    """A linear map along each spatial dimension, as products with its matrix."""
    rank = 2 + len(spec)
    for d, one in enumerate(spec):
        matrix = c.g.constant(resize(np.eye(one[1], dtype=c.dtype), (one,)))
        order = [*range(2 + d), *range(3 + d, rank), 2 + d]
        back = [*range(2 + d), rank - 1, *range(2 + d, rank - 1)]
        x = c.g.op("Transpose", c.g.op("MatMul", c.g.op("Transpose", x, perm=order), matrix), perm=back)
    return x


@translates(
    "upsample_nearest1d_of", "upsample_nearest2d_of", "upsample_nearest3d_of", "_upsample_nearest_exact1d_of",
    "_upsample_nearest_exact2d_of", "_upsample_nearest_exact3d_of", "upsample_linear1d_of",
    "upsample_bilinear2d_of", "upsample_trilinear3d_of", "upsample_bicubic2d_of",
)  # fmt: skip
def _upsample(c: Call) -> str:
    spec = c.get("spec")
    exact, corners = "exact" in c.step.op.name, spec[0][3]
    mode = "nearest" if "nearest" in c.step.op.name else "cubic" if "cubic" in c.step.op.name else "linear"
    where = "align_corners" if corners else "asymmetric" if mode == "nearest" and not exact else "half_pixel"
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": where}
    if mode == "nearest":
        attributes["nearest_mode"] = "round_prefer_ceil" if exact else "floor"
    if mode == "cubic":
        attributes["cubic_coeff_a"] = -0.75
    if all(scale is not None for *_, scale in spec):
        scales = c.g.constant(np.array([1.0, 1.0, *[scale for *_, scale in spec]], np.float32))
        return c.g.op("Resize", c[0], "", scales, **attributes)
    return c.g.op("Resize", c[0], "", "", c.g.sizes(c.shape), **attributes)


# -- padding -----------------------------------------------------------------------------------------------


def _pads(c: Call) -> str:
    widths = c.get("widths")
    return c.g.ints(*[c.g.fixed(w[0]) for w in widths], *[c.g.fixed(w[1]) for w in widths])


@translates("pad_constant_by")
def _pad(c: Call) -> str:
    return c.g.op("Pad", c[0], _pads(c), c.scalar(c.get("value")), mode="constant")


@translates(
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d",
)  # fmt: skip
def _pad_border(c: Call) -> str:
    return c.g.op("Pad", c[0], _pads(c), mode="reflect" if "reflection" in c.step.op.name else "edge")


# -- normalization -----------------------------------------------------------------------------------------


def _affine(c: Call, x: str, shape: list[Any]) -> str:
    """Weight and bias (operands 1 and 2), one number per channel, in a shape that broadcasts."""
    if c.has(1):
        x = c.g.op("Mul", x, c.g.reshape(c[1], shape))
    return c.g.op("Add", x, c.g.reshape(c[2], shape)) if c.has(2) else x


@translates("layer_norm_of")
def _layer_norm(c: Call) -> list[Any]:
    count, eps = c.whole("count"), float(c.get("eps"))
    rank = len(c.shape)
    if c.g.opset >= 17:
        shape = c.shape[rank - count :]
        weight = c[1] if c.has(1) else c.g.filled(shape, 1, c.dtype)
        inputs = [c[0], weight, *([c[2]] if c.has(2) else [])]
        return [c.g.op("LayerNormalization", *inputs, axis=-count, epsilon=eps), None, None]
    centred, spread = mean_and_variance(c, c[0], list(range(rank - count, rank)))
    x = c.g.op("Div", centred, c.g.op("Sqrt", c.g.op("Add", spread, c.scalar(eps))))
    x = c.g.op("Mul", x, c[1]) if c.has(1) else x
    return [c.g.op("Add", x, c[2]) if c.has(2) else x, None, None]


def _channel_shape(c: Call, dims: list[int]) -> list[Any]:
    return [1 if d in dims else n for d, n in enumerate(c.shape)]


@translates("batch_norm_of")
def _batch_norm(c: Call) -> list[Any]:
    if any(c.reads(k) for k in range(1, len(c.step.results))):
        c.g.refuse("of a batch is for training: the module has to be exported in eval mode")
    dims = c.wholes("dims")
    centred, spread = mean_and_variance(c, c[0], dims)
    x = c.g.op("Div", centred, c.g.op("Sqrt", c.g.op("Add", spread, c.scalar(float(c.get("eps"))))))
    return [_affine(c, x, _channel_shape(c, dims)), *[None] * (len(c.step.results) - 1)]


@translates("fixed_norm_of")
def _fixed_norm(c: Call) -> str:
    dims, eps = c.wholes("dims"), float(c.get("eps"))
    channels = c.g.shape(c.operands[3])
    if dims == [0, *range(2, len(c.shape))]:
        weight = c[1] if c.has(1) else c.g.filled(channels, 1, c.dtype)
        bias = c[2] if c.has(2) else c.g.filled(channels, 0, c.dtype)
        return c.g.op("BatchNormalization", c[0], weight, bias, c[3], c[4], epsilon=eps)
    shape = _channel_shape(c, dims)
    centred = c.g.op("Sub", c[0], c.g.reshape(c[3], shape))
    scale = c.g.op("Sqrt", c.g.op("Add", c.g.reshape(c[4], shape), c.scalar(eps)))
    return _affine(c, c.g.op("Div", centred, scale), shape)


@translates("group_norm_of")
def _group_norm(c: Call) -> list[Any]:
    groups = c.whole("groups")
    ones, zeros = c.g.filled([groups], 1, c.dtype), c.g.filled([groups], 0, c.dtype)
    flat = c.g.op("Reshape", c[0], c.g.ints(0, groups, -1))
    even = c.g.op("InstanceNormalization", flat, ones, zeros, epsilon=float(c.get("eps")))
    x = c.g.op("Reshape", even, c.g.op("Shape", c[0]))
    return [_affine(c, x, [c.shape[1], *[1] * (len(c.shape) - 2)]), None, None]


# -- attention ---------------------------------------------------------------------------------------------


@translates("attention")
def _attention(c: Call) -> list[Any]:
    if c.reads(1):
        c.g.refuse("has no translation to ONNX where its logarithms are used")
    q, k, v, *bias = c.operands[0]
    rank = len(c.g.shape(k))
    turned = c.g.op("Transpose", c.g.name(k), perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = c.g.op("Mul", c.g.op("MatMul", c.g.name(q), turned), c.scalar(float(c.get("scale"))))
    if bias:
        scores = c.g.op("Add", scores, c.g.name(bias[0]))
    never = c.scalar(-np.inf)
    if c.get("causal"):
        scores = c.g.op("Where", c.g.above(c.g.shape(q)[-2], c.g.shape(k)[-2], 1), never, scores)
    if c.operands[1] is not None:
        scores = c.g.op("Where", c[1], scores, never)
    weights = c.g.op("Softmax", scores, axis=-1)
    if c.operands[1] is not None or bias:  # rows that may attend to nothing are zeros
        weights = c.g.op("Where", c.g.op("IsNaN", weights), c.scalar(0), weights)
    return [c.g.op("MatMul", weights, c.g.name(v)), None]


# -- recurrent layers --------------------------------------------------------------------------------------

_GATES: Final = {"lstm_layer": (0, 3, 1, 2), "gru_layer": (1, 0, 2), "rnn_layer": (0,)}


def _reordered(c: Call, number: int, order: tuple[int, ...]) -> str:
    """A weight or bias whose blocks of rows are the gates, in ONNX's order."""
    if len(order) == 1:
        return c.g.name(number)
    array = c.g.constants.get(number)
    if array is not None:
        blocks = np.split(array, len(order))
        return c.g.constant(np.concatenate([blocks[k] for k in order]))
    attributes = {"num_outputs": len(order)} if c.g.opset >= 18 else {}
    parts = c.g.ops("Split", [c.g.name(number)], len(order), axis=0, **attributes)
    return c.g.op("Concat", *[parts[k] for k in order], axis=0)


def _projection(c: Call, number: int) -> tuple[int, int | None, int | None]:
    """What is multiplied to give the gates: (sequence, weight (gates, inputs), bias), found on the tape.

    The tape has the product of all steps first: reshape, addmm with a transposed weight, reshape; that of a
    cell without reshapes.
    """
    unknown = number, None, None
    cell = len(c.g.shape(number)) == 2
    product = maker(c, number, _PRODUCTS if cell else _RESHAPES)
    if product is not None and not cell:
        product = maker(c, product.operands[0], _PRODUCTS)
    if product is None:
        return unknown
    left, right = product.operands[-2:]
    turned = maker(c, right, _TURNS)
    flat = None if cell else maker(c, left, _RESHAPES)
    if turned is None or not (cell or (flat is not None and len(c.g.shape(flat.operands[0])) == 3)):
        return unknown
    bias = product.operands[0] if product.op.name == "addmm_of" else None
    return left if flat is None else flat.operands[0], turned.operands[0], bias


def _padding(counts: list[int], batch: int) -> tuple[Any, Any, Any]:
    """Between packed sequences and padded ones, for how many of them each step has.

    Returns:
        the packed row of each step and sequence (any where there is none), the padded rows that hold
        something, and the lengths.
    """
    there = np.arange(batch) < np.array(counts)[:, None]
    places = np.where(there, np.cumsum([0, *counts[:-1]])[:, None] + np.arange(batch), 0)
    return places, np.flatnonzero(there), there.sum(0).astype(np.int32)


@translates("pack_rows")
def _pack_rows(c: Call) -> str:
    _, batch, *rest = c.size(0)
    _, inside, _ = _padding(c.wholes("counts"), c.g.fixed(batch))
    return c.g.op("Gather", c.g.reshape(c[0], [-1, *rest]), c.g.constant(inside), axis=0)


@translates("pad_rows")
def _pad_rows(c: Call) -> str:
    counts, steps = c.wholes("counts"), c.whole("steps")
    places, inside, _ = _padding([*counts, *[0] * (steps - len(counts))], c.whole("batch"))
    rows = places.reshape(-1)
    shown = np.full(len(rows), sum(counts))  # where there is none, the row of zeros after all others
    shown[inside] = rows[inside]
    whole = c.g.op("Concat", c[0], c.g.filled([1, *c.shape[2:]], 0, c.dtype), axis=0)
    return c.g.op("Gather", whole, c.g.constant(shown.reshape(places.shape)), axis=0)


@translates("lstm_layer", "gru_layer", "rnn_layer")
def _recurrent(c: Call) -> list[Any]:
    name = c.step.op.name
    tensors = list(c.operands[0])
    counts = list(integers(c.step.statics[0]))
    packed = len(c.g.shape(tensors[0])) == 2 and len(counts) > 1
    if packed:
        counts = [c.g.fixed(n) for n in counts]
    if len(tensors) > (4 if name != "rnn_layer" else 3):
        c.g.refuse("with a projection or other extras has no translation to ONNX")
    states = 2 if name == "lstm_layer" else 1
    order = _GATES[name]
    weight = tensors[1 + states]
    gates, size = (c.g.fixed(n) for n in c.g.shape(weight))
    sequence, inner, bias = _projection(c, tensors[0])
    d = c.dtype
    if inner is None:  # the gates' sums arrive ready
        x = c.g.name(sequence)
        eye = np.eye(gates, dtype=d).reshape(len(order), -1, gates)
        w = c.g.constant(np.concatenate([eye[k] for k in order]))
    else:
        x, w = c.g.name(sequence), _reordered(c, inner, order)
    b = c.g.filled([gates], 0, d) if bias is None else _reordered(c, bias, order)
    hidden = c.g.filled([gates], 0, d)
    if name == "gru_layer" and len(tensors) == 4:
        hidden = _reordered(c, tensors[3], order)
    both = c.g.unsqueeze(c.g.op("Concat", b, hidden, axis=0), 0)
    inputs = [x, c.g.unsqueeze(w, 0), c.g.unsqueeze(_reordered(c, weight, order), 0), both, ""]
    inputs += [c.g.unsqueeze(c.g.name(tensors[1 + k]), 0) for k in range(states)]
    cell = len(c.g.shape(tensors[0])) == 2 and not packed  # one step
    inputs[0] = c.g.unsqueeze(x, 0) if cell else x
    if packed:
        places, inside, lengths = _padding(counts, counts[0])
        inputs[0] = c.g.op("Gather", x, c.g.constant(places), axis=0)
        inputs[4] = c.g.constant(lengths)
    attributes: dict[str, Any] = {
        "hidden_size": size,
        "direction": "reverse" if c.get("backwards") else "forward",
    }
    if name == "gru_layer":
        attributes["linear_before_reset"] = 1
    if name == "rnn_layer":
        attributes["activations"] = ["Relu" if c.get("relu") else "Tanh"]
    kind = {"lstm_layer": "LSTM", "gru_layer": "GRU", "rnn_layer": "RNN"}[name]
    outs = c.g.ops(kind, inputs, 1 + states, **attributes)
    steps = c.g.squeeze(outs[0], *([0, 1] if cell else [1]))
    if packed:
        rows = c.g.op("Reshape", steps, c.g.ints(-1, size))
        steps = c.g.op("Gather", rows, c.g.constant(inside), axis=0)
    results = [steps, *[c.g.squeeze(out, 0) for out in outs[1:]]]
    return [*results, *[None] * (len(c.step.results) - len(results))]
