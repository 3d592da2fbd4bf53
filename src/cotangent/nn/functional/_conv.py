"""Convolutions in one to three dimensions, plain and transposed."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from ...dtypes import BOOL, FLOATING, SCALAR_NAME
from ...errors import bad_argument
from ...kernels.conv import output_sizes
from ...ops.arguments import REQUIRED, compiler_name, integers, no_match, whole
from ...ops.convolution import conv_of, conv_transpose_of, same_padding, transposed_sizes
from ...ops.padding import constant_pad_nd
from ...ops.refusals import unsupported
from ...ops.table import is_tensor
from ...ops.views import permute_dims, squeeze_dim, unsqueeze_at

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip

Sizes = tuple[int, ...]


def _no_fit(function: str, input: Any, weight: Any, bias: Any, named: dict[str, Any]) -> NoReturn:
    given = tuple(v for v in (input, weight) if v is not REQUIRED)
    head = "Tensor input, Tensor weight, Tensor bias = None, tuple of ints stride = 1"
    tail = "tuple of ints dilation = 1, int groups = 1"
    no_match(
        function, given if bias is None else (*given, bias),
        f"{head}, tuple of ints padding = 0, {tail}", f'{head}, str padding = "valid", {tail}', **named,
    )  # fmt: skip


def _is_sizes(value: Any) -> bool:
    return whole(*value) if isinstance(value, (tuple, list)) else whole(value)


def each_dimension(name: str, value: Any, spatial: int) -> Sizes:
    """One number for each spatial dimension."""
    given = tuple(int(v) for v in value) if isinstance(value, (tuple, list)) else (int(value),)
    if len(given) == 1:
        return given * spatial
    if len(given) != spatial:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {spatial} values to match the "
            f"convolution dimensions, but got {name}={list(given)}"
        )
    return given


def check_operands(
    input: Any, weight: Any, bias: Any, padding: Sizes, stride: Sizes, dilation: Sizes, extra: Sizes,
    groups: int, transposed: bool,
) -> None:  # fmt: skip
    """What PyTorch says of tensors and numbers that do not make a convolution."""
    shape, sizes = tuple(weight.shape), tuple(input.shape)
    for name, values in (("padding", padding), ("output_padding", extra)):
        if min(values) < 0:
            raise RuntimeError(f"negative {name} is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if len(sizes) != len(shape):
        raise RuntimeError(
            f"Expected {len(shape)}-dimensional input for {len(shape)}-dimensional weight {list(shape)}, but "
            f"got {len(sizes)}-dimensional input of size {list(sizes)} instead"
        )
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight "
            f"of size {list(shape)} instead"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got "
            f"weight of size [{list(shape)}] instead"
        )
    label = f"transposed={int(transposed)}" if transposed else f"groups={groups}"
    wanted = shape[0] if transposed else shape[1] * groups
    if sizes[1] != wanted:
        raise RuntimeError(
            f"Given {label}, weight of size {list(shape)}, expected input{list(sizes)} to have {wanted} "
            f"channels, but got {sizes[1]} channels instead"
        )
    outputs = shape[1] * groups if transposed else shape[0]
    if bias is not None and tuple(bias.shape) != (outputs,):
        label = f"{label}, " if transposed else ""
        raise RuntimeError(
            f"Given {label}weight of size {list(shape)}, expected bias to be 1-dimensional with {outputs} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    if not transposed:
        padded = [n + 2 * p for n, p in zip(sizes[2:], padding, strict=True)]
        kernel = [d * (k - 1) + 1 for d, k in zip(dilation, shape[2:], strict=True)]
        if any(n < k for n, k in zip(padded, kernel, strict=True)):
            raise RuntimeError(
                f"Calculated padded input size per channel: ({_times(padded)}). Kernel size: "
                f"({_times(kernel)}). Kernel size can't be greater than actual input size"
            )
    if 0 in sizes[2:]:
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(sizes)}"
        )


def _check_dtypes(input: Any, weight: Any, bias: Any, transposed: bool) -> None:
    d = input.dtype
    if bias is not None and bias.dtype is not d:
        raise RuntimeError(
            f"Input type ({compiler_name(d)}) and bias type ({compiler_name(bias.dtype)}) should be the same"
        )
    if weight.dtype is not d:
        raise RuntimeError(f"expected scalar type {SCALAR_NAME[d]} but found {SCALAR_NAME[weight.dtype]}")
    spatial = input.ndim - 2
    if d.category == BOOL:
        raise unsupported(
            f"slow_conv_transpose{spatial}d_out_cpu" if transposed else f"slow_conv{max(spatial, 2)}d_cpu", d
        )
    if transposed and d.category < FLOATING and d.itemsize != 8:
        raise unsupported(f"slow_conv_transpose{max(spatial, 2)}d_out_cpu", d)


def _times(sizes: Any) -> str:
    return " x ".join(str(n) for n in sizes)


def _batched(function: str, input: Any, spatial: int) -> tuple[Any, bool]:
    """The input with an examples' dimension, and whether it had one."""
    n = input.ndim
    if n not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to {function}, but got "
            f"input of size: {list(input.shape)}"
        )
    return (input, True) if n == spatial + 2 else (unsqueeze_at(input, 0), False)


def _conv(
    function: str, spatial: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    named: dict[str, Any] = {
        name: value
        for name, value, default in (
            ("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1), ("groups", groups, 1)
        )
        if value is not default
    }  # fmt: skip
    if not (
        is_tensor(input) and is_tensor(weight) and (bias is None or is_tensor(bias)) and whole(groups)
        and _is_sizes(stride) and _is_sizes(dilation) and (isinstance(padding, str) or _is_sizes(padding))
    ):  # fmt: skip
        _no_fit(function, input, weight, bias, named)
    x, batched = _batched(function, input, spatial)
    dims = weight.ndim - 2
    if isinstance(padding, str):
        x, around = _named_padding(x, weight, padding, stride, dilation, dims)
    else:
        around = padding
    result = convolution(x, weight, bias, stride, around, dilation, False, 0, groups)
    return result if batched else squeeze_dim(result, 0)


def _named_padding(
    x: Any, weight: Any, padding: str, stride: Any, dilation: Any, spatial: int
) -> tuple[Any, Sizes]:
    """(input, padding in numbers) for "valid" and "same"."""
    if padding == "valid":
        return x, (0,) * spatial
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if x.ndim != weight.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight"
            f"{list(weight.shape)}, but got {x.ndim}-dimensional input of size {list(x.shape)} instead"
        )
    steps, spread = each_dimension("stride", stride, spatial), each_dimension("dilation", dilation, spatial)
    if steps != (1,) * spatial:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    sides = same_padding(tuple(weight.shape[2:]), spread)
    if any(low != high for low, high in sides):
        warnings.warn(
            "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy "
            "of the input be created",
            UserWarning,
            stacklevel=4,
        )
        extra: list[int] = []
        for low, high in reversed(sides):
            extra += [0, high - low]
        x = constant_pad_nd(x, extra, 0)
    return x, tuple(low for low, _ in sides)


def convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    """Any convolution: the function that the others call.

    Args:
        input: (N, C, *sizes).
        weight: (O, C / groups, *kernel); (C, O / groups, *kernel) if transposed.
        bias: (O,) or None.
        stride: step of the windows, one number or one for each dimension, as all of the following.
        padding: zeros around the input (cut off from the output, if transposed).
        dilation: distance of a window's elements.
        transposed: whether to apply the transpose of a convolution.
        output_padding: further size of the output, if transposed.
        groups: parts that channels are divided in, each with weights of its own.

    Returns:
        (N, O, *sizes).

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.convolution(torch.ones(1, 1, 3), torch.ones(1, 1, 2), None, 1, 0, 1, False, 0, 1)
        tensor([[[2., 2.]]])
    """
    for position, (name, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not is_tensor(value):
            bad_argument("convolution", name, position, "Tensor", value)
    spatial = weight.ndim - 2
    if spatial < 1:
        raise RuntimeError("weight should have at least three dimensions")
    steps = each_dimension("stride", stride, spatial)
    around = each_dimension("padding", padding, spatial)
    spread = each_dimension("dilation", dilation, spatial)
    extra = each_dimension("output_padding", output_padding, spatial)
    check_operands(input, weight, bias, around, steps, spread, extra, groups, transposed)
    _check_dtypes(input, weight, bias, transposed)
    kernel = tuple(weight.shape[2:])
    if 0 in kernel:
        raise RuntimeError(f"kernel size should be greater than zero, but got {_times(kernel)}")
    if not transposed:
        if not input.shape[1]:  # of nothing PyTorch makes nothing: no bias, no channels
            weight, bias = weight[:0], None if bias is None else bias[:0]
        return conv_of(input, weight, bias, steps, around, spread, groups)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, spread, strict=True)):
        _refuse_output_padding(extra, steps, spread)
    sizes = tuple(input.shape[2:])
    out = transposed_sizes(sizes, kernel, steps, around, spread, extra)
    if min(out) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({_times(sizes)}). Calculated output size per channel: "
            f"({_times(out)}). Output size is too small"
        )
    if output_sizes(out, kernel, steps, around, spread) != sizes:
        return _beyond(input, weight, bias, out, steps, around, spread, groups)
    return conv_transpose_of(input, weight, bias, out, steps, around, spread, groups)


def _beyond(
    input: Any, weight: Any, bias: Any, out: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    """Transposed convolution whose output padding reaches past one further step (dilation > stride)."""
    fewer = output_sizes(out, tuple(weight.shape[2:]), stride, padding, dilation)
    more: list[int] = []
    for n, m in zip(reversed(tuple(input.shape[2:])), reversed(fewer), strict=True):
        more += [0, m - n]
    return conv_transpose_of(
        constant_pad_nd(input, more, 0), weight, bias, out, stride, padding, dilation, groups
    )


def _refuse_output_padding(extra: Sizes, stride: Sizes, dilation: Sizes) -> NoReturn:
    names = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}[len(extra)]
    parts = [
        f"{what}_{name}: {value}"
        for what, values in (("output_padding", extra), ("stride", stride), ("dilation", dilation))
        for name, value in zip(names, values, strict=True)
    ]
    raise RuntimeError(
        f"output padding must be smaller than either stride or dilation, but got {' '.join(parts)}"
    )


def _conv_transpose(
    function: str, spatial: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Any:  # fmt: skip
    for position, (name, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not is_tensor(value):
            bad_argument(function, name, position, "Tensor", value)
    if bias is not None and not is_tensor(bias):
        bad_argument(function, "bias", 3, "Tensor", bias)
    options = {
        "stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation
    }  # fmt: skip
    for position, (name, value) in enumerate(options.items(), 4):
        integers(function, name, (value,), position)
    x, batched = _batched(function, input, spatial)
    result = convolution(x, weight, bias, stride, padding, dilation, True, output_padding, groups)
    return result if batched else squeeze_dim(result, 0)


def conv1d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Sums of products with a window of weights that slides over one dimension.

    Args:
        input: (N, C, L) or (C, L).
        weight: (O, C / groups, K).
        bias: (O,) or None.
        stride: step of the window.
        padding: zeros at either end, or "same" or "valid".
        dilation: distance of the window's elements.
        groups: parts that channels are divided in, each with weights of its own.

    Returns:
        (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1), or that without N.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.conv1d(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[[-1.0, 1.0]]]))
        tensor([[[1., 2.]]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Sums of products with a window of weights that slides over two dimensions.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, KH, KW).
        bias: (O,) or None.
        stride: steps of the window, one number or two.
        padding: zeros on either side, one number or two, or "same" or "valid".
        dilation: distances of the window's elements.
        groups: parts that channels are divided in, each with weights of its own.

    Returns:
        (N, O, H', W') or (O, H', W'); see `conv1d`.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2), padding=1)
        tensor([[[[1., 2., 2., 1.],
                  [2., 4., 4., 2.],
                  [2., 4., 4., 2.],
                  [1., 2., 2., 1.]]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Sums of products with a window of weights that slides over three dimensions.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (O, C / groups, KD, KH, KW).
        bias: (O,) or None.
        stride: steps of the window, one number or three.
        padding: zeros on either side, or "same" or "valid".
        dilation: distances of the window's elements.
        groups: parts that channels are divided in, each with weights of its own.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2))
        tensor([[[[[8.]]]]])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv1d`: every element puts its multiple of the weights where its window lies.

    Args:
        input: (N, C, L) or (C, L).
        weight: (C, O / groups, K).
        bias: (O,) or None.
        stride: step of the window.
        padding: how much is cut off from either end of the output.
        output_padding: further size of the output at its end.
        groups: parts that channels are divided in.
        dilation: distance of the window's elements.

    Returns:
        (N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1), or that without N.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.conv_transpose1d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0]]]))
        tensor([[[ 1., 12., 20.]]])
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv2d`; see `conv_transpose1d`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, KH, KW).
        bias: (O,) or None.
        stride: steps of the window.
        padding: how much is cut off from each side of the output.
        output_padding: further sizes of the output.
        groups: parts that channels are divided in.
        dilation: distances of the window's elements.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 1, 3, 3])
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any = REQUIRED, weight: Any = REQUIRED, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The transpose of `conv3d`; see `conv_transpose1d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (C, O / groups, KD, KH, KW).
        bias: (O,) or None.
        stride: steps of the window.
        padding: how much is cut off from each side of the output.
        output_padding: further sizes of the output.
        groups: parts that channels are divided in.
        dilation: distances of the window's elements.

    Raises:
        RuntimeError: for shapes, dtypes or numbers that do not fit.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.conv_transpose3d(torch.ones(1, 1, 1, 1, 1), torch.ones(1, 1, 2, 2, 2)).sum()
        tensor(8.)
    """
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """`conv1d` of sequences whose time comes first and whose channels come last.

    Args:
        input: (T, N, C).
        weight: (K, C, O).
        bias: (O,).
        pad: zeros at either end.

    Returns:
        (T + 2 pad - K + 1, N, O).

    Raises:
        RuntimeError: for shapes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.conv_tbc(torch.ones(3, 1, 1), torch.ones(2, 1, 1), torch.zeros(1)).shape
        torch.Size([2, 1, 1])
    """
    if input.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.ndim != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if bias.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if weight.shape[2] != bias.shape[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    channels_first = permute_dims(input, (1, 2, 0))
    found = convolution(channels_first, permute_dims(weight, (2, 1, 0)), bias, 1, pad, 1, False, 0, 1)
    return permute_dims(found, (2, 0, 1))
