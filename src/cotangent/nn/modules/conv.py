"""Convolutions as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Final

from ...functions import empty
from ...tensor import Tensor
from .. import functional as F, init
from ..parameter import Parameter, UninitializedParameter
from ._tuples import each, sides
from .lazy import LazyModuleMixin
from .module import Module
from .utils import _pair as _pair, _single as _single, _triple as _triple

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_NAMED_PADDINGS: Final = {"same", "valid"}
_MODES: Final = {"zeros", "reflect", "replicate", "circular"}


class _ConvNd(Module):
    """What all convolutions share: the numbers that describe one, and the parameters."""

    spatial: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in _NAMED_PADDINGS:
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {_NAMED_PADDINGS}")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._around()
        channels = (
            (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        )
        self.weight = Parameter(empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _around(self) -> tuple[int, ...]:
        """How much `pad` puts around the input where the mode is not zeros."""
        if not isinstance(self.padding, str):
            return sides(self.padding)
        around = [0, 0] * len(self.kernel_size)
        if self.padding == "same":
            for i, (d, k) in enumerate(zip(reversed(self.dilation), reversed(self.kernel_size), strict=True)):
                total = d * (k - 1)
                around[2 * i], around[2 * i + 1] = total // 2, total - total // 2
        return tuple(around)

    def reset_parameters(self) -> None:
        """Draw weight and bias evenly from +-1 / sqrt(elements that a window multiplies)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = len(self.kernel_size)
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _PlainConv(_ConvNd):
    """The convolutions that are not transposed."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        n = self.spatial
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size, n),
            each(stride, n),
            padding if isinstance(padding, str) else each(padding, n),
            each(dilation, n),
            False,
            (0,) * n,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Any, bias: Any) -> Any:
        function = type(self).function
        if self.padding_mode != "zeros":
            around = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return function(
                around, weight, bias, self.stride, (0,) * self.spatial, self.dilation, self.groups
            )
        return function(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Any:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_PlainConv):
    """Sums of products with windows of trained weights along one dimension.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the windows.
        stride: their distance.
        padding: how much is put at either end, or "same" or "valid".
        dilation: distance of a window's elements.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Conv1d(2, 4, 3)(torch.zeros(1, 2, 10)).shape
        torch.Size([1, 4, 8])
    """

    spatial = 1
    function = F.conv1d


class Conv2d(_PlainConv):
    """Sums of products with windows of trained weights over two dimensions; see `Conv1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: sizes of the windows, one number or two, as all of the following.
        stride: their distance.
        padding: how much is put on each side, or "same" or "valid".
        dilation: distance of a window's elements.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Conv2d(2, 4, 3, padding=1)(torch.zeros(1, 2, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    spatial = 2
    function = F.conv2d


class Conv3d(_PlainConv):
    """Sums of products with windows of trained weights over three dimensions; see `Conv1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: sizes of the windows, one number or three, as all of the following.
        stride: their distance.
        padding: how much is put on each side, or "same" or "valid".
        dilation: distance of a window's elements.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Conv3d(2, 4, 3)(torch.zeros(1, 2, 8, 8, 8)).shape
        torch.Size([1, 4, 6, 6, 6])
    """

    spatial = 3
    function = F.conv3d


class _ConvTransposeNd(_ConvNd):
    """The transposed convolutions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        n = self.spatial
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size, n),
            each(stride, n),
            each(padding, n),
            each(dilation, n),
            True,
            each(output_padding, n),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives the size asked for.

        Raises:
            ValueError: if there is none.
        """
        if output_size is None:
            return self.output_padding
        n = self.spatial
        others = 2 if input.dim() == n + 2 else 1
        wanted = list(output_size)
        if len(wanted) == others + n:
            wanted = wanted[others:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or {others + n} "
                f"elements (got {len(wanted)})"
            )
        assert not isinstance(self.padding, str)
        have = list(input.shape)[others:]
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                have, self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        for size, low, high in zip(wanted, least, most, strict=True):
            if not low <= size <= high:
                raise ValueError(
                    f"requested an output size of {output_size}, but valid sizes range from {least} to "
                    f"{most} (for an input of {input.size()[2:]})"
                )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))

    def forward(self, input: Tensor, output_size: Any = None) -> Any:
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for ConvTranspose{self.spatial}d")
        return type(self).function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of a convolution along one dimension, with trained weights.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the windows.
        stride: their distance.
        padding: how much is cut off from either end of the output.
        output_padding: further size of the output.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        dilation: distance of a window's elements.
        padding_mode: "zeros".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ConvTranspose1d(2, 4, 3, stride=2)(torch.zeros(1, 2, 10)).shape
        torch.Size([1, 4, 21])
    """

    spatial = 1
    function = F.conv_transpose1d


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of a convolution over two dimensions; see `ConvTranspose1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: sizes of the windows.
        stride: their distance.
        padding: how much is cut off from each side of the output.
        output_padding: further sizes of the output.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        dilation: distance of a window's elements.
        padding_mode: "zeros".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> up = torch.nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1)
        >>> up(torch.zeros(1, 2, 6, 6), output_size=(12, 12)).shape
        torch.Size([1, 4, 12, 12])
    """

    spatial = 2
    function = F.conv_transpose2d


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of a convolution over three dimensions; see `ConvTranspose1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: sizes of the windows.
        stride: their distance.
        padding: how much is cut off from each side of the output.
        output_padding: further sizes of the output.
        groups: parts that channels are divided in.
        bias: whether to add a number for each channel.
        dilation: distance of a window's elements.
        padding_mode: "zeros".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ConvTranspose3d(2, 4, 2)(torch.zeros(1, 2, 3, 3, 3)).shape
        torch.Size([1, 4, 4, 4, 4])
    """

    spatial = 3
    function = F.conv_transpose3d


# -- lazy ones -------------------------------------------------------------------------------------------


class _LazyConvXdMixin(LazyModuleMixin):
    """Convolutions that learn the number of input channels from their first input."""

    in_channels: int
    out_channels: int
    groups: int
    spatial: int
    transposed: bool
    kernel_size: tuple[int, ...]
    weight: Any
    bias: Any

    def _put_off(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        """Replace the parameters by ones without a size."""
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """As for the eager convolution, once the parameters have a size."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their sizes.

        Raises:
            RuntimeError: for an input of another rank.
            ValueError: if its channels do not make groups.
        """
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        channels = (
            (self.in_channels, self.out_channels // self.groups)
            if self.transposed
            else (self.out_channels, self.in_channels // self.groups)
        )
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        n = self.spatial
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but "
                f"got input of size: {input.shape}"
            )
        return int(input.shape[1] if input.dim() == n + 2 else input.shape[0])


class _LazyPlain(_LazyConvXdMixin):
    """The arguments of the plain ones."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._put_off(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConvXdMixin):
    """The arguments of the transposed ones."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device,
            dtype,
        )  # fmt: skip
        self._put_off(out_channels, bias, device, dtype)


class LazyConv1d(_LazyPlain, Conv1d):
    """A `Conv1d` that takes the number of input channels from its first input; arguments as there.

    Example:
        >>> import cotangent as torch
        >>> conv = torch.nn.LazyConv1d(4, 3)
        >>> conv(torch.zeros(1, 2, 10)).shape, conv.in_channels
        (torch.Size([1, 4, 8]), 2)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyPlain, Conv2d):
    """A `Conv2d` that takes the number of input channels from its first input; arguments as there."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyPlain, Conv3d):
    """A `Conv3d` that takes the number of input channels from its first input; arguments as there."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A `ConvTranspose1d` that takes the number of input channels from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A `ConvTranspose2d` that takes the number of input channels from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A `ConvTranspose3d` that takes the number of input channels from its first input."""

    cls_to_become = ConvTranspose3d
