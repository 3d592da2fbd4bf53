"""Elementwise functions of one tensor: arithmetic, rounding, exponentials, trigonometry, tests of a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import ALL, BOOL, COMPLEX, FLOATS, INTS, NUMBERS, REALS, Make, OpCase, S, Sample, Samples, V


def inputs(
    low: float = -2.0, high: float = 2.0, avoid: tuple[float, ...] = (), extreme: bool = True
) -> Samples:
    """Samples of one array in every shape and layout that has ever broken an elementwise loop."""

    def samples(make: Make) -> Iterator[Sample]:
        def one(*shape: int, layout: str = "plain") -> Any:
            return make(*shape, low=low, high=high, avoid=avoid, layout=layout)

        yield S(one(3, 4))
        yield S(one())
        yield S(one(4, 3, layout="t"))
        yield S(one(2, 1, 3, layout="step"))
        yield V(one(0))
        yield V(one(2, 0, 3))
        yield V(one(3, 2, layout="expand"))
        yield V(one(2, 5, layout="offset"))
        yield V(one(1))
        yield V(one(17, 33))
        if extreme and not make.complex:
            yield V(make.extreme())

    return samples


def unary(
    name: str,
    dtypes: tuple[str, ...] = ALL,
    low: float = -2.0,
    high: float = 2.0,
    avoid: tuple[float, ...] = (),
    extreme: bool = True,
    **flags: Any,
) -> OpCase:
    """A case for a function of one tensor that has an in-place form and `out=`, unless `flags` say no."""
    return OpCase(name, inputs(low, high, avoid, extreme), dtypes, **{"inplace": True, "out": True, **flags})


def predicate(name: str, dtypes: tuple[str, ...] = ALL, **flags: Any) -> OpCase:
    """A case for a function whose result is boolean."""
    return unary(name, dtypes, **{"inplace": False, "out": False, "grad": False, **flags})


def _rounded(make: Make) -> Iterator[Sample]:
    x = make(3, 4, low=-3, high=3, avoid=tuple(k / 2 for k in range(-7, 8)))
    yield S(x)
    yield S(x[:, 1:2])
    yield V(make.given(0.5, 1.5, 2.5, -0.5, -1.5, 3.49))
    yield V(make.extreme())
    yield V(make(0, 3))
    if make.dtype in ("float32", "float64"):
        yield V(make.given(1234.5678, -0.00551, 2.5, 55.5), decimals=2)
        yield V(make.given(1234.5678, -0.00551, 25, 155.5), decimals=-1)


def _nan_to_num(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"))
    yield V(make.extreme())
    if make.floating:
        yield V(make.extreme(), nan=2.0)
        yield V(make.extreme(), nan=1.0, posinf=3.0, neginf=-4.0)


def _angles(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, avoid=(0.0,)))
    yield S(make(avoid=(0.0,)))
    yield V(make.extreme())
    yield V(make(0, 2))


def _logit(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, low=0.1, high=0.9))
    yield S(make(low=0.1, high=0.9))
    yield V(make.given(0, 1))
    if make.floating:
        yield S(make(4, 3, low=0.1, high=0.9, layout="t"), eps=0.05)
        yield V(make.given(-0.5, 0.0, 0.2, 1.0, 1.5), eps=0.1)


STEPS = tuple(float(k) for k in range(-3, 4))

CASES = [
    unary("abs", NUMBERS, avoid=(0.0,), aliases=("absolute",)),
    unary("neg", NUMBERS, aliases=("negative", "Tensor.__neg__")),
    unary("positive", NUMBERS, inplace=False, out=False, aliases=("Tensor.__pos__",)),
    unary("sign", REALS + BOOL, avoid=(0.0,)),
    unary("sgn", ALL, avoid=(0.0,)),
    unary("square"),
    unary("sqrt", low=0.2, high=3.0),
    unary("rsqrt", low=0.2, high=3.0),
    unary("reciprocal", low=0.2, high=2.0),
    unary("ceil", REALS, low=-3, high=3, avoid=STEPS),
    unary("floor", REALS, low=-3, high=3, avoid=STEPS),
    unary("trunc", REALS, low=-3, high=3, avoid=STEPS, aliases=("fix",)),
    unary("frac", FLOATS, low=-3, high=3, avoid=STEPS),
    OpCase("round", _rounded, REALS, inplace=True, out=True),
    unary("exp"),
    unary("exp2"),
    unary("expm1"),
    unary("log", low=0.2, high=3.0),
    unary("log2", low=0.2, high=3.0),
    unary("log10", low=0.2, high=3.0),
    unary("log1p", low=-0.7, high=3.0),
    unary("sin"),
    unary("cos"),
    unary("tan", low=-1.2, high=1.2),
    unary("asin", low=-0.85, high=0.85, aliases=("arcsin",)),
    unary("acos", low=-0.85, high=0.85, aliases=("arccos",)),
    unary("atan", aliases=("arctan",)),
    unary("sinh"),
    unary("cosh"),
    unary("tanh"),
    unary("asinh", aliases=("arcsinh",)),
    unary("acosh", low=1.2, high=4.0, aliases=("arccosh",)),
    unary("atanh", low=-0.85, high=0.85, aliases=("arctanh",)),
    unary("sigmoid", aliases=("special.expit",)),
    unary("deg2rad", REALS + BOOL, low=-200, high=200),
    unary("rad2deg", REALS + BOOL),
    OpCase("angle", _angles, ALL, out=True),
    unary("conj", inplace=False, out=False),
    unary("conj_physical"),
    unary("resolve_conj", inplace=False, out=False),
    unary("real", inplace=False, out=False),
    unary("imag", COMPLEX, inplace=False, out=False),
    OpCase("nan_to_num", _nan_to_num, REALS + BOOL, inplace=True, out=True),
    predicate("isnan"),
    predicate("isinf"),
    predicate("isfinite"),
    predicate("isreal"),
    predicate("isposinf", REALS + BOOL, out=True),
    predicate("isneginf", REALS + BOOL, out=True),
    predicate("signbit", REALS + BOOL, out=True),
    predicate("logical_not", ALL, inplace=True, out=True),
    predicate("bitwise_not", INTS + BOOL, inplace=True, out=True, aliases=("Tensor.__invert__",)),
    unary("erf", REALS + BOOL, aliases=("special.erf",)),
    unary("erfc", REALS + BOOL, aliases=("special.erfc",)),
    unary("erfinv", REALS + BOOL, low=-0.85, high=0.85),
    unary("lgamma", REALS + BOOL, low=0.3, high=4.0),
    unary("digamma", REALS + BOOL, low=0.3, high=4.0),
    unary("sinc", avoid=(0.0,)),
    OpCase("logit", _logit, REALS + BOOL, inplace=True, out=True, aliases=("special.logit",)),
]
