"""Views of a part: select, narrow, diagonal, unfold, as_strided."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import check_dim
from ..kernels import shape as k
from ..kernels.deferred import layout
from .arguments import REQUIRED, integer, integers, missing, no_match, rank, renamed, whole
from .table import is_array, is_tensor
from .views import as_strided_of, diagonal_of, lying, select_at, slice_of, windows_of


def select(input: Any, dim: Any = REQUIRED, index: Any = REQUIRED, **numpy: Any) -> Any:
    """The slice at `index` of dimension `dim`, as a view without that dimension.

    Args:
        input: tensor of at least one dimension.
        dim: the dimension.
        index: which element of it; negative ones count from the end.
        numpy: NumPy's names of `dim` and `keepdim`.

    Raises:
        IndexError: if the index is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, -1)
        tensor([2, 4])
    """
    if numpy:
        return select(**renamed("select", numpy, input=input, dim=dim, index=index))
    if index is REQUIRED:
        missing("select", *(("dim", "index") if dim is REQUIRED else ("index",)))
    n = rank("select", input)
    wanted = integer("select", "dim", 1, dim)
    at = integer("select", "index", 2, index)
    if not n:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = check_dim(wanted, n)
    shape = input._data.shape
    size = shape[d]
    if not -size <= at < size:
        raise IndexError(
            f"select(): index {at} out of range for tensor of size {list(shape)} at dimension {d}"
        )
    return select_at(input, d, at + size if at < 0 else at)


def narrow(
    input: Any, dim: Any = REQUIRED, start: Any = REQUIRED, length: Any = REQUIRED, **numpy: Any
) -> Any:
    """The section of `length` elements from `start` along `dim`.

    Args:
        input: tensor of at least one dimension.
        dim: the dimension.
        start: the first element, an int or a tensor of one; negative ones count from the end.
        length: how many.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a view.

    Raises:
        RuntimeError: if the section does not fit.
        IndexError: if `start` is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.narrow(torch.arange(5), 0, 1, 3)
        tensor([1, 2, 3])
    """
    if numpy:
        return narrow(**renamed("narrow", numpy, input=input, dim=dim, start=start, length=length))
    n = rank("narrow", input)
    if dim.__class__ is int and start.__class__ is int and length.__class__ is int:
        return _narrowed(input, dim, start, length, n)
    given = tuple(a for a in (dim, start, length) if a is not REQUIRED)
    if is_tensor(start) and (start.ndim or start.dtype.category != dtypes.INTEGRAL):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    if len(given) < 3 or not whole(*given):
        no_match("narrow", given, "int dim, Tensor start, int length", "int dim, int start, int length")
    return _narrowed(input, int(dim), int(start), int(length), n)


def _narrowed(input: Any, dim: int, first: int, count: int, n: int) -> Any:
    if not n:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if count < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    d = check_dim(dim, n)
    size = input._data.shape[d]
    if not -size <= first <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {first})"
        )
    if first < 0:
        first += size
    if first + count > size:
        raise RuntimeError(f"start ({first}) + length ({count}) exceeds dimension size ({size}).")
    return slice_of(input, d, first, first + count, 1)


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Diagonals over two dimensions, as a last dimension.

    Args:
        input: tensor of at least two dimensions.
        offset: how far above (or, negative, below) the main diagonal.
        dim1: the rows.
        dim2: the columns.

    Returns:
        a view.

    Raises:
        RuntimeError: if the two dimensions are the same.

    Example:
        >>> import cotangent as torch
        >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    n = rank("diagonal", input)
    first, second = check_dim(dim1, n), check_dim(dim2, n)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diagonal_of(input, offset, first, second)


def unfold(input: Any, dimension: Any = REQUIRED, size: Any = REQUIRED, step: Any = REQUIRED) -> Any:
    """Windows of `size` along a dimension, one every `step`, as a new last dimension.

    Args:
        input: tensor.
        dimension: the dimension.
        size: elements per window.
        step: from one window to the next.

    Returns:
        a view; windows overlap in memory where `step` is less than `size`.

    Raises:
        RuntimeError: if a window does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(5).unfold(0, 3, 1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    names = ("dimension", "size", "step")
    absent = tuple(name for name, a in zip(names, (dimension, size, step), strict=True) if a is REQUIRED)
    if absent:
        missing("unfold", *absent)
    n = rank("unfold", input)
    d = check_dim(integer("unfold", "dimension", 1, dimension), n)
    length, every = integer("unfold", "size", 2, size), integer("unfold", "step", 3, step)
    have = input._data.shape[d] if n else 1
    if length < 0:
        raise RuntimeError(f"size is {length} but must be >= 0")
    if length > have:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {have} but size is {length}")
    if every <= 0:
        raise RuntimeError(f"step is {every} but must be > 0")
    return windows_of(input, d, length, every)


def as_strided(
    input: Any, size: Any = REQUIRED, stride: Any = REQUIRED, storage_offset: int | None = None
) -> Any:
    """A view of the memory of `input` with any sizes and strides.

    Args:
        input: tensor.
        size: the shape of the view.
        stride: elements to step over in memory, per dimension.
        storage_offset: where it begins, from the start of the memory; by default where `input` does.

    Raises:
        RuntimeError: if the view would reach outside the memory.

    Example:
        >>> import cotangent as torch
        >>> torch.as_strided(torch.arange(6), (2, 2), (1, 2))
        tensor([[0, 2],
                [1, 3]])
    """
    absent = tuple(name for name, a in (("size", size), ("stride", stride)) if a is REQUIRED)
    if absent:
        missing("as_strided", *absent)
    shape, steps = integers("as_strided", "size", (size,)), integers("as_strided", "stride", (stride,), 2)
    seen, here = _placed(input)
    offset = here if storage_offset is None else storage_offset
    if seen is None:
        return as_strided_of(input, shape, steps, offset, k.dense_strides(tuple(input._data.shape)))
    if seen.dtype.type is np.void:
        _check_example(seen, shape, steps, offset, here)
    else:
        check_strided(seen, shape, steps, offset)
    return as_strided_of(input, shape, steps, offset - here, k.element_strides(seen))


def _placed(t: Any) -> tuple[Any, int]:
    """An array that lies as `t` does, and where its memory begins; (None, 0) while a function is traced.

    For one example of a batch it is an array without memory, of dtype "V".
    """
    seen = lying(t)
    while (owner := t._owner) is not None:
        t = t._data.value if owner.is_batch else owner.below(t)
    data = layout(t._data)
    return (seen, k.storage_offset(data)) if is_array(data) else (None, 0)


def _check_example(
    seen: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int, here: int
) -> None:
    """Refuse a geometry that reaches beyond one example, which lies in memory as `seen` from `here` on."""
    if len(size) != len(stride):
        raise RuntimeError(
            "Tensor.as_strided(size, stride, ...): size and stride must have the same length! Got size "
            f"{list(size)} and stride {list(stride)}"
        )
    if 0 in size:
        return
    told = ""
    if 0 in seen.shape:
        told = (
            "`tensor` has no storage but the passed-in (size, stride, storage_offset) imply a result with "
            "some storage"
        )
    else:
        last = k.memory_needed(size, stride, offset)
        end = k.memory_needed(seen.shape, k.element_strides(seen), here)
        if offset < here or last > end:
            told = (
                f"`result` can access some memory in range [{offset}, {last}], but `tensor` can only access "
                f"some memory in range [{here}, {end}]"
            )
    if told:
        raise RuntimeError(
            f"result = tensor.as_strided({list(size)}, {list(stride)}, {offset}) can access memory outside "
            f"of `tensor`. {told}. This is not supported inside of vmap, please try to rewrite the "
            "`as_strided` call as a sequence of PyTorch view operations"
        )


def check_strided(data: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> None:
    """Raise what PyTorch raises for a geometry that the memory behind `data` does not hold."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if min(stride, default=0) < 0:
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
        )
    if min(size, default=0) < 0:
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    needed, item, bytes_held = k.memory_needed(size, stride, offset), data.itemsize, k.owner(data).nbytes
    if needed * item > bytes_held:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{item} requiring a storage size of {needed * item} are out of bounds for storage of size "
            f"{bytes_held}"
        )


METHODS: Final = ("select", "narrow", "diagonal", "unfold", "as_strided")
FUNCTIONS: Final = ("select", "narrow", "diagonal", "as_strided")
INPLACE: Final = ("as_strided",)
INPLACE_FUNCTIONS: Final = ("as_strided",)
