"""Sums and means."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from .. import dtypes
from ..errors import bad_argument, check_dims, type_name, unfit
from ..kernels import reduce as k
from .arguments import compiler_name, missing
from .table import blank, deliver, emitter, is_tensor, linear


def _rest(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """A full reduction under vmap: over all dimensions but the batch."""
    (t,), (bdim,) = tensors, dims
    others = tuple(d for d in range(t.ndim) if d != bdim)
    return {"sum_all": sum_dims, "mean_all": mean_dims}[op.name](t, others, False), 0


def _reduced_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """A reduction under vmap: over the same dimensions, counted past the batch, which stays where it is."""
    (t,), (bdim,), (over, keepdim) = tensors, dims, statics
    seen = tuple(d + (d >= bdim) for d in over) if t.ndim > 1 else ()
    return op.entry(t, seen, keepdim), bdim if keepdim else bdim - len([d for d in seen if d < bdim])


def _spread_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """`spread` under vmap: the batch keeps its place among the dimensions that were not reduced."""
    (t,), (bdim,), (shape, over, keepdim) = tensors, dims, statics
    if over is None or t.ndim == 1:
        over, keepdim = tuple(range(len(shape))), False
    kept = [d for d in range(len(shape)) if keepdim or d not in over]
    at = kept[bdim] if bdim < len(kept) else len(shape)
    seen = tuple(d + (d >= at) for d in over)
    return op.entry(t, (*shape[:at], size, *shape[at:]), seen, keepdim), at


def _reduced_like(a: Any, over: Any = None, keepdim: bool = False) -> Any:
    gone = set(range(len(a.shape)) if over is None else (d % max(len(a.shape), 1) for d in over))
    kept = ((1 if d in gone else n, d in gone) for d, n in enumerate(a.shape))
    return blank([n for n, reduced in kept if keepdim or not reduced], a)


sum_all = linear(
    "sum_all(input)",
    lambda a: k.sum_(a, None, False),
    infer=_reduced_like,
    node="SumBackward0",
    public="sum",
    batch=_rest,
    input=lambda g, input_shape: spread(g, input_shape, None, False),
)
sum_dims = linear(
    "sum_dims(input | dims, keepdim)",
    k.sum_,
    infer=_reduced_like,
    node="SumBackward1",
    public="sum",
    batch=_reduced_examples,
    input=lambda g, input_shape, dims, keepdim: spread(g, input_shape, dims, keepdim),
)
# The pullback of a sum: the cotangent repeated. A view, so it costs nothing until something is done with it.
spread: Any = linear(
    "spread(input | shape, dims, keepdim)",
    k.spread,
    node="ExpandBackward0",
    public="expand",
    view=True,
    batch=_spread_examples,
    input=lambda g, dims, keepdim: sum_all(g) if dims is None else sum_back(g, dims, keepdim),
)
sum_back: Any = linear(
    "sum_back(input | dims, keepdim)",
    k.sum_,
    infer=_reduced_like,
    node="SumBackward1",
    public="sum",
    batch=_reduced_examples,
    input=lambda g, input_shape, dims, keepdim: spread(g, input_shape, dims, keepdim),
)
mean_all = linear(
    "mean_all(input)",
    lambda a: k.mean(a, None, False),
    infer=_reduced_like,
    node="MeanBackward0",
    public="mean",
    batch=_rest,
    input=lambda g, input_shape: spread(g / k.count(input_shape, None), input_shape, None, False),
)
mean_dims = linear(
    "mean_dims(input | dims, keepdim)",
    k.mean,
    infer=_reduced_like,
    node="MeanBackward1",
    public="mean",
    batch=_reduced_examples,
    input=lambda g, input_shape, dims, keepdim: spread(
        g / k.count(input_shape, dims), input_shape, dims, keepdim
    ),
)


def reduced_dims(input: Any, dim: Any) -> tuple[int, ...] | None:
    """The dims of a reduction, counted from the front; None means all (so do empty sequences)."""
    if dim is None:
        return None
    dims = check_dims(dim, input.ndim)
    return dims if dims and input.ndim else None


def all_dims(input: Any, dim: Any) -> tuple[int, ...]:
    """The dims of a reduction, counted from the front; None and empty sequences name all of them."""
    dims = reduced_dims(input, dim)
    return tuple(range(input.ndim)) if dims is None else dims


def accumulating(input: Any, dtype: Any, out: Any = None) -> Any:
    """`input` in the dtype a sum of it has: as asked for, that of `out=`, or int64 for integers and bool."""
    if out is not None:
        if dtype is not None and dtype is not out.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {compiler_name(dtype)}, but got "
                f"{compiler_name(out.dtype)} instead"
            )
        dtype = out.dtype
    if dtype is None:
        dtype = dtypes.int64 if input.dtype.category < dtypes.FLOATING else input.dtype
    if dtype is input.dtype:
        return input
    whole = max(input.dtype.category, dtype.category) < dtypes.FLOATING
    if whole and input._req and emitter.package.is_grad_enabled():  # a history that the sum could not have
        raise RuntimeError(f"Autograd not support dtype: {dtypes.SCALAR_NAME[dtype]}")
    return input.to(dtype)


def no_out_without_dim(name: str, dims: str, dtype: Any) -> NoReturn:
    """Raise PyTorch's TypeError for an overload without `dim` and with `out=`."""
    if dtype is not None:
        missing(name, "dim")
    raise unfit(
        f"{name}() received an invalid combination of arguments - got (Tensor, out=Tensor), but expected one "
        "of:\n"
        " * (Tensor input, *, torch.dtype dtype = None)\n"
        f" * (Tensor input, {dims} dim, bool keepdim = False, *, torch.dtype dtype = None, Tensor out = "
        "None)\n"
    )


def _no_fit(name: str, *given: str) -> NoReturn:
    """Raise PyTorch's TypeError for arguments that fit no overload of a sum or mean."""
    raise unfit(
        f"{name}() received an invalid combination of arguments - got ({', '.join(given)}), but expected one "
        "of:\n"
        " * (Tensor input, *, torch.dtype dtype = None)\n"
        " * (Tensor input, tuple of ints dim, bool keepdim = False, *, torch.dtype dtype = None, Tensor out "
        "= None)\n"
    )


def _numpy_names(name: str, numpy: dict[str, Any]) -> dict[str, Any]:
    """NumPy's names of `dim` and `keepdim`, which PyTorch takes as well."""
    for key, value in numpy.items():
        if key not in ("axis", "keepdims"):
            _no_fit(name, f"{key}={type_name(value)}", "")
    return {{"axis": "dim", "keepdims": "keepdim"}[key]: value for key, value in numpy.items()}


def _along(name: str, input: Any, dim: Any) -> tuple[int, ...]:
    try:
        dims = reduced_dims(input, dim)
    except TypeError:
        _no_fit(name, type_name(dim))
    return tuple(range(input.ndim)) if dims is None else dims


def sum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, **numpy: Any
) -> Any:
    """Sum of the elements, of all or along dimensions.

    Args:
        input: any shape.
        dim: dimension or dimensions to sum over; all if None.
        keepdim: keep the summed dimensions with size 1.
        dtype: dtype to convert to before summing.
        out: tensor to write the result to.
        numpy: NumPy's names `axis` and `keepdims` for the same.

    Returns:
        the sums; integers and bool are summed as int64.

    Raises:
        IndexError: if a dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.sum(torch.tensor([[1, 2], [3, 4]]), dim=0)
        tensor([4, 6])
    """
    if not is_tensor(input):
        bad_argument("sum", "input", 1, "Tensor", input)
    if numpy:
        return sum(input, **_numpy_names("sum", numpy), dtype=dtype, out=out)
    if dtype.__class__ is type:
        dtype = dtypes.OF_PYTHON.get(dtype, dtype)
    if dtype is not None and dtype.__class__ is not dtypes.dtype:
        _no_fit("sum", f"dtype={type_name(dtype)}", "")
    if dim is None and out is not None:
        no_out_without_dim("sum", "tuple of ints", dtype)
    x = accumulating(input, dtype, out)
    if dim is None:
        return sum_all(x)
    return deliver("sum", sum_dims(x, _along("sum", x, dim), keepdim), out)


def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, **numpy: Any
) -> Any:
    """Mean of the elements, of all or along dimensions.

    Args:
        input: any shape, floating-point or complex.
        dim: dimension or dimensions to average over; all if None.
        keepdim: keep the averaged dimensions with size 1.
        dtype: dtype to convert to first.
        out: tensor to write the result to.
        numpy: NumPy's names `axis` and `keepdims` for the same.

    Returns:
        the means.

    Raises:
        RuntimeError: for integers, unless `dtype` is given.
        IndexError: if a dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.mean(torch.tensor([1.0, 2.0, 6.0]))
        tensor(3.)
    """
    if not is_tensor(input):
        bad_argument("mean", "input", 1, "Tensor", input)
    if numpy:
        return mean(input, **_numpy_names("mean", numpy), dtype=dtype, out=out)
    if out is not None and dtype is not None:
        accumulating(input, dtype, out)
    x = input if dtype is None else input.to(dtype)
    if x.dtype.category < dtypes.FLOATING:
        what = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {what} dtype must be either a floating point or complex "
            f"dtype. Got: {dtypes.SCALAR_NAME[x.dtype]}"
        )
    if dim is None:
        if out is not None and out.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "mean.dtype_out(): input types can't be cast to the desired output type "
                f"{dtypes.SCALAR_NAME[out.dtype]}"
            )
        return deliver("mean", mean_all(x), out)
    return deliver("mean", mean_dims(x, _along("mean", x, dim), keepdim), out)


FUNCTIONS: Final = ("sum", "mean")
METHODS: Final = FUNCTIONS
