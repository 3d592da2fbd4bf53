"""RRef: a reference to a value of one worker, its owner, which drops the value when nobody refers to it.

The owner counts *forks*, one for each reference that another worker holds. Whoever passes a reference on
stays alive until the receiver has been counted, so a count never drops to nothing while one is on its way:

    the owner sends one         it counts the fork first
    a holder sends one          the receiver has the owner count its fork, then tells the sender
    a reference is dropped      once it has been counted, its fork is taken off
"""

from __future__ import annotations

import functools
import itertools
import threading
from typing import Any, Final, NamedTuple

from ...autograd import api
from ...futures import Future
from ...tensor import Tensor
from ..autograd import engine
from . import agent as agents, recording, wire

__all__ = ["RRef", "owned", "remote_value", "table"]


class GloballyUniqueId(NamedTuple("_Id", [("created_on", int), ("local_id", int)])):
    """A number that no other worker gives."""

    def __repr__(self) -> str:
        return f"GloballyUniqueId(created_on={self.created_on}, local_id={self.local_id})"


class Owned:
    """A value on its owner, or where it will be."""

    def __init__(self, key: GloballyUniqueId) -> None:
        self.key = key
        self.value: Future[Any] = Future()
        self.forks: set[GloballyUniqueId] = set()


class Table:
    """What this worker knows of references."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.owned: dict[GloballyUniqueId, Owned] = {}
        self.passed: dict[GloballyUniqueId, Any] = {}  # forks on their way -> the reference they come from
        self.users: dict[GloballyUniqueId, Any] = {}  # fork -> how to delete it
        self._next = itertools.count()

    def new_id(self) -> GloballyUniqueId:
        """A new number."""
        return GloballyUniqueId(agents.here().me.id, next(self._next))

    def get_or_make(self, key: GloballyUniqueId) -> Owned:
        """A value, which may come later: calls overtake each other."""
        with self.lock:
            found = self.owned.get(key)
            if found is None:
                found = self.owned[key] = Owned(key)
            return found

    def add_fork(self, key: GloballyUniqueId, fork: GloballyUniqueId) -> Owned:
        """Count a fork; again does no harm."""
        with self.lock:
            found = self.get_or_make(key)
            found.forks.add(fork)
            return found

    def drop_fork(self, key: GloballyUniqueId, fork: GloballyUniqueId) -> None:
        """Take a fork off; the last one takes the value along."""
        with self.lock:
            found = self.owned.get(key)
            if found is None:
                return
            found.forks.discard(fork)
            if not found.forks:
                del self.owned[key]


table: Final = Table()


# -- what workers call on each other --


def _count(key: GloballyUniqueId, fork: GloballyUniqueId) -> None:
    table.add_fork(key, fork)


def _discount(key: GloballyUniqueId, fork: GloballyUniqueId) -> None:
    table.drop_fork(key, fork)


def _arrived(fork: GloballyUniqueId) -> None:
    """The reference that this worker has passed on is counted."""
    table.passed.pop(fork, None)


def _fetch(key: GloballyUniqueId, fork: GloballyUniqueId | None = None) -> Any:
    """The value; `fork` is that of a reference whose creation this call may have overtaken."""
    held = table.owned.get(key) if fork is None else table.add_fork(key, fork)
    if held is None:
        raise RuntimeError(f"the owner has dropped the value of {key}: nobody was counted to refer to it")
    return held.value.wait()


def _await(key: GloballyUniqueId, fork: GloballyUniqueId | None = None) -> None:
    _fetch(key, fork)


def owned(key: GloballyUniqueId, func: Any, args: Any, kwargs: Any) -> None:
    """On the owner: make the value that `remote` asked for."""
    value = table.get_or_make(key).value
    try:
        result = agents.invoke(func, args, kwargs)
    except BaseException as error:
        text = agents.told(agents.here().me, error)
        remade = agents.RemoteError(type(error), text).raised()
        remade.remote_text = text  # type: ignore[attr-defined]
        value.try_finish(None, remade)
        return
    if isinstance(result, agents.Postponed):
        result.future.add_done_callback(
            lambda done: (
                value.try_finish(None, done.exception())
                if done.exception() is not None
                else value.try_finish(done.wait(), None)
            )
        )
        return
    value.try_finish(result, None)


def _backward(value: tuple[Any, ...], context: int, retain_graph: bool) -> None:
    engine.backward(context, [_fetch(*value)], retain_graph)


class RRef:
    """A reference to a value on some worker.

    Args:
        value: a value of this worker, which becomes its owner.
        type_hint: accepted as in PyTorch.

    Raises:
        RuntimeError: if RPC has not been initialized.
    """

    __slots__ = ("__weakref__", "_confirmed", "_fork", "_key", "_made", "_owned", "_owner")

    def __init__(self, value: Any, type_hint: Any = None) -> None:
        agent = agents.here()
        key = table.new_id()
        self._set(agent.me, key, Owned(key), None)
        assert self._owned is not None
        self._owned.value.set_result(value)

    def _set(self, owner: agents.WorkerInfo, key: GloballyUniqueId, held: Owned | None, fork: Any) -> None:
        self._owner = owner
        self._key = key
        self._owned = held  # on the owner
        self._fork = fork  # elsewhere
        self._confirmed: Future[Any] | None = None
        self._made = False  # by a call of this worker, on which confirmation waits

    # -- what it is --

    def owner(self) -> agents.WorkerInfo:
        """The worker that has the value."""
        return self._owner

    def owner_name(self) -> str:
        """The name of the worker that has the value."""
        return self._owner.name

    def is_owner(self) -> bool:
        """Whether this worker has the value."""
        return self._owned is not None

    def confirmed_by_owner(self) -> bool:
        """Whether the owner has counted this reference."""
        return self._owned is not None or (
            self._confirmed is not None and self._confirmed.done() and self._confirmed.exception() is None
        )

    def __repr__(self) -> str:
        if self._owned is not None:
            return f"OwnerRRef({self._key})"
        return f"UserRRef(RRefId = {self._key}, ForkId = {self._fork})"

    # -- its value --

    def local_value(self) -> Any:
        """The value, on its owner.

        Raises:
            RuntimeError: elsewhere.
        """
        if self._owned is None:
            raise RuntimeError(
                f"For UserRRef(rref_id={self._key}, fork_id={self._fork}), can't call localValue() on user"
                f" {agents.here().me}. Call it on owner {self._owner}"
            )
        return self._owned.value.wait()

    def to_here(self, timeout: float = -1.0) -> Any:
        """A copy of the value; the value itself on the owner.

        Args:
            timeout: seconds; 0 means any, -1 what `init_rpc` was given.

        Raises:
            Exception: what making the value raised.
        """
        if self._owned is not None:
            return self._owned.value.wait()
        agent = agents.here()
        limit = None if timeout < 0 else timeout
        call = self._call_for_value()
        return agent.call(self._owner.id, _fetch, call, None, limit, recording.current()).wait()

    def ready(self, timeout: float = -1.0) -> None:
        """Wait until the owner has the value, without fetching it.

        Args:
            timeout: seconds; 0 means any, -1 what `init_rpc` was given.

        Raises:
            Exception: what making the value raised.
        """
        if self._owned is not None:
            self._owned.value.wait()
            return
        limit = None if timeout < 0 else timeout
        agents.here().call(self._owner.id, _await, self._call_for_value(), None, limit).wait()

    def _call_for_value(self) -> tuple[Any, ...]:
        """What the owner has to know to find the value.

        Raises:
            RuntimeError: if the call that makes the value, or counts this reference, has failed.
        """
        confirmed = self._confirmed
        assert confirmed is not None
        if self._made and not confirmed.done():
            return self._key, self._fork
        confirmed.wait()
        return (self._key,)

    def backward(self, dist_autograd_ctx_id: int = -1, retain_graph: bool = False) -> None:
        """Backward from the value, on its owner.

        Args:
            dist_autograd_ctx_id: the context; without one an ordinary backward, on the owner only.
            retain_graph: keep what was saved.

        Raises:
            RuntimeError: if the value is no tensor, or this is not its owner and no context is given.
        """
        if self._owned is None:
            if dist_autograd_ctx_id < 0:
                raise RuntimeError("User RRefs require 'dist_autograd_ctx_id' to be specified")
            call = (self._call_for_value(), dist_autograd_ctx_id, retain_graph)
            agents.here().call(self._owner.id, _backward, call, None).wait()
            return
        value = self._owned.value.wait()
        if not isinstance(value, Tensor):
            raise RuntimeError("RRef should contain a tensor for .backward()")
        if dist_autograd_ctx_id < 0:
            api.backward(value, retain_graph=retain_graph)
        else:
            engine.backward(dist_autograd_ctx_id, [value], retain_graph)

    # -- calling its methods, where it is --

    def rpc_sync(self, timeout: float = -1.0) -> Any:
        """Something whose methods are the value's, called on its owner.

        Args:
            timeout: seconds of each call.
        """
        return _Proxy(self, "rpc_sync", timeout)

    def rpc_async(self, timeout: float = -1.0) -> Any:
        """The same; the methods give futures.

        Args:
            timeout: seconds of each call.
        """
        return _Proxy(self, "rpc_async", timeout)

    def remote(self, timeout: float = -1.0) -> Any:
        """The same; the methods give references.

        Args:
            timeout: seconds of each call.
        """
        return _Proxy(self, "remote", timeout)

    # -- travelling --

    def __reduce__(self) -> Any:
        to = wire.destination()
        if to is None:
            raise RuntimeError(
                "Can not pickle rref in python pickler, rref can only be pickled when using RPC"
            )
        fork = table.new_id()
        if self._owned is None:
            table.passed[fork] = self
        elif to != self._owner.id:
            with table.lock:
                held = table.owned.setdefault(self._key, self._owned)
                held.forks.add(fork)
        else:  # to itself: it must not be dropped on the way
            table.passed[fork] = self
        return _received, (self._owner, self._key, fork, self._owned is None)

    def __del__(self) -> None:
        fork = getattr(self, "_fork", None)
        if fork is not None and self._confirmed is not None:
            owner, key = self._owner.id, self._key
            self._confirmed._after(lambda _: drop(owner, key, fork))


def drop(owner: int, key: GloballyUniqueId, fork: GloballyUniqueId) -> None:
    """Take a fork off at its owner, unless that has been done."""
    # The collector may come here anywhere, also where a lock is held that the call needs: a thread does it.
    if table.users.pop(fork, None) is not None and agents.is_here() and not agents.here().closing:
        agents.here().pool.submit(lambda: _quietly(owner, _discount, key, fork))


def _quietly(to: int, func: Any, *args: Any) -> None:
    """Call a worker that may have ended."""
    try:
        agents.here().call(to, func, args, None)
    except (OSError, RuntimeError):
        pass


def _user(owner: agents.WorkerInfo, key: GloballyUniqueId, fork: GloballyUniqueId) -> RRef:
    rref: RRef = object.__new__(RRef)
    rref._set(owner, key, None, fork)
    table.users[fork] = (owner.id, key)
    return rref


def _received(
    owner: agents.WorkerInfo, key: GloballyUniqueId, fork: GloballyUniqueId, passed_on: bool
) -> RRef:
    """A reference out of a message."""
    agent = agents.here()
    source = wire.source()
    if owner.id == agent.me.id:
        with table.lock:
            reference = table.passed.get(fork) if source == agent.me.id else None
            if reference is not None and reference._owned is not None:
                held = reference._owned
            else:
                held = table.get_or_make(key)
        rref: RRef = object.__new__(RRef)
        rref._set(owner, key, held, None)
        if source == agent.me.id:
            _arrived(fork)
        else:
            agent.pool.submit(lambda: _quietly(source, _arrived, fork))
        return rref
    rref = _user(owner, key, fork)
    if not passed_on:  # by the owner, which has counted it
        rref._confirmed = Future()
        rref._confirmed.set_result(None)
        return rref
    confirmed: Future[Any] = Future()
    rref._confirmed = confirmed

    def count() -> None:
        try:
            counted = agent.call(owner.id, _count, (key, fork), None)
        except Exception as error:
            confirmed.try_finish(None, error)
            return

        def tell(done: Future[Any]) -> None:
            confirmed.try_finish(None, done.exception())
            _quietly(source, _arrived, fork)

        counted._after(tell)

    agent.pool.submit(count)
    return rref


def remote_value(to: agents.WorkerInfo, func: Any, args: Any, kwargs: Any, timeout: float | None) -> RRef:
    """A reference to what a function will give on a worker.

    Args:
        to: the worker, which becomes the owner.
        func: the function.
        args, kwargs: its arguments.
        timeout: seconds of the call that starts it.
    """
    agent = agents.here()
    key = table.new_id()
    if to.id == agent.me.id:
        rref: RRef = object.__new__(RRef)
        held = Owned(key)
        rref._set(agent.me, key, held, None)
        # For as long as the call is on its way it counts as a fork.
        fork = table.new_id()
        with table.lock:
            table.owned[key] = held
            held.forks.add(fork)
        made = agent.call(
            to.id, owned, (key, func, args or (), kwargs or {}), None, timeout, recording.current()
        )
        made._after(lambda _: table.drop_fork(key, fork))
        return rref
    fork = table.new_id()
    rref = _user(to, key, fork)
    rref._made = True
    rref._confirmed = agent.call(
        to.id, _make, (key, fork, func, args or (), kwargs or {}), None, timeout, recording.current()
    )
    return rref


def _make(key: GloballyUniqueId, fork: GloballyUniqueId, func: Any, args: Any, kwargs: Any) -> None:
    table.add_fork(key, fork)
    owned(key, func, args, kwargs)


class _Proxy:
    """The methods of a reference's value."""

    def __init__(self, rref: RRef, how: str, timeout: float) -> None:
        self._rref, self._how, self._timeout = rref, how, timeout

    def __getattr__(self, name: str) -> Any:
        return functools.partial(_by_name, self._rref, self._how, self._timeout, name)


def _by_name(rref: RRef, how: str, timeout: float, name: str, *args: Any, **kwargs: Any) -> Any:
    limit = None if timeout < 0 else timeout
    call = (rref, name, args, kwargs)
    if how == "remote":
        return remote_value(rref.owner(), _method, call, None, limit)
    future = agents.here().call(rref.owner().id, _method, call, None, limit, recording.current())
    return future.wait() if how == "rpc_sync" else future


def _method(rref: RRef, name: str, args: Any, kwargs: Any) -> Any:
    return agents.invoke(getattr(rref.local_value(), name), args, kwargs)
