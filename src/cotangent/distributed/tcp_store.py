"""The store that one process serves and the others reach over TCP."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
import time
import weakref
from datetime import timedelta
from typing import Any, Final

from . import store_server
from .store import POLL, TIMEOUT, DistNetworkError, DistStoreError, Store, read_parts
from .store_server import packed

__all__ = ["TCPStore"]


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
        timeout: timedelta = TIMEOUT,
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

    @property
    def libuvBackend(self) -> bool:
        """Whether the server waits for many connections at once: yes."""
        return True

    def _shown(self, key: str) -> str:
        return f"/{key}"

    def clone(self) -> Store:
        """Another connection to the same server."""
        return TCPStore(self.host, self.port, None, False, self._timeout, False)

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
                        f" ({self.host}, {self.port}). {error}"
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
                    f"Timed out after {math.ceil(self._timeout.total_seconds())} seconds waiting for clients."
                    f" {self.add('init/', 0)}/{world_size} clients joined."
                )
            time.sleep(POLL)

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        with self._lock:
            try:
                self._stream.write(packed(step.encode(), key.encode(), value, other))
                self._stream.flush()
                (found,) = read_parts(self._stream, 1)
            except (OSError, EOFError, ValueError) as error:
                raise DistNetworkError(
                    f"failed to reach the store at ({self.host}, {self.port}); the process that serves it"
                    " has ended"
                ) from error
        return found[1:] if found else None
