"""gather, scatter and their relatives: index tensors along one dimension, masks, flat positions."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import after_histories, bad_argument, check_broadcast, check_dim
from ..kernels import gather as k
from ..kernels.layout import rows
from ..kernels.scatter_reduce import reduce_at
from . import index_batching
from .arguments import REQUIRED, deliver_exact, missing, numpy_named, renamed
from .arithmetic import remainder_number
from .fitting import gather_fits, within
from .history import history_first
from .index_checks import check_indices
from .indexing import index_put_at, mask_positions
from .reduce import sum_all
from .row_checks import check_added, check_copied, check_put, check_rows, check_selected
from .table import constant, deliver, general, is_array, is_tensor, linear
from .views import reshape_any

gather_along = linear(
    "gather_along(input, index | dim)",
    k.gather,
    node="GatherBackward0",
    public="gather",
    batch="aligned",
    input=lambda g, index, input, dim: scatter_zeros(g, index, tuple(input.shape), dim),
)
scatter_zeros: Any = linear(
    "scatter_zeros(input, index | shape, dim)",
    k.scatter_zeros,
    node="ScatterAddBackward0",
    public="scatter_add",
    batch="aligned",
    input=lambda g, index, dim: gather_along(g, index, dim),
)
cut_to = linear(
    "cut_to(input | shape)",
    lambda a, shape: a[tuple(slice(n) for n in shape)],
    node="SliceBackward0",
    public="slice",
    batch="axes",
    input=lambda g, input_shape: pad_to(g, input_shape),
)


def _pad_to(a: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, a.dtype)
    out[tuple(slice(n) for n in a.shape)] = a
    return out


pad_to: Any = linear(
    "pad_to(input | shape)",
    _pad_to,
    node="SliceBackward0",
    public="slice",
    batch="axes",
    input=lambda g, input_shape: cut_to(g, input_shape),
)
scatter_add_along = linear(
    "scatter_add_along(input, src, index | dim)",
    rows(lambda a, src, index, dim: k.scatter_add(a, index, src, dim)),
    node="ScatterAddBackward0",
    public="scatter_add",
    batch="aligned",
    input=lambda g: g,
    src=lambda g, index, src_shape, dim: pad_to(gather_along(g, index, dim), src_shape),
)
scatter_along = linear(
    "scatter_along(input, src, index | dim)",
    lambda a, src, index, dim: k.scatter(a, index, src, dim),
    node="ScatterBackward0",
    public="scatter",
    batch="aligned",
    input=lambda g, index, dim: scatter_number(g, index, dim, 0),
    src=lambda g, index, src_shape, dim: pad_to(gather_along(g, index, dim), src_shape),
)
scatter_factors = general(
    "scatter_factors(src, index | shape, dim)",
    lambda src, index, shape, dim: reduce_at(np.ones(shape, src.dtype), src, index, dim, "prod", True),
    public="scatter",
    batch="aligned",
)
scatter_number: Any = general(
    "scatter_number(input, index | dim, value)",
    k.scatter_value,
    node="ScatterBackward1",
    public="scatter",
    batch="aligned",
    input=lambda g, index, dim: scatter_number(g, index, dim, 0),
    jvp=lambda tangents, args, out: scatter_number(tangents[0], args[1], args[2], 0),
)
select_rows = linear(
    "select_rows(input, index | dim)",
    k.index_select,
    node="IndexSelectBackward0", public="index_select", batch=index_batching.rows_taken,
    input=lambda g, index, input_shape, dim: add_rows_to_zeros(g, index, input_shape, dim),
)
add_rows_to_zeros: Any = linear(
    "add_rows_to_zeros(input, index | shape, dim)",
    lambda g, index, shape, dim: k.index_add(np.zeros(shape, g.dtype), index, g, dim, 1),
    node="IndexAddBackward0", public="index_add", batch=index_batching.rows_back,
    input=lambda g, index, input_shape, dim: reshape_any(select_rows(g, index, dim), input_shape),
)
add_rows = linear(
    "add_rows(input, source, index | dim, alpha)",
    rows(lambda a, source, index, dim, alpha: k.index_add(a, index, source, dim, alpha)),
    node="IndexAddBackward0", public="index_add", batch=index_batching.rows_written,
    input=lambda g: g,
    source=lambda g, index, source, dim, alpha: reshape_any(
        select_rows(g, index, dim) if alpha == 1 else select_rows(g, index, dim) * alpha, source.shape
    ),
)
copy_rows = linear(
    "copy_rows(input, source, index | dim)",
    rows(lambda a, source, index, dim: k.index_copy(a, index, source, dim)),
    node="IndexCopyBackward0", public="index_copy", batch=index_batching.rows_written,
    input=lambda g, index, dim: fill_rows(g, index, dim, 0),
    source=lambda g, index, source, dim: reshape_any(select_rows(g, index, dim), source.shape),
)
fill_rows: Any = general(
    "fill_rows(input, index | dim, value)",
    k.index_fill,
    node="IndexFillBackward0", public="index_fill", batch=index_batching.rows_filled,
    input=lambda g, index, dim: fill_rows(g, index, dim, 0),
    jvp=lambda tangents, args, out: fill_rows(tangents[0], args[1], args[2], 0),
)
fill_rows_with = linear(
    "fill_rows_with(input, value, index | dim)",
    lambda a, value, index, dim: k.index_fill(a, index, dim, value),
    node="IndexFillBackward1",
    public="index_fill",
    input=lambda g, index, dim: fill_rows(g, index, dim, 0),
    # What was filled, each element once however often the index names it.
    value=lambda g, index, dim: sum_all(g - fill_rows(g, index, dim, 0)),
)


_OTHER_TYPE: Final = "{}(): self and result must have the same scalar type"


# -- checks -------------------------------------------------------------------------------------------------


def _tensors(function: str, **given: Any) -> None:
    absent = [name for name, value in given.items() if value is REQUIRED]
    if absent:
        missing(function, *absent)
    for position, (name, value) in enumerate(given.items(), 1):
        if name != "dim" and not is_tensor(value):
            bad_argument(function, name, position, "Tensor", value)


def _check_index(function: str, index: Any) -> None:
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise after_histories(RuntimeError(f"{function}(): Expected dtype int32/int64 for index"))


def _in_bounds(index: Any, n: int, dim: int) -> None:
    data = index._data
    if is_array(data) and data.size and not within(data, n):
        bad = next(int(i) for i in data.reshape(-1) if not 0 <= i < n)
        raise RuntimeError(f"index {bad} is out of bounds for dimension {dim} with size {n}")


def _gather_shapes(input: Any, index: Any, dim: int, name: str) -> None:
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {name} tensor")


def gather(
    input: Any, dim: Any = REQUIRED, index: Any = REQUIRED, *, sparse_grad: bool = False, out: Any = None,
    **numpy: Any,
) -> Any:  # fmt: skip
    """Elements of `input` at `index` along one dimension: for dim 0, `out[i][j] = input[index[i][j]][j]`.

    Args:
        input: any shape.
        dim: the dimension.
        index: int64 or int32, of the rank of `input`.
        sparse_grad: accepted for PyTorch's sake; gradients are dense.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor of the shape of `index`.

    Raises:
        RuntimeError: if the index has another rank, dtype, or is out of bounds.

    Example:
        >>> import cotangent as torch
        >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    if numpy:
        return gather(
            **renamed("gather", numpy, input=input, dim=dim, index=index, sparse_grad=sparse_grad, out=out)
        )
    if out is None and dim.__class__ is int and gather_fits(input, dim, index):
        return gather_along(input, index, dim + index.ndim if dim < 0 else dim)
    _tensors("gather", input=input, dim=dim, index=index)
    d = check_dim(dim, input.ndim)
    if not index.numel():
        index = constant(np.zeros(index._data.shape, np.int64))  # of any dtype, as there is nothing to read
        if index.ndim != input.ndim:  # nor of the input's rank
            nothing = select_rows(reshape_any(input, (-1,)), constant(np.zeros(0, np.int64)), 0)
            return deliver_exact("gather", reshape_any(nothing, tuple(index.shape)), out)
    else:
        _check_index("gather", index)
        _gather_shapes(input, index, d, "input")
        for i, n in enumerate(index.shape):
            if i != d and n > input.shape[i]:
                raise RuntimeError(
                    f"Size does not match at dimension {i} expected index {list(index.shape)} to be no "
                    f"larger than self {list(input.shape)} apart from dimension {d}"
                )
        _in_bounds(index, input.shape[d] if input.ndim else 1, d)
    return deliver_exact("gather", gather_along(input, index, d), out, apart=(input, index))


def check_scatter(input: Any, d: int, index: Any, src: Any) -> None:
    _check_index("scatter", index)
    if src is not None and src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not index.numel():
        return
    _gather_shapes(input, index, d, "self")
    if src is not None:
        _gather_shapes(src, index, d, "src")
    if src is not None and index.numel():
        fits = all(n <= m for n, m in zip(index.shape, src.shape, strict=False))
        inside = all(i == d or n <= m for i, (n, m) in enumerate(zip(index.shape, input.shape, strict=False)))
        if not (fits and inside):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart "
                f"from dimension {d} and to be no larger size than src {list(src.shape)}"
            )
    _in_bounds(index, input.shape[d] if input.ndim else 1, d)


def scatter(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Any = None,
) -> Any:
    """A copy of `input` with `src` written at `index` along one dimension.

    Args:
        input: any shape.
        dim: the dimension.
        index: int64 or int32, of the rank of `input`.
        src: tensor of the dtype of `input`, at least as large as `index`, or a number.
        value: the number, by keyword.
        reduce: None, "add" or "multiply" (deprecated by PyTorch).
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: if shapes, dtypes or indices do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(3).scatter(0, torch.tensor([2]), torch.tensor([5.0]))
        tensor([0., 0., 5.])
    """
    d = check_dim(dim, input.ndim)
    src = value if src is None else src
    if reduce is not None:
        found = _scatter_reduced(input, d, index, src, reduce)
    elif not is_tensor(src):
        check_scatter(input, d, index, None)
        found = scatter_number(input, index, d, src)
    else:
        check_scatter(input, d, index, src)
        if not index.numel() and src.ndim != input.ndim:
            return deliver_exact("scatter", input.clone(), out)
        found = scatter_along(input, src, index, d)
    return deliver_exact("scatter", found, out)


def _scatter_reduced(input: Any, d: int, index: Any, src: Any, reduce: str) -> Any:
    if is_tensor(src):
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a "
            "future PyTorch release. Use torch.scatter_reduce instead for more reduction options.",
            UserWarning,
            stacklevel=3,
        )
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    source = src if is_tensor(src) else constant(np.full(tuple(index.shape), src, input.dtype.np))
    if reduce == "add":
        return scatter_add(input, d, index, source)
    check_scatter(input, d, index, source)
    return input * scatter_factors(source, index, tuple(input.shape), d)


def scatter_add(
    input: Any, dim: Any = REQUIRED, index: Any = REQUIRED, src: Any = REQUIRED, *, out: Any = None
) -> Any:
    """A copy of `input` with `src` added at `index` along one dimension.

    Args:
        input: any shape.
        dim: the dimension.
        index: int64 or int32, of the rank of `input`.
        src: tensor of the dtype of `input`, at least as large as `index`.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`; what falls on one place adds up.

    Raises:
        RuntimeError: if shapes, dtypes or indices do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).scatter_add(0, torch.tensor([1, 1]), torch.tensor([1.0, 2.0]))
        tensor([0., 3.])
    """
    _tensors("scatter_add", input=input, dim=dim, index=index, src=src)
    d = check_dim(dim, input.ndim)
    check_scatter(input, d, index, src)
    return deliver_exact("scatter_add", scatter_add_along(input, src, index, d), out)


@history_first("select_rows")
def index_select(
    input: Any, dim: Any = REQUIRED, index: Any = REQUIRED, *, out: Any = None, **numpy: Any
) -> Any:
    """The slices of `input` at `index` along one dimension, as a copy.

    Args:
        input: any shape.
        dim: the dimension.
        index: 1-d, int64 or int32.
        out: tensor to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor whose dimension `dim` has the length of `index`.

    Raises:
        IndexError: if `index` is no vector or out of range.
        RuntimeError: if it has another dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.index_select(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([1]))
        tensor([[2],
                [4]])
    """
    if numpy:
        return index_select(**renamed("index_select", numpy, input=input, dim=dim, index=index, out=out))
    _tensors("index_select", input=input, dim=dim, index=index)
    d = check_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not input.ndim and index.numel() != 1:
        raise RuntimeError(
            f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)"
        )
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    check_selected(input, d, index)
    return deliver_exact(
        "index_select", select_rows(input, index, d), out, _OTHER_TYPE.format("index_select")
    )


def index_add(
    input: Any,
    dim: Any = REQUIRED,
    index: Any = REQUIRED,
    source: Any = REQUIRED,
    *,
    alpha: Any = 1,
    out: Any = None,
) -> Any:
    """A copy of `input` with `alpha * source` added to its slices at `index`.

    Args:
        input: any shape.
        dim: the dimension.
        index: 1-d, int64 or int32.
        source: like `input`, with `len(index)` slices.
        alpha: factor.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError, IndexError: if lengths, dtypes or indices do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).index_add(0, torch.tensor([1, 1]), torch.tensor([1.0, 2.0]))
        tensor([0., 3.])
    """
    _tensors("index_add", input=input, dim=dim, index=index, source=source)
    d = check_dim(dim, input.ndim)
    check_added(input, d, index, source)
    check_rows("index_add", input, d, index)
    return deliver_exact("index_add", add_rows(input, source, index, d, alpha), out)


def index_copy(
    input: Any, dim: Any = REQUIRED, index: Any = REQUIRED, source: Any = REQUIRED, *, out: Any = None
) -> Any:
    """A copy of `input` with its slices at `index` replaced by those of `source`.

    Args:
        input: any shape.
        dim: the dimension.
        index: 1-d, int64.
        source: like `input`, with `len(index)` slices.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(3).index_copy(0, torch.tensor([2]), torch.tensor([7.0]))
        tensor([0., 0., 7.])
    """
    _tensors("index_copy", input=input, dim=dim, index=index, source=source)
    d = check_dim(dim, input.ndim)
    check_copied(input, d, index, source)
    check_rows("index_copy", input, d, index)
    return deliver_exact("index_copy", copy_rows(input, source, index, d), out)


def index_fill(input: Any, dim: int, index: Any, value: Any, *, out: Any = None) -> Any:
    """A copy of `input` with its slices at `index` set to one value.

    Args:
        input: any shape.
        dim: the dimension.
        index: 1-d, int64.
        value: number or 0-d tensor.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: if `value` has dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(3).index_fill(0, torch.tensor([0, 2]), 1.0)
        tensor([1., 0., 1.])
    """
    d = check_dim(dim, input.ndim)
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
                "dimension(s)."
            )
        check_rows("index_fill", input, d, index)
        return deliver("index_fill", fill_rows_with(input, value.to(input.dtype), index, d), out)
    check_rows("index_fill", input, d, index)
    return deliver("index_fill", fill_rows(input, index, d, value), out)


@numpy_named
def take_along_dim(input: Any, indices: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """Elements of `input` at `indices` along one dimension, both broadcast elsewhere.

    Args:
        input: any shape.
        indices: int64, of the rank of `input`.
        dim: the dimension; None flattens both.
        out: tensor to write the result to.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: if ranks or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([[3, 1, 2]])
        >>> torch.take_along_dim(x, torch.argsort(x, dim=1), 1)
        tensor([[1, 2, 3]])
    """
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{dtypes.SCALAR_NAME[indices.dtype]}"
        )
    if dim is None:
        return deliver_exact(
            "take_along_dim", gather(reshape_any(input, (input.numel(),)), 0, indices.reshape(-1)), out
        )
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    d = check_dim(dim, input.ndim)
    have, wanted = list(input.shape), list(indices.shape)
    places = indices.expand(*check_broadcast(([*have[:d], wanted[d], *have[d + 1 :]], wanted)))
    source = input.expand(*check_broadcast(([*wanted[:d], have[d], *wanted[d + 1 :]], have)))
    if places.numel() and not have[d]:
        raise RuntimeError("ZeroDivisionError")
    # places beyond the end go around
    return deliver_exact("take_along_dim", gather(source, d, remainder_number(places, max(have[d], 1))), out)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of `input` with `values` written (or added) at index tensors, as `input[indices] = values` does.

    Args:
        input: any shape.
        indices: tuple of index tensors, one per leading dimension.
        values: broadcast to the indexed shape.
        accumulate: add instead of writing.

    Returns:
        a tensor like `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(3).index_put((torch.tensor([0, 0]),), torch.tensor(1.0), accumulate=True)
        tensor([2., 0., 0.])
    """
    found: list[Any] = []
    dims: list[int] = []
    at = 0
    for t in indices:
        if t is None:
            at += 1
        elif t.dtype in (dtypes.bool_, dtypes.uint8):
            if not input.ndim:
                raise IndexError(f"too many indices for tensor of dimension 0 (got {len(indices)})")
            mask_positions(input, t, at, found, dims)
            at += t.ndim
        else:
            found.append(t)
            dims.append(at)
            at += 1
    if not found:
        raise RuntimeError("index_put(): at least one index tensor is needed")
    check_put(input, found, dims, values)
    check_indices(input, found, dims)
    return index_put_at(input, values, found, tuple(dims), accumulate)


FUNCTIONS: Final = (
    "gather", "scatter", "scatter_add", "index_select", "index_add", "index_copy", "index_fill",
    "take_along_dim", "index_put",
)  # fmt: skip
METHODS: Final = FUNCTIONS
INPLACE: Final = (
    "scatter", "scatter_add", "index_add", "index_copy", "index_fill", "index_put",
)  # fmt: skip
