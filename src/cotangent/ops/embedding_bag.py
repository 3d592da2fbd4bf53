"""Sums, means and maxima over bags of a table's rows.

The rows of all bags are picked first (`embedding`, which knows padding and frequencies), then reduced by bag.
Both are linear with transposes of their own, so that derivatives of every order exist.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..kernels import bags as k
from .embedding import embedding_picked, rows as rows_of
from .table import general, is_array, linear

bag_ids: Any = general("bag_ids(indices, offsets | padding, include_last)", k.bag_ids)
bag_sizes: Any = general("bag_sizes(bags | count, counted)", k.bag_sizes)
bag_tops: Any = general("bag_tops(rows, bags | count)", k.bag_tops)
bag_sum: Any = linear(
    "bag_sum(rows, bags | count, mean)",
    k.bag_sum,
    node="EmbeddingBagBackward0",
    public="embedding_bag",
    rows=lambda g, bags, count, mean: bag_spread(g, bags, count, mean),
)
# Picked and added at once, where nothing is done with the rows in between.
bag_of_rows: Any = linear(
    "bag_of_rows(weight, indices, bags | count, mean, padding_idx, by_frequency)",
    k.bag_of_rows,
    node="EmbeddingBagBackward0",
    public="embedding_bag",
    weight=lambda g, indices, bags, weight_shape, mean, padding_idx, by_frequency: bag_of_rows_back(
        g, indices, bags, weight_shape, mean, padding_idx, by_frequency
    ),
)
bag_of_rows_back: Any = linear(
    "bag_of_rows_back(g, indices, bags | shape, mean, padding_idx, by_frequency)",
    k.bag_of_rows_back,
    node="EmbeddingBagBackwardBackward0",
    g=lambda g_, indices, bags, g_shape, mean, padding_idx, by_frequency: bag_sum(
        embedding_picked(g_, indices, padding_idx, by_frequency), bags, g_shape[0], mean
    ),
)
bag_spread: Any = linear(
    "bag_spread(g, bags | count, mean)",
    k.bag_spread,
    node="EmbeddingBagBackwardBackward0",
    g=lambda g, bags, count, mean: bag_sum(g, bags, count, mean),
)
bag_max: Any = linear(
    "bag_max(rows, tops)",
    k.bag_max,
    node="EmbeddingBagBackward0",
    public="embedding_bag",
    rows=lambda g, tops, rows_shape: bag_max_spread(g, tops, rows_shape[0]),
)
bag_max_spread: Any = linear(
    "bag_max_spread(g, tops | count)",
    k.bag_max_spread,
    node="EmbeddingBagBackwardBackward0",
    g=lambda g, tops: bag_max(g, tops),
)


def _check(
    weight: Any, indices: Any, offsets: Any, psw: Any, mode: int, include_last: bool, padding: Any
) -> None:
    for name, t, kinds in (
        ("indices", indices, "Long, Int"),
        ("offsets", offsets, "Long, Int"),
        ("weight", weight, "Half, BFloat16, Float, Double"),
    ):
        integers = t.dtype is dtypes.int64 or t.dtype is dtypes.int32
        if not (t.dtype.category == dtypes.FLOATING if name == "weight" else integers):
            raise RuntimeError(
                f"Expected tensor for argument #1 '{name}' to have one of the following scalar types: "
                f"{kinds}; but got torch.{t.dtype.type_name} instead (while checking arguments for "
                "embedding_bag)"
            )
    if psw is not None and psw.dtype is not weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type torch.{weight.dtype.type_name} does not equal "
            f"torch.{psw.dtype.type_name} (while checking arguments for embedding_bag)"
        )
    rows = weight.shape[0]
    if padding is not None and not -rows <= padding < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but got "
            f"{padding}"
        )
    if include_last and not offsets.numel():
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    places, picked = offsets._data, indices._data
    if is_array(places) and places.size:
        if places[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
                f"position 0. However, got {places[0]}"
            )
        if places[-1] > indices.shape[0]:
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {indices.shape[0]} but got offsets[-1] "
                f"of {places[-1]}"
            )
    if is_array(picked) and picked.size and (picked.min() < 0 or picked.max() >= rows):
        wrong = ((picked < 0) | (picked >= rows)).nonzero()[0]
        if mode == 2 or padding is not None:
            raise RuntimeError(
                "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be "
                f"{picked[wrong[0]]}"
            )
        raise RuntimeError(
            f"Index {wrong[0]} of input takes value {picked[wrong[0]]} which is not in the valid range "
            f"[0, {rows})"
        )


def embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Sums, means or maxima of rows of a table, bag by bag.

    Args:
        weight: the table, (rows, columns).
        indices: int64 or int32, (N,), bag after bag.
        offsets: where each bag begins, (B,).
        scale_grad_by_freq: whether gradients are divided by how often the index occurs.
        mode: 0 for sums, 1 for means, 2 for maxima.
        sparse: whether the gradient of the table is sparse.
        per_sample_weights: factors of the rows, (N,), for sums only.
        include_last_offset: whether the last of `offsets` is where the last bag ends.
        padding_idx: row that counts for nothing, or None.

    Returns:
        (B, columns); the bag of each index; the sizes of the bags; and for maxima the indices chosen.

    Raises:
        RuntimeError: for dtypes, offsets or indices that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.embedding_bag(torch.eye(3), torch.tensor([0, 1, 1]), torch.tensor([0, 2]))[0]
        tensor([[1., 1., 0.],
                [0., 1., 0.]])
    """
    _check(weight, indices, offsets, per_sample_weights, mode, include_last_offset, padding_idx)
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    if include_last_offset and (mode == 2 or padding_idx is not None):
        # PyTorch lets the last bag reach to the end then, whatever the last offset says.
        offsets, include_last_offset = offsets[:-1], False
    count = offsets.shape[0] - bool(include_last_offset)
    bags = bag_ids(indices, offsets, padding, bool(include_last_offset))
    shown = bags if padding < 0 else bag_ids(indices, offsets, -1, bool(include_last_offset))
    # For sums PyTorch does not count.
    sizes = bag_sizes(bags, count, mode != 0)
    if mode != 2 and not sparse and per_sample_weights is None:
        summed = bag_of_rows(weight, indices, bags, count, mode == 1, padding, scale_grad_by_freq)
        return summed, shown, sizes, sizes
    rows = rows_of(weight, indices, padding, scale_grad_by_freq, sparse)
    if mode == 2:
        tops = bag_tops(rows, bags, count)
        chosen = tops.clamp_min(0)
        if indices.shape[0]:
            chosen = indices[chosen].masked_fill(tops < 0, 0)
        return bag_max(rows, tops), shown, sizes, chosen
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    return bag_sum(rows, bags, count, mode == 1), shown, sizes, sizes
