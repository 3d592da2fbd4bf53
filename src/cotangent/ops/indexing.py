"""`x[...]` and `x[...] = v`: basic indexing as chains of views, index tensors as one gather."""

from __future__ import annotations

import operator
import warnings
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import settings, warn_caller, warn_once
from ..errors import NO_DATA, type_name
from ..kernels import float8, index as k
from ..kernels.layout import fill
from . import index_batching
from .arguments import REQUIRED, copied
from .copies import zeros_like
from .index_checks import check_fits, check_indices, check_place
from .table import as_first, blank, constant, emitter, general, is_array, is_tensor, linear
from .unmapped import is_mapped, refuse_mask
from .views import alias, reshape_any, select_at, slice_of, sum_to_size, unsqueeze_at


def _taken_like(a: Any, index: Any, dim: int) -> Any:
    return blank((*a.shape[:dim], *index.shape, *a.shape[dim + 1 :]), a)


def _index_like(a: Any, indices: Any, dims: Any) -> Any:
    if len(dims) == 1:
        return _taken_like(a, indices[0], dims[0])
    operands = [np.broadcast_to(blank((), t), t.shape) for t in (a, *indices)]
    return k.index(operands[0], [np.zeros_like(i) for i in operands[1:]], dims)


index_of = linear(
    "index_of(input, indices[] | dims)",
    k.index,
    infer=_index_like,
    node="IndexBackward0", public="index", batch=index_batching.taken,
    input=lambda g, indices, input_shape, dims: index_back(g, indices, input_shape, dims),
)
# One index tensor, by far the most frequent case: no lists.
index_one: Any = linear(
    "index_one(input, index | dim)",
    k.index_one,
    infer=_taken_like,
    node="IndexBackward0", public="index", batch=index_batching.taken,
    input=lambda g, index, input_shape, dim: index_one_back(g, index, input_shape, dim),
)
index_one_back: Any = linear(
    "index_one_back(input, index | shape, dim)",
    lambda g, index, shape, dim: k.index_back(g, [index], shape, (dim,)),
    infer=lambda g, index, shape, dim: blank(shape, g),
    node="IndexPutBackward0", public="index_put", batch=index_batching.put_back,
    input=lambda g, index, dim: index_one(g, index, dim),
)
index_back: Any = linear(
    "index_back(input, indices[] | shape, dims)",
    k.index_back,
    infer=lambda g, indices, shape, dims: blank(shape, g),
    node="IndexPutBackward0", public="index_put", batch=index_batching.put_back,
    input=lambda g, indices, dims: index_of(g, indices, dims),
)


def _values_rule(g: Any, indices: Any, values_shape: Any, dims: Any) -> Any:
    return sum_to_size(index_of(g, indices, dims), values_shape)


def _input_rule(g: Any, indices: Any, dims: Any, accumulate: Any) -> Any:
    return g if accumulate else index_clear(g, indices, dims)


def _clear(a: Any, indices: Any, dims: Any) -> Any:
    out = a.copy()
    out[k.key_of(indices, dims)] = 0
    return out


index_clear: Any = linear(
    "index_clear(input, indices[] | dims)",
    _clear,
    node="IndexPutBackward0", public="index_put", batch=index_batching.cleared,
    input=lambda g, indices, dims: index_clear(g, indices, dims),
)
index_put_at = general(
    "index_put_at(input, values, indices[] | dims, accumulate)",
    k.index_put,
    node="IndexPutBackward0", public="index_put", batch=index_batching.written,
    store=k.put_at,
    input=_input_rule,
    values=_values_rule,
    jvp=lambda tangents, args, out: _put_tangent(tangents, args),
)


def _put_tangent(tangents: Any, args: Any) -> Any:
    """Tangent of index_put: linear in input and values together."""
    moved, put, _ = tangents
    base, values, indices, dims, accumulate = args
    return index_put_at(
        base * 0 if moved is None else moved, values * 0 if put is None else put, indices, dims, accumulate
    )


def _copy(a: Any, b: Any) -> None:
    if b.ndim > a.ndim:
        raise ValueError("more dimensions than there are to write to")
    if a.shape == b.shape and a.dtype == b.dtype and not np.may_share_memory(a, b):
        fill(a, b)
        return
    a[...] = float8.narrowed(b, a.dtype) if a.dtype in dtypes.FLOAT8_TWINS else _real(a, b)


copy_to = general(
    "copy_to(input, src)",
    lambda a, b: np.array(np.broadcast_to(_real(a, b), a.shape), a.dtype),
    infer=as_first,
    node="CopyBackwards", public="copy", batch=index_batching.copied,
    store=_copy,
    input=lambda g: zeros_like(g),
    src=lambda g, src_shape, src_dtype: cast_back(sum_to_size(g, src_shape), src_dtype),
    jvp=lambda tangents, args, out: _copy_tangent(tangents, args),
)
cast_back: Any = linear(
    "cast_back(input | dtype)",
    lambda a, dtype: (
        a if a.dtype == dtype else (a.real if a.dtype.kind == "c" and dtype.kind != "c" else a).astype(dtype)
    ),
    node="ToCopyBackward0",
    public="_to_copy",
    input=lambda g, input_dtype: cast_back(g, input_dtype),
)


def _real(a: Any, b: Any) -> Any:
    return b.real if b.dtype.kind == "c" and a.dtype.kind not in "cb" else b


def _copy_tangent(tangents: Any, args: Any) -> Any:
    _, src = tangents
    base, _ = args
    return base * 0 if src is None else copy_to(base * 0, src)


# -- reading a key ------------------------------------------------------------------------------------------

_class_of: Final = operator.attrgetter("__class__")
_NOT_AN_INDEX: Final = "tensors used as indices must be long, int, byte or bool tensors"


def _index_tensor(value: Any) -> Any:
    """A tensor from a list, tuple, range or array used as an index."""
    if is_tensor(value):
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray([np.asarray(v._data if is_tensor(v) else v) for v in value])
    if array.dtype.kind == "O":
        array = np.asarray([v.item() if is_tensor(v) else v for v in value])
    if array.dtype.kind in "US":
        raise TypeError(f"new(): invalid data type '{type_name(_first(value))}'")
    if not array.size and array.dtype.kind == "f":
        array = array.astype(np.int64)
    return constant(array)


def _first(value: Any) -> Any:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value


def _specified(key: tuple[Any, ...]) -> int:
    """How many dimensions of the tensor a key speaks of."""
    count = 0
    for item in key:
        if item is None or item is Ellipsis or item.__class__ is bool:
            continue
        if is_tensor(item) and item.dtype in (dtypes.bool_, dtypes.uint8):
            count += item.ndim
        else:
            count += 1
    return count


def _key(key: Any) -> tuple[Any, ...]:
    """A key as a tuple; a list counts as one index, as in PyTorch."""
    if isinstance(key, tuple):
        return tuple(key)
    if key.__class__ is list and len(key) <= 32 and any(_structured(item) for item in key):
        _warn_of_sequence()
        return tuple(key)  # NumPy's old rule: a list of lists, slices or tensors is a tuple of indices
    if isinstance(_first(key), str):
        _warn_of_sequence()
    return (key,)


_SEQUENCE: Final = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch "
    "2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
    "x[torch.tensor(seq)], "
    "which will result either in an error or a different result"
)
_TOLD: Final[list[str]] = []


def _warn_of_sequence() -> None:
    """Warn where PyTorch does, once per process unless `torch.set_warn_always(True)`."""
    if settings.warn_always or not _TOLD:
        _TOLD.append(_SEQUENCE)
        warnings.warn(_SEQUENCE, UserWarning, stacklevel=4)


def _structured(item: Any) -> bool:
    return item is None or item is Ellipsis or isinstance(item, (list, tuple, slice)) or is_tensor(item)


def _walk(x: Any, key: tuple[Any, ...], keep_full: bool) -> tuple[Any, list[Any], list[int]]:
    """Apply the basic parts of a key as views; returns (view, index tensors, their dims).

    `keep_full`: whether `:` makes a view of its own.
    """
    n = x.ndim
    if _specified(key) > n:
        raise IndexError(f"too many indices for tensor of dimension {n}")
    missing = n - _specified(key)
    indices: list[Any] = []
    dims: list[int] = []
    out, dim = x, 0
    for place, item in enumerate(key):
        kind = item.__class__
        if kind is int or isinstance(item, np.integer):
            out = select_at(out, dim, _checked(int(item), out.shape[dim], place))
        elif kind is slice:
            if keep_full or not _whole(item, out._data.shape[dim]):
                out = _sliced(out, dim, item)
            dim += 1
        elif item is Ellipsis:
            dim += missing
            missing = 0
        elif item is None:
            out = unsqueeze_at(out, dim)
            dim += 1
        elif kind is bool or isinstance(item, np.bool_):
            out = unsqueeze_at(out, dim)
            indices.append(constant(np.zeros(1 if item else 0, np.int64)))
            dims.append(dim)
            dim += 1
        else:
            if (
                not is_tensor(item)
                and not isinstance(item, (list, tuple, range, np.ndarray))
                and hasattr(item, "__index__")
            ):
                out = select_at(out, dim, _checked(operator.index(item), out.shape[dim], place))
                continue
            if not is_tensor(item) and not isinstance(item, (list, tuple, range, np.ndarray, str)):
                raise IndexError(
                    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
                    "valid indices (got "
                    f"{type_name(item)})"
                )
            t = _index_tensor(item)
            if t.dtype in (dtypes.int8, dtypes.int16) and not t.ndim and is_array(t._data):
                out = select_at(out, dim, _checked(int(t._data), out.shape[dim], place))
                continue
            if t.dtype.category > dtypes.INTEGRAL or t.dtype in (dtypes.int8, dtypes.int16):
                raise IndexError(_NOT_AN_INDEX)
            if t.ndim == 0 and t.dtype in (dtypes.bool_, dtypes.uint8):
                out = unsqueeze_at(out, dim)
                indices.append(constant(np.zeros(1 if t.item() else 0, np.int64)))
                dims.append(dim)
                dim += 1
            elif t.ndim == 0 and not is_mapped(t):
                out = select_at(out, dim, _checked(int(t.item()), out.shape[dim], place))
            elif t.dtype in (dtypes.bool_, dtypes.uint8):
                mask_positions(out, t, dim, indices, dims)
                dim += t.ndim
            else:
                indices.append(t)
                dims.append(dim)
                dim += 1
    return out, indices, dims


def _checked(i: int, n: int, position: int) -> int:
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for dimension {position} with size {n}")
    return i + n if i < 0 else i


def _whole(item: slice, n: int) -> bool:
    """Whether a slice takes all of a dimension of size `n`: PyTorch makes no view then."""
    start, stop, step = item.start, item.stop, item.step
    return (
        (start is None or (isinstance(start, int) and start == 0))
        and (stop is None or (isinstance(stop, int) and stop >= n))
        and (step is None or (isinstance(step, int) and step == 1))
    )


def _sliced(x: Any, dim: int, item: slice) -> Any:
    n = x.shape[dim]
    for part in (item.start, item.stop, item.step):
        if part is not None and not hasattr(part, "__index__"):
            raise TypeError("slice indices must be integers or None or have an __index__ method")
    step = 1 if item.step is None else operator.index(item.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    start, stop, _ = slice(
        None if item.start is None else operator.index(item.start),
        None if item.stop is None else operator.index(item.stop),
    ).indices(n)
    return slice_of(x, dim, start, max(stop, start), step)


def mask_positions(x: Any, mask: Any, dim: int, indices: list[Any], dims: list[int]) -> None:
    """Replace a mask by the coordinates of its true elements."""
    if mask.dtype is dtypes.uint8:
        warn_caller(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."
        )
    shape = tuple(mask.shape)
    for d, n in enumerate(shape):
        if x.shape[dim + d] != n:
            raise IndexError(
                f"The shape of the mask {list(shape)} at index {d} does not match the shape of the indexed "
                f"tensor {list(x.shape)} at index {dim + d}"
            )
    refuse_mask(mask)
    if hasattr(mask._data, "lives_on") and not mask.is_meta:  # its numbers are known to its class
        found = mask.nonzero().unbind(1)
    else:
        found = map(constant, np.asarray(mask._data).nonzero())
    for d, where in enumerate(found):
        indices.append(where)
        dims.append(dim + d)


_BASIC: Final = frozenset((int, slice))


def _basic(x: Any, key: tuple[Any, ...]) -> Any:
    """`x[key]` for a key of ints and slices only, not more than there are dimensions."""
    out, dim, shape = x, 0, x._data.shape
    for position, item in enumerate(key):
        n = shape[position]
        if item.__class__ is int:
            if not -n <= item < n:
                raise IndexError(f"index {item} is out of bounds for dimension {position} with size {n}")
            out = select_at(out, dim, item + n if item < 0 else item)
        else:
            bounded = item.start is not None or item.stop is not None or item.step is not None
            if bounded and not _whole(item, n):
                out = _sliced(out, dim, item)
            dim += 1
    return out


def _by_tensor(x: Any, index: Any) -> Any:
    """`x[index]` for positions or a mask of the first dimension; None where `getitem` must look closer."""
    if not is_tensor(index):
        return None
    data, rows = x._data, index._data
    if not is_array(rows) or not is_array(data) or not data.shape or not rows.size:
        return None
    kind = rows.dtype
    if kind == np.bool_:
        if rows.shape != data.shape[:1]:
            return None
        return index_one(x, constant(rows.nonzero()[0]), 0)
    if kind != np.int64 or not rows.shape:
        return None
    try:
        return index_one(x, index, 0)
    except IndexError:
        return None


def _by_tensors(x: Any, key: tuple[Any, ...]) -> Any:
    """`x[key]` for positions of the first dimensions, several; None where `getitem` must look closer."""
    for index in key:
        if not is_tensor(index):
            return None
        rows = index._data
        if not is_array(rows) or rows.dtype != np.int64 or not rows.shape or not rows.size:
            return None
    if not is_array(x._data):
        return None
    try:
        return index_of(x, list(key), tuple(range(len(key))))
    except IndexError:
        return None


def getitem(input: Any, key: Any) -> Any:
    """`input[key]`: views for integers, slices, None and `...`; a copy for index tensors and masks."""
    kind = key.__class__
    if kind is int:
        shape = input._data.shape
        if shape:
            n = shape[0]
            if not -n <= key < n:
                raise IndexError(f"index {key} is out of bounds for dimension 0 with size {n}")
            return select_at(input, 0, key + n if key < 0 else key)
    elif kind is slice:
        if input._data.shape:
            return _sliced(input, 0, key)
    elif kind is tuple:
        if len(key) <= len(input._data.shape) and _BASIC.issuperset(map(_class_of, key)):
            out = _basic(input, key)
            if out is not input:
                return out
        elif 1 < len(key) <= len(input._data.shape):
            out = _by_tensors(input, key)
            if out is not None:
                return out
    else:
        out = _by_tensor(input, key)
        if out is not None:
            return out
    if not input.ndim:
        check_place(key)
    parts = _key(key)
    out, indices, dims = _walk(input, parts, len(parts) == 1)
    if indices:
        check_indices(out, indices, dims)
        return index_of(out, indices, tuple(dims))
    return alias(input) if out is input else out


_LARGE: Final = 3e38  # within float32
_FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))


def _place(key: Any) -> Any:
    """NumPy's key that means the same, None if there may be none."""
    kind = key.__class__
    if kind is int:
        return key
    if kind is slice:
        return key if key.step is None else None
    if kind is tuple:
        for item in key:
            kind = item.__class__
            if kind is not int and item is not Ellipsis and (kind is not slice or item.step is not None):
                return None
        return key
    if not is_tensor(key):
        return None
    rows = key._data
    return rows if is_array(rows) and rows.shape and rows.dtype.char in "l?" else None


def _placed(x: Any, key: Any, value: Any) -> bool:
    """Write without history, where NumPy's assignment does just that; False where it may not."""
    data = x._data
    place = _place(key)
    if place is None or not is_array(data) or 0 in data.strides:
        return False
    kind = value.__class__
    if kind is float or kind is int:
        if data.dtype not in _FLOATS or not -_LARGE < value < _LARGE:
            return False
    elif is_tensor(value):
        if value._req or not is_array(value._data) or value._data.dtype is not data.dtype:
            return False
        if np.may_share_memory(value._data, data):
            return False
        value = value._data
    else:
        return False
    if not emitter.unrecorded(x):
        return False
    try:
        data[place] = value
    except (IndexError, ValueError, TypeError):
        return False
    emitter.wrote(x)
    return True


def setitem(input: Any, key: Any, value: Any) -> None:
    """`input[key] = value`, in place: value is broadcast and cast."""
    if _placed(input, key, value):
        return
    if not is_tensor(value) and not isinstance(value, (int, float, complex, np.generic)):
        raise TypeError(f"can't assign a {type_name(value)} to a torch.{input.dtype.type_name}")
    if isinstance(value, (complex, np.complexfloating)) and not input.dtype.is_complex:
        raise RuntimeError(
            f"value cannot be converted to type {dtypes.CPP_NAME[input.dtype]} without overflow"
        )
    if not input.ndim:
        check_place(key)
    out, indices, dims = _walk(input, _key(key), False)
    if not is_tensor(value):
        value = constant(np.asarray(value).astype(input.dtype.np))
    if not indices:
        if not value.ndim and out.ndim:
            out.fill_(value)
            return
        shape, have = tuple(out.shape), tuple(value.shape)
        if have != shape:
            while have and have[0] == 1:
                have = have[1:]
            if have != tuple(value.shape):
                value = reshape_any(value, have)
            if have != shape:
                value = value.expand(shape)
        out.copy_(value)
        return
    if out._req or value._req:
        emitter.writable(out)  # PyTorch looks at histories first
    check_indices(out, indices, dims)
    wanted = _result_shape(tuple(out.shape), [tuple(i.shape) for i in indices], dims)
    have = tuple(value.shape)
    while have and have[0] == 1:
        have = have[1:]
    lead = len(wanted) - len(have)
    if lead < 0 or any(n not in (1, m) for n, m in zip(have, wanted[lead:], strict=True)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(have)} cannot be broadcast to indexing result of "
            f"shape {list(wanted)}"
        )
    if value.dtype is not out.dtype:
        masked = any(is_tensor(k) and k.dtype in (dtypes.bool_, dtypes.uint8) for k in _key(key))
        if not masked or value.numel() != 1:
            if out._req or value._req:
                emitter.writable(out)
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{dtypes.SCALAR_NAME[out.dtype]} for the destination and {dtypes.SCALAR_NAME[value.dtype]} "
                "for the source."
            )
        value = cast_back(value, out.dtype.np)
    if have != tuple(value.shape):
        value = reshape_any(value, have)
    out._index_put_at_(value, indices, tuple(dims), False)


def _result_shape(shape: tuple[int, ...], given: list[tuple[int, ...]], dims: list[int]) -> tuple[int, ...]:
    """Shape of `x[indices]`: index dimensions stay together where they are, or go to the front."""
    together = np.broadcast_shapes(*given)
    rest = [n for d, n in enumerate(shape) if d not in dims]
    if dims == list(range(dims[0], dims[0] + len(dims))):
        before = dims[0]
        return tuple(rest[:before]) + together + tuple(rest[before:])
    return together + tuple(rest)


def delitem(input: Any, key: Any) -> None:
    """`del input[key]` is refused."""
    raise TypeError("Tensor does not support deleting items")


def copy(input: Any, other: Any = REQUIRED, non_blocking: bool = False) -> Any:
    """`other` (also a number) broadcast to the shape and cast to the dtype of `input`."""
    src = copied(input, other)
    if hasattr(src._data, "lives_on") and is_array(input._data):
        raise NotImplementedError(NO_DATA)
    shape, have = tuple(input.shape), tuple(src.shape)
    if have != shape and not is_array(input._data):
        check_fits(shape, have)
    if src.dtype.is_complex and not input.dtype.is_complex and input.dtype is not dtypes.bool_:
        warn_once("Casting complex values to real discards the imaginary part", 3)
    return copy_to(input, src)


METHODS: Final = ()
_index_put_at = index_put_at
INPLACE: Final = ("copy", "_index_put_at")
DUNDERS: Final = {"__getitem__": "getitem", "__setitem__": "setitem", "__delitem__": "delitem"}
