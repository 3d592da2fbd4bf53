"""The two derivatives of a convolution by themselves: `torch.nn.grad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.convolution import conv_transpose_of, conv_weight
from .modules._tuples import each

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]

_Sizes = int | Sequence[int]


def _windows(count: int, stride: _Sizes, padding: _Sizes, dilation: _Sizes) -> tuple[tuple[int, ...], ...]:
    return each(stride, count), each(padding, count), each(dilation, count)


def _check(input_size: Sequence[int], weight_size: Sequence[int]) -> None:
    if len(input_size) != len(weight_size):
        n = len(weight_size)
        raise RuntimeError(
            f"Expected {n}-dimensional input for {n}-dimensional weight {list(weight_size)}, but got "
            f"{len(input_size)}-dimensional input of size {list(input_size)} instead"
        )


def _input(count: int, size: Sequence[int], weight: Any, g: Any, *windows: _Sizes, groups: int) -> Any:
    _check(size, weight.shape)
    return conv_transpose_of(g, weight, None, tuple(size[2:]), *_windows(count, *windows), groups)


def _weight(count: int, input: Any, size: Sequence[int], g: Any, *windows: _Sizes, groups: int) -> Any:
    _check(input.shape, size)
    return conv_weight(g, input, tuple(size[2:]), *_windows(count, *windows), groups)


def conv1d_input(
    input_size: Sequence[int],
    weight: Any,
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv1d` in its input.

    Args:
        input_size: shape of the input, (N, C, L).
        weight: the filters, (K, C / groups, kL).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv1d`.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the input's shape and the filters have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv1d_input
        >>> conv1d_input((1, 1, 3), torch.ones(1, 1, 2), torch.ones(1, 1, 2)).flatten()
        tensor([1., 2., 1.])
    """
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups=groups)


def conv1d_weight(
    input: Any,
    weight_size: Sequence[int],
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv1d` in its filters.

    Args:
        input: what was convolved, (N, C, L).
        weight_size: shape of the filters, (K, C / groups, kL).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv1d`.

    Returns:
        A tensor of the filters' shape.

    Raises:
        RuntimeError: if the input and the filters' shape have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv1d_weight
        >>> conv1d_weight(torch.ones(1, 1, 3), (1, 1, 2), torch.ones(1, 1, 2)).flatten()
        tensor([2., 2.])
    """
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups=groups)


def conv2d_input(
    input_size: Sequence[int],
    weight: Any,
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv2d` in its input.

    Args:
        input_size: shape of the input, (N, C, H, W).
        weight: the filters, (K, C / groups, kH, kW).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv2d`.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the input's shape and the filters have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv2d_input
        >>> conv2d_input((1, 1, 1, 3), torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2)).flatten()
        tensor([1., 2., 1.])
    """
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups=groups)


def conv2d_weight(
    input: Any,
    weight_size: Sequence[int],
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv2d` in its filters.

    Args:
        input: what was convolved, (N, C, H, W).
        weight_size: shape of the filters, (K, C / groups, kH, kW).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv2d`.

    Returns:
        A tensor of the filters' shape.

    Raises:
        RuntimeError: if the input and the filters' shape have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv2d_weight
        >>> conv2d_weight(torch.ones(1, 1, 1, 3), (1, 1, 1, 2), torch.ones(1, 1, 1, 2)).flatten()
        tensor([2., 2.])
    """
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups=groups)


def conv3d_input(
    input_size: Sequence[int],
    weight: Any,
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv3d` in its input.

    Args:
        input_size: shape of the input, (N, C, D, H, W).
        weight: the filters, (K, C / groups, kD, kH, kW).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv3d`.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the input's shape and the filters have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv3d_input
        >>> conv3d_input((1, 1, 1, 1, 3), torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2)).flatten()
        tensor([1., 2., 1.])
    """
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups=groups)


def conv3d_weight(
    input: Any,
    weight_size: Sequence[int],
    grad_output: Any,
    stride: _Sizes = 1,
    padding: _Sizes = 0,
    dilation: _Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv3d` in its filters.

    Args:
        input: what was convolved, (N, C, D, H, W).
        weight_size: shape of the filters, (K, C / groups, kD, kH, kW).
        grad_output: gradient of the result, (N, K, ...).
        stride, padding, dilation, groups: as for `conv3d`.

    Returns:
        A tensor of the filters' shape.

    Raises:
        RuntimeError: if the input and the filters' shape have other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.grad import conv3d_weight
        >>> conv3d_weight(torch.ones(1, 1, 1, 1, 3), (1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2)).flatten()
        tensor([2., 2.])
    """
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups=groups)
