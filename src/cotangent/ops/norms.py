"""Norms of vectors, and of differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import bad_argument
from ..kernels import moments as k
from ..kernels.layout import rows
from .arguments import as_number, deliver_exact, numpy_named
from .batching import same_rank
from .blas import conj_of
from .complex import real_part, sgn
from .matrices import tensor
from .reduce import all_dims, spread
from .table import general
from .views import sum_to_size


def norm_rule(g: Any, input: Any, out: Any, input_shape: Any, ord: Any, dims: Any, keepdim: Any) -> Any:
    """Pullback of a vector norm; at zero, where it has no derivative, PyTorch's choice: zero."""
    whole = spread(out, input_shape, dims, keepdim)
    g = spread(g, input_shape, dims, keepdim)
    if ord == 0:
        return None
    if ord == 1:
        return sgn(input) * g
    if ord == 2:
        return input * zero_safe_ratio(g, whole)
    if ord in (math.inf, -math.inf):
        return sgn(input) * (g * norm_ties(input, whole, dims))
    if ord < 1:
        return norm_power(input, ord) * (g * norm_scale(whole, 2.0 - ord))
    return norm_power(input, ord) * zero_safe_ratio(g, norm_scale(whole, ord))


def _ratio(a: Any, b: Any, out: Any = None) -> Any:
    zero = b == 0
    return np.where(zero, np.zeros((), a.dtype), a / np.where(zero, np.ones((), b.dtype), b))


def _ties(a: Any, whole: Any, dims: Any) -> Any:
    mask = np.abs(a) == whole
    return (mask / np.maximum(mask.sum(axis=dims, keepdims=True), 1)).astype(whole.dtype)


zero_safe_ratio: Any = general(
    "zero_safe_ratio(input, other)",
    _ratio,
    node="DivBackward0",
    public="div",
    batch=same_rank,
    input=lambda g, other: zero_safe_ratio(g, other),
    other=lambda g, input, other: -g * zero_safe_ratio(zero_safe_ratio(input, other), other),
)
norm_ties: Any = general("norm_ties(input, whole | dims)", _ties)
# x |x|**(p-2), the direction of a norm of order p; its derivative along dx, for complex numbers too, is
# |x|**(p-2) dx + (p-2) x |x|**(p-4) Re(conj(x) dx)
norm_power: Any = general(
    "norm_power(input | ord)",
    k.directed_power,
    node="MulBackward0",
    public="mul",
    input=lambda g, input, ord: (
        g * abs_power(input, ord - 2)
        + norm_power(input, ord - 2) * (real_part(conj_of(input) * g) * (ord - 2))
    ),
)
abs_power: Any = general(
    "abs_power(input | exponent)",
    lambda a, exponent: np.where(
        a == 0, np.zeros((), a.dtype), np.power(np.abs(a), a.real.dtype.type(exponent))
    ).astype(a.dtype),
    node="PowBackward0",
    public="pow",
    input=lambda g, input, exponent: norm_power(input, exponent) * (real_part(g) * exponent),
)
norm_scale: Any = general(
    "norm_scale(input | ord)",
    lambda a, ord: np.power(a, a.dtype.type(ord - 1)),
    node="PowBackward0",
    public="pow",
    input=lambda g, input, ord: g * norm_scale(input, ord - 1) * (ord - 1),
)
norm_of: Any = general(
    "norm_of(input | ord, dims, keepdim)",
    rows(k.vector_norm),
    node="LinalgVectorNormBackward0",
    public="linalg_vector_norm",
    batch="axes",
    input=norm_rule,
)
# The norm of a difference, recorded as one operation.
dist_of: Any = general(
    "dist_of(input, other | p)",
    lambda a, b, p: k.vector_norm(np.asarray(a - b), p, None, False),
    node="DistBackward0",
    public="dist",
    input=lambda g, input, other, out, input_shape, p: sum_to_size(
        norm_rule(g, input - other, out, _common(input - other), p, None, False), input_shape
    ),
    other=lambda g, input, other, out, other_shape, p: sum_to_size(
        -norm_rule(g, input - other, out, _common(input - other), p, None, False), other_shape
    ),
)


def _common(t: Any) -> tuple[int, ...]:
    return tuple(t.shape)


def check_norm_dtype(function: str, a: Any, dtype: Any) -> None:
    """What PyTorch refuses as `dtype=` of a norm."""
    if dtype is None:
        return
    name = dtypes.SCALAR_NAME[dtype]
    if dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{function}: dtype should be floating point or complex, but got {name}")
    if dtype.is_complex != a.dtype.is_complex:
        kind = "complex for complex" if a.dtype.is_complex else "real for real"
        raise RuntimeError(f"{function}: dtype should be {kind} inputs, but got {name}")
    if dtypes.promote_types(a.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"{function}: the dtype of the input ({dtypes.SCALAR_NAME[a.dtype]}) should be convertible "
            "without "
            f"narrowing to the specified dtype ({name})"
        )


def norm_along(x: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """The vector norm, with PyTorch's checks."""
    if x.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.SCALAR_NAME[x.dtype]}"
        )
    if isinstance(ord, complex):
        raise RuntimeError("linalg.vector_norm: Expected a non-complex scalar as the order of norm.")
    check_norm_dtype("linalg.vector_norm", x, dtype)
    order = float(ord)
    dims = all_dims(x, dim)
    if order < 0 or order == math.inf:
        given = dims if dim is None else [dim] if isinstance(dim, int) else dim
        empty = [d for d in given if x.shape[d] == 0]
        if empty:
            where = (
                "an empty tensor because the"
                if dim is None
                else f"the dimension {empty[0]}because this dimension is empty and the"
            )
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {order:g} norm on {where} operation does not have "
                "an identity"
            )
    if dtype is not None and dtype is not x.dtype:
        x = x.to(dtype)
    return norm_of(x, order, dims, keepdim)


@numpy_named
def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """Vector norm of order `ord` of all elements or along dimensions.

    Args:
        x: floating-point or complex.
        ord: the order: a number, inf or -inf.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: dtype to convert to first.
        out: tensor to write the result to.

    Returns:
        a real tensor.

    Raises:
        RuntimeError: for integers, or where an empty set has no such norm.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]), 1)
        tensor(7.)
    """
    tensor("linalg_vector_norm", "input", x)
    if isinstance(ord, str):
        bad_argument("linalg_vector_norm", "ord", 2, "Number", ord)
    ord = as_number("linalg_vector_norm", "ord", 2, ord)
    return deliver_exact("linalg_vector_norm", norm_along(x, ord, dim, keepdim, dtype), out)


def dist(input: Any, other: Any, p: Any = 2) -> Any:
    """The norm of order `p` of the difference of two tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.dist(torch.tensor([3.0, 4.0]), torch.zeros(2))
        tensor(5.)
    """
    return dist_of(input, other, float(as_number("dist", "p", 3, p)))
