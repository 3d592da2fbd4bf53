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

__all__ = ["apply", "packed", "serve"]


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
        step: set, get, add, check, compare, delete or count.
        key: the key.
        value: what to set, to add, or to compare with.
        other: what to set if the comparison holds.

    Returns:
        the answer.

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
    if step == "check":
        return b"1" if key in held else b"0"
    if step == "compare":
        if held.get(key, b"") == value:
            held[key] = other
        return held.get(key)
    if step == "delete":
        return b"1" if held.pop(key, None) is not None else b"0"
    return str(len(held)).encode()


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
            except OSError:
                data = b""
            if not data:
                selector.unregister(client)
                client.close()


if __name__ == "__main__":
    _listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=1024)
    print(_listener.getsockname()[1], flush=True)
    serve(_listener)
