"""Filling a tensor with one value."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from .batching import in_place
from .copies import zeros_like
from .indexing import cast_back
from .reduce import sum_all
from .refusals import NO_REAL_PART
from .table import general, is_tensor


def _fill(a: Any, value: Any) -> None:
    np.copyto(a, value, casting="unsafe")


def _fill_tangent(tangents: Any, args: Any, out: Any) -> Any:
    """Tangent of fill: that of the value, everywhere."""
    _, moved = tangents
    return args[0] * 0 if moved is None else fill_tensor(args[0] * 0, moved)


def _value_rule(g: Any, value_dtype: Any) -> Any:
    """The cotangent of the value: a real one takes no complex sum, as in PyTorch."""
    if getattr(g.dtype, "np", g.dtype).kind == "c" != value_dtype.kind:
        raise RuntimeError(NO_REAL_PART)
    return cast_back(sum_all(g), value_dtype)


fill_number = general(
    "fill_number(input | value)",
    lambda a, value: np.full(a.shape, value, a.dtype),
    node="FillBackward0",
    public="fill",
    input=lambda g: zeros_like(g),
    jvp=lambda tangents, args, out: args[0] * 0,
)
fill_tensor = general(
    "fill_tensor(input, value)",
    lambda a, value: np.full(a.shape, value, a.dtype),
    node="FillBackward1",
    public="fill",
    input=lambda g: zeros_like(g),
    value=_value_rule,
    jvp=_fill_tangent,
)
# The same, named as PyTorch names the nodes of the in-place forms.
written_tensor = general(
    "written_tensor(input, value)",
    lambda a, value: np.full(a.shape, value, a.dtype),
    node="FillBackward3",
    public="fill_",
    store=_fill,
    input=lambda g: zeros_like(g),
    value=_value_rule,
    jvp=_fill_tangent,
)
written_number = general(
    "written_number(input | value)",
    lambda a, value: np.full(a.shape, value, a.dtype),
    node="FillBackward2",
    public="fill_",
    store=_fill,
    batch=in_place,
    input=lambda g: zeros_like(g),
    jvp=lambda tangents, args, out: args[0] * 0,
)
zeroed = general(
    "zeroed(input)",
    np.zeros_like,
    node="ZeroBackward0",
    public="zero_",
    store=lambda a: a.fill(0),
    batch=in_place,
    input=lambda g: zeros_like(g),
    jvp=lambda tangents, args, out: args[0] * 0,
)


def fill(input: Any, value: Any) -> Any:
    """A tensor like `input` with every element equal to `value`.

    Args:
        input: any shape.
        value: a number or a 0-d tensor.

    Returns:
        a tensor of the shape and dtype of `input`.

    Raises:
        RuntimeError: if `value` is a tensor with dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.fill(torch.zeros(2), 3.0)
        tensor([3., 3.])
    """
    if is_tensor(value):
        _check_value(value)
        return fill_tensor(input, value)
    return fill_number(input, _fitting(input, value))


def _check_value(value: Any) -> None:
    if value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
        )


def _fitting(input: Any, value: Any) -> Any:
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise _overflow(input.dtype)
    d = input.dtype
    if d is dtypes.bool_ or is_tensor(value) or isinstance(value, complex):
        return value
    if d.category == dtypes.INTEGRAL:
        limits = np.iinfo(d.np)
        # unsigned types take the negatives of their whole numbers, which wrap around
        lowest = limits.min if d.is_signed or isinstance(value, float) else -limits.max
        if value != value or not lowest <= value <= limits.max:
            raise _overflow(d)
        return int(value) & limits.max if value < 0 and not d.is_signed else int(value)
    if d in (dtypes.float32, dtypes.complex64) and math.isfinite(value) and abs(value) > _LARGEST:
        raise _overflow(d)
    return value


_LARGEST: Final = float(np.finfo(np.float32).max)


def _overflow(d: dtypes.dtype) -> RuntimeError:
    plain = d is dtypes.int32 or d.category >= dtypes.FLOATING
    name = dtypes.CPP_NAME[d] if plain else f"{d.name}_t"
    return RuntimeError(f"value cannot be converted to type {name} without overflow")


def written_fill(input: Any, value: Any) -> Any:
    """Set every element of `input` to `value`, in place."""
    if is_tensor(value):
        _check_value(value)
        return written_tensor(input, value)
    return written_number(input, _fitting(input, value))


def zero(input: Any) -> Any:
    """Set every element of `input` to zero, in place."""
    return zeroed(input)


FUNCTIONS: Final = ("fill",)
INPLACE: Final = ("written_fill",)
INPLACE_FUNCTIONS: Final = ("zero",)
ALIASES: Final = {"fill": "written_fill"}
