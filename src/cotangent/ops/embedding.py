"""Rows of a table by index (embedding), and rows of the identity (one_hot)."""

from __future__ import annotations

from typing import Any

from ..dtypes import int32, int64
from ..errors import bad_argument
from ..kernels import embedding as k
from ..kernels.sparse_parts import rows_gradient
from .arguments import REQUIRED, missing
from .batching import in_front, one_by_one
from .sparse import to_dense_of
from .table import blank, is_tensor, linear


def _shared_table(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching where only the indices have a batch; tables of examples are picked from one by one."""
    if dims[0] is not None:
        return one_by_one(op, size, tensors, dims, statics)
    return op.entry(tensors[0], in_front(tensors[1], dims[1], size), *statics), 0


embedding_of: Any = linear(
    "embedding_of(weight, indices | padding_idx, scale_grad_by_freq)",
    lambda weight, indices, padding_idx, scale_grad_by_freq: k.embedding(weight, indices),
    infer=lambda weight, indices, *statics: blank((*indices.shape, *weight.shape[1:]), weight),
    node="EmbeddingBackward0",
    public="embedding",
    batch=_shared_table,
    weight=lambda g, indices, weight_shape, padding_idx, scale_grad_by_freq: embedding_backward(
        g, indices, weight_shape, padding_idx, scale_grad_by_freq
    ),
)
embedding_backward: Any = linear(
    "embedding_backward(g, indices | shape, padding_idx, scale_grad_by_freq)",
    k.embedding_backward,
    infer=lambda g, indices, shape, *statics: blank(shape, g),
    node="EmbeddingDenseBackwardBackward0",
    g=lambda g, indices, padding_idx, scale_grad_by_freq: embedding_picked(
        g, indices, padding_idx, scale_grad_by_freq
    ),
)
embedding_picked: Any = linear(
    "embedding_picked(input, indices | padding_idx, scale_grad_by_freq)",
    k.embedding_picked,
    node="EmbeddingBackward0",
    input=lambda g, indices, input_shape, padding_idx, scale_grad_by_freq: embedding_backward(
        g, indices, input_shape, padding_idx, scale_grad_by_freq
    ),
)
# The same rows, with a gradient that stores only the rows that were looked up.
embedding_sparse_of: Any = linear(
    "embedding_sparse_of(weight, indices | padding_idx)",
    lambda weight, indices, padding_idx: k.embedding(weight, indices),
    node="EmbeddingBackward0",
    public="embedding",
    weight=lambda g, indices, weight_shape, padding_idx: rows_gradient_of(
        g, indices, weight_shape, padding_idx
    ),
)
rows_gradient_of: Any = linear(
    "rows_gradient_of(g, indices | shape, padding_idx)",
    rows_gradient,
    node="EmbeddingSparseBackwardBackward0",
    g=lambda g_, indices, padding_idx: embedding_picked(to_dense_of(g_), indices, padding_idx, False),
)
one_hot_of: Any = linear("one_hot_of(input | num_classes)", k.one_hot, public="one_hot")


def rows(weight: Any, indices: Any, padding_idx: int, scale_grad_by_freq: bool, sparse: bool = False) -> Any:
    """`embedding` with PyTorch's checks.

    Raises:
        TypeError, RuntimeError: for arguments of the wrong type, dtype or shape.
        IndexError: for a row that does not exist.
    """
    for position, (name, value) in enumerate((("weight", weight), ("indices", indices)), 1):
        if not is_tensor(value):
            bad_argument("embedding", name, position, "Tensor", value)
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype is not int64 and indices.dtype is not int32:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got torch.{indices.dtype.type_name} instead (while checking arguments for embedding)"
        )
    if not sparse:
        return embedding_of(weight, indices, padding_idx, scale_grad_by_freq)
    if scale_grad_by_freq and weight.requires_grad:
        raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    return embedding_sparse_of(weight, indices, padding_idx)


def one_hot(input: Any = REQUIRED, num_classes: int = -1) -> Any:
    """Rows of the identity: zeros with a one at each class.

    Args:
        input: int64 classes, any shape.
        num_classes: number of columns; by default the largest class plus one.

    Returns:
        int64 of the shape of `input` with one more dimension.

    Raises:
        RuntimeError: for another dtype, or classes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if input is REQUIRED:
        missing("one_hot", "input")
    if not is_tensor(input):
        bad_argument("one_hot", "input", 1, "Tensor", input)
    if input.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not input.numel() and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if num_classes == -1:
        num_classes = max(int(input.max().item()), 0) + 1
    return one_hot_of(input, num_classes)
