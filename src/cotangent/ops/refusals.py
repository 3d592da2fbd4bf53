"""Checks of the dtype an elementwise operation would compute in, with PyTorch's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..dtypes import COMPLEX, SCALAR_NAME, dtype

Check = Callable[[Any, dtype], None]

# How the overloads of functions of a tensor and a tensor or number read in PyTorch's errors.
TENSOR_OR_NUMBER: Final = (
    "Tensor input, Tensor other, *, Tensor out = None",
    "Tensor input, Number other, *, Tensor out = None",
)
NUMBER_OR_TENSOR: Final = (TENSOR_OR_NUMBER[0], "Number self, Tensor other", TENSOR_OR_NUMBER[1])

NO_REAL_PART: Final = (
    "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but "
    "got false.  (Could this error message be improved?  If so, please report an enhancement request to "
    "PyTorch.)"
)
NO_BOOL_OPERAND: Final = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert "
    "a mask, use the `~` or `logical_not()` operator instead."
)
NO_NEGATION: Final = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
    "the `~` or `logical_not()` operator instead."
)


def unsupported(kernel: str, d: dtype) -> NotImplementedError:
    """PyTorch's error for a kernel that has no variant for a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{SCALAR_NAME[d]}'")


def cannot_cast(result: dtype, target: dtype) -> RuntimeError:
    """PyTorch's error for a result that the tensor written to cannot hold."""
    return RuntimeError(
        f"result type {SCALAR_NAME[result]} can't be cast to the desired output type {SCALAR_NAME[target]}"
    )


def without(kernel: str, input: Any, *categories: int) -> Any:
    """The tensor, unless its dtype is of a category that PyTorch's kernel does not know."""
    if input.dtype.category in categories:
        raise unsupported(kernel, input.dtype)
    return input


def refuse(kernel: str, *categories: int) -> Check:
    """A check that refuses dtypes of these categories in the name of PyTorch's kernel."""

    def check(_op: Any, d: dtype) -> None:
        if d.category in categories:
            raise unsupported(kernel, d)

    return check


def exact_out(result: Any, out: Any, _input: Any = None) -> None:
    """Refuse to store a result in an `out=` tensor of another dtype."""
    if out is not None and out.dtype is not result.dtype:
        raise RuntimeError(f"Found dtype {SCALAR_NAME[out.dtype]} but expected {SCALAR_NAME[result.dtype]}")


def out_must_be(wanted: str, *allowed: dtype) -> Callable[[Any, Any, Any], None]:
    """An `out_check` that raises `wanted` for dtypes that are neither the result's nor allowed."""

    def check(result: Any, out: Any, _input: Any) -> None:
        if out.dtype is not result.dtype and out.dtype not in allowed:
            raise RuntimeError(wanted.format(out=SCALAR_NAME[out.dtype], result=SCALAR_NAME[result.dtype]))

    return check


def refuse_with(error: Exception, category: int, then: Check | None = None) -> Check:
    """A check that raises an error like `error` for dtypes of a category; others go on to `then`."""

    def check(op: Any, d: dtype) -> None:
        if d.category == category:
            raise type(error)(*error.args)
        if then is not None:
            then(op, d)

    return check


def only_full(kernel: str) -> Callable[[Any, dtype], None]:
    """A check that refuses complex numbers and 16-bit floats in the name of PyTorch's kernel."""

    def check(_op: Any, d: dtype) -> None:
        if d.category == COMPLEX or (d.itemsize == 2 and d.is_floating_point):
            raise unsupported(kernel, d)

    return check
