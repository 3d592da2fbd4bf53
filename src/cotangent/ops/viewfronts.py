"""Views as users call them: view, reshape, transpose, permute, expand, squeeze, slices, as_strided, ..."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import settings
from ..errors import bad_argument, check_dim, check_dims
from ..kernels import shape as k
from ..size import Size
from .arguments import REQUIRED, integer, integers, missing, no_match, rank
from .table import is_array, is_tensor
from .views import (
    as_strided_of, dense_clone, diagonal_of, expand_to, permute_dims, reshape_any, select_at, slice_of, squeeze_all,
    squeeze_dim, squeeze_dims, t_matrix, transpose_dims, unsafe_view, unsqueeze_at, view_as_shape, view_bits, windows_of,
)  # fmt: skip

# -- one shape for another -------------------------------------------------------------------------------


def resolve_sizes(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its one -1 replaced by what makes `numel` elements.

    Raises:
        RuntimeError: if no shape fits.
    """
    if min(shape, default=0) >= 0:
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
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
            "can be any value and is ambiguous"
        )
    if known == 0 or numel % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return shape[:at] + (numel // known,) + shape[at + 1 :]


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
    if len(args) == 1 and isinstance(args[0], dtypes.dtype):
        return _view_dtype(input, args[0])
    if not args:
        if dtype is not None:
            return _view_dtype(input, dtype)
        if size is REQUIRED:
            no_match("view", (), "torch.dtype dtype", "tuple of ints size")
        args = (size,)
    if len(args) == 1 and isinstance(args[0], float) or isinstance(args[0], str):
        no_match("view", args, "torch.dtype dtype", "tuple of ints size")
    data = input._data
    wanted = resolve_sizes(integers("view", "size", args), math.prod(data.shape))
    try:
        return view_as_shape(input, wanted)
    except ValueError:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        ) from None


def _view_dtype(input: Any, dtype: Any) -> Any:
    """The bits of `input` as another element type."""
    have = input.dtype
    if dtype is have:
        return input
    if dtype.itemsize != have.itemsize:
        names = f"view {dtypes.SCALAR_NAME[have]} as {dtypes.SCALAR_NAME[dtype]} (different element sizes)"
        shape = input._data.shape
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 to {names}")
        ratio = dtype.itemsize // have.itemsize
        if ratio > 1 and shape[-1] % ratio:
            raise RuntimeError(f"self.size(-1) must be divisible by {ratio} to {names}, but got {shape[-1]}")
        if is_array(input._data):
            strides = k.element_strides(input._data)
            if strides[-1] != 1 and shape[-1] > 1:
                raise RuntimeError(f"self.stride(-1) must be 1 to {names}, but got {strides[-1]}")
    return view_bits(input, dtype.np)


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
    return view(input, _shape_of("view_as", other))


def _shape_of(function: str, other: Any) -> tuple[int, ...]:
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
    wanted = integers("reshape", "shape", args or (shape,))
    return reshaped(input, resolve_sizes(wanted, math.prod(input._data.shape)))


def reshaped(input: Any, shape: tuple[int, ...]) -> Any:
    """`input` in a shape that fits: a view if its layout allows one."""
    data = input._data
    if is_array(data):
        if k.can_view(data, shape):
            return view_as_shape(input, shape)
        return unsafe_view(dense_clone(input), shape)
    return reshape_any(input, shape)


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
    return reshape(input, _shape_of("reshape_as", other))


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
            f"unflatten: Provided sizes {list(wanted)} don't multiply up to the size of dim {d} ({have}) in the input "
            "tensor"
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


# -- the order of dimensions -----------------------------------------------------------------------------


def transpose(input: Any, dim0: Any = REQUIRED, dim1: Any = REQUIRED) -> Any:
    """Two dimensions exchanged.

    Args:
        input: tensor.
        dim0: one of the dimensions.
        dim1: the other.

    Returns:
        a view.

    Raises:
        IndexError: if a dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.transpose(torch.ones(2, 3), 0, 1).shape
        torch.Size([3, 2])
    """
    if dim1 is REQUIRED:
        missing("transpose", *(("dim0", "dim1") if dim0 is REQUIRED else ("dim1",)))
    n = rank("transpose", input)
    if dim0.__class__ is not int or dim1.__class__ is not int:
        dim0, dim1 = integer("transpose", "dim0", 1, dim0), integer("transpose", "dim1", 2, dim1)
    return transpose_dims(input, check_dim(dim0, n), check_dim(dim1, n))


def swapaxes(input: Any, axis0: Any = REQUIRED, axis1: Any = REQUIRED) -> Any:
    """`transpose` under NumPy's name.

    Args:
        input: tensor.
        axis0: one of the dimensions.
        axis1: the other.

    Example:
        >>> import cotangent as torch
        >>> torch.swapaxes(torch.ones(2, 3), 0, 1).shape
        torch.Size([3, 2])
    """
    n = rank("swapaxes", input)
    first, second = integer("swapaxes", "axis0", 1, axis0), integer("swapaxes", "axis1", 2, axis1)
    return transpose_dims(input, check_dim(first, n), check_dim(second, n))


def t(input: Any) -> Any:
    """A matrix transposed; tensors of fewer dimensions as they are.

    Args:
        input: tensor of at most two dimensions.

    Returns:
        a view.

    Raises:
        RuntimeError: if there are more than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.t(torch.ones(2, 3)).shape
        torch.Size([3, 2])
    """
    n = rank("t", input)
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return t_matrix(input)


def permute(input: Any, *args: Any, dims: Any = REQUIRED) -> Any:
    """The same memory with its dimensions in another order.

    Args:
        input: tensor.
        args: the dimensions in their new order, all of them.
        dims: the same as a keyword.

    Returns:
        a view.

    Raises:
        RuntimeError: if a dimension is missing or comes twice.

    Example:
        >>> import cotangent as torch
        >>> torch.permute(torch.ones(2, 3, 4), (2, 0, 1)).shape
        torch.Size([4, 2, 3])
    """
    n = rank("permute", input)
    wanted = integers("permute", "dims", args or (dims,))
    if len(wanted) != n:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {n} is not equal to len(dims) = {len(wanted)}"
        )
    order = tuple([check_dim(d, n) for d in wanted])
    if len(set(order)) != n:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return permute_dims(input, order)


def movedim(input: Any, source: Any = REQUIRED, destination: Any = REQUIRED) -> Any:
    """Dimensions moved to other places; the rest keep their order.

    Args:
        input: tensor.
        source: the dimension, or dimensions, to move.
        destination: where each goes.

    Returns:
        a view.

    Raises:
        RuntimeError: if the two differ in length, or a dimension comes twice.

    Example:
        >>> import cotangent as torch
        >>> torch.movedim(torch.ones(2, 3, 4), 0, -1).shape
        torch.Size([3, 4, 2])
    """
    many = isinstance(source, (tuple, list)), isinstance(destination, (tuple, list))
    if REQUIRED in (source, destination) or many[0] != many[1] or not (many[0] or _whole(source, destination)):
        given = tuple(a for a in (source, destination) if a is not REQUIRED)
        no_match("movedim", given, "int source, int destination", "tuple of ints source, tuple of ints destination")
    n = rank("movedim", input)
    sources, targets = integers("movedim", "source", (source,)), integers("movedim", "destination", (destination,), 2)
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the same number "
            f"of dims as destination ({list(targets)} dims)"
        )
    start, end = [check_dim(d, n) for d in sources], [check_dim(d, n) for d in targets]
    for name, dims, given in (("source", start, sources), ("destination", end, targets)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not n:
        return transpose_dims(input, 0, 0)
    placed = dict(zip(end, start, strict=True))
    rest = iter([d for d in range(n) if d not in start])
    return permute_dims(input, tuple([placed[i] if i in placed else next(rest) for i in range(n)]))


def _whole(*values: Any) -> bool:
    return all(hasattr(value, "__index__") and not isinstance(value, bool) for value in values)


def _told(text: str, last: list[str]) -> None:
    """Warn of a deprecated use, once per process unless `torch.set_warn_always(True)`."""
    if settings.warn_always or text not in last:
        last.append(text)
        warnings.warn(text, UserWarning, stacklevel=3)


_TOLD: Final[list[str]] = []


def _reversed_dims(input: Any) -> Any:
    """The dimensions in reverse order."""
    n = input._data.ndim
    if n == 0:
        _told("Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.", _TOLD)
    elif n != 2:
        _told(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw "
            "an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            _TOLD,
        )
    return permute_dims(input, tuple(range(n))[::-1])


def _matrix_dims(input: Any, name: str) -> None:
    n = input._data.ndim
    if n == 1:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {n}-D tensor.")


def _transposed_matrices(input: Any) -> Any:
    """The last two dimensions exchanged."""
    _matrix_dims(input, "mT")
    if not input._data.ndim:
        _told("Tensor.mT is deprecated on 0-D tensors. This function is the identity in these cases.", _TOLD)
        return input
    return transpose_dims(input, input.ndim - 2, input.ndim - 1)


def conjugated(input: Any) -> Any:
    """The complex conjugate; real tensors as they are."""
    return input.conj() if input.dtype.is_complex else input


def _adjoint_matrix(input: Any) -> Any:
    """The conjugate transpose of a matrix."""
    n = input._data.ndim
    if n not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if n > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {n}-D tensor.{more}")
    if not n:
        _told("Tensor.H is deprecated on 0-D tensors. Consider using x.conj().", _TOLD)
        return conjugated(input)
    return conjugated(transpose_dims(input, 0, 1))


def _adjoint_matrices(input: Any) -> Any:
    """The conjugate transpose over the last two dimensions."""
    _matrix_dims(input, "mH")
    n = input._data.ndim
    if not n:
        _told("Tensor.mH is deprecated on 0-D tensors. Consider using x.conj().", _TOLD)
        return conjugated(input)
    return conjugated(transpose_dims(input, n - 2, n - 1))


def adjoint(input: Any) -> Any:
    """The conjugate transpose of a matrix, or of a batch of them.

    Args:
        input: tensor of shape (..., n, m).

    Returns:
        tensor of shape (..., m, n).

    Raises:
        RuntimeError: if there is only one dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.adjoint(torch.ones(2, 3)).shape
        torch.Size([3, 2])
    """
    n = rank("adjoint", input)
    if n == 1:
        _matrix_dims(input, "adjoint()")
    if not n:
        _told("adjoint() is deprecated on 0-D tensors. Consider using x.conj().", _TOLD)
        return conjugated(input)
    return conjugated(transpose_dims(input, n - 2, n - 1))


T: Final = property(_reversed_dims)
mT: Final = property(_transposed_matrices)
H: Final = property(_adjoint_matrix)
mH: Final = property(_adjoint_matrices)

# -- dimensions of one -----------------------------------------------------------------------------------


def expand(input: Any, *args: Any, size: Any = REQUIRED, implicit: bool = False) -> Any:
    """Dimensions of one repeated without copying; new dimensions come in front.

    Args:
        input: tensor.
        args: the new sizes; -1 keeps a size.
        size: the same as a keyword.
        implicit: accepted as in PyTorch, without effect.

    Returns:
        a view in which several elements may share one place in memory, so write to a clone of it.

    Raises:
        RuntimeError: if a size does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    return expanded(input, integers("expand", "size", args or (size,)))


def expanded(input: Any, shape: tuple[int, ...]) -> Any:
    """`input` expanded to `shape`, in which -1 keeps a size."""
    have = input._data.shape
    lead = len(shape) - len(have)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{input.dtype.type_name}{{{list(have)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    out = list(shape)
    for i in range(len(shape) - 1, -1, -1):
        n = shape[i]
        if i < lead:
            if n == -1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                )
        elif n == -1:
            out[i] = have[i - lead]
        elif n != have[i - lead] and have[i - lead] != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have[i - lead]}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(have)}"
            )
        if n < -1:
            raise RuntimeError("numel: integer multiplication overflow")
    return expand_to(input, tuple(out))


def expand_as(input: Any, other: Any = REQUIRED) -> Any:
    """`input` expanded to the shape of `other`.

    Args:
        input: tensor.
        other: tensor whose shape is wanted.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(3, 1).expand_as(torch.ones(3, 4)).shape
        torch.Size([3, 4])
    """
    return expanded(input, _shape_of("expand_as", other))


def broadcast_to(input: Any, size: Any = REQUIRED) -> Any:
    """`input` expanded to `size`.

    Args:
        input: tensor.
        size: the shape wanted.

    Example:
        >>> import cotangent as torch
        >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    rank("broadcast_to", input)
    return expanded(input, integers("broadcast_to", "size", (size,), 2))


def squeeze(input: Any, *args: Any, dim: Any = REQUIRED) -> Any:
    """Without dimensions of one.

    Args:
        input: tensor.
        args: nothing (all of them go), a dimension, or several as a tuple; those of other sizes stay.
        dim: the same as a keyword.

    Returns:
        a view.

    Raises:
        IndexError: if a dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.squeeze(torch.ones(1, 2, 1), 0).shape
        torch.Size([2, 1])
    """
    n = rank("squeeze", input)
    if not args:
        if dim is REQUIRED:
            return squeeze_all(input)
        args = (dim,)
    if len(args) == 1:
        only = args[0]
        if only.__class__ is int:
            return squeeze_dim(input, check_dim(only, n))
        if not isinstance(only, (tuple, list)):
            if not _whole(only):
                no_match("squeeze", args, "", "int dim", "tuple of ints dim")
            return squeeze_dim(input, check_dim(integer("squeeze", "dim", 1, only), n))
    return squeeze_dims(input, check_dims(integers("squeeze", "dim", args), n))


def unsqueeze(input: Any, dim: Any = REQUIRED) -> Any:
    """With a dimension of size one at `dim`.

    Args:
        input: tensor of n dimensions.
        dim: where it goes, from -n-1 to n.

    Returns:
        a view.

    Raises:
        IndexError: if `dim` is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.unsqueeze(torch.ones(3), -1).shape
        torch.Size([3, 1])
    """
    n = rank("unsqueeze", input)
    if dim.__class__ is not int:
        dim = integer("unsqueeze", "dim", 1, dim)
    return unsqueeze_at(input, check_dim(dim, n + 1))


# -- sections --------------------------------------------------------------------------------------------


def select(input: Any, dim: Any = REQUIRED, index: Any = REQUIRED) -> Any:
    """The slice at `index` of dimension `dim`, as a view without that dimension.

    Args:
        input: tensor of at least one dimension.
        dim: the dimension.
        index: which element of it; negative ones count from the end.

    Raises:
        IndexError: if the index is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, -1)
        tensor([2, 4])
    """
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


def narrow(input: Any, dim: Any = REQUIRED, start: Any = REQUIRED, length: Any = REQUIRED) -> Any:
    """The section of `length` elements from `start` along `dim`.

    Args:
        input: tensor of at least one dimension.
        dim: the dimension.
        start: the first element, an int or a tensor of one; negative ones count from the end.
        length: how many.

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
    n = rank("narrow", input)
    given = tuple(a for a in (dim, start, length) if a is not REQUIRED)
    if is_tensor(start) and (start.ndim or start.dtype.category != dtypes.INTEGRAL):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    if len(given) < 3 or not _whole(*given):
        no_match("narrow", given, "int dim, Tensor start, int length", "int dim, int start, int length")
    if not n:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    first, count = int(start), int(length)
    if count < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    d = check_dim(int(dim), n)
    size = input._data.shape[d]
    if not -size <= first <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {first})")
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


def as_strided(input: Any, size: Any = REQUIRED, stride: Any = REQUIRED, storage_offset: int | None = None) -> Any:
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
    data = input._data
    plain = is_array(data)
    here = k.storage_offset(data) if plain else 0
    offset = here if storage_offset is None else storage_offset
    if plain:
        check_strided(data, shape, steps, offset)
    have = k.element_strides(data) if plain else k.dense_strides(tuple(data.shape))
    return as_strided_of(input, shape, steps, offset - here, have)


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
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
            f"requiring a storage size of {needed * item} are out of bounds for storage of size {bytes_held}"
        )


# -- layout ----------------------------------------------------------------------------------------------

_CHANNELS: Final = {"torch.channels_last": (4, (0, 2, 3, 1)), "torch.channels_last_3d": (5, (0, 2, 3, 4, 1))}


def _channels_order(memory_format: Any, n: int) -> tuple[int, ...] | None:
    """The order in memory that a channels-last format asks for; None for the other formats."""
    name = repr(memory_format)
    if name not in _CHANNELS:
        return None
    wanted, order = _CHANNELS[name]
    if n != wanted:
        raise RuntimeError(f"required rank {wanted} tensor to use {name[6:]} format")
    return order


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
    data = input._data
    if not is_array(data):
        return True
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
    data = input._data
    if memory_format is not None:
        order = _channels_order(memory_format, data.ndim)
        if order is not None:
            if is_contiguous(input, memory_format=memory_format):
                return input
            back = tuple(int(d) for d in np.argsort(order))
            return permute_dims(dense_clone(permute_dims(input, order)), back)
    if not is_array(data) or data.flags.c_contiguous:
        return input
    return dense_clone(input)


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


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to.

    Args:
        shapes: tuples of sizes, or ints.

    Raises:
        RuntimeError: if they do not fit together.

    Example:
        >>> import cotangent as torch
        >>> torch.broadcast_shapes((2,), (3, 1))
        torch.Size([3, 2])
    """
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max((len(s) for s in given), default=0)
    for at, shape in enumerate(given):
        for i in range(-1, -len(shape) - 1, -1):
            n = shape[i]
            if n == 1 or n == out[i]:
                continue
            if out[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at {i}! Mismatching argument at index {at} had "
                    f"{shape}; but expected shape should be broadcastable to {out}"
                )
            out[i] = n
    return Size(out)


METHODS: Final = (
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "transpose", "swapaxes", "t", "permute",
    "movedim", "adjoint", "T", "mT", "H", "mH", "expand", "expand_as", "broadcast_to", "squeeze", "unsqueeze", "select",
    "narrow", "diagonal", "unfold", "as_strided", "is_contiguous", "contiguous", "is_same_size",
)  # fmt: skip
FUNCTIONS: Final = (
    "reshape", "flatten", "unflatten", "ravel", "transpose", "swapaxes", "t", "permute", "movedim", "adjoint",
    "broadcast_to", "squeeze", "unsqueeze", "select", "narrow", "diagonal", "as_strided", "numel", "is_same_size",
    "broadcast_shapes",
)  # fmt: skip
INPLACE: Final = ("transpose", "swapaxes", "t", "squeeze", "unsqueeze", "as_strided")
INPLACE_FUNCTIONS: Final = ("as_strided",)
ALIASES: Final = {"moveaxis": "movedim"}
