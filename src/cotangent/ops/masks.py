"""Masks and flat positions: masked_fill, masked_select, masked_scatter, take, put."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..config import not_deterministic
from ..kernels import gather as k
from ..kernels.layout import rows
from .arguments import REQUIRED, deliver_exact, missing
from .batching import flat
from .index_batching import taken
from .table import elementwise, is_array, is_tensor, linear
from .unmapped import refuse_select
from .views import reshape_any, sum_to_size


def _fill_masked(a: Any, mask: Any, value: Any) -> None:
    if value.__class__ is not float or a.dtype.char not in "fd":
        value = np.asarray(value).astype(a.dtype)
    np.copyto(a, value, casting="unsafe", where=mask)


def _masked_fill(a: Any, mask: Any, value: Any = 0, out: Any = None) -> Any:
    if a.shape == mask.shape:
        result = np.array(a)
    else:
        result = np.array(np.broadcast_to(a, np.broadcast_shapes(a.shape, mask.shape)), order="C")
    _fill_masked(result, mask, value)
    if out is None or out is Ellipsis:
        return result
    out[...] = result
    return out


masked_fill_number: Any = elementwise(
    "masked_fill_number(input, mask | value)",
    rows(_masked_fill),
    fast=rows(_masked_fill),
    store=_fill_masked,
    fixed=("mask",),
    node="MaskedFillBackward0",
    public="masked_fill",
    input=lambda g, mask: masked_fill_number(g, mask, 0),
)


def _unmasked(g: Any, mask: Any) -> Any:
    return np.asarray(np.where(mask, g, np.zeros((), g.dtype)).sum(dtype=g.dtype))


masked_sum = linear(
    "masked_sum(input, mask)",
    _unmasked,
    node="SumBackward0",
    public="sum",
    input=lambda g, mask, input_shape: spread_masked(g, mask, input_shape),
)
spread_masked: Any = linear(
    "spread_masked(input, mask | shape)",
    lambda g, mask, shape: np.where(np.broadcast_to(mask, shape), g, np.zeros((), g.dtype)),
    node="MulBackward0",
    public="mul",
    input=lambda g, mask: masked_sum(g, mask),
)
masked_fill_with = linear(
    "masked_fill_with(input, value, mask)",
    rows(lambda a, value, mask: _masked_fill(a, mask, value)),
    node="MaskedFillBackward1",
    public="masked_fill",
    input=lambda g, mask, input_shape: sum_to_size(masked_fill_number(g, mask, 0), input_shape),
    value=lambda g, mask: masked_sum(g, mask),
)
pick_masked = linear(
    "pick_masked(input, mask)",
    k.masked_select,
    node="MaskedSelectBackward0",
    public="masked_select",
    input=lambda g, mask, input: place_masked(g, mask, tuple(input.shape)),
)
place_masked: Any = linear(
    "place_masked(input, mask | shape)",
    k.masked_select_back,
    node="MaskedScatterBackward0",
    public="masked_scatter",
    input=lambda g, mask: pick_masked(g, mask),
)
put_masked = linear(
    "put_masked(input, source, mask)",
    rows(lambda a, source, mask: k.masked_scatter(a, mask, source)),
    node="MaskedScatterBackward0",
    public="masked_scatter",
    input=lambda g, mask, input_shape: sum_to_size(masked_fill_number(g, mask, 0), input_shape),
    source=lambda g, mask, source_shape: take_masked(g, mask, source_shape),
)
take_masked: Any = linear(
    "take_masked(input, mask | shape)",
    k.masked_source,
    node="MaskedScatterBackward1",
    public="masked_scatter",
    input=lambda g, mask, input_shape: give_masked(g, mask, input_shape),
)
give_masked: Any = linear(
    "give_masked(input, mask | shape)",
    k.masked_source_back,
    node="MaskedScatterBackward1",
    public="masked_scatter",
    input=lambda g, mask, input_shape: take_masked(g, mask, input_shape),
)
def _taken_flat(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `take`: elements at an index of rows."""
    (x, index), (own, mapped) = tensors, dims
    row = reshape_any(x, (x.numel(),)) if own is None else flat(x, own, size)
    return taken(op, size, (row, index), (None if own is None else 0, mapped), (0,))


take_flat = linear(
    "take_flat(input, index)",
    lambda a, index: a.reshape(-1)[index],
    node="TakeBackward0",
    public="take",
    batch=_taken_flat,
    input=lambda g, index, input: put_flat_zeros(g, index, tuple(input.shape)),
)
put_flat_zeros: Any = linear(
    "put_flat_zeros(input, index | shape)",
    lambda g, index, shape: k.put(np.zeros(shape, g.dtype), index, g, True),
    node="PutBackward0",
    public="put",
    input=lambda g, index, input_shape: reshape_any(take_flat(g, index), input_shape),
)
put_flat = linear(
    "put_flat(input, source, index | accumulate)",
    lambda a, source, index, accumulate: k.put(a, index, source, accumulate),
    node="PutBackward0",
    public="put",
    input=lambda g, index, accumulate: g if accumulate else clear_flat(g, index),
    source=lambda g, index, source_shape: reshape_any(take_flat(g, index), source_shape),
)
clear_flat: Any = linear(
    "clear_flat(input, index)",
    lambda a, index: k.put(a, index, np.zeros(index.shape, a.dtype), False),
    node="PutBackward0",
    public="put",
    input=lambda g, index: clear_flat(g, index),
)


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise PyTorch's error for shapes that do not broadcast together."""
    if a == b:
        return
    for d in range(-1, -min(len(a), len(b)) - 1, -1):
        if a[d] != b[d] and 1 not in (a[d], b[d]):
            raise RuntimeError(
                f"The size of tensor a ({a[d]}) must match the size of tensor b ({b[d]}) at non-singleton "
                f"dimension {max(len(a), len(b)) + d}"
            )


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """A copy of `input` with `value` where `mask` is true.

    Args:
        input: any shape.
        mask: bool, broadcast with `input`.
        value: number or 0-d tensor.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: if the mask is not bool or `value` has dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2).masked_fill(torch.tensor([True, False]), 0.0)
        tensor([0., 1.])
    """
    if mask._data.shape != input._data.shape:
        check_broadcast(tuple(mask.shape), tuple(input.shape))
    value = _filler(input, mask, value)
    return (
        masked_fill_with(input, value, mask) if is_tensor(value) else masked_fill_number(input, mask, value)
    )


def masked_fill_written(input: Any, mask: Any, value: Any) -> Any:
    """The form of `masked_fill` that serves in place: its errors name the tensor before the mask."""
    value = _filler(input, mask, value)
    check_broadcast(tuple(input.shape), tuple(mask.shape))
    return (
        masked_fill_with(input, value, mask) if is_tensor(value) else masked_fill_number(input, mask, value)
    )


def _filler(input: Any, mask: Any, value: Any) -> Any:
    """Check mask and value; a tensor comes back in the dtype of `input`."""
    if mask.dtype is not dtypes.bool_:
        name = "long int" if mask.dtype is dtypes.int64 else dtypes.CPP_NAME[mask.dtype]
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {name}")
    if is_tensor(value) and value.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
            "dimension(s)."
        )
    complex_value = value.dtype.is_complex if is_tensor(value) else isinstance(value, complex)
    if complex_value and not input.dtype.is_complex:
        kind = "int64_t" if input.dtype is dtypes.int64 else dtypes.CPP_NAME[input.dtype]
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
    return value.to(input.dtype) if is_tensor(value) and value.dtype is not input.dtype else value


def masked_select(input: Any, mask: Any = REQUIRED, *, out: Any = None) -> Any:
    """The elements of `input` where `mask` is true, as a 1-d tensor.

    Args:
        input: any shape.
        mask: bool, broadcast with `input`.
        out: tensor to write the result to.

    Returns:
        a 1-d tensor.

    Raises:
        RuntimeError: if the mask is not bool or does not broadcast.

    Example:
        >>> import cotangent as torch
        >>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))
        tensor([1, 3])
    """
    if mask is REQUIRED:
        missing("masked_select", "mask")
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    if mask._owner is not None:
        refuse_select(mask)
    a, b = tuple(mask.shape), tuple(input.shape)
    for i in range(1, min(len(a), len(b)) + 1):
        if a[-i] != b[-i] and 1 not in (a[-i], b[-i]):
            raise RuntimeError(
                f"The size of tensor a ({a[-i]}) must match the size of tensor b ({b[-i]}) at non-singleton "
                f"dimension {max(len(a), len(b)) - i}"
            )
    return deliver_exact(
        "masked_select",
        pick_masked(input, mask),
        out,
        "masked_select(): self and result must have the same scalar type",
        apart=(input, mask),
    )


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy of `input` with the elements of `source`, in order, where `mask` is true.

    Args:
        input: any shape.
        mask: bool, broadcast with `input`.
        source: at least as many elements as the mask has true ones.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    if mask.dtype is not dtypes.bool_:
        name = dtypes.SCALAR_NAME[mask.dtype]
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {name}")
    if source.dtype is not input.dtype:
        kinds = (dtypes.SCALAR_NAME[t.dtype] for t in (input, source))
        told = "masked_scatter: expected self and source to have same dtypes but got{} and {}"
        raise RuntimeError(told.format(*kinds))
    check_broadcast(tuple(mask.shape), tuple(input.shape))
    return put_masked(input, source, mask)


def take(input: Any, index: Any, *, out: Any = None) -> Any:
    """Elements at positions of the flattened input.

    Args:
        input: any shape.
        index: int64, any shape.
        out: tensor to write the result to.

    Returns:
        a tensor of the shape of `index`.

    Raises:
        IndexError: if a position is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 3]))
        tensor([1, 4])
    """
    data = index._data
    n = input.numel()
    if is_array(data) and data.size and (int(data.min()) < -n or int(data.max()) >= n):
        if not n:
            raise IndexError("take(): tried to take from an empty tensor")
        bad = next(int(i) for i in data.reshape(-1) if not -n <= i < n)
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {n} elements.")
    return deliver_exact("take", take_flat(input, index), out, apart=(input, index))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy of `input` with `source` written at positions of the flattened tensor.

    Args:
        input: any shape.
        index: int64, any shape.
        source: as many elements as `index`.
        accumulate: add instead of writing.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2, 2).put(torch.tensor([3]), torch.tensor([9.0]))
        tensor([[0., 0.],
                [0., 9.]])
    """
    if not accumulate:  # of several values for one place any may stay
        not_deterministic("put_")
    return put_flat(input, source, index, accumulate)
