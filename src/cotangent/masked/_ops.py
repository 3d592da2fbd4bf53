"""torch.masked: reductions and normalisations of the elements that a mask lets through.

What the mask hides is replaced by what does not change a reduction (its identity); the rest is done by the
ordinary functions, so derivatives come with them. Dtypes, identities and the texts of errors are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..creation import tensor
from ..linalg import vector_norm
from ..nn.functional import softmin as softmin_of
from ..size import strided
from ._masks import (
    _canonical_dim,
    _combine_input_and_mask,
    _input_mask,
    _output_mask as _output_mask,
    _reduction_identity as _reduction_identity,
    _where as _where,
    check_layout,
    reduced,
)


def _summed(dtype: Any) -> Any:
    """The dtype of sums and products: int64 for integers and bool."""
    return dtypes.int64 if dtype.category < dtypes.FLOATING else dtype


def sum(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """The sum of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` (int64 for integers and bool) by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the sums; 0 where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.sum(torch.tensor([1.0, 2.0]), mask=torch.tensor([True, False]))
        tensor(1.)
    """
    dims = _canonical_dim(dim, input.ndim)
    if input.layout is not strided:
        return reduced(sum, input, dims, bool(keepdim), dtype or _summed(input.dtype), mask)
    shown = _combine_input_and_mask(sum, input, mask)
    return shown.sum(dims, bool(keepdim), dtype=dtype or _summed(input.dtype))


def prod(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """The product of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` (int64 for integers and bool) by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the products; 1 where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.prod(torch.tensor([3.0, 2.0]), mask=torch.tensor([True, False]))
        tensor(3.)
    """
    dims = _canonical_dim(dim, input.ndim)
    if input.layout is not strided:
        return reduced(prod, input, dims, bool(keepdim), dtype or _summed(input.dtype), mask)
    found = _combine_input_and_mask(prod, input, mask).to(dtype or _summed(input.dtype))
    for d in sorted(dims, reverse=True):
        found = found.prod(d, bool(keepdim))
    return found


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running sums of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension to run along.
        dtype: of the result; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.cumsum(torch.ones(3), 0, mask=torch.tensor([True, False, True]))
        tensor([1., 1., 2.])
    """
    check_layout("masked cumsum", input)
    d = _canonical_dim(dim, input.ndim)[0]
    return _combine_input_and_mask(sum, input, mask).cumsum(d, dtype=dtype or input.dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running products of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension to run along.
        dtype: of the result; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.cumprod(torch.full((3,), 2.0), 0, mask=torch.tensor([True, False, True]))
        tensor([2., 2., 4.])
    """
    check_layout("masked cumprod", input)
    d = _canonical_dim(dim, input.ndim)[0]
    return _combine_input_and_mask(prod, input, mask).cumprod(d, dtype=dtype or input.dtype)


def amax(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """The largest of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the maxima; -inf (for integers the smallest number) where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.amax(torch.tensor([3.0, 5.0]), mask=torch.tensor([True, False]))
        tensor(3.)
    """
    dims = _canonical_dim(dim, input.ndim)
    if input.layout is not strided:
        return reduced(amax, input, dims, bool(keepdim), dtype or input.dtype, mask)
    shown = _combine_input_and_mask(amax, input, mask)
    return shown.amax(dims, bool(keepdim)).to(dtype or input.dtype)


def amin(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """The smallest of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the minima; inf (for integers the largest number) where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.amin(torch.tensor([3.0, 1.0]), mask=torch.tensor([True, False]))
        tensor(3.)
    """
    dims = _canonical_dim(dim, input.ndim)
    if input.layout is not strided:
        return reduced(amin, input, dims, bool(keepdim), dtype or input.dtype, mask)
    shown = _combine_input_and_mask(amin, input, mask)
    return shown.amin(dims, bool(keepdim)).to(dtype or input.dtype)


def argmax(
    input: Any, dim: int | None = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Where the largest of what the mask lets through is.

    Args:
        input: any shape.
        dim: the dimension; None counts through all elements.
        keepdim: keep the reduced dimension with size 1.
        dtype: of the result; that of `input` by default, as in PyTorch.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the places.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.argmax(torch.tensor([3, 5]), mask=torch.tensor([True, False]))
        tensor(0)
    """
    check_layout("masked argmax", input)
    return _combine_input_and_mask(argmax, input, mask).argmax(dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(
    input: Any, dim: int | None = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Where the smallest of what the mask lets through is.

    Args:
        input: any shape.
        dim: the dimension; None counts through all elements.
        keepdim: keep the reduced dimension with size 1.
        dtype: of the result; that of `input` by default, as in PyTorch.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the places.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.argmin(torch.tensor([3, 1]), mask=torch.tensor([True, False]))
        tensor(0)
    """
    check_layout("masked argmin", input)
    return _combine_input_and_mask(argmin, input, mask).argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def _counts(input: Any, dim: Any, keepdim: bool, mask: Any) -> Any:
    """How many elements the mask lets through."""
    shown = tensor(True).expand(input.shape) if mask is None else _input_mask(input, mask=mask)
    return shown.sum(_canonical_dim(dim, input.ndim), keepdim)


def mean(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """The mean of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result, floating-point or complex; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the means; nan where everything is hidden.

    Raises:
        ValueError: if the dtype is neither floating-point nor complex.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.mean(torch.tensor([3.0, 1.0, 5.0]), mask=torch.tensor([True, False, True]))
        tensor(4.)
    """
    found = dtype or input.dtype
    if found.category < dtypes.FLOATING:
        source = "Input" if dtype is None else "Optional"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or "
            f"complex dtype. Got: {found}"
        )
    if input.layout is not strided:
        return reduced(mean, input, _canonical_dim(dim, input.ndim), bool(keepdim), found, mask)
    total = sum(input, dim, keepdim=keepdim, dtype=found, mask=mask)
    return total / _counts(input, dim, bool(keepdim), mask)


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The median of what the mask lets through.

    Args:
        input: any shape.
        dim: the dimension.
        keepdim: keep the reduced dimension with size 1.
        dtype: of the result if `input` is not floating-point; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the medians (the lower of two in the middle); nan where everything is hidden.

    Raises:
        ValueError: if everything is hidden and the result cannot be nan.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.median(torch.tensor([3.0, 9.0, 5.0]), mask=torch.tensor([True, False, True]))
        tensor(3.)
    """
    check_layout("masked median", input)
    d = _canonical_dim(dim, input.ndim)[0]
    floating = input.dtype.category == dtypes.FLOATING
    shown = _combine_input_and_mask(median, input if floating else input.to(dtypes.float32), mask)
    found = shown.nanmedian(d, keepdim).values
    if floating:
        return found
    if found.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype or input.dtype)


def logsumexp(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The logarithm of the sum of exponentials of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the logarithms; -inf where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.logsumexp(torch.zeros(3), mask=torch.tensor([True, False, True]))
        tensor(0.6931)
    """
    check_layout("masked logsumexp", input)
    shown = _combine_input_and_mask(logsumexp, input, mask)
    return shown.logsumexp(_canonical_dim(dim, input.ndim), keepdim).to(dtype or input.dtype)


def logaddexp(
    input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Any:
    """log(exp(input) + exp(other)), where what a mask hides adds nothing.

    Args:
        input, other: of shapes that broadcast.
        dtype: of the result; that of `input` by default.
        input_mask, other_mask: bool, of shapes that fit; True lets an element through.

    Returns:
        a tensor of the broadcast shape; -inf where both are hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.logaddexp(torch.tensor([1.0]), torch.zeros(1), other_mask=torch.tensor([False]))
        tensor([1.])
    """
    if input.layout is not strided or other.layout is not strided:
        raise ValueError(
            f"masked logaddexp expects strided tensors (got {input.layout} tensor for input, {other.layout} "
            "for other)"
        )
    first = _combine_input_and_mask(logaddexp, input, input_mask)
    second = _combine_input_and_mask(logaddexp, other, other_mask)
    return first.logaddexp(second).to(dtype or input.dtype)


def norm(
    input: Any,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: Any = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """The vector norm of what the mask lets through.

    Args:
        input: floating-point or complex.
        ord: order of the norm, as in `torch.linalg.vector_norm`.
        dim: dimension or dimensions; all if None.
        keepdim: keep the reduced dimensions with size 1.
        dtype: to compute in; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the norms; 0 (for ord=-inf inf) where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.norm(torch.tensor([3.0, 9.0, 4.0]), mask=torch.tensor([True, False, True]))
        tensor(5.)
    """
    check_layout("masked norm", input)
    shown = _combine_input_and_mask(norm, input, mask, ord)
    dims = _canonical_dim(dim, input.ndim)
    return vector_norm(shown, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _spread(input: Any, dim: Any, unbiased: Any, correction: Any, keepdim: Any, dtype: Any, mask: Any) -> Any:
    """Variance of what the mask lets through, in the dtype of the result."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None else float(bool(unbiased))
    inexact = input.dtype.category >= dtypes.FLOATING
    wanted = dtype or (input.dtype if inexact else dtypes.float32)
    work = wanted if wanted.category >= dtypes.FLOATING else dtypes.float32
    check_layout("masked std/var", input)
    count = _counts(input, dim, True, mask)
    moved = input - sum(input, dim, keepdim=True, dtype=wanted, mask=mask) / count
    total = sum(moved * moved.conj(), dim, keepdim=keepdim, dtype=work, mask=mask)
    count = count.reshape(total.shape)
    if correction != 0:
        count = (count.to(work.to_real()) - float(correction)).clamp(min=0)
    return (total / count).to(wanted)


def var(
    input: Any, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: Any = False,
    dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The variance of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        unbiased: old name for `correction`: 1 if True, 0 if False.
        correction: what to subtract from the count in the divisor (1 by default).
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` (float32 for integers) by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the variances; nan where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.var(torch.tensor([1.0, 9.0, 3.0]), mask=torch.tensor([True, False, True]))
        tensor(2.)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(
    input: Any, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: Any = False,
    dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The standard deviation of what the mask lets through.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if None.
        unbiased: old name for `correction`: 1 if True, 0 if False.
        correction: what to subtract from the count in the divisor (1 by default).
        keepdim: keep the reduced dimensions with size 1.
        dtype: of the result; that of `input` (float32 for integers) by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        the deviations; nan where everything is hidden.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.std(torch.tensor([1.0, 9.0, 3.0]), mask=torch.tensor([True, False, True]))
        tensor(1.4142)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()


def _normalized(name: str, hidden: Callable[..., Any], made: Callable[..., Any]) -> Callable[..., Any]:
    """A function of rows in which what the mask hides counts as the identity of `hidden`."""

    def normalized(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
        check_layout(f"masked {name}", input)
        d = _canonical_dim(dim, input.ndim)[0]
        return made(_combine_input_and_mask(hidden, input, mask), d, dtype=dtype or input.dtype)

    normalized.__name__ = normalized.__qualname__ = name
    normalized.__doc__ = f"""`{name}` of what the mask lets through; the rest gets no share.

    Args:
        input: floating-point.
        dim: the dimension.
        dtype: to compute in; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        a tensor like `input`; nan where everything is hidden.
    """
    return normalized


softmax: Any = _normalized("softmax", amax, lambda x, d, dtype: x.softmax(d, dtype=dtype))
log_softmax: Any = _normalized("log_softmax", amax, lambda x, d, dtype: x.log_softmax(d, dtype=dtype))
softmin: Any = _normalized("softmin", amin, softmin_of)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Any:
    """What the mask lets through divided by its norm; 0 elsewhere.

    Args:
        input: floating-point or complex.
        ord: order of the norm.
        dim: the dimension.
        eps: smallest divisor.
        dtype: to compute the norm in; that of `input` by default.
        mask: bool, of a shape that fits `input`; True lets an element through.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> mask = torch.tensor([True, False, True])
        >>> torch.masked.normalize(torch.tensor([3.0, 9.0, 4.0]), 2, 0, mask=mask)
        tensor([0.6000, 0.0000, 0.8000])
    """
    check_layout("masked normalize", input)
    size = norm(input, ord, dim, keepdim=True, dtype=dtype or input.dtype, mask=mask)
    return _combine_input_and_mask(sum, input, mask) / size.maximum(size.new_full([], eps))
