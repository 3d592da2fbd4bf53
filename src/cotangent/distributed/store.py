"""Key-value stores through which processes find each other: in one process, in a file, over TCP."""

from __future__ import annotations

import copy
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from .store_server import apply, packed, unpacked

__all__ = [
    "DistError",
    "DistNetworkError",
    "DistStoreError",
    "FileStore",
    "HashStore",
    "PrefixStore",
    "QueueEmptyError",
    "Store",
]

TIMEOUT: Final = timedelta(seconds=300)
POLL: Final = 0.01


class DistError(RuntimeError):
    """Something between the processes went wrong."""

    __module__ = "torch.distributed"


class DistStoreError(DistError):
    """A store does not answer, or a key does not come."""

    __module__ = "torch.distributed"


class QueueEmptyError(DistStoreError):
    """There is nothing in a store's queue."""

    __module__ = "torch.distributed"


class DistNetworkError(DistError):
    """A process cannot be reached."""

    __module__ = "torch.distributed"


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """What all stores can do; a subclass gives `_change`, one step that nothing comes between."""

    def __init__(self) -> None:
        self._timeout = TIMEOUT

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        """Of a store that a program defines: by its own methods."""
        if step == "count":
            return str(self.num_keys()).encode() if _defines(self, "num_keys") else None
        if not _defines(self, {"compare": "compare_set", "delete": "delete_key"}.get(step, step)):
            raise NotImplementedError("Not implemented.")
        if step == "set":
            self.set(key, value)
            return None
        if step == "get":
            return _bytes(self.get(key))
        if step == "add":
            return str(self.add(key, int(value))).encode()
        if step == "check":
            return b"1" if self.check([key]) else b"0"
        if step == "compare":
            return _bytes(self.compare_set(key, value, other))
        return b"1" if self.delete_key(key) else b"0"

    def _shown(self, key: str) -> str:
        """A key as messages name it; "" where they do not."""
        return ""

    def _late(self, keys: list[str], limit: float) -> DistStoreError:
        shown = [self._shown(key) for key in keys]
        if not all(shown):
            return DistStoreError("Wait timeout")
        return DistStoreError(f"wait timeout after {int(limit * 1000)}ms, keys: {', '.join(shown)}")

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
        pause = POLL / 10
        while not self.check(keys):
            if time.monotonic() > end:
                raise self._late(keys, limit)
            time.sleep(pause)
            pause = min(pause * 1.5, POLL)

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

    def append(self, key: str, value: Any) -> None:
        """Add bytes to the end of a key's.

        Args:
            key: its name.
            value: text or bytes.
        """
        self._change("append", key, _bytes(value), b"")

    def multi_set(self, keys: list[str], values: list[Any]) -> None:
        """Enter several values.

        Args:
            keys: their names.
            values: text or bytes.

        Raises:
            DistStoreError: if there are not as many values as keys.
        """
        if len(keys) != len(values):
            raise DistStoreError("multiSet keys and values vectors must be of same size")
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def multi_get(self, keys: list[str]) -> list[bytes]:
        """The values of several keys, once they are there.

        Args:
            keys: their names.
        """
        self.wait(keys)
        return [self.get(key) for key in keys]

    def list_keys(self) -> list[str]:
        """The names of all keys."""
        found = unpacked(self._change("keys", "", b"", b"") or b"")
        return [name.decode() for name in found if name != b"init/"]

    def has_extended_api(self) -> bool:
        """Whether several keys at once and appending cost no more than one step."""
        return not isinstance(self, FileStore)

    def queue_push(self, key: str, value: Any) -> None:
        """Add a value to the end of a queue.

        Args:
            key: the queue's name.
            value: text or bytes.
        """
        self._change("push", key, _bytes(value), b"")

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue.

        Args:
            key: the queue's name.
            block: whether to wait for one.

        Raises:
            QueueEmptyError: if it is empty and `block` is False.
            DistStoreError: if no value comes within the timeout.
        """
        limit = self._timeout.total_seconds()
        end = time.monotonic() + limit
        while (found := self._change("pop", key, b"", b"")) is None:
            if not block:
                raise QueueEmptyError("queue is empty")
            if time.monotonic() > end:
                raise self._late([key], limit)
            time.sleep(POLL / 4)
        return found

    def queue_len(self, key: str) -> int:
        """How many values a queue holds.

        Args:
            key: its name.
        """
        return int(self._change("length", key, b"", b"") or b"0")

    def barrier(self, key: str, world_size: int, timeout: timedelta | None = None) -> None:
        """Wait until so many have called this.

        Args:
            key: a name for the occasion.
            world_size: how many.
            timeout: how long; the store's own by default.
        """
        if self.add(f"{key}/num_members", 1) == world_size:
            self.set(f"{key}/last_member", "here")
        self.wait([f"{key}/last_member"], timeout)

    def clone(self) -> Store:
        """Another store with the same keys, for another thread."""
        found = copy.copy(self)
        found._timeout = self._timeout
        return found


def _defines(store: Store, method: str) -> bool:
    """Whether a program's class of stores has a method of its own."""
    own = getattr(type(store), method, None)
    return own is not None and own is not getattr(Store, method, None)


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

    @property
    def _underlying_non_prefix_store(self) -> Store:
        store = self._store
        while isinstance(store, PrefixStore):
            store = store._store
        return store

    def _change(self, step: str, key: str, value: bytes, other: bytes) -> bytes | None:
        found = self._store._change(step, f"{self._prefix}/{key}", value, other)
        if step != "keys":
            return found
        own = f"{self._prefix}/".encode()
        return packed(*(name.removeprefix(own) for name in unpacked(found or b"") if name.startswith(own)))

    def _shown(self, key: str) -> str:
        return self._store._shown(f"{self._prefix}/{key}")

    def clone(self) -> Store:
        """Another store with the same keys, for another thread."""
        return PrefixStore(self._prefix, self._store.clone())


def _read(stream: Any, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return bytes(data)


def read_parts(stream: Any, count: int) -> list[bytes]:
    """So many parts of a message from a stream.

    Args:
        stream: a file that is open for reading.
        count: how many.

    Raises:
        EOFError: if it ends before.
    """
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
        if step in ("push", "pop", "length"):
            raise NotImplementedError("queue support is not implemented.")
        with self._locked() as file:
            file.seek(0)
            held: dict[str, bytes] = {}
            while True:
                try:
                    name, kept = read_parts(file, 2)
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
