"""Running sums and products, and sorting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import BOOL, FLOATS, NUMBERS, REALS, Dtype, Make, OpCase, S, Sample, Samples, V


def running(low: float = -2.0, high: float = 2.0, zeros: bool = False, dtype: bool = True) -> Samples:
    """Samples of a scan along one axis; with `zeros`, some where an element is zero."""

    def samples(make: Make) -> Iterator[Sample]:
        def one(*shape: int, layout: str = "plain") -> Any:
            return make(*shape, low=low, high=high, layout=layout)

        yield S(one(3, 4), 1)
        yield S(one(4, 3, layout="t"), 0)
        yield S(one(2, 3, 2), -2)
        yield S(one(), 0)
        if zeros:
            x = one(3, 4)
            x[0, 1] = x[1, 0] = x[1, 2] = 0
            yield S(x, 1)
        yield V(one(0, 3), 0)
        yield V(one(3, 0), 1)
        yield V(one(3, 4, layout="step"), 1)
        if dtype:
            yield V(one(3, 4), 1, dtype=Dtype("complex128"))
            if not make.complex:
                yield V(one(3, 4), 1, dtype=Dtype("float64"))
        if make.floating:
            yield V(make.extreme()[[2, 3, 11, 4, 12, 6, 2]], 0)

    return samples


def _cumulative_extremum(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, distinct=True), 1)
    yield S(make(4, 3, distinct=True, layout="t"), 0)
    yield S(make(), 0)
    yield V(make(0, 3), 1)
    yield V(make(3, 7, low=0, high=2), 1)
    if make.floating:
        yield V(make.extreme(), 0)


def _sort(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, distinct=True))
    yield S(make(3, 4, distinct=True), 0, True)
    yield S(make(4, 3, distinct=True, layout="t"), -1, descending=True)
    yield S(make())
    yield V(make(0))
    yield V(make(3, 0))
    yield V(make(2, 20, low=0, high=3), dim=1, stable=True)
    yield V(make(2, 20, low=0, high=3), dim=1, stable=True, descending=True)
    if make.floating:
        yield V(make.extreme(), stable=True)
        yield V(make.extreme(), stable=True, descending=True)


def _argsort(make: Make) -> Iterator[Sample]:
    for sample in _sort(make):
        yield V(*sample.args, **sample.kwargs)


def _msort(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, distinct=True))
    yield S(make(5, distinct=True))
    yield V(make(0, 3))


def _topk(make: Make) -> Iterator[Sample]:
    yield S(make(3, 5, distinct=True), 2)
    yield S(make(3, 4, distinct=True), 2, 0, False)
    yield S(make(4, 3, distinct=True, layout="t"), 3, 1)
    yield S(make(), 1)
    yield S(make(2, 6, distinct=True), 3, largest=True, sorted=True)
    yield V(make(3, 4, distinct=True), 0)
    if make.floating:
        yield V(make.extreme()[:7], 3)


def _logcumsumexp(make: Make) -> Iterator[Sample]:
    yield from running(dtype=False)(make)


LOOSE = {
    "float16": (4e-3, 1e-3),
    "bfloat16": (3e-2, 1e-2),
    "float32": (2e-5, 1e-5),
    "complex64": (2e-5, 1e-5),
}

CASES = [
    OpCase("cumsum", running(), NUMBERS, inplace=True, out=True, tolerance=LOOSE),
    OpCase("cumprod", running(0.5, 1.6, zeros=True), NUMBERS, inplace=True, out=True, tolerance=LOOSE),
    OpCase("logcumsumexp", _logcumsumexp, FLOATS, out=True, tolerance=LOOSE),
    OpCase("cummax", _cumulative_extremum, REALS + BOOL, out=True),
    OpCase("cummin", _cumulative_extremum, REALS + BOOL, out=True),
    OpCase("sort", _sort, REALS + BOOL, out=True),
    OpCase("argsort", _argsort, REALS + BOOL, grad=False),
    OpCase("msort", _msort, REALS + BOOL, out=True),
    OpCase("topk", _topk, REALS, out=True),
]
