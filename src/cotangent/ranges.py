"""Ranges: numbers counted or spaced evenly between two ends."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np

from . import dtypes
from .config import settings
from .creation import born, placed
from .errors import bad_argument
from .factories import OPTIONS, no_memory, taken, written
from .ops.arguments import NUMBER, REQUIRED, fitted, integer, missing, no_match, plain, whole
from .ops.refusals import unsupported
from .tensor import Tensor

_ARANGE: Final = (
    f"Number end, *, Tensor out = None, {OPTIONS}",
    f"Number start, Number end, *, {OPTIONS}",
    f"Number start, Number end, Number step = 1, *, Tensor out = None, {OPTIONS}",
)
_RANGE: Final = (
    "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent "
    "with Python's range builtin. Instead, use torch.arange, which produces values in [start, end)."
)


def arange(*args: Any, **options: Any) -> Any:
    """Numbers from start up to, but without, end.

    Args:
        args: `end`, or `start, end`, or `start, end, step` (also by keyword).
        options: dtype, device, requires_grad, out as in PyTorch; int64 for integers, else the default dtype.

    Returns:
        a 1-d tensor of ceil((end - start) / step) elements.

    Raises:
        RuntimeError: if the step is zero or leads away from end.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(1, 7, 2)
        tensor([1, 3, 5])
    """
    given = dict(zip(("start", "end", "step") if len(args) > 1 else ("end",), args, strict=False))
    for key in ("start", "end", "step"):
        if key in options:
            given[key] = options.pop(key)
    if len(args) == 1 and set(given) == {"end"} and not _single(given["end"]):
        bad_argument("arange", "end", 1, "Number", given["end"])
    if len(args) > 3 or "end" not in given or not all(map(_single, given.values())):
        no_match("arange", args, *_ARANGE)
    dtype, requires_grad, out = taken("arange", options)
    start, end, step = (_plain(given.get(k, v)) for k, v in (("start", 0), ("end", None), ("step", 1)))
    _check_step(start, end, step)
    if not all(math.isfinite(v) for v in (start, end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    exact = all(isinstance(v, int) for v in (start, end, step))
    if out is not None and out.dtype.category == dtypes.INTEGRAL and not int(step):
        raise ValueError("step must be nonzero")
    d = dtype or (out.dtype if out is not None else dtypes.int64 if exact else settings.default_dtype)
    if d.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise unsupported("arange_cpu", d)
    if d.category == dtypes.INTEGRAL and (exact or int(step)):
        start, end, step = int(start), int(end), int(step)
        array: Any = start + step * _places(-((start - end) // step), d)
    else:
        array = start + step * _places(math.ceil((end - start) / step), dtypes.float64)
    array = array.astype(d.np)
    if out is not None:
        return written(out, dtype, fitted(born(array), out)._data)
    return placed(born(array, requires_grad), options.get("device"))


def _single(value: Any) -> bool:
    """Whether PyTorch takes it for a number where it takes no tensors."""
    return _numeric(value) and not getattr(value, "requires_grad", False)


def _numeric(value: Any) -> bool:
    """Whether PyTorch takes it for a number."""
    return isinstance(value, NUMBER) or (isinstance(value, Tensor) and value.ndim == 0)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else plain(value)


def linspace(start: Any = REQUIRED, end: Any = REQUIRED, steps: Any = REQUIRED, **options: Any) -> Any:
    """Evenly spaced numbers from start to end, both included.

    Args:
        start: first number (or 0-d tensor).
        end: last number (or 0-d tensor).
        steps: how many.
        options: dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a 1-d tensor of `steps` elements, computed from both ends as PyTorch does.

    Raises:
        RuntimeError: if `steps` is negative.

    Example:
        >>> import cotangent as torch
        >>> torch.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    return _spaced("linspace", start, end, steps, options, None)


def logspace(
    start: Any = REQUIRED, end: Any = REQUIRED, steps: Any = REQUIRED, base: float = 10.0, **options: Any
) -> Any:
    """Numbers spaced evenly in the exponent: base**start to base**end.

    Args:
        start: first exponent.
        end: last exponent.
        steps: how many.
        base: the base.
        options: dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a 1-d tensor of `steps` elements.

    Example:
        >>> import cotangent as torch
        >>> torch.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    return _spaced("logspace", start, end, steps, options, base)


def _spaced(
    function: str, start: Any, end: Any, steps: Any, options: dict[str, Any], base: float | None
) -> Any:
    dtype, requires_grad, out = taken(function, options)
    if any(isinstance(v, Tensor) and v.ndim for v in (start, end)) and whole(steps):
        raise RuntimeError(
            f"{function} only supports 0-dimensional start and end tensors, but got "
            + " and ".join(
                f"{name} with {v.ndim} dimension(s)"
                for name, v in (("start", start), ("end", end))
                if isinstance(v, Tensor)
            )
            + "."
        )
    if not (_numeric(start) and _numeric(end) and whole(steps)):
        given = tuple(v for v in (start, end, steps) if v is not REQUIRED)
        more = "" if base is None else "float base = 10.0, "
        no_match(function, given, *(
            f"{a} start, {b} end, int steps, {more}*, Tensor out = None, {OPTIONS}"
            for b in ("Tensor", "Number") for a in ("Tensor", "Number")
        ))  # fmt: skip
    start, end, steps = _plain(start), _plain(end), integer(function, "steps", 3, steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    is_complex = isinstance(start, complex) or isinstance(end, complex)
    d = dtype or (settings.default_dtype.to_complex() if is_complex else settings.default_dtype)
    if is_complex and dtype is not None and not dtype.is_complex:
        inferred = dtypes.CPP_NAME[settings.default_dtype]
        raise RuntimeError(
            f"torch.{function}(): inferred dtype c10::complex<{inferred}> can't be safely cast to passed "
            f"dtype {dtypes.SCALAR_NAME[dtype]}"
        )
    if out is not None and dtype is None:
        d = out.dtype
    if d.category == dtypes.BOOL and steps > 1:
        raise unsupported(f"{function}_cpu", d)
    # Steps of 16-bit floats are rounded one by one in linspace.
    if d.category >= dtypes.FLOATING and (d.itemsize > 2 or base is None):
        work = d.np
    else:
        work = np.dtype(np.float64 if d.category < dtypes.FLOATING else np.float32)
    if d.category < dtypes.FLOATING and (base is None or steps > 1):  # (one power is of the number as it is)
        start, end = int(start), int(end)
    first, last = work.type(start), work.type(end)
    if steps == 1:
        array = np.array([first], work)
    else:
        step, parts = last - first, work.type(steps - 1 or 1)
        if work.kind == "c":  # (dividing by a complex number would round more often)
            step = complex(step.real / parts.real, step.imag / parts.real)
        else:
            step = step / parts
        if d.category < dtypes.FLOATING:
            step = np.float64(end - start) / (steps - 1 or 1)
        # The first half from the beginning, the second from the end.
        plain = work.char in "fd"
        array = np.arange(steps, dtype=work if plain else np.float64).astype(work, copy=False)
        low, high = array[: steps // 2], array[steps // 2 :]
        high[:] = array[: high.size][::-1]
        for part, begin, by in ((low, first, step), (high, last, -step)):
            part[:] = _multiplied_and_added(part, by, begin)
    if base is not None:
        array = np.power(work.type(base), array)
    array = array.astype(d.np)
    if out is not None:
        return written(out, dtype, array.reshape(out.shape) if out.numel() == steps else array)
    return placed(born(array, requires_grad), options.get("device"))


def _multiplied_and_added(counts: Any, by: Any, begin: Any) -> Any:
    """`counts * by + begin` with one rounding for 32 and 64 bits, as PyTorch's compiled loop has it."""
    if counts.dtype == np.float32:
        return counts.astype(np.float64) * by + begin
    product = counts * by
    if counts.dtype.kind == "c":
        found = np.empty_like(counts)
        found.real = _multiplied_and_added(counts.real, by.real, begin.real)
        found.imag = _multiplied_and_added(counts.real, by.imag, begin.imag)
        return found
    if counts.dtype != np.float64:
        return product + begin
    # What the product lost is exact in two halves (Dekker 1971), and comes back before the sum is rounded.
    high = by * _SPLIT - (by * _SPLIT - by)
    lost = (high * counts - product) + (by - high) * counts
    total = product + begin
    shift = total - product
    return total + ((product - (total - shift)) + (begin - shift) + lost)


# 2**27 + 1: of a number times it, the upper half of the number's digits can be told.
_SPLIT: Final = np.float64(134217729.0)


def range(start: Any = 0, end: Any = REQUIRED, step: Any = 1, **options: Any) -> Any:
    """Numbers from start to end, end included (deprecated by PyTorch in favour of arange).

    Args:
        start: first number.
        end: last number.
        step: difference.
        options: dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a 1-d tensor of floor((end - start) / step) + 1 elements.

    Raises:
        RuntimeError: if the step is zero or leads away from end.
    """
    if end is REQUIRED:
        missing("range", "end")
    dtype, requires_grad, out = taken("range", options)
    warnings.warn(_RANGE, UserWarning, stacklevel=2)
    start, end, step = _plain(start), _plain(end), _plain(step)
    _check_step(start, end, step)
    count = math.floor((end - start) / step) + 1
    d = dtype or (settings.default_dtype if out is None else out.dtype)
    if d.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise unsupported("range_cpu", d)
    array = (start + step * np.arange(count, dtype=np.float64)).astype(d.np)
    return born(array, requires_grad) if out is None else written(out, dtype, fitted(born(array), out)._data)


def _places(count: int, d: Any) -> Any:
    """0, 1, 2 and so on, as float64 or, for integers of dtype `d`, int64."""
    if count >= 1 << 63:
        raise RuntimeError("invalid size, possible overflow?")
    try:
        return np.arange(count, dtype=np.int64 if d.category == dtypes.INTEGRAL else np.float64)
    except (MemoryError, ValueError):
        raise RuntimeError(no_memory((count,), d.itemsize)) from None


def _check_step(start: Any, end: Any, step: Any) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


__all__ = ["arange", "linspace", "logspace", "range"]
