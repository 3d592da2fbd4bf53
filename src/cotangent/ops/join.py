"""Joining tensors: cat, stack and their relatives; grids and products of vectors."""

from __future__ import annotations

import warnings
from typing import Any, Final

from .. import dtypes
from ..config import settings
from ..errors import bad_argument, check_dim, type_name
from ..kernels import join as k
from .arguments import REQUIRED, apart_from, integer, missing, renamed
from .broadcast import expanded
from .copies import cast
from .history import history_first
from .table import deliver, general, is_array, is_tensor, linear
from .views import expand_to, reshaped, select_at, slice_of, unsqueeze_at, view_as_shape

# -- primitives ------------------------------------------------------------------------------------------


def _cat_rule(g: Any, tensors_shape: Any, dim: int, needs: tuple[bool, ...]) -> list[Any]:
    out: list[Any] = []
    start = 0
    for shape, need in zip(tensors_shape, needs, strict=True):
        if (
            len(shape) == 1 and shape[0] == 0 and g.ndim != 1
        ):  # an empty vector joins anything, and adds nothing
            out.append(zeros_of(g, shape) if need else None)
            continue
        out.append(slice_of(g, dim, start, start + shape[dim], 1) if need else None)
        start += shape[dim]
    return out


cat_of: Any = linear("cat(tensors[] | dim)", k.cat, batch="aligned", tensors=_cat_rule)
stack_of: Any = linear(
    "stack(tensors[] | dim)",
    k.stack,
    batch="aligned",
    tensors=lambda g, tensors_shape, dim, needs: [
        select_at(g, dim, i) if need else None for i, need in enumerate(needs)
    ],
)
# Zeros of any shape with the dtype of a cotangent: where nothing arrived.
zeros_of: Any = general("zeros_of(like | shape)", k.zeros_of, batch="axes")


def _block_rule(g: Any, tensors_shape: Any, needs: tuple[bool, ...]) -> list[Any]:
    out: list[Any] = []
    row = column = 0
    for shape, need in zip(tensors_shape, needs, strict=True):
        rows, columns = ((1, 1) + tuple(shape))[-2:]
        if need:
            block = slice_of(slice_of(g, 0, row, row + rows, 1), 1, column, column + columns, 1)
            for _ in range(2 - len(shape)):
                block = select_at(block, 0, 0)
            out.append(block)
        else:
            out.append(None)
        row, column = row + rows, column + columns
    return out


block_diag_of: Any = linear("block_diag(tensors[])", k.block_diag, tensors=_block_rule)

# -- lists of tensors ------------------------------------------------------------------------------------


def tensor_list(function: str, tensors: Any, argument: str = "tensors") -> list[Any]:
    """The tensors of a list argument.

    Raises:
        TypeError: if it is no list of tensors.
    """
    if tensors is REQUIRED:
        missing(function, argument)
    if not isinstance(tensors, (tuple, list)):
        bad_argument(function, argument, 1, "tuple of Tensors", tensors)
    check_tensors(tensors)
    return list(tensors)


def check_tensors(tensors: Any) -> None:
    """Raise PyTorch's TypeError for the first of several arguments that is no tensor."""
    for at, t in enumerate(tensors):
        if not is_tensor(t):
            raise TypeError(f"expected Tensor as element {at} in argument 0, but got {type_name(t)}")


def same_dtype(tensors: list[Any]) -> list[Any]:
    """The tensors in their common dtype."""
    first = tensors[0].dtype
    for t in tensors:
        if t.dtype is not first:
            break
    else:
        return tensors
    ranks: tuple[list[Any], list[Any]] = ([], [])
    for t in tensors:
        ranks[0 if len(t._data.shape) else 1].append(t.dtype)
    common = dtypes.result_dtype(*ranks, (), settings.default_dtype)
    return [t if t.dtype is common else cast(t, common.np) for t in tensors]


def cat(tensors: Any = REQUIRED, dim: Any = 0, *, axis: int | None = None, out: Any = None) -> Any:
    """Tensors one after the other along a dimension.

    Args:
        tensors: tensors whose shapes agree but in `dim`; empty vectors are passed over.
        dim: the dimension.
        axis: NumPy's name for `dim`.
        out: tensor to store the result in.

    Returns:
        tensor of the common dtype.

    Raises:
        RuntimeError: if the shapes do not fit.
        ValueError: if there are no tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
        tensor([1, 2, 3])
    """
    if out is None and axis is None and dim.__class__ is int:
        try:  # the usual case: one dtype, one rank; whatever is wrong is found out again below
            first = tensors[0]._data
            n, d = len(first.shape), first.dtype
            for t in tensors:
                if t._data.dtype is not d or len(t._data.shape) != n:
                    break
            else:
                if -n <= dim < n:
                    return cat_of(tensors, dim + n if dim < 0 else dim)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            pass
    given = tensor_list("cat", tensors)
    at = integer("cat", "dim", 2, dim if axis is None else axis)
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    at = _check_cat(given, at)
    given = same_dtype(given)
    if not all(is_array(t._data) for t in given):
        given = [t for t in given if not _empty_vector(t)] or given[:1]
    _check_out(given, out)
    apart_from(out, given)
    return deliver("cat", cat_of(given, at), out)


def _check_out(given: list[Any], out: Any) -> None:
    if out is not None and not dtypes.can_cast(given[0].dtype, out.dtype):
        raise TypeError(
            "torch.cat(): input types can't be cast to the desired output type "
            "" + dtypes.SCALAR_NAME[out.dtype]
        )


def _empty_vector(t: Any) -> bool:
    return tuple(t._data.shape) == (0,)


def _check_cat(tensors: list[Any], dim: int) -> int:
    """`dim` counted from the front, after all shapes have been found to fit."""
    shapes = [t._data.shape for t in tensors]
    first = None
    for at, shape in enumerate(shapes):
        if not shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {at}) cannot be concatenated")
        if first is None and shape != (0,):
            first = shape
    if first is None:
        return 0
    n = len(first)
    d = check_dim(dim, n)
    for at, shape in enumerate(shapes):
        if shape is first or shape == (0,):
            continue
        if len(shape) != n:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {n} and {len(shape)}")
        for i in range(n):
            if i != d and shape[i] != first[i]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {first[i]} but got "
                    f"size {shape[i]} for tensor number {at} in the list."
                )
    return d


@history_first("stack")
def stack(tensors: Any = REQUIRED, dim: Any = 0, *, out: Any = None, **numpy: Any) -> Any:
    """Tensors of one shape along a new dimension.

    Args:
        tensors: tensors of the same shape.
        dim: where the new dimension goes.
        out: tensor to store the result in.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        tensor of the common dtype, with one more dimension.

    Raises:
        RuntimeError: if the shapes differ.

    Example:
        >>> import cotangent as torch
        >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], 1)
        tensor([[1, 3],
                [2, 4]])
    """
    if numpy:
        return stack(**renamed("stack", numpy, tensors=tensors, dim=dim, out=out))
    given = tensor_list("stack", tensors)
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tuple(given[0]._data.shape)
    d = check_dim(integer("stack", "dim", 2, dim), len(first) + 1)
    for at, t in enumerate(given):
        if tuple(t._data.shape) != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(t._data.shape)} at entry {at}"
            )
    given = same_dtype(given)
    _check_out(given, out)
    return deliver("stack", stack_of(given, d), out)


# -- stacks along a fixed dimension ----------------------------------------------------------------------


def _raised(function: str, tensors: Any, raise_to: Any) -> list[Any]:
    given = tensor_list(function, tensors)
    if not given:
        raise RuntimeError(f"{function} expects a non-empty TensorList")
    return [raise_to(t) for t in given]


def at_least_1d(t: Any) -> Any:
    """`t` with one dimension at least."""
    return t if len(t._data.shape) else view_as_shape(t, (1,))


def at_least_2d(t: Any) -> Any:
    """`t` with two dimensions at least; a vector becomes a row."""
    n = len(t._data.shape)
    return t if n > 1 else unsqueeze_at(t, 0) if n else view_as_shape(t, (1, 1))


def at_least_3d(t: Any) -> Any:
    """`t` with three dimensions at least."""
    n = len(t._data.shape)
    if n > 2:
        return t
    if not n:
        return view_as_shape(t, (1, 1, 1))
    return unsqueeze_at(t if n == 2 else unsqueeze_at(t, 0), 2)


def hstack(tensors: Any = REQUIRED, *, out: Any = None) -> Any:
    """Tensors side by side: along the second dimension, vectors along the first.

    Args:
        tensors: tensors whose other sizes agree.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.hstack((torch.tensor([1]), torch.tensor([2, 3])))
        tensor([1, 2, 3])
    """
    given = _raised("hstack", tensors, at_least_1d)
    return cat(given, 0 if len(given[0]._data.shape) == 1 else 1, out=out)


def vstack(tensors: Any = REQUIRED, *, out: Any = None) -> Any:
    """Tensors one below the other: along the first dimension, vectors as rows.

    Args:
        tensors: tensors whose other sizes agree.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
        tensor([[1, 2],
                [3, 4]])
    """
    return cat(_raised("vstack", tensors, at_least_2d), 0, out=out)


def dstack(tensors: Any = REQUIRED, *, out: Any = None) -> Any:
    """Tensors one behind the other: along the third dimension.

    Args:
        tensors: tensors whose other sizes agree.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
        tensor([[[1, 3],
                 [2, 4]]])
    """
    return cat(_raised("dstack", tensors, at_least_3d), 2, out=out)


def column_stack(tensors: Any = REQUIRED, *, out: Any = None) -> Any:
    """Tensors side by side, vectors as columns.

    Args:
        tensors: tensors of the same height.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.column_stack((torch.tensor([1, 2]), torch.tensor([3, 4])))
        tensor([[1, 3],
                [2, 4]])
    """
    return cat(_raised("column_stack", tensors, _column), 1, out=out)


def _column(t: Any) -> Any:
    return t if len(t._data.shape) > 1 else reshaped(t, (t.numel(), 1))


# -- broadcasting several --------------------------------------------------------------------------------


def _several(function: str, tensors: tuple[Any, ...]) -> list[Any]:
    """Tensors given separately or as one list."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    check_tensors(tensors)
    return list(tensors)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Tensors expanded to their common shape.

    Args:
        tensors: tensors of shapes that broadcast.

    Returns:
        a view of each that has another shape, the others themselves.

    Raises:
        RuntimeError: if the shapes do not broadcast.

    Example:
        >>> import cotangent as torch
        >>> torch.broadcast_tensors(torch.ones(2, 1), torch.ones(3))[0].shape
        torch.Size([2, 3])
    """
    given = _several("broadcast_tensors", tensors)
    if not given:
        return ()
    common: tuple[int, ...] = tuple(given[0]._data.shape)
    for t in given[1:]:
        common = _common(common, tuple(t._data.shape))
    return tuple(t if tuple(t._data.shape) == common else expand_to(t, common) for t in given)


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    n = max(len(a), len(b))
    x, y = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    for d in range(n - 1, -1, -1):
        if x[d] != y[d] and 1 not in (x[d], y[d]):
            raise RuntimeError(
                f"The size of tensor a ({x[d]}) must match the size of tensor b ({y[d]}) at non-singleton "
                f"dimension {d}"
            )
    return tuple(q if p == 1 else p for p, q in zip(x, y, strict=True))


_TOLD: Final[list[str]] = []
_INDEXING: Final = (
    "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument."
)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Vectors as coordinate grids: grid i holds vector i along dimension i.

    Args:
        tensors: vectors (or single numbers) of one dtype.
        indexing: "ij", or "xy" for grids whose first two dimensions are exchanged.

    Returns:
        views, one per vector, all of the same shape.

    Raises:
        RuntimeError: for tensors of more dimensions, or of different dtypes.

    Example:
        >>> import cotangent as torch
        >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="xy")[0]
        tensor([[1, 2],
                [1, 2]])
    """
    given = _several("meshgrid", tensors)
    if indexing is None and (settings.warn_always or not _TOLD):
        _TOLD.append(_INDEXING)
        warnings.warn(_INDEXING, UserWarning, stacklevel=2)
    return _grids(given, "ij" if indexing is None else indexing)


def _grids(given: list[Any], indexing: str) -> tuple[Any, ...]:
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in given[1:]:
        if t.dtype is not given[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if t.device != given[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    for t in given:
        if len(t._data.shape) > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given = [given[1], given[0], *given[2:]]
    shape = tuple(t.numel() for t in given)
    n = len(given)
    grids = [
        expanded(view_as_shape(t, (1,) * i + (shape[i],) + (1,) * (n - i - 1)) if is_array(t._data) else
                 reshaped(t, (1,) * i + (shape[i],) + (1,) * (n - i - 1)), shape)
        for i, t in enumerate(given)
    ]  # fmt: skip
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Any:
    """All tuples with one element of each vector.

    Args:
        tensors: vectors.

    Returns:
        tensor of shape (number of tuples, number of vectors); for one vector the vector itself.

    Raises:
        RuntimeError: if one is no vector.

    Example:
        >>> import cotangent as torch
        >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])).tolist()
        [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    given = _several("cartesian_prod", tensors)
    for t in given:
        if len(t._data.shape) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t._data.shape)}")
    if len(given) == 1:
        return given[0]
    return stack([reshaped(g, (g.numel(),)) for g in _grids(given, "ij")], 1)


def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of one matrix, zeros elsewhere.

    Args:
        tensors: tensors of at most two dimensions; vectors are rows.

    Returns:
        a matrix.

    Raises:
        RuntimeError: for tensors of more dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([[3]]))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    given = _several("block_diag", tensors)
    for at, t in enumerate(given):
        if len(t._data.shape) > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {at} has "
                f"{len(t._data.shape)} dimensions"
            )
    return block_diag_of(same_dtype(given) if given else [])


def _atleast(function: str, tensors: tuple[Any, ...], raise_to: Any) -> Any:
    if len(tensors) == 1 and is_tensor(tensors[0]):
        return raise_to(tensors[0])
    return tuple(raise_to(t) for t in _several(function, tensors))


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with one dimension at least.

    Args:
        tensors: one tensor, several, or a list.

    Returns:
        the tensor or its view; a tuple of them for several.

    Example:
        >>> import cotangent as torch
        >>> torch.atleast_1d(torch.tensor(1))
        tensor([1])
    """
    return _atleast("atleast_1d", tensors, at_least_1d)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with two dimensions at least; a vector becomes a row.

    Args:
        tensors: one tensor, several, or a list.

    Returns:
        the tensor or its view; a tuple of them for several.

    Example:
        >>> import cotangent as torch
        >>> torch.atleast_2d(torch.tensor([1, 2]))
        tensor([[1, 2]])
    """
    return _atleast("atleast_2d", tensors, at_least_2d)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with three dimensions at least.

    Args:
        tensors: one tensor, several, or a list.

    Returns:
        the tensor or its view; a tuple of them for several.

    Example:
        >>> import cotangent as torch
        >>> torch.atleast_3d(torch.tensor([1, 2])).shape
        torch.Size([1, 2, 1])
    """
    return _atleast("atleast_3d", tensors, at_least_3d)


FUNCTIONS: Final = (
    "cat", "stack", "hstack", "vstack", "dstack", "column_stack", "broadcast_tensors", "meshgrid",
    "cartesian_prod", "block_diag", "atleast_1d", "atleast_2d", "atleast_3d",
)  # fmt: skip
ALIASES: Final = {"concat": "cat", "concatenate": "cat", "row_stack": "vstack"}
