"""Bags of a table's rows, reduced."""

from __future__ import annotations

import warnings
from typing import Any

from ...dtypes import int64
from ...functions import arange
from ...ops import embedding_bag as bags
from ._embedding import _bound_rows

__all__ = ["embedding_bag"]

_MODES = ("sum", "mean", "max")


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sums, means or maxima of rows of a table, bag by bag.

    Args:
        input: int64 or int32 indices: (B, n) for bags of one size, or (N,) for those `offsets` separates.
        weight: the table, (rows, columns).
        offsets: where each bag begins, (B,), for indices in one dimension.
        max_norm: rows that are used and longer than this are shortened to it, in place; None for no bound.
        norm_type: p of the norm.
        scale_grad_by_freq: whether gradients are divided by how often the index occurs in `input`.
        mode: "sum", "mean" or "max".
        sparse: whether the gradient of the table is sparse.
        per_sample_weights: factors of the rows, of the shape of `input`, for sums only.
        include_last_offset: whether the last of `offsets` is where the last bag ends.
        padding_idx: row that counts for nothing, or None.

    Returns:
        (B, columns); zeros for empty bags.

    Raises:
        ValueError, RuntimeError, NotImplementedError: for arguments that do not fit each other.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.embedding_bag(torch.tensor([[0, 1]]), torch.eye(2))
        tensor([[0.5000, 0.5000]])
    """
    if weight.dtype is int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, "
            "...)` is deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                f"length sequences. However, found offsets of type {type(offsets)}"
            )
        offsets = arange(0, input.numel(), input.size(1), dtype=input.dtype)
        include_last_offset = False
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    elif offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    elif offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if mode not in _MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max":
        if scale_grad_by_freq:
            raise ValueError("max mode does not support scaling the gradient by the frequency")
        if sparse:
            raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        _bound_rows(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    return bags.embedding_bag(
        weight,
        input,
        offsets,
        scale_grad_by_freq,
        _MODES.index(mode),
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )[0]
