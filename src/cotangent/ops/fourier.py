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
from ..errors import bad_argument, check_dim, check_dims, dims_of
from ..kernels import fourier as k
from .arguments import REQUIRED, fitted, integer, missing, numpy_named
from .batching import in_front
from .blas import conj_of
from .complex import real_part
from .copies import cast
from .shape import roll
from .table import constant, deliver, is_tensor, linear

_Run = Callable[..., Any]
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
    batch=lambda op, size, tensors, where, statics: (
        op.entry(in_front(tensors[0], where[0], size), tuple(d + 1 for d in statics[0]), statics[1]), 0
    ),
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
    batch="axes",
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
    batch="axes",
    input=lambda g, dim, last: mirrored_twice(g, dim, last),
)


def _complex(input: Any) -> Any:
    if input.dtype.is_complex:
        return input
    d = input.dtype if input.dtype.category >= dtypes.FLOATING else settings.default_dtype
    return cast(input, d.to_complex().np)


def _real(function: str, input: Any) -> Any:
    if input.dtype.is_complex:
        if function in ("ihfft2", "ihfftn"):
            raise RuntimeError(
                f"Only supports floating-point dtypes, but found: {dtypes.SCALAR_NAME[input.dtype]}"
            )
        if function in ("rfft2", "rfftn"):
            raise RuntimeError(
                f"rfftn expects a real-valued input tensor, but got {dtypes.SCALAR_NAME[input.dtype]}"
            )
        raise RuntimeError(
            f"{function} expects a real input tensor, but got {dtypes.SCALAR_NAME[input.dtype]}"
        )
    return input if input.dtype.category == dtypes.FLOATING else cast(input, settings.default_dtype.np)


def _dims(dim: Any, ndim: int) -> tuple[int, ...]:
    dims = dims_of(dim)
    for d in dims:
        if not ndim:
            raise IndexError(f"Dimension specified as {d} but tensor has no dimensions")
    return tuple(check_dim(d, ndim) for d in dims)


def _plan(
    function: str, input: Any, s: Any, dim: Any, norm: Any
) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """(dims, sizes, norm) of a transform."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if input.dtype in (dtypes.float16, dtypes.bfloat16):
        raise RuntimeError(f"Unsupported dtype {dtypes.SCALAR_NAME[input.dtype]}")
    if s is not None and dim is not None and len(s) != len(dim):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    given = None if dim is None else _dims(dim, input.ndim)
    if s is not None and len(s) > input.ndim:
        raise RuntimeError(
            f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions."
        )
    if given is None:
        count = input.ndim if s is None else len(s)
        dims = tuple(range(input.ndim - count, input.ndim))
    else:
        dims = given
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    sizes = tuple(input.shape[d] for d in dims)
    if s is not None:
        sizes = tuple(old if n == -1 else n for n, old in zip(s, sizes, strict=True))
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return dims, sizes, norm or "backward"


def _fit(x: Any, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    return x if tuple(x.shape[d] for d in dims) == sizes else resized(x, dims, sizes)


def _some(function: str, dims: tuple[int, ...]) -> None:
    if not dims:
        raise RuntimeError(f"{function} must transform at least one axis")


def _c2c(inverse: bool) -> _Run:
    """Complex to complex."""

    def run(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
        dims, sizes, mode = _plan(function, input, s, dim, norm)
        x = _complex(input)
        return transform(_fit(x, dims, sizes), dims, mode, inverse) if dims else x

    return run


def _r2c(hermitian: bool) -> _Run:
    """Real to the half of complex; hermitian: of the inverse transform, which is its conjugate."""

    def run(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
        x = _real(function, input)
        dims, sizes, mode = _plan(function, x, s, dim, norm)
        _some(function, dims)
        if not hermitian:
            return half(_fit(x, dims, sizes), dims, mode)
        last = conj_of(half(_fit(x, dims, sizes), dims[-1:], _ADJOINT[mode]))
        return transform(last, dims[:-1], mode, True) if dims[:-1] else last

    return run


def _c2r(hermitian: bool) -> _Run:
    """The half of complex to real; hermitian: of the forward transform, that of the conjugate."""

    def run(function: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
        last = None if s is None or s[-1] == -1 else s[-1]
        whole = None if s is None else (*s[:-1], -1)
        if last is not None and last < 1:
            raise RuntimeError(f"Invalid number of data points ({last}) specified")
        dims, sizes, mode = _plan(function, input, whole, dim, norm)
        _some(function, dims)
        n = 2 * (sizes[-1] - 1) if last is None else last
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        x = _fit(_complex(input), dims, (*sizes[:-1], n // 2 + 1))
        return from_half(conj_of(x), dims, n, _ADJOINT[mode]) if hermitian else from_half(x, dims, n, mode)

    return run


def _store(name: str, found: Any, out: Any) -> Any:
    if out is None:
        return found
    if out.dtype.category != found.dtype.category:
        kind = "complex" if found.dtype.is_complex else "floating point"
        raise RuntimeError(
            f"{name} expects a {kind} output tensor, but got {dtypes.SCALAR_NAME[out.dtype]}"
        )
    return deliver(f"fft_{name}", found, out)


def _one(name: str, run: _Run, what: str) -> Callable[..., Any]:
    public = f"fft_{name}"

    def function(
        input: Any = REQUIRED, n: Any = None, dim: int = -1, norm: str | None = None, *, out: Any = None
    ) -> Any:
        _check_tensor(public, input)
        size = None if n is None else (integer(public, "n", 2, n),)
        return _store(name, run(name, input, size, (dim,), norm), out)

    return numpy_named(_named(function, name, what))


def _many(name: str, run: _Run, default: Any, what: str) -> Callable[..., Any]:
    public = f"fft_{name}"

    def function(
        input: Any = REQUIRED, s: Any = None, dim: Any = default, norm: str | None = None, *, out: Any = None
    ) -> Any:
        _check_tensor(public, input)
        sizes = (s,) if isinstance(s, int) else s
        return _store(name, run(name, input, sizes, None if dim is None else dims_of(dim), norm), out)

    return _named(function, name, what)


def _check_tensor(function: str, input: Any) -> None:
    if input is REQUIRED:
        missing(function, "input")
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)


def _named(function: Callable[..., Any], name: str, what: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what}

    Args:
        input: any shape.
        n, s: size or sizes to cut or fill up to before the transform; those of `input` if None.
        dim: dimension or dimensions to transform.
        norm: "backward" (the default: the inverse divides by n), "forward" or "ortho".
        out: tensor to store the result in.

    Returns:
        the transform.

    Raises:
        RuntimeError: for a bad size or norm; IndexError for a dimension out of range.
    """
    return function


_LAST_TWO: Final = (-2, -1)
fft = _one("fft", _c2c(False), "Discrete Fourier transform along one dimension.")
ifft = _one("ifft", _c2c(True), "Inverse discrete Fourier transform along one dimension.")
fft2 = _many("fft2", _c2c(False), _LAST_TWO, "Discrete Fourier transform along two dimensions.")
ifft2 = _many("ifft2", _c2c(True), _LAST_TWO, "Inverse discrete Fourier transform along two dimensions.")
fftn = _many("fftn", _c2c(False), None, "Discrete Fourier transform along several dimensions.")
ifftn = _many("ifftn", _c2c(True), None, "Inverse discrete Fourier transform along several dimensions.")
rfft = _one("rfft", _r2c(False), "Fourier transform of real input, without the mirrored half.")
irfft = _one("irfft", _c2r(False), "Inverse of `rfft`.")
rfft2 = _many("rfft2", _r2c(False), _LAST_TWO, "Fourier transform of real input along two dimensions.")
irfft2 = _many("irfft2", _c2r(False), _LAST_TWO, "Inverse of `rfft2`.")
rfftn = _many("rfftn", _r2c(False), None, "Fourier transform of real input along several dimensions.")
irfftn = _many("irfftn", _c2r(False), None, "Inverse of `rfftn`.")
hfft = _one("hfft", _c2r(True), "Fourier transform of half of a signal that is symmetric up to conjugation.")
ihfft = _one("ihfft", _r2c(True), "Inverse of `hfft`.")
hfft2 = _many("hfft2", _c2r(True), _LAST_TWO, "`hfft` along the last, `fft` along the other dimension.")
ihfft2 = _many("ihfft2", _r2c(True), _LAST_TWO, "Inverse of `hfft2`.")
hfftn = _many("hfftn", _c2r(True), None, "`hfft` along the last, `fft` along the other dimensions given.")
ihfftn = _many("ihfftn", _r2c(True), None, "Inverse of `hfftn`.")


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **options: Any) -> Any:
    """The frequencies of a transform of n points spaced d apart, in the order `fft` gives them.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.fftfreq(4)
        tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies("fftfreq", np.fft.fftfreq, n, d, dtype, options)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **options: Any) -> Any:
    """The frequencies of a halved transform of n real points spaced d apart.

    Example:
        >>> import cotangent as torch
        >>> torch.fft.rfftfreq(4)
        tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies("rfftfreq", np.fft.rfftfreq, n, d, dtype, options)


def _frequencies(function: str, frequencies: Any, n: int, d: float, dtype: Any, options: Any) -> Any:
    wanted = dtype or (settings.default_dtype if options.get("out") is None else options["out"].dtype)
    if wanted.category < dtypes.FLOATING:
        raise RuntimeError(f"{function} requires a floating point or complex dtype")
    found = constant(_spaced(frequencies, n, d).astype(wanted.np))
    out = options.get("out")
    if out is not None:
        found = fitted(found, out)
    found = deliver(f"fft_{function}", found, out)
    return found.requires_grad_() if options.get("requires_grad") else found


def _spaced(frequencies: Any, n: int, d: float) -> Any:
    """NumPy's frequencies, for no points and no distance as well."""
    if n == 0:
        return np.zeros(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return frequencies(n, 1.0) / np.float64(d)


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
