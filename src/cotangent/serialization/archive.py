"""PyTorch's file format: a zip archive of uncompressed records, each aligned in the file.

`NAME/data.pkl` is the pickle, `NAME/data/KEY` the bytes of one storage, `NAME/version` and
`NAME/byteorder` say how to read them. (https://pytorch.org/docs/stable/notes/serialization.html)
"""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np

VERSION: Final = b"3\n"
ALIGNMENT: Final = 64
_CHUNK: Final = 1 << 24
_LOCAL_HEADER: Final = 30
_PADDING_ID: Final = b"FB"  # the extra field that PyTorch's own writer pads with
_ZIP64_FIELD: Final = 20
_SMALLEST: Final = 22  # the closing record of a zip archive
CORRUPT: Final = (
    "This is an internal miniz error. If you are seeing this error, there is a high likelihood that your"
    " checkpoint file is corrupted. This can happen if the checkpoint was not saved properly, was"
    " transferred incorrectly, or the file was modified after saving."
)

# What zipfile raises on damaged bytes.
_DAMAGE: Final = (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError)


@contextmanager
def replaced(path: str) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end, and only if nothing went wrong.

    The bytes go to a temporary file in the same directory, reach the disk, and are renamed: whoever reads
    `path` sees the old file or the whole new one.

    Args:
        path: where the file is wanted. What is no regular file (a device, a pipe) is written directly.
    """
    target = os.path.realpath(path)
    exists = os.path.exists(target)
    if exists and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    with open(temporary, "xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if exists:
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


class Writer:
    """Writes the records of an archive.

    Args:
        file: open for writing.
        name: the archive's name, the first part of every record's.
    """

    def __init__(self, file: Any, name: str) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self._name = name
        self._sum = 0

    def write(self, record: str, data: Any) -> None:
        """Add a record.

        Args:
            record: its name.
            data: bytes, or a flat array of them.
        """
        view = memoryview(data).cast("B")
        self._sum = zlib.crc32(view, self._sum)
        info = zipfile.ZipInfo(f"{self._name}/{record}", (1980, 1, 1, 0, 0, 0))
        info.file_size = len(view)
        large = len(view) > 1 << 30
        assert self._zip.fp is not None
        start = self._zip.fp.tell() + _LOCAL_HEADER + len(info.filename.encode()) + _ZIP64_FIELD * large
        padding = -(start + 4) % ALIGNMENT
        info.extra = _PADDING_ID + padding.to_bytes(2, "little") + b"Z" * padding
        with self._zip.open(info, "w", force_zip64=large) as out:
            for begin in range(0, len(view), _CHUNK):
                out.write(view[begin : begin + _CHUNK])

    def close(self) -> None:
        """Write the closing records and the directory."""
        self.write("version", VERSION)
        self.write(".data/serialization_id", f"{self._sum:020d}{len(self._zip.filelist):020d}".encode())
        self._zip.close()


class Reader:
    """Reads the records of an archive, checking each against its sum.

    Args:
        file: open for reading.
        path: the file's name if it has one, for mapping it into memory.

    Raises:
        RuntimeError: if it is no archive of PyTorch's, or a damaged one.
    """

    def __init__(self, file: Any, path: str | None) -> None:
        self._file = file
        self._path = path
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGE as error:
            short = file.seek(0, os.SEEK_END) < _SMALLEST
            fault = "not a ZIP archive" if short else "failed finding central directory"
            raise RuntimeError(
                f"PytorchStreamReader failed reading zip archive: {fault}. {CORRUPT}"
            ) from error
        names = self._zip.namelist()
        if not names:
            raise RuntimeError(
                f"PytorchStreamReader failed reading zip archive: it has no records. {CORRUPT}"
            )
        self._name = names[0].partition("/")[0]
        self._infos = {info.filename: info for info in self._zip.infolist()}

    def __contains__(self, record: str) -> bool:
        return f"{self._name}/{record}" in self._infos

    def _info(self, record: str) -> zipfile.ZipInfo:
        info = self._infos.get(f"{self._name}/{record}")
        if info is None:
            raise RuntimeError(
                f"PytorchStreamReader failed locating file {record}: file not found. {CORRUPT}"
            )
        return info

    def size(self, record: str) -> int:
        """The number of bytes of a record."""
        return self._info(record).file_size

    def read(self, record: str) -> bytes:
        """The bytes of a (small) record."""
        info = self._info(record)
        try:
            with self._lock:
                return self._zip.read(info)
        except (*_DAMAGE, zlib.error, RuntimeError) as error:
            raise RuntimeError(
                f"PytorchStreamReader failed reading file {record}: {error or 'it ends too early'}. {CORRUPT}"
            ) from error

    def array(self, record: str) -> np.ndarray[Any, Any]:
        """The bytes of a record in an array of its own."""
        info = self._info(record)
        if info.compress_type != zipfile.ZIP_STORED:
            return np.frombuffer(self.read(record), np.uint8).copy()
        with self._lock:
            self._file.seek(self._offset(record, info))
            made = np.empty(info.file_size, np.uint8)
            view, done = memoryview(made.data), 0
            while done < len(view):
                piece = self._file.read(min(_CHUNK, len(view) - done))
                if not piece:
                    raise RuntimeError(
                        f"PytorchStreamReader failed reading file {record}: it ends too early. {CORRUPT}"
                    )
                view[done : done + len(piece)] = piece
                done += len(piece)
        if zlib.crc32(view) != info.CRC:
            raise RuntimeError(
                f"PytorchStreamReader failed reading file {record}: its bytes do not have the sum written"
                f" with them. {CORRUPT}"
            )
        return made

    def mapped(self, record: str, shared: bool) -> np.ndarray[Any, Any]:
        """The bytes of a record as the file's own memory; they are read when they are first looked at.

        Args:
            record: its name.
            shared: whether writing to the array writes to the file.
        """
        info = self._info(record)
        if info.compress_type != zipfile.ZIP_STORED or self._path is None:
            raise RuntimeError(f"the record {record} is compressed and cannot be mapped into memory")
        offset = self._offset(record, info)
        if not info.file_size:
            return np.empty(0, np.uint8)
        return np.asarray(np.memmap(self._path, np.uint8, "r+" if shared else "c", offset, (info.file_size,)))

    def _offset(self, record: str, info: zipfile.ZipInfo) -> int:
        """Where the record's bytes begin, from its own header."""
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\3\4":
            raise RuntimeError(
                f"PytorchStreamReader failed reading file {record}: its header is damaged. {CORRUPT}"
            )
        name_length, extra_length = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        begin = info.header_offset + _LOCAL_HEADER + name_length + extra_length
        if begin + info.file_size > self._file.seek(0, os.SEEK_END):
            raise RuntimeError(
                f"PytorchStreamReader failed reading file {record}: it ends too early. {CORRUPT}"
            )
        return begin


NATIVE: Final = sys.byteorder
MAP_PRIVATE: Final = getattr(mmap, "MAP_PRIVATE", 2)
MAP_SHARED: Final = getattr(mmap, "MAP_SHARED", 1)
