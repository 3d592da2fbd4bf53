"""How calls and results travel: a pickle, with the memory of tensors and arrays beside it, uncopied.

A frame is a head (number, kind, how many buffers, length of the pickle), the lengths of the buffers, the
pickle and the buffers. The first buffers are tensors; the pickle begins with their dtypes and shapes.
"""

from __future__ import annotations

import functools
import importlib
import io
import pickle
import socket
import struct
import threading
import types
from typing import Any, Final

import numpy as np

from ...tensor import Tensor
from . import recording

__all__ = ["Frame", "Stream", "destination", "packed", "receive", "send", "unpacked"]

_HEAD: Final = struct.Struct("<QBIQ")
_HOME: Final = __name__.partition(".")[0]
Frame = tuple[int, int, bytes, list[Any]]  # number, kind, pickle, buffers


class _Thread(threading.local):
    received: list[Any] | None = None  # the tensors of the message that this thread is unpickling
    to: int | None = None  # the worker that this thread is pickling a message for
    source: int = -1


_thread: Final = _Thread()


def destination() -> int | None:
    """The worker that the message goes to which this thread is pickling; None if it is not."""
    return _thread.to


def source() -> int:
    """The worker that the message comes from which this thread is unpickling."""
    return _thread.source


def _received(number: int) -> Any:
    assert _thread.received is not None
    return _thread.received[number]


def _named(module: str, name: str) -> Any:
    """A function or class of the package that calls itself PyTorch's."""
    found: Any = importlib.import_module(_HOME + module[len("torch") :])
    return functools.reduce(getattr, name.split("."), found)


class _Pickler(pickle.Pickler):
    """Puts tensors aside; they travel as they are."""

    def __init__(self, file: Any, buffers: list[Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
        self.tensors: list[Any] = []
        self.places: dict[int, int] = {}

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor and type(obj._data) is np.ndarray and not obj._level:
            place = self.places.get(id(obj))
            if place is None:
                place = self.places[id(obj)] = len(self.tensors)
                self.tensors.append(obj)
            return _received, (place,)
        if isinstance(obj, (type, types.FunctionType)):
            module = getattr(obj, "__module__", None) or ""
            if module == "torch" or module.startswith("torch."):
                return _named, (module, obj.__qualname__)
        return NotImplemented


def packed(
    obj: Any, to: int, context: recording.Context | None = None, request: bool = False
) -> tuple[bytes, list[Any]]:
    """A pickle and buffers of an object.

    Args:
        obj: the object.
        to: the worker it goes to.
        context: for which distributed autograd records that tensors leave.
        request: whether it is a call.

    Returns:
        the pickle, and the memory of tensors and arrays.
    """
    file, others = io.BytesIO(), []  # type: ignore[var-annotated]
    pickler = _Pickler(file, others)
    before, _thread.to = _thread.to, to
    try:
        pickler.dump(obj)
    finally:
        _thread.to = before
    tensors = pickler.tensors
    sent = recording.leaving(tensors, to, context, request)
    head = pickle.dumps((sent, [(t._data.dtype.name, t._data.shape, t.requires_grad) for t in tensors]))
    memory: list[Any] = [np.ascontiguousarray(t._data).reshape(-1).view(np.uint8) for t in tensors]
    return head + file.getvalue(), memory + [buffer.raw() for buffer in others]


def unpacked(data: bytes, buffers: list[Any], source: int) -> tuple[Any, int | None]:
    """The object of a pickle and its buffers, and the id of the context that it belongs to.

    Args:
        data: the pickle.
        buffers: memory of tensors and arrays, which they keep.
        source: the worker it comes from.
    """
    file = io.BytesIO(data)
    sent, kinds = pickle.load(file)
    tensors = [
        recording.tensor_of(buffer.view(np.dtype(name)).reshape(shape), needs)
        for (name, shape, needs), buffer in zip(kinds, buffers, strict=False)
    ]
    recording.arrived(tensors, source, sent)
    before = _thread.received, _thread.source
    _thread.received, _thread.source = tensors, source
    try:
        obj = pickle.Unpickler(file, buffers=buffers[len(tensors) :]).load()
    finally:
        _thread.received, _thread.source = before
    return obj, None if sent is None else sent[0]


def send(connection: socket.socket, number: int, kind: int, data: bytes, buffers: list[Any]) -> None:
    """Write a frame.

    Args:
        connection: where to.
        number: of the call.
        kind: what it is.
        data: the pickle.
        buffers: the memory beside it.
    """
    sizes = [memoryview(b).nbytes for b in buffers]
    head = _HEAD.pack(number, kind, len(sizes), len(data)) + struct.pack(f"<{len(sizes)}Q", *sizes)
    parts = [memoryview(head + data), *(memoryview(b).cast("B") for b, n in zip(buffers, sizes) if n)]
    while parts:
        sent = connection.sendmsg(parts[:64])
        while parts and sent >= parts[0].nbytes:
            sent -= parts.pop(0).nbytes
        if sent:
            parts[0] = parts[0][sent:]


class Stream:
    """Reads a connection: heads through a buffer, what is large straight into its place.

    Args:
        connection: the connection.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = memoryview(bytearray(1 << 16))
        self._at = self._end = 0

    def fill(self, target: Any) -> None:
        """Read as many bytes as the target holds.

        Raises:
            EOFError: if the connection ends before.
        """
        view = memoryview(target)
        while view.nbytes:
            if self._at < self._end:
                count = min(view.nbytes, self._end - self._at)
                view[:count] = self._buffer[self._at : self._at + count]
                self._at += count
            elif view.nbytes >= self._buffer.nbytes:
                count = self._connection.recv_into(view, view.nbytes, socket.MSG_WAITALL)
            else:
                self._at, self._end = 0, self._connection.recv_into(self._buffer)
                if self._end:
                    continue
                count = 0
            if not count:
                raise EOFError("the connection was closed")
            view = view[count:]


def receive(stream: Stream) -> Frame:
    """Read a frame.

    Args:
        stream: where from.

    Raises:
        EOFError: if the connection ends.
    """
    head = bytearray(_HEAD.size)
    stream.fill(head)
    number, kind, count, length = _HEAD.unpack(head)
    sizes = bytearray(8 * count)
    stream.fill(sizes)
    data = bytearray(length)
    stream.fill(data)
    buffers = []
    for size in struct.unpack(f"<{count}Q", sizes):
        buffer = np.empty(size, np.uint8)
        stream.fill(buffer)
        buffers.append(buffer)
    return number, kind, bytes(data), buffers
