"""torch.hann_window and its kin: window functions, periodic unless asked otherwise."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from . import dtypes
from .config import settings
from .creation import born
from .factories import taken
from .kernels import windows as k
from .ops.arguments import REQUIRED, integer
from .size import sparse_coo

_CPP_LONG: Final = {
    dtypes.int64: "long int", dtypes.int32: "int", dtypes.int16: "short int", dtypes.int8: "signed char",
    dtypes.uint8: "unsigned char", dtypes.bool_: "bool",
}  # fmt: skip


def _made(name: str, length: Any, periodic: bool, options: dict[str, Any], kernel: Any, *more: Any) -> Any:
    count = integer(name, "window_length", 1, length)
    dtype, requires_grad, _ = taken(name, options)
    d = dtype or settings.default_dtype
    if options.get("layout") is sparse_coo:
        default = " (default)" if dtype is None and name == "hann_window" else ""
        raise RuntimeError(
            f"{name} is not implemented for sparse types, got: {_shown(d, default, 'Sparse')}"
        )
    if d.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name} expects floating point dtypes, got: {_shown(d, '', 'Strided (default)')}"
        )
    if count < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={count}")
    return born(np.asarray(kernel(count, not periodic, *more)).astype(d.np), requires_grad)


def _shown(d: Any, default: str, layout: str) -> str:
    """Options of a factory as PyTorch's errors print them."""
    name = _CPP_LONG.get(d, dtypes.CPP_NAME[d])
    return (
        f"TensorOptions(dtype={name}{default}, device=cpu, layout={layout}, requires_grad=false (default), "
        "pinned_memory=false, memory_format=(nullopt))"
    )


def hann_window(window_length: Any = REQUIRED, periodic: bool = True, **options: Any) -> Any:
    """Hann's window: a raised cosine.

    Args:
        window_length: number of points.
        periodic: whether the window continues periodically; symmetric if not.
        options: dtype, device, requires_grad, layout as in PyTorch.

    Returns:
        a 1-d tensor.

    Raises:
        RuntimeError: for a negative length or a dtype that is not floating-point.

    Example:
        >>> import cotangent as torch
        >>> torch.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _made("hann_window", window_length, periodic, options, k.general_cosine, (0.5, 0.5))


def hamming_window(
    window_length: Any = REQUIRED,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Any:
    """Hamming's window: a raised cosine on a pedestal.

    Args:
        window_length, periodic, options: as for `hann_window`.
        alpha, beta: height of the middle and amplitude of the cosine.

    Returns:
        a 1-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.hamming_window(4)
        tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _made("hamming_window", window_length, periodic, options, k.general_cosine, (alpha, beta))


def blackman_window(window_length: Any = REQUIRED, periodic: bool = True, **options: Any) -> Any:
    """Blackman's window: a sum of two cosines.

    Args:
        window_length, periodic, options: as for `hann_window`.

    Returns:
        a 1-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.blackman_window(4)[1:]
        tensor([0.3400, 1.0000, 0.3400])
    """
    return _made("blackman_window", window_length, periodic, options, k.general_cosine, (0.42, 0.5, 0.08))


def bartlett_window(window_length: Any = REQUIRED, periodic: bool = True, **options: Any) -> Any:
    """Bartlett's window: a triangle.

    Args:
        window_length, periodic, options: as for `hann_window`.

    Returns:
        a 1-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.bartlett_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _made("bartlett_window", window_length, periodic, options, k.bartlett)


def kaiser_window(
    window_length: Any = REQUIRED, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Any:
    """Kaiser's window, of shape `beta`.

    Args:
        window_length, periodic, options: as for `hann_window`.
        beta: shape: the larger, the narrower.

    Returns:
        a 1-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.kaiser_window(4, beta=3.0)
        tensor([0.2049, 0.7269, 1.0000, 0.7269])
    """
    return _made("kaiser_window", window_length, periodic, options, k.kaiser, beta)
