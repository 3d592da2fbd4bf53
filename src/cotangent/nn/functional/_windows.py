"""Arguments that describe pooling windows, checked with PyTorch's errors."""

from __future__ import annotations

from typing import Any, Final

from ...errors import bad_argument
from ...kernels.pooling import pooled_sizes
from ...ops.arguments import integers
from ...ops.table import is_tensor

Sizes = tuple[int, ...]
_WORDS: Final = {1: "one", 2: "two", 3: "three"}


def of_window(function: str, name: str, position: int, value: Any, spatial: int, omittable: bool) -> Sizes:
    """One number for each spatial dimension."""
    given = integers(function, name, (value,), position)
    if len(given) not in (1, spatial):
        if name == "dilation":
            form = f"be either a single int, or a tuple of {_WORDS[spatial]} ints"
        elif omittable:
            form = f"either be omitted, a single int, or a tuple of {_WORDS[spatial]} ints"
        else:
            form = f"either be a single int, or a tuple of {_WORDS[spatial]} ints"
        raise RuntimeError(f"{function}: {name} must {form}")
    return given * spatial if len(given) == 1 else given


def check_rank(function: str, input: Any, spatial: int) -> None:
    """Refuse what is neither one example nor a batch of them."""
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"non-empty {spatial + 1}D or {spatial + 2}D (batch mode) tensor expected for input"
        )


def check_single(function: str, input: Any) -> None:
    """The same for functions of one spatial dimension."""
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
            f"(while checking arguments for {function})"
        )


def _times(sizes: Any) -> str:
    return "x".join(str(n) for n in sizes)


def check_padding(kernel: Sizes, padding: Sizes, dilation: Sizes) -> None:
    for p, k, d in zip(padding, kernel, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )


def check_windows(
    input: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: bool
) -> None:
    """What PyTorch says of windows that do not fit the input."""
    spatial = len(kernel)
    shape = tuple(input.shape)
    sizes = shape[len(shape) - spatial :]
    if min(stride) <= 0:
        raise RuntimeError("stride should not be zero")
    check_padding(kernel, padding, dilation)
    if min(dilation) <= 0:
        names = ("dilationT", "dilationH", "dilationW")[3 - spatial :]
        got = " ".join(f"{n}: {d}" for n, d in zip(names, dilation, strict=True))
        raise RuntimeError(f"dilation should be greater than zero, but got {got}")
    if min(kernel) <= 0:
        names = ("kT", "kH", "kW")[3 - spatial :]
        got = " ".join(f"{n}: {d}" for n, d in zip(names, kernel, strict=True))
        raise RuntimeError(f"kernel size should be greater than zero, but got {got}")
    if 0 in shape[-spatial - 1 :] and spatial == 3:
        raise RuntimeError(
            "max_pool3d_with_indices_out_cpu_template(): Expected input's non-batch dimensions to have "
            f"positive length, but input has a shape of {list(shape)} and non-batch dimension 0 has length "
            "zero!"
        )
    if 0 in shape[-spatial - 1 :]:
        raise RuntimeError(
            f"Expected {spatial + 1}D or {spatial + 2}D (batch mode) tensor with optional 0 dim batch size "
            f"for input, but got:{list(shape)}"
        )
    out = pooled_sizes(sizes, kernel, stride, padding, dilation, ceil)
    if min(out) < 1:
        planes = shape[len(shape) - spatial - 1]
        raise RuntimeError(
            f"Given input size: ({_times((planes, *sizes))}). Calculated output size: "
            f"({_times((planes, *out))}). Output size is too small"
        )
