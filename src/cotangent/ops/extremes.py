"""max, min and their relatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument, check_dim, type_name, unfit
from ..kernels import extremes as k
from .arguments import deliver_exact, no_match, numpy_named, renamed, same_out, whole as whole_number
from .batching import flat, in_front
from .history import history_first
from .reduce import reduced_dims, spread, sum_all, sum_back
from .refusals import unsupported, without
from .results import namedtuple_of
from .select import maximum, minimum
from .table import TABLE, deliver, general, is_tensor, linear

tie_weights = general("tie_weights(input, extreme | dims, keepdim)", k.tie_weights)


def _tie_tangent(tangents: Any, args: Any, out: Any) -> Any:
    """Tangent of an extreme: the mean of the tangents of the elements that attain it."""
    x, *rest = args
    dims, keepdim = rest if rest else (None, False)
    shares = tangents[0] * tie_weights(x, out, dims, keepdim)
    return sum_all(shares) if dims is None else sum_back(shares, dims, keepdim)


def _rows_of_all(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `max_all` and `min_all`: the extremes of rows."""
    x = flat(tensors[0], dims[0], size)
    if not x.shape[1]:
        return NotImplemented
    return TABLE["amax_dims" if op.name == "max_all" else "amin_dims"].entry(x, (1,), False), 0


def _rows_places(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `argmax` and `argmin`."""
    dim, keepdim = statics
    if dim is None and not keepdim:
        return op.entry(flat(tensors[0], dims[0], size), 1, False), 0
    x = in_front(tensors[0], dims[0], size)
    return NotImplemented if dim is None or x.ndim == 1 else (op.entry(x, dim + 1, keepdim), 0)


def of_all(signature: str, kernel: Any, node: str, public: str, batch: Any = None) -> Any:
    """One element of all, picked by `kernel`: all that are equal to it share the cotangent."""
    return general(
        signature,
        lambda a: kernel(a, None, False),
        node=node,
        public=public,
        batch=batch,
        jvp=_tie_tangent,
        input=lambda g, input, out, input_shape: (
            spread(g, input_shape, None, False) * tie_weights(input, out, None, False)
        ),
    )


def _over(signature: str, kernel: Any, node: str, public: str) -> Any:
    return general(
        signature,
        kernel,
        node=node,
        public=public,
        batch="axes",
        jvp=_tie_tangent,
        input=lambda g, input, out, input_shape, dims, keepdim: (
            spread(g, input_shape, dims, keepdim) * tie_weights(input, out, dims, keepdim)
        ),
    )


def _along(signature: str, kernel: Any, node: str, public: str) -> Any:
    """Values and their positions along a dimension: the cotangent goes to the positions."""
    return general(
        signature,
        kernel,
        node=node,
        public=public,
        nout=2,
        nondiff_outputs=(1,),
        batch="axes",
        jvp=lambda tangents, args, out: (pick_at(tangents[0], out[1], args[-2], args[-1]), None),
        input=lambda g, out1, input_shape, dim, keepdim: place_at(g[0], out1, input_shape, dim, keepdim),
    )


place_at = linear(
    "place_at(input, indices | shape, dim, keepdim)",
    k.select_back,
    node="ValueSelectingReductionBackward0",
    batch="aligned",
    input=lambda g, indices, dim, keepdim: pick_at(g, indices, dim, keepdim),
)
pick_at: Any = linear(
    "pick_at(input, indices | dim, keepdim)",
    k.at,
    node="GatherBackward0",
    public="gather",
    batch="aligned",
    input=lambda g, indices, input_shape, dim, keepdim: place_at(g, indices, input_shape, dim, keepdim),
)
max_all = of_all("max_all(input)", k.amax, "MaxBackward1", "max", _rows_of_all)
min_all = of_all("min_all(input)", k.amin, "MinBackward1", "min", _rows_of_all)
amax_dims = _over("amax_dims(input | dims, keepdim)", k.amax, "AmaxBackward0", "amax")
amin_dims = _over("amin_dims(input | dims, keepdim)", k.amin, "AminBackward0", "amin")
max_dim = _along("max_dim(input | dim, keepdim)", k.max_dim, "MaxBackward0", "max")
min_dim = _along("min_dim(input | dim, keepdim)", k.min_dim, "MinBackward0", "min")
median_dim = _along("median_dim(input | dim, keepdim)", k.median, "MedianBackward1", "median")
kth_of = _along("kth_of(input | rank, dim, keepdim)", k.kthvalue, "KthvalueBackward0", "kthvalue")
aminmax_of = general(
    "aminmax_of(input | dims, keepdim)",
    lambda a, dims, keepdim: (k.amin(a, dims, keepdim), k.amax(a, dims, keepdim)),
    node="AminmaxBackward0",
    public="aminmax",
    nout=2,
    batch="axes",
    jvp=lambda tangents, args, out: (
        _tie_tangent(tangents, args, out[0]),
        _tie_tangent(tangents, args, out[1]),
    ),
    input=lambda g, input, out0, out1, input_shape, dims, keepdim: _both_back(
        g, input, (out0, out1), input_shape, dims, keepdim
    ),
)


def _both_back(g: Any, x: Any, outs: Any, shape: Any, dims: Any, keepdim: bool) -> Any:
    """The cotangents of the least and of the largest elements, each shared among those that attain it."""
    total = None
    for part, out in ((g[0], outs[0]), (g[1], outs[1])):
        if part is not None:
            term = spread(part, shape, dims, keepdim) * tie_weights(x, out, dims, keepdim)
            total = term if total is None else total + term
    return total


median_all = of_all(
    "median_all(input)",
    lambda a, dims, keepdim: k.median_all(a),
    "MedianBackward0",
    "median",
)
argmax_of = general("argmax_of(input | dim, keepdim)", k.argmax, public="argmax", batch=_rows_places)
argmin_of = general("argmin_of(input | dim, keepdim)", k.argmin, public="argmin", batch=_rows_places)


_NO_CAST: Final = (
    "Expected canCast( typeMetaToScalarType(self.dtype()), typeMetaToScalarType(out.dtype())) to be true, "
    "but got false.  (Could this error message be improved?  If so, please report an enhancement request to "
    "PyTorch.)"
)


def _extreme(name: str, input: Any, dim: Any, keepdim: bool, out: Any, ops: tuple[Any, Any, Any]) -> Any:
    whole, along, between = ops
    if not is_tensor(input) and dim is not None:
        no_match(
            name, (input, dim), "Tensor input, *, Tensor out = None",
            "Tensor input, Tensor other, *, Tensor out = None",
            "Tensor input, int dim, bool keepdim = False, *, tuple of Tensors out = None",
        )  # fmt: skip
    if not is_tensor(input):
        bad_argument(name, "input", 1, "Tensor", input)
    if is_tensor(dim):
        return between(input, dim, out=out) if out is not None else between(input, dim)
    if dim is not None and 0 in input._data.shape and whole_number(dim):
        _nonempty(name, input, check_dim(dim, input.ndim))
    if input.dtype.is_complex:
        raise NotImplementedError(
            f"\"{name}_all\" not implemented for '{dtypes.SCALAR_NAME[input.dtype]}'"
            if dim is None
            else f"{name}(): does not support complex input"
        )
    if dim is None:
        if not input.numel():
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        if out is not None and not dtypes.can_cast(input.dtype, out.dtype):
            raise RuntimeError(_NO_CAST)
        return deliver(name, whole(input), out)
    if not whole_number(dim):
        got = type_name(dim)
        wrong = (
            f"!tuple of ({', '.join(type_name(v) for v in dim)})!" if isinstance(dim, tuple) else f"!{got}!"
        )
        marked = f"      didn't match because some of the arguments have invalid types: ({wrong})\n"
        raise unfit(
            f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            f" * ()\n{marked} * (Tensor other)\n{marked} * (int dim, bool keepdim = False)\n"
        )
    d = check_dim(dim, input.ndim)
    _nonempty(name, input, d)
    values, indices = along(input, d, keepdim)
    return deliver_exact(name, namedtuple_of(name, values, indices), out)


def _nonempty(name: str, input: Any, d: int, given: Any = None) -> None:
    if input.ndim and not input.shape[d]:
        raise IndexError(
            f"{name}(): Expected reduction dim {d if given is None else given} to have non-zero size."
        )


def max(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """The largest element; along a dimension with its positions; or the larger of two tensors' elements.

    Args:
        input: any shape.
        dim: dimension to reduce, or a second tensor to compare with; the whole tensor if None.
        keepdim: keep the reduced dimension with size 1.
        other: the second tensor, by keyword.
        out: tensor (or pair of them) to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor, or `(values, indices)` for a dimension.

    Raises:
        RuntimeError, IndexError: if there is nothing to reduce or the dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.max(torch.tensor([[1, 5], [7, 2]]), dim=1)
        torch.return_types.max(
        values=tensor([5, 7]),
        indices=tensor([1, 0]))
    """
    if numpy:
        return max(**renamed("max", numpy, input=input, dim=dim, keepdim=keepdim, other=other, out=out))
    return _extreme("max", input, dim if other is None else other, keepdim, out, (max_all, max_dim, maximum))


def min(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """The smallest element; along a dimension with its positions; or the smaller of two tensors' elements.

    Args:
        input: any shape.
        dim: dimension to reduce, or a second tensor to compare with; the whole tensor if None.
        keepdim: keep the reduced dimension with size 1.
        other: the second tensor, by keyword.
        out: tensor (or pair of them) to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor, or `(values, indices)` for a dimension.

    Raises:
        RuntimeError, IndexError: if there is nothing to reduce or the dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.min(torch.tensor([3, 1, 2]))
        tensor(1)
    """
    if numpy:
        return min(**renamed("min", numpy, input=input, dim=dim, keepdim=keepdim, other=other, out=out))
    return _extreme("min", input, dim if other is None else other, keepdim, out, (min_all, min_dim, minimum))


def _grouped(name: str, input: Any, dim: Any) -> tuple[int, ...]:
    """The dims of a reduction that needs elements; all if none are given."""
    if not is_tensor(input):
        bad_argument(name, "input", 1, "Tensor", input)
    dims = reduced_dims(input, None if dim == () else dim)
    if not input.numel():
        if dims is None:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        for d, given in zip(dims, dim if isinstance(dim, (tuple, list)) else (dim,), strict=False):
            _nonempty(name, input, d, given)
    return tuple(np.arange(input.ndim).tolist()) if dims is None else dims


def _group_extreme(name: str, input: Any, dim: Any, keepdim: bool, out: Any, op: Any) -> Any:
    result = op(input, _grouped(name, input, dim), keepdim)
    if result.dtype.is_complex:
        if input.numel():
            raise unsupported(f"{name[1:]}_values_cpu", input.dtype)
        if result._req:
            raise RuntimeError(
                f"{name} does not support automatic differentiation for outputs with complex dtype."
            )
    return deliver_exact(
        name,
        result,
        out,
        "Expected the dtype for input and out to match, but got {kind} for input's dtype and {kind_out} for "
        "out's dtype.",
    )


@history_first("amax_dims")
def amax(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None, **numpy: Any) -> Any:
    """The largest elements over dimensions; equal ones share the gradient.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if empty.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.amax(torch.tensor([[1, 5], [7, 2]]), 0)
        tensor([7, 5])
    """
    if numpy:
        return amax(**renamed("amax", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    return _group_extreme("amax", input, dim, keepdim, out, amax_dims)


@history_first("amin_dims")
def amin(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None, **numpy: Any) -> Any:
    """The smallest elements over dimensions; equal ones share the gradient.

    Args:
        input: any shape.
        dim: dimension or dimensions; all if empty.
        keepdim: keep the reduced dimensions with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.amin(torch.tensor([[1, 5], [7, 2]]), 0)
        tensor([1, 2])
    """
    if numpy:
        return amin(**renamed("amin", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    return _group_extreme("amin", input, dim, keepdim, out, amin_dims)


@numpy_named
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The smallest and the largest element, of all or along a dimension.

    Args:
        input: any shape.
        dim: dimension; all if None.
        keepdim: keep the reduced dimension with size 1.
        out: pair of tensors to write the results to.

    Returns:
        `(min, max)`.

    Example:
        >>> import cotangent as torch
        >>> torch.aminmax(torch.tensor([3, 1, 2]))
        torch.return_types.aminmax(
        min=tensor(1),
        max=tensor(3))
    """
    if is_tensor(input) and not input.numel():
        if dim is None:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        if input.ndim and not input.shape[check_dim(dim, input.ndim)]:
            raise IndexError(f"aminmax: Expected reduction dim {dim} to have non-zero size.")
    for given in out or ():
        same_out(input, given)
    if is_tensor(input):
        without("aminmax_cpu", input, dtypes.COMPLEX)
    dims = _grouped("aminmax", input, () if dim is None else dim)
    return deliver_exact("aminmax", namedtuple_of("aminmax", *aminmax_of(input, dims, keepdim)), out)


def _position(name: str, input: Any, dim: Any, keepdim: bool, out: Any, op: Any) -> Any:
    if not is_tensor(input):
        bad_argument(name, "input", 1, "Tensor", input)
    if dim is not None and not hasattr(dim, "__index__"):
        bad_argument(name, "dim", 1, "int", dim)
    if input.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}(): does not support bool input")
    if input.dtype.is_complex:
        raise RuntimeError(f"{name}(): does not support complex input")
    if dim is None:
        if not input.numel():
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        return deliver_exact(name, op(input, None, keepdim), out)
    d = check_dim(dim, input.ndim)
    _nonempty(name, input, d)
    return deliver_exact(name, op(input, d, keepdim), out)


def argmax(
    input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """The position of the largest element, of the flattened tensor or along a dimension.

    Args:
        input: any shape.
        dim: dimension; the flattened tensor if None.
        keepdim: keep the reduced dimension with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        an int64 tensor.

    Raises:
        IndexError: if there is nothing to reduce or the dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.argmax(torch.tensor([1.0, 3.0, 2.0]))
        tensor(1)
    """
    if numpy:
        return argmax(**renamed("argmax", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    return _position("argmax", input, dim, keepdim, out, argmax_of)


def argmin(
    input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """The position of the smallest element, of the flattened tensor or along a dimension.

    Args:
        input: any shape.
        dim: dimension; the flattened tensor if None.
        keepdim: keep the reduced dimension with size 1.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        an int64 tensor.

    Raises:
        IndexError: if there is nothing to reduce or the dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.argmin(torch.tensor([2.0, 3.0, 1.0]))
        tensor(2)
    """
    if numpy:
        return argmin(**renamed("argmin", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    return _position("argmin", input, dim, keepdim, out, argmin_of)


def median(
    input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """The median (the lower of two middle elements), of all or along a dimension with its positions.

    Args:
        input: any shape.
        dim: dimension; all if None.
        keepdim: keep the reduced dimension with size 1.
        out: tensor (or pair) to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor, or `(values, indices)`.

    Example:
        >>> import cotangent as torch
        >>> torch.median(torch.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    if numpy:
        return median(**renamed("median", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    if dim is None:
        if input.numel():
            without("median_cpu", input, dtypes.BOOL, dtypes.COMPLEX)
        return deliver("median", median_all(input), out)
    d = check_dim(dim, input.ndim)
    _nonempty("median", input, d)
    without("median_out", input, dtypes.BOOL, dtypes.COMPLEX)
    return deliver("median", namedtuple_of("median", *median_dim(input, d, keepdim)), out)


def kthvalue(
    input: Any, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """The k-th smallest elements along a dimension, with their positions.

    Args:
        input: any shape.
        k: rank, from 1.
        dim: the dimension.
        keepdim: keep the reduced dimension with size 1.
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Raises:
        RuntimeError: if k is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.kthvalue(torch.tensor([3.0, 1.0, 2.0]), 2).values
        tensor(2.)
    """
    if numpy:
        return kthvalue(**renamed("kthvalue", numpy, input=input, k=k, dim=dim, keepdim=keepdim, out=out))
    d = check_dim(dim, input.ndim)
    _nonempty("kthvalue", input, d)
    if not 1 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(d))
    if input.ndim:
        without("kthvalue_cpu", input, dtypes.BOOL, dtypes.COMPLEX)
    return deliver_exact(
        "kthvalue",
        namedtuple_of("kthvalue", *kth_of(input, k, d, keepdim)),
        out,
        "output values must be of same type as input",
        apart=(input,),
    )
