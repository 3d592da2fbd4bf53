"""scatter_reduce: sums, products, means and extremes of what falls on one place."""

from __future__ import annotations

from typing import Any, Final

from ..errors import check_dim
from ..kernels import scatter_reduce as k
from .arguments import deliver_exact
from .gather import check_scatter, gather_along, pad_to
from .table import general

# How much each element moves the result: constants, except for products, whose second derivative is refused.
scatter_weights = general(
    "scatter_weights(input, src, index | dim, reduce, include_self)", k.scatter_weights, nout=2
)


def _no_second(g: Any) -> Any:
    raise RuntimeError("the derivative of scatter_reduce's backward is not implemented for reduce='prod'")


product_weights = general(
    "product_weights(input, src, index | dim, reduce, include_self)",
    k.scatter_weights,
    nout=2,
    input=_no_second,
    src=_no_second,
)


def weights_of(input: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool) -> Any:
    if reduce == "prod":
        return product_weights(input, src, index, dim, reduce, include_self)
    return scatter_weights(input, src, index, dim, reduce, include_self)


scatter_reduce_of = general(
    "scatter_reduce_of(input, src, index | dim, reduce, include_self)",
    k.scatter_reduce,
    node="ScatterReduceBackward0",
    public="scatter_reduce",
    batch="aligned",
    input=lambda g, input, src, index, dim, reduce, include_self: (
        g * weights_of(input, src, index, dim, reduce, include_self)[0]
    ),
    src=lambda g, input, src, src_shape, index, dim, reduce, include_self: pad_to(
        gather_along(g, index, dim) * weights_of(input, src, index, dim, reduce, include_self)[1], src_shape
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


FUNCTIONS: Final = ("scatter_reduce",)
METHODS: Final = FUNCTIONS
INPLACE: Final = FUNCTIONS
