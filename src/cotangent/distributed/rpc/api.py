"""The public functions of `torch.distributed.rpc`."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from ...futures import Future
from ..group import get_default_group, is_initialized, own_address
from ..meeting import met
from ..store import PrefixStore
from . import agent as agents, recording, rref as references
from .rref import RRef

__all__ = [
    "BackendType", "RpcBackendOptions", "TensorPipeRpcBackendOptions", "async_execution",
    "get_worker_info", "init_rpc", "remote", "rpc_async", "rpc_sync", "shutdown",
]  # fmt: skip

DEFAULT_RPC_TIMEOUT_SEC: Final = 60.0
UNSET_RPC_TIMEOUT: Final = -1.0
DEFAULT_SHUTDOWN_TIMEOUT: Final = 0.0
_logger: Final = logging.getLogger(__name__)


class BackendType(Enum):
    """What carries calls; there is one."""

    TENSORPIPE = "TENSORPIPE"


@dataclass
class RpcBackendOptions:
    """Options of `init_rpc`.

    Args:
        rpc_timeout: seconds that a call may take; 0 means any.
        init_method: where the workers meet, as for `init_process_group`.
    """

    rpc_timeout: float = DEFAULT_RPC_TIMEOUT_SEC
    init_method: str = "env://"


@dataclass
class TensorPipeRpcBackendOptions(RpcBackendOptions):
    """Options of `init_rpc` under the name PyTorch's programs use; the transport is our own.

    Args:
        num_worker_threads: accepted; there are as many threads as there are calls at once.
        rpc_timeout, init_method: as for RpcBackendOptions.
        device_maps, devices: accepted as in PyTorch: everything is on the CPU.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.rpc.TensorPipeRpcBackendOptions(rpc_timeout=5).rpc_timeout
        5
    """

    num_worker_threads: int = 16
    device_maps: dict[str, Any] = field(default_factory=dict)
    devices: list[Any] = field(default_factory=list)
    _transports: list[str] | None = None
    _channels: list[str] | None = None

    def __init__(
        self,
        *,
        num_worker_threads: int = 16,
        rpc_timeout: float = DEFAULT_RPC_TIMEOUT_SEC,
        init_method: str = "env://",
        device_maps: dict[str, Any] | None = None,
        devices: list[Any] | None = None,
        _transports: list[str] | None = None,
        _channels: list[str] | None = None,
    ) -> None:
        super().__init__(rpc_timeout, init_method)
        self.num_worker_threads = num_worker_threads
        self.device_maps = device_maps or {}
        self.devices = devices or []

    def set_device_map(self, to: str, device_map: dict[Any, Any]) -> None:
        """Accepted as in PyTorch: everything is on the CPU.

        Args:
            to: a worker.
            device_map: devices here -> devices there.
        """
        self.device_maps[to] = device_map


def init_rpc(
    name: str,
    backend: Any = None,
    rank: int = -1,
    world_size: int | None = None,
    rpc_backend_options: Any = None,
) -> None:
    """Find the other workers and begin to serve their calls.

    Args:
        name: of this worker, unlike that of any other.
        backend: accepted as in PyTorch.
        rank: the number of this worker, unless the environment tells.
        world_size: how many there are, likewise.
        rpc_backend_options: where to meet, and how long calls may take.

    Raises:
        RuntimeError: if RPC has been initialized, or the others do not come, or names are not unique.
        ValueError: if something is missing that the environment should tell.
    """
    if agents.is_here():
        raise RuntimeError("RPC is already initialized")
    if not re.fullmatch(r"[A-Za-z0-9\-_:]{1,127}", name):
        raise RuntimeError(
            "Worker name must match ^[A-Za-z0-9-_:]*$, and must be non-empty and shorter than 128 chars, but"
            f" got {name}"
        )
    options = rpc_backend_options or RpcBackendOptions()
    meeting = timedelta(seconds=max(options.rpc_timeout, DEFAULT_RPC_TIMEOUT_SEC))
    size = -1 if world_size is None else world_size
    if options.init_method == "env://" and is_initialized():
        world = get_default_group()
        store, rank, size = world.store, world.rank(), world.size()
    else:
        store, rank, size = met(options.init_method, rank, size, meeting)
    own = PrefixStore(f"rpc{_Here.times}", store)
    _Here.times += 1
    address = os.environ.get("GLOO_SOCKET_ADDRESS") or own_address(own)
    agent = agents.Agent(name, rank, size, own, address, float(options.rpc_timeout), meeting)
    recording.container.open(rank)
    references.table.clear()
    agents.set_agent(agent)
    own.set(f"ready/{rank}", "")
    own.wait([f"ready/{other}" for other in range(size)], meeting)


class _Here:
    times = 0  # how often RPC has been initialized: each time has its own keys in the store


def _seconds(timeout: float) -> float | None:
    return None if timeout < 0 else float(timeout)


def _call(to: Any, func: Any, args: Any, kwargs: Any, timeout: float) -> Future[Any]:
    if not callable(func):
        raise TypeError("function should be callable.")
    agent = agents.here()
    return agent.call(agent.worker(to).id, func, args, kwargs, _seconds(timeout), recording.current())


def rpc_sync(to: Any, func: Any, args: Any = None, kwargs: Any = None, timeout: float = -1.0) -> Any:
    """Call a function on a worker and wait for its result.

    Args:
        to: the worker: its name, number or WorkerInfo.
        func: a function that can be imported there by its name.
        args, kwargs: its arguments. Tensors are copied.
        timeout: seconds; 0 means any, -1 what `init_rpc` was given.

    Raises:
        Exception: of the type that the function raised there, with the traceback in its text.
        RuntimeError: if the worker has ended (it is named) or the time is over.
    """
    return _call(to, func, args, kwargs, timeout).wait()


def rpc_async(to: Any, func: Any, args: Any = None, kwargs: Any = None, timeout: float = -1.0) -> Future[Any]:
    """Call a function on a worker.

    Args:
        to, func, args, kwargs, timeout: as for `rpc_sync`.

    Returns:
        the result, later.
    """
    future = _call(to, func, args, kwargs, timeout)
    collecting = _profiled.futures
    if collecting is not None:
        collecting.append(future)
    return future


def remote(to: Any, func: Any, args: Any = None, kwargs: Any = None, timeout: float = -1.0) -> RRef:
    """A reference to what a function gives on a worker, which owns the value.

    Args:
        to, func, args, kwargs, timeout: as for `rpc_sync`.
    """
    if not callable(func):
        raise TypeError("function should be callable.")
    info = agents.here().worker(to)
    return references.remote_value(info, func, args, kwargs, _seconds(timeout))


class _Profiled:
    futures: list[Future[Any]] | None = None


_profiled: Final = _Profiled()


@contextlib.contextmanager
def _wait_all() -> Any:
    """For a block: at its end, wait for all calls of `rpc_async` in it."""
    _profiled.futures = []
    try:
        yield
    finally:
        futures, _profiled.futures = _profiled.futures, None
        for future in futures:
            future.wait()


def get_worker_info(worker_name: str | None = None) -> agents.WorkerInfo:
    """A worker's name and number.

    Args:
        worker_name: its name; this worker by default.

    Raises:
        RuntimeError: if there is none, or RPC has not been initialized.
    """
    agent = agents.here()
    return agent.me if worker_name is None else agent.worker(worker_name)


def async_execution(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Say that a function gives a future, and that callers get what that gives; no thread waits meanwhile.

    Args:
        fn: the function.

    Example:
        >>> import cotangent as torch
        >>> @torch.distributed.rpc.functions.async_execution
        ... def later():
        ...     return torch.futures.Future()
        >>> later.__name__
        'later'
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        if not isinstance(result, Future):
            raise RuntimeError(
                "Functions decorated with @rpc.async_function must return a torch.futures.Future object, but"
                f" got {result}"
            )
        return result

    wrapper._wrapped_async_rpc_function = fn  # type: ignore[attr-defined]
    return wrapper


def shutdown(graceful: bool = True, timeout: float = DEFAULT_SHUTDOWN_TIMEOUT) -> None:
    """Stop serving calls.

    Args:
        graceful: whether to wait until all workers are here and no call is under way, theirs included.
        timeout: seconds to wait for that; 0 means as long as they live.

    Raises:
        RuntimeError: if a worker does not come, or has ended; it is named.
    """
    if not agents.is_here():
        return
    agent = agents.here()
    try:
        if graceful:
            agent.settle(timeout or 1e9)
            _drop_all(agent)
            agent.settle(timeout or 1e9)
            _report_leaks(agent)
            agent.store.set(f"bye/{agent.me.id}", "")
            if agent.me.id == 0:  # it may serve the store
                _wait_for_farewells(agent)
    finally:
        agent.close()
        agents.set_agent(None)
        recording.container.close()
        references.table.clear()


def _wait_for_farewells(agent: agents.Agent) -> None:
    """Serve the store until all workers have said that they need it no more; one that cannot is named."""
    waiting = list(range(agent.size))
    end = time.monotonic() + 10.0
    while waiting:
        # Who has ended may have said so just before: the connections are looked at first.
        gone, late = set(agent.gone), time.monotonic() > end
        waiting = [rank for rank in waiting if not agent.store.check([f"bye/{rank}"])]
        for rank in waiting:
            if late or rank in gone:
                raise agent.dead(rank)
        time.sleep(0.005)


def _drop_all(agent: agents.Agent) -> None:
    """Drop the references that the program still holds."""
    held = list(references.table.users.items())
    for fork, (owner, key) in held:
        _logger.info("%s still holds %s with fork %s at shutdown", agent.me.name, key, fork)
        references.drop(owner, key, fork)


def _report_leaks(agent: agents.Agent) -> None:
    """Say which values of this worker are referred to though all workers have dropped their references."""
    leaked = [
        f"Leaking RRef {key} with fork Id {fork}"
        for key, held in list(references.table.owned.items())
        for fork in held.forks
    ]
    if leaked:
        _logger.warning(
            "Detected RRef Leaks during shutdown of %s: a worker has not dropped its reference. %s",
            agent.me.name, "; ".join(sorted(leaked)),
        )  # fmt: skip
