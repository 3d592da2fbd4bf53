"""Pooling as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...tensor import Tensor
from .. import functional as F
from ._tuples import each
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    """The largest elements of windows."""

    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        windows = (self.kernel_size, self.stride, self.padding, self.dilation)
        return type(self).function(input, *windows, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window of (N, C, L).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far they reach beyond the borders.
        dilation: distance of a window's elements.
        return_indices: whether to return positions, too, as `MaxUnpool1d` takes them.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MaxPool1d(2)(torch.zeros(1, 4)).shape
        torch.Size([1, 2])
    """

    function = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    """The largest element of each window of (N, C, H, W).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far they reach beyond the borders.
        dilation: distance of a window's elements.
        return_indices: whether to return positions, too, as `MaxUnpool2d` takes them.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MaxPool2d(2)(torch.zeros(1, 4, 4)).shape
        torch.Size([1, 2, 2])
    """

    function = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window of (N, C, D, H, W).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far they reach beyond the borders.
        dilation: distance of a window's elements.
        return_indices: whether to return positions, too, as `MaxUnpool3d` takes them.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.MaxPool3d(2)(torch.zeros(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    function = F.max_pool3d


class _MaxUnpoolNd(Module):
    """Zeros with elements where max pooling took them from."""

    function: ClassVar[Callable[..., Any]]
    spatial: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, self.spatial)
        self.stride = each(kernel_size if stride is None else stride, self.spatial)
        self.padding = each(padding, self.spatial)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
        return type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The reverse of `MaxPool1d`: what was not largest becomes zero.

    Args:
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the borders.

    Example:
        >>> import cotangent as torch
        >>> pool = torch.nn.MaxPool1d(2, return_indices=True)
        >>> torch.nn.MaxUnpool1d(2)(*pool(torch.ones(1, 4))).shape
        torch.Size([1, 4])
    """

    spatial = 1
    function = F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """The reverse of `MaxPool2d`: what was not largest becomes zero.

    Args:
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the borders.

    Example:
        >>> import cotangent as torch
        >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
        >>> torch.nn.MaxUnpool2d(2)(*pool(torch.ones(1, 4, 4))).shape
        torch.Size([1, 4, 4])
    """

    spatial = 2
    function = F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """The reverse of `MaxPool3d`: what was not largest becomes zero.

    Args:
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the borders.

    Example:
        >>> import cotangent as torch
        >>> pool = torch.nn.MaxPool3d(2, return_indices=True)
        >>> torch.nn.MaxUnpool3d(2)(*pool(torch.ones(1, 4, 4, 4))).shape
        torch.Size([1, 4, 4, 4])
    """

    spatial = 3
    function = F.max_unpool3d


class _AvgPoolNd(Module):
    """Means of windows."""

    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of (N, C, L).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: zeros at either end.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, 1)
        self.stride = each(kernel_size if stride is None else stride, 1)
        self.padding = each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Any:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class _AvgPoolBoxes(_AvgPoolNd):
    """Those of two and three dimensions."""

    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Any:
        windows = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return type(self).function(input, *windows, self.count_include_pad, self.divisor_override)


class AvgPool2d(_AvgPoolBoxes):
    """The mean of each window of (N, C, H, W).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: zeros around the input.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.
        divisor_override: what sums are divided by in place of the number of elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AvgPool2d(2)(torch.zeros(1, 4, 4)).shape
        torch.Size([1, 2, 2])
    """

    function = F.avg_pool2d


class AvgPool3d(_AvgPoolBoxes):
    """The mean of each window of (N, C, D, H, W).

    Args:
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: zeros around the input.
        ceil_mode: whether windows may stand over the end.
        count_include_pad: whether zeros of the padding count.
        divisor_override: what sums are divided by in place of the number of elements.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AvgPool3d(2)(torch.zeros(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    function = F.avg_pool3d


class _FractionalMaxPoolNd(Module):
    """The largest elements of windows at random places."""

    function: ClassVar[Callable[..., Any]]
    spatial: ClassVar[int]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        n = self.spatial
        if n == 3 and min(each(kernel_size, n)) <= 0:
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.kernel_size = each(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size, n)
        self.output_ratio = None if output_ratio is None else each(output_ratio, n)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"FractionalMaxPool{n}d requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        windows = (self.kernel_size, self.output_size, self.output_ratio)
        return type(self).function(input, *windows, self.return_indices, self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest elements of windows at pseudo-random places of (N, C, H, W).

    Args:
        kernel_size: size of the windows.
        output_size: how many there are.
        output_ratio: or what share of the input's sizes, between 0 and 1.
        return_indices: whether to return positions, too.
        _random_samples: numbers that place the windows; drawn at every call if None.

    Raises:
        ValueError: unless exactly one of size and ratio is given.

    Source: https://arxiv.org/abs/1412.6071

    Example:
        >>> import cotangent as torch
        >>> torch.nn.FractionalMaxPool2d(2, output_size=3)(torch.zeros(1, 6, 6)).shape
        torch.Size([1, 3, 3])
    """

    spatial = 2
    function = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest elements of windows at pseudo-random places of (N, C, D, H, W).

    Args:
        kernel_size: size of the windows.
        output_size: how many there are.
        output_ratio: or what share of the input's sizes, between 0 and 1.
        return_indices: whether to return positions, too.
        _random_samples: numbers that place the windows; drawn at every call if None.

    Raises:
        ValueError: unless exactly one of size and ratio is given.

    Source: https://arxiv.org/abs/1412.6071

    Example:
        >>> import cotangent as torch
        >>> torch.nn.FractionalMaxPool3d(2, output_size=3)(torch.zeros(1, 6, 6, 6)).shape
        torch.Size([1, 3, 3, 3])
    """

    spatial = 3
    function = F.fractional_max_pool3d


class _LPPoolNd(Module):
    """Norms of windows."""

    function: ClassVar[Callable[..., Any]]

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of (N, C, L).

    Args:
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LPPool1d(2, 2)(torch.ones(1, 4)).shape
        torch.Size([1, 2])
    """

    function = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of (N, C, H, W).

    Args:
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 4, 4)).shape
        torch.Size([1, 2, 2])
    """

    function = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of (N, C, D, H, W).

    Args:
        norm_type: the power p.
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        ceil_mode: whether windows may stand over the end.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LPPool3d(2, 2)(torch.ones(1, 4, 4, 4)).shape
        torch.Size([1, 2, 2, 2])
    """

    function = F.lp_pool3d


class _AdaptivePoolNd(Module):
    """Windows that cover any input evenly."""

    output_size: Any

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    """Their largest elements."""

    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(_AdaptivePoolNd):
    """Their means."""

    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that cover (N, C, L) evenly.

    Args:
        output_size: how many windows.
        return_indices: whether to return positions, too.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveMaxPool1d(3)(torch.zeros(1, 4)).shape
        torch.Size([1, 3])
    """

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that cover (N, C, H, W) evenly.

    Args:
        output_size: how many windows.
        return_indices: whether to return positions, too.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveMaxPool2d(3)(torch.zeros(1, 4, 4)).shape
        torch.Size([1, 3, 3])
    """

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that cover (N, C, D, H, W) evenly.

    Args:
        output_size: how many windows.
        return_indices: whether to return positions, too.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveMaxPool3d(3)(torch.zeros(1, 4, 4, 4)).shape
        torch.Size([1, 3, 3, 3])
    """

    function = F.adaptive_max_pool3d


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means of windows that cover (N, C, L) evenly.

    Args:
        output_size: how many windows.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveAvgPool1d(3)(torch.zeros(1, 4)).shape
        torch.Size([1, 3])
    """

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means of windows that cover (N, C, H, W) evenly.

    Args:
        output_size: how many windows.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveAvgPool2d(3)(torch.zeros(1, 4, 4)).shape
        torch.Size([1, 3, 3])
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means of windows that cover (N, C, D, H, W) evenly.

    Args:
        output_size: how many windows.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.AdaptiveAvgPool3d(3)(torch.zeros(1, 4, 4, 4)).shape
        torch.Size([1, 3, 3, 3])
    """

    function = F.adaptive_avg_pool3d
