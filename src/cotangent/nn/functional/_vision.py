"""Images read at given places, sliding blocks, rearranged channels."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

from ...dtypes import FLOATING, INTEGRAL, SCALAR_NAME
from ...errors import bad_argument
from ...kernels.conv import output_sizes
from ...ops.arguments import integers
from ...ops.refusals import unsupported
from ...ops.table import is_tensor
from ...ops.vision import (
    SAMPLER,
    affine_grid_of,
    channel_shuffle_of,
    col2im,
    im2col,
    pixel_shuffle_of,
    pixel_unshuffle_of,
)  # fmt: skip

__all__ = [
    "GRID_SAMPLE_INTERPOLATION_MODES", "GRID_SAMPLE_PADDING_MODES",
    "affine_grid", "channel_shuffle", "fold", "grid_sample", "native_channel_shuffle", "pixel_shuffle",
    "pixel_unshuffle", "unfold",
]  # fmt: skip

_MODES: Final = ("bilinear", "nearest", "bicubic")
_PADDINGS: Final = ("zeros", "border", "reflection")
GRID_SAMPLE_INTERPOLATION_MODES: Final = {mode: number for number, mode in enumerate(_MODES)}
GRID_SAMPLE_PADDING_MODES: Final = {mode: number for number, mode in enumerate(_PADDINGS)}
_ALIGN_CHANGED: Final = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
    "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
    "details."
)

Sizes = tuple[int, ...]


def grid_sampler(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sample` with numbers for the modes.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: places, (N, H', W', 2) or (N, D', H', W', 3).
        interpolation_mode: 0 bilinear, 1 nearest, 2 bicubic.
        padding_mode: 0 zeros, 1 border, 2 reflection.
        align_corners: whether -1 and 1 are the centres of the outermost elements.

    Raises:
        RuntimeError: for shapes or dtypes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[[[1.0, 3.0]]]])
        >>> torch.grid_sampler(x, torch.zeros(1, 1, 1, 2), 0, 0, False)
        tensor([[[[2.]]]])
    """
    for position, (name, value) in enumerate((("input", input), ("grid", grid)), 1):
        if not is_tensor(value):
            bad_argument("grid_sampler", name, position, "Tensor", value)
    shape, places = tuple(input.shape), tuple(grid.shape)
    shown = f"but got input with sizes {list(shape)} and grid with sizes {list(places)}"
    if shape[0] != places[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, {shown}")
    if places[-1] != len(shape) - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(shape) - 2} in last dimension, but got grid "
            f"with sizes {list(places)}"
        )
    if len(shape) not in (4, 5) or len(places) != len(shape):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, " + shown
        )
    for d in range(2, len(shape)):
        if not shape[d]:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(shape)} with dimension {d} being empty"
            )
    if len(shape) == 5 and interpolation_mode == 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if grid.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {SCALAR_NAME[input.dtype]} but found {SCALAR_NAME[grid.dtype]}"
        )
    spatial = len(shape) - 2
    if input.dtype.category != FLOATING:
        raise unsupported(
            "grid_sampler_2d_cpu_kernel_impl" if spatial == 2 else "grid_sampler3d_cpu", input.dtype
        )
    return SAMPLER[spatial](
        input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], bool(align_corners), (0,) * spatial
    )


def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """Images read at given places.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: places between -1 and 1, x before y before z, (N, H', W', 2) or (N, D', H', W', 3).
        mode: "bilinear", "nearest" or (4-d) "bicubic".
        padding_mode: what is outside of the image: "zeros", its "border", or its "reflection".
        align_corners: whether -1 and 1 are the centres of the outermost elements or their outer edges.

    Returns:
        (N, C, H', W') or (N, C, D', H', W').

    Raises:
        ValueError: for other modes.
        RuntimeError: for shapes or dtypes that do not fit.

    Source: https://arxiv.org/abs/1506.02025

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[[[1.0, 3.0]]]])
        >>> torch.nn.functional.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=False)
        tensor([[[[2.]]]])
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_ALIGN_CHANGED, stacklevel=2)
        align_corners = False
    return grid_sampler(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), align_corners)


def affine_grid_generator(theta: Any, size: Any, align_corners: bool) -> Any:
    """`affine_grid` without its checks.

    Args:
        theta: (N, 2, 3) or (N, 3, 4).
        size: (N, C, H, W) or (N, C, D, H, W).
        align_corners: whether -1 and 1 are the centres of the outermost elements.

    Example:
        >>> import cotangent as torch
        >>> theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> torch.affine_grid_generator(theta, (1, 1, 1, 2), False)[0, 0]
        tensor([[-0.5000,  0.0000],
                [ 0.5000,  0.0000]])
    """
    sizes = integers("affine_grid_generator", "size", (tuple(size),), 2)
    if sizes[0] != theta.shape[0]:
        d = len(sizes) - 1
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{sizes[0]}, {d}] but got: "
            f"[{theta.shape[0]}, {d}]."
        )
    return affine_grid_of(theta, sizes[2:], bool(align_corners))


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The places that affine maps take a regular grid to, for `grid_sample`.

    Args:
        theta: maps, (N, 2, 3) or (N, 3, 4).
        size: sizes of the output of `grid_sample`, (N, C, H, W) or (N, C, D, H, W).
        align_corners: whether -1 and 1 are the centres of the outermost elements or their outer edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: for shapes or dtypes that do not fit.
        NotImplementedError: for other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)[0, 0]
        tensor([[-0.5000,  0.0000],
                [ 0.5000,  0.0000]])
    """
    if align_corners is None:
        warnings.warn(_ALIGN_CHANGED, stacklevel=2)
        align_corners = False
    if theta.dtype.category < FLOATING:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    d = len(size) - 2
    if d not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got "
            f"size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape)[1:] != (d, d + 1):
        raise ValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. Got "
            f"{theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the documentation of "
            "affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align_corners)


# -- sliding blocks --------------------------------------------------------------------------------------


def _pair(function: str, name: str, position: int, value: Any) -> Sizes:
    given = integers(function, name, (value,), position)
    if len(given) not in (1, 2):
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(given)}")
    return given * 2 if len(given) == 1 else given


def _blocks(
    function: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """The four pairs of numbers that describe sliding blocks."""
    kernel = _pair(function, "kernel_size", 2, kernel_size)
    spread = _pair(function, "dilation", 3, dilation)
    around = _pair(function, "padding", 4, padding)
    steps = _pair(function, "stride", 5, stride)
    for label, short, values in (
        ("kernel size", "kernel", kernel), ("dilation", "dilation", spread), ("stride", "stride", steps)
    ):  # fmt: skip
        if min(values) <= 0:
            raise RuntimeError(
                f"{label} should be greater than zero, but got {short}_height: {values[0]} {short}_width: "
                f"{values[1]}"
            )
    if min(around) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {around[0]} pad_width: {around[1]}"
        )
    return kernel, spread, around, steps


def _shown(values: Sizes) -> str:
    return f"({values[0]}, {values[1]})"


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Sliding blocks of images as columns.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the blocks, one number or two, as all of the following.
        dilation: distance of a block's elements.
        padding: zeros around the image.
        stride: distance of the blocks.

    Returns:
        (N, C * KH * KW, number of blocks), or that without N.

    Raises:
        RuntimeError: for sizes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.unfold(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), (1, 2))
        tensor([[1., 3.],
                [2., 4.]])
    """
    kernel, spread, around, steps = _blocks("im2col", kernel_size, dilation, padding, stride)
    shape = tuple(input.shape)
    if len(shape) < 3:
        n = max(len(shape), 1)
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got 2)"
        )
    if len(shape) > 4 or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(shape)}"
        )
    sizes = shape[-2:]
    out = output_sizes(sizes, kernel, steps, around, spread)
    if min(out) < 1:
        raise RuntimeError(
            f"Given input with spatial size {_shown(sizes)}, kernel_size={_shown(kernel)}, "
            f"dilation={_shown(spread)}, padding={_shown(around)}, calculated shape of the array of sliding "
            f"blocks as {_shown(out)}, but its components must be at least one."
        )
    if input.dtype.category == INTEGRAL:
        raise unsupported("im2col_out_cpu", input.dtype)
    return im2col(input, kernel, spread, around, steps)


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Columns added up to images, each as a block where `unfold` takes it from.

    Args:
        input: (N, C * KH * KW, number of blocks), or that without N.
        output_size: (H, W).
        kernel_size: size of the blocks, one number or two, as all of the following.
        dilation: distance of a block's elements.
        padding: how much is cut off around the image.
        stride: distance of the blocks.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        RuntimeError: for sizes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.fold(torch.ones(2, 2), (1, 3), (1, 2))
        tensor([[[1., 2., 1.]]])
    """
    sizes = _pair("col2im", "output_size", 2, output_size)
    kernel, spread, around, steps = _blocks("col2im", kernel_size, dilation, padding, stride)
    shape = tuple(input.shape)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    rows = len(shape) - 2
    if math.prod(kernel) >= 1 << 63:
        raise RuntimeError(
            f"Given kernel_width = {kernel[1]} and kernel_height = {kernel[0]} the product of kernel_width "
            "and kernel_height overflowed."
        )
    if shape[rows] % math.prod(kernel):
        raise RuntimeError(
            f"Expected size of input's dimension {rows} to be divisible by the product of kernel_size, but "
            f"got input.size({rows})={shape[rows]} and kernel_size={_shown(kernel)}."
        )
    out = output_sizes(sizes, kernel, steps, around, spread)
    if out[0] * out[1] != shape[-1]:
        raise RuntimeError(
            f"Given output_size={_shown(sizes)}, kernel_size={_shown(kernel)}, dilation={_shown(spread)}, "
            f"padding={_shown(around)}, stride={_shown(steps)}, expected size of input's dimension "
            f"{rows + 1} to match the calculated number of sliding blocks {out[0]} * {out[1]} = "
            f"{out[0] * out[1]}, but got input.size({rows + 1})={shape[-1]}."
        )
    if min(out) < 1:  # two negative numbers have a product, too
        raise RuntimeError(
            f"Given output_size={_shown(sizes)}, kernel_size={_shown(kernel)}, dilation={_shown(spread)}, "
            f"padding={_shown(around)}, stride={_shown(steps)}, calculated shape of the array of sliding "
            f"blocks as {_shown(out)}, which is too small (non-positive)"
        )
    if input.dtype.category == INTEGRAL:
        raise unsupported("col2im_out_cpu", input.dtype)
    return col2im(input, sizes, kernel, spread, around, steps)


# -- channels --------------------------------------------------------------------------------------------


_INT64: Final = 2**63 - 1


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels spread over squares: (..., C r r, H, W) to (..., C, H r, W r).

    Args:
        input: at least 3 dimensions.
        upscale_factor: the side r of the squares.

    Raises:
        RuntimeError: for shapes that do not fit.

    Source: https://arxiv.org/abs/1609.05158

    Example:
        >>> import cotangent as torch
        >>> torch.pixel_shuffle(torch.arange(4.0).reshape(4, 1, 1), 2)
        tensor([[[0., 1.],
                 [2., 3.]]])
    """
    if input.ndim < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if upscale_factor <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {upscale_factor}")
    square = upscale_factor * upscale_factor
    if square > _INT64:
        raise ValueError(
            f"upscale factor is too large, (upscale_factor)^2 overflowed: upscale_factor={upscale_factor}"
        )
    if input.shape[-3] % square:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={input.shape[-3]} is not divisible by {square}"
        )
    return pixel_shuffle_of(input, int(upscale_factor))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Squares gathered in channels: (..., C, H r, W r) to (..., C r r, H, W).

    Args:
        input: at least 3 dimensions.
        downscale_factor: the side r of the squares.

    Raises:
        RuntimeError: for shapes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.pixel_unshuffle(torch.ones(1, 2, 2), 2).shape
        torch.Size([4, 1, 1])
    """
    if input.ndim < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if downscale_factor <= 0:
        raise RuntimeError(
            f"pixel_unshuffle expects a positive downscale_factor, but got {downscale_factor}"
        )
    for name, d in (("height", -2), ("width", -1)):
        if input.shape[d] % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({d})={input.shape[d]} is not divisible by {downscale_factor}"
            )
    return pixel_unshuffle_of(input, int(downscale_factor))


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels (groups, C / groups) read in the order of the other dimension first.

    Args:
        input: (N, C, ...).
        groups: how many groups.

    Raises:
        RuntimeError: for shapes that do not fit.

    Source: https://arxiv.org/abs/1707.01083

    Example:
        >>> import cotangent as torch
        >>> torch.channel_shuffle(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    if input.ndim <= 2:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    channels = input.shape[1]
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    return channel_shuffle_of(input, int(groups), 1)


def native_channel_shuffle(input: Any, groups: int) -> Any:
    """`channel_shuffle` under another name.

    Args:
        input: (N, C, ...).
        groups: how many groups.
    """
    return channel_shuffle(input, groups)
