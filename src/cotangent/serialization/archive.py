"""PyTorch's file format: a zip archive of uncompressed records, each aligned in the file.

`NAME/data.pkl` is the pickle, `NAME/data/KEY` the bytes of one storage, `NAME/version` and
`NAME/byteorder` say how to read them. (https://pytorch.org/docs/stable/notes/serialization.html)
"""

from __future__ import annotations

import os
import secrets
import stat
import struct
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np

from .settings import save

VERSION: Final = b"3\n"
_CHUNK: Final = 1 << 24
RECORD: Final = b"PK\3\4"  # how a record begins, and so an archive
_LOCAL_HEADER: Final = 30
_PADDING_ID: Final = b"FB"  # the extra field that PyTorch's own writer pads with
_ZIP64: Final = 1  # the extra field with sizes that need more than 32 bits
_LONG: Final = 0xFFFFFFFF
_MANY: Final = 0xFFFF
_VERSION_NEEDED: Final = 45  # the first with ZIP64
_UTF8: Final = 0x800
_EPOCH: Final = 0x21  # 1 January 1980
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


class Seekable:
    """A file-like object that does not say whether it can seek: it can.

    Args:
        file: has `read`, `seek` and `tell`.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def seekable(self) -> bool:
        """Yes."""
        return True


def fill(file: Any, view: memoryview) -> int:
    """Read bytes into memory, without a copy where the file can do that.

    Args:
        file: open for reading.
        view: where the bytes go.

    Returns:
        How many bytes there were too few.
    """
    done = 0
    into = getattr(file, "readinto", None)
    while done < len(view):
        piece = view[done : done + _CHUNK]
        if into is not None:
            count = into(piece)
        else:
            data = file.read(len(piece))
            count = len(data)
            piece[:count] = data
        if not count:
            break
        done += count
    return len(view) - done


@dataclass(frozen=True)
class _Entry:
    """A record as the directory lists it."""

    name: bytes
    crc: int
    size: int
    offset: int


class Writer:
    """Writes the records of an archive, only ever forwards: the file needs to have `write` alone.

    The fields of the format are those of PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16 and 4.5.3.

    Args:
        file: open for writing.
        name: the archive's name, the first part of every record's.
    """

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name
        self._sum = 0
        self._place = 0
        self._entries: list[_Entry] = []

    def _put(self, data: Any) -> None:
        self._file.write(data)
        self._place += len(data)

    def write(self, record: str, data: Any) -> None:
        """Add a record.

        Args:
            record: its name.
            data: bytes, or a flat array of them.
        """
        view = memoryview(data).cast("B")
        crc = 0
        if save.compute_crc32:
            crc = zlib.crc32(view)
            self._sum = zlib.crc32(crc.to_bytes(4, "little"), self._sum)
        name = f"{self._name}/{record}".encode()
        size = len(view)
        long = struct.pack("<HHQQ", _ZIP64, 16, size, size) if size >= _LONG else b""
        begin = self._place + _LOCAL_HEADER + len(name) + len(long) + 4
        padding = -begin % save.storage_alignment
        extra = long + _PADDING_ID + padding.to_bytes(2, "little") + b"Z" * padding
        entry = _Entry(name, crc, size, self._place)
        shown = min(size, _LONG)
        self._put(RECORD + _common(entry, shown, shown, len(extra)) + name + extra)
        self._entries.append(entry)
        for start in range(0, size, _CHUNK):
            self._put(view[start : start + _CHUNK])

    def close(self) -> None:
        """Write the closing records and the directory."""
        self.write("version", VERSION)
        self.write(".data/serialization_id", f"{self._sum:020d}{len(self._entries):020d}".encode())
        begin = self._place
        for entry in self._entries:
            wide = [n for n in (entry.size, entry.size, entry.offset) if n >= _LONG]
            extra = struct.pack(f"<HH{len(wide)}Q", _ZIP64, 8 * len(wide), *wide) if wide else b""
            shown, offset = min(entry.size, _LONG), min(entry.offset, _LONG)
            made_by = struct.pack("<4sH", b"PK\1\2", _VERSION_NEEDED)
            places = struct.pack("<HHHII", 0, 0, 0, 0, offset)
            self._put(made_by + _common(entry, shown, shown, len(extra)) + places + entry.name + extra)
        count, length = len(self._entries), self._place - begin
        if count >= _MANY or length >= _LONG or begin >= _LONG:
            end = self._place
            sizes = (_VERSION_NEEDED, _VERSION_NEEDED, 0, 0, count, count, length, begin)
            self._put(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, *sizes))
            self._put(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        shown = min(count, _MANY)
        numbers = (0, 0, shown, shown, min(length, _LONG), min(begin, _LONG), 0)
        self._put(struct.pack("<4sHHHHIIH", b"PK\5\6", *numbers))
        flush = getattr(self._file, "flush", None)
        if flush is not None:
            flush()


def _common(entry: _Entry, compressed: int, size: int, extra: int) -> bytes:
    """What the header of a record and its line in the directory have in common: stored bytes of 1980."""
    lengths = (len(entry.name), extra)
    return struct.pack(
        "<HHHHHIIIHH", _VERSION_NEEDED, _UTF8, 0, 0, _EPOCH, entry.crc, compressed, size, *lengths
    )


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

    def names(self) -> list[str]:
        """The names of all records."""
        start = len(self._name) + 1
        return [name[start:] for name in self._infos]

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
        if info.compress_type == zipfile.ZIP_STORED:
            return self.array(record).tobytes()
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
            if fill(self._file, memoryview(made.data)):
                raise RuntimeError(
                    f"PytorchStreamReader failed reading file {record}: it ends too early. {CORRUPT}"
                )
        # A sum of 0 was not computed when the file was written (`set_crc32_options`).
        if info.CRC and zlib.crc32(memoryview(made.data)) != info.CRC:
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
        header = b""
        if info.header_offset >= 0:
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
