"""Masks of torch.masked: which elements take part, and what stands for the others."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes, lazy
from ..creation import tensor
from ..errors import dims_of
from ..ops.select import where
from ..size import sparse_coo, sparse_csr, strided

sparse: Any = lazy.module("cotangent.masked._sparse")
_LAYOUTS: Final = (strided, sparse_coo, sparse_csr)

_REDUCTIONS: Final = frozenset(
    (
        "sum", "prod", "amax", "amin", "argmax", "argmin", "mean", "median", "norm", "var", "std",
        "logsumexp",
    )
)  # fmt: skip
_NORMALIZATIONS: Final = frozenset(("softmax", "log_softmax", "softmin", "normalize", "cumsum", "cumprod"))


def _bound(dtype: Any, sign: int) -> Any:
    """The largest (smallest, with sign -1) number of a dtype that is no complex one and not bool; or None."""
    if dtype.category == dtypes.FLOATING:
        return sign * math.inf
    if dtype.category != dtypes.INTEGRAL:
        return None
    limits = np.iinfo(dtype.np)
    return int(limits.max if sign > 0 else limits.min)


def _reduction_identity(op_name: str, input: Any, *args: Any) -> Any:
    """What can be added to the elements of a reduction without changing it, as a 0-d tensor.

    Args:
        op_name: name of the reduction.
        input: tensor whose dtype counts.
        args: the order of a norm.

    Returns:
        a tensor of the dtype of `input`, or None where there is no such value.

    Raises:
        NotImplementedError: if the dtype has no such value.
    """
    name, dtype = op_name.rpartition(".")[2], input.dtype
    if name in ("mean", "var", "std"):
        return None
    value: Any = None
    if name in ("sum", "cumsum", "norm"):
        value = math.inf if name == "norm" and args and args[0] == -math.inf else 0
    elif name in ("prod", "cumprod"):
        value = 1
    elif name in ("amax", "argmax", "logaddexp", "logsumexp"):
        value = -math.inf if dtype.is_complex and name == "logsumexp" else _bound(dtype, -1)
    elif name in ("amin", "argmin"):
        value = _bound(dtype, 1)
    elif name == "median":
        return tensor(math.nan, dtype=dtype if dtype.category == dtypes.FLOATING else dtypes.float32)
    if value is None:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    return tensor(value, dtype=dtype)


def _canonical_dim(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions that `dim` names, counted from 0: all of them for None and for no dimension.

    Raises:
        RuntimeError: if one is there twice.
        IndexError: if there is no such dimension.
    """
    if dim is None or dim == ():
        return tuple(range(ndim))
    places: list[int] = []
    ndim = max(ndim, 1)
    for d in dims_of(dim):
        if not -ndim <= d < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})"
            )
        if d % ndim in places:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        places.append(d % ndim)
    return tuple(places)


def _input_mask(input: Any, *args: Any, mask: Any = None, **options: Any) -> Any:
    """The mask as a bool tensor of the shape of `input`.

    Raises:
        ValueError: without a mask.
        IndexError: if it has more dimensions than `input`.
    """
    if input.layout not in _LAYOUTS:
        raise ValueError(
            f"_input_mask expects strided or sparse COO or sparse CSR tensor but got {input.layout}"
        )
    if mask is None:
        raise ValueError("_input_mask requires explicit mask")
    if mask.ndim > input.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)"
        )
    if input.layout is not strided:
        return sparse.broadcast_mask(mask, input)
    if mask.layout is not strided:
        return sparse.dense_mask(mask, input.shape)
    return mask.expand(input.shape).to(dtypes.bool_)


def _output_mask(op: Any, input: Any, *args: Any, **options: Any) -> Any:
    """Which elements of a masked operation's result come from at least one element that was let through.

    Raises:
        ValueError: if `op` is none of these operations.
    """
    name = getattr(op, "__name__", None)
    if not callable(op):
        raise ValueError(f"_output_mask expected masked operation (got {type(op).__name__} object)")
    if name in _NORMALIZATIONS:
        return _input_mask(input, *args, **options)
    if name not in _REDUCTIONS:
        raise ValueError(
            f"_output_mask expected masked operation (got callable {op.__module__}.{op.__name__})"
        )
    rest = args[1:] if name == "norm" else args
    dims = _canonical_dim(rest[0] if rest else options.get("dim"), input.ndim)
    return _input_mask(input, *args, **options).any(dims, bool(options.get("keepdim", False)))


def _where(mask: Any, input: Any, fill_value: Any) -> Any:
    """`input` where the mask lets it through, elsewhere `fill_value`."""
    if mask.layout is strided:
        return where(mask, input, fill_value)
    if mask.layout not in _LAYOUTS:
        raise ValueError(
            f"_where expects strided or sparse COO or sparse CSR tensor but got {mask.layout}"
        )
    return sparse.chosen(mask, input, fill_value)


def _combine_input_and_mask(op: Any, input: Any, mask: Any, *args: Any) -> Any:
    """`input` with the identity of `op` in place of what the mask hides."""
    if mask is None:
        return input
    if not callable(op):
        raise ValueError(
            f"_combine_input_and_mask expected masked operation (got {type(op).__name__} object)"
        )
    return _where(_input_mask(input, mask=mask), input, _reduction_identity(op.__name__, input, *args))


def check_layout(name: str, input: Any) -> None:
    if input.layout is not strided:
        raise ValueError(f"{name} expects strided tensor (got {input.layout} tensor)")


def reduced(op: Any, input: Any, dims: tuple[int, ...], keepdim: bool, dtype: Any, mask: Any) -> Any:
    """A masked reduction of a sparse tensor.

    Raises:
        ValueError: without a mask, or for another layout.
    """
    name = op.__name__
    if input.layout not in _LAYOUTS[2 if name == "mean" else 1 :]:
        takes = "strided or sparse_csr" if name == "mean" else "strided, sparse_coo or sparse_csr"
        raise ValueError(f"masked {name} expects {takes} tensor (got {input.layout} tensor)")
    shown = _combine_input_and_mask(op, input, mask)
    if mask is None and name != "sum":
        kind = repr(input.layout).rpartition(".")[2]
        if name == "amin" and input.layout is sparse_coo:
            name = "amax"  # PyTorch says so
        raise ValueError(f"masked {name} expects explicit mask for {kind} tensor input")
    identity = None if name == "mean" else _reduction_identity(name, input)
    return sparse.reduced(name, shown, dims, keepdim, dtype, identity)
