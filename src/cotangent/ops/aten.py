"""torch.ops.aten: entries of PyTorch's dispatcher that programs call by these names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..dtypes import uint8
from ..errors import check_dim
from .activation import gelu_of
from .aten_entries import ENTRIES
from .copies import cast
from .join import cat as _cat
from .masks import masked_fill as _masked_fill
from .matmul import addmm as _addmm, mm as _mm
from .overloads import NAMED, packet
from .padding import constant_pad_nd as _constant_pad_nd, pad as _pad
from .piecewise import relu as _relu
from .pooling import scatter_windows
from .resample import RESIZE, resize_bytes
from .softmax import softmax_backward
from .table import deliver, general
from .views import slice_of


def slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """A part of a dimension, as a view.

    Args:
        input: any shape.
        dim: the dimension.
        start, end: first place, and the place after the last; negative ones count from the end.
        step: from one place to the next; positive.

    Returns:
        a view.

    Raises:
        RuntimeError: if the step is not positive.

    Example:
        >>> import cotangent as torch
        >>> torch.ops.aten.slice(torch.arange(5), 0, 1, 4, 2)
        tensor([1, 3])
    """
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    d = check_dim(dim, input.ndim)
    n = input.shape[d]
    first, last = (n if v is None else v + n if v < 0 else v for v in (0 if start is None else start, end))
    first = min(max(first, 0), n)
    return slice_of(input, d, first, min(max(last, first), n), step)


def _addmm_activation(
    input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, use_gelu: bool = False,
    out: Any = None,
) -> Any:  # fmt: skip
    """ReLU (or GELU) of `addmm`.

    Args:
        input, mat1, mat2, beta, alpha: as in `torch.addmm`.
        use_gelu: which of the two.
        out: tensor to write the result to.

    Example:
        >>> import cotangent as torch
        >>> torch._addmm_activation(torch.ones(1), torch.ones(1, 2), torch.tensor([[1.0, -2.0]] * 2))
        tensor([[3., 0.]])
    """
    made = _addmm(input, mat1, mat2, beta=beta, alpha=alpha)
    return deliver("_addmm_activation", gelu_of(made, "none") if use_gelu else _relu(made), out)


def _compute_linear_combination(input: Any, coefficients: Any, *, out: Any = None) -> Any:
    """Weighted sums of the slices of `input` along its first dimension.

    Args:
        input: (n, *).
        coefficients: (m, n).
        out: tensor of shape (m, *) that the sums are added to.

    Returns:
        (m, *).

    Example:
        >>> import cotangent as torch
        >>> torch._compute_linear_combination(torch.tensor([1.0, 10.0]), torch.tensor([[1.0, 2.0]]))
        tensor([21.])
    """
    flat = input.reshape(input.shape[0], -1)
    made = _mm(coefficients.to(flat.dtype), flat).reshape(coefficients.shape[0], *input.shape[1:])
    return made if out is None else out.add_(made)


def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The cotangent of softmax's input from that of its output.

    Args:
        grad_output, output: of one shape.
        dim: the dimension.
        input_dtype: dtype of the result.
    """
    found = softmax_backward(grad_output, output, check_dim(dim, output.ndim))
    return found if found.dtype is input_dtype else cast(found, input_dtype.np)


def native_dropout_backward(grad_output: Any, mask: Any, scale: float) -> Any:
    """The cotangent of dropout's input: scaled, and zero where elements were dropped.

    Args:
        grad_output: any shape.
        mask: bool, which elements were kept.
        scale: their factor.
    """
    return grad_output * (mask.to(grad_output.dtype) * scale)


# A tensor as a result of another one, too, on which it does not depend smoothly: that one's gradient is zero.
beside: Any = general(
    "beside(input, other)",
    lambda a, other: a,
    node="MaxPool2DWithIndicesBackwardBackward0",
    public="max_pool2d_with_indices_backward",
    input=lambda g: g,
    other=lambda g: g * 0.0,
)


def max_pool2d_with_indices_backward(
    grad_output: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Any,
) -> Any:
    """The cotangent of max_pool2d's input: that of each result at the place where it was found.

    Args:
        grad_output, indices: of the shape of the result.
        input: (..., height, width).
        kernel_size, stride, padding, dilation, ceil_mode: of the pooling; the indices say all there is to
        say.
    """
    return beside(scatter_windows(grad_output, indices, tuple(input.shape[-2:]), True), input)


def _upsample_bilinear2d_aa(
    input: Any,
    output_size: Any,
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
    *,
    scale_factors: Any = None,
) -> Any:
    """Images of another size, by linear interpolation with a filter as wide as an output element.

    Args:
        input: (N, C, height, width).
        output_size: (height, width) wanted, or None.
        align_corners: whether the centres of corner elements stay where they are.
        scales_h, scales_w: factors that positions are computed with.
        scale_factors: both factors; they say the size, too, if none is given.

    Example:
        >>> import cotangent as torch
        >>> torch.ops.aten._upsample_bilinear2d_aa(torch.ones(1, 1, 4, 4), (2, 2), False).shape
        torch.Size([1, 1, 2, 2])
    """
    factors = (scales_h, scales_w) if scale_factors is None else tuple(scale_factors)
    sizes = tuple(input.shape[2:])
    if output_size is None:
        output_size = [int(n * f) for n, f in zip(sizes, factors, strict=True) if f is not None]
    spec = tuple(
        ("linear-aa", n, int(o), bool(align_corners), f)
        for n, o, f in zip(sizes, output_size, factors, strict=True)
    )
    return (resize_bytes if input.dtype is uint8 else RESIZE["bilinear-aa", 2])(input, spec)


def _chunk_cat(tensors: Sequence[Any], dim: int, num_chunks: int, *, out: Any = None) -> Any:
    """Tensors cut into as many chunks each, filled up with zeros, side by side chunk for chunk.

    Args:
        tensors: of any shapes that are equal before `dim`.
        dim: the dimension to cut.
        num_chunks: number of chunks.
        out: tensor to store the result in.

    Returns:
        (sizes before dim, num_chunks, elements of a chunk of every tensor).

    Raises:
        RuntimeError: if the shapes do not fit.
    """
    name = "_chunk_cat expects"
    if num_chunks < 1:
        raise RuntimeError(f"{name} positive num_chunks")
    if not tensors:
        raise RuntimeError(f"{name} a non-empty input tensor list")
    first = tensors[0]
    if dim < 0:
        if any(t.ndim != first.ndim for t in tensors):
            raise RuntimeError(f"{name} non-negative dim when input tensors have different ndims")
        dim = check_dim(dim, first.ndim)
    if any(dim >= t.ndim for t in tensors):
        raise RuntimeError(f"{name} dim < ndim for all input tensors")
    if any(not t.numel() for t in tensors):
        raise RuntimeError(f"{name} non-empty tensor")
    lead = tuple(first.shape[:dim])
    if any(tuple(t.shape[:dim]) != lead for t in tensors):
        raise RuntimeError(f"{name} same sizes of 0,...,dim-1 dimensions for all tensors")
    parts = []
    for t in tensors:
        missing = -t.shape[dim] % num_chunks
        filled = _constant_pad_nd(t, (0, 0) * (t.ndim - dim - 1) + (0, missing)) if missing else t
        parts.append(filled.reshape([*lead, num_chunks, math.prod(filled.shape[dim:]) // num_chunks]))
    return deliver("_chunk_cat", _cat(parts, dim + 1), out)


def _within(input: Any, indices: Sequence[Any]) -> tuple[Any, ...]:
    """Indices moved to the nearest place there is."""
    return tuple(
        None if index is None else index.clamp(0, n - 1)
        for index, n in zip(indices, input.shape, strict=False)
    )


def _unsafe_masked_index(input: Any, mask: Any, indices: Sequence[Any], fill: Any) -> Any:
    """`input[indices]` where the mask holds, elsewhere a number; there the indices may lie outside.

    Args:
        input: any shape.
        mask: bool, of the shape of the result.
        indices: index tensors, one for each leading dimension.
        fill: the number.
    """
    return _masked_fill(input[_within(input, indices)], ~mask, fill)


def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Sequence[Any], values: Any) -> Any:
    """A copy of `input` with values added at the indices, where the mask holds.

    Args:
        input: any shape.
        mask: bool, of the shape of the values.
        indices: index tensors, one for each leading dimension.
        values: what to add.
    """
    return input.index_put(_within(input, indices), _masked_fill(values, ~mask, 0), True)


def _bordered(kind: str, mode: str, dims: int) -> Any:
    """The operator that continues a tensor beyond the borders of its last dimensions."""

    def padded(input: Any, padding: Any) -> Any:
        sizes = tuple(input.shape)
        if len(sizes) not in (dims + 1, dims + 2) or 0 in sizes[len(sizes) - dims - 1 :]:
            raise RuntimeError(
                f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 batch size and "
                f"other non-zero dimensions for input, but got: {list(sizes)}"
            )
        if len(padding) != 2 * dims:
            raise RuntimeError(f"padding size is expected to be {2 * dims}, but got: {len(padding)}")
        return _pad(input, padding, mode)

    padded.__name__ = f"{kind}_pad{dims}d"
    padded.__doc__ = f"`nn.functional.pad` in the mode '{mode}', for {dims} dimensions."
    padded.default = padded  # type: ignore[attr-defined]  # PyTorch's name of an operator's only overload
    return padded


for _dims in (1, 2, 3):
    for _kind, _mode in (("reflection", "reflect"), ("replication", "replicate")):
        globals()[f"{_kind}_pad{_dims}d"] = _bordered(_kind, _mode, _dims)
NAMED.update(ENTRIES)
for _entry in (slice, _softmax_backward_data, native_dropout_backward, max_pool2d_with_indices_backward):
    NAMED[_entry.__name__] = _entry
    del globals()[_entry.__name__]  # `__getattr__` gives what has overloads


def __getattr__(name: str) -> Any:
    """Any other operation, by its name."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return packet(name)
