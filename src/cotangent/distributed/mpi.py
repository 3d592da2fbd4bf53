"""The connections of a group through MPI, by mpi4py: for programs that `mpiexec` or a scheduler starts.

MPI makes no progress by itself: somebody has to ask. The thread of a group's collectives asks until a message
is there, at first without a pause, for in shared memory it is there in microseconds.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

import numpy as np

from .. import lazy
from .gloo import DistBackendError
from .store import DistStoreError, Store
from .tcp_store import TCPStore

__all__ = ["MPI", "is_available", "meeting"]

_mpi: Any = lazy.module("mpi4py.MPI")
_SPINS: Final = 200
_PAUSE: Final = 20e-6
_MISSING: Final = (
    "torch.distributed with the 'mpi' backend needs the package mpi4py and an MPI: pip install"
    " cotangent[mpi], then mpiexec -n 2 python -m cotangent script.py"
)
_OPERATIONS: Final = {
    "SUM": "SUM",
    "PRODUCT": "PROD",
    "MIN": "MIN",
    "MAX": "MAX",
    "BAND": "BAND",
    "BOR": "BOR",
}
_DTYPES: Final = frozenset(
    ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "complex64", "complex128")
)


def is_available() -> bool:
    """Whether mpi4py and an MPI are installed.

    Example:
        >>> from cotangent.distributed import mpi
        >>> mpi.is_available() in (True, False)
        True
    """
    try:
        return bool(_mpi.SUM)
    except (ImportError, RuntimeError):  # the second one without a library of MPI
        return False


class _Here:
    hooked = False
    stuck = False  # a message is under way for ever: MPI would wait for it at the end


def _finish() -> None:
    if _Here.stuck:
        sys.stdout.flush()
        sys.stderr.flush()
        _mpi.COMM_WORLD.Abort(1)


def _hook() -> None:
    """Let an exception that nobody catches end the other ranks, too, which would wait for ever."""
    if _Here.hooked:
        return
    _Here.hooked = True
    before = sys.excepthook

    def excepthook(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        before(kind, value, trace)
        sys.stderr.flush()
        time.sleep(0.5)  # the launcher passes on what was written; ended at once, it may lose the traceback
        _mpi.COMM_WORLD.Abort(1)

    sys.excepthook = excepthook
    atexit.register(_finish)


def meeting(timeout: timedelta) -> tuple[Store, int, int]:
    """A store that all processes of `mpiexec` share, this one's rank, and how many there are.

    Args:
        timeout: of the store.

    Raises:
        RuntimeError: if the packages are missing.
    """
    if not is_available():
        raise RuntimeError(_MISSING)
    _hook()
    world = _mpi.COMM_WORLD
    rank, size = world.Get_rank(), world.Get_size()
    store: Any = None
    if rank == 0:
        host = "127.0.0.1" if _one_machine(world) else _mpi.Get_processor_name()
        store = TCPStore(host, 0, None, True, timeout)
        world.bcast((host, store.port))
    else:
        _one_machine(world)
        host, port = world.bcast(None)
        store = TCPStore(host, port, None, False, timeout)
    return store, rank, size


def _one_machine(world: Any) -> bool:
    return len(set(world.allgather(_mpi.Get_processor_name()))) == 1


class MPI:
    """Messages between the members of a group.

    Args:
        store: where those are named that do not come in time.
        ranks: the numbers of the group's processes.
        rank: the number of this one in the group.
        timeout: of each message.
    """

    def __init__(self, store: Store, ranks: list[int], rank: int, timeout: timedelta) -> None:
        if not is_available():
            raise RuntimeError(_MISSING)
        self.rank, self.size = rank, len(ranks)
        self._store = store
        self._timeout = timeout.total_seconds()
        world = _mpi.COMM_WORLD
        self._comm = world.Create_group(world.Get_group().Incl(ranks), tag=ranks[0])
        self._count = 0

    def _wait(self, request: Any, what: str, peer: int | None, status: Any = None) -> None:
        """Ask for a message until it is there."""
        end = time.monotonic() + self._timeout
        spins = 0
        while not request.Test(status):
            spins += 1
            if spins > _SPINS:
                time.sleep(_PAUSE)
                if time.monotonic() > end:
                    _Here.stuck = True
                    late = [peer] if peer is not None else [] if status is not None else self._late()
                    raise DistBackendError(
                        f"rank {self.rank} of {self.size} could not {what} within {self._timeout:g} s:"
                        f" rank {', '.join(map(str, late)) or 'unknown'} does not take part"
                    )

    def _late(self) -> list[int]:
        """The ranks that are not in this collective."""
        mark = f"late/{self._count}"
        self._store.set(f"{mark}/{self.rank}", "")
        late: list[int] = []
        for other in range(self.size):
            try:
                self._store.wait([f"{mark}/{other}"], timedelta(seconds=0 if late else 1))
            except DistStoreError:
                late.append(other)
        return late

    # -- messages --

    def start_send(self, array: Any, peer: int, tag: int) -> _Started:
        """Begin to send the bytes of an array to a rank."""
        request = self._comm.Isend(_bytes(array), peer, tag)
        return _Started(lambda: self._wait(request, f"send to rank {peer}", peer))

    def send(self, array: Any, peer: int, tag: int) -> None:
        """Send the bytes of an array to a rank."""
        self.start_send(array, peer, tag).result()

    def recv(self, array: Any, peer: int, tag: int) -> None:
        """Receive bytes from a rank into an array."""
        self._wait(self._comm.Irecv(_bytes(array), peer, tag), f"receive from rank {peer}", peer)

    def recv_any(self, array: Any, tag: int) -> int:
        """Receive bytes from whichever rank sends first; returns its number."""
        status = _mpi.Status()
        request = self._comm.Irecv(_bytes(array), _mpi.ANY_SOURCE, tag)
        self._wait(request, "receive from any rank", None, status)
        return int(status.Get_source())

    # -- collectives that MPI has itself --

    @property
    def direct(self) -> MPI:
        """Whose collectives are not made of messages."""
        return self

    def supports(self, array: Any, operation: str = "SUM") -> bool:
        """Whether MPI computes with this dtype and operation."""
        return array.dtype.name in _DTYPES and operation in _OPERATIONS

    def all_reduce(self, flat: Any, operation: str) -> None:
        """Reduce a contiguous array over all ranks, in place."""
        self._count += 1
        request = self._comm.Iallreduce(_mpi.IN_PLACE, flat, getattr(_mpi, _OPERATIONS[operation]))
        self._wait(request, "finish an all-reduce", None)

    def broadcast(self, array: Any, root: int) -> None:
        """Fill an array with the root's."""
        self._count += 1
        self._wait(self._comm.Ibcast(_bytes(array), root), "finish a broadcast", None)

    def all_gather(self, array: Any, out: Any) -> None:
        """Fill `out` with the arrays of all ranks."""
        self._count += 1
        self._wait(self._comm.Iallgather(_bytes(array), _bytes(out)), "finish an all-gather", None)

    def close(self) -> None:
        """Leave the connections to MPI, which ends them with the process."""


class _Started:
    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish

    def result(self) -> None:
        """Wait until it is sent."""
        self._finish()


def _bytes(array: Any) -> Any:
    """A contiguous array as MPI takes it, whatever its dtype."""
    return [array.reshape(-1).view(np.uint8), _mpi.BYTE]
