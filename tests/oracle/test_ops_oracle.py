"""Each operator of the table against PyTorch: values, dtypes, gradients, nodes, in-place forms, `out=`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from samples import TABLE
from samples.case import Bound, OpCase, Sample, outputs, resolve
from samples.compare import GRADIENTS, VALUES, as_array, assert_close, dtype_name
from samples.gradients import Differentiated, differentiated
from samples.library import xp


def over_table(
    dtypes: Callable[[OpCase], tuple[str, ...]], suits: Callable[[OpCase], bool] = lambda case: True
) -> pytest.MarkDecorator:
    """Parametrise over the cases that suit, in the dtypes named for each."""
    return pytest.mark.parametrize(
        ("case", "dtype"),
        [
            pytest.param(case, dtype, id=f"{case.name}-{dtype}")
            for case in TABLE
            if suits(case)
            for dtype in dtypes(case)
        ],
    )


def one_dtype(case: OpCase) -> tuple[str, ...]:
    """float32 where there is one: forms of a call differ in their signature, not in arithmetic."""
    return ("float32" if "float32" in case.dtypes else case.dtypes[-1],)


def attempt(call: Callable[[], Any]) -> tuple[Any, str]:
    """The call's result, or the exception's type and text. Warnings are other tests' matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(), ""
        except Exception as error:  # whatever PyTorch raises is what is asked for
            return None, f"{type(error).__name__}: {error}"


def check_same(actual: Any, expected: Any, what: str, limits: Any) -> None:
    """Two results of one call: the same nest of the same tensors."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(actual, xp.Tensor), f"{what}: {type(actual).__name__} where PyTorch gives a tensor"
        assert dtype_name(actual) == dtype_name(expected), f"{what}: dtype"
        assert tuple(actual.shape) == tuple(expected.shape), f"{what}: shape"
        assert actual.requires_grad == expected.requires_grad, f"{what}: requires_grad"
        assert_close(as_array(xp, actual), as_array(torch, expected), dtype_name(expected), what, limits)
    elif isinstance(expected, tuple | list):
        assert isinstance(actual, tuple) == isinstance(expected, tuple), f"{what}: tuple or list"
        assert len(actual) == len(expected), f"{what}: number of results"
        for name in getattr(type(expected), "__match_args__", ()):
            assert hasattr(actual, name), f"{what}: no field {name}"
        for k, (one, other) in enumerate(zip(actual, expected, strict=True)):
            check_same(one, other, f"{what} result {k}", limits)
    else:
        assert type(actual) is type(expected) and actual == expected, what


def check_outcomes(actual: tuple[Any, str], expected: tuple[Any, str], what: str, limits: Any) -> bool:
    """Both raise the same, or both return the same; says whether they returned."""
    assert actual[1] == expected[1], f"{what}: {actual[1] or 'no error'!r}, PyTorch {expected[1] or 'none'!r}"
    if expected[1]:
        return False
    check_same(actual[0], expected[0], what, limits)
    return True


def labelled(case: OpCase, dtype: str, *, grad: bool = False) -> Iterator[tuple[str, Bound]]:
    """The case's samples with a name for messages; only those fit for gradients if `grad`."""
    for position, sample in enumerate(case.sampled(dtype)):
        if sample.grad or not grad:
            yield f"{case.name}[{position}] {dtype} {described(sample)}", Bound(case, sample)


def described(sample: Sample) -> str:
    """The sample's shapes and plain arguments."""

    def short(value: Any) -> str:
        array = getattr(value, "array", value)
        if isinstance(array, np.ndarray):
            return f"{array.dtype}{list(array.shape)}"
        if isinstance(value, tuple | list):
            return "(" + ", ".join(short(item) for item in value) + ")"
        return repr(value)

    words = [short(value) for value in sample.args]
    words += [f"{name}={short(value)}" for name, value in sample.kwargs.items()]
    return "(" + ", ".join(words) + ")"


@over_table(lambda case: case.dtypes)
def test_values(case: OpCase, dtype: str) -> None:
    limits = {**VALUES, **case.tolerance}
    for what, bound in labelled(case, dtype):
        expected = attempt(lambda b=bound: b.apply(torch, case.function(torch), b.lifted(torch)))
        assert not expected[1], f"{what}: the sample is wrong, PyTorch says {expected[1]}"
        actual = attempt(lambda b=bound: b.apply(xp, case.function(xp), b.lifted(xp)))
        check_outcomes(actual, expected, what, limits)


def check_gradients(case: OpCase, what: str, actual: Differentiated, expected: Differentiated) -> None:
    """Results, nodes' names and gradients in either library."""
    check_same(actual.result, expected.result, what, {**VALUES, **case.tolerance})
    if case.grad_fn:
        assert actual.nodes == expected.nodes, f"{what}: node names"
    limits = dict(GRADIENTS)
    for name, (relative, absolute) in case.tolerance.items():
        limits[name] = (max(relative, GRADIENTS[name][0]), max(absolute, GRADIENTS[name][1]))
    check_same(actual.gradients, expected.gradients, f"{what} gradient", limits)


@over_table(lambda case: case.gradient_dtypes())
def test_gradients(case: OpCase, dtype: str) -> None:
    for what, bound in labelled(case, dtype, grad=True):
        expected = attempt(lambda b=bound: differentiated(torch, b, case.function(torch)))
        assert not expected[1], f"{what}: the sample is wrong, PyTorch says {expected[1]}"
        actual = attempt(lambda b=bound: differentiated(xp, b, case.function(xp)))
        assert not actual[1], f"{what}: {actual[1]}"
        check_gradients(case, what, actual[0], expected[0])


def forms(case: OpCase) -> list[str]:
    """Other paths to the operator: its aliases, and the method where PyTorch has one."""
    method = case.name if case.call is None and callable(getattr(torch.Tensor, case.name, None)) else ""
    return [*case.aliases, *([f"Tensor.{method}"] if method else [])]


@over_table(one_dtype, lambda case: bool(forms(case)))
def test_other_names(case: OpCase, dtype: str) -> None:
    limits = {**VALUES, **case.tolerance}
    for what, bound in labelled(case, dtype):
        for path in forms(case):
            if path.startswith("Tensor.") and not isinstance(bound.sample.args[0], np.ndarray):
                continue
            if path.startswith("Tensor.__") and bound.sample.kwargs:
                continue  # an operator's sign has no place for keywords
            outcomes = [
                attempt(lambda b=bound, p=path, lib=lib: b.apply(lib, resolve(lib, p), b.lifted(lib)))
                for lib in (xp, torch)
            ]
            if outcomes[1][1]:
                continue  # PyTorch's form takes other arguments: `mask.where(1, x)` has the wrong self
            check_outcomes(outcomes[0], outcomes[1], f"{path} as {what}", limits)


def written(library: Any, bound: Bound, name: str, *, grad: bool) -> tuple[int, Differentiated]:
    """The in-place form on a copy: the copy's version, and what there is to know of the result."""
    versions: list[int] = []

    def operator(first: Any, *rest: Any, **keywords: Any) -> Any:
        own = first.clone() if grad else first
        result = getattr(own, name)(*rest, **keywords)
        assert result is own, f"{name} returned another tensor"
        versions.append(own._version)
        return result

    if grad:
        found = differentiated(library, bound, operator)
    else:
        found = Differentiated(bound.apply(library, operator, bound.lifted(library)), [], [])
    return versions[0], found


def writable(bound: Bound) -> bool:
    """Whether the first argument is a tensor whose elements do not overlap."""
    first = bound.sample.args[0]
    return isinstance(first, np.ndarray) and not any(
        stride == 0 and size > 1 for stride, size in zip(first.strides, first.shape, strict=True)
    )


@over_table(lambda case: case.dtypes, lambda case: case.inplace)
def test_in_place(case: OpCase, dtype: str) -> None:
    name = case.name.rpartition(".")[2] + "_"
    for what, bound in labelled(case, dtype):
        if not writable(bound):
            continue
        grad = bound.sample.grad and dtype in case.gradient_dtypes()
        outcomes = [
            attempt(lambda b=bound, lib=lib, g=grad: written(lib, b, name, grad=g)) for lib in (xp, torch)
        ]
        (actual, mine), (expected, theirs) = outcomes
        assert mine == theirs, f"{name} of {what}: {mine or 'no error'!r}, PyTorch {theirs or 'none'!r}"
        if not theirs:
            assert actual[0] == expected[0], f"{name} of {what}: version"
            check_gradients(case, f"{name} of {what}", actual[1], expected[1])


def into(library: Any, bound: Bound, function: Callable[..., Any], outs: list[Any]) -> Any:
    """The call with `out=`; what it returns must be what it was given."""
    args, keywords = bound.rebuild(library, bound.lifted(library))
    result = function(*args, **keywords, out=outs[0] if len(outs) == 1 else tuple(outs))
    returned = outputs(library, result)
    assert all(one is other for one, other in zip(returned, outs, strict=True)), (
        "out= returned another tensor"
    )
    return result


def check_out(case: OpCase, dtype: str, bound: Bound, what: str, make: Callable[[Any, Any], Any]) -> None:
    """The call with `out=` tensors that `make` builds from the plain call's results, in both libraries.

    An `out=` of a wider dtype holds no more digits than the call had.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = outputs(torch, bound.apply(torch, case.function(torch), bound.lifted(torch)))
    outcomes = [
        attempt(lambda lib=lib: into(lib, bound, case.function(lib), [make(lib, result) for result in plain]))
        for lib in (xp, torch)
    ]
    if "INTERNAL ASSERT" in outcomes[1][1]:
        return  # a bug of PyTorch's is no answer
    computed = case.tolerance.get(dtype, VALUES.get(dtype, (0.0, 0.0)))
    limits = {name: max(limit, computed) for name, limit in {**VALUES, **case.tolerance}.items()}
    check_outcomes(outcomes[0], outcomes[1], f"out= of {what}", limits)


@over_table(lambda case: case.dtypes, lambda case: case.out)
def test_out(case: OpCase, dtype: str) -> None:
    for what, bound in labelled(case, dtype):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_out(
                case, dtype, bound, what, lambda lib, like: lib.empty(0, dtype=getattr(lib, dtype_name(like)))
            )


@over_table(one_dtype, lambda case: case.out)
def test_out_of_the_right_shape_and_of_other_dtypes(case: OpCase, dtype: str) -> None:
    for what, bound in list(labelled(case, dtype))[:3]:
        for target in (None, "float64", "int64", "complex64", "bool"):
            check_out(
                case,
                dtype,
                bound,
                f"{what} into {target}",
                lambda lib, like, t=target: lib.zeros(
                    tuple(like.shape), dtype=getattr(lib, t or dtype_name(like))
                ),
            )


@pytest.mark.parametrize("case", [c for c in TABLE if c.call is None], ids=lambda case: case.name)
def test_the_table_knows_what_pytorch_writes_in_place(case: OpCase) -> None:
    assert case.inplace == hasattr(torch.Tensor, case.name.rpartition(".")[2] + "_")
