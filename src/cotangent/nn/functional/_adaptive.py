"""Pooling to a size that is asked for."""

from __future__ import annotations

import math
from typing import Any, Final

from ...dtypes import FLOATING
from ...errors import bad_argument
from ...ops.arguments import integers
from ...ops.pooling import ADAPTIVE_MAX_POOL
from ...ops.refusals import unsupported
from ...ops.resample import RESIZE
from ...ops.table import is_tensor
from ...ops.views import squeeze_dim, unsqueeze_at
from ._windows import check_single

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices",
]  # fmt: skip

Sizes = tuple[int, ...]
_LARGEST: Final = 2**63 - 1  # bytes


def _wanted(output_size: Any, input: Any, spatial: int) -> Sizes:
    """The sizes asked for; None stands for the input's."""
    if isinstance(output_size, (tuple, list)):
        if input.ndim <= len(output_size):
            raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
        have = tuple(input.shape)[input.ndim - len(output_size) :]
        return tuple(n if o is None else int(o) for o, n in zip(output_size, have, strict=True))
    return (int(output_size),) * spatial


def _check_adaptive(function: str, input: Any, spatial: int, colon: str, first: int) -> None:
    """Raise for another rank, or an empty dimension from `first` on."""
    shape = tuple(input.shape)
    if len(shape) not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"{function}(): Expected {spatial + 1}D or {spatial + 2}D tensor, but got{colon} {list(shape)}"
        )
    for d in range(first, len(shape)):
        if not shape[d]:
            raise RuntimeError(
                f"{function}(): Expected input to have non-zero size for non-batch dimensions, but input has "
                f"sizes {list(shape)} with dimension {d} being empty"
            )


def _adaptive_avg(spatial: int, input: Any, output_size: Any) -> Any:
    function = f"adaptive_avg_pool{spatial}d"
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    out = _wanted(output_size, input, spatial)
    if len(out) != spatial:
        raise RuntimeError(f"{function}: output_size must be {spatial}")
    if min(out) < 0:
        listed = ", ".join(map(str, out)) if spatial == 2 else f"{out[0]}, {out[1]},{out[2]}"
        raise RuntimeError(
            f"{function}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{listed}}}"
        )
    n = input.ndim
    if all(o == 1 for o in out) and n in (spatial + 1, spatial + 2):
        return input.mean(tuple(range(-spatial, 0)), keepdim=True)
    _check_adaptive(function, input, spatial, "", n - spatial)
    if input.dtype.category != FLOATING:
        raise unsupported(function if spatial == 2 else f"{function}_cpu", input.dtype)
    spec = tuple(
        ("area", size, o, False, None)
        for size, o in zip(tuple(input.shape)[n - spatial :], out, strict=True)
    )
    return RESIZE["area", spatial](input, spec)


def _one_size(function: str, output_size: Any) -> int:
    given = integers(function, "output_size", (output_size,), 2)
    if len(given) != 1:
        raise RuntimeError(f"{function}() argument 'output_size' should contain one int (got {len(given)})")
    return given[0]


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means of windows that cover the last dimension evenly.

    Args:
        input: (N, C, L) or (C, L).
        output_size: how many windows.

    Raises:
        RuntimeError: for inputs of another rank, or negative sizes.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 5.0]]), 2)
        tensor([[2., 4.]])
    """
    check_single("adaptive_avg_pool1d", input)
    size = _one_size("adaptive_avg_pool1d", output_size)
    at = input.ndim - 1
    return squeeze_dim(_adaptive_avg(2, unsqueeze_at(input, at), (1, size)), at)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means of windows that cover the last two dimensions evenly.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many windows, one number or two; None leaves a dimension as it is.

    Raises:
        RuntimeError: for inputs of another rank, or negative sizes.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_avg_pool2d(torch.ones(1, 4, 4), (None, 2)).shape
        torch.Size([1, 4, 2])
    """
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Means of windows that cover the last three dimensions evenly.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        output_size: how many windows, one number or three; None leaves a dimension as it is.

    Raises:
        RuntimeError: for inputs of another rank, or negative sizes.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    return _adaptive_avg(3, input, output_size)


def _adaptive_max(spatial: int, input: Any, output_size: Any) -> Any:
    function = f"adaptive_max_pool{spatial}d"
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    out = _wanted(output_size, input, spatial)
    if len(out) != spatial:
        raise RuntimeError(f"{function}(): internal error: output_size.size() must be {spatial}")
    _check_adaptive(function, input, spatial, ":", 1)
    if min(out) < 0:
        shape = [*tuple(input.shape)[: input.ndim - spatial], *out]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {shape}")
    lead = tuple(input.shape)[: input.ndim - spatial]
    if math.prod((*lead, *out)) * input.dtype.itemsize > _LARGEST:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={[*lead, *out]}")
    if input.dtype.category != FLOATING:
        raise unsupported(function if spatial == 2 else f"{function}_cpu", input.dtype)
    return ADAPTIVE_MAX_POOL[spatial](input, out)


def adaptive_max_pool1d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool1d` together with where the largest elements are.

    Args:
        input: (N, C, L) or (C, L).
        output_size: how many windows.
        return_indices: without effect.

    Returns:
        (values, positions).

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_max_pool1d_with_indices(torch.tensor([[1.0, 5.0, 3.0]]), 1)
        (tensor([[5.]]), tensor([[1]]))
    """
    check_single("adaptive_max_pool1d", input)
    size = _one_size("adaptive_max_pool1d", output_size)
    at = input.ndim - 1
    values, indices = _adaptive_max(2, unsqueeze_at(input, at), (1, size))
    return squeeze_dim(values, at), squeeze_dim(indices, at)


def adaptive_max_pool2d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` together with where the largest elements are.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many windows, one number or two.
        return_indices: without effect.

    Returns:
        (values, positions h * W + w).

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.adaptive_max_pool2d_with_indices(torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]), 1)
        (tensor([[[4.]]]), tensor([[[1]]]))
    """
    return _adaptive_max(2, input, output_size)


def adaptive_max_pool3d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool3d` together with where the largest elements are.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        output_size: how many windows, one number or three.
        return_indices: without effect.

    Returns:
        (values, positions).

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_max_pool3d_with_indices(torch.ones(1, 2, 2, 2), 1)
        (tensor([[[[1.]]]]), tensor([[[[0]]]]))
    """
    return _adaptive_max(3, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that cover the last dimension evenly.

    Args:
        input: (N, C, L) or (C, L).
        output_size: how many windows.
        return_indices: whether to return positions, too.

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), 2)
        tensor([[5., 5.]])
    """
    found = adaptive_max_pool1d_with_indices(input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that cover the last two dimensions evenly.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many windows, one number or two; None leaves a dimension as it is.
        return_indices: whether to return positions, too.

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_max_pool2d(torch.ones(1, 4, 4), 2).shape
        torch.Size([1, 2, 2])
    """
    found = _adaptive_max(2, input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that cover the last three dimensions evenly.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        output_size: how many windows, one number or three; None leaves a dimension as it is.
        return_indices: whether to return positions, too.

    Raises:
        RuntimeError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 4, 4, 4), 2).shape
        torch.Size([1, 2, 2, 2])
    """
    found = _adaptive_max(3, input, output_size)
    return found if return_indices else found[0]
