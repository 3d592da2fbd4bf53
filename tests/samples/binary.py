"""Elementwise functions of two tensors, with promotion and broadcasting."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from .case import (
    ALL,
    BOOL,
    COMPLEX,
    FLOATS,
    INTS,
    NUMBERS,
    REAL,
    REALS,
    Array,
    Make,
    OpCase,
    S,
    Sample,
    Samples,
    V,
)


def pairs(
    left: tuple[float, float] = (-2.0, 2.0),
    right: tuple[float, float] = (-2.0, 2.0),
    avoid: tuple[float, ...] = (),
    numbers: tuple[Any, ...] = (2,),
    extreme: bool = True,
    mixed: tuple[str, ...] = ("int32", "float64"),
    ties: bool = False,
) -> Samples:
    """Samples of two arrays.

    Args:
        left, right: the bounds of either side.
        avoid: kinks of the right side.
        numbers: Python numbers that may stand on the right.
        extreme: whether every pair of extreme values is one of the samples.
        mixed: dtypes to pair with the sampled one, as arrays and as 0-d tensors.
        ties: whether equal elements make a kink, so that the sides of gradient samples must differ.
    """

    def samples(make: Make) -> Iterator[Sample]:
        def a(*shape: int, layout: str = "plain") -> Array:
            return make(*shape, low=left[0], high=left[1], layout=layout)

        def b(*shape: int, layout: str = "plain", dtype: str | None = None) -> Array:
            return make(*shape, low=right[0], high=right[1], avoid=avoid, layout=layout, dtype=dtype)

        if ties and make.inexact:
            both = make(2, 3, 4, low=left[0], high=left[1], distinct=True)
            yield S(both[0], both[1])
            yield S(both[0], both[1, 0])
        else:
            yield S(a(3, 4), b(3, 4))
            yield S(a(3, 1), b(4))
        yield S(a(), b(2, 1))
        yield S(a(2, 3), b())
        for number in numbers:
            yield S(a(2, 3), number)
        yield S(a(4, 3, layout="t"), b(4, 3, layout="step"))
        yield V(a(3, 4, layout="expand"), b(3, 4))
        yield V(a(0), b(1))
        yield V(a(2, 0, 3), b(3))
        yield V(a(2, 1, 5), b(3, 1))
        yield V(a(6, 9), b(6, 9))
        for other in mixed:
            yield V(a(2, 3), b(2, 3, dtype=other))
            yield V(a(2, 3), b(dtype=other))
        if extreme and not make.complex:
            e = make.extreme()
            yield V(e[:, None], e[None, :])

    return samples


def binary(name: str, dtypes: tuple[str, ...] = ALL, samples: Samples | None = None, **flags: Any) -> OpCase:
    """A case for a function of two tensors with an in-place form and `out=`, unless `flags` say no."""
    return OpCase(name, samples or pairs(), dtypes, **{"inplace": True, "out": True, **flags})


def comparison(name: str, dtypes: tuple[str, ...], **flags: Any) -> OpCase:
    """A case for a function of two tensors with a boolean result."""

    def samples(make: Make) -> Iterator[Sample]:
        yield from pairs(numbers=(1, 0.5))(make)
        same = make(3, 3, low=0, high=2)
        yield V(same, same.copy())

    return OpCase(name, samples, dtypes, grad=False, **{"inplace": True, "out": True, **flags})


def _alpha(make: Make) -> Iterator[Sample]:
    yield from pairs(numbers=(2, 0.5, True))(make) if make.inexact else pairs(numbers=(3,))(make)
    yield S(make(3, 2), make(3, 2), alpha=2)
    if make.inexact:
        yield S(make(3, 2), make(2), alpha=-0.5)
    if make.complex:
        yield S(make(3, 2), make(2), alpha=1 - 2j)
        yield S(make(3, 2), 2 - 1j)


def _add(make: Make) -> Iterator[Sample]:
    if make.dtype == "bool":
        yield from pairs(numbers=(True, 2))(make)
    else:
        yield from _alpha(make)


def _sub(make: Make) -> Iterator[Sample]:
    for sample in _alpha(make):
        if not any(isinstance(arg, bool) for arg in sample.args):
            yield sample


def _rsub(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 4))
    yield S(make(3, 4), 2)
    yield S(make(2, 1), make(3), alpha=2)
    yield V(make(0, 2), make(2))


def _div(make: Make) -> Iterator[Sample]:
    yield from pairs(right=(0.3, 2.0), numbers=(2, -3))(make)
    if make.complex:
        yield S(make(2, 3), 1 + 2j)


def _rounding(mode: str | None) -> Samples:
    """Quotients away from whole numbers; integers by anything but zero."""

    def samples(make: Make) -> Iterator[Sample]:
        keyword = {"rounding_mode": mode} if mode else {}
        right = make(3, 4, low=1, high=4)
        left = make(3, 4, low=-9, high=9)
        if make.inexact:
            steps = make.rng.randint(-4, 4, (3, 4)) + make.rng.uniform(0.2, 0.8, (3, 4))
            left = (right.astype("float64") * steps).astype(right.dtype)
        yield S(left, right, **keyword)
        yield S(left[1, 2], right[1, 2], **keyword)
        yield S(left.T, right.T, **keyword)
        yield V(left, 2, **keyword)
        yield V(left, right[0], **keyword)
        yield V(left[:0], right[:0], **keyword)
        if make.dtype != "uint8":
            yield V(left, make(3, 4, low=-3, high=-1), **keyword)
            yield V(left, -2, **keyword)
        if make.floating:
            yield V(left, 0.3, **keyword)
            e = make.extreme()
            yield V(e[:, None], e[None, :], **keyword)

    return samples


def _floor_quotient(make: Make) -> Iterator[Sample]:
    for sample in _rounding("floor")(make):
        yield V(*sample.args)


def _powers(make: Make) -> Iterator[Sample]:
    if make.inexact:
        base = make(3, 4, low=0.3, high=2.0)
        yield S(base, make(3, 4))
        yield S(base, 3)
        yield S(make(2, 3), 2)
        yield S(base[0, 0], make(3))
        yield S(base[:, :1], 0.5)
        yield S(make(2, 2, low=0.5, high=2), -1)
        yield S(make(2, 2, low=0.5, high=2), -2)
        yield S(make(2, 2), 1)
        yield S(base.T, 2.5)
        yield V(make(2, 3), 0)
        yield V(2, make(2, 3))
        yield V(1, make(2, 3))
        yield V(make(3, 4, low=0.3, high=2), make(4, low=0, high=3, dtype="int64"))
    else:
        yield V(make(3, 4), make(3, 4, low=0, high=3))
        yield V(make(3, 4), 2)
        yield V(make(3, 4), 0)
        yield V(make(2, 3, low=1, high=3), 0.5)
        yield V(2, make(2, 3, low=0, high=3))
        yield V(2.5, make(2, 3, low=0, high=3))
        yield V(make(2, 3, low=1, high=3), make(3, dtype="float32"))
    yield V(make(0, 3), 2)
    if make.floating:
        e = make.extreme()
        yield V(e[:, None], e[None, :])
        for exponent in (0.5, -0.5, 2, 3, -1, -2):
            yield V(e, exponent)


def _float_power(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, low=0.3, high=2.0), make(3, 4))
    yield S(make(2, 1, low=0.3, high=2.0), make(3))
    yield S(make(2, 3, low=0.5, high=2.0), 3)
    yield V(2, make(2, 3, low=0, high=3))
    yield V(make(0, 3), 2)


def _remainder(name: str) -> OpCase:
    return binary(name, REALS, _rounding(None), aliases=("Tensor.__mod__",) if name == "remainder" else ())


def _shifts(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4, low=-9, high=9), make(3, 4, low=0, high=3))
    yield V(make(3, 1), make(4, low=0, high=6))
    yield V(make(2, 3, low=-9, high=9), 2)
    yield V(make(), make(3, low=0, high=3))
    yield V(make(0), make(0))
    yield V(make.extreme(), 1)


def _bits(make: Make) -> Iterator[Sample]:
    number = True if make.dtype == "bool" else 3
    mixed = () if make.dtype == "bool" else ("uint8", "int64", "bool")
    yield from pairs(left=(-9, 9), right=(-9, 9), numbers=(number,), mixed=mixed)(make)


def _heaviside(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4), make(3, 4))
    yield V(make.given(0, 1, 0, -1 if make.dtype not in ("uint8", "bool") else 0), make(4))
    yield V(make(3, 1, low=-1, high=1), make(2))
    yield V(make(0), make())


def _close(make: Make) -> Iterator[Sample]:
    x = make(3, 4, low=1, high=100)
    yield V(x, x.copy())
    yield V(x, make(4))
    yield V(make(0), make(0))
    if make.floating:
        yield V(x, (x.astype("float64") * 1.02).astype(x.dtype), rtol=0.05)
        yield V(make.extreme(), make.extreme())
        yield V(make.extreme(), make.extreme(), equal_nan=True)


def _equal(make: Make) -> Iterator[Sample]:
    x = make(3, 4)
    yield V(x, x.copy())
    yield V(x, make(3, 4))
    yield V(x, make(4))
    yield V(make(0), make(0))


def _xlogy(make: Make) -> Iterator[Sample]:
    yield from pairs(left=(0.2, 2.0), right=(0.2, 2.0), extreme=False)(make)
    if make.floating:
        yield V(make.given(0.0, 0.0, 1.0, float("nan")), make.given(0.0, float("nan"), 0.0, 1.0))


def _away_from_zero(make: Make) -> Iterator[Sample]:
    yield from pairs(left=(0.3, 2.0), right=(0.3, 2.0), numbers=(), mixed=())(make)


def _copysign(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, avoid=(0.0,)), make(3, 4, avoid=(0.0,)))
    yield S(make(3, 1, avoid=(0.0,)), make(2, avoid=(0.0,)))
    yield S(make(2, 3, avoid=(0.0,)), -2.0)
    yield V(make.extreme()[:, None], make.extreme())


def _ldexp(make: Make) -> Iterator[Sample]:
    # PyTorch's backward raises an integer 2 to the exponent: no gradient where that is negative.
    yield S(make(3, 4), make(3, 4, low=0, high=3, dtype="int32"))
    yield S(make(3, 1), make(2, low=0, high=3, dtype="int32"))
    yield V(make(3, 4), make(3, 4, low=-2, high=3, dtype="int32"))
    yield V(make(0), make(0, dtype="int32"))


def _float_targets(make: Make) -> Iterator[Sample]:
    """`torch.complex` and `torch.polar`: two real tensors of one dtype."""
    low = 0.3
    yield S(make(3, 4, low=low), make(3, 4))
    yield S(make(3, 1, low=low), make(2))
    yield S(make(low=low), make())
    yield V(make(0, low=low), make(0))


def reflected(symbol: str, dtypes: tuple[str, ...], number: Any, low: float = -2.0, **flags: Any) -> OpCase:
    """A case for a Python number on the left of an operator."""

    def samples(make: Make) -> Iterator[Sample]:
        yield S(number, make(3, 4, low=low))
        yield S(number, make(low=low))
        yield S(number, make(4, 3, low=low, layout="t"))
        yield V(number, make(0, 2, low=low))
        if make.floating:
            yield V(number + 0.5, make(3, low=low))

    apply = OPERATORS[symbol]
    return OpCase(f"reflected {symbol}", samples, dtypes, lambda xp, left, right: apply(left, right), **flags)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<": operator.lt,
}

CASES = [
    reflected("+", ALL, 3),
    reflected("-", NUMBERS, 3),
    reflected("*", ALL, 3),
    reflected("/", ALL, 3, 0.3),
    reflected("//", REALS, 7, 1.2, grad=False),
    reflected("%", REALS, 7, 1.2, grad=False),
    reflected("**", FLOATS + COMPLEX, 2),
    reflected("&", INTS, 3, grad=False),
    reflected("|", INTS, 3, grad=False),
    reflected("^", INTS, 3, grad=False),
    reflected("<", REALS, 1, grad=False),
    binary("add", ALL, _add, aliases=("Tensor.__add__",)),
    binary("sub", NUMBERS, _sub, aliases=("subtract", "Tensor.__sub__")),
    binary("rsub", NUMBERS, _rsub, inplace=False, out=False),
    binary("mul", ALL, pairs(numbers=(2, -3)), aliases=("multiply", "Tensor.__mul__")),
    binary("div", ALL, _div, aliases=("divide", "true_divide", "Tensor.__truediv__")),
    OpCase("div floor", _rounding("floor"), REALS, lambda xp, *a, **k: xp.div(*a, **k)),
    OpCase("div trunc", _rounding("trunc"), REALS, lambda xp, *a, **k: xp.div(*a, **k)),
    binary("floor_divide", REALS, _floor_quotient, grad=False, aliases=("Tensor.__floordiv__",)),
    _remainder("remainder"),
    _remainder("fmod"),
    binary("pow", NUMBERS, _powers, aliases=("Tensor.__pow__",)),
    binary("float_power", ALL, _float_power),
    binary("maximum", REALS + BOOL, pairs(numbers=(), ties=True), inplace=False),
    binary("minimum", REALS + BOOL, pairs(numbers=(), ties=True), inplace=False),
    binary("fmax", REALS + BOOL, pairs(numbers=(), ties=True), inplace=False),
    binary("fmin", REALS + BOOL, pairs(numbers=(), ties=True), inplace=False),
    binary("atan2", REALS + BOOL, _away_from_zero, aliases=("arctan2",)),
    binary("hypot", FLOATS, _away_from_zero),
    binary("copysign", REALS + BOOL, _copysign),
    binary("heaviside", REALS + BOOL, _heaviside, grad=False),
    binary("logaddexp", FLOATS + COMPLEX, pairs(numbers=(), mixed=()), inplace=False),
    binary("logaddexp2", FLOATS, pairs(numbers=(), mixed=()), inplace=False),
    binary("xlogy", REALS + BOOL, _xlogy, aliases=("special.xlogy",)),
    binary("ldexp", ALL, _ldexp),
    OpCase("complex", _float_targets, REAL, out=True),
    OpCase("polar", _float_targets, REAL, out=True),
    comparison("eq", ALL, aliases=("Tensor.__eq__",)),
    comparison("ne", ALL, aliases=("not_equal", "Tensor.__ne__")),
    comparison("lt", REALS + BOOL, aliases=("less", "Tensor.__lt__")),
    comparison("le", REALS + BOOL, aliases=("less_equal", "Tensor.__le__")),
    comparison("gt", REALS + BOOL, aliases=("greater", "Tensor.__gt__")),
    comparison("ge", REALS + BOOL, aliases=("greater_equal", "Tensor.__ge__")),
    binary("logical_and", ALL, pairs(numbers=(), left=(-1, 1), right=(-1, 1)), grad=False),
    binary("logical_or", ALL, pairs(numbers=(), left=(-1, 1), right=(-1, 1)), grad=False),
    binary("logical_xor", ALL, pairs(numbers=(), left=(-1, 1), right=(-1, 1)), grad=False),
    binary("bitwise_and", INTS + BOOL, _bits, grad=False, aliases=("Tensor.__and__",)),
    binary("bitwise_or", INTS + BOOL, _bits, grad=False, aliases=("Tensor.__or__",)),
    binary("bitwise_xor", INTS + BOOL, _bits, grad=False, aliases=("Tensor.__xor__",)),
    binary("bitwise_left_shift", INTS, _shifts, grad=False, aliases=("Tensor.__lshift__",)),
    binary("bitwise_right_shift", INTS, _shifts, grad=False, aliases=("Tensor.__rshift__",)),
    OpCase("isclose", _close, ALL, grad=False),
    OpCase("allclose", _close, FLOATS + COMPLEX, grad=False, vmap=False, trace=False),
    OpCase("equal", _equal, ALL, grad=False, vmap=False, trace=False),
]
