"""Max pooling at random places, and the reverse of max pooling."""

from __future__ import annotations

import math
from typing import Any

from ...config import not_deterministic
from ...dtypes import FLOATING, SCALAR_NAME, int64
from ...functions import rand
from ...ops.pooling import FRACTIONAL_MAX_POOL, MAX_UNPOOL
from ...ops.refusals import unsupported
from ...ops.table import is_array
from ...ops.views import select_at, squeeze_dim, unsqueeze_at

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Sizes = tuple[int, ...]


def _each(value: Any, spatial: int) -> Any:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * spatial


def _fractional(
    spatial: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> Any:
    function = f"fractional_max_pool{spatial}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{function} requires specifying either an output_size or an output_ratio")
    kernel = tuple(_each(kernel_size, spatial))
    if len(kernel) != spatial:
        raise RuntimeError(f"{function}: kernel_size must either be a single Int or tuple of Ints")
    shape = tuple(input.shape)
    sizes = shape[len(shape) - spatial :]
    if output_size is None:
        if len(output_ratio) > spatial:
            raise ValueError(f"{function} requires output_ratio to either be a single Int or tuple of Ints.")
        out = tuple(int(n * r) for n, r in zip(sizes, output_ratio, strict=True))
    else:
        out = tuple(_each(output_size, spatial))
    if len(out) != spatial:
        raise RuntimeError(f"{function}: output_size must either be a single Int or tuple of Ints")
    where = function if spatial == 2 else f"{function}_out"
    for d in range(len(shape) - spatial - 1, len(shape)):
        if not shape[d] and len(shape) > spatial:
            raise RuntimeError(
                f"{where}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"got{list(shape)} with dimension {d} being empty."
            )
    if samples is None:
        if len(shape) < spatial + 1:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but "
                f"got {-spatial - 1})"
            )
        if input.dtype.category != FLOATING:
            raise unsupported("check_uniform_bounds", input.dtype)
        batch = 1 if len(shape) == spatial + 1 else shape[0]
        samples = rand(batch, shape[-spatial - 1], spatial, dtype=input.dtype)
    names = {2: ("height", "width"), 3: ("time", "height", "width")}[spatial]
    _check_samples(samples, input, spatial)
    for name, n, o, k in zip(names, sizes, out, kernel, strict=True):
        if o + k - 1 + (spatial == 3) > n:
            raise RuntimeError(f"{where}(): pool {name} {k} too large relative to input {name} {n}")
    if len(shape) == spatial + 1 and samples.ndim == 3:
        samples = select_at(samples, 0, 0)
    return FRACTIONAL_MAX_POOL[spatial](input, samples, kernel, out)


def _check_samples(samples: Any, input: Any, spatial: int) -> None:
    """Raise unless there is a number for each channel of each example and each dimension."""
    if samples.dtype is not input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions got {samples.ndim}")
    single = input.ndim == spatial + 1
    batch, channels = (1, input.shape[0]) if single else input.shape[:2]
    if samples.shape[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != channels:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != spatial:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {spatial}; got {samples.shape[2]}.")


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool2d` together with where the largest elements are.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the windows, one number or two.
        output_size: how many windows, one number or two.
        output_ratio: or what share of the input's sizes, two numbers.
        return_indices: without effect.
        _random_samples: (N, C, 2) numbers of [0, 1) that place the windows; drawn if None.

    Returns:
        (values, positions h * W + w).

    Raises:
        ValueError: without a size.
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.fractional_max_pool2d_with_indices(torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]), 2, 1)
        (tensor([[[4.]]]), tensor([[[1]]]))
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool3d` together with where the largest elements are.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the windows, one number or three.
        output_size: how many windows, one number or three.
        output_ratio: or what share of the input's sizes, three numbers.
        return_indices: without effect.
        _random_samples: (N, C, 3) numbers of [0, 1) that place the windows; drawn if None.

    Returns:
        (values, positions).

    Raises:
        ValueError: without a size.
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.fractional_max_pool3d_with_indices(torch.zeros(1, 3, 3, 3), 2, 1)
        (tensor([[[[0.]]]]), tensor([[[[13]]]]))
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Largest elements of windows at pseudo-random places.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the windows, one number or two.
        output_size: how many windows, one number or two.
        output_ratio: or what share of the input's sizes, two numbers.
        return_indices: whether to return positions, too.
        _random_samples: (N, C, 2) numbers of [0, 1) that place the windows; drawn if None.

    Raises:
        ValueError: without a size.
        RuntimeError: for windows that do not fit.

    Source: https://arxiv.org/abs/1412.6071

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 5, 5), 2, 3).shape
        torch.Size([1, 3, 3])
    """
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Largest elements of windows at pseudo-random places, in three dimensions.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the windows, one number or three.
        output_size: how many windows, one number or three.
        output_ratio: or what share of the input's sizes, three numbers.
        return_indices: whether to return positions, too.
        _random_samples: (N, C, 3) numbers of [0, 1) that place the windows; drawn if None.

    Raises:
        ValueError: without a size.
        RuntimeError: for windows that do not fit.

    Source: https://arxiv.org/abs/1412.6071

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.fractional_max_pool3d(torch.ones(1, 5, 5, 5), 2, 3).shape
        torch.Size([1, 3, 3, 3])
    """
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


# -- unpooling -------------------------------------------------------------------------------------------


def _unpooled_size(
    input: Any, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Any
) -> Sizes:
    """The spatial sizes before pooling: those asked for, if pooling may have led from them to the input."""
    spatial = len(kernel)
    sizes = tuple(input.shape)[-spatial:]
    default = tuple(
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(sizes, stride, kernel, padding, strict=True)
    )
    if output_size is None:
        return default
    given = tuple(output_size)
    if len(given) == spatial + 2:
        given = given[2:]
    if len(given) != spatial:
        raise ValueError(
            f"output_size should be a sequence containing {spatial} or {spatial + 2} elements, but it has a "
            f"length of '{len(given)}'"
        )
    for d in range(spatial):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < given[d] < high:
            raise ValueError(
                f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})'
            )
    return tuple(int(n) for n in given)


def _unpool(
    spatial: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    kernel = _each(kernel_size, spatial)
    if len(kernel) != spatial:
        wanted = (
            "one elements (length)",
            "two elements (height, width)",
            "three elements (depth, height, width)",
        )
        raise RuntimeError(
            f"There should be exactly {wanted[spatial - 1]} in output_size, but got {len(kernel)} elements."
        )
    steps = kernel if stride is None else _each(stride, spatial)
    out = _unpooled_size(input, kernel, steps, _each(padding, spatial), output_size)
    at = None
    if spatial == 1:
        at = input.ndim
        input, indices = unsqueeze_at(input, at), unsqueeze_at(indices, indices.ndim)
        out = (*out, 1)
        spatial = 2
    if indices.dtype is not int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {SCALAR_NAME[indices.dtype]}"
        )
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"Input to max_unpooling{spatial}d should be a {spatial + 1}d or {spatial + 2}d Tensor, but got "
            f"a tensor with {input.ndim} dimensions."
        )
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got "
            f"indices tensor with shape: {list(indices.shape)}"
        )
    _check_positions(indices, out)
    not_deterministic(f"max_unpooling{spatial}d_forward_out")
    found = MAX_UNPOOL[spatial](input, indices, out)
    return found if at is None else squeeze_dim(found, at)


def _check_positions(indices: Any, out: Sizes) -> None:
    data = indices._data
    if not is_array(data) or not data.size:
        return
    volume = math.prod(out)
    if int(data.min()) < 0 or int(data.max()) >= volume:
        bad = next(int(i) for i in data.reshape(-1) if not 0 <= i < volume)
        raise RuntimeError(
            f"Found an invalid max index: {bad} (output volumes are of size {'x'.join(map(str, out))})"
        )


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with elements at the positions that `max_pool1d` found.

    Args:
        input: (N, C, L) or (C, L).
        indices: positions, in the same shape.
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the ends.
        output_size: size of the result, where several have led to this input.

    Raises:
        ValueError: for an impossible `output_size`.
        RuntimeError: for positions that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_unpool1d(torch.tensor([[3.0]]), torch.tensor([[1]]), 2)
        tensor([[0., 3.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with elements at the positions that `max_pool2d` found.

    Args:
        input: (N, C, H, W) or (C, H, W).
        indices: positions, in the same shape.
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the borders.
        output_size: sizes of the result, where several have led to this input.

    Raises:
        ValueError: for an impossible `output_size`.
        RuntimeError: for positions that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_unpool2d(torch.tensor([[[3.0]]]), torch.tensor([[[2]]]), 2)
        tensor([[[0., 0.],
                 [3., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with elements at the positions that `max_pool3d` found.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        indices: positions, in the same shape.
        kernel_size: size of the windows of the pooling.
        stride: their distance; their size if None.
        padding: how far they reached beyond the borders.
        output_size: sizes of the result, where several have led to this input.

    Raises:
        ValueError: for an impossible `output_size`.
        RuntimeError: for positions that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_unpool3d(torch.ones(1, 1, 1, 1), torch.tensor([[[[5]]]]), 2).sum()
        tensor(1.)
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
