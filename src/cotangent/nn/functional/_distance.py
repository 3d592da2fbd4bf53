"""Norms and angles: normalisation of vectors, distances and similarities of pairs, RMS normalisation."""

from __future__ import annotations

from typing import Any

from ...dtypes import FLOATING, INTEGRAL, SCALAR_NAME, finfo, float32
from ...ops.arguments import numpy_named
from ...ops.broadcast import expanded
from ...ops.distances import pdist
from ...ops.normalize import row_shape
from ...ops.refusals import unsupported
from ._loss import broadcast

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist", "rms_norm"]


def normalize(
    input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None
) -> Any:
    """Vectors divided by their norm.

    Args:
        input: any shape.
        p: which norm.
        dim: dimension the vectors lie along (or several).
        eps: least norm to divide by.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.normalize(torch.tensor([3.0, 4.0]), dim=0)
        tensor([0.6000, 0.8000])
    """
    norms = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / norms if out is None else input.div(norms, out=out)


@numpy_named
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Cosines of the angles between vectors.

    Args:
        x1: vectors.
        x2: vectors in a shape that broadcasts with it.
        dim: dimension the vectors lie along.
        eps: least norm to divide by.

    Returns:
        a tensor of the broadcast shape without `dim`.

    Raises:
        RuntimeError: for integers, or shapes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    if x1.dtype is not x2.dtype:
        common = (x1.flatten()[:1] + x2.flatten()[:1]).dtype
        x1, x2 = x1.to(common), x2.to(common)
    if x1.dtype.category <= INTEGRAL:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {SCALAR_NAME[x1.dtype]}"
        )
    if eps < 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps:g}")
    shape = broadcast(x1, x2)
    x1, x2 = expanded(x1, shape), expanded(x2, shape)
    first = x1.norm(2, dim, keepdim=True)
    second = x2.norm(2, dim, keepdim=True)
    return ((x1 / first.clamp_min(eps)) * (x2 / second.clamp_min(eps))).sum(dim)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """Norms of the differences of vectors, which lie along the last dimension.

    Args:
        x1: (N, D) or (D,).
        x2: a shape that broadcasts with it.
        p: which norm.
        eps: added to every difference.
        keepdim: keep the last dimension with size 1.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.pairwise_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, max(x1.dim(), x2.dim()) - 1, keepdim)


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Mean square 1 over the last dimensions, then scaled.

    Args:
        input: (..., *normalized_shape), floating-point.
        normalized_shape: sizes of the dimensions to normalise over.
        weight: factors in that shape, or None.
        eps: added to the mean square; by default the dtype's epsilon.

    Raises:
        RuntimeError: for shapes that do not fit.

    Source: https://arxiv.org/abs/1910.07467

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.rms_norm(torch.tensor([1.0, 7.0]), (2,))
        tensor([0.2000, 1.4000])
    """
    rows = row_shape("rms_norm", input, normalized_shape, weight=weight)
    if input.dtype.category < FLOATING:
        raise unsupported("rms_norm", input.dtype)
    x = input.to(float32) if input.dtype.itemsize == 2 else input
    if eps is None:
        eps = finfo(x.dtype).eps
    n = x.dim()
    scale = ((x**2).mean(tuple(range(n - len(rows), n)), keepdim=True) + eps).rsqrt()
    result = x * scale
    if weight is not None:
        result = result * weight
    return result if result.dtype is input.dtype else result.to(input.dtype)
