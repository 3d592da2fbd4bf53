"""Pooling: largest and mean elements of windows.

Every maximum keeps the positions it was taken from; its derivative puts the cotangent there
(`scatter_windows`), and the derivative of that takes elements from there (`gather_windows`). Means are
linear.
The last dimensions are spatial, whatever stands before them, which is also how vmap maps them.
"""

from __future__ import annotations

from typing import Any, Final

from ..kernels import pooling as k
from ..kernels.layout import like_image
from .batching import leading
from .table import general, linear

scatter_windows: Any = linear(
    "scatter_windows(input, index | sizes, adds)",
    k.scatter_windows,
    node="MaxPoolBackwardBackward0",
    public="max_pool_backward",
    batch=leading,
    input=lambda g, index, sizes: gather_windows(g, index, len(sizes)),
)
gather_windows: Any = linear(
    "gather_windows(input, index | spatial)",
    k.gather_windows,
    node="GatherBackward0",
    public="gather",
    batch=leading,
    input=lambda g, index, input_shape, spatial: scatter_windows(
        g, index, tuple(input_shape[len(input_shape) - spatial :]), True
    ),
)


def _back(g: Any, index: Any, shape: Any, spatial: int) -> Any:
    return scatter_windows(g[0], index, tuple(shape[len(shape) - spatial :]), True)


def _taken(tangents: Any, args: Any, out: Any) -> Any:
    """The tangent of a maximum is that of the element taken."""
    return gather_windows(tangents[0], out[1], len(args[-1])), None


def _of_images(spatial: int, kernel: Any) -> Any:
    """The kernel; of images, results lie in memory by channels where these do, as in PyTorch."""
    return like_image(kernel) if spatial == 2 else kernel


def _max_pool(spatial: int) -> Any:
    return general(
        f"max_pool{spatial}d_of(input | stride, padding, dilation, ceil, window)",
        like_image(
            lambda a, stride, padding, dilation, ceil, window: k.max_pool(
                a, window, stride, padding, dilation, ceil
            ),
            volume=spatial == 3,
        ),
        node=f"MaxPool{spatial}DWithIndicesBackward0",
        public=f"max_pool{spatial}d",
        nout=2,
        nondiff_outputs=(1,),
        batch=leading,
        jvp=_taken,
        input=lambda g, out1, input_shape, window: _back(g, out1, input_shape, len(window)),
    )


def _adaptive_max_pool(spatial: int) -> Any:
    return general(
        f"adaptive_max_pool{spatial}d_of(input | goal)",
        _of_images(spatial, k.adaptive_max_pool),
        node=f"AdaptiveMaxPool{spatial}DBackward0",
        public=f"adaptive_max_pool{spatial}d",
        nout=2,
        nondiff_outputs=(1,),
        batch=leading,
        jvp=_taken,
        input=lambda g, out1, input_shape, goal: _back(g, out1, input_shape, len(goal)),
    )


def _fractional_max_pool(spatial: int) -> Any:
    return general(
        f"fractional_max_pool{spatial}d_of(input, samples | window, goal)",
        k.fractional_max_pool,
        node=f"FractionalMaxPool{spatial}DBackward0",
        public=f"fractional_max_pool{spatial}d",
        nout=2,
        nondiff_outputs=(1,),
        batch=leading,
        jvp=_taken,
        input=lambda g, out1, input_shape, goal: _back(g, out1, input_shape, len(goal)),
    )


def _max_unpool(spatial: int) -> Any:
    return linear(
        f"max_unpool{spatial}d_of(input, index | sizes)",
        _of_images(spatial, lambda a, index, sizes: k.scatter_windows(a, index, sizes, False)),
        node=f"MaxUnpool{spatial}DBackward0",
        public=f"max_unpool{spatial}d",
        batch=leading,
        input=lambda g, index, sizes: gather_windows(g, index, len(sizes)),
    )


avg_pool_backward: Any = linear(
    "avg_pool_backward(g | sizes, window, stride, padding, ceil, include, override)",
    k.avg_pool_backward,
    node="AvgPoolBackwardBackward0",
    batch=leading,
    g=lambda c, window, stride, padding, ceil, include, override: avg_pool2d_of(
        c, window, stride, padding, ceil, include, override
    ),
)

def _avg_pool(spatial: int) -> Any:
    return linear(
        f"avg_pool{spatial}d_of(input | window, stride, padding, ceil, include, override)",
        _of_images(spatial, k.avg_pool),
        node=f"AvgPool{spatial}DBackward0",
        public=f"avg_pool{spatial}d",
        batch=leading,
        input=lambda g, input_shape, window, stride, padding, ceil, include, override: avg_pool_backward(
            g, tuple(input_shape[len(input_shape) - len(window) :]), window, stride, padding, ceil, include,
            override,
        ),
    )  # fmt: skip


avg_pool2d_of: Any = _avg_pool(2)
MAX_POOL: Final = {d: _max_pool(d) for d in (2, 3)}
ADAPTIVE_MAX_POOL: Final = {d: _adaptive_max_pool(d) for d in (2, 3)}
FRACTIONAL_MAX_POOL: Final = {d: _fractional_max_pool(d) for d in (2, 3)}
MAX_UNPOOL: Final = {d: _max_unpool(d) for d in (2, 3)}
AVG_POOL: Final = {2: avg_pool2d_of, 3: _avg_pool(3)}
