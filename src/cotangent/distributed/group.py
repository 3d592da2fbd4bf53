"""Process groups: which processes compute together, and the lane in which their collectives run in order."""

from __future__ import annotations

import os
import queue
import threading
import warnings
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import numpy as np

from ..futures import Future
from . import rings
from .debug import DebugLevel, get_debug_level
from .gloo import Gloo
from .mail import Mail
from .meeting import met
from .mpi import MPI, meeting
from .store import PrefixStore, Store
from .tcp_store import TCPStore

__all__ = [
    "ProcessGroup", "Work", "canonical_rank", "destroy_process_group", "get_backend", "get_backend_config",
    "get_default_group", "get_global_rank", "get_group_rank", "get_pg_count", "get_process_group_ranks",
    "get_rank", "get_world_size", "init_process_group", "is_initialized", "new_group", "resolve",
]  # fmt: skip

_FINGERPRINT: Final = 512  # bytes of a text that ranks compare
NON_GROUP_MEMBER: Final = -100
DEFAULT_TIMEOUT: Final = timedelta(minutes=30)
_NOT_INITIALIZED: Final = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


class Work:
    """A collective that has been started.

    Args:
        run: what it does.
        tensors: those that it fills.
    """

    def __init__(self, run: Callable[[], Any], tensors: Any = ()) -> None:
        self._run = run
        self._tensors = tensors
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._result: Any = None
        self._future: Future[Any] | None = None
        self._guard = threading.Lock()

    def _go(self) -> None:
        try:
            self._result = self._run()
        except BaseException as error:
            self._error = error
        del self._run
        with self._guard:
            self._done.set()
            future = self._future
        if future is not None:
            future.try_finish(list(self._tensors), self._error)

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until it is done.

        Args:
            timeout: how long; as long as it takes by default.

        Returns:
            True.

        Raises:
            RuntimeError: what went wrong, or that it takes too long.
        """
        if not self._done.wait(None if timeout is None else timeout.total_seconds()):
            raise RuntimeError(f"Work.wait: the operation is not done after {timeout}")
        if self._error is not None:
            raise self._error
        return True

    def get_future(self) -> Future[Any]:
        """A future of the list of tensors that it fills."""
        with self._guard:
            if self._future is None:
                self._future = Future()
            done = self._done.is_set()
        if done:
            self._future.try_finish(list(self._tensors), self._error)
        return self._future

    def is_completed(self) -> bool:
        """Whether it is done."""
        return self._done.is_set()

    def is_success(self) -> bool:
        """Whether it is done and nothing went wrong."""
        return self._done.is_set() and self._error is None

    def exception(self) -> BaseException | None:
        """What went wrong."""
        return self._error

    def _source_rank(self) -> int:
        """Of a message that has come: the sender's rank in the group."""
        return int(self.result())

    def result(self) -> Any:
        """What it gave, once it is done."""
        self.wait()
        return self._result


class _Lane:
    """Runs collectives one after the other in a thread that starts with the first."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, run: Callable[[], Any], tensors: Any) -> Work:
        work = Work(run, tensors)
        if self._thread is threading.current_thread():
            work._go()  # a part of what runs now
            return work
        if self._thread is None:
            self._thread = threading.Thread(
                target=_work, args=(self._queue,), daemon=True, name="collectives"
            )
            self._thread.start()
        self._queue.put(work)
        return work

    def close(self) -> None:
        self._queue.put(None)


def _work(tasks: Any) -> None:
    while (work := tasks.get()) is not None:
        work._go()


class ProcessGroup:
    """Some of the processes, and their connections.

    Args:
        ranks: the numbers of the processes, in the order of their ranks in the group.
        rank: this process's rank in the group; -1 if it does not belong to it.
        name: of the group.
        backend: "gloo" or "mpi".
        store: where its members find each other.
        timeout: of each message.
    """

    # Compiled functions do not watch what is in slots: the exchange changes it.
    __slots__ = (
        "__weakref__", "_lane", "_link", "_mail", "_number", "_rank", "backend", "detail", "group_desc",
        "group_name", "ranks", "store", "timeout",
    )  # fmt: skip

    def __init__(
        self, ranks: list[int], rank: int, name: str, backend: str, store: Store, timeout: timedelta
    ) -> None:
        self.ranks = ranks
        self._rank = rank
        self.group_name = name
        self.group_desc = "undefined"
        self.backend = backend
        self.store = store
        self.timeout = timeout
        self.detail = get_debug_level() is DebugLevel.DETAIL
        self._number = 0  # of collectives that were compared
        self._link: Gloo | MPI | None = None
        self._mail: Mail | None = None
        self._lane = _Lane()
        if rank >= 0 and backend == "mpi":
            self._link = MPI(store, ranks, rank, timeout)
        elif rank >= 0:
            interface = os.environ.get("GLOO_SOCKET_ADDRESS") or own_address(store)
            self._link = Gloo(store, rank, len(ranks), timeout, interface)
        if self._link is not None:
            self._mail = Mail(self._link, store, timeout)

    def __eq__(self, other: object) -> bool:
        """Itself; and a group that this process is not in is what stands for that, too."""
        return self is other or (self._rank < 0 and other == NON_GROUP_MEMBER)

    __hash__ = object.__hash__

    @property
    def link(self) -> Gloo | MPI:
        """The connections."""
        assert self._link is not None
        return self._link

    @property
    def mail(self) -> Mail:
        """The messages."""
        assert self._mail is not None
        return self._mail

    def rank(self) -> int:
        """This process's rank in the group."""
        return self._rank

    def size(self) -> int:
        """How many processes it has."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend's name."""
        return self.backend

    def submit(self, run: Callable[[], Any], async_op: bool, name: str, tensors: Any = ()) -> Work | None:
        """Run a collective after those before it.

        Args:
            run: what it does.
            async_op: whether to return while it runs.
            name: what it is; all ranks run the same.
            tensors: those that it fills.

        Returns:
            the work, if so.

        Raises:
            RuntimeError: if `TORCH_DISTRIBUTED_DEBUG` is DETAIL and ranks run different ones.
        """
        if self.detail:
            run = self._compared(run, name, tensors)
        work = self._lane.submit(run, tensors)
        if async_op:
            return work
        work.wait()
        return None

    def _compared(self, run: Callable[[], Any], name: str, tensors: Any) -> Callable[[], Any]:
        """The collective, after all ranks have told which one they run."""
        self._number += 1
        told = (
            f"CollectiveFingerPrint(SequenceNumber={self._number}, OpType={name}, TensorShape="
            f"{[list(t.shape) for t in tensors]}, TensorDtypes={[t.dtype.name for t in tensors]})"
        )

        def compare() -> Any:
            mine = np.frombuffer(told.encode()[:_FINGERPRINT].ljust(_FINGERPRINT), np.uint8)
            everyone = [bytes(row).decode().rstrip() for row in rings.all_gather(self.link, mine)]
            other = next((rank for rank, text in enumerate(everyone) if text != told[:_FINGERPRINT]), None)
            if other is not None:
                raise RuntimeError(
                    f"Detected mismatch between collectives on ranks. Rank {self.rank()} is running"
                    f" collective: {told}, but Rank {other} is running collective: {everyone[other]}."
                )
            return run()

        return compare

    def close(self) -> None:
        """End the connections."""
        self._lane.close()
        if self._link is not None and self._mail is not None:
            self._mail.close()
            self._link.close()
            self._link = self._mail = None


def own_address(store: Store) -> str:
    """The address that the others reach this process at: the one by which it reaches the store."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    return store.own_address if isinstance(store, TCPStore) else "127.0.0.1"


class _Here:
    default: ProcessGroup | None = None
    groups: Final[weakref.WeakSet[ProcessGroup]] = weakref.WeakSet()
    made = 0


def is_initialized() -> bool:
    """Whether `init_process_group` has been called.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.is_initialized()
        False
    """
    return _Here.default is not None


def get_default_group() -> ProcessGroup:
    """The group of all processes.

    Raises:
        ValueError: if there is none.
    """
    if _Here.default is None:
        raise ValueError(_NOT_INITIALIZED)
    return _Here.default


def find_group(name: str) -> ProcessGroup:
    """The group of a name.

    Args:
        name: its `group_name`.

    Raises:
        RuntimeError: if there is none.
    """
    for group in _Here.groups:
        if group.group_name == name:
            return group
    raise RuntimeError(f"Could not resolve the process group registered under the name {name}")


def group_of_ranks(ranks: Any) -> ProcessGroup:
    """A group of some processes, made unless there is one. All processes call it.

    Args:
        ranks: their numbers; or lists of them, for several groups of which this process is in one.
    """
    found = []
    for each in ranks if isinstance(ranks[0], list) else [ranks]:
        same = [group for group in _Here.groups if group.ranks == sorted(each)]
        found.append(same[0] if same else new_group(each))
    return next((group for group in found if group.rank() >= 0), found[0])


def resolve(group: ProcessGroup | None) -> ProcessGroup:
    """A group, or the default one.

    Args:
        group: the group; None stands for all processes.

    Raises:
        ValueError: if there is none.
    """
    return get_default_group() if group is None else group


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Find the other processes and connect to them.

    Args:
        backend: "gloo", also what None stands for; or "mpi", under `mpiexec`, which tells ranks and size.
        init_method: where: "env://" (MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE; the default),
            "tcp://HOST:PORT" or "file:///PATH".
        timeout: of each message; 30 minutes by default.
        world_size: how many processes there are, unless the environment or the method tells.
        rank: the number of this one, likewise.
        store: the place to meet, instead of `init_method`.
        group_name: accepted as in PyTorch.
        pg_options: accepted as in PyTorch.
        device_id: accepted as in PyTorch.

    Raises:
        ValueError: for arguments that are missing or contradict each other.
        RuntimeError: if the package with Gloo is missing.
        DistNetworkError, DistBackendError: if the others do not come.

    Example:
        >>> import cotangent as torch
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     torch.distributed.destroy_process_group()
    """
    if _Here.default is not None:
        raise ValueError("trying to initialize the default process group twice!")
    name = (backend or "gloo").lower().removeprefix("cpu:").partition(",")[0]
    if name not in ("gloo", "mpi"):
        raise ValueError(f"Invalid backend: '{backend}'; accepted: 'gloo', 'mpi'")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    _checked_timeout(timeout)
    limit = DEFAULT_TIMEOUT if timeout is None else timeout
    if name == "mpi":
        store, rank, world_size = meeting(limit)
    elif store is None:
        store, rank, world_size = met(init_method or "env://", rank, world_size, limit)
    elif world_size <= 0 or rank < 0:
        raise AssertionError("world_size must be positive and rank non-negative if using store")
    store.set_timeout(limit)
    ranks = list(range(world_size))
    # A store may have served a group that has been destroyed: each has its own keys.
    own = PrefixStore(f"default{store.add(f'times/{rank}', 1)}", store)
    group = ProcessGroup(ranks, rank, "0", name, own, limit)
    group.group_desc = "default_pg"
    _Here.default = group
    _Here.groups.add(group)


def _checked_timeout(timeout: Any) -> None:
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout}")


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """End the connections of a group, or of all.

    Args:
        group: the group; None stands for all of them.

    Raises:
        AssertionError: if there is none.
    """
    if _Here.default is None:
        raise AssertionError("Process group cannot be None")
    if group is None or group is _Here.default:
        for each in list(_Here.groups):
            each.close()
        _Here.groups.clear()
        _Here.default = None
        _Here.made = 0
    else:
        group.close()
        _Here.groups.discard(group)


def get_rank(group: ProcessGroup | None = None) -> int:
    """The rank of this process in a group; -1 if it does not belong to it.

    Args:
        group: the group; all processes by default.

    Raises:
        ValueError: if there is none.
    """
    return resolve(group).rank()


def get_world_size(group: ProcessGroup | None = None) -> int:
    """How many processes a group has; -1 if this one does not belong to it.

    Args:
        group: the group; all processes by default.

    Raises:
        ValueError: if there is none.
    """
    found = resolve(group)
    return found.size() if found.rank() >= 0 else -1


def get_backend(group: ProcessGroup | None = None) -> str:
    """The name of a group's backend.

    Args:
        group: the group; all processes by default.
    """
    return resolve(group).backend


def get_backend_config(group: ProcessGroup | None = None) -> str:
    """Which backend serves which devices, for a group.

    Args:
        group: the group; all processes by default.
    """
    name = resolve(group).backend
    return f"cpu:{name},cuda:{name}" if name == "gloo" else f"cpu:{name}"


def get_pg_count() -> int:
    """How many groups this process has made."""
    return len(_Here.groups)


def get_process_group_ranks(group: ProcessGroup | None = None) -> list[int]:
    """The numbers of a group's processes.

    Args:
        group: the group; all processes by default.
    """
    return list(resolve(group).ranks)


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in a group of a process.

    Args:
        group: the group.
        global_rank: the process's number.

    Raises:
        ValueError: if it does not belong to it.
    """
    if group is _Here.default:
        return global_rank
    if global_rank not in group.ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group.group_name}")
    return group.ranks.index(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The number of the process with a rank in a group.

    Args:
        group: the group.
        group_rank: the rank.

    Raises:
        ValueError: if there is no such rank.
    """
    if group is _Here.default:
        return group_rank
    if not 0 <= group_rank < group.size():
        raise ValueError(f"Group rank {group_rank} is not part of group {group.group_name}")
    return group.ranks[group_rank]


def canonical_rank(group: ProcessGroup, global_rank: int | None, group_rank: int | None) -> int:
    """The rank in a group of a process that is given by its number or by that rank.

    Args:
        group: the group.
        global_rank: the process's number, or None.
        group_rank: its rank, or None.

    Raises:
        ValueError: if both are given or neither, or it does not belong to the group.
    """
    if group_rank is not None:
        if global_rank is not None:
            raise ValueError("Can't specify both group_rank and global_rank")
        return group_rank
    if global_rank is None:
        raise ValueError("Must specify global_rank or group_rank")
    return get_group_rank(group, global_rank)


def new_group(
    ranks: list[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
) -> ProcessGroup:
    """A group of some of the processes. All processes call it, also those that do not belong to it.

    Args:
        ranks: the numbers of its processes; all by default.
        timeout: of each message; the default group's by default.
        backend: "gloo".
        group_desc: what it is for, kept as `group_desc`.
        pg_options, use_local_synchronization, device_id: accepted as in PyTorch.

    Raises:
        ValueError: for numbers that there are not.
    """
    world = get_default_group()
    chosen = list(world.ranks) if ranks is None else sorted(ranks)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"ranks list must not contain duplicate entries, got {ranks}")
    for each in chosen:
        if each not in world.ranks:
            raise ValueError(
                f"Rank {each} is out of range. Valid ranks are 0 to {world.size() - 1}"
                f" (world_size={world.size()})"
            )
    if backend is not None and backend.lower() not in ("gloo", "mpi"):
        warnings.warn(
            f"Device capability of {backend.lower()} unknown, assuming `cpu` and `cuda`. You can specify it"
            " in `device:backend` format in `init_process_group` call.",
            stacklevel=2,
        )
        raise AssertionError(f"Unknown backend type {backend.lower()}")
    _checked_timeout(timeout)
    _Here.made += 1
    name = str(_Here.made)
    rank = chosen.index(world.rank()) if world.rank() in chosen else -1
    store = PrefixStore(f"group{name}", world.store)
    group = ProcessGroup(chosen, rank, name, world.backend, store, timeout or world.timeout)
    group.group_desc = group_desc or "undefined"
    _Here.groups.add(group)
    return group
