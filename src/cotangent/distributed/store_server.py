"""The server of a TCPStore: a program of its own, because Gloo holds the interpreter lock while it connects.

It imports nothing but the standard library, and tells its port on the first line of its output. When its
input is closed, the process that started it has ended. Then it takes no new connections, and ends when the
others have ended theirs, or after some seconds: until then they can tell each other what has failed.

A request is four parts, a step, a key and two values; the answer is one. A part is its length (4 bytes,
little-endian) and its bytes; an answer begins with "+" unless there is none.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time

LINGER = 10.0  # seconds
_QUEUE = "\0queue/"  # what the names of queues begin with

__all__ = ["apply", "packed", "serve", "unpacked"]


def packed(*parts: bytes) -> bytes:
    """The parts of a message as they travel.

    Args:
        parts: their bytes.

    Example:
        >>> from cotangent.distributed.store_server import packed
        >>> packed(b"ab")
        b'\\x02\\x00\\x00\\x00ab'
    """
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def apply(held: dict[str, bytes], step: str, key: str, value: bytes, other: bytes) -> bytes | None:
    """One step on a dictionary.

    Args:
        held: the dictionary, which is changed.
        step: set, get, add, append, check, compare, delete, keys or count; push, pop or length for a queue.
        key: the key.
        value: what to set, to add, or to compare with.
        other: what to set if the comparison holds.

    Returns:
        the answer.

    Raises:
        ValueError: for adding to what is no number.

    Example:
        >>> from cotangent.distributed.store_server import apply
        >>> held = {}
        >>> apply(held, "add", "n", b"2", b""), held
        (b'2', {'n': b'2'})
    """
    if step == "set":
        held[key] = value
        return None
    if step == "get":
        return held.get(key)
    if step == "add":
        held[key] = str(int(held.get(key, b"0")) + int(value)).encode()
        return held[key]
    if step == "append":
        held[key] = held.get(key, b"") + value
        return None
    if step in ("push", "pop", "length"):
        return _queued(held, step, _QUEUE + key, value)
    if step == "keys":
        return packed(*(name.encode() for name in held if not name.startswith(_QUEUE)))
    if step == "check":
        return b"1" if key in held else b"0"
    if step == "compare":
        if held.get(key, b"") == value:
            held[key] = other
        return held.get(key)
    if step == "delete":
        return b"1" if held.pop(key, None) is not None else b"0"
    return str(sum(not name.startswith(_QUEUE) for name in held)).encode()


def _queued(held: dict[str, bytes], step: str, key: str, value: bytes) -> bytes | None:
    """One step on a queue, which is kept as its parts one after the other."""
    parts = unpacked(held.get(key, b""))
    answer = None
    if step == "push":
        parts.append(value)
    elif step == "length":
        answer = str(len(parts)).encode()
    elif parts:
        answer = parts.pop(0)
    held[key] = packed(*parts)
    if not parts:
        del held[key]
    return answer


def unpacked(data: bytes) -> list[bytes]:
    """The parts of a message.

    Args:
        data: what `packed` has made.

    Example:
        >>> from cotangent.distributed.store_server import packed, unpacked
        >>> unpacked(packed(b"a", b"bc"))
        [b'a', b'bc']
    """
    parts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


def _request(buffer: bytearray) -> list[bytes] | None:
    """The four parts at the beginning of what has come, which are taken away; None if not all are there."""
    parts, at = [], 0
    for _ in range(4):
        if len(buffer) < at + 4:
            return None
        (length,) = struct.unpack_from("<I", buffer, at)
        if len(buffer) < at + 4 + length:
            return None
        parts.append(bytes(buffer[at + 4 : at + 4 + length]))
        at += 4 + length
    del buffer[:at]
    return parts


def serve(listener: socket.socket) -> None:
    """Answer until standard input is closed.

    Args:
        listener: bound and listening.
    """
    held: dict[str, bytes] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    end = None
    while end is None or (len(selector.get_map()) and time.monotonic() < end):
        for key, _ in selector.select(None if end is None else 0.1):
            if key.fileobj is sys.stdin:
                end = time.monotonic() + LINGER
                selector.unregister(sys.stdin)
                selector.unregister(listener)
                listener.close()
                break
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, bytearray())
                continue
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                data = client.recv(1 << 16)
                key.data.extend(data)
                while data and (parts := _request(key.data)) is not None:
                    step, name, value, other = parts
                    found = apply(held, step.decode(), name.decode(), value, other)
                    client.sendall(packed(b"" if found is None else b"+" + found))
            except (OSError, ValueError):  # its connection is gone, or it asks for what cannot be
                data = b""
            if not data:
                selector.unregister(client)
                client.close()


if __name__ == "__main__":
    _listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=1024)
    print(_listener.getsockname()[1], flush=True)
    serve(_listener)
