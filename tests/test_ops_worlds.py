"""Each operator of the table in every world a derivative rule has to live in.

Finite differences know the first and the second derivative; forward mode, forward over reverse, vmap and
tracing are held against reverse mode, loops and plain calls. Nothing here needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from samples import TABLE
from samples.case import OpCase, Sample, tensor
from samples.compare import GRADIENTS, VALUES, as_array, assert_close, dtype_name
from samples.gradients import random_array
from samples.library import xp
from samples.worlds import Function, gradient_samples, rolled, spread, squared

NUMERIC = ("float64", "complex128")
# What PyTorch says, too, about the mean of this loss.
pytestmark = [
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
]


def over_table(suits: Callable[[OpCase], bool], *dtypes: str) -> pytest.MarkDecorator:
    """Parametrise over the differentiable cases that suit, in those of the dtypes they have."""
    return pytest.mark.parametrize(
        ("case", "dtype"),
        [
            pytest.param(case, dtype, id=f"{case.name}-{dtype}")
            for case in TABLE
            for dtype in dtypes
            if dtype in case.gradient_dtypes() and suits(case) and gradient_samples(case, dtype, 1)
        ],
    )


def over_first_dtype(suits: Callable[[OpCase], bool]) -> pytest.MarkDecorator:
    """Parametrise over all cases that suit, in one dtype each."""
    return pytest.mark.parametrize(
        ("case", "dtype"),
        [
            pytest.param(case, dtype, id=f"{case.name}-{dtype}")
            for case in TABLE
            if suits(case)
            for dtype in ["float32" if "float32" in case.dtypes else case.dtypes[-1]]
        ],
    )


def functions(case: OpCase, dtype: str, count: int) -> Iterator[tuple[str, Function]]:
    """A few gradient samples as functions; one without a differentiable result has nothing to check."""
    for position, sample in gradient_samples(case, dtype, count):
        function = Function(case, sample)
        if function.kept:
            yield f"{case.name}[{position}] {dtype}", function


@over_table(lambda case: case.numeric, *NUMERIC)
def test_gradients_are_slopes(case: OpCase, dtype: str) -> None:
    for _, function in functions(case, dtype, 4):
        assert xp.autograd.gradcheck(function, tuple(function.tensors(grad=True)), atol=1e-7, rtol=1e-6)


@over_table(lambda case: case.numeric and case.second, *NUMERIC)
def test_second_derivatives_are_slopes_of_gradients(case: OpCase, dtype: str) -> None:
    for _, function in functions(case, dtype, 2):
        assert xp.autograd.gradgradcheck(function, tuple(function.tensors(grad=True)), atol=1e-6, rtol=1e-5)


def inner(ones: list[Any], others: list[Any]) -> float:
    """The real inner product over all pairs."""
    pairs = zip(ones, others, strict=True)
    return float(sum(np.sum(as_array(xp, a) * as_array(xp, b).conj()).real for a, b in pairs))


@over_table(lambda case: True, *NUMERIC)
def test_forward_mode_is_the_transpose_of_reverse_mode(case: OpCase, dtype: str) -> None:
    for what, function in functions(case, dtype, 3):
        primals = tuple(function.tensors())
        tangents = [random_array(1 + k, array.shape, dtype) for k, array in enumerate(function.arrays)]
        results, pushed = xp.func.jvp(function, primals, tuple(tensor(xp, t) for t in tangents))
        again, pull = xp.func.vjp(function, *primals)
        weights = [
            tensor(xp, random_array(50 + k, tuple(result.shape), dtype_name(result)))
            for k, result in enumerate(again)
        ]
        pulled = pull(tuple(weights))
        for one, other in zip(results, again, strict=True):
            assert_close(as_array(xp, one), as_array(xp, other), dtype_name(other), what)
        forward = inner(list(pushed), weights)
        reverse = inner([tensor(xp, t) for t in tangents], list(pulled))
        precise = all(dtype_name(result) in NUMERIC for result in again)
        assert forward == pytest.approx(reverse, rel=1e-8 if precise else 2e-2, abs=1e-10), what


@over_table(lambda case: case.numeric and case.second, *NUMERIC)
def test_forward_over_reverse_agrees_with_reverse_over_reverse(case: OpCase, dtype: str) -> None:
    for what, function in functions(case, dtype, 2):
        primals = tuple(function.tensors())
        gradient = xp.func.grad(squared(function), argnums=tuple(range(len(primals))))
        directions = tuple(
            tensor(xp, random_array(90 + k, array.shape, dtype)) for k, array in enumerate(function.arrays)
        )
        _, forward = xp.func.jvp(gradient, primals, directions)
        _, pull = xp.func.vjp(gradient, *primals)
        for one, other in zip(forward, pull(directions), strict=True):
            # A Hessian is symmetric, so its product with a direction is the same from either side.
            assert_close(as_array(xp, one), as_array(xp, other), dtype, what, GRADIENTS)


BATCH = 3


def batches(function: Function) -> list[np.ndarray[Any, Any]]:
    """Each array with `BATCH` rearrangements of its entries in front."""
    return [np.stack([rolled(array, k) for k in range(BATCH)]) for array in function.arrays]


def lanes(function: Function, mapped: list[bool]) -> list[list[Any]]:
    """The tensors of each lane: rearranged where mapped, the array itself where not."""
    return [
        [
            tensor(xp, rolled(array, k) if m else array)
            for array, m in zip(function.arrays, mapped, strict=True)
        ]
        for k in range(BATCH)
    ]


def check_vmap(
    what: str, function: Function, call: Callable[..., Any], limits: Any, mapped: list[bool], position: int
) -> None:
    """`vmap` over the mapped arguments at that axis against one call a lane."""
    dense = [np.moveaxis(b, 0, position) for b in batches(function)]
    given = [tensor(xp, b if m else a) for a, b, m in zip(function.arrays, dense, mapped, strict=True)]
    in_dims = tuple(position if m else None for m in mapped)
    batched = xp.func.vmap(call, in_dims=in_dims, out_dims=position)(*given)
    loop = [call(*tensors) for tensors in lanes(function, mapped)]
    for k, result in enumerate(batched):
        expected = np.stack([as_array(xp, lane[k]) for lane in loop], axis=position)
        assert dtype_name(result) == dtype_name(loop[0][k]), what
        assert_close(as_array(xp, result), expected, dtype_name(result), f"vmap {in_dims} of {what}", limits)


def arrangements(case: OpCase, function: Function) -> Iterator[tuple[list[bool], int]]:
    """All arguments mapped in front; the first one alone, at the end; all but the first."""
    count = len(function.arrays)
    yield [True] * count, 0
    yield [k == 0 for k in range(count)], -1
    if count > 1 and case.vmap_rest:
        yield [k != 0 for k in range(count)], 0


def vmap_samples(case: OpCase, dtype: str) -> list[tuple[int, Sample]]:
    """A few samples of any kind that hold at least one array."""
    return spread([s for s in case.sampled(dtype) if Function(case, s, every=True).arrays], 4)


@over_first_dtype(lambda case: case.vmap)
def test_vmap_is_a_loop(case: OpCase, dtype: str) -> None:
    limits = {**VALUES, **case.tolerance}
    for position, sample in vmap_samples(case, dtype):
        function = Function(case, sample, every=True)
        for mapped, axis in arrangements(case, function):
            check_vmap(f"{case.name}[{position}] {dtype}", function, function, limits, mapped, axis)


@over_table(lambda case: case.vmap and case.numeric, "float64")
def test_vmap_of_gradients_is_a_loop(case: OpCase, dtype: str) -> None:
    for what, function in functions(case, dtype, 2):
        count = len(function.arrays)
        gradient = xp.func.grad(squared(function), argnums=tuple(range(count)))
        check_vmap(f"gradient of {what}", function, gradient, GRADIENTS, [True] * count, 0)


def check_tape(what: str, call: Callable[..., Any], function: Function, limits: Any) -> None:
    """A tape of the call, replayed on rearranged inputs, against the call itself on those."""
    tape = xp.compile.trace(call, *function.tensors())
    others = [tensor(xp, rolled(array, 1)) for array in function.arrays]
    replayed, eager = tape(*others), call(*others)
    for one, other in zip(replayed, eager, strict=True):
        assert dtype_name(one) == dtype_name(other), what
        assert_close(as_array(xp, one), as_array(xp, other), dtype_name(other), f"tape of {what}", limits)


@over_first_dtype(lambda case: case.trace)
def test_trace_replays_as_eager(case: OpCase, dtype: str) -> None:
    for position, sample in vmap_samples(case, dtype):
        function = Function(case, sample, every=True)
        check_tape(f"{case.name}[{position}] {dtype}", function, function, {**VALUES, **case.tolerance})


@over_table(lambda case: case.trace and case.numeric, "float64")
def test_trace_of_gradients_replays_as_eager(case: OpCase, dtype: str) -> None:
    for what, function in functions(case, dtype, 2):
        gradient = xp.func.grad(squared(function), argnums=tuple(range(len(function.arrays))))
        check_tape(f"gradient of {what}", gradient, function, GRADIENTS)
