"""Views: other shapes and sections of the same memory."""

from __future__ import annotations

import math
from typing import Any, Final

from ..errors import check_dim, check_dims, sizes
from ..kernels import shape as k
from .table import is_array, linear

view_as_shape = linear(
    "view_as_shape(input | shape)",
    k.view,
    node="ViewBackward0",
    public="view",
    view=True,
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
# A gradient may lie in memory in any order, so the pullback of a view may have to copy.
reshape_any = linear(
    "reshape_any(input | shape)",
    lambda a, shape: a.reshape(shape),
    node="ReshapeAliasBackward0",
    public="reshape",
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
permute_dims = linear(
    "permute_dims(input | dims)",
    lambda a, dims: a.transpose(dims),
    node="PermuteBackward0",
    public="permute",
    view=True,
    input=lambda g, dims: permute_dims(g, inverse(dims)),
)
transpose_dims = linear(
    "transpose_dims(input | dim0, dim1)",
    lambda a, dim0, dim1: a.swapaxes(dim0, dim1) if a.ndim else a.view(),
    node="TransposeBackward0",
    public="transpose",
    view=True,
    input=lambda g, dim0, dim1: transpose_dims(g, dim0, dim1),
)
t_matrix = linear(
    "t_matrix(input)",
    lambda a: a.T,
    node="TBackward0",
    public="t",
    view=True,
    input=lambda g: t_matrix(g),
)
expand_to = linear(
    "expand_to(input | shape)",
    k.expand,
    node="ExpandBackward0",
    public="expand",
    view=True,
    input=lambda g, input_shape: sum_to_size(g, input_shape),
)


def _sum_to_size(a: Any, shape: tuple[int, ...]) -> Any:
    lead = a.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and a.shape[i + lead] != 1)
    return a.sum(axis=axes, dtype=a.dtype).reshape(shape) if axes else a.reshape(shape)


sum_to_size = linear(
    "sum_to_size(input | shape)",
    _sum_to_size,
    node="SumBackward1",
    input=lambda g, input_shape, shape: expand_to(
        reshape_any(g, (1,) * (len(input_shape) - len(shape)) + tuple(shape)), input_shape
    ),
)
select_at = linear(
    "select_at(input | dim, index)",
    k.select,
    node="SelectBackward0",
    public="select",
    view=True,
    input=lambda g, input_shape, dim, index: select_backward(g, input_shape, dim, index),
)
select_backward = linear(
    "select_backward(g | shape, dim, index)",
    k.select_backward,
    g=lambda g, dim, index: select_at(g, dim, index),
)
slice_of = linear(
    "slice_of(input | dim, start, stop, step)",
    k.slice_,
    node="SliceBackward0",
    public="slice",
    view=True,
    input=lambda g, input_shape, dim, start, stop, step: slice_backward(g, input_shape, dim, start, stop, step),
)
slice_backward = linear(
    "slice_backward(g | shape, dim, start, stop, step)",
    k.slice_backward,
    g=lambda g, dim, start, stop, step: slice_of(g, dim, start, stop, step),
)
squeeze_dims = linear(
    "squeeze_dims(input | dims)",
    lambda a, dims: a.squeeze(dims),
    node="SqueezeBackward0",
    public="squeeze",
    view=True,
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
unsqueeze_at = linear(
    "unsqueeze_at(input | dim)",
    lambda a, dim: a[(slice(None),) * dim + (None, ...)],
    node="UnsqueezeBackward0",
    public="unsqueeze",
    view=True,
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
alias = linear(
    "alias(input)", lambda a: a.view(), node="AliasBackward0", view=True, input=lambda g: g
)


def inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `dims`."""
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d] = i
    return tuple(out)


def resolve_sizes(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """`shape` with its one -1 replaced by what makes `numel` elements.

    Raises:
        RuntimeError: if no shape fits.
    """
    if -1 in shape:
        at = shape.index(-1)
        known = math.prod(shape[:at] + shape[at + 1 :])
        if shape.count(-1) > 1:
            raise RuntimeError("only one dimension can be inferred")
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
                "can be any value and is ambiguous"
            )
        if known <= 0 or numel % known:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        return shape[:at] + (numel // known,) + shape[at + 1 :]
    if min(shape, default=0) < 0:
        raise RuntimeError(f"invalid shape dimension {next(n for n in shape if n < 0)}")
    if math.prod(shape) != numel:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return shape


def view(input: Any, *shape: Any) -> Any:
    """The same memory under another shape (or, given a dtype, under another element type)."""
    wanted = resolve_sizes(sizes(shape), input.numel())
    data = input._data
    if is_array(data) and not k.can_view(data, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return view_as_shape(input, wanted)


def permute(input: Any, *dims: Any) -> Any:
    """The same memory with its dimensions in another order."""
    wanted = sizes(dims)
    n = input.ndim
    if len(wanted) != n:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {n} is not equal to len(dims) = {len(wanted)}"
        )
    return permute_dims(input, check_dims(wanted, n))


def select(input: Any, dim: int, index: int) -> Any:
    """The slice at `index` of dimension `dim`, as a view without that dimension."""
    d = check_dim(dim, input.ndim)
    return select_at(input, d, index)


METHODS: Final = ("view", "permute", "select")
FUNCTIONS: Final = ("permute", "select")
