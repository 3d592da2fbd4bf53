"""Memory handed to and taken from other libraries without a copy: DLPack and Python's buffers.

NumPy writes and reads the capsules. What it does not know is changed in the capsule: it hands out numbers of
bfloat16 as integers of 16 bits, and takes capsules of the older form as not to be written.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np

from . import dtypes
from .config import settings, warn_once
from .creation import as_array, born, check_dtype, from_numpy, placed
from .dtypes import dtype as _dtype
from .errors import type_name
from .kernels.deferred import Deferred
from .kernels.sparse import Coo
from .ops.arguments import missing
from .size import check_device, device as _device
from .tensor import Tensor

_CPU: Final = (1, 0)
_UNSIGNED, _BFLOAT = 1, 4  # codes of DLPack
# Name of a capsule -> where in its struct the code of the type is.
_CODES: Final = {b"dltensor": 20, b"dltensor_versioned": 52}

_pointer_in: Final = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.argtypes, _pointer_in.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
_is_named: Final = ctypes.pythonapi.PyCapsule_IsValid
_is_named.argtypes, _is_named.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int


def _code(capsule: Any) -> Any:
    """The byte of a capsule that says which kind of numbers it holds; None for a capsule that is used up."""
    for name, offset in _CODES.items():
        if _is_named(capsule, name):
            return ctypes.c_uint8.from_address(_pointer_in(capsule, name) + offset)
    return None


def capsule_of(t: Any, stream: Any, max_version: Any, dl_device: Any, copy: Any) -> Any:
    """The capsule of a tensor, as `Tensor.__dlpack__` returns it."""
    if stream is not None and not isinstance(stream, int):
        raise TypeError("stream must be ``int`` or ``none``")
    if t._req:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    data = t._data
    if isinstance(data, Coo):
        raise BufferError("Can't export tensors with layout other than torch.strided")
    if data.__class__ is Deferred:
        bit = "conjugate" if t.is_conj() else "negative"
        raise BufferError(f"Can't export tensors with the {bit} bit set")
    if stream is not None and stream != -1:
        raise AssertionError("stream should be None on cpu.")
    if dl_device is not None and tuple(dl_device) != _CPU:
        raise BufferError(f"Can't export tensors to the device {dl_device}: there is only the CPU")
    if copy:
        data = data.copy()
    as_bits = t.dtype is dtypes.bfloat16
    options = {} if max_version is None else {"max_version": max_version}
    capsule = (data.view(np.uint16) if as_bits else data).__dlpack__(**options)
    if as_bits:
        _code(capsule).value = _BFLOAT
    return capsule


class _Capsule:
    """A capsule as an object that speaks DLPack."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


def _writable(array: Any) -> Any:
    """The same memory, to be written."""
    low = array.__array_interface__["data"][0]
    steps = list(zip(array.shape, array.strides, strict=True))
    below = sum((n - 1) * s for n, s in steps if s < 0)
    size = sum((n - 1) * abs(s) for n, s in steps) + array.itemsize
    memory = (ctypes.c_char * size).from_address(low + below)
    memory.owner = array  # the capsule's memory lives as long as this does
    bytes_of = np.frombuffer(memory, np.uint8)
    return np.ndarray(array.shape, array.dtype, bytes_of, -below, array.strides)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """A tensor on the memory of an object that speaks DLPack.

    Args:
        ext_tensor: an object with `__dlpack__`, or a capsule.
        device: the CPU.
        copy: whether to copy the memory.

    Returns:
        a tensor on the same memory.

    Raises:
        RuntimeError: for an object that does not speak DLPack.

    Example:
        >>> import cotangent as torch
        >>> import numpy as np
        >>> torch.from_dlpack(np.arange(2))
        tensor([0, 1])
        >>> torch.from_dlpack(torch.ones(2, dtype=torch.bfloat16))
        tensor([1., 1.], dtype=torch.bfloat16)
    """
    if device is not None and _device(device).type != "cpu":
        raise BufferError(f"Can't import tensors to the device {device}: there is only the CPU")
    if type_name(ext_tensor) == "PyCapsule":
        capsule = ext_tensor
    elif not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, "
            "so you might have already constructed a tensor from it once."
        )
    else:
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0))
        except TypeError:  # an exporter of the older protocol
            capsule = ext_tensor.__dlpack__()
    code = _code(capsule)
    if code is None:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, "
            "so you might have already constructed a tensor from it once."
        )
    as_bits = code.value == _BFLOAT
    if as_bits:
        code.value = _UNSIGNED
    old = _is_named(capsule, b"dltensor")
    array = np.from_dlpack(_Capsule(capsule))
    if old and array.size and not array.flags.writeable:
        array = _writable(array)
    if as_bits:
        array = array.view(dtypes.bfloat16.np)
    return born(array.copy() if copy else array)


def frombuffer(
    buffer: Any, *, dtype: Any = None, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Any:
    """A 1-d tensor on the memory of an object with a buffer (bytes, bytearray, memoryview, ...).

    Args:
        buffer: the object.
        dtype: element type to read.
        count: number of elements; all if negative.
        offset: bytes to skip.
        requires_grad: whether gradients flow to it.

    Returns:
        a tensor that shares the buffer's memory.

    Raises:
        ValueError: if the buffer is too short, or if there is none.

    Example:
        >>> import cotangent as torch
        >>> torch.frombuffer(bytearray([1, 0, 2, 0]), dtype=torch.int16)
        tensor([1, 2], dtype=torch.int16)
    """
    if dtype is None:
        missing("frombuffer", "dtype")
    if not isinstance(dtype, _dtype):
        raise TypeError(f"frombuffer(): argument 'dtype' must be torch.dtype, not {type_name(dtype)}")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    if not view.contiguous:
        raise ValueError("ndarray is not C-contiguous")
    size, each = view.nbytes, dtype.itemsize
    if not size or not count:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) "
            "minus 1"
        )
    if count < 0 and (size - offset) % each:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            f"element size ({each})"
        )
    if count > 0 and offset + count * each > size:
        raise ValueError(
            f"requested buffer length ({count} * {each} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({size} bytes)"
        )
    if view.readonly:
        warn_once(_READ_ONLY, 2)
    found = np.frombuffer(view, np.uint8, count * each if count > 0 else -1, offset)
    if not found.flags.writeable:
        found = _writable(found)
    return born(found.view(dtype.np), requires_grad)


_READ_ONLY: Final = (
    "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
    "write to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the "
    "buffer to protect its data or make it writable before converting it to a tensor. This type of warning "
    "will be suppressed for the rest of this program."
)


def asarray(
    obj: Any,
    *,
    dtype: _dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Any:
    """`obj` as a tensor, sharing memory unless a copy is asked for or needed.

    Args:
        obj: tensor, NumPy array, buffer, number or nested sequence.
        dtype: element type; that of `obj` if None.
        device: "cpu", "meta" or None.
        copy: True to always copy, False to raise where a copy is needed, None to copy if needed.
        requires_grad: whether gradients flow to it; as to `obj` if None. A tensor that is returned as it is
            changes.

    Returns:
        a tensor.

    Raises:
        ValueError: if `copy` is False and a copy is needed.
        RuntimeError: if gradients shall flow to integers.

    Example:
        >>> import cotangent as torch
        >>> torch.asarray([1, 2])
        tensor([1, 2])
    """
    dtype = check_dtype("asarray", dtype)
    if copy is not None and not isinstance(copy, bool):
        raise TypeError(f"asarray(): argument 'copy' must be bool, not {type_name(copy)}")
    where = None if device is None else check_device(device, "asarray")
    made: Any = None
    if isinstance(obj, Tensor):
        made = obj
    elif isinstance(obj, np.ndarray):
        made = from_numpy(obj)
    elif isinstance(obj, np.generic):
        if copy is False:
            raise RuntimeError(
                "can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. "
            )
        made = from_numpy(np.array(obj))
    elif type_name(obj) == "PyCapsule":
        made = from_dlpack(obj)
    elif not isinstance(obj, (list, tuple)) and _has_buffer(obj):
        made = frombuffer(obj, dtype=dtype or settings.default_dtype, requires_grad=bool(requires_grad))
    if made is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        made = placed(born(as_array(obj, dtype), False), device)
    else:
        made = _as_asked(made, dtype, where, copy)
    if requires_grad is None:
        requires_grad = isinstance(obj, Tensor) and obj.requires_grad
        if requires_grad:
            warn_once(_AS_GIVEN, 2)
    return _needing_grad(made, requires_grad)


_AS_GIVEN: Final = (
    "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False. Pass "
    "requires_grad=False explicitly to get the old behavior and silence this warning."
)


def _as_asked(t: Any, dtype: _dtype | None, where: _device | None, copy: bool | None) -> Any:
    """A tensor in another dtype or place, if need be, or copied."""
    moved = where is not None and where.type != t.device.type
    other = dtype is not None and dtype is not t.dtype
    if moved and copy is False:
        raise ValueError(f"can't alias tensor from device '{t.device}' to '{where}'.")
    if dtype is not None and other and copy is False:
        names = dtypes.SCALAR_NAME
        raise ValueError(f"can't alias tensor with dtype '{names[t.dtype]}' into dtype '{names[dtype]}'.")
    if moved or other:
        return t.to(device=where or t.device, dtype=dtype or t.dtype)
    return t.clone() if copy else t


def _needing_grad(t: Any, wanted: bool) -> Any:
    if wanted and t.dtype.category < dtypes.FLOATING:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    if t.requires_grad == wanted:
        return t
    return t.requires_grad_(wanted) if t.is_leaf else t.detach()


def _has_buffer(obj: Any) -> bool:
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True
