"""Samples that break things, made of every operator's ordinary ones, in both libraries.

A `Change` makes another tensor of each tensor of a sample: another layout in memory with the same values,
another shape (0-d, empty, of size one), or other values (huge, tiny, nan, inf). What PyTorch does with the
changed call, cotangent has to do: results, dtypes, shapes, strides and gradients, or an exception of the same
type.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from samples.library import xp

from .carry import Carried, array_of, places, put, tensors
from .judge import Differs, Judge, Sample, gradient, outcome, same, samples, strides_differ
from .translate import Missing, translated

Array = Any
# The most elements a changed tensor may have.
_MOST: Final = 20_000
# How many times a dimension is repeated to be a large one.
_TIMES: Final = 700


def _dense(value: Carried, array: Array) -> Carried:
    """`value` with other elements, in a storage of its own in the order of the dimensions."""
    flat = np.array(array, value.storage.dtype, order="C")
    steps = [1] * flat.ndim
    for d in range(flat.ndim - 2, -1, -1):
        steps[d] = steps[d + 1] * max(flat.shape[d + 1], 1)
    return replace(value, storage=flat.reshape(-1), shape=flat.shape, strides=tuple(steps), offset=0)


def _ordered(value: Carried, order: tuple[int, ...]) -> Carried:
    """The same elements with the dimensions in another order in memory."""
    array = array_of(value)
    flat = np.array(array.transpose(order), order="C")
    steps, step = [0] * array.ndim, 1
    for d in reversed(order):
        steps[d] = step
        step *= max(array.shape[d], 1)
    return replace(value, storage=flat.reshape(-1), strides=tuple(steps), offset=0)


def turned(value: Carried, _: int) -> Carried | None:
    """The first dimension innermost."""
    return _ordered(value, tuple(reversed(range(len(value.shape))))) if len(value.shape) > 1 else None


def by_channels(value: Carried, _: int) -> Carried | None:
    """Channels last."""
    n = len(value.shape)
    return _ordered(value, (0, *range(2, n), 1)) if n in (4, 5) else None


def spaced(value: Carried, _: int) -> Carried | None:
    """Every second element of a larger memory, from its third on."""
    array = array_of(value)
    if not array.ndim or not array.size:
        return None
    dense = _dense(value, array)
    wide = np.zeros(2 * array.size + 3, array.dtype)
    wide[3::2] = dense.storage
    return replace(dense, storage=wide, strides=tuple(2 * s for s in dense.strides), offset=3)


def overlapping(value: Carried, _: int) -> Carried | None:
    """Windows that slide over the elements: neighbours along different dimensions are the same memory."""
    array = array_of(value)
    if array.ndim < 2 or not array.size:
        return None
    flat = array.reshape(-1)
    return replace(value, storage=flat.copy(), strides=(1,) * array.ndim, offset=0)


def flipped(value: Carried, _: int) -> Carried | None:
    """Backwards: NumPy gives this negative strides, which PyTorch wants copied."""
    array = array_of(value)
    return _dense(value, array[::-1].copy()) if array.ndim else None


def scalars(value: Carried, _: int) -> Carried | None:
    """0-d."""
    array = array_of(value)
    return _dense(value, array.reshape(-1)[0]) if array.ndim and array.size else None


def ones(value: Carried, position: int) -> Carried | None:
    """The first tensor of size one everywhere, so that it broadcasts."""
    array = array_of(value)
    return _dense(value, array[(slice(0, 1),) * array.ndim]) if array.ndim and not position else None


def empty_first(value: Carried, _: int) -> Carried | None:
    """No rows."""
    array = array_of(value)
    return _dense(value, array[:0]) if array.ndim else None


def empty_last(value: Carried, _: int) -> Carried | None:
    """No columns."""
    array = array_of(value)
    return _dense(value, array[..., :0]) if array.ndim else None


def large(value: Carried, _: int) -> Carried | None:
    """A long last dimension."""
    array = array_of(value)
    if not array.ndim or not 0 < array.size * _TIMES <= _MOST:
        return None
    return _dense(value, np.concatenate([array] * _TIMES, -1))


def _sown(value: Carried, seeds: list[Any]) -> Carried | None:
    array = array_of(value)
    if not array.size:
        return None
    flat = array.reshape(-1).copy()
    with np.errstate(all="ignore"):
        flat[:: max(1, flat.size // len(seeds))][: len(seeds)] = np.asarray(
            seeds[: len(flat[:: max(1, flat.size // len(seeds))])]
        ).astype(flat.dtype)
    return _dense(value, flat.reshape(array.shape))


def extreme(value: Carried, position: int) -> Carried | None:
    """The largest and smallest numbers there are among the elements."""
    kind = value.storage.dtype.kind
    if kind in "fc":
        about = np.finfo(value.storage.real.dtype)
        found = [about.max, -about.tiny, 0.0, -about.max, about.smallest_subnormal, -0.0, about.eps]
        return _sown(value, found[position % 3 :])
    if kind in "iu":
        limits = np.iinfo(value.storage.dtype)
        return _sown(value, [limits.max, limits.min, 0, limits.max - 1][position % 2 :])
    return None


def nonfinite(value: Carried, position: int) -> Carried | None:
    """nan and infinities among the elements."""
    if value.storage.dtype.kind not in "fc":
        return None
    return _sown(value, [math.nan, math.inf, 1.0, -math.inf][position % 2 :])


@dataclass(frozen=True)
class Change:
    """One way to break a sample.

    Args:
        make: the changed tensor, or None where the change says nothing; the number is the tensor's position.
        numbers: whether elements become numbers that complex arithmetic leaves open, and that positions and
            sizes may not be; so complex tensors and most operators' integers are left alone.
        slope: whether gradients are compared.
        pointwise: whether only operators are called that work element by element or reduce: results of others
            may be larger than memory, or depend on the order of sums.
        strides: whether strides of results are compared.
    """

    make: Callable[[Carried, int], Carried | None]
    numbers: bool = False
    slope: bool = True
    pointwise: bool = False
    strides: bool = True


CHANGES: Final[dict[str, Change]] = {
    "turned": Change(turned),
    "channels last": Change(by_channels),
    "spaced": Change(spaced),
    "overlapping": Change(overlapping, strides=False),
    "flipped": Change(flipped),
    "0-d": Change(scalars),
    "size one": Change(ones),
    "no rows": Change(empty_first),
    "no columns": Change(empty_last),
    "large": Change(large, pointwise=True),
    "extreme": Change(extreme, numbers=True, slope=False, pointwise=True),
    "nan and inf": Change(nonfinite, numbers=True, slope=False),
}


def drawn(operator: str) -> str:
    """The change under which the tests call an operator: always the same one, another for every operator."""
    return list(CHANGES)[zlib.crc32(operator.encode()) % len(CHANGES)]


def changed(sample: Sample, change: Change) -> Sample | None:
    """The sample with every tensor changed that can be; None if there is none."""
    found = places((sample.args, sample.kwargs))
    made = {id(c): change.make(c, k) for k, c in enumerate(found)}
    some = {key: value for key, value in made.items() if value is not None}
    if not some:
        return None
    args, kwargs = put((sample.args, sample.kwargs), some)
    return replace(sample, args=args, kwargs=kwargs)


@dataclass
class Count:
    """What came of an operator under a change.

    Args:
        calls, gradients: how many were compared.
        refused: how many calls PyTorch refuses.
        first, strides: the first difference, and the first in strides.
    """

    calls: int = 0
    gradients: int = 0
    refused: int = 0
    first: str = ""
    strides: str = ""


def _dtypes(op: Any, change: Change) -> Iterator[torch.dtype]:
    supported = op.supported_dtypes("cpu")
    if change.pointwise and not isinstance(op, _POINTWISE):
        return
    yield from (d for d in (torch.float64, torch.float32) if d in supported)
    if not change.numbers and torch.complex64 in supported:
        yield torch.complex64
    if not change.numbers or isinstance(op, _POINTWISE):
        yield from (d for d in (torch.int64, torch.uint8, torch.bool) if d in supported)


_POINTWISE: Final = (
    torch.testing._internal.opinfo.core.UnaryUfuncInfo,
    torch.testing._internal.opinfo.core.BinaryUfuncInfo,
    torch.testing._internal.opinfo.core.ReductionOpInfo,
)


class Breaker:
    """Compares one operator under changes.

    Args:
        op: its entry in `op_db`.
        count: how many samples in each dtype.
    """

    def __init__(self, op: Any, count: int) -> None:
        self.op = op
        self.count = count
        self.judge = Judge(op, count)
        self.function = translated(op.op)

    def run(self, name: str) -> Count:
        """One change; the first difference ends it."""
        change, found = CHANGES[name], Count()
        try:
            for dtype in _dtypes(self.op, change):
                slope = change.slope and dtype is torch.float64 and self.op.supports_autograd
                for sample in samples(self.op, dtype, self.count, grad=slope):
                    other = changed(sample, change)
                    if other is not None:
                        what = f"{name} {str(dtype).removeprefix('torch.')} {other!r}"
                        self._call(other, what, found, change.strides)
                        if slope:
                            self._slope(other, what, found)
        except (Differs, Missing) as difference:
            found.first = str(difference)
        return found

    def _call(self, sample: Sample, what: str, found: Count, strides: bool) -> None:
        expected = outcome(lambda: sample.call(torch, self.op.op, grad=False))
        actual = outcome(lambda: sample.call(xp, self.function, grad=False))
        found.calls += 1
        if expected[1]:
            found.refused += 1
            if not _same_refusal(actual[1], expected[1]):
                raise Differs(f"{what}: {actual[1] or 'no error'}, PyTorch {expected[1]}")
            return
        if actual[1]:
            raise Differs(f"{what}: {actual[1]}")
        self.judge.results(actual[0][0], expected[0][0], what, sample)
        for t in tensors(xp, actual[0][0]):
            if t.layout is xp.strided and any(s < 0 for s in t.stride()):
                raise Differs(f"{what}: a negative stride")
        if strides and not found.strides:
            told = strides_differ(actual[0][0], expected[0][0])
            found.strides = told and f"{what}: {told}"

    def _slope(self, sample: Sample, what: str, found: Count) -> None:
        expected = outcome(lambda: gradient(torch, self.op.op, sample))
        if expected[1]:
            return
        actual = outcome(lambda: gradient(xp, self.function, sample))
        if actual[1]:
            raise Differs(f"gradient {what}: {actual[1]}")
        found.gradients += 1
        values, limits = self.judge.values, self.judge.limits
        same(actual[0], expected[0], f"gradient {what}", values=values, slack=10.0, limits=limits)


def _same_refusal(actual: str, expected: str) -> bool:
    """Whether an exception is of the same type as PyTorch's."""
    return actual.partition(":")[0] == expected.partition(":")[0]
