"""scatter_reduce: sums, products, means and extremes of what falls on one place."""

from __future__ import annotations

from typing import Any

from ..dtypes import BOOL, COMPLEX
from ..errors import check_dim
from ..kernels import scatter_reduce as k
from .arguments import deliver_exact
from .copies import zeros_like
from .gather import check_scatter, gather_along, pad_to, scatter_number, scatter_zeros
from .refusals import without
from .select import choose
from .table import general, is_array
from .views import slice_of

# How much each element moves the result, as constants.
scatter_weights = general(
    "scatter_weights(input, src, index | dim, reduce, include_self)",
    k.scatter_weights,
    nout=2,
    batch="aligned",
)


def _refused(g: Any, count: Any, what: str) -> Any:
    """The cotangent of products whose derivative is known; an error if several zeros met at one place."""
    if bool((count > 1).any()):
        raise RuntimeError(
            f"{what[0]}(): Double backward is unsupported for {what[1]} when >1 zeros in {what[1]} are "
            "scattered "
            "to the same position in self"
        )
    return g


once = general(
    "once(input, count | what)", lambda a, count, what: a.copy(), node="Error", input=_refused, batch="loop"
)


def weights_of(
    input: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool
) -> tuple[Any, Any]:
    """How much each element of `input` and of `src` moves the result; not for products."""
    found: tuple[Any, Any] = scatter_weights(input, src, index, dim, reduce, include_self)
    return found


def input_of_products(input: Any, src: Any, index: Any, dim: int, include_self: bool) -> Any:
    """What the products are multiplied by for each element of `input`.

    A zero of `input` is left out of its product, which then is the product of the rest. (PyTorch's formulas,
    from its notes on scatter_reduce, so that derivatives of them exist where PyTorch has them.)
    """
    masked = choose(input == 0.0, 1.0, input)
    found = scatter_reduce_of(masked, src, index, dim, "prod", include_self) / masked
    return found if include_self else scatter_number(found, index, dim, 0)


def src_of_products(
    g: Any, input: Any, src: Any, index: Any, out: Any, dim: int, include_self: bool, what: Any
) -> Any:
    """The cotangent of `src`: a zero that is alone at its place is left out of its product.

    Segments leave a nan out in the same way.
    """
    part = cut_to(src, index.shape)
    zero = part == 0.0
    if what[0] == "segment_reduce":
        zero = zero | (part != part)
    many = scatter_zeros(choose(zero, 1.0, zeros_like(part)), index, tuple(input.shape), dim)
    count = gather_along(many, index, dim)
    alone = zero & (count == 1.0)
    rest = scatter_reduce_of(input, choose(alone, 1.0, part), index, dim, "prod", include_self)
    found = choose(
        alone,
        gather_along(g * rest, index, dim),
        gather_along(g * out, index, dim) / choose(zero, 1.0, part),
    )
    return found if is_array(found) else once(found, count, what)


def cut_to(src: Any, shape: Any) -> Any:
    """The part of `src` that an index of that shape reads."""
    for d, n in enumerate(shape):
        if src.shape[d] != n:
            src = slice_of(src, d, 0, n, 1)
    return src


def reducing(signature: str, kernel: Any, node: str, public: str, what: tuple[str, str]) -> Any:
    """An operation that reduces `src` into `input`.

    Args:
        signature: of tensors input, src, index and of statics dim, reduce, include_self.
        kernel: computes it.
        node: name of its node.
        public: name of the function.
        what: how messages call the function and `src`.

    Returns:
        the operation.
    """

    def input_rule(
        g: Any, input: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool
    ) -> Any:
        if reduce == "prod":
            return g * input_of_products(input, src, index, dim, include_self)
        return g * weights_of(input, src, index, dim, reduce, include_self)[0]

    def src_rule(
        g: Any, input: Any, src: Any, src_shape: Any, index: Any, out: Any, dim: int, reduce: str,
        include_self: bool,
    ) -> Any:  # fmt: skip
        if reduce == "prod":
            found = src_of_products(g, input, src, index, out, dim, include_self, what)
        else:
            found = gather_along(g, index, dim) * weights_of(input, src, index, dim, reduce, include_self)[1]
        return pad_to(found, src_shape)

    return general(
        signature, kernel, node=node, public=public, batch="aligned", input=input_rule, src=src_rule
    )


scatter_reduce_of: Any = reducing(
    "scatter_reduce_of(input, src, index | dim, reduce, include_self)",
    k.scatter_reduce,
    "ScatterReduceBackward0",
    "scatter_reduce",
    ("scatter_reduce", "src"),
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
    if index.numel() and reduce in ("amax", "amin"):
        without(f"scatter_gather_tensor_cpu_reduce_{reduce}", input, COMPLEX)
    if reduce == "mean":
        without("scatter_gather_tensor_cpu_reduce_mean" if index.numel() else "div_floor_cpu", input, BOOL)
    found = scatter_reduce_of(input, src, index, d, reduce, include_self)
    return deliver_exact("scatter_reduce", found, out)
