"""Numbers rounded as a quantiser would round them, in floating point: training that knows of quantisation.

The gradient goes straight through where nothing was cut off (the straight-through estimator of Y. Bengio,
N. Leonard and A. Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import bad_argument, check_dim
from ..kernels import fake_quantize as k
from .arguments import REQUIRED, missing
from .constants import constants
from .refusals import refuse
from .table import BOOL_RESULT, elementwise, is_array, is_tensor
from .views import reshape_any

_NAME = "fake_quantize_tensor_cachemask_kernel_type_handling"
_TENSOR_PARAMETERS = "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams"
_REFUSED = (dtypes.BOOL, dtypes.INTEGRAL, dtypes.COMPLEX)


_NUMBERS = "input | scale, zero_point, low, high"
_TENSORS = "input, scale, zero_point | low, high"
_GIVEN = ("scale", "zero_point")
within_numbers: Any = elementwise(f"within_numbers({_NUMBERS})", k.within, result=BOOL_RESULT)
within_tensors: Any = elementwise(f"within_tensors({_TENSORS})", k.within, fixed=_GIVEN, result=BOOL_RESULT)
_by_numbers: Any = elementwise(
    f"fake_quantized({_NUMBERS})",
    k.rounded,
    public="fake_quantize_per_tensor_affine",
    node="FakeQuantizePerTensorAffineCachemaskBackward0",
    check=refuse(_NAME, *_REFUSED),
    input=lambda g, input, scale, zero_point, low, high: (
        g * within_numbers(input, scale, zero_point, low, high)
    ),
)


def _by(name: str, kernel: Any, refuses: str, public: str, node: str) -> Any:
    return elementwise(
        f"{name}({_TENSORS})",
        kernel,
        fixed=_GIVEN,
        public=public,
        node=node,
        check=refuse(refuses, *_REFUSED),
        input=lambda g, input, scale, zero_point, low, high: (
            g * within_tensors(input, scale, zero_point, low, high)
        ),
    )


_by_tensors = _by(
    "fake_quantized_by_tensors",
    k.rounded,
    _NAME,
    "fake_quantize_per_tensor_affine",
    "FakeQuantizePerTensorAffineCachemaskTensorQparamsBackward0",
)
_by_channels = _by(
    "fake_quantized_by_channels",
    k.rounded_channels,
    "fake_quantize_channel_cachemask_cpu_type_handling",
    "fake_quantize_per_channel_affine",
    "FakeQuantizePerChannelAffineCachemaskBackward0",
)


def _complete(name: str, **given: Any) -> None:
    lacking = [key for key, value in given.items() if value is REQUIRED]
    if lacking:
        missing(name, *lacking)


def _along(public: str, scale: Any, zero_point: Any, shape: tuple[int, ...]) -> list[Any]:
    """Scale and zero point as they broadcast with the input; they are constants."""
    constants(public, scale=scale, zero_point=zero_point)
    return [reshape_any(given.detach(), shape) for given in (scale, zero_point)]


def _check_range(low: int, high: int) -> None:
    if low > high:
        raise RuntimeError("`quant_min` should be less than or         equal to `quant_max`.")


def fake_quantize_per_tensor_affine(
    input: Any = REQUIRED, scale: Any = REQUIRED, zero_point: Any = REQUIRED, quant_min: Any = REQUIRED,
    quant_max: Any = REQUIRED,
) -> Any:  # fmt: skip
    """Each element rounded to a multiple of `scale` as a quantiser with these numbers would round it.

    Computes (clamp(round(input / scale) + zero_point, quant_min, quant_max) - zero_point) scale.

    Args:
        input: floating-point tensor of any shape.
        scale: what a step of one means, a number or a tensor of one element.
        zero_point: the integer that stands for zero, a number or a tensor of one element.
        quant_min: the smallest integer.
        quant_max: the largest integer.

    Returns:
        a tensor of the shape and dtype of `input`; its gradient is the cotangent where nothing was cut off.

    Raises:
        RuntimeError: if `zero_point` lies outside, or quant_min above quant_max.
        TypeError: for arguments that are missing or of other types.

    Example:
        >>> import cotangent as torch
        >>> torch.fake_quantize_per_tensor_affine(torch.tensor([0.16, -0.5, 9.0]), 0.1, 0, 0, 20)
        tensor([0.2000, 0.0000, 2.0000])
    """
    name = "fake_quantize_per_tensor_affine"
    _complete(name, scale=scale, zero_point=zero_point, quant_min=quant_min, quant_max=quant_max)
    if not is_tensor(input):
        bad_argument(name, "input", 1, "Tensor", input)
    _check_range(quant_min, quant_max)
    if is_tensor(scale) and is_tensor(zero_point):
        for given in (scale, zero_point):
            if given.numel() != 1:
                raise RuntimeError(f"a Tensor with {given.numel()} elements cannot be converted to Scalar")
        constants = _along(_TENSOR_PARAMETERS, scale, zero_point, (1,) * input.ndim)
        return _by_tensors(input, *constants, quant_min, quant_max)
    if not quant_min <= zero_point <= quant_max:
        raise RuntimeError("`zero_point` must be between `quant_min` and `quant_max`.")
    return _by_numbers(input, float(scale), int(zero_point), quant_min, quant_max)


def fake_quantize_per_channel_affine(
    input: Any = REQUIRED, scale: Any = REQUIRED, zero_point: Any = REQUIRED, axis: Any = REQUIRED,
    quant_min: Any = REQUIRED, quant_max: Any = REQUIRED,
) -> Any:  # fmt: skip
    """Each channel rounded as a quantiser with that channel's numbers would round it.

    Args:
        input: floating-point tensor of any shape.
        scale: (channels,), what a step of one means in each channel.
        zero_point: (channels,), the integers that stand for zero; int32, or floats.
        axis: the dimension of the channels.
        quant_min: the smallest integer.
        quant_max: the largest integer.

    Returns:
        a tensor of the shape and dtype of `input`; its gradient is the cotangent where nothing was cut off.

    Raises:
        RuntimeError: for scales and zero points that do not fit `input`, each other or the range.
        TypeError: for arguments that are missing or of other types.

    Example:
        >>> import cotangent as torch
        >>> steps, zeros = torch.tensor([0.1, 1.0]), torch.zeros(2, dtype=torch.int32)
        >>> torch.fake_quantize_per_channel_affine(torch.tensor([0.16, 0.7]), steps, zeros, 0, 0, 20)
        tensor([0.2000, 1.0000])
    """
    name = "fake_quantize_per_channel_affine"
    _complete(name, scale=scale, zero_point=zero_point, axis=axis, quant_min=quant_min, quant_max=quant_max)
    given_tensors = {"input": input, "scale": scale, "zero_point": zero_point}
    for position, (key, given) in enumerate(given_tensors.items(), 1):
        if not is_tensor(given):
            bad_argument(name, key, position, "Tensor", given)
    if scale.dtype not in (dtypes.float32, dtypes.bfloat16):
        raise RuntimeError(f"Scale must be Float or BFloat16, found {dtypes.SCALAR_NAME[scale.dtype]}")
    if zero_point.dtype not in (dtypes.int32, dtypes.float32, dtypes.float16):
        found = dtypes.SCALAR_NAME[zero_point.dtype]
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {found}")
    for key, given in (("scale", scale), ("zero point", zero_point)):
        if given.ndim != 1:
            raise RuntimeError(f"{key} should be a 1-D tensor")
    if scale.numel() != zero_point.numel():
        raise RuntimeError("scale and zero-point need to have the same dimensions")
    at = check_dim(axis, input.ndim)
    if axis < 0:
        raise RuntimeError("`axis` must be between 0 and number of dimensions of input")
    if scale.numel() != input.shape[at]:
        raise RuntimeError("dimensions of scale and zero-point are not consistent with input tensor")
    _check_range(quant_min, quant_max)
    held = zero_point._data
    if is_array(held) and ((held < quant_min) | (held > quant_max)).any():  # not known while it is traced
        raise RuntimeError("`zero_point` must be between `quant_min` and `quant_max`.")
    shape = tuple(-1 if d == at else 1 for d in range(input.ndim))
    return _by_channels(input, *_along(f"{name}_cachemask", scale, zero_point, shape), quant_min, quant_max)
