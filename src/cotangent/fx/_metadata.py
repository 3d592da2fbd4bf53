"""What is noted of tensors: shape, dtype, layout."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..size import channels_last, channels_last_3d, contiguous_format

__all__ = ["TensorMetadata", "extract_tensor_metadata"]


class TensorMetadata(NamedTuple):
    """Shape, dtype and layout of a tensor."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def extract_tensor_metadata(result: Any, include_contiguity: bool = True) -> TensorMetadata:
    """What is noted of a tensor.

    Args:
        result: the tensor.
        include_contiguity: whether its memory format is looked for.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.shape_prop import _extract_tensor_metadata
        >>> _extract_tensor_metadata(torch.ones(2, 3)).stride
        (3, 1)
    """
    sparse = result.is_sparse or "sparse" in str(result.layout)
    format = None
    if include_contiguity and not sparse:
        for tried, ndim in ((contiguous_format, None), (channels_last, 4), (channels_last_3d, 5)):
            if ndim in (None, result.dim()) and result.is_contiguous(memory_format=tried):
                format = tried
                break
    stride = () if sparse else result.stride()
    return TensorMetadata(result.shape, result.dtype, result.requires_grad, stride, format, False, {})
