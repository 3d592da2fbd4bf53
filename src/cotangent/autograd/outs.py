"""`out=`: storing a result in a tensor the caller gave."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels.deferred import Deferred
from ..kernels.lent import NOT_RESIZABLE, is_lent
from ..kernels.shape import owner as memory_of
from ..kernels.sparse import Coo
from ..ops.refusals import cannot_cast
from .base import TensorBase, active
from .dispatch import convert, owner_of
from .inplace import check_inputs_apart, check_overlap
from .keeping import before_write
from .modes import modes
from .views import count_write


def out_apart(out: Any, tensors: tuple[Any, ...]) -> None:
    """Refuse an `out=` that lies partly, or in another order, in the memory of an operand."""
    if isinstance(out, TensorBase) and out._data.__class__ is np.ndarray and not out._level:
        check_inputs_apart(out, (out, *tensors))


def warn_resized(out: Any, shape: Any) -> None:
    """Say that an `out=` that holds elements gets another shape."""
    if out._data.size and out._data.shape != shape:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out._data.shape)}, which "
            f"does not match the required output shape {list(shape)}. This behavior is deprecated, and in a "
            "future PyTorch release outputs will not be resized unless they have zero elements. You can "
            "explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=4,
        )


def deliver(function: str, value: Any, out: Any, *operands: Any) -> Any:
    """Store `value` (a tensor, or a tuple of tensors) in `out`, resizing it if it has another shape.

    Raises:
        RuntimeError: if gradients would have to flow through `out`, or its dtype cannot hold the result.
    """
    if isinstance(value, tuple):
        stored = tuple(deliver(function, v, o) for v, o in zip(value, out, strict=True))
        return type(value)(*stored) if hasattr(value, "_fields") else stored
    if not isinstance(out, TensorBase):
        raise TypeError(f"{function}(): argument 'out' must be Tensor, not {type(out).__name__}")
    owner = owner_of((value, out))
    if owner is not None and owner.writes:
        raise NotImplementedError(
            f"Trying to use forward AD with {function}_out that does not support it because it is an out= "
            "function"
        )
    if owner is not None and owner.is_batch:
        raise RuntimeError(
            f"Batching rule not implemented for aten::{function}.out; the fallback path doesn't work on "
            "out= or view ops."
        )
    if modes.grad is not None and (value._req or out._req):
        raise RuntimeError(
            f"{function}(): functions with out=... arguments don't support automatic differentiation, but "
            "one of the arguments requires grad."
        )
    if out._data.__class__ is np.ndarray:
        check_overlap(out)
        if operands:
            out_apart(out, operands)
    made: Any = value
    if not dtypes.can_cast(made.dtype, out.dtype):  # type: ignore[attr-defined]
        raise cannot_cast(made.dtype, out.dtype)  # type: ignore[attr-defined]
    data = made._data if made.dtype is out.dtype else convert(made._data, out.dtype.np)  # type: ignore[attr-defined]
    if active.keeping:
        before_write(out)
    if isinstance(out._data, Coo):
        out._data = data
    elif out._data.shape != data.shape:
        warn_resized(out, data.shape)
        held = out._data
        if held.__class__ is np.ndarray and is_lent(held) and data.nbytes > memory_of(held).nbytes:
            raise RuntimeError(NOT_RESIZABLE)
        out._data = np.array(data)
    elif out._data.__class__ is Deferred:
        out._data.put(data)
    else:
        out._data[...] = data
    count_write(out)
    return out
