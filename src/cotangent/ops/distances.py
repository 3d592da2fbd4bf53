"""Distances between all pairs of points."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels import distances as k
from .arguments import REQUIRED, as_number
from .complex import sgn
from .join import zeros_of
from .matrices import NARROW, batch_rule, broadcast_lead, factorisation, product, rows, tensor, with_lead
from .norms import norm_power, norm_scale, zero_safe_ratio
from .reduce import sum_dims
from .refusals import unsupported
from .table import general, is_array, linear
from .views import expand_to, transpose_dims, unsqueeze_at


def _turned(a: Any) -> Any:
    return transpose_dims(a, a.ndim - 2, a.ndim - 1)


def _peaks(sizes: Any, whole: Any) -> Any:
    return (np.abs(sizes) == whole).astype(sizes.dtype)


# Where a coordinate's difference is the distance in the maximum norm.
peaks: Any = general("peaks(sizes, whole)", _peaks, batch=batch_rule)


def _pull(g: Any, a: Any, b: Any, d: Any, p: float) -> Any:
    """The cotangent of the points `a` from that of their distances `d` to the points `b`.

    Where points coincide there is no derivative; PyTorch's choice is zero.
    """
    if p == 0:
        return zeros_of(a, tuple(a.shape))
    if p == 2:
        weight = zero_safe_ratio(g, d)
        return a * rows(sum_dims(weight, (weight.ndim - 1,), False)) - product(weight, b)
    if p == 1 and is_array(g) and (at_once := k.pulled(g, a, b)) is not None:
        return at_once
    shape = (*g.shape, a.shape[-1])
    moved = expand_to(unsqueeze_at(a, a.ndim - 1), shape) - expand_to(unsqueeze_at(b, b.ndim - 2), shape)
    if p == 1:
        part = sgn(moved) * unsqueeze_at(g, g.ndim)
    elif p == math.inf:
        part = sgn(moved) * peaks(moved, expand_to(unsqueeze_at(d, d.ndim), shape)) * unsqueeze_at(g, g.ndim)
    else:
        weight = zero_safe_ratio(g, norm_scale(d, p))
        part = norm_power(moved, p) * unsqueeze_at(weight, weight.ndim)
    return sum_dims(part, (part.ndim - 2,), False)


cdist_of: Any = factorisation(
    "cdist_of(x1, x2 | p, by_products)",
    k.cdist,
    node="CdistBackward0",
    public="cdist",
    x1=lambda g, x1, x2, out, p: _pull(g, x1, x2, out, p),
    x2=lambda g, x1, x2, out, p: _pull(_turned(g), x2, x1, _turned(out), p),
)
pairs_of: Any = linear(
    "pairs_of(input)",
    k.pairs,
    node="TakeBackward0",
    public="take",
    batch=batch_rule,
    input=lambda g, input_shape: square_of(g, input_shape[-1]),
)
square_of: Any = linear(
    "square_of(input | points)",
    k.square,
    node="PutBackward0",
    public="put",
    batch=batch_rule,
    input=lambda g: pairs_of(g),
)


def _pdist_rule(g: Any, input: Any, input_shape: Any, out: Any, p: float) -> Any:
    """Every point is the first of some pairs and the second of others."""
    n = input_shape[-2]
    if p == 2:
        weight = square_of(zero_safe_ratio(g, out), n)
        weight = weight + _turned(weight)
        return input * rows(sum_dims(weight, (weight.ndim - 1,), False)) - product(weight, input)
    whole, d = square_of(g, n), square_of(out, n)
    first = _pull(whole, input, input, d, p)
    return first + _pull(_turned(whole), input, input, _turned(d), p)


pdist_of: Any = factorisation(
    "pdist_of(input | p)",
    lambda a, p: k.pairs(k.cdist(a, a, p, False)),
    node="PdistBackward0",
    public="pdist",
    input=_pdist_rule,
)
_MODES: Final = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)
# From that many points on either side PyTorch computes Euclidean distances by a product of matrices.
_MANY: Final = 25


def cdist(x1: Any, x2: Any = REQUIRED, p: float = 2.0, compute_mode: str = _MODES[0]) -> Any:
    """The distance of every row of one tensor to every row of another.

    Args:
        x1: (..., n, m).
        x2: (..., k, m); batches broadcast.
        p: the order of the norm, not negative; inf gives the largest difference, 0 counts those that differ.
        compute_mode: whether Euclidean distances may be computed by a product of matrices, which is faster
        and
            less precise: "use_mm_for_euclid_dist_if_necessary" (for more than 25 points),
            "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist".

    Returns:
        (..., n, k).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    tensor("cdist", "x1", x1)
    tensor("cdist", "x2", x2, 2)
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for which, t in (("X1", x1), ("X2", x2)):
        if t.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {which} got: {t.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    for which, t in (("X1", x1), ("X2", x2)):
        if t.dtype.category != dtypes.FLOATING:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {which} got: {dtypes.SCALAR_NAME[t.dtype]}"
            )
    p = as_number("cdist", "p", 3, p, "float")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype is not x2.dtype:
        names = [dtypes.SCALAR_NAME[t.dtype] for t in (x1, x2)]
        raise RuntimeError(f"expected scalar type {names[0]} but found {names[1]}")
    if x1.dtype in NARROW:
        raise unsupported("cdist", x1.dtype)
    lead = broadcast_lead(x1, x2)
    many = max(x1.shape[-2], x2.shape[-2]) > _MANY
    by_products = p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many))
    return cdist_of(with_lead(x1, lead), with_lead(x2, lead), float(p), by_products)


def pdist(input: Any, p: float = 2.0) -> Any:
    """The distance of every pair of rows.

    Args:
        input: (n, m).
        p: the order of the norm, as for `cdist`.

    Returns:
        (n (n - 1) / 2,): the part of `cdist(input, input)` above the diagonal, row by row.

    Raises:
        RuntimeError: for other tensors than floating-point matrices.

    Example:
        >>> import cotangent as torch
        >>> torch.pdist(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
        tensor([5.0000, 1.0000, 4.2426])
    """
    tensor("pdist", "input", input)
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if input.dtype.category != dtypes.FLOATING:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    if input.dtype in NARROW:
        raise unsupported("pdist", input.dtype)
    return pdist_of(input, float(p))
