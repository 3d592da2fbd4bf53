"""Batches from one process to another, their arrays through shared memory.

The sender writes each large array into a file of the memory file system and sends its name; the receiver
maps the file and removes the name. The memory goes back when the last array on it is gone. Where there is
no such file system, arrays travel inside the message.
"""

from __future__ import annotations

import io
import itertools
import mmap
import os
import pickle
from typing import Any, Final

import numpy as np

__all__ = ["dumps", "forget", "loads"]

_FOLDER: Final = "/dev/shm"
_AT_LEAST: Final = 1 << 16  # bytes; below, a file costs more than copying through the pipe


class _Pickler(pickle.Pickler):
    """Puts large arrays into files that begin with a name."""

    def __init__(self, file: Any, prefix: str) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._prefix = prefix
        self.made: list[str] = []

    def reducer_override(self, obj: Any) -> Any:
        """Large arrays as the name of a file."""
        if type(obj) is not np.ndarray or obj.nbytes < _AT_LEAST or obj.dtype.hasobject:
            return NotImplemented
        path = f"{self._prefix}-{next(_numbers)}"
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except OSError:
            return NotImplemented
        self.made.append(path)
        try:
            os.posix_fallocate(
                handle, 0, obj.nbytes
            )  # a full file system is an error here, not a crash later
            with mmap.mmap(handle, obj.nbytes) as memory:
                np.ndarray(obj.shape, obj.dtype, memory)[...] = obj
        finally:
            os.close(handle)
        return _mapped, (path, obj.shape, obj.dtype)


_numbers: Final = itertools.count()


def _mapped(path: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """The array in a file, whose name is removed."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.unlink(path)
        memory = mmap.mmap(handle, 0)
    finally:
        os.close(handle)
    bytes_ = np.frombuffer(memory, np.uint8)
    return np.ndarray(shape, dtype, bytes_)


def prefix_of(name: str) -> str:
    """The beginning of the names of files that a sender makes.

    Args:
        name: tells senders apart.
    """
    return os.path.join(_FOLDER, f"cotangent-{name}")


def dumps(obj: Any, prefix: str) -> bytes:
    """An object as bytes; large arrays in it go into files.

    Args:
        obj: anything that can be pickled.
        prefix: the beginning of the files' names.

    Returns:
        the bytes for `loads`.

    Raises:
        Exception: whatever pickling raises; no file is left then.

    Example:
        >>> from cotangent.utils.data.shared import dumps, loads, prefix_of
        >>> loads(dumps([1, 2], prefix_of("example")))
        [1, 2]
    """
    file = io.BytesIO()
    pickler = _Pickler(file, prefix)
    try:
        pickler.dump(obj)
    except BaseException:
        for path in pickler.made:
            os.unlink(path)
        raise
    return file.getvalue()


def loads(data: bytes) -> Any:
    """The object of `dumps`; its large arrays are on the sender's memory, which now is the receiver's.

    Args:
        data: from `dumps`.

    Example:
        >>> import numpy as np
        >>> from cotangent.utils.data.shared import dumps, loads, prefix_of
        >>> float(loads(dumps(np.ones(100_000), prefix_of("example"))).sum())
        100000.0
    """
    return pickle.loads(data)


def forget(prefix: str) -> None:
    """Remove files that were made and never received.

    Args:
        prefix: the beginning of their names.

    Example:
        >>> from cotangent.utils.data.shared import forget, prefix_of
        >>> forget(prefix_of("example"))
    """
    folder, start = os.path.split(prefix)
    if not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        if name.startswith(start + "-"):
            try:
                os.unlink(os.path.join(folder, name))
            except FileNotFoundError:
                pass
