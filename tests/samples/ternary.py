"""Elementwise functions of three tensors, and choosing between values: where, clamp, lerp, addcmul."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .case import ALL, COMPLEX, FLOATS, NUMBERS, REALS, Make, OpCase, S, Sample, V


def _where(make: Make) -> Iterator[Sample]:
    yield S(make.mask(3, 4), make(3, 4), make(3, 4))
    yield S(make.mask(3, 1), make(4), make(2, 1, 1))
    yield S(make.mask(3, 2), make(3, 2), 2)
    yield S(make.mask(3, 2), 1, make(2))
    yield S(make.mask(), make(2), make())
    yield S(make.mask(4, 3).T, make(3, 4), make(3, 4, layout="t"))
    yield V(make.mask(0, 2), make(0, 2), make(2))
    yield V(make.mask(2, 3), make(2, 3), make(2, 3, dtype="float64"))
    yield V(make.mask(2, 3), make(3), make(dtype="int32"))
    if make.floating:
        e = make.extreme()
        yield V(np.isnan(e.astype("float64")), make(e.size), e)


def _clamp(make: Make) -> Iterator[Sample]:
    x = make(3, 4, low=-3, high=3, avoid=(-1.0, 1.0))
    yield S(x, -1, 1)
    yield S(x, min=-1)
    yield S(x.T, max=1)
    yield S(x[0, 0], -1, 1)
    both = make(3, 3, 4, low=-3, high=3, distinct=True)
    yield S(both[0], np.minimum(both[1], both[2]), np.maximum(both[1], both[2]))
    yield S(both[0], both[1, 0], None)
    yield S(both[0], None, both[2, :, :1])
    yield V(x, 2, -2)
    yield V(make(0), 0, 1)
    if make.floating:
        yield V(make.extreme(), -0.7, 0.7)
        yield V(make.extreme(), min=0.0)
    else:
        yield V(x, -0.5, 1.5)


def _bound(make: Make) -> Iterator[Sample]:
    x = make(3, 4, low=-3, high=3, avoid=(1.0,))
    yield S(x, 1)
    yield S(x.T, 1)
    both = make(2, 3, 4, low=-3, high=3, distinct=True)
    yield S(both[0], both[1])
    yield V(make(0, 2), 1)


def _lerp(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 4), 0.3)
    yield S(make(3, 4), make(3, 4), 0.8)
    yield S(make(3, 4), make(3, 4), make(3, 4, low=0.1, high=0.9))
    yield S(make(3, 1), make(4), make(3, 4, low=0.1, high=0.9))
    yield S(make(), make(2), make(low=0.1, high=0.9))
    yield S(make(4, 3, layout="t"), make(4, 3), 0.25)
    yield V(make(0, 2), make(2), 0.5)
    if make.complex:
        yield S(make(2, 2), make(2), 0.4 - 0.2j)


def _addcmul(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 4), make(3, 4))
    yield S(make(4), make(3, 1), make(3, 4), value=2)
    yield S(make(), make(2), make(2))
    yield S(make(4, 3, layout="t"), make(4, 3, layout="step"), make(1))
    yield V(make(0), make(0), make(1))
    if make.inexact:
        yield S(make(2, 3), make(2, 3), make(3), value=-0.5)


def _addcdiv(make: Make) -> Iterator[Sample]:
    def divisor(*shape: int, **options: Any) -> Any:
        return make(*shape, low=0.4, high=2.0, **options)

    yield S(make(3, 4), make(3, 4), divisor(3, 4))
    yield S(make(4), make(3, 1), divisor(3, 4), value=2)
    yield S(make(), make(2), divisor(2), value=-0.5)
    yield S(make(4, 3, layout="t"), make(4, 3), divisor(1))
    yield V(make(0), make(0), divisor(1))


def _fake_quantize(make: Make) -> Iterator[Sample]:
    x = make(3, 4, low=-3, high=3)
    yield S(x, 0.25, 0, -8, 7)
    yield S(x.T, 0.1, 3, 0, 15)
    yield S(make(low=-3, high=3), 0.5, -1, -2, 2)
    yield V(x, np.float32(0.25).reshape(1), np.int32(2).reshape(1), -8, 7)
    yield V(make(0, 2), 0.1, 0, 0, 1)
    yield V(make.extreme(), 0.3, 0, -8, 7)


def _fake_quantize_channels(make: Make) -> Iterator[Sample]:
    x, zeros = make(3, 4, low=-3, high=3), np.arange(4, dtype=np.int32)
    yield V(x, np.float32([0.1, 0.2, 0.5, 1.0]), zeros, 1, -8, 7)
    yield V(x, np.float32([0.1, 0.2, 0.5]), zeros[:3] - 1, 0, -3, 3)
    yield V(x, np.float32([0.1, 0.2, 0.5]), np.float32([0.0, 0.5, 1.0]), 0, 0, 15)


CASES = [
    OpCase("where", _where, ALL),
    OpCase("clamp", _clamp, REALS, inplace=True, out=True, aliases=("clip",)),
    OpCase("clamp_min", _bound, REALS, inplace=True, out=True),
    OpCase("clamp_max", _bound, REALS, inplace=True, out=True),
    OpCase("fake_quantize_per_tensor_affine", _fake_quantize, FLOATS, numeric=False),
    OpCase("fake_quantize_per_channel_affine", _fake_quantize_channels, FLOATS, numeric=False),
    OpCase("lerp", _lerp, FLOATS + COMPLEX, inplace=True, out=True),
    OpCase("addcmul", _addcmul, NUMBERS, inplace=True, out=True),
    OpCase("addcdiv", _addcdiv, FLOATS + COMPLEX, inplace=True, out=True),
]
