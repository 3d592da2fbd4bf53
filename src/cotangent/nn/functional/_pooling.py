"""The largest elements of windows of fixed size."""

from __future__ import annotations

from typing import Any

from ...dtypes import BOOL, COMPLEX, FLOATING
from ...errors import bad_argument
from ...kernels.pooling import pooled_sizes
from ...ops.arguments import integers
from ...ops.pooling import MAX_POOL
from ...ops.refusals import unsupported
from ...ops.table import is_tensor
from ...ops.views import squeeze_dim, unsqueeze_at
from ._windows import check_rank, check_windows, of_window

__all__ = [
    "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices",
]  # fmt: skip


def _max_pool(
    spatial: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    public: str = "",
) -> Any:
    function = f"max_pool{spatial}d"
    if not is_tensor(input):
        bad_argument(public or function, "input", 1, "Tensor", input)
    kernel = of_window(function, "kernel_size", 2, kernel_size, spatial, False)
    every = stride is None or stride == () or stride == []
    steps = kernel if every else of_window(function, "stride", 3, stride, spatial, True)
    around = of_window(function, "padding", 4, padding, spatial, False)
    spread = of_window(function, "dilation", 5, dilation, spatial, False)
    check_rank(function, input, spatial)
    check_windows(input, kernel, steps, around, spread, ceil_mode)
    if input.dtype.category in (BOOL, COMPLEX):
        raise unsupported(function, input.dtype)
    return MAX_POOL[spatial](input, steps, around, spread, bool(ceil_mode), kernel)


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` together with where the largest elements are.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the windows, one number or two, as all of the following.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the borders.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: without effect.

    Returns:
        (values, positions h * W + w).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[[1.0, 4.0], [3.0, 2.0]]])
        >>> torch.nn.functional.max_pool2d_with_indices(x, 2)
        (tensor([[[4.]]]), tensor([[[1]]]))
    """
    name = "max_pool2d_with_indices"
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, name)


def max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool3d` together with where the largest elements are; see `max_pool2d_with_indices`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the borders.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: without effect.

    Returns:
        (values, positions).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_pool3d_with_indices(torch.zeros(1, 2, 2, 2), 2)
        (tensor([[[[0.]]]]), tensor([[[[0]]]]))
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool1d` together with where the largest elements are.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the ends.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: without effect.

    Returns:
        (values, positions).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_pool1d_with_indices(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _max_pool1d(
    input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool,
) -> Any:  # fmt: skip
    """(values, positions); PyTorch checks other things where it is asked for positions."""
    name = "max_pool1d"
    if not is_tensor(input):
        bad_argument(f"{name}_with_indices" if return_indices else name, "input", 1, "Tensor", input)
    if input.ndim not in (2, 3) or 0 in tuple(input.shape)[input.ndim - 2 :]:
        raise RuntimeError(
            f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(input.shape)}"
        )
    numbers = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    found: dict[str, int] = {}
    for position, (key, value) in enumerate(numbers.items(), 2):
        if key == "stride" and (value is None or value == () or value == []):
            found[key] = found["kernel_size"]
            continue
        given = integers(name, key, (value,), position)
        if len(given) != 1:
            raise RuntimeError(
                f"{name}() {key} must be an int, list of ints or tuple of ints of size 1 but got size "
                f"{len(given)}"
            )
        found[key] = given[0]
    k, s, p, d = found.values()
    at = input.ndim - 1
    if return_indices:
        flat = unsqueeze_at(input, at)
        values, indices = _max_pool(2, flat, (1, k), (1, s), (0, p), (1, d), ceil_mode)
        return squeeze_dim(values, at), squeeze_dim(indices, at)
    for key in ("kernel_size", "stride"):
        if found[key] <= 0:
            raise RuntimeError(f"{name}() {key} must be greater than zero, but got {found[key]}")
    if p < 0:
        raise RuntimeError(f"{name}() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(
            f"{name}() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}"
        )
    if d <= 0:
        raise RuntimeError(f"{name}() dilation must be greater than zero, but got {d}")
    out = pooled_sizes((input.shape[-1],), (k,), (s,), (p,), (d,), ceil_mode)[0]
    if out <= 0:
        raise RuntimeError(f"{name}() Invalid computed output size: {out}")
    if input.dtype.category != FLOATING:
        raise unsupported("max_pool1d_impl", input.dtype)
    values, indices = MAX_POOL[2](
        unsqueeze_at(input, at), (1, s), (0, p), (1, d), bool(ceil_mode), (1, k)
    )
    return squeeze_dim(values, at), squeeze_dim(indices, at)


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window along the last dimension.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the ends.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: whether to return positions, too.

    Returns:
        values, or (values, positions).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    found = _max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return found if return_indices else found[0]


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the windows, one number or two, as all of the following.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the borders.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: whether to return positions, too.

    Returns:
        values, or (values, positions h * W + w).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]), 2)
        tensor([[[4.]]])
    """
    name = "max_pool2d_with_indices" if return_indices else ""
    found = _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, name)
    return found if return_indices else found[0]


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window in three dimensions; see `max_pool2d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the windows.
        stride: their distance; their size if None.
        padding: how far windows reach beyond the borders.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows may stand over the end.
        return_indices: whether to return positions, too.

    Returns:
        values, or (values, positions).

    Raises:
        RuntimeError: for windows that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.max_pool3d(torch.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    found = _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found[0]
