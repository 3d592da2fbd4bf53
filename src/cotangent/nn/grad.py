"""The two derivatives of a convolution by themselves: `torch.nn.grad`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..dtypes import FLOATING, SCALAR_NAME
from ..kernels.conv import output_sizes
from ..ops.convolution import conv_transpose_of, conv_weight
from ..ops.refusals import unsupported
from .functional._conv import check_operands, each_dimension
from .modules._tuples import each

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]

_Sizes = int | Sequence[int]
_SIDES: Final = ("kernel_width", "kernel_height", "kernel_depth")
_DOCUMENT: Final = """The gradient of `{name}` in its {whose}.

Args:
    {first}
    {second}
    grad_output: gradient of the result, (N, K, ...).
    stride, padding, dilation, groups: as for `{name}`.

Returns:
    A tensor of the shape of the {whose}.

Raises:
    RuntimeError: if shapes, dtypes and numbers make no convolution whose result has `grad_output`'s shape.

Example:
    >>> import cotangent as torch
    >>> from cotangent.nn.grad import {name}_{which}
    >>> {example}
    tensor({result})
"""


def _check_result(g: Any, expected: tuple[int, ...], dilated: bool) -> None:
    """That `g` has the shape of the result; to plain convolutions one dimension counts as two."""
    shape = tuple(g.shape)
    if len(shape) != len(expected):
        raise RuntimeError(
            "Expected input and grad_output to have the same number of dimensions, but got: "
            f"{len(expected)} and {len(shape)}"
        )
    shape, expected = ((*s[:2], 1, *s[2:]) if len(s) == 3 else s for s in (shape, expected))
    if dilated and shape[2:] != expected[2:]:
        raise RuntimeError(
            f"grad_output[2:] shape{list(shape[2:])} must be equal to output size "
            f"{' '.join(map(str, expected[2:]))}"
        )
    for at in (1, *range(2, len(shape)), 0):
        if shape[at] != expected[at]:
            raise RuntimeError(
                f"Expected a tensor of dimension {len(shape)} and tensor.size[{at}] == {expected[at]} but "
                f"got: dimension {len(shape)} and tensor.size[{at}] = {shape[at]}"
            )


def _checked(
    x: Any, w: Any, g: Any, which: str, windows: Sequence[Any], groups: int
) -> tuple[tuple[int, ...], ...]:
    """(stride, padding, dilation) in each dimension of a convolution that can be pulled back."""
    spatial = w.ndim - 2
    if spatial < 1:
        raise RuntimeError("weight should have at least three dimensions")
    if groups <= 0:
        raise RuntimeError(f"expected groups to be greater than 0, but got groups={groups}")
    steps, around, spread = (
        each_dimension(name, value, spatial)
        for name, value in zip(("stride", "padding", "dilation"), windows, strict=True)
    )
    if min(spread) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(spread)}")
    check_operands(x, w, None, around, steps, spread, (0,) * spatial, groups, False)
    kernel = tuple(w.shape[2:])
    if 0 in kernel:
        named = zip(_SIDES[spatial - 1 :: -1], kernel, strict=True)
        sides = " ".join(f"{name}: {size}" for name, size in named)
        raise RuntimeError(f"kernel size should be greater than zero, but got {sides}")
    out = output_sizes(tuple(x.shape[2:]), kernel, steps, around, spread)
    _check_result(g, (x.shape[0], w.shape[0], *out), spread != (1,) * spatial)
    if x.dtype is not w.dtype:
        raise RuntimeError(f"expected scalar type {SCALAR_NAME[x.dtype]} but found {SCALAR_NAME[w.dtype]}")
    if x.dtype.category < FLOATING:
        raise unsupported(f"slow_conv{max(spatial, 2)}d_cpu_grad_{which}", x.dtype)
    return steps, around, spread


def _in_input(count: int, letters: str, ones: str) -> Callable[..., Any]:
    def gradient(
        input_size: Sequence[int],
        weight: Any,
        grad_output: Any,
        stride: _Sizes = 1,
        padding: _Sizes = 0,
        dilation: _Sizes = 1,
        groups: int = 1,
    ) -> Any:
        # Nobody reads the numbers of this tensor, and it has the memory of one.
        input = grad_output.new_empty(1).expand(input_size)
        windows = [each(n, count) for n in (stride, padding, dilation)]
        checked = _checked(input, weight, grad_output, "input", windows, groups)
        return conv_transpose_of(grad_output, weight, None, tuple(input.shape[2:]), *checked, groups)

    gradient.__doc__ = _DOCUMENT.format(
        name=f"conv{count}d", which="input", whose="input",
        first=f"input_size: shape of the input, (N, C, {letters}).",
        second=f"weight: the filters, (K, C / groups, {_of_kernel(letters)}).",
        example=f"conv{count}d_input(({ones}, 3), torch.ones({ones}, 2), torch.ones({ones}, 2)).flatten()",
        result="[1., 2., 1.]",
    )  # fmt: skip
    return _named(gradient, f"conv{count}d_input")


def _in_weight(count: int, letters: str, ones: str) -> Callable[..., Any]:
    def gradient(
        input: Any,
        weight_size: Sequence[int],
        grad_output: Any,
        stride: _Sizes = 1,
        padding: _Sizes = 0,
        dilation: _Sizes = 1,
        groups: int = 1,
    ) -> Any:
        weight = grad_output.new_empty(1).expand(weight_size)
        windows = [each(n, count) for n in (stride, padding, dilation)]
        checked = _checked(input, weight, grad_output, "weight", windows, groups)
        return conv_weight(grad_output, input, tuple(weight.shape[2:]), *checked, groups)

    gradient.__doc__ = _DOCUMENT.format(
        name=f"conv{count}d", which="weight", whose="filters",
        first=f"input: what was convolved, (N, C, {letters}).",
        second=f"weight_size: shape of the filters, (K, C / groups, {_of_kernel(letters)}).",
        example=f"conv{count}d_weight(torch.ones({ones}, 3), ({ones}, 2), torch.ones({ones}, 2)).flatten()",
        result="[2., 2.]",
    )  # fmt: skip
    return _named(gradient, f"conv{count}d_weight")


def _of_kernel(letters: str) -> str:
    return ", ".join(f"k{letter}" for letter in letters.split(", "))


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    return function


conv1d_input, conv1d_weight = _in_input(1, "L", "1, 1"), _in_weight(1, "L", "1, 1")
conv2d_input, conv2d_weight = _in_input(2, "H, W", "1, 1, 1"), _in_weight(2, "H, W", "1, 1, 1")
conv3d_input, conv3d_weight = _in_input(3, "D, H, W", "1, 1, 1, 1"), _in_weight(3, "D, H, W", "1, 1, 1, 1")
