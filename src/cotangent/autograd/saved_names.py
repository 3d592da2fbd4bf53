"""What PyTorch calls the values that nodes keep: the `_saved_*` attributes of a `grad_fn`.

A node here keeps what its rules read, under the names of the rules' parameters. `SAVED` says for each class
of nodes which of PyTorch's names it can answer and from what: `name` alone is a field of that name (`self`
is the field `input`), `name=field` another field, `name=field:what` something taken from it (see `_TAKEN`).
Classes that are not listed show their fields under PyTorch's general names, without shapes and dtypes.
The names are facts, compared with PyTorch by tests/oracle/test_saved_names.py, which also lists what is not
kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from .node import PUBLIC_FIELD

_SIZES = "self_sym_sizes=input_shape"
_PICKED = f"dim indices=out1 keepdim {_SIZES}"
_ORDERED = f"dim indices=out1 {_SIZES}"
_REDUCED = "dim=dims keepdim self"
_SPREAD = f"correction {_REDUCED}"
_POOLED = (
    "ceil_mode=ceil count_include_pad=include divisor_override=override kernel_size=window padding stride"
)
_SAMPLED = "align_corners=align grid input=input"

_TEXT: Final = {
    "AdaptiveAvgPool2DBackward0": "",
    "AdaptiveAvgPool3DBackward0": "",
    "AdaptiveMaxPool2DBackward0": "result1=out1",
    "AdaptiveMaxPool3DBackward0": "result1=out1",
    "AddbmmBackward0": "alpha batch1 batch2 beta batch1_sym_argsize_0=batch1_shape:0 "
    "batch1_sym_argsize_1=batch1_shape:1",
    "AddmmBackward0": "alpha beta mat1 mat2",
    "AffineGridGeneratorBackward0": "align_corners=align",
    "AmaxBackward0": f"{_REDUCED} result",
    "AminBackward0": f"{_REDUCED} result",
    "AminmaxBackward0": "dim=dims:alone keepdim max=out1 min=out0 self",
    "AsStridedBackward0": "size storage_offset=start stride",
    "AvgPool2DBackward0": _POOLED,
    "AvgPool3DBackward0": _POOLED,
    "ChannelShuffleBackward0": "groups",
    "ClampMaxBackward0": "max self",
    "ClampMinBackward0": "min self",
    "Col2ImBackward0": "dilation kernel_size=window padding stride",
    "ConstantPadNdBackward0": "pad=widths:sides",
    "ConvolutionBackward0": "dilation groups input=input padding stride weight",
    "CopySlices": "",
    "CummaxBackward0": "dim indices=out1 self",
    "CumminBackward0": "dim indices=out1 self",
    "DivBackward1": "",
    "DiagonalBackward0": f"dim1 dim2 offset {_SIZES}",
    "DiagonalBackward0_copy": f"dim1 dim2 offset {_SIZES}",
    "EmbeddingBackward0": "indices padding_idx scale_grad_by_freq weight_sym_argsize_0=weight_shape:0",
    "EmbeddingBagBackward0": "",
    "ErfinvBackward0": "",
    "ExpandBackward0": _SIZES,
    "FakeQuantizePerChannelAffineCachemaskBackward0": "",
    "FakeQuantizePerTensorAffineCachemaskBackward0": "",
    "FakeQuantizePerTensorAffineCachemaskTensorQparamsBackward0": "",
    "FractionalMaxPool2DBackward0": "result1=out1",
    "FractionalMaxPool3DBackward0": "result1=out1",
    "GridSampler2DBackward0": _SAMPLED,
    "GridSampler3DBackward0": _SAMPLED,
    "Im2ColBackward0": "dilation kernel_size=window padding stride self_sym_argsize_minus_1=input_shape:-1 "
    "self_sym_argsize_minus_2=input_shape:-2",
    "IndexBackward0": f"indices=indices:places {_SIZES}",
    "IndexPutBackward0": "accumulate indices=indices:places",
    "IndexReduceBackward0": "dim include_self reduce result self source=src",
    "IndexSelectBackward0": f"dim index {_SIZES}",
    "KthvalueBackward0": _PICKED,
    "LinalgVectorNormBackward0": f"{_REDUCED} ord result",
    "LogsumexpBackward0": f"{_REDUCED} result",
    "MaskedScatterBackward0": "mask source_sym_sizes=source_shape",
    "MaxBackward0": _PICKED,
    "MaxPool2DWithIndicesBackward0": "result1=out1",
    "MaxPool3DWithIndicesBackward0": "result1=out1",
    "MaxUnpool2DBackward0": "indices=index",
    "MaxUnpool3DBackward0": "indices=index",
    "MeanBackward0": f"self_sym_numel=input_shape:count {_SIZES}",
    "MeanBackward1": f"dim=dims keepdim self_sym_numel=input_shape:count {_SIZES}",
    "MedianBackward1": _PICKED,
    "MinBackward0": _PICKED,
    "MmBackward0": "mat2 self",
    "ModeBackward0": _PICKED,
    "NanmedianBackward1": _PICKED,
    "NansumBackward0": _REDUCED,
    "NativeBatchNormBackward0": "eps weight",
    "NativeDropoutBackward0": "",
    "NativeLayerNormBackward0": "input=input weight",
    "NativeGroupNormBackward0": "eps group=groups input=input result1 result2=out2 weight",
    "NllLoss2DBackward0": "ignore_index reduction target weight",
    "NllLossBackward0": "ignore_index reduction target weight",
    "PixelShuffleBackward0": "upscale_factor=factor",
    "PixelUnshuffleBackward0": "downscale_factor=factor",
    "PowBackward2": "exponent result self=base",
    "ReflectionPad1DBackward0": "padding=widths:sides self",
    "ReflectionPad2DBackward0": "padding=widths:sides self",
    "RenormBackward0": "dim maxnorm=most p self",
    "RepeatBackward0": f"repeats {_SIZES}",
    "ReplicationPad1DBackward0": "padding=widths:sides self",
    "ReplicationPad2DBackward0": "padding=widths:sides self",
    "SelectBackward0": f"dim index {_SIZES}",
    "SliceBackward0": f"dim end=stop start step=every {_SIZES}",
    "SliceScatterBackward0": "dim end=stop start step=every",
    "SortBackward0": _ORDERED,
    "SplitBackward0": f"dim {_SIZES} split_size",
    "SplitWithSizesBackward0": f"dim {_SIZES} split_sizes",
    "SqueezeBackward0": _SIZES,
    "SqueezeBackward1": _SIZES,
    "SqueezeBackward2": _SIZES,
    "StdBackward0": f"{_SPREAD} result",
    "StdMeanBackward0": f"{_SPREAD} result0=out0",
    "SumBackward0": _SIZES,
    "SumBackward1": f"dim=dims keepdim {_SIZES}",
    "TopkBackward0": _ORDERED,
    "TraceBackward0": _SIZES,
    "UnfoldBackward0": f"dimension=dim {_SIZES} size=length step=every",
    "UnsafeViewBackward0": _SIZES,
    **dict.fromkeys(
        (
            "UpsampleBicubic2DAaBackward0", "UpsampleBicubic2DBackward0", "UpsampleBilinear2DAaBackward0",
            "UpsampleBilinear2DBackward0", "UpsampleLinear1DBackward0", "UpsampleNearest1DBackward0",
            "UpsampleNearest2DBackward0", "UpsampleNearest3DBackward0", "UpsampleNearestExact1DBackward0",
            "UpsampleNearestExact2DBackward0", "UpsampleNearestExact3DBackward0",
            "UpsampleTrilinear3DBackward0",
        ),
        "",
    ),
    "VarBackward0": _SPREAD,
    "VarMeanBackward0": _SPREAD,
    "ViewBackward0": _SIZES,
}


def _places(node: Any, value: Any) -> tuple[Any, ...]:
    """Indices with None for the dimensions that are not indexed."""
    dims = getattr(node, "dims", range(len(value)))
    found: list[Any] = [None] * (max(dims, default=-1) + 1)
    for dim, index in zip(dims, value, strict=True):
        found[dim] = index
    return tuple(found)


def _sides(node: Any, widths: Any) -> tuple[int, ...]:
    """Paddings as `pad` takes them: of the last dimension first, as far as there are any."""
    pairs = [tuple(pair) for pair in widths]
    while len(pairs) > 1 and not any(pairs[0]):
        pairs.pop(0)
    return tuple(side % (1 << 64) for pair in reversed(pairs) for side in pair)


# What PyTorch keeps as int64_t; its Python sees such numbers without a sign.
_UNSIGNED: Final = frozenset(
    ("dim", "dim0", "dim1", "dim2", "diagonal", "ignore_index", "index", "k", "offset", "padding_idx")
)
# The node and the field's value -> what PyTorch's attribute is.
_TAKEN: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "count": lambda node, shape: math.prod(shape),
    "alone": lambda node, dims: dims[0] if dims and len(dims) == 1 else None,
    "places": _places,
    "sides": _sides,
}
_FIELD: Final = {public: field for field, public in PUBLIC_FIELD.items()}


def _parsed(text: str) -> dict[str, tuple[str, str]]:
    found = {}
    for word in text.split():
        name, _, source = word.partition("=")
        field, _, taken = source.partition(":")
        found[name] = (field or _FIELD.get(name, name), taken)
    return found


SAVED: Final[dict[str, dict[str, tuple[str, str]]]] = {node: _parsed(text) for node, text in _TEXT.items()}


def names_of(node_name: str, fields: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """PyTorch's names for what a node of that class keeps.

    Args:
        node_name: the class.
        fields: what it keeps.

    Returns:
        name -> (field, what is taken from it).
    """
    known = SAVED.get(node_name)
    if known is not None:
        return {name: source for name, source in known.items() if source[0] in fields}
    return {
        PUBLIC_FIELD.get(field, field): (field, "")
        for field in fields
        if not field.endswith(("_shape", "_dtype", "_turned"))
    }


def presented(node: Any, name: str, value: Any, taken: str) -> Any:
    """A kept value as PyTorch's attribute `name` shows it: sizes as tuples, some numbers without a sign."""
    if taken in _TAKEN:
        value = _TAKEN[taken](node, value)
    elif taken:
        value = value[int(taken)]
    if value.__class__ is list:
        value = tuple(value)
    if name == "alpha" and value is None:
        return 1
    if name in _UNSIGNED and value.__class__ is int and value < 0:
        return value + (1 << 64)
    return value
