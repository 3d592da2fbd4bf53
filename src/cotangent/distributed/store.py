"""Key-value stores through which processes find each other: in one process, in a file, over TCP."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from . import store_server
from .store_server import apply, packed

__all__ = [
    "DistError",
    "DistNetworkError",
    "DistStoreError",
    "FileStore",
    "HashStore",
    "PrefixStore",
    "Store",
    "TCPStore",
]

_TIMEOUT: Final = timedelta(seconds=300)
_POLL: Final = 0.01


class DistError(RuntimeError):
    """Something between the processes went wrong."""

    __module__ = "torch.distributed"


class DistStoreError(DistError):
    """A store does not answer, or a key does not come."""

    __module__ = "torch.distributed"


class DistNetworkError(DistError):
    """A process cannot be reached."""

    __module__ = "torch.distributed"


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """What all stores can do; a subclass gives `_change`, one step that nothing comes between."""

    def __init__(self) -> None:
        self._timeout = _TIMEOUT

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        raise NotImplementedError

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Set how long `get` and `wait` wait."""
        self._timeout = timeout

    def set(self, key: str, value: Any) -> None:
        """Enter a value.

        Args:
            key: its name.
            value: text or bytes.
        """
        self._change("set", key, _bytes(value), b"")

    def get(self, key: str) -> bytes:
        """The value of a key, once it is there.

        Args:
            key: its name.

        Raises:
            DistStoreError: if it does not come within the timeout.
        """
        self.wait([key])
        found = self._change("get", key, b"", b"")
        assert found is not None
        return found

    def get_now(self, key: str) -> bytes | None:
        """The value of a key, or None if it is not there."""
        return self._change("get", key, b"", b"")

    def add(self, key: str, amount: int) -> int:
        """Add to a counter, which begins at 0.

        Args:
            key: its name.
            amount: what to add.

        Returns:
            its new value.
        """
        return int(self._change("add", key, str(amount).encode(), b"") or b"0")

    def check(self, keys: list[str]) -> bool:
        """Whether all keys are there.

        Args:
            keys: their names.
        """
        return all(self._change("check", key, b"", b"") == b"1" for key in keys)

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there.

        Args:
            keys: their names.
            timeout: how long; the store's own by default.

        Raises:
            DistStoreError: if one does not come.
        """
        limit = (self._timeout if timeout is None else timeout).total_seconds()
        end = time.monotonic() + limit
        pause = _POLL / 10
        while not self.check(keys):
            if time.monotonic() > end:
                raise DistStoreError(f"wait timeout after {int(limit * 1000)}ms, keys: {', '.join(keys)}")
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL)

    def compare_set(self, key: str, expected_value: Any, desired_value: Any) -> bytes:
        """Enter a value if the key has the expected one (or, for an empty expectation, is not there).

        Returns:
            the value afterwards.
        """
        found = self._change("compare", key, _bytes(expected_value), _bytes(desired_value))
        return _bytes(expected_value) if found is None else found

    def delete_key(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        return self._change("delete", key, b"", b"") == b"1"

    def num_keys(self) -> int:
        """The number of keys."""
        return int(self._change("count", "", b"", b"") or b"0")

    def delKeys(self, keys: list[str]) -> None:
        """Remove several keys; Gloo calls it so."""
        for key in keys:
            self.delete_key(key)


class HashStore(Store):
    """A store for the threads of one process.

    Example:
        >>> import cotangent as torch
        >>> store = torch.distributed.HashStore()
        >>> store.set("name", "value")
        >>> store.get("name"), store.add("count", 2)
        (b'value', 2)
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        with self._lock:
            return apply(self._held, step, key, value, other)


class PrefixStore(Store):
    """A store in which every key gets a prefix: several users of one store.

    Args:
        prefix: the prefix.
        store: the store.

    Example:
        >>> import cotangent as torch
        >>> inner = torch.distributed.HashStore()
        >>> torch.distributed.PrefixStore("a", inner).set("x", "1")
        >>> inner.get("a/x")
        b'1'
    """

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self._prefix = prefix
        self._store = store
        self._timeout = store.timeout

    @property
    def underlying_store(self) -> Store:
        """The store behind it."""
        return self._store

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        return self._store._change(step, f"{self._prefix}/{key}", value, other)


def _read(stream: Any, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return bytes(data)


def _unpacked(stream: Any, count: int) -> list[bytes]:
    return [_read(stream, struct.unpack("<I", _read(stream, 4))[0]) for _ in range(count)]


class FileStore(Store):
    """A store in a file that all processes can reach. Each step reads and appends under a lock.

    Args:
        file_name: path of the file; it is made if it is not there.
        world_size: how many processes use it; accepted as in PyTorch.

    Example:
        >>> import cotangent as torch
        >>> store = torch.distributed.FileStore("store_file")
        >>> store.add("count", 1)
        1
    """

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self.path = file_name

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        import_lock = _file_lock()
        with open(self.path, "a+b") as file:
            import_lock(file)
            yield file

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        with self._locked() as file:
            file.seek(0)
            held: dict[str, bytes] = {}
            while True:
                try:
                    name, kept = _unpacked(file, 2)
                except EOFError:
                    break
                if kept[:1] == b"-":
                    held.pop(name.decode(), None)
                else:
                    held[name.decode()] = kept[1:]
            before = held.get(key)
            result = apply(held, step, key, value, other)
            if held.get(key) != before:
                file.seek(0, os.SEEK_END)
                file.write(packed(key.encode(), b"+" + held[key] if key in held else b"-"))
            return result


def _file_lock() -> Callable[[Any], None]:
    """The function that locks an open file until it is closed."""
    if _fcntl is None:
        raise DistStoreError("FileStore: this system has no file locks (fcntl); use TCPStore")
    return lambda file: _fcntl.flock(file, _fcntl.LOCK_EX)


try:
    import fcntl as _fcntl
except ImportError:  # Windows
    _fcntl = None  # type: ignore[assignment]


class _Server:
    """A running server, which ends when no store of this process uses it any more.

    Args:
        process: where it runs.
        port: its port.
    """

    def __init__(self, process: Any, port: int) -> None:
        self.process = process
        self.port = port

    def __del__(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()  # it goes when its input is closed
        try:
            self.process.wait(0.1)
        except subprocess.TimeoutExpired:
            self.process.returncode = 0  # others still use it, and it ends with them: no warning that it runs


# Those that further stores of this process may share, by host and port.
_shared: Final[weakref.WeakValueDictionary[tuple[str, int], _Server]] = weakref.WeakValueDictionary()


def _served(host: str, port: int) -> _Server:
    """A running server."""
    server = subprocess.Popen(
        [sys.executable, "-S", "-E", store_server.__file__, host, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # an interrupt at the terminal is not for it
    )
    assert server.stdout is not None and server.stderr is not None
    line = server.stdout.readline()
    reason = "" if line else server.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
    running = _Server(server, int(line or 0))
    if not line:
        raise DistNetworkError(f"The server socket has failed to listen on {host}:{port}: {reason}")
    return running


class TCPStore(Store):
    """A store that one process serves and the others reach over TCP.

    Args:
        host_name: address of the server.
        port: its port; 0 lets the server choose one, which `port` then is.
        world_size: how many processes there will be.
        is_master: whether this process is the server.
        timeout: how long to wait for it, and for keys.
        wait_for_workers: whether the server waits until all are there.
        multi_tenant: whether stores of this process with the same host and port share one server.

    Raises:
        DistNetworkError: if the server cannot be reached, or the port is taken.

    Example:
        >>> import cotangent as torch
        >>> store = torch.distributed.TCPStore("127.0.0.1", 0, 1, True)
        >>> store.set("name", "value")
        >>> store.get("name")
        b'value'
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = _TIMEOUT,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self._timeout = timeout
        self.host = host_name
        self._lock = threading.Lock()
        self._server: _Server | None = None
        if is_master:
            self._server = _shared.get((host_name, port)) if multi_tenant else None
            if self._server is None:
                self._server = _served(host_name, port)
                port = self._server.port
                if multi_tenant:
                    _shared[host_name, port] = self._server
        self.port: int = port
        self._stream = self._connected()
        if wait_for_workers and world_size and world_size > 0:
            self.add("init/", 1)
            if is_master:
                self._await(world_size)

    def __del__(self) -> None:
        for part in (getattr(self, "_stream", None), getattr(self, "_socket", None)):
            if part is not None:
                part.close()
        self._server = None

    def _connected(self) -> Any:
        end = time.monotonic() + self._timeout.total_seconds()
        while True:
            try:
                connection = socket.create_connection((self.host, self.port), 5.0)
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise DistNetworkError(
                        "The client socket has timed out after"
                        f" {int(self._timeout.total_seconds() * 1000)}ms while trying to connect to"
                        f" ({self.host}, {self.port}): {error}"
                    ) from error
                time.sleep(0.05)
        connection.settimeout(None)
        self.own_address: str = connection.getsockname()[0]
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        return connection.makefile("rwb")

    def _await(self, world_size: int) -> None:
        end = time.monotonic() + self._timeout.total_seconds()
        while self.add("init/", 0) < world_size:
            if time.monotonic() > end:
                raise DistStoreError(
                    f"Timed out after {int(self._timeout.total_seconds())} seconds waiting for clients. "
                    f"{self.add('init/', 0)}/{world_size} clients joined."
                )
            time.sleep(_POLL)

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        with self._lock:
            try:
                self._stream.write(packed(step.encode(), key.encode(), value, other))
                self._stream.flush()
                (found,) = _unpacked(self._stream, 1)
            except (OSError, EOFError, ValueError) as error:
                raise DistNetworkError(
                    f"failed to reach the store at ({self.host}, {self.port}); the process that serves it"
                    " has ended"
                ) from error
        return found[1:] if found else None
