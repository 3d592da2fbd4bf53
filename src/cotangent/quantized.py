"""Quantised tensors: made of float ones and turned back, with the functions that say how.

They hold, move and print numbers; nothing is computed with them. PyTorch has announced the end of its own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .creation import born
from .dtypes import SCALAR_NAME, dtype as _dtype, float32
from .errors import check_dim
from .kernels.quantized import Quantized, quantize
from .named_dtypes import qint8, qint32, quint8
from .ops.table import is_tensor
from .uncommon import no_backend

__all__ = [
    "dequantize", "int_repr", "per_channel_affine", "per_channel_affine_float_qparams",
    "per_channel_symmetric", "per_tensor_affine", "per_tensor_symmetric", "q_per_channel_axis",
    "q_per_channel_scales", "q_per_channel_zero_points", "q_scale", "q_zero_point", "qscheme",
    "quantize_per_channel", "quantize_per_tensor", "quantize_per_tensor_dynamic",
]  # fmt: skip

_INTEGERS: Final[dict[_dtype, Any]] = {
    qint8: np.dtype(np.int8), quint8: np.dtype(np.uint8), qint32: np.dtype(np.int32)
}  # fmt: skip


class qscheme:
    """How a quantised tensor's integers are scaled; the only instances are constants of `torch`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


per_tensor_affine: Final = qscheme("per_tensor_affine")
per_channel_affine: Final = qscheme("per_channel_affine")
per_tensor_symmetric: Final = qscheme("per_tensor_symmetric")
per_channel_symmetric: Final = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams: Final = qscheme("per_channel_affine_float_qparams")


def _integers(kind: Any) -> Any:
    if kind not in _INTEGERS:
        name = SCALAR_NAME.get(kind, str(kind))
        raise RuntimeError(f"ScalarType {name} is not supported in new_qtensor.")
    return _INTEGERS[kind]


def _floats(input: Any) -> Any:
    if input.dtype is not float32:
        raise RuntimeError(f"Quantize only works on Float Tensor, got {SCALAR_NAME[input.dtype]}")
    return input.detach()._data


def _check_zero_point(function: str, zero_point: int, numbers: Any) -> None:
    limits = np.iinfo(numbers)
    if zero_point > limits.max:
        raise RuntimeError(f"{function} zero_point {zero_point} is above upper bound.")
    if zero_point < limits.min:
        raise RuntimeError(f"{function} zero_point {zero_point} is below lower bound.")


def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: _dtype) -> Any:
    """Float numbers as integers with one scale.

    Args:
        input: float32, any shape; or a list of such tensors.
        scale: what a step of one means, a number or a 0-d tensor; of a list one for each.
        zero_point: the integer that means zero.
        dtype: `torch.qint8`, `torch.quint8` or `torch.qint32`.

    Returns:
        quantised tensor; of a list a tuple.

    Raises:
        RuntimeError: for other dtypes, or a zero point that is none of the integers.

    Example:
        >>> import cotangent as torch
        >>> x = torch.quantize_per_tensor(torch.tensor([-1.0, 0.26, 3.0]), 0.5, 10, torch.quint8)
        >>> x.int_repr(), x.dequantize()
        (tensor([ 8, 11, 16], dtype=torch.uint8), tensor([-1.0000,  0.5000,  3.0000]))
    """
    if isinstance(input, (list, tuple)):
        pairs = zip(input, scale.tolist(), zero_point.tolist(), strict=True)
        return tuple(quantize_per_tensor(t, s, z, dtype) for t, s, z in pairs)
    x, numbers = _floats(input), _integers(dtype)
    step, zero = float(scale), int(zero_point)
    _check_zero_point("quantize_tensor_per_tensor_affine", zero, numbers)
    return born(quantize(x, dtype, numbers, step, zero, None))


def quantize_per_tensor_dynamic(input: Any, dtype: _dtype, reduce_range: bool) -> Any:
    """Float numbers as integers with the scale that just covers them.

    Args:
        input: float32, any shape.
        dtype: `torch.qint8` or `torch.quint8`.
        reduce_range: use half of the integers.

    Returns:
        quantised tensor.
    """
    x, numbers = _floats(input), _integers(dtype)
    if dtype is qint32:
        raise RuntimeError("dynamic quantization is for torch.qint8 and torch.quint8")
    limits = np.iinfo(numbers)
    least, most = int(limits.min), int(limits.max)
    if reduce_range:
        least, most = -(-least // 2), most // 2
    low, high = (min(float(x.min()), 0.0), max(float(x.max()), 0.0)) if x.size else (0.0, 0.0)
    scale = (high - low) / (most - least) or 0.1
    # The end whose rounding errs less says where zero is.
    at_low, at_high = least - low / scale, most - high / scale
    errs = (abs(least) + abs(low / scale), abs(most) + abs(high / scale))
    zero = int(np.rint(np.clip(at_low if errs[0] < errs[1] else at_high, least, most)))
    return born(quantize(x, dtype, numbers, scale, zero, None))


def quantize_per_channel(input: Any, scales: Any, zero_points: Any, axis: int, dtype: _dtype) -> Any:
    """Float numbers as integers with a scale for each slice of a dimension.

    Args:
        input: float32, any shape.
        scales: one for each slice.
        zero_points: the integers that mean zero.
        axis: the dimension.
        dtype: `torch.qint8`, `torch.quint8` or `torch.qint32`.

    Returns:
        quantised tensor.

    Raises:
        RuntimeError: for numbers of scales that do not fit.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
        >>> torch.quantize_per_channel(x, torch.tensor([0.5, 1.0]), torch.zeros(2), 0, torch.qint8).int_repr()
        tensor([[2, 4],
                [1, 2]], dtype=torch.int8)
    """
    x, numbers = _floats(input), _integers(dtype)
    at = check_dim(axis, x.ndim)
    if scales.numel() != zero_points.numel():
        raise RuntimeError("number of elements in scales and zero_points must match")
    if scales.numel() != x.shape[at]:
        raise RuntimeError(
            f"length of scales must equal to channel, expected {x.shape[at]} got, {scales.numel()}"
        )
    zeros = zero_points.detach()._data.astype(np.int64)
    for zero in zeros.tolist():
        _check_zero_point("quantize_tensor_per_channel_affine", zero, numbers)
    return born(quantize(x, dtype, numbers, scales.detach()._data.astype(np.float64), zeros, at))


def dequantize(input: Any) -> Any:
    """The float32 numbers that a quantised tensor stands for.

    Args:
        input: quantised tensor, or a list of them; a float tensor becomes float32.

    Returns:
        float32 tensor, or a tuple of them.
    """
    if not is_tensor(input):
        return tuple(dequantize(t) for t in input)
    data = input._data
    return born(data.dequantized()) if isinstance(data, Quantized) else input.to(float32)


def _quantized(name: str, input: Any) -> Quantized:
    if not isinstance(input._data, Quantized):
        raise no_backend(name)
    return input._data


_UNEXPECTED: Final = (
    "Expected quantizer->qscheme() == {what} to be true, but got false.  (Could this error message be "
    "improved?  If "
    "so, please report an enhancement request to PyTorch.)"
)


def _scaled(name: str, input: Any, by_slices: bool) -> Quantized:
    data = _quantized(name, input)
    if (data.axis is not None) is not by_slices:
        per_channel = (
            "kPerChannelAffine || quantizer->qscheme() == kPerChannelAffineFloatQParams" if by_slices else ""
        )
        raise RuntimeError(_UNEXPECTED.format(what=per_channel or "kPerTensorAffine"))
    return data


def int_repr(input: Any) -> Any:
    """The integers of a quantised tensor.

    Args:
        input: quantised tensor.

    Raises:
        NotImplementedError: for another tensor.
    """
    return born(_quantized("int_repr", input).values)


def q_scale(input: Any) -> float:
    """What a step of one means.

    Args:
        input: tensor quantised with one scale.
    """
    return float(_scaled("q_scale", input, False).scale)


def q_zero_point(input: Any) -> int:
    """The integer that means zero.

    Args:
        input: tensor quantised with one scale.
    """
    return int(_scaled("q_zero_point", input, False).zero_point)


def q_per_channel_scales(input: Any) -> Any:
    """The scales of the slices, in float64.

    Args:
        input: tensor quantised by slices.
    """
    return born(_scaled("q_per_channel_scales", input, True).scale)


def q_per_channel_zero_points(input: Any) -> Any:
    """The integers that mean zero, one for each slice.

    Args:
        input: tensor quantised by slices.
    """
    return born(_scaled("q_per_channel_zero_points", input, True).zero_point)


def q_per_channel_axis(input: Any) -> int:
    """The dimension of the slices.

    Args:
        input: tensor quantised by slices.
    """
    return int(_scaled("q_per_channel_axis", input, True).axis or 0)


def scheme_of(input: Any) -> qscheme:
    """How a quantised tensor's integers are scaled.

    Args:
        input: quantised tensor.
    """
    return per_tensor_affine if _quantized("qscheme", input).axis is None else per_channel_affine
