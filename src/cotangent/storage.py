"""The memory behind tensors as an object: `UntypedStorage` (bytes) and the deprecated typed ones.

A storage is the whole block of memory that a tensor and its views look into. It owns nothing of its
own: it is a flat array of bytes over the same memory, so writing through it changes the tensors.
"""

from __future__ import annotations

import os
from typing import Any, Final, NoReturn

import numpy as np

from . import dtypes, lazy
from .config import warn_once
from .dtypes import dtype
from .kernels.shape import memory
from .storage_base import Storage

storages: Any = lazy.module("cotangent.kernels.storages")

DEPRECATED: Final = (
    "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only"
    " storage class. This should only matter to you if you are using storages directly.  To access"
    " UntypedStorage directly, use tensor.untyped_storage() instead of tensor.storage()"
)


class UntypedStorage(Storage):
    """A block of bytes.

    Args:
        content: how many bytes, or their values; none by default.
        device: only the CPU.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([1, 2], dtype=torch.int16)
        >>> x[1:].untyped_storage().tolist()
        [1, 0, 2, 0]
    """

    __module__ = "torch.storage"
    filename: str | None = None  # of the file whose memory it is
    _shows_places = True

    def __init__(self, content: Any = 0, *, device: Any = None) -> None:
        content = content if isinstance(content, int) else storages.bytes_of(content)
        self._allot(content, np.dtype(np.uint8), device)

    @classmethod
    def over(cls, array: Any) -> UntypedStorage:
        """The storage behind an array.

        Args:
            array: NumPy array.

        Returns:
            the whole block of memory the array looks into; a copy where that is no dense block.

        Example:
            >>> import numpy as np
            >>> from cotangent.storage import UntypedStorage
            >>> UntypedStorage.over(np.zeros(3)[1:]).nbytes()
            24
        """
        made = cls.__new__(cls)
        made._array = memory(array)
        return made

    @classmethod
    def from_buffer(
        cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0, *,
        dtype: dtype | None = None,
    ) -> UntypedStorage:  # fmt: skip
        """A copy of the bytes of a buffer.

        Args:
            buffer: anything with a buffer.
            byte_order: in which its numbers are: "native", "big" or "little".
            count: of numbers; all if negative.
            offset: bytes to skip.
            dtype: of its numbers.

        Raises:
            RuntimeError: without `dtype`, or without the order of numbers of several bytes.
            ValueError: for another order, or a buffer that does not have so many.
        """
        if dtype is None:
            raise RuntimeError("argument 'dtype' cannot be None")
        return cls.over(storages.copied_from(buffer, byte_order, count, offset, dtype))

    @classmethod
    def from_file(cls, filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """Map a file into memory.

        Args:
            filename: path.
            shared: whether writing to the storage writes to the file, which is made longer where needed.
            nbytes: how many bytes.

        Raises:
            RuntimeError: if there is no such file, or it has not as many bytes.
        """
        if not nbytes:
            return cls()
        made = cls.__new__(cls)
        if shared:
            with open(filename, "ab") as file:
                if file.tell() < nbytes:
                    file.truncate(nbytes)
        try:
            held = os.path.getsize(filename)
        except OSError as error:
            raise RuntimeError(
                f"unable to open file <{filename}> in read-only mode: {error.strerror} ({error.errno})"
            ) from None
        if held < nbytes:
            raise RuntimeError(
                f"file <{filename}> size <{held}> is smaller than the required mapping size <{nbytes}>"
            )
        mapped = np.memmap(filename, np.uint8, "r+" if shared else "c", shape=(nbytes,))
        made._array = np.asarray(mapped)
        made.filename = os.fspath(filename) if shared else None
        return made

    def _like(self, array: Any) -> UntypedStorage:
        return UntypedStorage.over(array)

    def __reduce__(self) -> Any:
        self._readable()
        return _again, (self._array.tobytes(), None)

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def _refuse_index(self, index: Any) -> NoReturn:
        raise TypeError(f"can't index a torch.UntypedStorage with {type(index).__name__}")

    def _element(self, value: Any) -> int:
        if not isinstance(value, int):
            kind = type(value).__name__
            raise RuntimeError(f"can only set storage content with a int types, but got {kind} instead")
        return value & 255

    def fill_(self, value: Any) -> UntypedStorage:
        """Set every byte to `value`, or to its lowest 8 bits."""
        if not isinstance(value, int):
            raise RuntimeError(f"fill_ expects int, but got {type(value).__name__}")
        return super().fill_(value)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Any:
        found = self._array[self._position(index)]
        if not isinstance(index, slice):
            return int(found)
        part = UntypedStorage.__new__(UntypedStorage)  # of the same memory
        part._array = found
        return part

    def type(self, dtype: Any = None) -> Any:
        """The name of the class; with a dtype, a copy converted to it."""
        return "torch.storage.UntypedStorage" if dtype is None else self._to(dtype)

    def _to(self, to: dtype) -> TypedStorage:
        """The bytes as numbers of another dtype."""
        return TypedStorage(self._array.astype(to.np), dtype=to, _internal=True)

    def byteswap(self, dtype: dtype) -> None:
        """Turn round the bytes of each element of that dtype, in place."""
        width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
        if len(self) % width:
            raise RuntimeError(f"the length of data is not a multiple of {width}")
        if width > 1:
            self._array.view(f"u{width}").byteswap(inplace=True)

    def __repr__(self) -> str:
        return self._text("UntypedStorage(")


class TypedStorage(Storage):
    """A block of numbers of one dtype; deprecated in PyTorch in favour of `UntypedStorage`.

    Args:
        content: how many numbers, or their values; none by default.
        wrap_storage: the bytes to look at, instead.
        dtype: the dtype; the default dtype's storage classes are `torch.FloatStorage` and so on.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.storage import TypedStorage
        >>> TypedStorage(wrap_storage=torch.ones(2).untyped_storage(), dtype=torch.float32).tolist()
        [1.0, 1.0]
    """

    __module__ = "torch.storage"

    def __init__(
        self, content: Any = 0, *, wrap_storage: UntypedStorage | None = None, dtype: dtype | None = None,
        device: Any = None, _internal: bool = False,
    ) -> None:  # fmt: skip
        if not _internal:
            warn_once(DEPRECATED, 2)
        self.dtype: dtypes.dtype = dtype or dtypes.float32
        if wrap_storage is not None:
            data, self._meta = wrap_storage._array, wrap_storage._meta
            if self._meta:
                self._allot(len(data) // self.dtype.itemsize, self.dtype.np, "meta")
                return
            whole = len(data) // self.dtype.itemsize * self.dtype.itemsize
            self._array = np.ndarray((whole // self.dtype.itemsize,), self.dtype.np, data)
        else:
            self._allot(content, self.dtype.np, device)

    def _like(self, array: Any) -> TypedStorage:
        return TypedStorage(wrap_storage=UntypedStorage.over(array), dtype=self.dtype, _internal=True)

    def __reduce__(self) -> Any:
        self._readable()
        return _again, (self._array.tobytes(), self.dtype)

    def resize_(self, size: int) -> None:
        """Change the size; unlike that of bytes it returns nothing.

        Raises:
            RuntimeError: as for bytes.
        """
        super().resize_(size)

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        if self._meta:
            return UntypedStorage(self.nbytes(), device="meta")
        return UntypedStorage.over(self._array)

    @property
    def _untyped_storage(self) -> UntypedStorage:
        return self.untyped()

    def _element(self, value: Any) -> Any:
        if not isinstance(value, (int, float, complex)):
            name = class_name(self.dtype).replace("Storage", "Tensor")
            raise TypeError(f"can't assign a {type(value).__name__} to a torch.{name}")
        return storages.element_of(value, self.dtype)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._array[self._position(index)].item()

    def type(self, dtype: Any = None) -> Any:
        """The name of the storage class; with a dtype, a copy converted to it."""
        return f"torch.{class_name(self.dtype)}" if dtype is None else self._to(dtype)

    def pickle_storage_type(self) -> str:
        """The name by which files call it."""
        return class_name(self.dtype)

    def _to(self, to: dtype) -> TypedStorage:
        """The same numbers in another dtype."""
        return self if to is self.dtype else TypedStorage(self._array.astype(to.np), dtype=to, _internal=True)

    def __repr__(self) -> str:
        return self._text(f"TypedStorage(dtype={self.dtype}, ")


def _again(content: bytes, d: dtype | None) -> UntypedStorage | TypedStorage:
    """A storage out of a pickle."""
    held = UntypedStorage.over(np.frombuffer(content, np.uint8).copy())
    return held if d is None else TypedStorage(wrap_storage=held, dtype=d, _internal=True)


def is_storage(obj: Any) -> bool:
    """Whether something is a storage, of bytes or of numbers.

    Args:
        obj: anything.

    Example:
        >>> import cotangent as torch
        >>> torch.is_storage(torch.ones(1).untyped_storage()), torch.is_storage(torch.ones(1))
        (True, False)
    """
    return isinstance(obj, Storage)


def check_storage(source: Any, d: dtype, wanted: str) -> None:
    """Refuse a storage of numbers for a tensor of another dtype, which the error calls by `wanted`."""
    if isinstance(source, TypedStorage) and source.dtype is not d:
        raise RuntimeError(
            f"Expected a Storage of type {wanted} or an UntypedStorage, but got type "
            f"{dtypes.SCALAR_NAME[source.dtype]} for argument 1 'storage'"
        )


def typed(source: Any, d: dtype) -> Any:
    """The memory of a storage as an array of one dtype."""
    return TypedStorage(wrap_storage=source.untyped(), dtype=d, _internal=True)._array


def class_name(d: dtype) -> str:
    """The name of PyTorch's storage class for a dtype.

    Args:
        d: any dtype; those without a class of their own go by bytes.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.storage import class_name
        >>> class_name(torch.int64)
        'LongStorage'
    """
    return d.type_name.replace("Tensor", "Storage")


def _converter(d: dtype) -> Any:
    def convert(self: UntypedStorage | TypedStorage) -> TypedStorage:
        return self._to(d)

    convert.__doc__ = f"The same numbers as {d}."
    return convert


class _NamedStorage(type):
    """Metaclass of `FloatStorage` and the like: they make and recognise TypedStorages of one dtype."""

    dtype: dtype

    @property
    def _dtype(cls) -> Any:
        return cls.dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __call__(
        cls, content: Any = 0, *, wrap_storage: Any = None, device: Any = None, _internal: bool = False
    ) -> TypedStorage:
        return TypedStorage(
            content, wrap_storage=wrap_storage, dtype=cls.dtype, device=device, _internal=_internal
        )

    def from_buffer(
        cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0
    ) -> TypedStorage:
        """A copy of the numbers in a buffer, whose bytes are in that order ("native", "big" or "little")."""
        held = UntypedStorage.over(storages.copied_from(buffer, byte_order, count, offset, cls.dtype))
        return TypedStorage(wrap_storage=held, dtype=cls.dtype)

    def from_file(cls, filename: str, shared: bool = False, size: int = 0) -> TypedStorage:
        """Map a file's first `size` numbers into memory; see `UntypedStorage.from_file`."""
        held = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return TypedStorage(wrap_storage=held, dtype=cls.dtype, _internal=True)


def _set_item(self: TypedStorage, index: Any, value: Any) -> None:
    self[index] = value


def _deep(self: TypedStorage, memo: dict[Any, Any]) -> Any:
    return self.__deepcopy__(memo)


TypedStorage._setitem, TypedStorage._deepcopy = _set_item, _deep  # type: ignore[attr-defined]
for _name in (
    "size", "resize_", "is_shared", "share_memory_", "pickle_storage_type", "element_size", "data_ptr",
    "nbytes",
):  # fmt: skip
    # PyTorch's own calls, which do not say that the class is deprecated.
    setattr(TypedStorage, f"_{_name}", getattr(TypedStorage, _name))

# The dtypes that PyTorch has a storage class for.
CLASSES: Final[dict[str, Any]] = {
    class_name(d): _NamedStorage(class_name(d), (), {"__module__": "torch", "dtype": d, "__slots__": ()})
    for d in dtypes.ALL
    if not d.name.startswith("uint") or d.itemsize == 1
}
for _method, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8,
    "byte": dtypes.uint8, "bool": dtypes.bool_,
    "complex_float": dtypes.complex64, "complex_double": dtypes.complex128,
}.items():  # fmt: skip
    setattr(Storage, _method, _converter(_dtype))


def _dtype_to_storage_type_map() -> dict[dtype, str]:
    """The names of PyTorch's storage classes, by dtype."""
    return {kind.dtype: name for name, kind in CLASSES.items()}


def _storage_type_to_dtype_map() -> dict[str, dtype]:
    """The dtypes of PyTorch's storage classes, by name."""
    return {name: kind.dtype for name, kind in CLASSES.items()}
