"""Copies: of values (clone), into another dtype (cast), of a shape alone (zeros_like and its kin)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..errors import NO_DATA
from ..kernels import elementwise as k
from ..kernels.shape import copied
from ..size import contiguous_format
from .table import as_first_lies, linear
from .viewfronts import laid_out


def along(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching rule of operations of one tensor that act element by element: nothing changes."""
    return op.entry(tensors[0], *statics), dims[0]


def _numpy_dtype(g: Any) -> Any:
    return getattr(g.dtype, "np", g.dtype)


cast: Any = linear(
    "cast(input | dtype)",
    k.cast,
    node="ToCopyBackward0",
    public="to",
    batch=along,
    input=lambda g, input_dtype: g if _numpy_dtype(g) == input_dtype else cast(g, input_dtype),
    doc="`input` in another dtype (a NumPy dtype).",
)


def _no_way_back(g: Any) -> Any:
    raise NotImplementedError(NO_DATA)


# What leads to the device "meta" (`conversion.to` makes the result): nothing comes back from there.
left_behind = linear(
    "left_behind(input)", copied, node="ToCopyBackward0", public="to", batch=along, input=_no_way_back
)
clone_of = linear(
    "clone_of(input)",
    copied,
    infer=as_first_lies,
    node="CloneBackward0",
    public="clone",
    batch=along,
    input=lambda g: g,
)
# The copy that accumulation makes of a gradient which others may still see.
clone_for_grad = linear(
    "clone_for_grad(input)",
    copied,
    infer=as_first_lies,
    node="CopyBackwards",
    public="clone",
    batch=along,
    input=lambda g: g,
)
zeros_like = linear(
    "zeros_like(input)",
    np.zeros_like,
    infer=as_first_lies,
    batch=along,
    doc="Zeros of the shape and dtype of `input`.",
)
ones_like = linear(
    "ones_like(input)",
    np.ones_like,
    infer=as_first_lies,
    batch=along,
    doc="Ones of the shape and dtype of `input`.",
)
full_like = linear(
    "full_like(input | value)",
    np.full_like,
    infer=as_first_lies,
    batch=along,
    doc="`value` everywhere, in the shape and dtype of `input`.",
)


def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy of a tensor that gradients flow through.

    Args:
        input: tensor of any shape.
        memory_format: the order of dimensions in memory; by default that of `input`.

    Returns:
        a tensor of the same shape and dtype in memory of its own.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> x.clone()
        tensor([1., 2.], grad_fn=<CloneBackward0>)
    """
    if memory_format is None or repr(memory_format) == "torch.preserve_format":
        return clone_of(input)
    if hasattr(input._data, "bdim") and memory_format is not contiguous_format:
        kind = repr(memory_format).removeprefix("torch.").title().replace("_", "")
        raise RuntimeError(
            "NYI: Tensor.clone(memory_format) inside vmap is only supported with memory_format "
            f"torch.preserve_format or torch.contiguous_format (got {kind})"
        )
    return laid_out(input, memory_format)


FUNCTIONS: Final = ("clone",)
METHODS: Final = ("clone",)
