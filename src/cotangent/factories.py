"""Tensors of a shape: zeros, ones, ranges, identity matrices, and their `_like` and `new_` forms."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from . import dtypes, lazy
from .autograd.base import world
from .autograd.inplace import check_overlap, dense
from .autograd.views import count_write
from .config import settings
from .creation import born, check_dtype, placed
from .dtypes import dtype as _dtype
from .errors import bad_argument, type_name
from .kernels.dimensions import order_of
from .kernels.layout import in_order
from .kernels.sparse import Coo
from .kernels.unwritten import unwritten
from .ops.arguments import NUMBER, REQUIRED, as_number, integer, integers, missing, no_match, plain, whole
from .ops.copies import full_like as filled_like
from .ops.viewfronts import channels_order
from .size import COMPRESSED, check_device, contiguous_format, places, sparse_coo, strided
from .tensor import Tensor

parts: Any = lazy.module("cotangent.kernels.compressed")

# The options of every factory, as PyTorch's errors list them.
OPTIONS: Final = (
    "torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, bool pin_memory = "
    "False, bool requires_grad = False"
)


def _shape(function: str, size: Any) -> tuple[int, ...]:
    shape = integers(function, "size", size)
    for n in shape:
        if n < 0:
            if function == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _filled(shape: tuple[int, ...], d: Any, fill: Any) -> Any:
    if fill is None:
        return unwritten(np.empty(shape, d))
    return np.ones(shape, d) if fill else np.zeros(shape, d)


def no_memory(shape: tuple[int, ...], itemsize: int) -> str:
    """What PyTorch says of a shape that no memory holds."""
    if len(shape) > 64:  # what NumPy can count; PyTorch says so of most operations, too
        return "only tensors with up to 64 dims are supported"
    size = math.prod(shape) * itemsize
    if math.prod(max(n, 1) for n in shape[1:]) >= 1 << 63:
        return "Stride calculation overflowed"
    if size >= 1 << 63:
        return f"Storage size calculation overflowed with sizes={list(shape)}"
    return (
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        f"to allocate {size} bytes. Error code 12 (Cannot allocate memory)"
    )


def make(function: str, size: Any, fill: Any, options: dict[str, Any]) -> Any:
    """A filled tensor (`fill` None: whatever is in the memory)."""
    if "size" in options:
        size = (options.pop("size"),)
    names = options.pop("names", None)
    dtype, requires_grad, out = taken(function, options)
    if names is not None:
        raise RuntimeError(f"{function}(): named tensors are not supported; leave `names` out")
    shape = _shape(function, size)
    d = dtype or settings.default_dtype
    if options.get("layout") in COMPRESSED.values():
        empty = born(np.zeros(shape, d.np)).to_sparse(layout=options["layout"])
        return empty.requires_grad_() if requires_grad else empty
    if options.get("layout") is sparse_coo or (out is not None and isinstance(out._data, Coo)):
        if fill:
            raise RuntimeError(_NO_FULL)
        nothing: Any = Coo(np.zeros((len(shape), 0), np.int64), np.zeros(0, d.np), shape)
        if out is not None:
            return written(out, dtype, nothing, options.get("layout"))
        return born(nothing, requires_grad)
    if out is not None:
        content = np.full(shape, fill or 0, out._data.dtype)
        return written(out, dtype, unwritten(content) if fill is None else content)
    where = places[-1] if options.get("device") is None else check_device(options["device"])
    if where.type == "meta":
        return world.meta.blank(shape, d.np, bool(requires_grad))
    try:
        array = in_format(_filled(shape, d.np, fill), options.get("memory_format"))
    except (MemoryError, ValueError):
        raise RuntimeError(no_memory(shape, d.itemsize)) from None
    return born(array, requires_grad)


def in_format(array: Any, memory_format: Any) -> Any:
    """The array with its dimensions in the order in memory that a format asks for."""
    order = None if memory_format is None else channels_order(memory_format, array.ndim)
    if order is None:
        return np.ascontiguousarray(array) if memory_format is contiguous_format and array.ndim else array
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


def written(out: Any, dtype: Any, array: Any, layout: Any = None) -> Any:
    """Store `array` in the tensor given as `out=`, which gets its shape."""
    if dtype is not None and dtype is not out.dtype:
        raise RuntimeError(
            f"dtype {dtypes.SCALAR_NAME[dtype]} does not match dtype of out parameter "
            f"({dtypes.SCALAR_NAME[out.dtype]})"
        )
    if layout is not None and layout is not out.layout:
        raise RuntimeError(
            f"layout {_LAYOUT[layout]} does not match layout of out parameter ({_LAYOUT[out.layout]})"
        )
    if isinstance(out._data, Coo):
        out._data = array.astype(out.dtype.np)
    elif out._data.shape == array.shape:
        if out._data.__class__ is np.ndarray:
            check_overlap(out)
        out._data[...] = array
    else:
        out._data = array.astype(out._data.dtype, copy=False)
    count_write(out)
    return out


_NO_FULL: Final = "full(...) is not implemented for sparse layout"
_LAYOUT: Final = {strided: "Strided", sparse_coo: "Sparse"}


def taken(function: str, options: dict[str, Any]) -> tuple[Any, bool, Any]:
    """The options of a factory, checked: dtype, requires_grad, out. The others change nothing here."""
    requires_grad, out = options.get("requires_grad"), options.get("out")
    dtype = check_dtype(function, options.get("dtype"))
    if options.get("device") is not None:
        check_device(options["device"], function)
    for key in options:
        if key not in _KNOWN:
            raise TypeError(f"{function}() got an unexpected keyword argument '{key}'")
    if requires_grad is not None and requires_grad.__class__ is not bool:
        raise TypeError(
            f"{function}(): argument 'requires_grad' must be bool, not {type_name(requires_grad)}"
        )
    if requires_grad and out is not None:
        out.requires_grad_()
    return dtype, bool(requires_grad), out


_KNOWN: Final = frozenset(
    ("dtype", "requires_grad", "out", "device", "layout", "pin_memory", "memory_format")
)


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
    return make("zeros", size, 0, options)


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
    return make("ones", size, 1, options)


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
    return make("empty", size, None, options)


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
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    extent = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if extent * d.itemsize >= 1 << 63:
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
        )
    memory = unwritten(np.empty(extent, d))
    array = np.ndarray(tuple(size), d, memory, 0, tuple(s * d.itemsize for s in stride))
    return placed(born(array, options.get("requires_grad", False)), options.get("device"))


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Any:
    """An unfilled tensor that lies dense in memory with its dimensions in a given order.

    Args:
        size: sizes.
        physical_layout: the dimensions, from the widest step in memory to the narrowest.
        options: dtype, device, requires_grad as in PyTorch.

    Returns:
        a new leaf tensor.

    Raises:
        RuntimeError: if the layout is no permutation of the dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.empty_permuted((2, 3), (1, 0)).stride()
        (1, 2)
    """
    if len(size) != len(physical_layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    stride = [0] * len(size)
    step = 1
    for k, d in enumerate(physical_layout):
        if not 0 <= d < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {d} at index "
                f"{k}).  NB: negative dims not currently supported; file an issue if you want it."
            )
        if d in physical_layout[:k]:
            raise RuntimeError("Duplicate dim not allowed")
    for d in reversed(physical_layout):
        stride[d] = step
        step *= max(size[d], 1)
    return empty_strided(size, stride, **options)


def full(size: Any = REQUIRED, fill_value: Any = REQUIRED, **options: Any) -> Any:
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
    left_out = [key for key, value in (("size", size), ("fill_value", fill_value)) if value is REQUIRED]
    if left_out:
        missing("full", *left_out)
    if not isinstance(size, (tuple, list)):
        bad_argument("full", "size", 1, "tuple of ints", size)
    fill_value = _filling("full", fill_value)
    dtype, requires_grad, out = taken("full", options)
    shape = _shape("full", (size,))
    if options.get("layout", strided) is not strided:
        raise RuntimeError(_NO_FULL)
    d = dtype or (out.dtype if out is not None else dtypes.scalar_dtype(fill_value, settings.default_dtype))
    array = np.full(shape, number(fill_value, d), d.np)
    if out is not None:
        return written(out, dtype, array)
    return placed(born(array, requires_grad), options.get("device"))


def _filling(function: str, value: Any) -> Any:
    """The value to fill with, a number also if it came as a tensor."""
    value = as_number(function, "fill_value", 2, value)
    if not isinstance(value, NUMBER):
        bad_argument(function, "fill_value", 2, "Number", value)
    return plain(value)


def number(value: Any, d: _dtype) -> Any:
    """A Python number checked to fit dtype `d`."""
    if d.category == dtypes.INTEGRAL and not isinstance(value, bool):
        limits = np.iinfo(d.np)
        # Negative numbers that fit the unsigned dtype when they wrap around are let through, as in C.
        low = limits.min or -limits.max
        if value != value or not low <= value.real <= limits.max or (value < limits.min and value % 1):
            name = dtypes.CPP_NAME[d] if d is dtypes.int64 else f"{d.name}_t"
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
        return int(value) if value >= limits.min else int(value) + limits.max + 1
    if d.category == dtypes.FLOATING and isinstance(value, complex):
        raise RuntimeError(f"value cannot be converted to type {dtypes.CPP_NAME[d]} without overflow")
    return value


def _like(function: str, input: Any, fill: Any, options: dict[str, Any]) -> Any:
    if input is REQUIRED:
        missing(function, "input")
    if not isinstance(input, Tensor):
        bad_argument(function, "input", 1, "Tensor", input)
    dtype, requires_grad, _ = taken(function, options)
    d = (dtype or input.dtype).np
    data = input._data
    if hasattr(data, "lives_on") and options.get("device") not in (None, input.device, input.device.type):
        data = data.probe()  # somewhere else the elements exist
    wanted = options.get("layout") or input.layout
    if options.get("memory_format") is not None and wanted is not strided:
        raise RuntimeError("memory format option is only supported by strided tensors")
    given = options.get("layout")
    if given is not None and not fill and getattr(data, "layout", None) is not None:  # sparse
        nothing = parts.emptied(data, repr(given), d)
        if nothing is not None:
            return born(nothing, requires_grad)
    if fill is None and given is sparse_coo and data.__class__ is np.ndarray:
        raise NotImplementedError(
            "Could not run 'aten::empty_strided' with arguments from the 'SparseCPU' backend: sparse tensors "
            "have no strides. Use torch.zeros_like."
        )
    emptied = wanted is sparse_coo and fill == 0 and data.__class__ is np.ndarray
    if wanted is not input.layout and (emptied or isinstance(getattr(data, "sparse_dim", None), int)):
        given = {"dtype": dtype or input.dtype, "memory_format": options.get("memory_format")}
        made = make(function, (tuple(data.shape),), None if fill is None else 0, {**given, "layout": wanted})
        made = made.fill_(fill) if fill else made
        return made.requires_grad_(requires_grad)
    if data.__class__ is not np.ndarray:
        source: Any = input if dtype is None else input.to(dtype)
        return filled_like(source.detach(), 0 if fill is None else fill)
    order = None if data.flags.forc else order_of(data.shape, [data.strides])
    if order is not None and not dense(data):  # in the order of memory of a result of `data` alone
        data = in_order(np.empty(data.shape, np.bool_), order)
    if fill is None:
        made = unwritten(np.empty_like(data, d))
    elif not fill:
        made = np.zeros_like(data, d)
    else:
        made = np.full_like(data, number(fill, dtypes.FROM_NUMPY[d]), d)
    made = made if order is None else in_order(made, order)
    made = born(in_format(made, options.get("memory_format")), requires_grad)
    return made if options.get("device") is None else placed(made, options["device"])


def zeros_like(input: Any = REQUIRED, **options: Any) -> Any:
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


def ones_like(input: Any = REQUIRED, **options: Any) -> Any:
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


def empty_like(input: Any = REQUIRED, **options: Any) -> Any:
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


def full_like(input: Any = REQUIRED, fill_value: Any = REQUIRED, **options: Any) -> Any:
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
    if fill_value is REQUIRED:
        missing("full_like", *(("input",) if input is REQUIRED else ()), "fill_value")
    return _like("full_like", input, _filling("full_like", fill_value), options)


def eye(n: Any = REQUIRED, m: Any = REQUIRED, **options: Any) -> Any:
    """The identity matrix, or ones on the diagonal of an n by m matrix.

    Args:
        n: rows.
        m: columns; n if left out.
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
    dtype, requires_grad, out = taken("eye", options)
    given = tuple(v for v in (n, m) if v is not REQUIRED)
    if n is REQUIRED or (m is not REQUIRED and not whole(m)):
        rest = f"*, Tensor out = None, {OPTIONS}"
        no_match("eye", given, f"int n, {rest}", f"int n, int m, {rest}")
    n = integer("eye", "n", 1, n)
    m = None if m is REQUIRED else integer("eye", "m", 2, m)
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m is not None and m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    array = np.eye(n, m, dtype=(dtype or (settings.default_dtype if out is None else out.dtype)).np)
    if out is not None:
        return written(out, dtype, array)
    return placed(born(array, requires_grad), options.get("device"))


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
    return placed(born(np.stack(np.tril_indices(row, offset, col)).astype(d)), options.get("device"))


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
    return placed(born(np.stack(np.triu_indices(row, offset, col)).astype(d)), options.get("device"))


__all__ = [
    "empty", "empty_like", "empty_permuted", "empty_strided", "eye", "full", "full_like", "ones",
    "ones_like", "tril_indices",
    "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
