"""Losses of distances and angles between vectors, and the bilinear map of two of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...ops.select import minimum
from .._reduction import get_enum
from ._distance import pairwise_distance
from ._loss import chosen, reduced

__all__ = ["bilinear", "cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1: vectors, (N, D) or (D,).
        input2: vectors, the same shape.
        target: 1 or -1, (N,) or ().
        margin: cosine up to which dissimilar pairs cost nothing.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the pairs.

    Raises:
        RuntimeError: for shapes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> up, right = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
        >>> torch.nn.functional.cosine_embedding_loss(up, right, torch.tensor([1]))
        tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)
    n = target.dim()
    if n > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != n + 1 or input2.dim() != n + 1:
        raise RuntimeError(
            f"{n}D target tensor expects {n + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    # PyTorch keeps the squared norms away from zero by this much.
    first = (input1 * input1).sum(n) + 1e-12
    second = (input2 * input2).sum(n) + 1e-12
    cosines = (input1 * input2).sum(n) / (first * second).sqrt()
    together = (1 - cosines).masked_fill(target != 1, 0)
    apart = (cosines - margin).clamp_min(0).masked_fill(target != -1, 0)
    return reduced(together + apart, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, distance to the positive - distance to the negative + margin).

    Args:
        anchor: vectors, (N, D) or (D,).
        positive: vectors that belong with them.
        negative: vectors that do not.
        margin: by how much the negatives should be farther.
        p: which norm.
        eps: added to every difference.
        swap: whether to take the positive for the anchor where it is nearer to the negative.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the triplets.

    Raises:
        ValueError: unless the margin is positive.
        RuntimeError: if the numbers of dimensions differ.

    Example:
        >>> import cotangent as torch
        >>> a, n = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
        >>> torch.nn.functional.triplet_margin_loss(a, a, n, margin=6.0)
        tensor(1.0000)
    """
    reduction = chosen(size_average, reduce, reduction)
    get_enum(reduction)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return _of_triplets(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` with a distance of one's own.

    Args:
        anchor: first argument of the distance.
        positive: what belongs with it.
        negative: what does not.
        distance_function: distances of two tensors; by default `pairwise_distance`.
        margin: by how much the negatives should be farther.
        swap: whether to take the positive for the anchor where it is nearer to the negative.
        reduction: "mean", "sum" or "none".

    Returns:
        the mean or sum, or the losses of the triplets.

    Raises:
        ValueError: unless the margin is positive, or for another `reduction`.
        RuntimeError: if the numbers of dimensions differ.

    Example:
        >>> import cotangent as torch
        >>> a, n = torch.zeros(1, 2), torch.ones(1, 2)
        >>> f = torch.nn.functional.triplet_margin_with_distance_loss
        >>> f(a, a, n, distance_function=lambda x, y: (x - y).abs().sum(-1), margin=3.0)
        tensor(1.)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _of_triplets(
        anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction
    )


def _of_triplets(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D "
            "inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """input1' W_k input2 for every matrix W_k.

    Args:
        input1: (..., n).
        input2: (..., m).
        weight: (outputs, n, m).
        bias: (outputs,) or None.

    Returns:
        (..., outputs).

    Raises:
        RuntimeError: for shapes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2, 3))
        tensor([[6.]])
    """
    if input1.dim() != input2.dim():
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}"
        )
    for d in range(input1.dim() - 1):
        if input1.size(d) != input2.size(d):
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {d}: got {input1.size(d)} and "
                f"{input2.size(d)}"
            )
    for name, t, d in (("input1", input1, 1), ("input2", input2, 2)):
        if t.size(-1) != weight.size(d):
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {t.size(-1)} but expected "
                f"{weight.size(d)}"
            )
    outputs, n, m = weight.shape
    lead = tuple(input1.shape[:-1])
    rows = math.prod(lead)
    # Two products, in PyTorch's order: 16-bit floats are rounded after each.
    halfway = input1.reshape(rows, n) @ weight.permute(1, 0, 2).reshape(n, outputs * m)
    found = (halfway.view(rows, outputs, m) @ input2.reshape(rows, m, 1)).view(*lead, outputs)
    return found if bias is None else found + bias
