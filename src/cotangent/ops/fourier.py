"""Discrete Fourier transforms.

A transform is linear: its pullback is its adjoint, the opposite transform under the opposite
normalisation. The halved transforms of real input count mirrored frequencies twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import settings
from ..errors import bad_argument, check_dim, check_dims
from ..kernels import fourier as k
from .complex import real_part
from .copies import cast
from .shape import roll
from .table import constant, is_tensor, linear

_ADJOINT: Final = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

transform: Any = linear(
    "fft_transform(input | dims, norm, inverse)",
    k.transform,
    node="FftC2CBackward0",
    public="fft",
    batch="axes",
    input=lambda g, dims, norm, inverse: transform(g, dims, _ADJOINT[norm], not inverse),
)
resized: Any = linear(
    "fft_resized(input | dims, sizes)",
    k.resize,
    node="ConstantPadNdBackward0",
    public="constant_pad_nd",
    input=lambda g, input_shape, dims: resized(g, dims, tuple(input_shape[d] for d in dims)),
)
half = linear(
    "fft_half(input | dims, norm)",
    k.half,
    node="FftR2CBackward0",
    public="rfft",
    batch="axes",
    input=lambda g, input_shape, dims, norm: real_part(
        transform(resized(g, dims[-1:], (input_shape[dims[-1]],)), dims, _ADJOINT[norm], True)
    ),
)
from_half = linear(
    "fft_from_half(input | dims, last, norm)",
    k.from_half,
    node="FftC2RBackward0",
    public="irfft",
    input=lambda g, dims, last, norm: mirrored_twice(half(g, dims, _ADJOINT[norm]), dims[-1], last),
)


def _weigh(a: Any, dim: int, last: int) -> Any:
    out = a * 2
    edges = [0] + ([last // 2] if last % 2 == 0 else [])
    for i in edges:
        key = (slice(None),) * dim + (i,)
        out[key] = a[key]
    return out


mirrored_twice: Any = linear(
    "fft_mirrored_twice(input | dim, last)",
    _weigh,
    node="MulBackward0",
    public="mul",
    input=lambda g, dim, last: mirrored_twice(g, dim, last),
)


def _complex(input: Any) -> Any:
    d = input.dtype if input.dtype.category >= dtypes.FLOATING else settings.default_dtype
    return cast(input, d.to_complex().np) if not input.dtype.is_complex else input


def _real(function: str, input: Any) -> Any:
    if input.dtype.is_complex:
        raise RuntimeError(
            f"{function} expects a floating point input tensor, but got {dtypes.SCALAR_NAME[input.dtype]}"
        )
    return input if input.dtype.category == dtypes.FLOATING else cast(input, settings.default_dtype.np)


def _plan(
    function: str, input: Any, s: Any, dim: Any, norm: Any
) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """(dims, sizes, norm) of a transform."""
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if dim is None:
        count = input.ndim if s is None else len(s)
        dims = tuple(range(input.ndim - count, input.ndim))
    else:
        dims = check_dims(dim, input.ndim)
    sizes = tuple(input.shape[d] for d in dims)
    if s is not None:
        sizes = tuple(n if n != -1 else old for n, old in zip(s, sizes, strict=True))
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return dims, sizes, norm or "backward"


def _fit(x: Any, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    return x if tuple(x.shape[d] for d in dims) == sizes else resized(x, dims, sizes)


def _c2c(function: str, input: Any, s: Any, dim: Any, norm: Any, inverse: bool) -> Any:
    dims, sizes, mode = _plan(function, input, s, dim, norm)
    if not dims:
        return _complex(input)
    return transform(_fit(_complex(input), dims, sizes), dims, mode, inverse)


def _r2c(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    dims, sizes, mode = _plan(function, input, s, dim, norm)
    return half(_fit(_real(function, input), dims, sizes), dims, mode)


def _c2r(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    dims, sizes, mode = _plan(function, input, None, dim, norm)
    last = s[-1] if s is not None and s[-1] is not None else 2 * (sizes[-1] - 1)
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    wanted = (*(s[:-1] if s is not None else sizes[:-1]), last // 2 + 1)
    return from_half(_fit(_complex(input), dims, tuple(wanted)), dims, last, mode)


def _one(name: str, run: Callable[..., Any], what: str) -> Callable[..., Any]:
    def function(
        input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
    ) -> Any:
        check_dim(dim, input.ndim)
        return run("fft_" + name, input, None if n is None else (n,), (dim,), norm)

    return _named(function, name, what)


def _many(name: str, run: Callable[..., Any], default: Any, what: str) -> Callable[..., Any]:
    def function(
        input: Any, s: Any = None, dim: Any = default, norm: str | None = None, *, out: Any = None
    ) -> Any:
        return run("fft_" + name, input, s, dim, norm)

    return _named(function, name, what)


def _named(function: Callable[..., Any], name: str, what: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what}

    Args:
        input: any shape.
        n, s: size or sizes to cut or fill up to before the transform; those of `input` if None.
        dim: dimension or dimensions to transform.
        norm: "backward" (the default: the inverse divides by n), "forward" or "ortho".

    Returns:
        the transform.

    Raises:
        RuntimeError: for a bad size or norm; IndexError for a dimension out of range.
    """
    return function


def _forward(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    return _c2c(function, input, s, dim, norm, False)


def _inverse(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    return _c2c(function, input, s, dim, norm, True)


fft = _one("fft", _forward, "Discrete Fourier transform along one dimension.")
ifft = _one("ifft", _inverse, "Inverse discrete Fourier transform along one dimension.")
fft2 = _many("fft2", _forward, (-2, -1), "Discrete Fourier transform along two dimensions.")
ifft2 = _many("ifft2", _inverse, (-2, -1), "Inverse discrete Fourier transform along two dimensions.")
fftn = _many("fftn", _forward, None, "Discrete Fourier transform along several dimensions.")
ifftn = _many("ifftn", _inverse, None, "Inverse discrete Fourier transform along several dimensions.")
rfft = _one("rfft", _r2c, "Fourier transform of real input, without the mirrored half.")
irfft = _one("irfft", _c2r, "Inverse of `rfft`.")
rfft2 = _many("rfft2", _r2c, (-2, -1), "Fourier transform of real input along two dimensions.")
irfft2 = _many("irfft2", _c2r, (-2, -1), "Inverse of `rfft2`.")
rfftn = _many("rfftn", _r2c, None, "Fourier transform of real input along several dimensions.")
irfftn = _many("irfftn", _c2r, None, "Inverse of `rfftn`.")


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **options: Any) -> Any:
    """The frequencies of a transform of n points spaced d apart, in the order `fft` gives them.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.fftfreq(4)
        tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return constant(np.fft.fftfreq(n, d).astype((dtype or settings.default_dtype).np))


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **options: Any) -> Any:
    """The frequencies of a halved transform of n real points spaced d apart.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.rfftfreq(4)
        tensor([0.0000, 0.2500, 0.5000])
    """
    return constant(np.fft.rfftfreq(n, d).astype((dtype or settings.default_dtype).np))


def _shift(input: Any, dim: Any, sign: int) -> Any:
    dims = tuple(range(input.ndim)) if dim is None else check_dims(dim, input.ndim)
    sizes = [input.shape[d] for d in dims]
    return roll(input, [n // 2 if sign > 0 else (n + 1) // 2 for n in sizes], dims)


def fftshift(input: Any, dim: Any = None) -> Any:
    """Move the zero frequency to the middle.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.fftshift(torch.tensor([0, 1, 2, 3]))
        tensor([2, 3, 0, 1])
    """
    return _shift(input, dim, 1)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """Undo `fftshift`.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.ifftshift(torch.tensor([2, 3, 0, 1]))
        tensor([0, 1, 2, 3])
    """
    return _shift(input, dim, -1)
