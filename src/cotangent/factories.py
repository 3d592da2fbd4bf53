"""Tensors of a shape: zeros, ones, ranges, identity matrices, and their `_like` and `new_` forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .autograd.base import cell_of
from .config import settings
from .creation import as_array, born, check_dtype
from .dtypes import dtype as _dtype
from .errors import bad_argument
from .ops.arguments import integers
from .size import check_device
from .tensor import Tensor


def _shape(function: str, size: Any) -> tuple[int, ...]:
    shape = integers(function, "size", size) if size else ()
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _make(function: str, size: Any, fill: Any, options: dict[str, Any]) -> Any:
    """A filled tensor (`fill` None: whatever is in the memory)."""
    if "size" in options:
        size = (options.pop("size"),)
    dtype = options.pop("dtype", None)
    requires_grad = options.pop("requires_grad", False)
    out = options.pop("out", None)
    names = options.pop("names", None)
    _ignored(function, options)
    check_dtype(function, dtype)
    if names is not None:
        raise RuntimeError(f"{function}(): named tensors are not supported; leave `names` out")
    shape = _shape(function, size)
    d = dtype or settings.default_dtype
    if out is not None:
        return _written(out, dtype, np.full(shape, fill or 0, out._data.dtype))
    array = np.empty(shape, d.np) if fill is None else np.full(shape, fill, d.np) if fill else np.zeros(shape, d.np)
    return born(array, requires_grad)


def _written(out: Any, dtype: Any, array: Any) -> Any:
    """Store `array` in the tensor given as `out=`, which gets its shape."""
    if dtype is not None and dtype is not out.dtype:
        raise RuntimeError(
            f"dtype {dtypes.SCALAR_NAME[dtype]} does not match dtype of out parameter ({dtypes.SCALAR_NAME[out.dtype]})"
        )
    if out._data.shape == array.shape:
        out._data[...] = array
    else:
        out._data = array.astype(out._data.dtype, copy=False)
    cell_of(out)[0] += 1
    return out


def _ignored(function: str, options: dict[str, Any]) -> None:
    """Check the options that change nothing here."""
    if options.get("device") is not None:
        check_device(options["device"])
    for key in options:
        if key not in ("device", "layout", "pin_memory", "memory_format"):
            raise TypeError(f"{function}() got an unexpected keyword argument '{key}'")


def zeros(*size: Any, **options: Any) -> Any:
    """A tensor of zeros.

    Args:
        size: sizes, separately or as one sequence.
        options: dtype, device, requires_grad, out, layout, pin_memory as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _make("zeros", size, 0, options)


def ones(*size: Any, **options: Any) -> Any:
    """A tensor of ones.

    Args:
        size: sizes, separately or as one sequence.
        options: dtype, device, requires_grad, out, layout, pin_memory as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2, dtype=torch.int64)
        tensor([1, 1])
    """
    return _make("ones", size, 1, options)


def empty(*size: Any, **options: Any) -> Any:
    """A tensor whose elements are whatever was in the memory.

    Args:
        size: sizes, separately or as one sequence.
        options: dtype, device, requires_grad, out, layout, pin_memory as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.empty(2, 3).shape
        torch.Size([2, 3])
    """
    return _make("empty", size, None, options)


def empty_strided(size: Any, stride: Any, **options: Any) -> Any:
    """An unfilled tensor of given sizes and strides (in elements).

    Args:
        size: sizes.
        stride: strides.
        options: dtype, device, requires_grad as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    d = (options.get("dtype") or settings.default_dtype).np
    extent = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    array = np.ndarray(tuple(size), d, np.empty(extent, d), 0, tuple(s * d.itemsize for s in stride))
    return born(array, options.get("requires_grad", False))


def full(size: Any, fill_value: Any, **options: Any) -> Any:
    """A tensor filled with one value.

    Args:
        size: sizes, as one sequence.
        fill_value: a number or 0-d tensor; decides the dtype if none is given.
        options: dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a new leaf tensor.

    Raises:
        RuntimeError: if the dtype cannot hold the value.

    Example:
        >>> import cotangent as torch
        >>> torch.full((2,), 7)
        tensor([7, 7])
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    dtype = options.pop("dtype", None)
    requires_grad = options.pop("requires_grad", False)
    out = options.pop("out", None)
    _ignored("full", options)
    check_dtype("full", dtype)
    shape = _shape("full", (size,))
    d = dtype or (out.dtype if out is not None else dtypes.scalar_dtype(fill_value, settings.default_dtype))
    array = np.full(shape, number(fill_value, d), d.np)
    if out is not None:
        return _written(out, dtype, array)
    return born(array, requires_grad)


def number(value: Any, d: _dtype) -> Any:
    """A Python number checked to fit dtype `d`."""
    if d.category == dtypes.INTEGRAL and not isinstance(value, bool):
        limits = np.iinfo(d.np)
        if value != value or not limits.min <= value.real <= limits.max:
            name = dtypes.CPP_NAME[d] if d is dtypes.int64 else f"{d.name}_t"
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
        return int(value)
    if d.category == dtypes.FLOATING and isinstance(value, complex):
        raise RuntimeError(f"value cannot be converted to type {dtypes.CPP_NAME[d]} without overflow")
    return value


def _like(function: str, input: Any, fill: Any, options: dict[str, Any]) -> Any:
    if not isinstance(input, Tensor):
        bad_argument(function, "input", 1, "Tensor", input)
    dtype = options.pop("dtype", None)
    requires_grad = options.pop("requires_grad", False)
    _ignored(function, options)
    check_dtype(function, dtype)
    d = (dtype or input.dtype).np
    data = input._data
    if data.__class__ is not np.ndarray:
        source = input if dtype is None else input.to(dtype)
        made = source.detach() * 0
        return made if not fill else made + fill
    if fill is None:
        return born(np.empty_like(data, d), requires_grad)
    return born(np.full_like(data, number(fill, dtypes.FROM_NUMPY[d]), d) if fill else np.zeros_like(data, d), requires_grad)


def zeros_like(input: Any, **options: Any) -> Any:
    """Zeros of the shape and dtype of `input`.

    Args:
        input: a tensor.
        options: dtype, device, requires_grad, memory_format as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros_like(torch.ones(2))
        tensor([0., 0.])
    """
    return _like("zeros_like", input, 0, options)


def ones_like(input: Any, **options: Any) -> Any:
    """Ones of the shape and dtype of `input`.

    Args:
        input: a tensor.
        options: dtype, device, requires_grad, memory_format as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.ones_like(torch.zeros(2))
        tensor([1., 1.])
    """
    return _like("ones_like", input, 1, options)


def empty_like(input: Any, **options: Any) -> Any:
    """An unfilled tensor of the shape and dtype of `input`.

    Args:
        input: a tensor.
        options: dtype, device, requires_grad, memory_format as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.empty_like(torch.ones(2, 1)).shape
        torch.Size([2, 1])
    """
    return _like("empty_like", input, None, options)


def full_like(input: Any, fill_value: Any, **options: Any) -> Any:
    """One value in the shape and dtype of `input`.

    Args:
        input: a tensor.
        fill_value: a number or 0-d tensor.
        options: dtype, device, requires_grad, memory_format as in PyTorch.

    Returns:
        a new leaf tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.full_like(torch.zeros(2), 3)
        tensor([3., 3.])
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _like("full_like", input, value, options)


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
    start, end, step = (_plain(given.get(k, v)) for k, v in (("start", 0), ("end", None), ("step", 1)))
    if end is None or isinstance(end, (str, list)):
        raise TypeError(
            f"arange() received an invalid combination of arguments - got ({', '.join(type(a).__name__ for a in args)}), but "
            "expected one of:\n * (Number end, *, Tensor out = None, torch.dtype dtype = None, torch.layout layout = None, "
            "torch.device device = None, bool pin_memory = False, bool requires_grad = False)\n * (Number start, Number end, "
            "*, torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, bool pin_memory = False, "
            "bool requires_grad = False)\n * (Number start, Number end, Number step = 1, *, Tensor out = None, torch.dtype "
            "dtype = None, torch.layout layout = None, torch.device device = None, bool pin_memory = False, bool "
            "requires_grad = False)\n"
        )
    dtype = options.pop("dtype", None)
    out = options.pop("out", None)
    requires_grad = options.pop("requires_grad", False)
    _ignored("arange", options)
    check_dtype("arange", dtype)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(v, int) for v in (start, end, step))
    d = dtype or (out.dtype if out is not None else dtypes.int64 if whole else settings.default_dtype)
    if whole and d.category == dtypes.INTEGRAL:
        array = np.arange(start, end, step, np.int64).astype(d.np)
    else:
        count = math.ceil((end - start) / step)
        array = (start + step * np.arange(count, dtype=np.float64)).astype(d.np)
    if out is not None:
        return _written(out, dtype, array)
    return born(array, requires_grad)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    return value.item() if isinstance(value, np.generic) else value


def linspace(start: Any, end: Any, steps: int, **options: Any) -> Any:
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
    return _spaced("linspace", _plain(start), _plain(end), steps, options, None)


def logspace(start: Any, end: Any, steps: int, base: float = 10.0, **options: Any) -> Any:
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
    return _spaced("logspace", _plain(start), _plain(end), steps, options, base)


def _spaced(function: str, start: Any, end: Any, steps: int, options: dict[str, Any], base: float | None) -> Any:
    dtype = options.pop("dtype", None)
    requires_grad = options.pop("requires_grad", False)
    out = options.pop("out", None)
    _ignored(function, options)
    check_dtype(function, dtype)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    is_complex = isinstance(start, complex) or isinstance(end, complex)
    d = dtype or (settings.default_dtype.to_complex() if is_complex else settings.default_dtype)
    if out is not None and dtype is None:
        d = out.dtype
    # Steps of 16-bit floats are rounded one by one in linspace.
    work = d.np if d.category >= dtypes.FLOATING and (d.itemsize > 2 or base is None) else np.dtype(np.float64 if d.category < 2 else np.float32)
    first, last = work.type(start), work.type(end)
    if steps == 1:
        array = np.array([first], work)
    else:
        step = (last - first) / work.type(steps - 1 or 1)
        if d.category < dtypes.FLOATING:
            step = np.float64(end - start) / (steps - 1 or 1)
        i = np.arange(steps, dtype=np.float64).astype(work)
        half = steps // 2
        array = np.where(np.arange(steps) < half, first + step * i, last - step * (work.type(steps - 1) - i)).astype(work)
    if base is not None:
        array = np.power(work.type(base), array)
    array = array.astype(d.np)
    if out is not None:
        return _written(out, dtype, array)
    return born(array, requires_grad)


def range(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Any:
    """Numbers from start to end, end included (deprecated by PyTorch in favour of arange).

    Args:
        start: first number.
        end: last number.
        step: difference.
        options: dtype, requires_grad as in PyTorch.

    Returns:
        a 1-d tensor.
    """
    count = math.floor((end - start) / step) + 1
    d = options.get("dtype") or settings.default_dtype
    return born((start + step * np.arange(count, dtype=np.float64)).astype(d.np), options.get("requires_grad", False))


def eye(n: int, m: int | None = None, **options: Any) -> Any:
    """The identity matrix, or ones on the diagonal of an n by m matrix.

    Args:
        n: rows.
        m: columns; n if None.
        options: dtype, device, requires_grad as in PyTorch.

    Returns:
        (n, m).

    Raises:
        RuntimeError: if a size is negative.

    Example:
        >>> import cotangent as torch
        >>> torch.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    dtype = options.pop("dtype", None)
    requires_grad = options.pop("requires_grad", False)
    out = options.pop("out", None)
    _ignored("eye", options)
    check_dtype("eye", dtype)
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m is not None and m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    array = np.eye(n, m, dtype=(dtype or (settings.default_dtype if out is None else out.dtype)).np)
    if out is not None:
        return _written(out, dtype, array)
    return born(array, requires_grad)


def tril_indices(row: int, col: int, offset: int = 0, **options: Any) -> Any:
    """Row and column indices of the lower triangle of a row by col matrix.

    Args:
        row: rows.
        col: columns.
        offset: diagonal to include up to.
        options: dtype (int64 or int32), device.

    Returns:
        (2, count).

    Example:
        >>> import cotangent as torch
        >>> torch.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    d = (options.get("dtype") or dtypes.int64).np
    return born(np.stack(np.tril_indices(row, offset, col)).astype(d))


def triu_indices(row: int, col: int, offset: int = 0, **options: Any) -> Any:
    """Row and column indices of the upper triangle of a row by col matrix.

    Args:
        row: rows.
        col: columns.
        offset: diagonal to start from.
        options: dtype (int64 or int32), device.

    Returns:
        (2, count).

    Example:
        >>> import cotangent as torch
        >>> torch.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    d = (options.get("dtype") or dtypes.int64).np
    return born(np.stack(np.triu_indices(row, offset, col)).astype(d))


def _new(function: str, self: Any, size: Any, fill: Any, options: dict[str, Any]) -> Any:
    if options.get("dtype") is None:
        options["dtype"] = self.dtype
    return _make(function, size, fill, options)


def new_zeros(self: Any, *size: Any, **options: Any) -> Any:
    """Zeros of the tensor's dtype."""
    return _new("new_zeros", self, size, 0, options)


def new_ones(self: Any, *size: Any, **options: Any) -> Any:
    """Ones of the tensor's dtype."""
    return _new("new_ones", self, size, 1, options)


def new_empty(self: Any, *size: Any, **options: Any) -> Any:
    """An unfilled tensor of the tensor's dtype."""
    return _new("new_empty", self, size, None, options)


def new_full(self: Any, size: Any, fill_value: Any, **options: Any) -> Any:
    """A filled tensor of the tensor's dtype."""
    if options.get("dtype") is None:
        options["dtype"] = self.dtype
    return full(size, fill_value, **options)


def new_tensor(self: Any, data: Any, *, dtype: _dtype | None = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor of `data` in this tensor's dtype."""
    if device is not None:
        check_device(device)
    source = data._data if isinstance(data, Tensor) else as_array(data, None)
    return born(np.array(source).astype((dtype or self.dtype).np), requires_grad)


METHODS = ("new_tensor", "new_zeros", "new_ones", "new_empty", "new_full")
__all__ = [
    "arange", "empty", "empty_like", "empty_strided", "eye", "full", "full_like", "linspace", "logspace", "ones",
    "ones_like", "range", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
