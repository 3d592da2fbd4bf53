"""Means and power means of windows of fixed size."""

from __future__ import annotations

import math
from typing import Any

from ...dtypes import BOOL, COMPLEX, INTEGRAL, bfloat16, float16, int64
from ...errors import bad_argument
from ...kernels.pooling import pooled_sizes
from ...ops.arguments import deliver_exact, integers
from ...ops.pooling import AVG_POOL
from ...ops.refusals import unsupported
from ...ops.table import is_tensor
from ...ops.views import squeeze_dim, unsqueeze_at
from ._windows import Sizes, check_padding, check_rank, check_single, check_windows, of_window

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
]  # fmt: skip


def _avg_pool(
    spatial: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: Any,
) -> Any:  # fmt: skip
    function = f"avg_pool{spatial}d"
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    kernel = of_window(function, "kernel_size", 2, kernel_size, spatial, False)
    every = stride is None or stride == () or stride == []
    steps = kernel if every else of_window(function, "stride", 3, stride, spatial, True)
    around = of_window(function, "padding", 4, padding, spatial, False)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if spatial == 2 and input.ndim < 3:
        n = max(input.ndim, 1)
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got -3)"
        )
    check_rank(function, input, spatial)
    sizes = tuple(input.shape[input.ndim - 3 :])
    if min(steps) > 0:
        check_padding(kernel, around, (1,) * spatial)
    if spatial == 3 and any(n + 2 * p < k for n, p, k in zip(sizes, around, kernel, strict=True)):
        raise RuntimeError(
            f"input image (T: {sizes[0]} H: {sizes[1]} W: {sizes[2]}) smaller than kernel size (kT: "
            f"{kernel[0]} kH: {kernel[1]} kW: {kernel[2]})"
        )
    check_windows(input, kernel, steps, around, (1,) * spatial, ceil_mode)
    _check_averaged(function, input, spatial)
    return AVG_POOL[spatial](
        input, kernel, steps, around, bool(ceil_mode), bool(count_include_pad), divisor_override
    )


def _check_averaged(function: str, input: Any, spatial: int) -> None:
    d = input.dtype
    if d.category in (BOOL, COMPLEX) or (d.category == INTEGRAL and d is not int64):
        raise unsupported("avg_pool3d_out_frame" if spatial == 3 else function, d)
    if spatial == 3 and d in (float16, bfloat16):
        raise unsupported("avg_pool3d_out_frame", d)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window along the last dimension.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: zeros at either end.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    check_single("avg_pool1d", input)
    found: list[int] = []
    for position, (name, value) in enumerate(
        (("kernel_size", kernel_size), ("stride", stride), ("padding", padding)), 2
    ):
        if name == "stride" and (value is None or value == () or value == []):
            found.append(found[0])
            continue
        given = integers("avg_pool1d", name, (value,), position)
        if len(given) != 1:
            raise RuntimeError(f"avg_pool1d() argument '{name}' should contain one int (got {len(given)})")
        found.append(given[0])
    k, s, p = found
    at = input.ndim - 1
    if k > input.shape[-1] + 2 * p and s > 0:
        out = pooled_sizes((input.shape[-1],), (k,), (s,), (p,), (1,), ceil_mode)[0]
        planes = input.shape[-2]
        raise RuntimeError(
            f"Given input size: ({planes}x1x{input.shape[-1]}). Calculated output size: ({planes}x1x{out}). "
            "Output size is too small"
        )
    flat = unsqueeze_at(input, at)
    return squeeze_dim(
        _avg_pool(2, flat, (1, k), (1, s), (0, p), ceil_mode, count_include_pad, None), at
    )


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Any = None,
) -> Any:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the windows, one number or two, as all of the following.
        stride: their distance; their size if None.
        padding: zeros around the input.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.
        divisor_override: what sums are divided by in place of the number of elements.
        out: tensor to store the result in.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]), 2)
        tensor([[[2.5000]]])
    """
    found = _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return deliver_exact("avg_pool2d", found, out)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Any = None,
) -> Any:
    """The mean of each window in three dimensions; see `avg_pool2d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: zeros around the input.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.
        divisor_override: what sums are divided by in place of the number of elements.
        out: tensor to store the result in.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.avg_pool3d(torch.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    found = _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return deliver_exact("avg_pool3d", found, out)


def _power_mean(input: Any, norm_type: float, kernel: Sizes, pooled: Any) -> Any:
    """From means of powers to roots of sums; what is negative counts as zero."""
    return (pooled.sign() * pooled.abs().relu()).mul(math.prod(kernel)).pow(1.0 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The p-norm of each window along the last dimension: (sum x**p) ** (1 / p).

    Args:
        input: (N, C, L) or (C, L).
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.lp_pool1d(torch.tensor([[3.0, 4.0]]), 2, 2)
        tensor([[5.]])
    """
    pooled = avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    kernel = integers("lp_pool1d", "kernel_size", (kernel_size,), 3)
    return _power_mean(input, norm_type, kernel, pooled)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The p-norm of each window; see `lp_pool1d`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 2, 2)
        tensor([[[2.]]])
    """
    pooled = avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _power_mean(
        input, norm_type, of_window("lp_pool2d", "kernel_size", 3, kernel_size, 2, False), pooled
    )


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """The p-norm of each window in three dimensions; see `lp_pool1d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.lp_pool3d(torch.full((1, 2, 2, 2), 2.0), 3, 2)
        tensor([[[[4.]]]])
    """
    pooled = avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _power_mean(
        input, norm_type, of_window("lp_pool3d", "kernel_size", 3, kernel_size, 3, False), pooled
    )
