"""Views as users call them: other shapes of the same elements, and the layout in memory they need."""

from __future__ import annotations

import math
from typing import Any, Final

from .. import dtypes
from ..errors import bad_argument, check_dim
from ..kernels.deferred import layout
from ..kernels.sparse import Coo
from .arguments import REQUIRED, integer, integers, missing, no_match, numpy_named, rank
from .table import has_layout, is_array, is_tensor
from .views import (
    dense_clone,
    lying,
    ordered_clone,
    reshape_any,
    reshaped,
    view_as_shape,
    view_bits,
    viewable,
)

# -- one shape for another -------------------------------------------------------------------------------


def resolve_sizes(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its one -1 replaced by what makes `numel` elements.

    Raises:
        RuntimeError: if no shape fits.
    """
    if shape == (-1,):
        return (numel,)
    if not shape or min(shape) >= 0:
        if math.prod(shape) != numel:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        return shape
    at = -1
    for i, n in enumerate(shape):
        if n == -1:
            if at >= 0:
                raise RuntimeError("only one dimension can be inferred")
            at = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
    known = math.prod(shape[:at] + shape[at + 1 :])
    if known == 0 and numel == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension "
            "size -1 can be any value and is ambiguous"
        )
    if known == 0 or numel % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return shape[:at] + (numel // known,) + shape[at + 1 :]


_NO_SIZES: Final = frozenset((dtypes.dtype, float, str))


def view(input: Any, *args: Any, dtype: Any = None, size: Any = REQUIRED) -> Any:
    """The same memory under another shape (or, given a dtype, under another element type).

    Args:
        input: tensor of any shape.
        args: the new sizes, one of which may be -1; or a dtype.
        dtype: the element type to see the same bits as.
        size: the new sizes as a keyword.

    Returns:
        a view; its elements are those of `input` in the same order.

    Raises:
        RuntimeError: if the sizes do not fit, or the elements lie too scattered for a view.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(6).view(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if len(args) == 1 and args[0].__class__ in _NO_SIZES:
        if isinstance(args[0], dtypes.dtype):
            return _view_dtype(input, args[0])
        no_match("view", args, "torch.dtype dtype", "tuple of ints size")
    elif not args:
        if dtype is not None:
            return _view_dtype(input, dtype)
        if size is REQUIRED:
            no_match("view", (), "torch.dtype dtype", "tuple of ints size")
        args = (size,)
    elif args[0].__class__ is str:
        no_match("view", args, "torch.dtype dtype", "tuple of ints size")
    data = layout(input._data)
    wanted = resolve_sizes(integers("view", "size", args), math.prod(data.shape))
    try:
        if input._owner is None:
            return view_as_shape(input, wanted) if has_layout(data) else reshape_any(input, wanted)
        if viewable(input, wanted):
            return view_as_shape(input, wanted)
        raise ValueError
    except ValueError:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        ) from None


def _view_dtype(input: Any, dtype: Any) -> Any:
    """The bits of `input` as another element type."""
    have = input.dtype
    if dtype is have:
        return input.detach()  # PyTorch has no derivative of this, which also holds where it would be trivial
    if input.is_conj() or input.is_neg():
        kind = "conjugate view tensors" if input.is_conj() else "tensors with negative bit set"
        raise RuntimeError(
            f"torch.Tensor.view is not supported for {kind} when converting to a different dtype."
        )
    if dtype.itemsize != have.itemsize:
        names = f"view {dtypes.SCALAR_NAME[have]} as {dtypes.SCALAR_NAME[dtype]} (different element sizes)"
        shape = input._data.shape
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 to {names}")
        ratio = dtype.itemsize // have.itemsize
        if ratio > 1:
            _check_divisible("size(-1)", shape[-1], ratio, names)
        if is_array(input._data):
            strides = input.stride()
            if ratio > 1:
                _check_divisible("storage_offset()", input.storage_offset(), ratio, names)
            if strides[-1] != 1:
                raise RuntimeError(f"self.stride(-1) must be 1 to {names}, but got {strides[-1]}")
            if ratio > 1:
                for d, step in enumerate(strides[:-1]):
                    _check_divisible(f"stride({d})", step, ratio, names)
    return view_bits(input, dtype.np)


def _check_divisible(what: str, value: int, ratio: int, names: str) -> None:
    """Raise unless a tensor of small elements can be seen as one of elements `ratio` times as large."""
    if value % ratio:
        raise RuntimeError(f"self.{what} must be divisible by {ratio} to {names}, but got {value}")


def view_as(input: Any, other: Any = REQUIRED) -> Any:
    """`input` viewed with the shape of `other`.

    Args:
        input: tensor of any shape.
        other: tensor with as many elements.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(4).view_as(torch.ones(2, 2)).shape
        torch.Size([2, 2])
    """
    return view(input, shape_of("view_as", other))


def shape_of(function: str, other: Any) -> tuple[int, ...]:
    """The shape of the tensor argument `other` of a function."""
    if not is_tensor(other):
        if other is REQUIRED:
            missing(function, "other")
        bad_argument(function, "other", 1, "Tensor", other)
    return tuple(other._data.shape)


def reshape(input: Any, *args: Any, shape: Any = REQUIRED) -> Any:
    """The same elements in another shape: a view if possible, otherwise a copy.

    Args:
        input: tensor of any shape.
        args: the new sizes; one may be -1, which stands for what is left.
        shape: the new sizes as a keyword.

    Returns:
        tensor of the new shape.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.reshape(torch.arange(4), (2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    rank("reshape", input)
    wanted = resolve_sizes(integers("reshape", "shape", args or (shape,)), math.prod(input._data.shape))
    return reshaped(input, wanted)


def reshape_as(input: Any, other: Any = REQUIRED) -> Any:
    """`input` reshaped to the shape of `other`.

    Args:
        input: tensor of any shape.
        other: tensor with as many elements.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(4).reshape_as(torch.ones(2, 2)).shape
        torch.Size([2, 2])
    """
    return reshape(input, shape_of("reshape_as", other))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions `start_dim` to `end_dim` made one.

    Args:
        input: tensor of any shape; a 0-d tensor becomes one of a single element.
        start_dim: the first dimension to merge.
        end_dim: the last one.

    Returns:
        `input` itself if there is nothing to merge, otherwise a view or a copy.

    Raises:
        RuntimeError: if `start_dim` comes after `end_dim`.

    Example:
        >>> import cotangent as torch
        >>> torch.flatten(torch.ones(2, 3, 4), 1).shape
        torch.Size([2, 12])
    """
    n = rank("flatten", input)
    first = check_dim(integer("flatten", "start_dim", 1, start_dim), n)
    last = check_dim(integer("flatten", "end_dim", 2, end_dim), n)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not n:
        return view_as_shape(input, (1,))
    if first == last:
        return input
    shape = tuple(input._data.shape)
    return reshaped(input, shape[:first] + (math.prod(shape[first : last + 1]),) + shape[last + 1 :])


@numpy_named
def unflatten(input: Any, dim: Any = REQUIRED, sizes: Any = REQUIRED) -> Any:
    """One dimension made several.

    Args:
        input: tensor.
        dim: the dimension to cut.
        sizes: what it becomes; one may be -1.

    Raises:
        RuntimeError: if the sizes do not multiply up to the size of `dim`.

    Example:
        >>> import cotangent as torch
        >>> torch.unflatten(torch.ones(2, 6), 1, (3, -1)).shape
        torch.Size([2, 3, 2])
    """
    n = rank("unflatten", input)
    if isinstance(sizes, int):
        bad_argument("unflatten", "sizes", 2, "tuple of ints", sizes)
    wanted = integers("unflatten", "sizes", (sizes,), 2)
    d = check_dim(integer("unflatten", "dim", 1, dim), n)
    if not wanted:
        raise RuntimeError("unflatten: sizes must be non-empty")
    shape = tuple(input._data.shape)
    have = shape[d] if shape else 1
    if wanted.count(-1) > 1:
        raise RuntimeError("unflatten got an unexpected error:\nonly one dimension can be inferred")
    known = math.prod(s for s in wanted if s != -1)
    if (have != known) if -1 not in wanted else (known == 0 or have % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(wanted)} don't multiply up to the size of dim {d} ({have}) in "
            "the input tensor"
        )
    full = tuple(have // known if s == -1 else s for s in wanted)
    return view(input, shape[:d] + full + shape[d + 1 :])


def ravel(input: Any) -> Any:
    """All elements in one dimension: a view if they lie in order, otherwise a copy.

    Args:
        input: tensor of any shape.

    Example:
        >>> import cotangent as torch
        >>> torch.ravel(torch.ones(2, 2))
        tensor([1., 1., 1., 1.])
    """
    rank("ravel", input)
    return view(contiguous(input), -1) if input.numel() else view(contiguous(input), 0)


# -- layout ----------------------------------------------------------------------------------------------

_CHANNELS: Final = {"torch.channels_last": (4, (0, 2, 3, 1)), "torch.channels_last_3d": (5, (0, 2, 3, 4, 1))}


def channels_order(memory_format: Any, n: int) -> tuple[int, ...] | None:
    """The order in memory that a channels-last format asks for; None for the other formats."""
    name = repr(memory_format)
    if name not in _CHANNELS:
        return None
    wanted, order = _CHANNELS[name]
    if n != wanted:
        raise RuntimeError(f"required rank {wanted} tensor to use {name[6:]} format")
    return order


def _steps_are_dense(data: Any) -> bool:
    """Whether the elements of each example of a batch lie in order."""
    step = data.itemsize
    for n, stride in zip(reversed(data.shape), reversed(data.strides), strict=True):
        if n > 1 and stride != step:
            return 0 in data.shape
        step *= n
    return True


def is_contiguous(input: Any, *, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory in the order of the dimensions (or in that of `memory_format`).

    Args:
        input: tensor.
        memory_format: the order asked about; contiguous by default.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2, 3).t().is_contiguous()
        False
    """
    data = layout(input._data)
    if hasattr(data, "bdim"):
        if repr(memory_format) in _CHANNELS:
            raise RuntimeError(
                "NYI: querying is_contiguous inside of vmap for memory_format other than "
                "torch.contiguous_format"
            )
        return _steps_are_dense(data)
    if input._owner is not None:
        data = lying(input)
    if not has_layout(data):
        return not isinstance(data, Coo)
    name = repr(memory_format)
    if name in _CHANNELS:
        wanted, order = _CHANNELS[name]
        return data.ndim == wanted and bool(data.transpose(order).flags.c_contiguous)
    return bool(data.flags.c_contiguous)


def contiguous(input: Any, *, memory_format: Any = None) -> Any:
    """`input` itself if its elements lie in order, otherwise a copy in which they do.

    Args:
        input: tensor.
        memory_format: the order of dimensions in memory; that of the shape by default.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2, 3).t().contiguous().stride()
        (2, 1)
    """
    data = layout(input._data)
    if hasattr(data, "bdim"):
        if repr(memory_format) in _CHANNELS:
            is_contiguous(input, memory_format=memory_format)
        return input if _steps_are_dense(data) else dense_clone(input)
    if memory_format is not None:
        channels_order(memory_format, data.ndim)
        return input if is_contiguous(input, memory_format=memory_format) else laid_out(input, memory_format)
    return input if is_contiguous(input) else dense_clone(input)


def laid_out(input: Any, memory_format: Any) -> Any:
    """A copy whose dimensions have the order in memory that `memory_format` names."""
    order = channels_order(memory_format, input._data.ndim)
    return dense_clone(input) if order is None else ordered_clone(input, order)


def numel(input: Any) -> int:
    """The number of elements.

    Args:
        input: tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.numel(torch.ones(2, 3))
        6
    """
    rank("numel", input)
    return math.prod(input._data.shape)


def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape.

    Args:
        input: tensor.
        other: tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.is_same_size(torch.ones(2), torch.ones(3))
        False
    """
    return bool(tuple(input._data.shape) == tuple(other._data.shape))


METHODS: Final = (
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "is_contiguous",
    "contiguous", "is_same_size",
)  # fmt: skip
FUNCTIONS: Final = ("reshape", "flatten", "unflatten", "ravel", "numel", "is_same_size")
