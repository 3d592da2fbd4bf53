"""Tensors from Python values and from other libraries' arrays."""

from __future__ import annotations

import numbers
import warnings
from typing import Any, Final

import numpy as np

from . import dtypes
from .autograd.base import InferenceCell, active, new, world, wrap
from .autograd.cuts import left
from .autograd.modes import modes
from .config import settings, warn_once
from .dtypes import dtype as _dtype
from .errors import noted, type_name
from .kernels.elementwise import cast as cast_array
from .kernels.float8 import narrowed
from .kernels.fperr import QUIET, reset_errors, set_errors
from .kernels.lent import lend
from .kernels.unwritten import unwritten
from .ops.arguments import REQUIRED, missing, too_many
from .ops.views import alias
from .size import CPU, check_device, places
from .storage import check_storage, is_storage, typed
from .tensor import LEGACY_NEW, TO_SCALAR, Tensor, of_class

_COPY_CONSTRUCT = (
    "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
    "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor)."
)
_LIST_OF_ARRAYS = (
    "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list "
    "to a single numpy.ndarray with numpy.array() before converting to a tensor."
)


def check_dtype(function: str, d: Any) -> Any:
    """A dtype (or None) as it is, or that of one of Python's types of numbers.

    Raises:
        TypeError: in PyTorch's words, for anything else.
    """
    if d is None or d.__class__ is _dtype:
        return d
    if d.__class__ is type and d in dtypes.OF_PYTHON:
        return dtypes.OF_PYTHON[d]
    raise TypeError(f"{function}(): argument 'dtype' must be torch.dtype, not {type_name(d)}")


def placed(made: Any, device: Any) -> Any:
    """A new tensor where it was asked for: itself, or one of its shape and type on the device "meta".

    Args:
        made: the tensor, on the CPU.
        device: the device that was given; None for the one that new tensors live on.
    """
    where = places[-1] if device is None else check_device(device)
    return made if where is CPU or where.type == "cpu" else world.meta.like(made)


def born(array: np.ndarray[Any, Any], requires_grad: bool = False) -> Any:
    """A new leaf tensor around `array`.

    Raises:
        RuntimeError: if gradients are asked for on integers.
    """
    t = wrap(array)
    if active.inference and modes.inference:
        t._vc = InferenceCell((0, None, modes.off))
    if requires_grad:
        if t.dtype.category < dtypes.FLOATING:
            error = RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            raise noted(error, "integer_requires", dtype=t.dtype)
        t._req = True
    return t


def _shape_of(data: Any) -> list[int]:
    """Shape of nested sequences, by their first elements."""
    shape: list[int] = []
    while isinstance(data, (list, tuple)) or _is_sequence(data):
        shape.append(len(data))
        if not len(data):
            break
        try:
            inner = data[0]
        except TypeError:
            name = type(data).__name__
            raise ValueError(f"could not determine the shape of object type '{name}'") from None
        if inner is data:
            raise TypeError(_SELF)
        data = inner
    return shape


_SELF: Final = "new(): self-referential lists are incompatible"


def _is_sequence(data: Any) -> bool:
    if isinstance(data, (str, bytes, Tensor, np.generic, dict, set, numbers.Number)):
        return False
    if isinstance(data, np.ndarray):
        return data.ndim > 0
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _scalars(data: Any, shape: list[int], depth: int, out: list[Any]) -> None:
    """Collect the numbers of nested sequences of the given shape."""
    if depth == len(shape):
        out.append(_scalar(data, depth, not out))
        return
    if isinstance(data, Tensor):
        data = list(data) if data.ndim else data
    if not (isinstance(data, (list, tuple, Tensor)) or _is_sequence(data)):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    for item in data:
        if item is data:
            raise TypeError(_SELF)
        _scalars(item, shape, depth + 1, out)


class _Nested(Exception):
    """A sequence stands where a number should."""


def _scalar(value: Any, depth: int, first: bool) -> Any:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if value._req and modes.grad is not None:
            warn_once(TO_SCALAR, depth + 5)
        return value._data.reshape(())[()]
    if isinstance(value, (np.generic, bool, int, float, complex)):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value[()]
    if isinstance(value, (str, bytes)):
        if first and depth and isinstance(value, str):
            raise ValueError("too many dimensions 'str'")
        raise TypeError(f"new(): invalid data type '{type(value).__name__}'")
    if isinstance(value, (list, tuple)):
        raise _Nested
    if hasattr(value, "__index__"):
        return value.__index__()
    if hasattr(value, "__float__"):
        return float(value)
    raise RuntimeError(f"Could not infer dtype of {type(value).__name__}")


def _inferred(values: list[Any]) -> _dtype:
    """The dtype PyTorch infers for Python numbers (NumPy scalars keep their own)."""
    found: _dtype | None = None
    for value in values:
        here = (
            dtypes.from_numpy(value.dtype)
            if isinstance(value, np.generic)
            else dtypes.scalar_dtype(value, settings.default_dtype)
        )
        if found is None or found is here:
            found = here
        else:
            found = dtypes.promote_types(found, here)
    return settings.default_dtype if found is None else found


# Dtypes whose numbers NumPy refuses or narrows if it is asked for them at once.
_WIDE_FIRST: Final = (dtypes.COMPLEX, dtypes.INTEGRAL)


def _fits(values: list[Any], d: _dtype) -> None:
    """Raise what PyTorch raises for numbers an integer dtype cannot hold."""
    if d.category >= dtypes.COMPLEX or d.category == dtypes.BOOL:
        return
    if d.category == dtypes.FLOATING:
        for v in values:
            if isinstance(v, (complex, np.complexfloating)):
                raise TypeError("must be real number, not complex")
        return
    limits = np.iinfo(d.np)
    # Negative numbers wrap around in an unsigned dtype.
    least = limits.min or -limits.max
    for v in values:
        if isinstance(v, (complex, np.inexact)) and not isinstance(v, float):
            name = type(v).__name__
            named = f"numpy.{name}" if isinstance(v, np.inexact) else name
            raise TypeError(f"'{named}' object cannot be interpreted as an integer")
        if v != v or not (least if isinstance(v, int) else limits.min) <= v.real <= limits.max:
            if isinstance(v, int) and not -(2**63) <= v < 2**64:
                raise ValueError("Overflow when unpacking long long")
            raise RuntimeError(f"value cannot be converted to type {d.name} without overflow")


def _array_dtype(array: np.ndarray[Any, Any]) -> _dtype:
    """The dtype of a tensor on an array's memory.

    Raises:
        TypeError, ValueError: for arrays that PyTorch's tensors cannot look at.
    """
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte "
            "orders is currently not supported."
        )
    found = dtypes.from_numpy(array.dtype)
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are "
            "not currently supported. (You can probably work around this by making a copy of your array  "
            "with array.copy().) "
        )
    return found


def as_array(data: Any, d: _dtype | None, copy: bool = True) -> np.ndarray[Any, Any]:
    """The array `torch.tensor` makes of `data`.

    Raises:
        ValueError, TypeError, RuntimeError: for ragged, non-numeric or overflowing data, with PyTorch's
        texts.
    """
    if isinstance(data, np.ndarray):
        found = _array_dtype(data)
        return np.array(data, (d or found).np, copy=copy or None)
    if isinstance(data, (bool, int, float, complex, np.generic)) and not isinstance(data, str):
        values = [data]
        shape: list[int] = []
    else:
        if hasattr(data, "__array__") and not isinstance(data, (list, tuple, Tensor)):
            return as_array(np.asarray(data), d, copy)
        if hasattr(data, "untyped"):
            return _of_storage(data, d)
        shape = _shape_of(data)
        values = []
        plain = _plain(data, shape)
        if plain is not None:
            return plain if d is None else _cast_plain(plain, data, d)
        if shape and 0 in shape:
            return np.empty(shape, (d or settings.default_dtype).np)
        if shape and _ends_in_tensor(data):
            return _stacked(data, d)
        try:
            _scalars(data, shape, 0, values)
        except _Nested:
            kind = "an integer" if d is not None and d.category < dtypes.FLOATING else None
            whole = all(isinstance(v, (int, np.integer)) for v in values)
            if kind is None and (d is not None or not whole):
                raise TypeError("must be real number, not list") from None
            raise TypeError("'list' object cannot be interpreted as an integer") from None
    chosen = d or _inferred(values)
    _fits(values, chosen)
    if chosen in dtypes.FLOAT8:
        return narrowed(np.array(values).reshape(shape), chosen.np)  # type: ignore[no-any-return]
    if not shape:
        return np.asarray(values[0]).astype(chosen.np)
    return (
        np.array(values, dtype=None if chosen.category in _WIDE_FIRST else chosen.np)
        .astype(chosen.np)
        .reshape(shape)
    )


def _of_storage(data: Any, d: _dtype | None) -> np.ndarray[Any, Any]:
    """The numbers of a storage; of bytes, as the dtype has it (PyTorch's default for them is int64)."""
    typed: _dtype | None = getattr(data, "dtype", None)
    if typed is None:
        chosen = d or dtypes.int64
        whole = len(data._array) // chosen.itemsize * chosen.itemsize
        return data._array[:whole].view(chosen.np).copy()  # type: ignore[no-any-return]
    if d is not None and d is not typed:
        names = dtypes.SCALAR_NAME
        raise RuntimeError(
            f"Expected a Storage of type {names[d]} or an UntypedStorage, but got {names[typed]}"
        )
    return data._array.copy()  # type: ignore[no-any-return]


def _plain(data: Any, shape: list[int]) -> np.ndarray[Any, Any] | None:
    """Quick way for rectangular nested lists of floats or of ints: NumPy reads these alike."""
    if not isinstance(data, (list, tuple)) or not shape or 0 in shape:
        return None
    first = data
    while isinstance(first, (list, tuple)):
        first = first[0]
    if first.__class__ not in (float, int):
        return None
    try:
        array = np.array(data)
    except (ValueError, OverflowError, TypeError, RuntimeError):
        return None
    if list(array.shape) != shape or array.dtype.kind not in "fi":
        return None
    if array.dtype.kind == "f":
        if not _kinds(data, array.ndim) <= _PYTHONS:  # NumPy's scalars bring their own dtype
            return None
        token = set_errors(QUIET)  # what is too large becomes infinite, as in PyTorch without a word
        try:
            return array.astype(settings.default_dtype.np)
        finally:
            reset_errors(token)
    return array


_PYTHONS: Final = frozenset((float, int, bool))


def _kinds(data: Any, depth: int) -> set[type]:
    """The types of what nested sequences hold."""
    if depth == 1:
        return set(map(type, data))
    return {kind for row in data for kind in _kinds(row, depth - 1)}


def _cast_plain(array: np.ndarray[Any, Any], data: Any, d: _dtype) -> np.ndarray[Any, Any]:
    if array.dtype.kind == "f" and d is not settings.default_dtype:
        array = np.array(data)
    if d.category == dtypes.INTEGRAL:
        _fits(array.ravel().tolist(), d)
    return cast_array(array, d.np)  # type: ignore[no-any-return]


def _ends_in_tensor(data: Any) -> bool:
    while isinstance(data, (list, tuple)):
        data = data[0]
    return isinstance(data, Tensor) and data.ndim > 0


def _stacked(data: Any, d: _dtype | None) -> np.ndarray[Any, Any]:
    """The array of nested lists of tensors with one element each: those count as numbers."""
    shape: list[int] = []
    first = data
    while isinstance(first, (list, tuple)):
        shape.append(len(first))
        first = first[0]
    values: list[Any] = []
    _scalars(data, shape, 0, values)
    return np.array(values, (d or first.dtype).np).reshape(shape)


def tensor(
    data: Any = REQUIRED,
    *more: Any,
    dtype: _dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A new tensor with a copy of `data`.

    Args:
        data: number, nested sequence of numbers, NumPy array or tensor.
        more: refused; the other arguments go by name.
        dtype: element type; inferred from `data` if None (floats become the default dtype).
        device: "cpu" or None.
        requires_grad: whether gradients flow to it.
        pin_memory: accepted for PyTorch's sake; has no effect.

    Returns:
        a leaf tensor that shares no memory with `data`.

    Raises:
        ValueError: for ragged sequences.
        TypeError, RuntimeError: for things that are no numbers, or numbers `dtype` cannot hold.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    if data is REQUIRED:
        missing("tensor", "data")
    if more:
        too_many("tensor", 1, more)
    dtype = check_dtype("tensor", dtype)
    if device is not None:
        check_device(device, "tensor")
    if requires_grad.__class__ is not bool and requires_grad is not None:
        raise TypeError(f"tensor(): argument 'requires_grad' must be bool, not {type_name(requires_grad)}")
    if isinstance(data, Tensor):
        warnings.warn(noted(UserWarning(_COPY_CONSTRUCT), "copy_construct"), stacklevel=2)
        array = data._data
        copied = np.array(array) if dtype is None else cast_array(np.array(array), dtype.np)
        return placed(left("tensor", born(copied, requires_grad), data), device)
    if isinstance(data, list) and data and isinstance(data[0], np.ndarray):
        warn_once(_LIST_OF_ARRAYS)
    made = placed(born(as_array(data, dtype), requires_grad), device)
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], Tensor):
        source = next((t for t in data if isinstance(t, Tensor) and (t._req or t._cut)), None)
        return made if source is None else left("tensor", made, source)
    return made


def as_tensor(data: Any = REQUIRED, dtype: _dtype | None = None, device: Any = None) -> Any:
    """`data` as a tensor, sharing memory and history where possible.

    Args:
        data: number, nested sequence, NumPy array or tensor.
        dtype: element type; that of `data` if None.
        device: "cpu" or None.

    Returns:
        `data` itself if it is a tensor of that dtype; a tensor on the same memory for an array of it.

    Example:
        >>> import cotangent as torch
        >>> import numpy as np
        >>> a = np.zeros(2)
        >>> torch.as_tensor(a)[0] = 1
        >>> a
        array([1., 0.])
    """
    if data is REQUIRED:
        missing("as_tensor", "data")
    dtype = check_dtype("as_tensor", dtype)
    if device is not None:
        check_device(device, "as_tensor")
    if isinstance(data, Tensor):
        made = data if dtype is None or dtype is data.dtype else data.to(dtype)
        return made if device is None else made.to(device)
    same = isinstance(data, np.ndarray) and (dtype is None or dtypes.from_numpy(data.dtype) is dtype)
    if same and device is None:
        return from_numpy(data)
    return placed(born(as_array(data, dtype, copy=False)), device)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Any:
    """A tensor on the memory of a NumPy array.

    Args:
        ndarray: array of a dtype that tensors have.

    Returns:
        a tensor that sees every change of the array, and the other way round.

    Raises:
        TypeError: if it is no array or of another dtype.
        ValueError: if its strides are negative, or its bytes in another order than this machine's.

    Example:
        >>> import cotangent as torch
        >>> import numpy as np
        >>> torch.from_numpy(np.arange(3))
        tensor([0, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    _array_dtype(ndarray)
    if not ndarray.flags.writeable:
        warn_once(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This "
            "means writing to this tensor will result in undefined behavior. You may want to copy the array "
            "to protect its data or make it writable before converting it to a tensor. This type of warning "
            "will be suppressed for the rest of this program."
        )
    lend(ndarray)
    return born(ndarray.view(np.ndarray))


def scalar_tensor(
    s: Any, *, dtype: _dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """A 0-d tensor of one number, of the default dtype unless another is given.

    Args:
        s: the number.
        dtype: element type.
        device: "cpu" or None.
        requires_grad: whether gradients flow to it.

    Returns:
        a 0-d tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.scalar_tensor(2)
        tensor(2.)
    """
    d = dtype or (settings.default_dtype.to_complex() if isinstance(s, complex) else settings.default_dtype)
    return placed(born(np.asarray(s).astype(d.np), requires_grad), device)


def legacy_tensor(
    cls: Any, d: _dtype, args: tuple[Any, ...], kwargs: dict[str, Any], any_dtype: bool = False
) -> Any:
    """What the old constructors make: `Tensor(2, 3)` is unfilled, `Tensor([2, 3])` holds the numbers.

    A tensor given is viewed; where `any_dtype` is not set, its dtype has to be `d`.
    """
    if kwargs.get("device") is not None:
        check_device(kwargs["device"])
    if "size" in kwargs and not args:
        args = tuple(kwargs["size"])
    if not args:
        array: Any = np.empty((0,), d.np)
    elif len(args) == 1 and isinstance(args[0], Tensor):
        source = args[0]
        if source.dtype is not d and not any_dtype:
            raise TypeError(f"expected {_options(d)} (got {_options(source.dtype)})")
        return of_class(alias(source), cls)
    elif len(args) == 1 and is_storage(args[0]):
        check_storage(args[0], d, dtypes.SCALAR_NAME[d])
        array = typed(args[0], d)
    elif len(args) == 1 and not isinstance(args[0], (int, np.integer)):
        data = args[0]
        if isinstance(data, str) or not (isinstance(data, np.ndarray) or _is_sequence(data)):
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
        is_size = type(data).__name__ == "Size"
        array = unwritten(np.empty(tuple(data), d.np)) if is_size else as_array(data, None).astype(d.np)
    else:
        if any(not hasattr(n, "__index__") for n in args):
            raise TypeError(
                "new() received an invalid combination of arguments - got "
                f"({', '.join(type_name(a) for a in args)})"
            )
        shape = [n.__index__() for n in args]
        for n in shape:
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {shape}")
        array = unwritten(np.zeros(shape, d.np))
    t = new(cls)
    t._data = array
    t._req = False
    t._node = t._vc = t._view = t._cut = None
    return t


def _options(d: _dtype) -> str:
    name = dtypes.CPP_NAME[d] + (" int" if d is dtypes.int64 else "")
    return (
        f"TensorOptions(dtype={name}, device=cpu, layout=Strided, requires_grad=false (default), "
        "pinned_memory=false (default), memory_format=(nullopt))"
    )


LEGACY_NEW.append(legacy_tensor)
__all__ = ["as_tensor", "from_numpy", "scalar_tensor", "tensor"]
