"""Views: the primitives that look at the same memory under another shape, and their transposes.

The functions users call are in `viewfronts.py` (and `split.py` for those that give several views).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import shape as k
from ..kernels.deferred import layout
from ..kernels.layout import dense
from .reduce import sum_all
from .table import blank, has_layout, is_array, linear

# -- which layouts allow which views ------------------------------------------------------------------------


def lying(t: Any) -> Any:
    """An array that lies in memory as the elements of `t` do (as those of what it holds); or None.

    Only its layout means anything.
    """
    while (owner := t._owner) is not None:
        if owner.is_batch:
            data = t._data
            return np.lib.stride_tricks.as_strided(
                np.empty(0, f"V{data.itemsize}"), data.shape, data.strides
            )
        t = owner.below(t)
    data = layout(t._data)
    if is_array(data):
        return data
    return data.probe() if has_layout(data) else None


def viewable(t: Any, shape: tuple[int, ...]) -> bool:
    """Whether `t` can be seen in another shape without a copy."""
    seen = lying(t)
    return seen is not None and k.can_view(seen, shape)


def reshaped(input: Any, shape: tuple[int, ...]) -> Any:
    """`input` in a shape that fits: a view if its layout allows one."""
    if input._owner is not None:
        return view_as_shape(input, shape) if viewable(input, shape) else reshape_any(input, shape)
    data = layout(input._data)
    if has_layout(data):
        if data.flags.c_contiguous:
            return view_as_shape(input, shape)
        if k.can_view(data if is_array(data) else data.probe(), shape):
            return reshape_alias(input, shape)
        return unsafe_view(dense_clone(input), shape)
    return reshape_any(input, shape)


# -- batching ---------------------------------------------------------------------------------------------


def _front(t: Any, bdim: int) -> Any:
    """`t` with its batch dimension in front."""
    return t if bdim == 0 else permute_dims(t, (bdim, *[d for d in range(t.ndim) if d != bdim]))


def _batch_view(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """A view under vmap: moving the batch dimension may leave a layout that has no such view."""
    return reshaped(_front(tensors[0], dims[0]), (size, *statics[0])), 0


def _batch_expand(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Ranks are aligned behind the batch dimension, then expanded."""
    t, shape = _front(tensors[0], dims[0]), statics[0]
    seen = tuple(t.shape)[1:]
    ready = reshaped(t, (size,) + (1,) * (len(shape) - len(seen)) + seen)
    return expand_to(ready, (size, *shape)), 0


def _batch_sum_to_size(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Summed to the shape with ones for the dimensions that go, which then go."""
    t, shape = _front(tensors[0], dims[0]), tuple(statics[0])
    kept = sum_to_size(t, (size,) + (1,) * (t.ndim - 1 - len(shape)) + shape)
    return reshape_any(kept, (size, *shape)), 0


def _batch_squeeze(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """All dimensions of one but the batch's."""
    t = _front(tensors[0], dims[0])
    return squeeze_dims(t, tuple(range(1, t.ndim))), 0


def _batch_t(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """The matrix behind the batch dimension."""
    t = _front(tensors[0], dims[0])
    return (transpose_dims(t, 1, 2) if t.ndim == 3 else t), 0


def _batch_transpose(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """The same dimensions, counted past the batch, which stays where it is."""
    t, bdim = tensors[0], dims[0]
    return (op.entry(t, *(d + (d >= bdim) for d in statics)) if t.ndim > 1 else t), bdim


def _batch_squeeze_dim(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """The same dimensions counted past the batch; 0-d examples stay what they are."""
    t, bdim = tensors[0], dims[0]
    if t.ndim == 1:
        return alias(t), bdim
    over = statics[0]
    moved = over + 1 if isinstance(over, int) else tuple(d + 1 for d in over)
    return op.entry(_front(t, bdim), moved), 0


def _batch_strided(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """All examples at once, one more step apart, if they lie in memory."""
    t, bdim, (shape, steps, offset, _) = tensors[0], dims[0], statics
    if not t._owner.is_batch if t._owner is not None else not is_array(t._data):
        return NotImplemented
    have = t.stride()
    return op.entry(t, (size, *shape), (have[bdim], *steps), offset, have), 0


# -- reshaping --------------------------------------------------------------------------------------------

view_as_shape: Any = linear(
    "view_as_shape(input | shape)",
    k.view,
    node="ViewBackward0",
    public="view",
    view=True,
    batch=_batch_view,
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
# What `reshape` does where the memory is not dense but still in order.
reshape_alias: Any = linear(
    "reshape_alias(input | shape)",
    k.view,
    node="ReshapeAliasBackward0",
    view=True,
    batch=_batch_view,
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
# A gradient may lie in memory in any order, so the pullback of a view may have to copy.
reshape_any: Any = linear(
    "reshape_any(input | shape)",
    k.reshaped,
    node="UnsafeViewBackward0",
    public="reshape",
    batch="axes",
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
# What `reshape` does where no view is possible: of a fresh copy nobody else can see the other shape.
unsafe_view: Any = linear(
    "unsafe_view(input | shape)",
    k.view,
    node="UnsafeViewBackward0",
    batch="axes",
    input=lambda g, input_shape: reshape_any(g, input_shape),
)
dense_clone: Any = linear(
    "dense_clone(input)",
    dense,
    node="CloneBackward0",
    public="clone",
    batch="axes",
    input=lambda g: g,
)
ordered_clone: Any = linear(
    "ordered_clone(input | order)", k.copied_in, node="CloneBackward0", public="clone", input=lambda g: g
)
# Looks at the bits as another type: no derivative, and to autograd no view (only the version is shared).
view_bits: Any = linear("view_bits(input | dtype)", k.view_bits, public="view", view=True)
alias: Any = linear(
    "alias(input)", lambda a: a.view(), node="AliasBackward0", view=True, batch="axes", input=lambda g: g
)

# -- the order of dimensions ------------------------------------------------------------------------------

permute_dims: Any = linear(
    "permute_dims(input | dims)",
    lambda a, dims: a.transpose(dims),
    node="PermuteBackward0",
    public="permute",
    view=True,
    batch="axes",
    input=lambda g, dims: permute_dims(g, inverse(dims)),
)
transpose_dims: Any = linear(
    "transpose_dims(input | dim0, dim1)",
    k.transpose,
    node="TransposeBackward0",
    public="transpose",
    view=True,
    batch=_batch_transpose,
    input=lambda g, dim0, dim1: transpose_dims(g, dim0, dim1),
)
t_matrix: Any = linear(
    "t_matrix(input)",
    lambda a: a.T,
    node="TBackward0",
    public="t",
    view=True,
    batch=_batch_t,
    input=lambda g: t_matrix(g),
)


def inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `dims`."""
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d] = i
    return tuple(out)


# -- dimensions of one ------------------------------------------------------------------------------------

expand_to: Any = linear(
    "expand_to(input | shape)",
    k.expand,
    node="ExpandBackward0",
    public="expand",
    view=True,
    batch=_batch_expand,
    input=lambda g, input_shape: contracted(g, input_shape),
)


def contracted(g: Any, shape: tuple[int, ...]) -> Any:
    """`g` summed to the shape that was expanded; itself where nothing was, but for scalars, as in PyTorch."""
    if not shape:
        return sum_all(g)
    return g if tuple(g.shape) == tuple(shape) else sum_to_size(g, shape)


sum_to_size: Any = linear(
    "sum_to_size(input | shape)",
    k.sum_to_size,
    infer=lambda a, shape: blank(shape, a),
    node="SumBackward1",
    public="sum",
    batch=_batch_sum_to_size,
    input=lambda g, input_shape, shape: expand_to(
        reshape_any(g, (1,) * (len(input_shape) - len(shape)) + tuple(shape)), input_shape
    ),
)


def restored(g: Any, shape: tuple[int, ...]) -> Any:
    """`g` in the shape that squeezing changed; itself where it did not."""
    return g if tuple(g.shape) == tuple(shape) else reshape_any(g, shape)


squeeze_all: Any = linear(
    "squeeze_all(input)",
    lambda a: a.squeeze(),
    node="SqueezeBackward0",
    public="squeeze",
    view=True,
    batch=_batch_squeeze,
    input=lambda g, input_shape: restored(g, input_shape),
)
squeeze_dim: Any = linear(
    "squeeze_dim(input | dim)",
    lambda a, dim: k.squeeze(a, (dim,)),
    node="SqueezeBackward1",
    public="squeeze",
    view=True,
    batch=_batch_squeeze_dim,
    input=lambda g, input_shape: restored(g, input_shape),
)
squeeze_dims: Any = linear(
    "squeeze_dims(input | dims)",
    k.squeeze,
    node="SqueezeBackward2",
    public="squeeze",
    view=True,
    batch=_batch_squeeze_dim,
    input=lambda g, input_shape: restored(g, input_shape),
)
# The result of a vector times a matrix loses its row by `squeeze_`, whose node has a name of its own.
squeezed_product: Any = linear(
    "squeezed_product(input)",
    lambda a: a[0],
    node="SqueezeBackward4",
    public="squeeze",
    batch=lambda op, size, tensors, dims, statics: (select_at(_front(tensors[0], dims[0]), 1, 0), 0),
    input=lambda g: unsqueeze_at(g, 0),
)
unsqueeze_at: Any = linear(
    "unsqueeze_at(input | dim)",
    k.unsqueeze,
    node="UnsqueezeBackward0",
    public="unsqueeze",
    view=True,
    batch=lambda op, size, tensors, dims, statics: (op.entry(_front(tensors[0], dims[0]), statics[0] + 1), 0),
    input=lambda g, input_shape: restored(g, input_shape),
)

# -- sections ---------------------------------------------------------------------------------------------

select_at: Any = linear(
    "select_at(input | dim, index)",
    k.select,
    node="SelectBackward0",
    public="select",
    view=True,
    batch="axes",
    input=lambda g, input_shape, dim, index: select_backward(g, input_shape, dim, index),
)
select_backward: Any = linear(
    "select_backward(g | shape, dim, index)",
    k.select_backward,
    batch="axes",
    g=lambda g, dim, index: select_at(g, dim, index),
)
slice_of: Any = linear(
    "slice_of(input | dim, start, stop, every)",
    k.slice_,
    node="SliceBackward0",
    public="slice",
    view=True,
    batch="axes",
    input=lambda g, input_shape, dim, start, stop, every: slice_backward(
        g, input_shape, dim, start, stop, every
    ),
)
slice_backward: Any = linear(
    "slice_backward(g | shape, dim, start, stop, every)",
    k.slice_backward,
    batch="axes",
    g=lambda g, dim, start, stop, every: slice_of(g, dim, start, stop, every),
)
diagonal_of: Any = linear(
    "diagonal_of(input | offset, dim1, dim2)",
    k.diagonal,
    node="DiagonalBackward0",
    public="diagonal",
    view=True,
    batch="axes",
    input=lambda g, input_shape, offset, dim1, dim2: diagonal_backward(g, input_shape, offset, dim1, dim2),
)
diagonal_backward: Any = linear(
    "diagonal_backward(g | shape, offset, dim1, dim2)",
    k.diagonal_backward,
    batch="axes",
    g=lambda g, offset, dim1, dim2: diagonal_of(g, offset, dim1, dim2),
)
windows_of: Any = linear(
    "windows_of(input | dim, length, every)",
    k.windows,
    node="UnfoldBackward0",
    public="unfold",
    view=True,
    batch="axes",
    input=lambda g, input_shape, dim, length, every: windows_backward(g, input_shape, dim, length, every),
)
windows_backward: Any = linear(
    "windows_backward(g | shape, dim, length, every)",
    k.windows_backward,
    batch="axes",
    g=lambda g, dim, length, every: windows_of(g, dim, length, every),
)

# -- memory -----------------------------------------------------------------------------------------------
# `start` counts from the first element of the input, whose strides (in elements) are `in_stride`.

as_strided_of: Any = linear(
    "as_strided_of(input | size, stride, start, in_stride)",
    k.as_strided,
    node="AsStridedBackward0",
    public="as_strided",
    view=True,
    batch=_batch_strided,
    input=lambda g, input_shape, in_stride, size, stride, start: as_strided_backward(
        g, input_shape, in_stride, size, stride, start
    ),
)
as_strided_backward: Any = linear(
    "as_strided_backward(g | shape, in_stride, size, stride, start)",
    k.as_strided_backward,
    g=lambda g, in_stride, size, stride, start: as_strided_of(g, size, stride, start, in_stride),
)
