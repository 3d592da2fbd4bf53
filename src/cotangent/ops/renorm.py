"""Slices scaled down to a largest norm, and norms of all but one dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import check_dim
from ..kernels import moments as k
from ..kernels.halves import in_float
from .arguments import REQUIRED, as_number, deliver_exact, missing
from .blas import conj_of
from .complex import real_part
from .matrices import tensor
from .norms import norm_of, norm_rule, vector_norm
from .reduce import spread, sum_dims
from .table import general

_TINY = 1e-7  # PyTorch's guard against a division by zero


def _others(ndim: int, dim: int) -> tuple[int, ...]:
    return tuple(d for d in range(ndim) if d != dim)


@in_float
def _renorm(a: Any, p: float, dim: int, most: float) -> Any:
    norms = k.vector_norm(a, p, _others(a.ndim, dim), True)
    factors = np.where(norms > most, most / (norms + _TINY), 1.0).astype(norms.dtype)
    return np.asarray(a * factors, order="C")


def _rule(g: Any, input: Any, input_dtype: Any, input_shape: Any, p: float, dim: int, most: float) -> Any:
    """Of x c / (|x| + tiny), where |x| > c; elsewhere the cotangent itself."""
    dims = _others(len(input_shape), dim)
    norms = norm_of(input, p, dims, True)
    over = norms > most
    factor = over * (most / (norms + _TINY) - 1.0) + 1.0
    slope = over * (-most / ((norms + _TINY) * (norms + _TINY)))
    along = conj_of(input) * g
    along = sum_dims(real_part(along) if input_dtype.kind == "c" else along, dims, True)
    found = g * spread(factor, tuple(input_shape), dims, True)
    part = norm_rule(along * slope, input, norms, tuple(input_shape), p, dims, True)
    return found if part is None else found + part


renorm_of: Any = general(
    "renorm_of(input | p, dim, most)",
    _renorm,
    node="RenormBackward0",
    public="renorm",
    input=_rule,
)


def renorm(
    input: Any, p: Any = REQUIRED, dim: Any = REQUIRED, maxnorm: Any = REQUIRED, *, out: Any = None
) -> Any:
    """Every slice along a dimension scaled so that its norm is at most `maxnorm`.

    Args:
        input: floating-point or complex, of at least two dimensions.
        p: the order of the norm, positive.
        dim: the dimension that numbers the slices.
        maxnorm: the largest norm.
        out: tensor to write the result to.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        RuntimeError: if `p` is not positive, `maxnorm` negative, or there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 2.5)
        tensor([[1.5000, 2.0000],
                [0.0000, 1.0000]])
    """
    tensor("renorm", "input", input)
    absent = [name for name, value in (("p", p), ("dim", dim), ("maxnorm", maxnorm)) if value is REQUIRED]
    if absent:
        missing("renorm", *absent)
    p, maxnorm = as_number("renorm", "p", 2, p), as_number("renorm", "maxnorm", 4, maxnorm)
    for name, value in (("p", p), ("maxnorm", maxnorm)):
        if isinstance(value, complex):
            raise RuntimeError(f"renorm: {name} must be real-valued")
    if not p > 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    at = check_dim(dim, input.ndim)
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.SCALAR_NAME[input.dtype]}"
        )
    if p == math.inf and not input.numel():
        at_fault = next((d for d, n in enumerate(input.shape) if d != at and not n), None)
        if at_fault is not None:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the inf norm on the dimension {at_fault}because this "
                "dimension is empty and the operation does not have an identity"
            )
    return deliver_exact("renorm", renorm_of(input, float(p), at, float(maxnorm)), out)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """Norms over all dimensions but one, which keep the tensor's rank.

    Args:
        v: any shape.
        pow: order of the norm.
        dim: the dimension that is kept; -1 for none.

    Returns:
        a tensor with size 1 in the other dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), 2, 0)
        tensor([[5.],
                [2.]])
    """
    if dim == -1:
        return vector_norm(v, pow)
    return vector_norm(v, pow, _others(v.ndim, dim), True)
