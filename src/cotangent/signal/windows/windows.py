"""torch.signal.windows: window functions, symmetric unless asked otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from ... import dtypes
from ...config import settings
from ...creation import born
from ...kernels import windows as k
from ...size import strided

_NUTTALL: Final = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _made(name: str, M: int, sym: bool, options: dict[str, Any], kernel: Any, *more: Any) -> Any:
    layout = options.pop("layout", strided)
    dtype = options.pop("dtype", None) or settings.default_dtype
    requires_grad = options.pop("requires_grad", False)
    options.pop("device", None)
    if options:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(options))}'")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return born(np.asarray(kernel(M, sym, *more)).astype(dtype.np), requires_grad)


def _plain(name: str, what: str, shown: str, checked: str, kernel: Any, *more: Any) -> Callable[..., Any]:
    """A window without parameters of its own; `checked` is the name its errors give."""

    def window(M: int, *, sym: bool = True, **options: Any) -> Any:
        return _made(checked, M, sym, options, kernel, *more)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"""{what}

    Args:
        M: number of points.
        sym: whether the window is symmetric; else it continues periodically.
        options: dtype, layout, device, requires_grad as in PyTorch.

    Returns:
        a 1-d tensor.

    Raises:
        ValueError: for a negative length, or a dtype other than float32 and float64.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.{name}(5)
        {shown}
    """
    return window


bartlett = _plain(
    "bartlett", "Bartlett's window: a triangle.", "tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])",
    "bartlett", k.bartlett,
)  # fmt: skip
blackman = _plain(
    "blackman", "Blackman's window: a sum of two cosines.",
    "tensor([-1.3878e-17,  3.4000e-01,  1.0000e+00,  3.4000e-01, -1.3878e-17])", "blackman",
    k.general_cosine, (0.42, 0.5, 0.08),
)  # fmt: skip
cosine = _plain(
    "cosine", "Half a period of a sine.", "tensor([0.3090, 0.8090, 1.0000, 0.8090, 0.3090])", "cosine",
    k.cosine,
)  # fmt: skip
hamming = _plain(
    "hamming", "Hamming's window: a raised cosine on a pedestal.",
    "tensor([0.0800, 0.5400, 1.0000, 0.5400, 0.0800])", "general_cosine", k.general_cosine, (0.54, 0.46),
)  # fmt: skip
hann = _plain(
    "hann", "Hann's window: a raised cosine.", "tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])",
    "general_cosine", k.general_cosine, (0.5, 0.5),
)  # fmt: skip
nuttall = _plain(
    "nuttall", "Nuttall's window: a sum of three cosines.",
    "tensor([3.6280e-04, 2.2698e-01, 1.0000e+00, 2.2698e-01, 3.6280e-04])", "general_cosine",
    k.general_cosine, _NUTTALL,
)  # fmt: skip


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Any:
    """A sum of cosines with alternating signs.

    Args:
        M, sym, options: as for `hann`.
        a: their coefficients, that of the constant first.

    Returns:
        a 1-d tensor.

    Raises:
        TypeError, ValueError: for coefficients that are no list or empty; and as for `hann`.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
        tensor([0., 1., 0.])
    """
    if isinstance(M, int) and M >= 0:
        if not isinstance(a, Iterable):
            raise TypeError("Coefficients must be a list/tuple")
        if not a:
            raise ValueError("Coefficients cannot be empty")
    return _made("general_cosine", M, sym, options, k.general_cosine, tuple(a))


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Any:
    """A raised cosine on a pedestal.

    Args:
        M, sym, options: as for `hann`.
        alpha: height of the middle of the cosine; its amplitude is what is missing to 1.

    Returns:
        a 1-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.general_hamming(3, alpha=0.5)
        tensor([0., 1., 0.])
    """
    return _made("general_cosine", M, sym, options, k.general_cosine, (alpha, 1.0 - alpha))


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Any:
    """A bell.

    Args:
        M, sym, options: as for `hann`.
        std: its standard deviation, in points.

    Returns:
        a 1-d tensor.

    Raises:
        ValueError: if `std` is not positive; and as for `hann`.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.gaussian(3)
        tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0 <= M:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _made("gaussian", M, sym, options, k.gaussian, std)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Any:
    """A double-sided decay.

    Args:
        M, sym, options: as for `hann`.
        center: place of the maximum, of a window that is not symmetric; the middle by default.
        tau: the decay's length, in points.

    Returns:
        a 1-d tensor.

    Raises:
        ValueError: if `tau` is not positive, or a symmetric window is given a center; and as for `hann`.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.exponential(3)
        tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0 <= M:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None and M >= 0:
        raise ValueError("Center must be None for symmetric windows")
    return _made("exponential", M, sym, options, k.exponential, center, tau)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Any:
    """Kaiser's window.

    Args:
        M, sym, options: as for `hann`.
        beta: shape: the larger, the narrower.

    Returns:
        a 1-d tensor.

    Raises:
        ValueError: if `beta` is negative; and as for `hann`.

    Example:
        >>> import cotangent as torch
        >>> torch.signal.windows.kaiser(3, beta=3.0)
        tensor([0.2049, 1.0000, 0.2049])
    """
    if beta < 0 <= M:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _made("kaiser", M, sym, options, k.kaiser, beta)


__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming",
    "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip
