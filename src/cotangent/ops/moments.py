"""Variances, standard deviations, products, logsumexp."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument, check_dim, type_name, unfit
from ..kernels import moments as k, reduce as kr
from .arguments import REQUIRED, as_number, missing, no_match, numpy_named, renamed
from .batching import flat
from .blas import conj_of
from .copies import full_like
from .exponential import exp
from .reduce import accumulating, all_dims, no_out_without_dim, spread, sum_dims
from .refusals import unsupported
from .table import deliver, general, is_tensor, linear
from .views import reshape_any, slice_of

centred: Any = linear(
    "centred(input | dims)",
    k.centred,
    node="SubBackward0",
    public="sub",
    input=lambda g, dims: centred(g, dims),
)


def _freedom(shape: tuple[int, ...], dims: Any, correction: Any) -> float:
    left = kr.count(tuple(shape), dims) - correction
    return 1.0 / left if left else math.inf


var_of: Any = general(
    "var_of(input | dims, correction, keepdim)",
    k.var,
    node="VarBackward0",
    public="var",
    batch="axes",
    input=lambda g, input, input_shape, dims, correction, keepdim: (
        spread(g, input_shape, dims, keepdim)
        * (centred(input, dims) * (2.0 * _freedom(input_shape, dims, correction)))
    ),
)
# Of all elements, where these leave no freedom: PyTorch has a formula of its own then.
var_of_too_few: Any = general(
    "var_of_too_few(input | dims, correction, keepdim)",
    k.var,
    node="VarBackward0",
    public="var",
    batch="axes",
    input=lambda g, input, input_shape, dims, correction, keepdim: (
        spread(g, input_shape, dims, keepdim) * ((centred(input, dims) != 0) * full_like(input, math.inf))
    ),
)
std_of: Any = general(
    "std_of(input | dims, correction, keepdim)",
    k.std,
    node="StdBackward0",
    public="std",
    batch="axes",
    input=lambda g, input, out, input_shape, dims, correction, keepdim: (
        # PyTorch's gradient is zero where all elements are equal.
        spread(g * (out != 0) / (out + (out == 0)), input_shape, dims, keepdim)
        * (centred(input, dims) * _freedom(input_shape, dims, correction))
    ),
)


prod_dim: Any = general(
    "prod_dim(input | dim, keepdim)",
    lambda a, dim, keepdim: k.prod(a, (dim,) if a.ndim else None, keepdim),
    node="ProdBackward1",
    public="prod",
    batch="axes",
    # PyTorch saves the result, too: a write to it is noticed.
    input=lambda g, input, out, input_shape, dim, keepdim: (
        # The one dimension of a scalar is no axis to sum over when the rule is transposed.
        spread(g, input_shape, (dim,) if input_shape else None, keepdim) * conj_of(prod_others(input, dim))
    ),
)


def _row_products(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `prod_all`."""
    return prod_dim(flat(tensors[0], dims[0], size), 1, False), 0


prod_all: Any = general(
    "prod_all(input)",
    lambda a: k.prod(a, None, False),
    node="ProdBackward0",
    public="prod",
    batch=_row_products,
    input=lambda g, input, out, input_shape: (
        spread(g, input_shape, None, False)
        * conj_of(
            reshape_any(
                prod_others(reshape_any(input, (kr.count(tuple(input_shape), None),)), 0), input_shape
            )
        )
    ),
)
prod_others: Any = general(
    "prod_others(input | dim)",
    k.prod_others,
    node="ProdBackward1",
    public="prod",
    batch="axes",
    input=lambda g, input, input_shape, dim: _others_back(g, input, input_shape, dim),
)
without: Any = linear(
    "without(input | dim, i)",
    lambda a, dim, i: np.delete(a, i, axis=dim),
    node="SliceBackward0",
    public="slice",
    input=lambda g, dim, i: with_zero(g, dim, i),
)
with_zero: Any = linear(
    "with_zero(input | dim, i)",
    lambda a, dim, i: np.insert(a, i, 0, axis=dim),
    node="SliceBackward0",
    public="slice",
    input=lambda g, dim, i: without(g, dim, i),
)


def _others_back(g: Any, x: Any, shape: Any, dim: int) -> Any:
    """Pullback of prod_others: at j the sum over i != j of g_i times the product of all but i and j."""
    total = x * 0
    for i in range(shape[dim] if shape else 0):
        rest = conj_of(prod_others(without(x, dim, i), dim))
        total = total + with_zero(slice_of(g, dim, i, i + 1, 1) * rest, dim, i)
    return total


nansum_of: Any = general(
    "nansum_of(input | dims, keepdim)",
    k.nansum,
    node="NansumBackward0",
    public="nansum",
    batch="axes",
    jvp=lambda tangents, args, out: sum_dims(tangents[0] * not_nan(args[0]), args[1], args[2]),
    input=lambda g, input, input_shape, dims, keepdim: spread(g, input_shape, dims, keepdim) * not_nan(input),
)
not_nan: Any = general("not_nan(input)", lambda a: (a == a).astype(a.dtype))


def _from_both(
    first: Any, second: Any, input: Any, shape: Any, dims: Any, correction: Any, keepdim: Any
) -> Any:
    """The cotangent of the input from those of its squared deviation, doubled, and of its mean."""
    total = None
    if first is not None:
        factor = _freedom(shape, dims, correction)
        total = spread(first, shape, dims, keepdim) * (centred(input, dims) * factor)
    if second is not None:
        part = spread(second / max(kr.count(tuple(shape), dims), 1), shape, dims, keepdim)
        total = part if total is None else total + part
    return total


def _spread_and_mean(name: str, kernel: Any) -> Any:
    """A deviation together with the mean; `scale` of the deviations is what the rules of var and std take."""

    def of_std(
        g: Any, input: Any, out0: Any, input_shape: Any, dims: Any, correction: Any, keepdim: Any
    ) -> Any:
        # As for `std`, PyTorch's gradient is zero where all elements are equal.
        first = None if g[0] is None else g[0] * (out0 != 0) / (out0 + (out0 == 0))
        return _from_both(first, g[1], input, input_shape, dims, correction, keepdim)

    def of_var(g: Any, input: Any, input_shape: Any, dims: Any, correction: Any, keepdim: Any) -> Any:
        first = None if g[0] is None else g[0] * 2.0
        return _from_both(first, g[1], input, input_shape, dims, correction, keepdim)

    return general(
        f"{name}_mean_of(input | dims, correction, keepdim)",
        lambda a, dims, correction, keepdim: (
            kernel(a, dims, correction, keepdim),
            kr.mean(a, dims, keepdim),
        ),
        node=f"{name.capitalize()}MeanBackward0",
        public=f"{name}_mean",
        nout=2,
        batch="axes",
        input=of_var if name == "var" else of_std,
    )


std_mean_of = _spread_and_mean("std", k.std)
var_mean_of = _spread_and_mean("var", k.var)
logsumexp_of: Any = general(
    "logsumexp_of(input | dims, keepdim)",
    k.logsumexp,
    node="LogsumexpBackward0",
    public="logsumexp",
    batch="axes",
    input=lambda g, input, out, input_shape, dims, keepdim: (
        spread(g, input_shape, dims, keepdim) * conj_of(exp(input - spread(out, input_shape, dims, keepdim)))
    ),
)


def _spread_arguments(
    name: str, input: Any, dim: Any, unbiased: Any, correction: Any, keepdim: bool
) -> tuple[tuple[int, ...], Any]:
    if not is_tensor(input):
        bad_argument(name, "input", 1, "Tensor", input)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if isinstance(dim, str):
        no_match(
            name, (dim,), "tuple of ints dim, bool unbiased = True, bool keepdim = False",
            "tuple of ints dim = None, *, Number correction = None, bool keepdim = False",
            "bool unbiased = True",
        )  # fmt: skip
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    if unbiased is not None:
        if correction is not None:
            no_match(
                name, () if dim is None else (dim,),
                "tuple of ints dim, bool unbiased = True, bool keepdim = False",
                "tuple of ints dim = None, *, Number correction = None, bool keepdim = False",
                "bool unbiased = True",
                correction=correction, unbiased=unbiased,
            )  # fmt: skip
        correction = 1 if unbiased else 0
    elif correction is None:
        correction = 1
    else:
        correction = as_number(name, "correction", 0, correction)
    dims = all_dims(input, dim)
    if kr.count(input.shape, dims) <= correction:
        warnings.warn(f"{name}(): {_NO_FREEDOM}", UserWarning, stacklevel=3)
    return dims, correction


_NO_FREEDOM: Final = (
    "degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
    "divided by output numel)."
)


def _check_out(name: str, input: Any, dim: Any, unbiased: Any, out: Any) -> None:
    """`out=` has no overload with `unbiased` but no `dim`, and complex ones take complex input only."""
    if out is None:
        return
    given = [("", v) for v in (dim,) if isinstance(v, bool)]
    named = [("unbiased=", unbiased)] if unbiased is not None and dim is _ALL else []
    if given or named:
        listed = ", ".join(
            [
                "Tensor",
                *(f"{k}{type_name(v)}" for k, v in given),
                "out=Tensor",
                *(f"{k}{type_name(v)}" for k, v in named),
            ]
        )
        raise unfit(
            f"{name}() received an invalid combination of arguments - got ({listed}), but expected one of:\n"
            " * (Tensor input, tuple of ints dim, bool unbiased = True, bool keepdim = False, *, Tensor out "
            "= None)\n"
            " * (Tensor input, tuple of ints dim = None, *, Number correction = None, bool keepdim = False, "
            "Tensor out = None)\n"
            " * (Tensor input, bool unbiased = True)\n"
        )
    if dim not in (None, _ALL) and out.dtype.is_complex and not input.dtype.is_complex:
        raise unsupported("std_cpu", out.dtype)


# Stands for a `dim` that was not given: with `out=` PyTorch tells it from None.
_ALL: Final[Any] = REQUIRED


def std(
    input: Any,
    dim: Any = _ALL,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
    out: Any = None,
    **numpy: Any,
) -> Any:
    """Standard deviation, of all elements or along dimensions.

    Args:
        input: floating-point or complex.
        dim: dimension or dimensions; all if None.
        unbiased: old name for `correction`: 1 if True, 0 if False.
        keepdim: keep the reduced dimensions with size 1.
        correction: what to subtract from the count in the divisor (1 by default).
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> import cotangent as torch
        >>> torch.std(torch.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    if numpy:
        return std(**renamed(
            "std", numpy, input=input, dim=dim, unbiased=unbiased, keepdim=keepdim, correction=correction,
            out=out,
        ))  # fmt: skip
    dims, c = _spread_arguments("std", input, None if dim is _ALL else dim, unbiased, correction, keepdim)
    _check_out("std", input, dim, unbiased, out)
    return deliver("std", std_of(input, dims, c, keepdim), out)


def var(
    input: Any,
    dim: Any = _ALL,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
    out: Any = None,
    **numpy: Any,
) -> Any:
    """Variance, of all elements or along dimensions.

    Args:
        input: floating-point or complex.
        dim: dimension or dimensions; all if None.
        unbiased: old name for `correction`: 1 if True, 0 if False.
        keepdim: keep the reduced dimensions with size 1.
        correction: what to subtract from the count in the divisor (1 by default).
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> import cotangent as torch
        >>> torch.var(torch.tensor([1.0, 2.0, 4.0]), correction=0)
        tensor(1.5556)
    """
    if numpy:
        return var(**renamed(
            "var", numpy, input=input, dim=dim, unbiased=unbiased, keepdim=keepdim, correction=correction,
            out=out,
        ))  # fmt: skip
    dims, c = _spread_arguments("var", input, None if dim is _ALL else dim, unbiased, correction, keepdim)
    _check_out("var", input, dim, unbiased, out)
    too_few = (dim is _ALL or dim is None or not input.ndim) and kr.count(input.shape, dims) <= c
    return deliver("var", (var_of_too_few if too_few else var_of)(input, dims, c, keepdim), out)


def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """`(standard deviation, mean)`; arguments as for `std`.

    Example:
        >>> import cotangent as torch
        >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    if numpy:
        return std_mean(**renamed(
            "std_mean", numpy, input=input, dim=dim, unbiased=unbiased, keepdim=keepdim,
            correction=correction,
        ))  # fmt: skip
    dims, c = _spread_arguments("std_mean", input, dim, unbiased, correction, keepdim)
    return std_mean_of(input, dims, c, keepdim)


def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """`(variance, mean)`; arguments as for `var`.

    Example:
        >>> import cotangent as torch
        >>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    if numpy:
        return var_mean(**renamed(
            "var_mean", numpy, input=input, dim=dim, unbiased=unbiased, keepdim=keepdim,
            correction=correction,
        ))  # fmt: skip
    dims, c = _spread_arguments("var_mean", input, dim, unbiased, correction, keepdim)
    return var_mean_of(input, dims, c, keepdim)


def prod(
    input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """Product of the elements, of all or along a dimension.

    Args:
        input: any shape.
        dim: dimension; all if None.
        keepdim: keep the reduced dimension with size 1.
        dtype: dtype to convert to first.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor; integers and bool are multiplied as int64.

    Example:
        >>> import cotangent as torch
        >>> torch.prod(torch.tensor([2, 3, 4]))
        tensor(24)
    """
    if numpy:
        return prod(**renamed("prod", numpy, input=input, dim=dim, keepdim=keepdim, dtype=dtype, out=out))
    if not is_tensor(input):
        bad_argument("prod", "input", 1, "Tensor", input)
    if dim is None and out is not None:
        no_out_without_dim("prod", "int", dtype)
    x = accumulating(input, dtype, out)
    if dim is None:
        return deliver("prod", prod_all(x), out)
    return deliver("prod", prod_dim(x, check_dim(dim, x.ndim), keepdim), out)


def logsumexp(
    input: Any, dim: Any = REQUIRED, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """Logarithm of the sum of exponentials along dimensions, safe from overflow.

    Args:
        input: any shape; integers become the default dtype.
        dim: dimension or dimensions.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.logsumexp(torch.tensor([0.0, 0.0]), 0)
        tensor(0.6931)
    """
    if numpy:
        return logsumexp(**renamed("logsumexp", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    if dim is REQUIRED:
        missing("logsumexp", "dim")
    x = input if input.dtype.category >= dtypes.FLOATING else input.float()
    if out is not None and out.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "logsumexp(): Expected floating point type for result tensor, but got: "
            f"{dtypes.SCALAR_NAME[out.dtype]}"
        )
    return deliver("logsumexp", logsumexp_of(x, all_dims(x, dim), keepdim), out)


def nansum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """Sum of the elements that are not nan; arguments as for `sum`.

    Example:
        >>> import cotangent as torch
        >>> torch.nansum(torch.tensor([1.0, float("nan")]))
        tensor(1.)
    """
    if numpy:
        return nansum(**renamed("nansum", numpy, input=input, dim=dim, keepdim=keepdim, dtype=dtype, out=out))
    if out is not None and dtype is None and out.dtype.category != dtypes.FLOATING == input.dtype.category:
        raise unsupported("nansum_cpu", out.dtype)
    if out is not None and dtype not in (None, out.dtype):
        names = (dtypes.SCALAR_NAME[d] for d in (out.dtype, dtype))
        raise RuntimeError("nansum: provided dtype must match dtype of result. Got {} and {}.".format(*names))
    x = accumulating(input, dtype, out)
    if x.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    op = nansum_of if x.dtype.category >= dtypes.FLOATING else sum_dims
    return deliver("nansum", op(x, all_dims(x, dim), keepdim), out)


@numpy_named
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Mean of the elements that are not nan; arguments as for `mean`.

    Example:
        >>> import cotangent as torch
        >>> torch.nanmean(torch.tensor([1.0, float("nan"), 3.0]))
        tensor(2.)
    """
    if out is not None and out.dtype.category != dtypes.FLOATING == input.dtype.category:
        raise unsupported("nansum_cpu", out.dtype)
    total = nansum(input, dim, keepdim, dtype=dtype)
    n = (input == input).sum(all_dims(input, dim), keepdim)
    return deliver("nanmean", total / n, out)
