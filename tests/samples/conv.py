"""Convolutions and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .case import COMPLEX, FLOATS, REAL, Const, Make, OpCase, S, Sample, V

F = "nn.functional."
LOOSE = {
    "float16": (2e-2, 2e-2), "bfloat16": (6e-2, 1e-1), "float32": (2e-5, 1e-5), "complex64": (3e-5, 3e-5)
}  # fmt: skip
CONV = (*FLOATS, *COMPLEX, "int64")


def _conv1d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 5), make(2, 2, 3), make(2))
    yield S(make(2, 5), make(2, 1, 2), make(2), stride=2, padding=1, groups=2)
    yield S(make(2, 1, 6), make(2, 1, 2), None, 1, "same", 2)
    yield S(make(1, 2, 4), make(3, 2, 1), make(3), 2)
    yield V(make(0, 2, 5), make(2, 2, 3))
    yield V(make(3, 4, 40), make(6, 2, 5), make(6), 1, 2, 1, 2)


def _conv2d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 3, 3), make(2, 2, 2, 2), make(2))
    yield S(make(2, 4, 3), make(2, 1, 2, 2), make(2), (2, 1), (1, 0), 1, 2)
    yield S(make(1, 1, 4, 4), make(2, 1, 2, 2), None, 1, 1, (2, 1))
    yield S(make(1, 3, 2, 2), make(2, 3, 1, 1), make(2))
    yield S(make(1, 1, 4, 3, layout="t"), make(1, 1, 3, 2), padding="same")
    yield V(make(2, 4, 9, 9), make(4, 1, 3, 3), make(4), padding=1, groups=4)
    yield V(make(5, 3, 12, 10), make(8, 3, 3, 3), make(8), padding=1)
    yield V(make(2, 2, 4, 4), make(1, 2, 4, 4), padding="valid")


def _conv3d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 1, 2, 3, 3), make(1, 1, 2, 2, 2), make(1))
    yield S(make(2, 2, 2, 2), make(2, 1, 1, 2, 2), make(2), padding=(0, 1, 0), groups=2, stride=(1, 2, 1))
    yield V(make(2, 2, 5, 4, 6), make(3, 2, 2, 3, 2), make(3), 2, 1, 1)


def _transpose1d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 4), make(2, 2, 3), make(2))
    yield S(make(2, 3), make(2, 1, 2), make(2), 2, 1, 1, 2)
    yield S(make(1, 1, 4), make(1, 2, 2), None, 2, 0, 0, 1, 3)
    yield V(make(1, 1, 4), make(1, 2, 2), None, 2, 0, 2, 1, 3)


def _transpose2d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 2, 3), make(2, 2, 2, 2), make(2))
    yield S(make(2, 2, 2), make(2, 1, 2, 2), make(2), (2, 1), (1, 0), (1, 0), 2)
    yield S(make(1, 2, 2, 2), make(2, 3, 1, 1), make(3), 2)
    yield V(make(2, 4, 6, 5), make(4, 2, 3, 3), make(4), 2, 1, 1, 2)


def _transpose3d(make: Make) -> Iterator[Sample]:
    yield S(make(1, 1, 2, 2, 2), make(1, 1, 2, 2, 2), make(1), stride=(1, 2, 1))
    yield V(make(2, 2, 3, 2, 3), make(2, 3, 2, 3, 2), make(3), 2, 1, 1)


def _tbc(make: Make) -> Iterator[Sample]:
    yield S(make(4, 2, 2), make(2, 2, 3), make(3), 1)
    yield V(make(5, 1, 2), make(3, 2, 1), make(1))


def _convolution(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 3, 3), make(2, 2, 2, 2), make(2), (1, 1), (1, 0), (1, 1), False, (0, 0), 1)
    yield S(make(1, 2, 4), make(2, 2, 2), make(2), (2,), (1,), (1,), True, (1,), 1)


def _distinct(make: Make, *shape: int) -> Any:
    return make(*shape, distinct=True, low=-9, high=9)


def _max_pool(spatial: int) -> Any:
    sizes = (5, 4, 3)[:spatial]

    def samples(make: Make) -> Iterator[Sample]:
        n = (2,) if spatial < 3 else (1,)
        yield S(_distinct(make, *n, *sizes), 2)
        yield S(_distinct(make, 1, *n[1:], 1, *sizes[::-1]), 2, 1, 1)
        yield S(_distinct(make, *n, *sizes), 2, 2, 0, 1, True)
        yield V(_distinct(make, 3, *(9, 8, 7)[:spatial]), 3, 2, 1, 2 if spatial > 1 else 1)
        if make.floating:
            yield V(make.given(*range(11), np.nan).reshape(1, *(1,) * (spatial - 1), 12), 1)

    return samples


def _max_indices(make: Make) -> Iterator[Sample]:
    yield S(_distinct(make, 1, 2, 4, 4), 2, return_indices=True)
    yield S(_distinct(make, 1, 5, 4), (3, 2), (2, 1), (1, 0), return_indices=True)


def _avg_pool(spatial: int, override: bool) -> Any:
    sizes = (5, 4, 3)[:spatial]

    def samples(make: Make) -> Iterator[Sample]:
        n = (2,) if spatial < 3 else (1,)
        yield S(make(*n, *sizes), 2)
        yield S(make(1, *n, *sizes) if spatial < 3 else make(1, 1, 2, 3, 4), 2, 1, 1, False, False)
        yield S(make(*n, *sizes), 2, 2, 1, True)
        if override:
            yield S(make(*n, *sizes), 2, divisor_override=3)
        yield V(make(2, 3, *(9, 8, 7)[:spatial]), 3, 2, 1)

    return samples


def _lp_pool(spatial: int) -> Any:
    def samples(make: Make) -> Iterator[Sample]:
        yield S(make(2, *(5, 4, 2)[:spatial], low=0.2), 3, 2)
        yield S(make(1, 1, *(5, 4, 2)[:spatial], low=0.2), 2.0, 2, 1, True)

    return samples


def _adaptive(spatial: int, distinct: bool) -> Any:
    sizes = (5, 4, 2)[:spatial]

    def samples(make: Make) -> Iterator[Sample]:
        one = _distinct if distinct else Make.__call__
        yield S(one(make, 1, *sizes), (3, 2, 1)[:spatial] if spatial > 1 else 3)
        yield S(one(make, 1, 1, *sizes), 2)
        yield S(one(make, 1, *sizes), 1)
        if spatial > 1:
            yield V(one(make, 2, 3, *sizes), (None, 3, 2)[:spatial])

    return samples


def _adaptive_indices(make: Make) -> Iterator[Sample]:
    yield S(_distinct(make, 1, 5, 4), (2, 3))
    yield S(_distinct(make, 1, 1, 4, 4), 2)


def _fractional(spatial: int) -> Any:
    def samples(make: Make) -> Iterator[Sample]:
        places = Const(make(1, 1, spatial, low=0, high=0.99))
        shape, wanted = ((1, 1, 5, 5), 2) if spatial == 2 else ((1, 1, 3, 3, 4), 1)
        yield S(_distinct(make, *shape), 2, wanted, None, True, places)
        yield V(_distinct(make, *(1, 5, 6, 7)[: spatial + 1]), 2, None, (0.5,) * spatial, False, places)

    return samples


def _unpool(spatial: int) -> Any:
    def samples(make: Make) -> Iterator[Sample]:
        shape = (1, *(1, 1, 1)[: spatial - 1], 3)
        index = np.array([1, 2, 5], np.int64).reshape(shape)
        yield S(make(*shape), index, 2)
        yield S(make(1, *shape), index.reshape(1, *shape), (*(1,) * (spatial - 1), 2), 3, 0)

    return samples


CASES = [
    OpCase(F + "conv1d", _conv1d, CONV, tolerance=LOOSE, aliases=("conv1d",), grad_dtypes=REAL),
    OpCase(F + "conv2d", _conv2d, CONV, tolerance=LOOSE, aliases=("conv2d",), grad_dtypes=REAL),
    OpCase("conv2d complex", _conv2d, COMPLEX, lambda xp, *a, **k: xp.nn.functional.conv2d(*a, **k),
           grad_fn=False, tolerance=LOOSE),
    OpCase("conv_transpose2d complex", _transpose2d, COMPLEX,
           lambda xp, *a, **k: xp.nn.functional.conv_transpose2d(*a, **k), grad_fn=False, tolerance=LOOSE),
    OpCase(F + "conv3d", _conv3d, CONV, tolerance=LOOSE, aliases=("conv3d",), grad_dtypes=REAL),
    OpCase(F + "conv_transpose1d", _transpose1d, CONV, tolerance=LOOSE, grad_dtypes=REAL),
    OpCase(F + "conv_transpose2d", _transpose2d, CONV, tolerance=LOOSE, grad_dtypes=REAL),
    OpCase(F + "conv_transpose3d", _transpose3d, CONV, tolerance=LOOSE, grad_dtypes=REAL),
    OpCase("conv_tbc", _tbc, REAL, tolerance=LOOSE, grad_fn=False, aliases=(F + "conv_tbc",)),
    OpCase("convolution", _convolution, REAL, tolerance=LOOSE),
    OpCase(F + "max_pool1d", _max_pool(1), FLOATS),
    OpCase(F + "max_pool2d", _max_pool(2), (*FLOATS, "int32", "uint8")),
    OpCase(F + "max_pool3d", _max_pool(3), (*FLOATS, "int64")),
    OpCase("max_pool2d with indices", _max_indices, FLOATS,
           lambda xp, *a, **k: xp.nn.functional.max_pool2d(*a, **k)),
    OpCase(F + "avg_pool1d", _avg_pool(1, False), (*FLOATS, "int64")),
    OpCase(F + "avg_pool2d", _avg_pool(2, True), (*FLOATS, "int64")),
    OpCase(F + "avg_pool3d", _avg_pool(3, True), (*REAL, "int64")),
    OpCase(F + "lp_pool1d", _lp_pool(1), REAL),
    OpCase(F + "lp_pool2d", _lp_pool(2), REAL),
    OpCase(F + "lp_pool3d", _lp_pool(3), REAL),
    OpCase(F + "adaptive_avg_pool1d", _adaptive(1, False), FLOATS),
    OpCase(F + "adaptive_avg_pool2d", _adaptive(2, False), FLOATS),
    OpCase(F + "adaptive_avg_pool3d", _adaptive(3, False), FLOATS),
    OpCase(F + "adaptive_max_pool1d", _adaptive(1, True), FLOATS),
    OpCase(F + "adaptive_max_pool2d", _adaptive(2, True), FLOATS),
    OpCase(F + "adaptive_max_pool3d", _adaptive(3, True), FLOATS),
    OpCase("adaptive_max_pool2d with indices", _adaptive_indices, FLOATS,
           lambda xp, *a: xp.nn.functional.adaptive_max_pool2d(*a, True)),
    OpCase(F + "fractional_max_pool2d", _fractional(2), FLOATS),
    OpCase(F + "fractional_max_pool3d", _fractional(3), FLOATS),
    OpCase(F + "max_unpool1d", _unpool(1), FLOATS, vmap=False, trace=False),
    OpCase(F + "max_unpool2d", _unpool(2), FLOATS, vmap=False, trace=False),
    OpCase(F + "max_unpool3d", _unpool(3), FLOATS, vmap=False, trace=False),
]  # fmt: skip
