"""Covariances and correlations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from .complex import complex as complex_of
from .matmul import mm
from .matrices import concrete, tensor
from .select import clamp
from .views import reshaped


def _weights(t: Any, which: str, wanted: int, kind: str, count: int) -> None:
    if not hasattr(t, "ndim"):
        raise TypeError(f"cov(): argument '{which}' must be Tensor, not {type(t).__name__}")
    if t.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {which} to have one or fewer dimensions but got {which} with {t.ndim} "
            "dimensions"
        )
    if t.dtype.category != wanted:
        raise RuntimeError(
            f"cov(): expected {which} to have {kind} dtype but got {which} with "
            f"{dtypes.SCALAR_NAME[t.dtype]} dtype"
        )
    if t.numel() != count:
        raise RuntimeError(
            f"cov(): expected {which} to have the same numel as there are observations in the input but got "
            f"{t.numel()} != {count}"
        )
    values = concrete(t)
    if count and values is not None and values.min() < 0:
        raise RuntimeError(f"cov(): {which} cannot be negative")


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariances of variables, from observations.

    Args:
        input: (variables, observations), or a vector of observations of one variable.
        correction: taken off the number of observations; 1 makes the estimate unbiased.
        fweights: how often each observation was made, integers.
        aweights: the weight of each observation, floating-point.

    Returns:
        (variables, variables), or a 0-d tensor of one variable. Of complex numbers the second factor is
        conjugated.

    Raises:
        RuntimeError: for more dimensions, bools, or weights that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    tensor("cov", "input", input)
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
            "dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    data = input if input.ndim == 2 else reshaped(input, (1, input.numel()))
    count = data.shape[1]
    weights = None
    if fweights is not None:
        _weights(fweights, "fweights", dtypes.INTEGRAL, "integral", count)
        weights = reshaped(fweights, (count,))
    if aweights is not None:
        _weights(aweights, "aweights", dtypes.FLOATING, "floating point", count)
        flat = reshaped(aweights, (count,))
        weights = flat if weights is None else weights * flat
    if weights is None:
        total: Any = count
        mean = data.sum(1, keepdim=True) / count if count else data.sum(1, keepdim=True) / 0
    else:
        total = weights.sum()
        values = concrete(total)
        if values is not None and (values == 0).any():
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (data * weights).sum(1, keepdim=True) / total
    if aweights is not None and correction != 0:
        freedom = total - correction * (weights * reshaped(aweights, (count,))).sum() / total
    else:
        freedom = total - correction
    known = freedom if weights is None else concrete(freedom)
    if known is not None and np.any(np.asarray(known) <= 0):
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
            "observations.",
            UserWarning,
            stacklevel=2,
        )
        freedom = 0 if weights is None else clamp(freedom, min=0)
    centred = data - mean
    other = centred if weights is None else centred * weights
    if other.dtype is not centred.dtype:
        centred = centred.to(other.dtype)
    products = mm(centred, other.t().conj() if other.dtype.is_complex else other.t())
    return (products / freedom).squeeze()


def corrcoef(input: Any) -> Any:
    """The correlations of variables, from observations.

    Args:
        input: (variables, observations), or a vector of observations of one variable.

    Returns:
        (variables, variables), or a 0-d tensor of one variable.

    Raises:
        RuntimeError: for more than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    tensor("corrcoef", "input", input)
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if not c.ndim:
        return c / c
    d = c.diag()
    spread = (d.real if d.dtype.is_complex else d).sqrt()
    c = c / reshaped(spread, (-1, 1)) if spread.numel() else c
    c = c / reshaped(spread, (1, -1)) if spread.numel() else c
    if c.dtype.is_complex:
        return complex_of(clamp(c.real, -1.0, 1.0), clamp(c.imag, -1.0, 1.0))
    return clamp(c, -1.0, 1.0)
