"""All operations under a dispatch mode, and on tensors whose class takes operations over.

A mode that has everything computed as it is changes nothing, and a class that holds a tensor and hands
everything on to it computes the same, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from samples import TABLE
from samples.case import OpCase
from samples.compare import as_array
from samples.library import xp
from samples.worlds import Function, gradient_samples

from cotangent.autograd.base import active
from cotangent.dispatched import exchange
from cotangent.utils._python_dispatch import BaseTorchDispatchMode
from cotangent.utils._pytree import tree_map

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CASES = [
    pytest.param(case, dtype, id=f"{case.name}-{dtype}")
    for case in TABLE
    for dtype in [d for d in ("float32", "float64", "complex64") if d in case.gradient_dtypes()][:1]
]
# Gradients do not pass through writes to views of such tensors.
THROUGH_VIEWS = ("setitem", "mul_ of a")


def computed(function: Function, wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any]) -> list[Any]:
    """The results and the gradients of a function, as arrays."""
    tensors = [wrap(t) for t in function.tensors(grad=True)]
    xp.manual_seed(0)
    outs = function(*tensors)
    outs = outs if isinstance(outs, (tuple, list)) else (outs,)
    loss = sum((o.abs() if o.is_complex() else o * o).sum() for o in outs if o.requires_grad)
    found = [*outs]
    if isinstance(loss, xp.Tensor):
        found += xp.autograd.grad(loss, tensors, allow_unused=True)
    return [None if t is None else as_array(xp, unwrap(t)) for t in found]


def same(value: Any) -> Any:
    """The value itself."""
    return value


def check(
    case: OpCase, dtype: str, wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any], mode: Any
) -> None:
    """Compare a few samples with plain calls."""
    for position, sample in gradient_samples(case, dtype, 2):
        function = Function(case, sample)
        if not function.kept:
            continue
        wanted = computed(function, same, same)
        with mode:
            found = computed(function, wrap, unwrap)
        for one, other in zip(found, wanted, strict=True):
            what = f"{case.name}[{position}] {dtype}"
            assert (one is None) == (other is None), what
            if one is not None:
                assert (one.shape, one.dtype) == (other.shape, other.dtype), what
                np.testing.assert_allclose(one, other, 1e-4, 1e-5, err_msg=what)


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_a_mode_that_changes_nothing(case: OpCase, dtype: str) -> None:
    check(case, dtype, same, same, BaseTorchDispatchMode())


@pytest.fixture(scope="module")
def holding() -> Iterator[Any]:
    """A class of tensors that hand everything on; afterwards operations are what they were."""

    class Holding(xp.Tensor):  # type: ignore[misc, name-defined]
        __torch_function__ = xp._C._disabled_torch_function_impl

        @staticmethod
        def __new__(cls: Any, inner: Any, requires_grad: bool = False) -> Any:
            made = xp.Tensor._make_wrapper_subclass(
                cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, requires_grad=requires_grad
            )
            made.inner = inner
            return made

        @classmethod
        def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            def bare(value: Any) -> Any:
                return value.inner if isinstance(value, cls) else value

            out = func(*tree_map(bare, args), **tree_map(bare, kwargs or {}))
            if func.overloadpacket.__name__.endswith("_"):
                return args[0]
            return tree_map(lambda value: cls(value) if isinstance(value, xp.Tensor) else value, out)

    yield Holding
    exchange.leave()
    active.dispatching = False


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_a_class_that_hands_everything_on(case: OpCase, dtype: str, holding: Any) -> None:
    if case.name.startswith(THROUGH_VIEWS):
        return

    def wrap(t: Any) -> Any:
        return holding(t.detach(), True)

    def unwrap(t: Any) -> Any:
        return t.inner if isinstance(t, holding) else t

    check(case, dtype, wrap, unwrap, xp.enable_grad())
