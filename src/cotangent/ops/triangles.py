"""Triangles and diagonals of matrices, as copies."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import after_histories, check_dim
from ..kernels import rearrange as k, shape as view_kernels
from ..kernels.layout import rows
from .arguments import integer, rank, same_out
from .batching import in_front
from .reduce import sum_dims
from .refusals import unsupported
from .table import deliver, linear
from .views import diagonal_backward, diagonal_of, expand_to

tril_of: Any = linear(
    "tril_of(input | diagonal)",
    rows(k.tril),
    node="TrilBackward0",
    public="tril",
    batch="axes",
    input=lambda g, diagonal: tril_of(g, diagonal),
)
triu_of: Any = linear(
    "triu_of(input | diagonal)",
    rows(k.triu),
    node="TriuBackward0",
    public="triu",
    batch="axes",
    input=lambda g, diagonal: triu_of(g, diagonal),
)
diag_embed_of: Any = linear(
    "diag_embed_of(input | offset, dim1, dim2)",
    k.diag_embed,
    node="DiagEmbedBackward0",
    public="diag_embed",
    batch="axes",
    input=lambda g, offset, dim1, dim2: diagonal_of(g, offset, dim1, dim2),
)
diagonal_copied: Any = linear(
    "diagonal_copied(input | offset, dim1, dim2)",
    lambda a, offset, dim1, dim2: view_kernels.diagonal(a, offset, dim1, dim2).copy(),
    node="DiagonalBackward0_copy",
    public="diagonal_copy",
    batch="axes",
    input=lambda g, input_shape, offset, dim1, dim2: diagonal_backward(g, input_shape, offset, dim1, dim2),
)
def _traces(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `trace`."""
    return sum_dims(diagonal_of(in_front(tensors[0], dims[0], size), 0, 1, 2), (1,), False), 0


trace_of: Any = linear(
    "trace_of(input)",
    k.trace,
    node="TraceBackward0",
    public="trace",
    batch=_traces,
    input=lambda g, input_shape: diagonal_backward(expand_to(g, (min(input_shape),)), input_shape, 0, 0, 1),
)


def tril(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Zeros above a diagonal.

    Args:
        input: tensor of shape (..., n, m).
        diagonal: how far above (or, negative, below) the main diagonal the elements are kept.
        out: tensor to store the result in.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.tril(torch.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    if rank("tril", input) < 2:
        raise after_histories(RuntimeError("tril: input tensor must have at least 2 dimensions"))
    same_out(input, out)
    return deliver("tril", tril_of(input, integer("tril", "diagonal", 2, diagonal)), out)


def triu(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Zeros below a diagonal.

    Args:
        input: tensor of shape (..., n, m).
        diagonal: how far above (or, negative, below) the main diagonal elements begin to be kept.
        out: tensor to store the result in.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.triu(torch.ones(2, 2))
        tensor([[1., 1.],
                [0., 1.]])
    """
    if rank("triu", input) < 2:
        raise after_histories(RuntimeError("triu: input tensor must have at least 2 dimensions"))
    same_out(input, out)
    return deliver("triu", triu_of(input, integer("triu", "diagonal", 2, diagonal)), out)


def diag(input: Any, diagonal: Any = 0, *, out: Any = None) -> Any:
    """Of a vector the matrix with it on a diagonal; of a matrix the diagonal.

    Args:
        input: tensor of one or two dimensions.
        diagonal: how far above (or, negative, below) the main diagonal.
        out: tensor to store the result in.

    Returns:
        a copy.

    Raises:
        RuntimeError: for other numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.diag(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    n = rank("diag", input)
    offset = integer("diag", "diagonal", 2, diagonal)
    if n not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {n}D")
    if n == 1 and out is not None and not dtypes.can_cast(input.dtype, out.dtype):
        have, wanted = dtypes.SCALAR_NAME[input.dtype], dtypes.SCALAR_NAME[out.dtype]
        raise RuntimeError(f"diag: result type {have} can't be cast to the desired out= type {wanted}")
    same_out(input, out)
    return deliver("diag", (diag_embed_of if n == 1 else diagonal_copied)(input, offset, 0, 1), out)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension of `input` on a diagonal.

    Args:
        input: tensor of at least one dimension.
        offset: how far above (or, negative, below) the main diagonal.
        dim1: the rows, in the result.
        dim2: the columns, in the result.

    Returns:
        tensor with one more dimension.

    Raises:
        RuntimeError: if the two dimensions are the same.

    Example:
        >>> import cotangent as torch
        >>> torch.diag_embed(torch.tensor([[1, 2]])).shape
        torch.Size([1, 2, 2])
    """
    n = rank("diag_embed", input) + 1
    first, second = check_dim(dim1, n), check_dim(dim2, n)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diag_embed_of(input, offset, first, second)


def diagflat(input: Any, offset: int = 0) -> Any:
    """The matrix with all elements of `input` on a diagonal.

    Args:
        input: tensor of any shape.
        offset: how far above (or, negative, below) the main diagonal.

    Example:
        >>> import cotangent as torch
        >>> torch.diagflat(torch.tensor([1, 2]), 1).shape
        torch.Size([3, 3])
    """
    rank("diagflat", input)
    return diag_embed_of(input.contiguous().view(input.numel()), offset, 0, 1)


def trace(input: Any) -> Any:
    """The sum of the main diagonal.

    Args:
        input: matrix.

    Returns:
        a 0-d tensor; of integers in int64.

    Raises:
        RuntimeError: if `input` is no matrix.

    Example:
        >>> import cotangent as torch
        >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
        tensor(5)
    """
    n = rank("trace", input)
    if n != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {n}")
    if input.dtype.category == dtypes.BOOL:
        raise unsupported("trace", input.dtype)
    return trace_of(input)
