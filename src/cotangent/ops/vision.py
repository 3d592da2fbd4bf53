"""Operations on images: reading at given places, affine grids, sliding blocks, rearranged channels."""

from __future__ import annotations

from typing import Any, Final

from ..kernels import conv as kc, gridsample as k
from ..kernels.layout import like_image
from .batching import leading, with_examples
from .join import stack_of
from .reduce import sum_dims
from .table import general, is_array, linear

# -- reading at given places -----------------------------------------------------------------------------


def _more(orders: Any, axis: int) -> tuple[int, ...]:
    return tuple([o + (a == axis) for a, o in enumerate(orders)])


def _slopes(g: Any, input: Any, grid: Any, method: Any, padding: Any, align: Any, orders: Any) -> Any:
    """The gradient in the grid of <g, sample(input, grid)>: each coordinate's weights once more derived."""
    d = len(orders)
    if is_array(g) and is_array(input) and is_array(grid):
        at_once = k.slopes(g, input, grid, method, padding, align, orders)
        if at_once is not None:
            return at_once
    found = [
        sum_dims(g * sample_more(input, grid, method, padding, align, _more(orders, d - 1 - i)), (1,), False)
        for i in range(d)
    ]
    return stack_of(found, d + 1)


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(shape[2:])


def _sampler(name: str, node: str) -> Any:
    return general(
        f"{name}(input, grid | method, padding, align, orders)",
        k.sample,
        node=node,
        public=name.removesuffix("_of"),
        batch=with_examples,
        input=lambda g, grid, input_shape, method, padding, align, orders: sample_back(
            g, grid, _sizes(input_shape), method, padding, align, orders
        ),
        grid=_slopes,
    )


sample_more: Any = _sampler("sample_more", "GridSamplerBackwardBackward0")
sample_back: Any = general(
    "sample_back(g, grid | sizes, method, padding, align, orders)",
    k.sample_back,
    node="GridSamplerBackwardBackward0",
    batch=with_examples,
    g=lambda c, grid, method, padding, align, orders: sample_more(c, grid, method, padding, align, orders),
    grid=lambda c, g, grid, method, padding, align, orders: _slopes(
        g, c, grid, method, padding, align, orders
    ),
)
SAMPLER: Final = {d: _sampler(f"grid_sampler_{d}d_of", f"GridSampler{d}DBackward0") for d in (2, 3)}
affine_grid_of: Any = linear(
    "affine_grid_of(theta | size, align)",
    k.affine_grid,
    node="AffineGridGeneratorBackward0",
    public="affine_grid_generator",
    batch=with_examples,
    theta=lambda g, align: affine_grid_back(g, align),
)
affine_grid_back: Any = linear(
    "affine_grid_back(g | align)",
    k.affine_grid_back,
    node="AffineGridGeneratorBackwardBackward0",
    batch=with_examples,
    g=lambda c, g_shape, align: affine_grid_of(c, tuple(g_shape[1:-1]), align),
)

# -- sliding blocks --------------------------------------------------------------------------------------

im2col: Any = linear(
    "im2col(input | window, dilation, padding, stride)",
    kc.im2col,
    node="Im2ColBackward0",
    batch=leading,
    input=lambda g, input_shape, window, dilation, padding, stride: col2im(
        g, tuple(input_shape[len(input_shape) - len(window) :]), window, dilation, padding, stride
    ),
)
col2im: Any = linear(
    "col2im(input | goal, window, dilation, padding, stride)",
    kc.col2im,
    node="Col2ImBackward0",
    batch=leading,
    input=lambda g, window, dilation, padding, stride: im2col(g, window, dilation, padding, stride),
)

# -- channels rearranged ---------------------------------------------------------------------------------


def _shuffle(a: Any, factor: int) -> Any:
    *lead, c, h, w = a.shape
    n = c // (factor * factor)
    blocks = a.reshape(*lead, n, factor, factor, h, w)
    i = len(lead)
    order = (*range(i), i, i + 3, i + 1, i + 4, i + 2)
    return blocks.transpose(order).copy().reshape(*lead, n, h * factor, w * factor)


def _unshuffle(a: Any, factor: int) -> Any:
    *lead, c, h, w = a.shape
    blocks = a.reshape(*lead, c, h // factor, factor, w // factor, factor)
    i = len(lead)
    order = (*range(i), i, i + 2, i + 4, i + 1, i + 3)
    return blocks.transpose(order).copy().reshape(*lead, c * factor * factor, h // factor, w // factor)


def _shuffle_channels(a: Any, groups: int, dim: int) -> Any:
    shape = a.shape
    parts = a.reshape(*shape[:dim], groups, shape[dim] // groups, *shape[dim + 1 :])
    return parts.swapaxes(dim, dim + 1).copy().reshape(shape)


pixel_shuffle_of: Any = linear(
    "pixel_shuffle_of(input | factor)",
    like_image(_shuffle),
    node="PixelShuffleBackward0",
    public="pixel_shuffle",
    batch=leading,
    input=lambda g, factor: pixel_unshuffle_of(g, factor),
)
pixel_unshuffle_of: Any = linear(
    "pixel_unshuffle_of(input | factor)",
    like_image(_unshuffle),
    node="PixelUnshuffleBackward0",
    public="pixel_unshuffle",
    batch=leading,
    input=lambda g, factor: pixel_shuffle_of(g, factor),
)
channel_shuffle_of: Any = linear(
    "channel_shuffle_of(input | groups, dim)",
    like_image(_shuffle_channels),
    node="ChannelShuffleBackward0",
    public="channel_shuffle",
    batch="axes",
    input=lambda g, input_shape, groups, dim: channel_shuffle_of(g, input_shape[dim] // groups, dim),
)
