"""Yes and no, which and how often: any, all, nonzero, unique, bincount. No gradients flow here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import check_dim, dims_of
from ..kernels.halves import wide
from ..kernels.membership import distinct
from .arguments import deliver_exact, renamed
from .batching import in_front
from .refusals import without
from .table import constant, deliver, emitter, general
from .unmapped import refuse_shape


def _distinct(name: str, node: str, function: str) -> Any:
    """What distinct values are recorded as: they have a history, but no derivative."""

    def rule(g: Any, values: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{function}' is not implemented.")

    return general(f"{name}(input | values)", lambda a, values: values, node=node, input=rule)


_unique: Any = _distinct("unique_of", "Unique2Backward0", "_unique2")
_unique_dim: Any = _distinct("unique_dim_of", "UniqueDimBackward0", "unique_dim")
_unique_consecutive: Any = _distinct(
    "unique_consecutive_of", "UniqueConsecutiveBackward0", "unique_consecutive"
)


def _slices(input: Any, dim: int) -> int:
    """The dimension whose slices are compared."""
    n = input.ndim
    if not n:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = check_dim(dim, n)
    if 0 in input.shape[:d] or 0 in input.shape[d + 1 :] or input.shape.count(0) > 1:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    return d


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements (or slices), in ascending order.

    Args:
        input: any shape.
        sorted: accepted for PyTorch's sake; the result is always in order.
        return_inverse: also where each element went.
        return_counts: also how often each occurs.
        dim: dimension whose slices are compared; the elements if None.

    Returns:
        a tensor, or a tuple with the additional tensors asked for.

    Example:
        >>> import cotangent as torch
        >>> torch.unique(torch.tensor([3, 1, 3]))
        tensor([1, 3])
    """
    if input._owner is not None:
        refuse_shape("_unique2" if dim is None else "unique_dim", input)
    if dim is not None:
        dim = _slices(input, dim)
    without("unique" if dim is None else "unique_dim", input, dtypes.COMPLEX)
    # Of bfloat16 NumPy knows no order that nan has a place in.
    data = wide(np.asarray(input._data))
    if dim is None:
        values, inverse, counts = distinct(data.reshape(-1))
    else:
        values, inverse, counts = np.unique(
            data, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
        )
    values = values.astype(input.dtype.np, copy=False)
    found = [(_unique if dim is None else _unique_dim)(input, values)]
    if return_inverse:
        found.append(constant(np.asarray(inverse).reshape(input.shape if dim is None else (-1,))))
    if return_counts:
        found.append(constant(counts))
    return found[0] if len(found) == 1 else tuple(found)


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices) without immediate repetitions.

    Args:
        input: any shape.
        return_inverse: also where each element went.
        return_counts: also how often each is repeated.
        dim: dimension whose slices are compared; the flattened elements if None.

    Returns:
        a tensor, or a tuple with the additional tensors asked for.

    Example:
        >>> import cotangent as torch
        >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    if input._owner is not None:
        refuse_shape("unique_consecutive", input)
    if dim is not None:
        dim = _slices(input, dim)
    without("unique" if dim is None else "unique_dim", input, dtypes.COMPLEX)
    data = np.asarray(input._data)
    rows = data.reshape(-1) if dim is None else np.moveaxis(data, dim, 0)
    n = len(rows)
    flat = rows.reshape(n, math.prod(rows.shape[1:]))
    fresh = np.ones(n, bool)
    if n > 1:
        fresh[1:] = (flat[1:] != flat[:-1]).any(axis=1)
    starts = np.flatnonzero(fresh)
    values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    found = [_unique_consecutive(input, values)]
    if return_inverse:
        inverse = np.cumsum(fresh) - 1
        found.append(constant(inverse.reshape(data.shape) if dim is None else inverse))
    if return_counts:
        found.append(constant(np.diff(np.append(starts, n))))
    return found[0] if len(found) == 1 else tuple(found)


def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not zero.

    Args:
        input: any shape.
        out: tensor to write the result to.
        as_tuple: one tensor per dimension instead of one row per element.

    Returns:
        (count, ndim), or a tuple of ndim tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.nonzero(torch.tensor([0, 5, 7]))
        tensor([[1],
                [2]])
    """
    if input._owner is not None:
        refuse_shape("nonzero", input)
    data = np.asarray(input._data)
    if as_tuple:
        if out is not None:
            raise RuntimeError("nonzero does not support the out kwarg when as_tuple is True")
        found = (data if data.ndim else data.reshape(1)).nonzero()
        return tuple(
            emitter.written_inside(constant(np.ascontiguousarray(i)), input, 1) for i in found
        )
    return deliver_exact(
        "nonzero",
        emitter.written_inside(constant(np.argwhere(data)), input, 1),
        out,
        "nonzero: Expected out tensor to have scalar type {kind} but got scalar type{kind_out}",
    )


def argwhere(input: Any) -> Any:
    """The positions of the elements that are not zero, one row each.

    Example:
        >>> import cotangent as torch
        >>> torch.argwhere(torch.tensor([0, 5]))
        tensor([[1]])
    """
    return nonzero(input)


def count_nonzero(input: Any, dim: Any = None, **numpy: Any) -> Any:
    """How many elements are not zero, of all or along dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.count_nonzero(torch.tensor([0, 5, 7]))
        tensor(2)
    """
    if numpy:
        return count_nonzero(**renamed("count_nonzero", numpy, input=input, dim=dim))
    return (input != 0).sum() if dim is None else (input != 0).sum(dim)


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each non-negative integer occurs.

    Args:
        input: 1-d, integers.
        weights: what each occurrence counts.
        minlength: least length of the result.

    Returns:
        a 1-d tensor.

    Raises:
        RuntimeError: if `input` is not 1-d or has negative numbers.

    Example:
        >>> import cotangent as torch
        >>> torch.bincount(torch.tensor([1, 1, 3]))
        tensor([0, 2, 0, 1])
    """
    data = input._data
    if input.ndim != 1 or (input._owner is None and data.size and data.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    without("bincount_cpu", input, dtypes.BOOL, dtypes.FLOATING, dtypes.COMPLEX)
    if weights is not None and (weights.ndim != 1 or weights.shape != input.shape):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    return bincount_of(input, weights, minlength)


def _counted(data: Any, weights: Any, minlength: int) -> Any:
    counts = np.bincount(data, weights, minlength)
    return counts.astype(np.float32) if weights is not None and weights.dtype == np.float32 else counts


bincount_of = general("bincount_of(input, weights? | minlength)", _counted, public="bincount")


def _truth(a: Any, dims: Any, keepdim: bool, reduce: Any) -> Any:
    out = np.asarray(reduce(a.astype(bool), axis=dims, keepdims=keepdim), order="C")
    return out.astype(a.dtype) if a.dtype == np.uint8 else out


def _each_truth(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `any` and `all`; of examples without dimensions, none is reduced."""
    return op.entry(in_front(tensors[0], dims[0], size), tuple(d + 1 for d in statics[0]), statics[1]), 0


any_of = general(
    "any_of(input | dims, keepdim)",
    lambda a, d, k: _truth(a, d, k, np.logical_or.reduce),
    public="any",
    batch=_each_truth,
)
all_of = general(
    "all_of(input | dims, keepdim)",
    lambda a, d, k: _truth(a, d, k, np.logical_and.reduce),
    public="all",
    batch=_each_truth,
)


def any(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None, **numpy: Any) -> Any:
    """Whether any element is true (not zero), of all or along dimensions.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a bool tensor (uint8 for uint8).

    Example:
        >>> import cotangent as torch
        >>> torch.any(torch.tensor([0, 1]))
        tensor(True)
    """
    if numpy:
        return any(**renamed("any", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    _bool_out("any", out)
    return deliver("any", any_of(input, _dims(input, dim), keepdim), out)


def all(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None, **numpy: Any) -> Any:
    """Whether all elements are true (not zero), of all or along dimensions.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a bool tensor (uint8 for uint8).

    Example:
        >>> import cotangent as torch
        >>> torch.all(torch.tensor([0, 1]))
        tensor(False)
    """
    if numpy:
        return all(**renamed("all", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    _bool_out("all", out)
    return deliver("all", all_of(input, _dims(input, dim), keepdim), out)


def _dims(input: Any, dim: Any) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(input.ndim))
    return tuple(d for d in (check_dim(d, input.ndim) for d in dims_of(dim)) if d < input.ndim)


def _bool_out(function: str, out: Any) -> None:
    if out is not None and out.dtype not in (dtypes.bool_, dtypes.uint8):
        raise RuntimeError(
            f"{function} only supports bool tensor for result, got: {dtypes.SCALAR_NAME[out.dtype]}"
        )
