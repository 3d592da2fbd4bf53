"""Reductions: sums, extrema, moments, norms, tests over an axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import (
    ALL,
    BOOL,
    COMPLEX,
    FLOATS,
    REALS,
    Dtype,
    Make,
    OpCase,
    S,
    Sample,
    Samples,
    V,
)


def over_axes(
    *,
    low: float = -2.0,
    high: float = 2.0,
    distinct: bool = False,
    many: bool = True,
    whole: bool = True,
    empty: bool = True,
    extra: tuple[dict[str, Any], ...] = (),
) -> Samples:
    """Samples of a reduction.

    Args:
        low, high, distinct: of the array.
        many: whether several axes may be given at once.
        whole: whether the axes may be left out.
        empty: whether reducing no elements has an answer.
        extra: keyword arguments for further samples.
    """

    def samples(make: Make) -> Iterator[Sample]:
        def one(*shape: int, layout: str = "plain") -> Any:
            return make(*shape, low=low, high=high, distinct=distinct, layout=layout)

        yield S(one(3, 4), 1)
        if whole:
            yield S(one(2, 3))
            yield S(one())
        yield S(one(2, 3, 2), 1, keepdim=True)
        yield S(one(4, 3, layout="t"), -2)
        if many:
            yield S(one(2, 3, 4), (0, -1))
            yield S(one(2, 3, 4), dim=(2, 1), keepdim=True)
        for keywords in extra:
            yield S(one(3, 4), **keywords)
        yield S(one(), 0)
        yield V(one(3, 4, layout="step"), 0)
        if not distinct:
            yield V(one(3, 5, layout="expand"), 0)
        yield V(one(0, 3), 1)
        yield V(one(40, 30), 0)
        yield V(one(7, 130), 1)
        if empty:
            yield V(one(3, 0), 1)
            if whole:
                yield V(one(0))
        if make.floating:
            e = make.extreme()
            yield V(e[[0, 1, 2, 11, 12, 6]].reshape(2, 3), 1)
            yield V(e[[2, 4, 12, 5, 3, 11]].reshape(3, 2), 1)

    return samples


def _sum_like(make: Make) -> Iterator[Sample]:
    yield from over_axes(extra=({"dim": 1, "dtype": Dtype("float64")},) if not make.complex else ())(make)
    yield V(make(3, 4), dtype=Dtype("complex128"))
    if not make.complex:
        yield V(make(3, 4), dtype=Dtype("float32"))


def _sum(make: Make) -> Iterator[Sample]:
    yield from _sum_like(make)
    if make.dtype == "bool":
        yield V(make(3, 4), dtype=Dtype("int32"))


def _prod(make: Make) -> Iterator[Sample]:
    def one(*shape: int, layout: str = "plain") -> Any:
        return make(*shape, low=0.4, high=1.8, layout=layout)

    yield S(one(3, 4), 1)
    yield S(one(2, 3))
    yield S(one())
    yield S(one(4, 3, layout="t"), 0, keepdim=True)
    with_zeros = one(3, 4)
    with_zeros[0, 1] = 0
    with_zeros[2, 0] = with_zeros[2, 3] = 0
    yield S(with_zeros, 1)
    yield S(with_zeros[:1])
    yield V(one(0, 3), 0)
    yield V(one(0))
    yield V(one(3, 4), dtype=Dtype("complex128"))


def _extremum(make: Make) -> Iterator[Sample]:
    """`max`, `min` over an axis: values and indices."""
    yield from over_axes(distinct=True, many=False, whole=False, empty=False)(make)
    if make.dtype != "bool":
        yield V(make(4, 6, low=0, high=2), 1)


def _whole(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, distinct=True))
    yield S(make())
    yield S(make(4, 3, distinct=True, layout="t"))
    yield V(make(1))
    if make.floating:
        yield V(make.extreme())
        yield V(make.extreme()[:6])


def _arg(make: Make) -> Iterator[Sample]:
    for sample in over_axes(distinct=True, many=False, empty=False)(make):
        yield V(*sample.args, **sample.kwargs)


def _aminmax(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, distinct=True))
    yield S(make(3, 4, distinct=True), dim=1)
    yield S(make(4, 3, distinct=True, layout="t"), dim=0, keepdim=True)
    yield V(make())
    yield V(make(5, 0), dim=0)


def _variance(make: Make) -> Iterator[Sample]:
    yield from over_axes(many=True, empty=False)(make)
    yield S(make(3, 4), False)
    yield S(make(3, 4), 1, unbiased=False)
    yield S(make(3, 4), 1, correction=0)
    yield S(make(3, 4), dim=0, correction=0.5 if make.inexact else 2, keepdim=True)
    yield S(make(2, 3, 4), dim=None, correction=2)


def _well_defined(samples: Samples) -> Samples:
    """0-d input has no variance: those samples are for values only."""

    def kept(make: Make) -> Iterator[Sample]:
        for sample in samples(make):
            single = sample.args[0].ndim == 0
            yield V(*sample.args, **sample.kwargs) if single else sample

    return kept


def _norm(make: Make) -> Iterator[Sample]:
    x = make(3, 4, avoid=(0.0,))
    yield S(x)
    yield S(x, 2, 1)
    yield S(x, 1, (0, 1), True)
    yield S(make(4, 3, avoid=(0.0,), layout="t"), 3, 0)
    distinct = make(3, 4, low=0.5, high=3, distinct=True)
    yield S(distinct, float("inf"), 1)
    yield S(distinct, float("-inf"), 1)
    yield S(x, 0.5, 1)
    yield S(x, p="fro")
    yield S(make(2, 3, 4, avoid=(0.0,)), p="fro", dim=(1, 2))
    yield S(make(avoid=(0.0,)))
    yield V(x, 0, 1)
    yield V(make(0, 3), 2, 0)
    yield V(x * 0, 2, 1)


def _vector_norm(make: Make) -> Iterator[Sample]:
    x = make(3, 4, avoid=(0.0,))
    yield S(x)
    yield S(x, 2, 1)
    yield S(x, 3, (0, 1), keepdim=True)
    yield S(x.T, 1, 0)
    yield S(x, 0.5, 1)
    distinct = make(3, 4, low=0.5, high=3, distinct=True)
    yield S(distinct, float("inf"))
    yield S(distinct, float("-inf"), 1)
    yield V(x, 0)
    yield V(make(0, 3), 2, 0)
    if make.dtype in ("float32", "complex64"):
        wider = "float64" if make.floating else "complex128"
        yield S(x, 2, 1, dtype=Dtype(wider))


def _any_all(make: Make) -> Iterator[Sample]:
    for sample in over_axes(low=0, high=1, extra=({"dim": ()},))(make):
        yield V(*sample.args, **sample.kwargs)


def _moments(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 1)
    yield S(make(2, 3))
    yield S(make(4, 3, layout="t"), 0, correction=0, keepdim=True)
    yield S(make(2, 3, 2), (0, 2))
    yield V(make(0, 3), 1)


def _median(make: Make) -> Iterator[Sample]:
    yield S(make(3, 5, distinct=True), 1)
    yield S(make(3, 4, distinct=True))
    yield S(make(4, 3, distinct=True, layout="t"), 0, keepdim=True)
    yield S(make())
    if make.floating:
        yield V(make.extreme())
        yield V(make.extreme()[:12].reshape(3, 4), 1)


def _kthvalue(make: Make) -> Iterator[Sample]:
    yield S(make(3, 5, distinct=True), 2)
    yield S(make(3, 4, distinct=True), 1, 0)
    yield S(make(4, 3, distinct=True, layout="t"), 3, 1, True)
    yield S(make(), 1)


def _nan_reduction(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 1)
    yield S(make(2, 3))
    yield S(make(4, 3, layout="t"), (0, 1), keepdim=True)
    yield V(make(0, 3), 0)
    if make.floating:
        x = make(3, 4)
        x[0, 1] = x[2, 3] = float("nan")
        yield V(x, 1)
        yield V(x)


def _count(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4, low=-1, high=1))
    yield V(make(3, 4, low=-1, high=1), 1)
    yield V(make(2, 3, 4, low=-1, high=1), (0, 2))
    yield V(make(0, 3))


def _softened(make: Make) -> Iterator[Sample]:
    """logsumexp."""
    yield S(make(3, 4), 1)
    yield S(make(2, 3, 4), (0, 2))
    yield S(make(4, 3, layout="t"), 0, keepdim=True)
    yield S(make(), 0)
    yield V(make(3, 0), 1)
    if make.floating:
        inf = float("inf")
        yield V(make.given(-inf, -inf, 1.0, inf).reshape(2, 2), 1)
        yield V(make.given(1000.0, 1000.0, -1000.0, -1001.0).reshape(2, 2), 1)


LOOSE = {
    "float16": (4e-3, 1e-3),
    "bfloat16": (3e-2, 1e-2),
    "float32": (2e-5, 1e-5),
    "complex64": (2e-5, 1e-5),
}

CASES = [
    OpCase("sum", _sum, ALL, out=True, tolerance=LOOSE),
    OpCase("mean", _sum_like, FLOATS + COMPLEX, out=True, tolerance=LOOSE),
    OpCase("nansum", _nan_reduction, REALS + BOOL, out=True),
    OpCase("nanmean", _nan_reduction, FLOATS, out=True),
    OpCase("prod", _prod, ALL, tolerance=LOOSE),
    OpCase("max", _whole, REALS + BOOL),
    OpCase("min", _whole, REALS + BOOL),
    OpCase("max dim", _extremum, REALS + BOOL, lambda xp, *a, **k: xp.max(*a, **k)),
    OpCase("min dim", _extremum, REALS + BOOL, lambda xp, *a, **k: xp.min(*a, **k)),
    OpCase("amax", over_axes(distinct=True, empty=False), REALS + BOOL, out=True),
    OpCase("amin", over_axes(distinct=True, empty=False), REALS + BOOL, out=True),
    OpCase("aminmax", _aminmax, REALS + BOOL, out=True),
    OpCase("argmax", _arg, REALS, grad=False, out=True),
    OpCase("argmin", _arg, REALS, grad=False, out=True),
    OpCase("std", _well_defined(_variance), FLOATS + COMPLEX, out=True, tolerance=LOOSE),
    OpCase("var", _well_defined(_variance), FLOATS + COMPLEX, out=True, tolerance=LOOSE),
    OpCase("std_mean", _moments, FLOATS + COMPLEX, tolerance=LOOSE),
    OpCase("var_mean", _moments, FLOATS + COMPLEX, tolerance=LOOSE),
    OpCase("norm", _norm, FLOATS + COMPLEX, tolerance=LOOSE),
    OpCase("linalg.vector_norm", _vector_norm, FLOATS + COMPLEX, out=True, tolerance=LOOSE),
    OpCase("logsumexp", _softened, ALL, out=True, tolerance=LOOSE),
    OpCase("any", _any_all, ALL, grad=False, out=True),
    OpCase("all", _any_all, ALL, grad=False, out=True),
    OpCase("median", _median, REALS),
    OpCase("kthvalue", _kthvalue, REALS, out=True),
    OpCase("count_nonzero", _count, ALL, grad=False),
]
