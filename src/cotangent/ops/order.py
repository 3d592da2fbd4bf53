"""Views with their dimensions in another order: transpose, permute, movedim, `.T` and its relatives."""

from __future__ import annotations

import warnings
from typing import Any, Final

from ..config import settings
from ..errors import check_dim
from .arguments import REQUIRED, integer, integers, missing, no_match, rank, whole
from .views import alias, permute_dims, t_matrix, transpose_dims


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
        name = "t_" if t_matrix.__name__ == "t_" else "t"  # this function serves both (autograd.inplace)
        raise RuntimeError(f"{name}() expects a tensor with <= 2 dimensions, but self is {n}D")
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
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {n} is not equal to len(dims) = {len(wanted)}"
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
    if REQUIRED in (source, destination) or many[0] != many[1] or not (many[0] or whole(source, destination)):
        given = tuple(a for a in (source, destination) if a is not REQUIRED)
        no_match(
            "movedim", given, "int source, int destination", "tuple of ints source, tuple of ints destination"
        )
    n = rank("movedim", input)
    sources, targets = (
        integers("movedim", "source", (source,)),
        integers("movedim", "destination", (destination,), 2),
    )
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the "
            f"same number of dims as destination ({list(targets)} dims)"
        )
    start, end = [check_dim(d, n) for d in sources], [check_dim(d, n) for d in targets]
    for name, dims, given in (("source", start, sources), ("destination", end, targets)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not n:
        return alias(input)
    placed = dict(zip(end, start, strict=True))
    rest = iter([d for d in range(n) if d not in start])
    return permute_dims(input, tuple([placed[i] if i in placed else next(rest) for i in range(n)]))


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
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and "
            "it will throw an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            _TOLD,
        )
    return permute_dims(input, tuple(range(n))[::-1])


def _matrix_dims(input: Any, name: str) -> None:
    n = input._data.ndim
    if n == 1:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got {n}-D tensor."
        )


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

METHODS: Final = ("transpose", "swapaxes", "t", "permute", "movedim", "adjoint", "T", "mT", "H", "mH")
FUNCTIONS: Final = ("transpose", "swapaxes", "t", "permute", "movedim", "adjoint")
INPLACE: Final = ("transpose", "swapaxes", "t")
ALIASES: Final = {"moveaxis": "movedim", "swapdims": "transpose"}
