"""One worker of RPC: a listening socket, a connection to each worker it has called, threads that serve calls.

A call goes over the caller's connection to that worker and its result comes back over the same, in any
order. Each connection has a thread that reads it. When one breaks before its worker has said good-bye, all
calls that wait on it end with an error that names the worker.
"""

from __future__ import annotations

import functools
import hmac
import itertools
import pickle
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np

from ...futures import Future
from ..store import DistError, DistStoreError, Store
from . import recording, wire
from .threads import Alarm, Pool

__all__ = ["Agent", "RemoteError", "WorkerInfo", "here"]

CALL, RESULT, ERROR, HELLO, GOODBYE = range(5)
_NOT_INITIALIZED: Final = "RPC has not been initialized. Call torch.distributed.rpc.init_rpc first."


class WorkerInfo(NamedTuple("_Info", [("name", str), ("id", int)])):
    """A worker: its name and its number.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.rpc.WorkerInfo("worker1", 1)
        WorkerInfo(id=1, name=worker1)
    """

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, name={self.name})"


class RemoteError(NamedTuple):
    """An exception as it travels."""

    kind: Any
    text: str

    def raised(self) -> BaseException:
        """An exception of the same type with the traceback of the other worker in its text."""
        try:
            made = self.kind(self.text)
        except BaseException:
            return RuntimeError(f"Failed to create original exception type. Error msg was {self.text}")
        return made if isinstance(made, BaseException) else RuntimeError(self.text)


class _Line:
    """The connection on which this worker calls another."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.lock = threading.Lock()
        self.pending: dict[int, Future[Any]] = {}
        self.broken: str | None = None


class Agent:
    """This worker.

    Args:
        name: its name.
        rank: its number.
        size: how many workers there are.
        store: where they find each other.
        address: what to listen on.
        timeout: seconds that a call may take; 0 means any.
        meeting: how long to wait for the others.

    Raises:
        RuntimeError: if the others do not come, or two have one name.
    """

    def __init__(
        self, name: str, rank: int, size: int, store: Store, address: str, timeout: float, meeting: timedelta
    ) -> None:
        self.me = WorkerInfo(name, rank)
        self.size = size
        self.store = store
        self.timeout = timeout
        self.closing = False
        self.sent = 0  # calls that left
        self.served = 0  # calls that came, and are done
        self.active = 0
        self._count = threading.Lock()
        self._numbers = itertools.count(1)
        self._steps = itertools.count()  # of `settle`
        self._lines: dict[int, _Line] = {}
        self._opening = threading.Lock()
        self._accepted: list[socket.socket] = []
        self.gone: dict[int, str] = {}
        self._parted: set[int] = set()
        self.pool = Pool(f"rpc-{name}")
        self._alarm = Alarm()
        self._listener = socket.create_server((address, 0), backlog=1024)
        threading.Thread(target=self._accept, daemon=True, name="rpc-accept").start()
        if rank == 0:
            store.set("token", secrets.token_bytes(16))
        port = self._listener.getsockname()[1]
        store.set(f"worker/{rank}", pickle.dumps((name, address, port)))
        self.workers: list[WorkerInfo] = []
        self._addresses: list[tuple[str, int]] = []
        missing: list[int] = []
        for other in range(size):
            try:
                store.wait([f"worker/{other}"], meeting if not missing else timedelta(0))
            except DistStoreError:
                missing.append(other)
                continue
            its_name, host, its_port = pickle.loads(store.get(f"worker/{other}"))
            self.workers.append(WorkerInfo(its_name, other))
            self._addresses.append((host, its_port))
        if missing:
            self.close()
            raise RuntimeError(
                f"init_rpc: {name} (rank {rank}) waited {meeting} for rank"
                f" {', '.join(map(str, missing))}, which did not come"
            )
        self._token = store.get("token")
        self.by_name = {info.name: info for info in self.workers}
        if len(self.by_name) < size:
            self.close()
            names = sorted(info.name for info in self.workers)
            raise RuntimeError(f"init_rpc: every worker needs a name of its own, got {', '.join(names)}")

    # -- who is who --

    def worker(self, to: Any) -> WorkerInfo:
        """A worker by name, number or info.

        Raises:
            RuntimeError: if there is none.
        """
        if isinstance(to, WorkerInfo):
            to = to.id
        if isinstance(to, str):
            found = self.by_name.get(to)
            if found is None:
                raise RuntimeError(f"{self._title} could not find destination name {to}")
            return found
        if not isinstance(to, int) or isinstance(to, bool):
            raise ValueError(f"Cannot get WorkerInfo from name {to}")
        if not 0 <= to < self.size:
            raise RuntimeError(f"{self._title} could not find destination id {to}")
        return self.workers[to]

    @property
    def _title(self) -> str:
        return f"name:{self.me.name},rank:{self.me.id}"

    # -- calling --

    def call(
        self, to: int, func: Any, args: Any, kwargs: Any, timeout: float | None = None,
        context: recording.Context | None = None,
    ) -> Future[Any]:  # fmt: skip
        """Call a function on a worker.

        Args:
            to: the worker's number.
            func: a function that pickle can name.
            args, kwargs: its arguments, or None.
            timeout: seconds; 0 means any, None the agent's own.
            context: for which distributed autograd records what travels.

        Returns:
            the result, later.
        """
        future: Future[Any] = Future()
        data, buffers = wire.packed((func, args or (), kwargs or {}), to, context, True)
        with self._count:
            self.sent += 1
        number = next(self._numbers)
        if to == self.me.id:
            copies = [memoryview_copy(b) for b in buffers]
            done = functools.partial(self._own_result, future)
            self.pool.submit(functools.partial(self._serve, data, copies, to, done))
        else:
            self._send_call(to, number, future, data, buffers)
        limit = self.timeout if timeout is None else timeout
        if limit > 0 and not future.done():
            expire = functools.partial(self._expire, to, number, limit)
            self._alarm.at(time.monotonic() + limit, future, expire)
        return future

    def _send_call(self, to: int, number: int, future: Future[Any], data: bytes, buffers: list[Any]) -> None:
        try:
            line = self._line(to)
            with line.lock:
                if line.broken is not None:
                    raise OSError(line.broken)
                line.pending[number] = future
                wire.send(line.socket, number, CALL, data, buffers)
        except OSError as error:
            found = self._lines.get(to)
            if found is not None:
                found.pending.pop(number, None)
            self._lost(to, str(error))
            future.try_finish(None, self.dead(to))

    def _expire(self, to: int, number: int, limit: float, future: Future[Any]) -> None:
        line = self._lines.get(to)
        if line is not None:
            line.pending.pop(number, None)
        error = RuntimeError(
            f"RPCErr:1:RPC ran for more than set timeout ({round(limit * 1000)} ms) and will now be"
            f" marked with an error; it was sent to {self.workers[to].name} (rank {to})"
        )
        self._finish(future, None, error)

    def dead(self, to: int) -> RuntimeError:
        """The error that says that a worker has ended, and which ended first."""
        reason = self.gone.get(to, "no connection")
        first = self._first_failure(to)
        if first != to:  # its end may be why this one has ended
            reason += f"; the first to end was {self.workers[first].name} (rank {first})"
        return RuntimeError(f"{self.workers[to].name} (rank {to}) has ended or cannot be reached: {reason}")

    def _first_failure(self, rank: int) -> int:
        """The worker that was noted first to have ended; this one, if none was."""
        try:
            return int(self.store.compare_set("failed", "", str(rank)))
        except DistError:
            return next(iter(self.gone), rank)

    def _lost(self, rank: int, reason: str) -> None:
        """A connection with a worker has broken: its calls will get no result."""
        if rank not in self._parted and not self.closing:
            self.gone.setdefault(rank, reason)
            self._first_failure(rank)
        line = self._lines.get(rank)
        if line is None:
            return
        with line.lock:
            line.broken = line.broken or reason
            pending, line.pending = line.pending, {}
        for future in pending.values():
            self._finish(future, None, self.dead(rank))

    def _finish(self, future: Future[Any], value: Any, error: BaseException | None) -> None:
        """Set a result; where functions follow it, in a thread of the pool."""
        if future.has_callbacks():
            self.pool.submit(lambda: future.try_finish(value, error))
        else:
            future.try_finish(value, error)

    def _line(self, to: int) -> _Line:
        line = self._lines.get(to)
        if line is not None:
            return line
        with self._opening:
            if to in self._lines:
                return self._lines[to]
            if self.closing:
                raise OSError("RPC has been shut down here")
            connection = socket.create_connection(self._addresses[to], 10.0)
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.send(connection, self.me.id, HELLO, self._token, [])
            line = self._lines[to] = _Line(connection)
            threading.Thread(
                target=self._read_results, args=(to, line), daemon=True, name=f"rpc-to-{to}"
            ).start()
            return line

    def _read_results(self, to: int, line: _Line) -> None:
        stream = wire.Stream(line.socket)
        try:
            while True:
                number, kind, data, buffers = wire.receive(stream)
                future = line.pending.pop(number, None)
                if future is not None:
                    self._take(future, kind, data, buffers, to)
        except (OSError, EOFError, ValueError) as error:
            self._lost(to, str(error) or "the connection was closed")

    def _take(self, future: Future[Any], kind: int, data: bytes, buffers: list[Any], source: int) -> None:
        try:
            result, _ = wire.unpacked(data, buffers, source)
        except BaseException as error:
            self._finish(future, None, RuntimeError(f"a result from {self.workers[source].name}: {error}"))
            return
        if kind == ERROR:
            self._finish(future, None, result.raised())
        else:
            self._finish(future, result, None)

    def _own_result(self, future: Future[Any], kind: int, data: bytes, buffers: list[Any]) -> None:
        self._take(future, kind, data, [memoryview_copy(b) for b in buffers], self.me.id)

    # -- serving --

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted.append(connection)
            threading.Thread(
                target=self._read_calls, args=(connection,), daemon=True, name="rpc-from"
            ).start()

    def _read_calls(self, connection: socket.socket) -> None:
        stream = wire.Stream(connection)
        lock = threading.Lock()
        source = -1
        try:
            number, kind, data, _ = wire.receive(stream)
            if kind != HELLO or not hmac.compare_digest(data, self.store.get("token")):
                connection.close()
                return
            source = number
            while True:
                number, kind, data, buffers = wire.receive(stream)
                if kind == GOODBYE:
                    self._parted.add(source)
                    continue
                reply = functools.partial(self._reply, connection, lock, number)
                self.pool.submit(functools.partial(self._serve, data, buffers, source, reply))
        except (OSError, EOFError, ValueError) as error:
            if source >= 0 and not self.closing:
                self._lost(source, str(error) or "the connection was closed")

    @staticmethod
    def _reply(
        connection: socket.socket, lock: threading.Lock, number: int, kind: int, data: bytes, buffers: Any
    ) -> None:
        try:
            with lock:
                wire.send(connection, number, kind, data, buffers)
        except OSError:
            pass  # whoever called has ended

    def _serve(
        self, data: bytes, buffers: list[Any], source: int, reply: Callable[[int, bytes, Any], None]
    ) -> None:
        """Run a call and send its result back."""
        with self._count:
            self.active += 1
        later = False
        number = None
        try:
            (func, args, kwargs), number = wire.unpacked(data, buffers, source)
            with recording.inside(number):
                result = invoke(func, args, kwargs)
                del args, kwargs
            if isinstance(result, Postponed):
                later = True
                result.future.add_done_callback(lambda done: self._answer(done, source, number, reply))
                return
            self._send_result(result, source, number, reply)
        except BaseException as error:
            self._send_error(error, source, reply)
        finally:
            if not later:
                self._one_done()

    def _one_done(self) -> None:
        with self._count:
            self.active -= 1
            self.served += 1

    def _answer(self, done: Future[Any], source: int, number: int | None, reply: Any) -> None:
        try:
            self._send_result(done.wait(), source, number, reply)
        except BaseException as error:
            self._send_error(error, source, reply)
        finally:
            self._one_done()

    def _send_result(self, result: Any, source: int, number: int | None, reply: Any) -> None:
        context = None if number is None else recording.container.contexts.get(number)
        data, buffers = wire.packed(result, source, context)
        reply(RESULT, data, buffers)

    def _send_error(self, error: BaseException, source: int, reply: Any) -> None:
        text = getattr(error, "remote_text", None) or told(self.me, error)
        try:
            data, buffers = wire.packed(RemoteError(type(error), text), source)
        except Exception:  # the type cannot be named elsewhere
            data, buffers = wire.packed(RemoteError(RuntimeError, text), source)
        reply(ERROR, data, buffers)

    # -- ending --

    def settle(self, timeout: float) -> None:
        """Wait until all workers are here and no call is under way anywhere.

        The workers count calls that left and calls that are done. When the sums agree twice in a row with
        nobody serving, nothing is on its way (Mattern, 1987, the four-counter method).

        Raises:
            RuntimeError: if a worker does not come within the timeout, or has ended; it is named.
        """
        end = time.monotonic() + timeout
        before = None
        for other in range(self.size):
            if other != self.me.id:
                self._reached(other)  # so that its end is noticed
        while True:
            step = next(self._steps)
            with self._count:
                mine = (self.sent, self.served, self.active)
            self.store.set(f"settle/{step}/{self.me.id}", pickle.dumps(mine))
            all_of_them = [pickle.loads(self._others(f"settle/{step}/{r}", r, end)) for r in range(self.size)]
            sums = tuple(sum(each) for each in zip(*all_of_them, strict=True))
            if sums == before and sums[0] == sums[1] and not sums[2]:
                return
            before = sums
            time.sleep(0.001)

    def _reached(self, rank: int) -> None:
        try:
            self._line(rank)
        except OSError as error:
            self._lost(rank, str(error))

    def _others(self, key: str, rank: int, end: float) -> bytes:
        pause = 0.0005
        while True:
            # Who has ended may have told what others need just before: connections are looked at first.
            ended = list(self.gone)
            if self.store.check([key]):
                return self.store.get(key)
            if ended:
                raise self.dead(ended[0])
            if time.monotonic() > end:
                raise RuntimeError(
                    f"shutdown: {self.workers[rank].name} (rank {rank}) has not called shutdown within the"
                    " timeout"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.02)

    def close(self) -> None:
        """Say good-bye and end all connections."""
        self.closing = True
        self._listener.close()
        for line in self._lines.values():
            try:
                with line.lock:
                    wire.send(line.socket, self.me.id, GOODBYE, b"", [])
                line.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for connection in self._accepted:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pool.close()
        self._alarm.close()


class Postponed(NamedTuple):
    """A call's result that comes later: what a function gives that `async_execution` marks."""

    future: Future[Any]


def invoke(func: Any, args: Any, kwargs: Any) -> Any:
    """Call a function; a marked one's future is a `Postponed`."""
    result = func(*args, **kwargs)
    return Postponed(result) if hasattr(func, "_wrapped_async_rpc_function") else result


def memoryview_copy(buffer: Any) -> Any:
    """The bytes of a buffer in memory of their own."""
    return np.frombuffer(bytearray(memoryview(buffer).cast("B")), np.uint8)


def told(worker: WorkerInfo, error: BaseException) -> str:
    """An exception of a worker with its traceback, in words."""
    return f"On {worker}:\n{error!r}\n" + "".join(traceback.format_exception(error))


class _Here:
    agent: Agent | None = None


def set_agent(agent: Agent | None) -> None:
    """Make an agent this process's."""
    _Here.agent = agent


def here() -> Agent:
    """This process's agent.

    Raises:
        RuntimeError: if RPC has not been initialized.
    """
    if _Here.agent is None:
        raise RuntimeError(_NOT_INITIALIZED)
    return _Here.agent


def is_here() -> bool:
    """Whether RPC has been initialized."""
    return _Here.agent is not None
