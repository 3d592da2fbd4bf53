"""Writes into a tensor: whole, and through views of it. Each case writes into a copy, which it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .case import ALL, NUMBERS, Make, OpCase, S, Sample, Samples, V


def _copy(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 4))
    yield S(make(3, 4), make(4))
    yield S(make(4, 3, layout="t"), make(4, 1))
    yield S(make(2, 3), make())
    yield S(make(), make())
    yield V(make(0, 2), make(2))
    yield V(make(2, 3), make(2, 3, low=0, high=1, dtype="int32"))


def _fill(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 2)
    yield S(make(4, 3, layout="t"), make())
    yield S(make(), 1)
    yield V(make(0), 1)


def _zero(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3, layout="t"))
    yield S(make())


def pairs(left: tuple[int, ...], right: tuple[int, ...]) -> Samples:
    """Samples of a tensor and what a view of it is combined with."""

    def samples(make: Make) -> Iterator[Sample]:
        yield S(make(*left), make(*right))
        yield S(make(*left, layout="t"), make(*right))
        yield S(make(*left), make())
        yield V(make(*left, layout="step"), make(*right))

    return samples


def through(view: Callable[[Any], Any]) -> Callable[..., Any]:
    """A call that multiplies a view of a copy in place, and returns the copy."""

    def call(_: Any, x: Any, factor: Any) -> Any:
        base = x.clone()
        view(base).mul_(factor)
        return base

    return call


def written_through(name: str, other: tuple[int, ...], view: Callable[[Any], Any]) -> OpCase:
    """A case for `mul_` on a view of a 3 by 4 tensor."""
    return OpCase(f"mul_ of {name}", pairs((3, 4), other), NUMBERS, through(view), vmap_rest=False)


CASES = [
    OpCase("copy_", _copy, ALL, lambda xp, x, source: x.clone().copy_(source), vmap_rest=False),
    OpCase("fill_", _fill, ALL, lambda xp, x, value: x.clone().fill_(value), vmap_rest=False),
    OpCase("zero_", _zero, ALL, lambda xp, x: x.clone().zero_()),
    written_through("a row", (4,), lambda x: x[1]),
    written_through("a slice", (3, 1), lambda x: x[:, 1::2]),
    written_through("a transpose", (3,), lambda x: x.t()),
    written_through("a diagonal", (3,), lambda x: x.diagonal()),
    written_through("a view of a view", (2,), lambda x: x.t()[1:].unsqueeze(0)[:, :, 1:]),
]
