"""Rows of a table, with PyTorch's padding and bound on norms."""

from __future__ import annotations

from typing import Any, Final

from ... import lazy
from ...autograd.modes import no_grad
from ...ops.embedding import rows

# Not imported at once: what it stands on may ask for names of this package while it is loaded.
_forward_ad: Final[Any] = lazy.module("cotangent.autograd.forward_ad")

__all__ = ["embedding"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of a table at indices.

    Args:
        input: int64 or int32 indices, any shape.
        weight: the table, (rows, columns).
        padding_idx: row that gets no gradient, or None.
        max_norm: rows that are used and longer than this are shortened to it, in place; None for no bound.
        norm_type: p of the norm.
        scale_grad_by_freq: whether gradients are divided by how often the index occurs in `input`.
        sparse: whether the gradient of the table is sparse, with values for the rows that were used.

    Returns:
        a tensor of the shape of `input` with one more dimension, the columns.

    Raises:
        IndexError: for a row that does not exist.

    Example:
        >>> import cotangent as torch
        >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> torch.nn.functional.embedding(torch.tensor([1, 0]), table)
        tensor([[3., 4.],
                [1., 2.]])
    """
    if padding_idx is None:
        padding_idx = -1
    else:
        if not -weight.size(0) <= padding_idx < weight.size(0):
            raise AssertionError("Padding_idx must be within num_embeddings")
        if padding_idx < 0:
            padding_idx += weight.size(0)
    if max_norm is not None:
        _bound_rows(weight, input, max_norm, norm_type)
    return rows(weight, input, padding_idx, scale_grad_by_freq, sparse)


def embedding_renorm_(weight: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Shorten the rows of a table that are in use to a norm, in place.

    Args:
        weight: the table, (rows, columns).
        indices: int64 or int32, any shape.
        max_norm: the largest norm.
        norm_type: p of the norm.

    Returns:
        The table.

    Example:
        >>> import cotangent as torch
        >>> torch.embedding_renorm_(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), torch.tensor([0]), 1.0, 2.0)
        tensor([[0.6000, 0.8000],
                [6.0000, 8.0000]])
    """
    _bound_rows(weight, indices, max_norm, norm_type)
    return weight


def _bound_rows(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Shorten the rows in use, in place and unseen by autograd."""
    weight = _forward_ad.unpack_dual(weight).primal  # the tangent stays as it is, as in PyTorch
    with no_grad():
        used = indices.flatten().unique().long()
        found = weight[used]
        norms = found.norm(norm_type, 1, keepdim=True)
        # PyTorch adds this much to the norm before dividing.
        weight[used] = found.where(~(norms > max_norm), found * (max_norm / (norms + 1e-7)))
