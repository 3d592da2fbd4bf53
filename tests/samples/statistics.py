"""Statistics by rank and by bin, integrals, reductions at places, transforms of signals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import COMPLEX, FLOATS, INTS, NUMBERS, REAL, REALS, Const, Make, OpCase, S, Sample, Samples, V

WIDE = {"float16": (4e-3, 2e-3), "bfloat16": (3e-2, 2e-2), "float32": (2e-5, 1e-5), "complex64": (2e-5, 2e-5)}


def _trapezoid(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"), dx=0.5)
    yield S(make(3, 4), make(4))
    yield S(make(3, 4), make(3, 4), dim=0)
    yield V(make(1))


def _gradient(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"), spacing=2.0, dim=1)
    yield S(make(4, 5), edge_order=2)
    yield S(make(5), spacing=(Const(np.array([0.0, 1.0, 1.5, 3.5, 4.0])),))


def _quantile(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0.3)
    yield S(make(4, 3, layout="t"), 0.75, 1)
    yield S(make(3, 4), 0.5, 0, keepdim=True, interpolation="midpoint")
    yield S(make(2, 3), 0.4, 1, interpolation="lower")
    yield S(make(2, 3), 0.4, 1, interpolation="higher")
    yield V(make(2, 3), 0.4, 1, interpolation="nearest")
    yield V(make.given(1, float("nan"), 3), 0.5)


def _nanmedian(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"), 1)
    yield S(make(3, 5), 0, keepdim=True)
    if make.floating:
        yield V(make.given(1, float("nan"), 3, float("inf")))


def _mode(make: Make) -> Iterator[Sample]:
    yield V(make.given(3, 1, 3, 2, 1, 3))
    yield S(make(2, 3))
    yield V(make(2, 3), 0, True)


def _histc(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4), bins=4, min=-2, max=2)
    yield V(make(3, 4))
    yield V(make(0), bins=3)
    yield V(make.given(1, 1, 1), bins=2)


def _index_reduce(reduce: str) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        index = np.array([0, 2, 0, 1])
        yield S(make(3, 4), 0, index, make(4, 4), reduce)
        yield S(make(4, 3, layout="t"), 1, index, make(4, 4), reduce)
        yield S(make(3), 0, index, make(4), reduce, include_self=False)
        yield V(make(3), 0, np.array([], np.int64), make(0), reduce)

    return samples


def _segments(make: Make) -> Iterator[Sample]:
    for reduce in ("sum", "mean", "max", "min", "prod"):
        yield S(make(5, 2), reduce, lengths=np.array([2, 3]))
    yield S(make(5), "sum", lengths=np.array([2, 0, 3]), initial=1.0)
    yield S(make(2, 4), "mean", lengths=np.array([[1, 3], [2, 2]]), axis=1)


def _isin(make: Make) -> Iterator[Sample]:
    yield V(make.given(1, 2, 3, 4), make.given(2, 4, 7))
    yield V(make(2, 3, layout="t"), make(2), invert=True)
    yield V(make(0), make(2))


def _vander(make: Make) -> Iterator[Sample]:
    yield S(make(3))
    yield S(make(3, layout="step"), 4, increasing=True)
    yield V(make(2), 0)
    yield V(make(2), 1)


def _transformed(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"), 5, 0)
    yield S(make(3, 4), 3, norm="ortho")
    yield S(make(2, 1, 3, layout="step"), norm="forward")


def _stft(make: Make) -> Iterator[Sample]:
    window = Const(np.hanning(4).astype("float64" if make.dtype in ("float64", "complex128") else "float32"))
    yield S(make(12), 4, window=window, return_complex=True)
    yield S(make(2, 12), 4, 2, window=window, center=False, return_complex=True)
    yield S(make(12), 4, window=window, normalized=True, onesided=False, return_complex=True)


CASES = [
    OpCase("trapezoid", _trapezoid, NUMBERS, grad_fn=False, tolerance=WIDE),
    OpCase("cumulative_trapezoid", _trapezoid, NUMBERS, grad_fn=False, tolerance=WIDE),
    OpCase("gradient", _gradient, REAL + COMPLEX, grad_fn=False),
    OpCase("quantile", _quantile, REAL, grad_fn=False),
    OpCase("nanquantile", _quantile, REAL, grad_fn=False),
    OpCase("nanmedian", _nanmedian, REALS, vmap=False, grad_fn=False),
    OpCase("mode", _mode, REALS, grad_fn=False),
    OpCase("histc", _histc, FLOATS, grad=False, vmap=False, trace=False),
    OpCase(
        "index_reduce", _index_reduce("mean"), REALS, inplace=True, out=True, grad_fn=False, tolerance=WIDE
    ),
    *(
        OpCase(
            f"index_reduce {reduce}", _index_reduce(reduce), FLOATS, tolerance=WIDE,
            call=lambda xp, *args, **kwargs: xp.index_reduce(*args, **kwargs),
        )
        for reduce in ("prod", "amax", "amin")
    ),
    OpCase("segment_reduce", _segments, FLOATS, grad_fn=False, tolerance=WIDE, vmap=False, trace=False),
    OpCase("isin", _isin, FLOATS + INTS, grad=False),
    # PyTorch cannot go back through its own in-place writes there.
    OpCase("vander", _vander, NUMBERS, grad=False, tolerance=WIDE),
    *(
        OpCase(f"fft.{name}", _transformed, REAL + COMPLEX, out=True, grad_fn=False, tolerance=WIDE)
        for name in ("fft", "ifft", "irfft", "hfft")
    ),
    *(
        OpCase(f"fft.{name}", _transformed, REAL, out=True, grad_fn=False, tolerance=WIDE)
        for name in ("rfft", "ihfft")
    ),
    OpCase("stft", _stft, REAL, grad_fn=False, tolerance=WIDE),
]  # fmt: skip
