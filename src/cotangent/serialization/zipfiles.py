"""The archives of `torch.save` record by record, under PyTorch's private names, which some programs use."""

from __future__ import annotations

import os
from typing import IO, Any, Self

import numpy as np

from ..creation import born
from ..dtypes import SCALAR_NAME
from .archive import Reader, Writer

__all__ = ["PyTorchFileReader", "_open_zipfile_reader", "_open_zipfile_writer"]


class _Archive:
    """An archive that a `with` block closes, and with it the file if it was given by its path."""

    def __init__(self, name_or_buffer: str | os.PathLike[str] | IO[bytes], mode: str) -> None:
        self._own = isinstance(name_or_buffer, (str, os.PathLike))
        self._file: Any = name_or_buffer
        if isinstance(name_or_buffer, (str, os.PathLike)):
            self._file = open(name_or_buffer, mode)  # noqa: SIM115  # `__exit__` closes it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._own:
            self._file.close()


class PyTorchFileReader(_Archive):
    """Read an archive, record by record.

    Args:
        name_or_buffer: path, or an object open for reading bytes that can seek.
    """

    def __init__(self, name_or_buffer: str | os.PathLike[str] | IO[bytes]) -> None:
        super().__init__(name_or_buffer, "rb")
        self._reader = Reader(self._file, None)

    def has_record(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return name in self._reader

    def get_record(self, name: str) -> bytes:
        """The bytes of a record."""
        return self._reader.read(name)

    def get_all_records(self) -> list[str]:
        """The names of all records."""
        return self._reader.names()

    def get_record_size(self, name: str) -> int:
        """The bytes of a record."""
        return self._reader.size(name)

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """The numbers of a record, as the storage of an empty tensor.

        Args:
            name: of the record.
            numel: how many there are.
            dtype: of the numbers.

        Raises:
            RuntimeError: if the record is of another size.
        """
        held, wanted = self._reader.size(name), numel * dtype.itemsize
        if held != wanted:
            raise RuntimeError(
                f"record size ({held} bytes) does not match expected size ({wanted} bytes = {numel} elements "
                f"* {dtype.itemsize} bytes/element) for dtype {SCALAR_NAME[dtype]}"
            )
        return born(np.frombuffer(bytearray(self._reader.read(name)), dtype.np))[:0]


class _open_zipfile_reader(PyTorchFileReader):
    """The reader as a context."""


class _open_zipfile_writer(_Archive):
    """Write an archive.

    Args:
        name_or_buffer: path, or an object open for writing bytes.
    """

    def __init__(self, name_or_buffer: str | os.PathLike[str] | IO[bytes]) -> None:
        super().__init__(name_or_buffer, "wb")
        base = os.path.basename(os.fspath(name_or_buffer)) if self._own else "archive"  # type: ignore[arg-type]
        self._writer = Writer(self._file, os.path.splitext(base)[0])

    def write_record(self, name: str, data: Any, size: int) -> None:
        """Add a record: the first `size` bytes of `data`."""
        self._writer.write(name, memoryview(data).cast("B")[:size])

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self._writer.close()
        super().__exit__(*exception)
