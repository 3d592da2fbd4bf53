"""Tensors of random numbers for tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..dtypes import finfo, iinfo
from ..factories import empty
from ..ops.complex import view_as_real
from ..random import randint

__all__ = ["make_tensor"]


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor of uniform random numbers from `low` up to, but without, `high`.

    Args:
        shape: sizes, or one sequence of them.
        dtype: its dtype.
        device: its device.
        low: smallest value; by default 0 for booleans and unsigned integers, -9 for other dtypes.
        high: what all values are below; by default 2 for booleans, 10 for integers, 9 for other dtypes.
        requires_grad: whether it is a leaf whose gradient is wanted.
        noncontiguous: whether it has gaps in memory (if it has two elements or more).
        exclude_zero: whether zeros are replaced by one, or by the smallest normal number.
        memory_format: its memory format.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: for bounds that are NaN, empty or out of the dtype's range, and options that exclude each
            other.
        TypeError: for a dtype that is not supported.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.testing.make_tensor(3, dtype=torch.int64, device="cpu")
        tensor([ 6, -5, -9])
    """
    sizes = tuple(shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    whole = dtype.category in (dtypes.BOOL, dtypes.INTEGRAL)
    if requires_grad and whole:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}"
        )
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    if whole:
        if dtype is dtypes.bool_:
            bounds: tuple[Any, Any, Any, Any] = (0, 2, 0, 2)
        else:
            info = iinfo(dtype)
            bounds = (info.min, info.max + (dtype is not dtypes.int64), -9, 10)
        first, last = _bounds(low, high, dtype, *bounds)
        # Rounded up: nothing below `low`, and `high` itself is not drawn.
        made = randint(math.ceil(first), math.ceil(last), sizes, dtype=dtype, device=device)
    elif dtype.category in (dtypes.FLOATING, dtypes.COMPLEX):
        largest = finfo(dtype).max
        first, last = _bounds(low, high, dtype, -largest, largest, -9, 9)
        made = empty(sizes, dtype=dtype, device=device)
        real = view_as_real(made) if dtype.is_complex else made
        if last - first >= largest:  # the distance would not be a finite number
            real.uniform_(first / 2, last / 2).mul_(2)
        else:
            real.uniform_(first, last)
    else:
        raise TypeError(
            f"The requested dtype '{dtype}' is not supported by torch.testing.make_tensor(). To request "
            "support, file an issue at: https://github.com/pytorch/pytorch/issues"
        )
    if noncontiguous:
        made = made[..., 1::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = 1 if whole else finfo(dtype).tiny
    if not whole:
        made.requires_grad = requires_grad
    return made


def _bounds(
    low: Any, high: Any, dtype: Any, lowest: Any, limit: Any, default_low: Any, default_high: Any
) -> tuple[Any, Any]:
    """The bounds, checked and within the dtype's range."""
    low = default_low if low is None else low
    high = default_high if high is None else high
    if any(isinstance(value, float) and math.isnan(value) for value in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and dtype.category in (dtypes.FLOATING, dtypes.COMPLEX):
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated "
            "since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= limit:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{lowest}, {limit})"
        )
    return min(max(low, lowest), limit), min(max(high, lowest), limit)
