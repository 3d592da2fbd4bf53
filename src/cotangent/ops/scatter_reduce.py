"""scatter_reduce: sums, products, means and extremes of what falls on one place."""

from __future__ import annotations

import math
from typing import Any

from ..errors import check_dim
from ..kernels import scatter_reduce as k
from .arguments import deliver_exact
from .gather import check_scatter, gather_along, pad_to
from .reduce import sum_all
from .select import choose
from .table import general
from .views import expand_to, slice_of

# How much each element moves the result, as constants.
scatter_weights = general(
    "scatter_weights(input, src, index | dim, reduce, include_self)", k.scatter_weights, nout=2
)


def _unknown(g: Any, shape: tuple[int, ...]) -> Any:
    """nan if a second derivative is asked for where it is not known: of products with a zero among the
    factors."""
    total = None
    for part in g:
        if part is not None:
            size = sum_all(part * part)
            total = size if total is None else total + size
    return expand_to(choose(total == 0.0, 0.0, math.nan), shape)


zero_weights = general(
    "zero_weights(input, src, index | dim, include_self)",
    lambda a, src, index, dim, include_self: k.scatter_weights(a, src, index, dim, "prod", include_self),
    nout=2,
    input=lambda g, input_shape: _unknown(g, input_shape),
    src=lambda g, src_shape: _unknown(g, src_shape),
)


def weights_of(
    input: Any, src: Any, index: Any, out: Any, dim: int, reduce: str, include_self: bool
) -> tuple[Any, Any]:
    """How much each element of `input` and of `src` moves the result `out`."""
    if reduce != "prod":
        found: tuple[Any, Any] = scatter_weights(input, src, index, dim, reduce, include_self)
        return found
    # The product without a factor is divided by that, as long as no factor is zero.
    whole, part = gather_along(out, index, dim), cut_to(src, index.shape)
    fine = (whole != 0.0) & (part != 0.0)
    alone = zero_weights(input, src, index, dim, include_self)
    theirs = choose(fine, whole / choose(fine, part, 1.0), alone[1])
    if not include_self:
        return scatter_weights(input, src, index, dim, reduce, include_self)[0], theirs
    fine = (out != 0.0) & (input != 0.0)
    return choose(fine, out / choose(fine, input, 1.0), alone[0]), theirs


def cut_to(src: Any, shape: Any) -> Any:
    """The part of `src` that an index of that shape reads."""
    for d, n in enumerate(shape):
        if src.shape[d] != n:
            src = slice_of(src, d, 0, n, 1)
    return src


scatter_reduce_of = general(
    "scatter_reduce_of(input, src, index | dim, reduce, include_self)",
    k.scatter_reduce,
    node="ScatterReduceBackward0",
    public="scatter_reduce",
    batch="aligned",
    input=lambda g, input, src, index, out, dim, reduce, include_self: (
        g * weights_of(input, src, index, out, dim, reduce, include_self)[0]
    ),
    src=lambda g, input, src, src_shape, index, out, dim, reduce, include_self: pad_to(
        gather_along(g, index, dim) * weights_of(input, src, index, out, dim, reduce, include_self)[1],
        src_shape,
    ),
)


def scatter_reduce(
    input: Any,
    dim: int,
    index: Any,
    src: Any,
    reduce: str,
    *,
    include_self: bool = True,
    out: Any = None,
) -> Any:
    """A copy of `input` with `src` reduced into it at `index` along one dimension.

    Args:
        input: any shape.
        dim: the dimension.
        index: int64 or int32, of the rank of `input`.
        src: tensor of the dtype of `input`, at least as large as `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the elements of `input` take part.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: for another reduction, or if shapes, dtypes or indices do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).scatter_reduce(0, torch.tensor([1, 1]), torch.tensor([1.0, 2.0]), "amax")
        tensor([0., 2.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d = check_dim(dim, input.ndim)
    check_scatter(input, d, index, src)
    found = scatter_reduce_of(input, src, index, d, reduce, include_self)
    return deliver_exact("scatter_reduce", found, out)
