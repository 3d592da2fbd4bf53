"""The `_saved_*` attributes of every operator's node: PyTorch's names, and the same values."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from samples import TABLE
from samples.case import Bound, OpCase, outputs
from samples.library import xp

# Attributes that are not there, by node, because nothing here keeps what they say ...
_SHAPES = "shapes and strides of operands that the rules do not read are not kept"
_STATIC = "an argument that the rules do not read is not kept"
_INPUT = "the rules read a shape, or the result, where PyTorch's read the input"
_OWN = "the derivative is computed another way, from other values"
MISSING: dict[str, tuple[str, str]] = {
    "AdaptiveAvgPool2DBackward0": ("self", _INPUT),
    "AdaptiveAvgPool3DBackward0": ("self", _INPUT),
    "AdaptiveMaxPool2DBackward0": ("self", _INPUT),
    "AdaptiveMaxPool3DBackward0": ("self", _INPUT),
    "AddbmmBackward0": ("batch2_sym_argsize_2", _SHAPES),
    "AddmmBackward0": ("mat1_sym_sizes mat1_sym_strides mat2_sym_sizes mat2_sym_strides", _SHAPES),
    "AffineGridGeneratorBackward0": ("size", _STATIC),
    "AvgPool2DBackward0": ("self", _INPUT),
    "AvgPool3DBackward0": ("self", _INPUT),
    "ComplexBackward0": ("imag real", _OWN),
    "ConvolutionBackward0": ("bias_sym_sizes_opt output_padding transposed", _STATIC),
    "DivBackward1": ("other", _OWN),
    "DivBackward2": ("rounding_mode", _STATIC),
    "FakeQuantizePerTensorAffineCachemaskBackward0": ("mask", _OWN),
    "EmbeddingBackward0": ("sparse", _STATIC),
    "EmbeddingBagBackward0": (
        (
            "indices mode offsets padding_idx per_sample_weights result1 result2 result3 scale_grad_by_freq "
            "sparse weight weight_sym_argsize_0"
        ),
        _OWN,
    ),
    "ErfinvBackward0": ("self", _INPUT),
    "FractionalMaxPool2DBackward0": ("kernel_size output_size self", _INPUT),
    "FractionalMaxPool3DBackward0": ("kernel_size output_size self", _INPUT),
    "GatherBackward0": ("sparse_grad", _STATIC),
    "GridSampler2DBackward0": ("interpolation_mode padding_mode", _STATIC),
    "GridSampler3DBackward0": ("interpolation_mode padding_mode", _STATIC),
    "IndexAddBackward0": ("source_dim", _SHAPES),
    "IndexBackward0": ("indices", "one integer index keeps its place, no tensors"),
    "IndexCopyBackward0": ("source_dim", _SHAPES),
    "IndexReduceBackward0": ("index", "the index is kept for every element"),
    "LogSigmoidBackward0": ("buffer", _OWN),
    "MaxPool2DWithIndicesBackward0": ("ceil_mode dilation kernel_size padding self stride", _INPUT),
    "MaxPool3DWithIndicesBackward0": ("ceil_mode dilation kernel_size padding self stride", _INPUT),
    "MmBackward0": ("mat2_sym_sizes mat2_sym_strides self_sym_sizes self_sym_strides", _SHAPES),
    "NativeBatchNormBackward0": ("input result1 result2 running_mean running_var training", _OWN),
    "NativeDropoutBackward0": ("p result1", _OWN),
    "NativeGroupNormBackward0": ("C HxW N", _SHAPES),
    "NativeLayerNormBackward0": ("bias normalized_shape result1 result2", _OWN),
    "NllLoss2DBackward0": ("self total_weight", _INPUT),
    "NllLossBackward0": ("self total_weight", _INPUT),
    "SpecialLogNdtrBackward0": ("result", _OWN),
    "SqueezeBackward1": ("dim", _STATIC),
    "SqueezeBackward2": ("dim", _STATIC),
    "UnsqueezeBackward0": ("dim", _STATIC),
    **{
        f"Upsample{kind}Backward0": (
            "align_corners output_size scales scales_d scales_h scales_w self_sym_sizes",
            _OWN,
        )
        for kind in (
            "Bicubic2DAa", "Bicubic2D", "Bilinear2DAa", "Bilinear2D", "Linear1D", "Nearest1D", "Nearest2D",
            "Nearest3D", "NearestExact1D", "NearestExact2D", "NearestExact3D", "Trilinear3D",
        )
    },
}  # fmt: skip
# ... and values that are kept in another form.
_NUMBERS = "a number is kept in the dtype of the computation"
_MASKS = "masks become the positions they pick"
_PUT = "operands are kept after they were broadcast, or before they were reshaped"
OTHER: dict[tuple[str, str], str] = {
    ("DivBackward0", "other"): _NUMBERS,
    ("MulBackward0", "other"): _NUMBERS,
    ("XlogyBackward2", "other"): _NUMBERS,
    ("IndexBackward0", "indices"): _MASKS,
    ("IndexPutBackward0", "indices"): _MASKS,
    ("NllLoss2DBackward0", "target"): _PUT,
    ("PreluKernelBackward0", "weight"): _PUT,
    ("SoftMarginLossBackward0", "target"): _PUT,
    ("SliceBackward0", "end"): "an end beyond the dimension is kept as the dimension's size",
    ("Rot90Backward0", "k"): "turns are counted modulo 4",
    ("AsStridedBackward0", "storage_offset"): "the offset there is, where none was given",
    ("AvgPool2DBackward0", "stride"): "the stride there is, where none was given",
    ("AvgPool3DBackward0", "stride"): "the stride there is, where none was given",
}
# Dimensions are kept counted from the front, all of them where none were named, and corrections as numbers.
_DIMENSIONS = ("dim", "dims", "dim0", "dim1", "dim2", "index", "correction", "shifts", "offset", "k")


def plain(library: Any, value: Any) -> Any:
    """A value of either library as one can compare it."""
    if isinstance(value, library.Tensor):
        return [list(value.shape), str(value.dtype).rpartition(".")[2], value.detach().tolist()]
    if isinstance(value, list | tuple):
        return [plain(library, item) for item in value]
    return value if isinstance(value, int | float | complex | bool | None) else str(value).rpartition(".")[2]


def same(actual: Any, expected: Any) -> bool:
    """Whether two such values agree, numbers up to rounding."""
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(map(same, actual, expected))
        )
    if isinstance(expected, float | complex):
        near = abs(actual - expected) <= 1e-4 * max(abs(expected), 1e-2)
        return actual == expected or (actual != actual and expected != expected) or bool(near)
    return bool(actual == expected)


def in_other_words(actual: Any, expected: Any) -> bool:
    """Whether `expected` is how PyTorch was told what `actual` says of dimensions or a correction."""
    if expected is None or expected == []:
        every = isinstance(actual, list) and actual == list(range(len(actual)))
        return every or actual == 1
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) not in (0, len(expected)):
            return False
        return all(map(in_other_words, actual, expected))
    signed = expected - (1 << 64) if expected >= 1 << 63 else expected
    return actual == signed or (signed < 0 <= actual < signed + 8)


def nodes(library: Any, case: OpCase, bound: Bound) -> list[Any]:
    """The nodes of what the operator gives for a sample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = bound.apply(library, case.function(library), bound.lifted(library, grad=True))
    return [(t, t.grad_fn) for t in outputs(library, result) if t.requires_grad and t.grad_fn is not None]


def saved(node: Any) -> set[str]:
    return {name for name in dir(node) if name.startswith("_saved_")}


DIFFERENTIABLE: list[OpCase] = [case for case in TABLE if case.grad and case.grad_fn]
CASES = [case for case in DIFFERENTIABLE if "float64" in case.gradient_dtypes()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_saved_attributes(case: OpCase) -> None:
    for sample in case.sampled("float64"):
        if not sample.grad:
            continue
        theirs = nodes(torch, case, Bound(case, sample))
        ours = nodes(xp, case, Bound(case, sample))
        for (_, expected), (_, actual) in zip(theirs, ours, strict=True):
            name = type(expected).__name__
            if type(actual).__name__ != name:
                continue  # which node it is, is another test's matter
            absent = {f"_saved_{word}" for word in MISSING.get(name, ("", ""))[0].split()}
            assert saved(expected) - absent <= saved(actual), f"{name}: not there"
            assert saved(actual) <= saved(expected), f"{name}: PyTorch has no such attribute"
            raw = {n for n in dir(actual) if n.startswith("_raw_saved_") and (name, n[11:]) not in OTHER}
            assert raw <= {n for n in dir(expected) if n.startswith("_raw_saved_")}, f"{name}: raw"
            for attribute in sorted(saved(actual)):
                compare(name, attribute[7:], getattr(actual, attribute), getattr(expected, attribute))


def compare(node: str, attribute: str, actual: Any, expected: Any) -> None:
    """One attribute of one node."""
    one, other = plain(xp, actual), plain(torch, expected)
    if same(one, other) or (node, attribute) in OTHER:
        return
    if attribute in _DIMENSIONS and in_other_words(one, other):
        return
    raise AssertionError(f"{node}._saved_{attribute}: {one}, PyTorch {other}")
