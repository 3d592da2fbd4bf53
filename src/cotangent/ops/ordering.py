"""sort, topk, unique and running reductions (cumsum, cumprod, cummax, ...)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument, check_dim
from ..kernels import ordering as k
from ..kernels.layout import rows
from .arguments import REQUIRED, compiler_name, deliver_exact, integer, missing, numpy_named, renamed
from .blas import conj_of
from .exponential import exp
from .gather import gather_along, scatter_zeros
from .join import cat
from .reduce import accumulating
from .refusals import unsupported, without
from .results import namedtuple_of
from .select import choose
from .table import deliver, general, is_array, is_tensor, linear


def _ordered(signature: str, kernel: Any, node: str, public: str, keeps: bool = False) -> Any:
    """Values picked along a dimension with their positions; the cotangent goes back to these.

    With `keeps`, PyTorch's node keeps the input, too.
    """
    return general(
        signature,
        kernel,
        node=node,
        public=public,
        nout=2,
        nondiff_outputs=(1,),
        batch="axes",
        jvp=lambda tangents, args, out: (gather_along(tangents[0], out[1], _dim_of(args)), None),
        input=_kept_back if keeps else _back,
    )


def _back(g: Any, out1: Any, input_shape: Any, dim: int) -> Any:
    return scatter_zeros(g[0], out1, input_shape, dim)


def _kept_back(g: Any, out1: Any, input: Any, dim: int) -> Any:
    return scatter_zeros(g[0], out1, tuple(input.shape), dim)


def _dim_of(args: tuple[Any, ...]) -> int:
    """The dimension among the arguments of an op declared by `_ordered`: always the first static."""
    return int(args[1])


sort_of = _ordered("sort_of(input | dim, descending)", k.sort, "SortBackward0", "sort")
sort_stable = _ordered("sort_stable(input | dim, descending)", k.sort, "SortBackward1", "sort")
topk_of = _ordered(
    "topk_of(input | dim, count, largest, in_order)",
    lambda a, dim, count, largest, in_order: k.topk(a, count, dim, largest, in_order),
    "TopkBackward0",
    "topk",
)
cummax_of = _ordered(
    "cummax_of(input | dim)",
    lambda a, dim: k.cumulative_extreme(a, dim, True),
    "CummaxBackward0",
    "cummax",
    keeps=True,
)
cummin_of = _ordered(
    "cummin_of(input | dim)",
    lambda a, dim: k.cumulative_extreme(a, dim, False),
    "CumminBackward0",
    "cummin",
    keeps=True,
)
def _single(shape: Any, dim: int) -> bool:
    """Whether running along `dim` changes nothing: PyTorch hands the cotangent on as it is then."""
    return not shape or shape[dim] == 1 or 0 in shape


cumsum_of = linear(
    "cumsum_of(input | dim)",
    rows(k.cumsum),
    node="CumsumBackward0",
    public="cumsum",
    batch="axes",
    input=lambda g, dim: g if _single(g.shape, dim) else reverse_cumsum(g, dim),
)
reverse_cumsum: Any = linear(
    "reverse_cumsum(input | dim)",
    k.reverse_cumsum,
    node="FlipBackward0",
    public="flip",
    batch="axes",
    input=lambda g, dim: cumsum_of(g, dim),
)
# d out_j / d x_i is out_j / x_i where x_i is not zero; elsewhere the product without x_i, by its own kernel.
cumprod_of = general(
    "cumprod_of(input | dim)",
    rows(k.cumprod),
    node="CumprodBackward0",
    public="cumprod",
    batch="axes",
    jvp=lambda tangents, args, out: cumprod_push(tangents[0], args[0], args[1]),
    input=lambda g, input, out, dim: _cumprod_pull(g, input, out, dim),
)


def _cumprod_pull(g: Any, input: Any, out: Any, dim: int) -> Any:
    """The pullback of cumprod, of arrays from its result; for products of one number it is the identity."""
    if _single(input.shape, dim):
        return g
    return k.cumprod_back(g, input, dim, out) if is_array(g) else cumprod_back(g, input, dim)


def _cumprod_back_input(h: Any, g: Any, x: Any, shape: Any, dim: int) -> Any:
    """Pullback of cumprod_back by its input, through products with one element set to one."""
    total = x * 0
    for i in range(shape[dim] if shape else 0):
        one = set_at(x, dim, i, 1.0)
        seen = mask_from(g, dim, i)
        weight = spread_at(h, dim, i)
        total = total + set_at(cumprod_back(conj_of(weight) * seen, one, dim), dim, i, 0.0)
    return total


set_at: Any = general(
    "set_at(input | dim, i, value)",
    lambda a, dim, i, value: _set_at(a, dim, i, value),
    node="IndexFillBackward0",
    public="index_fill",
    input=lambda g, dim, i: set_at(g, dim, i, 0.0),
    jvp=lambda tangents, args, out: set_at(tangents[0], args[1], args[2], 0.0),
)


def _set_at(a: Any, dim: int, i: int, value: Any) -> Any:
    out = a.copy()
    out[(slice(None),) * dim + (i,)] = value
    return out


def _from(a: Any, dim: int, i: int) -> Any:
    out = a.copy()
    out[(slice(None),) * dim + (slice(i),)] = 0
    return out


mask_from: Any = linear(
    "mask_from(input | dim, i)", _from, node="SliceBackward0", public="slice",
    input=lambda g, dim, i: mask_from(g, dim, i),
)  # fmt: skip
spread_at = linear(
    "spread_at(input | dim, i)",
    lambda a, dim, i: np.broadcast_to(a[(slice(None),) * dim + (slice(i, i + 1),)], a.shape),
    node="ExpandBackward0",
    public="expand",
    input=lambda g, dim, i: gather_sum_at(g, dim, i),
)


def _sum_at(a: Any, dim: int, i: int) -> Any:
    out = np.zeros_like(a)
    out[(slice(None),) * dim + (slice(i, i + 1),)] = a.sum(axis=dim, keepdims=True, dtype=a.dtype)
    return out


gather_sum_at: Any = linear(
    "gather_sum_at(input | dim, i)", _sum_at, node="SumBackward1", public="sum",
    input=lambda g, dim, i: spread_at(g, dim, i),
)  # fmt: skip
cumprod_back: Any = general(
    "cumprod_back(g, input | dim)",
    k.cumprod_back,
    node="CumprodBackward0",
    public="cumprod",
    batch="aligned",
    g=lambda g, input, dim: cumprod_push(g, input, dim),
    input=lambda h, g, input, input_shape, dim: _cumprod_back_input(h, g, input, input_shape, dim),
)


def _cumprod_push(t: Any, a: Any, dim: int) -> Any:
    """Tangent of cumprod: sum over i <= j of t_i times the product of x_0..x_j without x_i."""
    if not a.ndim:
        return t.copy()
    x, t = np.moveaxis(a, dim, -1), np.moveaxis(t, dim, -1)
    out = np.empty_like(t)
    product = np.ones(x.shape[:-1], x.dtype)
    moved = np.zeros(x.shape[:-1], t.dtype)
    for j in range(x.shape[-1]):
        moved = moved * x[..., j] + product * t[..., j]
        product = product * x[..., j]
        out[..., j] = moved
    return np.moveaxis(out, -1, dim)


cumprod_push: Any = general(
    "cumprod_push(moved, input | dim)",
    _cumprod_push,
    node="CumprodBackward0",
    public="cumprod",
    batch="aligned",
    moved=lambda g, input, dim: cumprod_back(g, input, dim),
    input=lambda g, moved, input, input_shape, dim: _cumprod_back_input(moved, g, input, input_shape, dim),
)
logcumsumexp_of = general(
    "logcumsumexp_of(input | dim)",
    rows(k.logcumsumexp),
    node="LogcumsumexpBackward0",
    public="logcumsumexp",
    batch="axes",
    input=lambda g, input, out, dim: (
        later_sums(g, conj_of(out), dim) * exp(choose(input == out, 0.0, conj_of(input - out)))
    ),
)
# Two scans along a dimension, each the other's transpose: of cotangents g into sums of g_j exp(a_i - a_j)
# over
# j >= i, and of those h_i into sums of h_i exp(a_i - a_j) over i <= j. The exponents are never positive for
# running sums, so nothing overflows, as it would in exp(a_i) times a sum of g_j exp(-a_j).
later_sums: Any = general(
    "later_sums(input, a | dim)",
    k.later_sums,
    node="LogcumsumexpBackward0",
    public="logcumsumexp",
    batch="aligned",
    input=lambda g, a, dim: earlier_sums(g, conj_of(a), dim),
    a=lambda g, input, a, out, dim: g * conj_of(out) - earlier_sums(g, conj_of(a), dim) * conj_of(input),
)
earlier_sums: Any = general(
    "earlier_sums(input, a | dim)",
    k.earlier_sums,
    node="LogcumsumexpBackward0",
    public="logcumsumexp",
    batch="aligned",
    input=lambda g, a, dim: later_sums(g, conj_of(a), dim),
    a=lambda g, input, a, out, dim: conj_of(input) * later_sums(g, conj_of(a), dim) - conj_of(out) * g,
)


def _no_bool_out(function: str, dtype: Any, out: Any) -> None:
    if out is not None and dtype is None and out.dtype is dtypes.bool_:
        raise unsupported(f"{function}_out_cpu", out.dtype)


def _check_written(function: str, input: Any, dtype: Any) -> None:
    """What an in-place running sum or product refuses: another dtype, and bools."""
    if dtype is not None and dtype is not input.dtype:
        raise RuntimeError(
            f"Bad in-place call: input tensor dtype {compiler_name(input.dtype)} and output tensor dtype "
            f"{compiler_name(dtype)} should match"
        )
    if input.dtype is dtypes.bool_:
        raise unsupported(f"{function}_out_cpu", input.dtype)


def cumsum_written(input: Any, dim: Any = REQUIRED, *, dtype: Any = None) -> Any:
    """The form of `cumsum` that serves in place: the dtype stays."""
    d = _dim("cumsum", input, dim)
    _check_written("cumsum", input, dtype)
    return cumsum_of(input, d)


def cumprod_written(input: Any, dim: Any = REQUIRED, *, dtype: Any = None) -> Any:
    """The form of `cumprod` that serves in place: the dtype stays."""
    d = _dim("cumprod", input, dim)
    _check_written("cumprod", input, dtype)
    return cumprod_of(input, d)


_OTHER_DTYPE: Final = "expected scalar_type {kind} but found {kind_out}"


def _dim(function: str, input: Any, dim: Any) -> int:
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if dim is REQUIRED:
        missing(function, "dim")
    if dim.__class__ is not int:
        dim = integer(function, "dim", 1, dim)
    if not input.ndim and function in ("cummax", "cummin") and dim not in (0, -1):
        raise IndexError(f"{function}(): Expected reduction dim -1 or 0 for scalar but got {dim}")
    return check_dim(dim, input.ndim)


def sort(
    input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """The elements in order along a dimension, with their positions.

    Args:
        input: any shape.
        dim: the dimension.
        descending: largest first.
        stable: keep the order of equal elements (always done here).
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Raises:
        RuntimeError: for complex input.

    Example:
        >>> import cotangent as torch
        >>> torch.sort(torch.tensor([3, 1, 2])).indices
        tensor([1, 2, 0])
    """
    if numpy:
        return sort(
            **renamed("sort", numpy, input=input, dim=dim, descending=descending, stable=stable, out=out)
        )
    d = _dim("sort", input, dim)
    if input.dtype.is_complex:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    op = sort_of if stable is None else sort_stable
    return deliver_exact("sort", namedtuple_of("sort", *op(input, d, descending)), out)


def argsort(
    input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False, **numpy: Any
) -> Any:
    """The positions that put the elements in order along a dimension.

    Args:
        input: any shape.
        dim: the dimension.
        descending: largest first.
        stable: keep the order of equal elements (always done here).
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        an int64 tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.argsort(torch.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    if numpy:
        return argsort(
            **renamed("argsort", numpy, input=input, dim=dim, descending=descending, stable=stable)
        )
    return sort(input, dim, descending)[1]


def msort(input: Any, *, out: Any = None) -> Any:
    """The elements in ascending order along the first dimension.

    Args:
        input: any shape.
        out: tensor to write the result to.

    Returns:
        a tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.msort(torch.tensor([3, 1, 2]))
        tensor([1, 2, 3])
    """
    return deliver_exact("msort", sort(input, 0)[0], out)


def topk(
    input: Any,
    k: Any = REQUIRED,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
    **numpy: Any,
) -> Any:
    """The k largest (or smallest) elements along a dimension, with their positions.

    Args:
        input: any shape.
        k: how many.
        dim: the dimension.
        largest: largest or smallest.
        sorted: in order (always done here).
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Raises:
        RuntimeError: if there are not k elements.

    Example:
        >>> import cotangent as torch
        >>> torch.topk(torch.tensor([1, 5, 3]), 2).values
        tensor([5, 3])
    """
    if numpy:
        return topk(
            **renamed("topk", numpy, input=input, k=k, dim=dim, largest=largest, sorted=sorted, out=out)
        )
    d = _dim("topk", input, dim)
    k = integer("topk", "k", 1, k)
    if not 0 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if input.dtype.category == dtypes.BOOL:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if input.dtype.is_complex:
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    return deliver_exact("topk", namedtuple_of("topk", *topk_of(input, d, k, largest, sorted)), out)


def cumsum(input: Any, dim: Any = REQUIRED, *, dtype: Any = None, out: Any = None, **numpy: Any) -> Any:
    """Running sums along a dimension.

    Args:
        input: any shape.
        dim: the dimension.
        dtype: dtype to convert to first; integers and bool become int64 without it.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)
        tensor([1, 3, 6])
    """
    if numpy:
        return cumsum(**renamed("cumsum", numpy, input=input, dim=dim, dtype=dtype, out=out))
    d = _dim("cumsum", input, dim)
    _no_bool_out("cumsum", dtype, out)
    return deliver("cumsum", cumsum_of(accumulating(input, dtype, out), d), out)


def cumprod(input: Any, dim: Any = REQUIRED, *, dtype: Any = None, out: Any = None, **numpy: Any) -> Any:
    """Running products along a dimension.

    Args:
        input: any shape.
        dim: the dimension.
        dtype: dtype to convert to first; integers and bool become int64 without it.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.cumprod(torch.tensor([1, 2, 3]), 0)
        tensor([1, 2, 6])
    """
    if numpy:
        return cumprod(**renamed("cumprod", numpy, input=input, dim=dim, dtype=dtype, out=out))
    d = _dim("cumprod", input, dim)
    _no_bool_out("cumprod", dtype, out)
    return deliver("cumprod", cumprod_of(accumulating(input, dtype, out), d), out)


def cummax(input: Any, dim: Any = REQUIRED, *, out: Any = None, **numpy: Any) -> Any:
    """Running maxima along a dimension, with their positions.

    Args:
        input: any shape.
        dim: the dimension.
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Example:
        >>> import cotangent as torch
        >>> torch.cummax(torch.tensor([1, 3, 2]), 0).values
        tensor([1, 3, 3])
    """
    if numpy:
        return cummax(**renamed("cummax", numpy, input=input, dim=dim, out=out))
    d = _dim("cummax", input, dim)
    if input.ndim and input.numel():
        without("cummax_cpu", input, dtypes.COMPLEX)
    found = cummax_of(input, d)
    return deliver_exact("cummax", namedtuple_of("cummax", *found), out, _OTHER_DTYPE)


def cummin(input: Any, dim: Any = REQUIRED, *, out: Any = None, **numpy: Any) -> Any:
    """Running minima along a dimension, with their positions.

    Args:
        input: any shape.
        dim: the dimension.
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Example:
        >>> import cotangent as torch
        >>> torch.cummin(torch.tensor([3, 1, 2]), 0).values
        tensor([3, 1, 1])
    """
    if numpy:
        return cummin(**renamed("cummin", numpy, input=input, dim=dim, out=out))
    d = _dim("cummin", input, dim)
    if input.ndim and input.numel():
        without("cummin_cpu", input, dtypes.COMPLEX)
    found = cummin_of(input, d)
    return deliver_exact("cummin", namedtuple_of("cummin", *found), out, _OTHER_DTYPE)


def logcumsumexp(input: Any, dim: Any = REQUIRED, *, out: Any = None, **numpy: Any) -> Any:
    """Logarithms of the running sums of exponentials along a dimension.

    Args:
        input: any shape.
        dim: the dimension.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.logcumsumexp(torch.zeros(2), 0)
        tensor([0.0000, 0.6931])
    """
    if numpy:
        return logcumsumexp(**renamed("logcumsumexp", numpy, input=input, dim=dim, out=out))
    d = _dim("logcumsumexp", input, dim)
    without("logcumsumexp_out_cpu", input, dtypes.BOOL, dtypes.INTEGRAL)
    found = logcumsumexp_of(input, d)
    return deliver_exact("logcumsumexp", found, out, _OTHER_DTYPE)


def _check_joined(input: Any, other: Any, d: int) -> None:
    """Raise PyTorch's errors for what is to be prepended or appended before differences are taken."""
    if other.ndim != input.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i, (n, m) in enumerate(zip(input.shape, other.shape, strict=True)):
        if i != d and n != m:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along "
                f"the differencing dimension; input.size({i}) = {n}, but got tensor.size({i}) = {m}"
            )


@numpy_named
def diff(
    input: Any,
    n: int = 1,
    dim: int = -1,
    prepend: Any = None,
    append: Any = None,
    *,
    out: Any = None,
) -> Any:
    """Differences of neighbouring elements along a dimension.

    Args:
        input: any shape.
        n: how often to take differences.
        dim: the dimension.
        prepend: tensor to put before.
        append: tensor to put after.
        out: tensor to write the result to.

    Returns:
        a tensor shorter by n along `dim`.

    Example:
        >>> import cotangent as torch
        >>> torch.diff(torch.tensor([1, 4, 9]))
        tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    d = _dim("diff", input, dim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    for other in (prepend, append):
        if other is not None:
            _check_joined(input, other, d)
    if prepend is not None or append is not None:
        input = cat([t for t in (prepend, input, append) if t is not None], d)
    for _ in range(n):
        size = max(input.shape[d], 1)
        after, before = input.narrow(d, min(1, input.shape[d]), size - 1), input.narrow(d, 0, size - 1)
        input = after.logical_xor(before) if input.dtype is dtypes.bool_ else after - before
    return deliver("diff", input, out)
