"""Short-time Fourier transforms and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import warn_once
from .complex import view_as_real
from .fourier import fft, ifft, irfft, rfft
from .gather import index_add
from .padding import pad
from .table import constant, is_array

_NO_WINDOW: Final = "A window was not provided. A rectangular window will be applied,"
_SUPPRESS: Final = (
    "To suppress this warning and use a rectangular window, explicitly set `window=torch.ones(n_fft, "
    "device=<device>)`."
)


def _flag(value: Any) -> str:
    return "None" if value is None else str(int(value))


def _window_text(window: Any) -> str:
    if window is None:
        return "None"
    return f"torch.{window.dtype.type_name}{{{list(window.shape)}}}"


def _filled(window: Any, n_fft: int, win_length: int) -> Any:
    """The window with zeros around it, as long as a frame."""
    if win_length == n_fft:
        return window
    left = (n_fft - win_length) // 2
    return pad(window, (left, n_fft - win_length - left))


def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """Fourier transforms of overlapping windows of a signal.

    Args:
        input: (n,) or (batch, n), real or complex.
        n_fft: length of a frame.
        hop_length: from one frame to the next; a quarter of `n_fft` by default.
        win_length: length of the window; `n_fft` by default.
        window: (win_length,); ones by default.
        center: pad the signal so that a frame's middle is at its place.
        pad_mode: how; see `torch.nn.functional.pad`.
        normalized: divide by the root of `n_fft`.
        onesided: leave out the mirrored half; by default for real input.
        return_complex: complex result, or pairs of real numbers. To be given for real input.
        align_to_window: without `center`, put frames in the places they have with a window of full length.

    Returns:
        (batch, frequencies, frames), and 2 more if not complex.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).abs()[0, :3]
        tensor([4., 4., 4.])
    """
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if window is None:
        warn_once(
            f"{_NO_WINDOW}which is known to cause spectral leakage. Other windows such as torch.hann_window "
            f"or "
            f"torch.hamming_window are recommended to reduce spectral leakage.{_SUPPRESS}",
            3,
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if center and input.ndim <= 2 and input.dtype.category >= dtypes.FLOATING:
        side = n_fft // 2
        shaped = input.reshape([1] * (3 - input.ndim) + list(input.shape))
        input = pad(shaped, (side, side), pad_mode).reshape([*input.shape[:-1], -1])
    elif center:
        input = input.new_zeros((*input.shape[:-1], input.shape[-1] + 2 * (n_fft // 2)))

    def text() -> str:
        return (
            f"stft(torch.{input.dtype.type_name}{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
            f"win_length={width}, window={_window_text(window)}, normalized={_flag(normalized)}, "
            f"onesided={_flag(onesided)}, return_complex={_flag(return_complex)}, "
            f"align_to_window={_flag(align_to_window)}) "
        )

    complex_input = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not complex_input:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further "
                "require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    elif not return_complex:
        warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will return "
            "complex tensors for all inputs, and return_complex=False will raise an error.\nNote: you can "
            "still call torch.view_as_real on the complex output to recover the old return format.",
            3,
        )
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{text()}: expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"{text()}: expected a 1D or 2D tensor")
    batched = input.ndim == 2
    x = input if batched else input.unsqueeze(0)
    if not center and align_to_window and width < n_fft:
        x = pad(x, ((n_fft - width) // 2,) * 2)
    length = x.shape[-1]
    if not 0 < n_fft <= length:
        raise RuntimeError(f"{text()}: expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{text()}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{text()}: expected 0 < win_length <= n_fft, but got win_length={width}")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(
            f"{text()}: expected a 1D window tensor of size equal to win_length={width}, but got window with "
            f"size {list(window.shape)}"
        )
    if onesided and complex_input:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frames = x.unfold(-1, n_fft, hop)
    if window is not None or width < n_fft:
        shape = window if window is not None else constant(np.ones(width, x.dtype.np))
        frames = frames * _filled(shape, n_fft, width)
    half = not complex_input if onesided is None else onesided
    found = (rfft if half else fft)(frames, norm="ortho" if normalized else None).transpose(1, 2)
    found = found if batched else found.squeeze(0)
    return found if return_complex else view_as_real(found)


def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal of a short-time Fourier transform: windowed frames added up, divided by the windows'
    squares.

    Args:
        input: (frequencies, frames) or (batch, frequencies, frames), complex.
        n_fft, hop_length, win_length, window, center, normalized, onesided: as they were for `stft`.
        length: of the signal; the rest is cut off or filled with zeros.
        return_complex: whether the signal is complex.

    Returns:
        (n,) or (batch, n).

    Raises:
        RuntimeError: if sizes do not fit, or the windows leave gaps.

    Source: D. W. Griffin and J. S. Lim, Signal estimation from modified short-time Fourier transform, 1984.

    Example:
        >>> import cotangent as torch
        >>> window = torch.hann_window(4)
        >>> spectrum = torch.stft(torch.arange(8.0), 4, window=window, return_complex=True)
        >>> torch.istft(spectrum, 4, window=window)
        tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if window is None:
        warn_once(
            "A window was not provided. A rectangular window will be applied.Please provide the same window "
            f"used by stft to make the inversion lossless.{_SUPPRESS}",
            3,
        )
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )

    def text() -> str:
        kind = "CPU" + input.dtype.type_name.replace("Tensor", "Type")
        return (
            f"istft({kind}{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width}, "
            f"window={_window_text(window)}, center={_flag(center)}, normalized={_flag(normalized)}, "
            f"onesided={_flag(onesided)}, length={'None' if length is None else length}, "
            f"return_complex={_flag(return_complex)}) "
        )

    if not input.numel():
        raise RuntimeError(f"{text()}: input tensor cannot be empty.")
    batched = input.ndim == 3
    x = input if batched else input.unsqueeze(0)
    half = x.shape[-2] != n_fft if onesided is None else onesided
    if half and n_fft // 2 + 1 != x.shape[-2]:
        raise RuntimeError(
            f"{text()}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft / "
            f"2 + 1 when onesided=True, but got {x.shape[-2]}"
        )
    if not half and n_fft != x.shape[-2]:
        raise RuntimeError(
            f"{text()}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft "
            f"when onesided=False, but got {x.shape[-2]}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{text()}: expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{text()}: expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(f"{text()}: Invalid window shape. window has to be 1D and length of `win_length`")
    if return_complex and half:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    real = x.dtype.to_real()
    shape = _filled(constant(np.ones(width, real.np)) if window is None else window, n_fft, width)
    norm = "ortho" if normalized else None
    frames = x.transpose(1, 2)
    if return_complex:
        pieces = ifft(frames, norm=norm)
    else:
        pieces = irfft(frames if half else frames.narrow(-1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    signal = _added(pieces * shape, hop)
    weight = _added((shape * shape).expand([1, frames.shape[1], n_fft]), hop)
    total = signal.shape[-1]
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    signal, weight = (t.narrow(1, start, min(end, total) - start) for t in (signal, weight))
    if is_array(weight._data) and weight.numel() and np.abs(weight._data).min() <= 1e-11:
        raise RuntimeError(f"{text()}window overlap add min: 1\n[ CPUBoolType{{}} ]")
    signal = signal / weight
    if end > total:
        warn_once(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros "
            "in the tail. Please check your center and hop_length settings.",
            3,
        )
        signal = pad(signal, (0, end - total))
    return signal if batched else signal.squeeze(0)


def _added(frames: Any, hop: int) -> Any:
    """(batch, frames, n) frames, one every `hop` places, added up to (batch, length)."""
    batch, count, n = frames.shape
    places = (np.arange(count) * hop)[:, None] + np.arange(n)
    zeros = frames.new_zeros((batch, n + hop * (count - 1)))
    return index_add(zeros, 1, constant(places.reshape(-1)), frames.reshape(batch, count * n))
