"""Collectives of ranks on one machine, through memory that they share.

The memory is anonymous (`memfd_create`): it has no name that could be left behind, and ends with the last of
the processes, however they end. It has two slots for each rank. In a *round* every rank puts a piece of its
array into its slot, counts up its stage, and waits until the others have done so; then it reads their slots.
The other slot serves the next round: by the time a rank comes to use the first one again, all have begun that
next round, so they have read what was in it. Who waits sleeps in the kernel (a futex) with the interpreter
lock released, and looks every few milliseconds whether the process that it waits for has ended.

Stores become visible to other cores in their order on x86 only, so this is for Linux on x86.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import platform
import secrets
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

__all__ = ["OPERATIONS", "Shared", "meet"]

OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "SUM": np.add,
    "PRODUCT": np.multiply,
    "MIN": np.minimum,
    "MAX": np.maximum,
    "BAND": np.bitwise_and,
    "BOR": np.bitwise_or,
    "BXOR": np.bitwise_xor,
}
_LINE: Final = 64  # bytes of a rank's head: its stage, what it runs, how many bytes
_SLOT: Final = 4 << 20
_TEXT: Final = 128  # bytes of what ranks tell each other at first
_SMALL: Final = 1 << 16  # pieces of so many bytes are reduced by every rank for itself
_MOST: Final = 32  # ranks
_SPINS: Final = 50
_PAUSE: Final = 20_000_000  # nanoseconds that one wait sleeps at most
_FUTEX: Final = 202
_WAIT, _WAKE = 0, 1


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _machine() -> str:
    """What processes have in common that may share memory and see each other's end; "" for nothing."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return ""
    if os.environ.get("COTANGENT_SHARED_MEMORY") == "0" or not hasattr(os, "pidfd_open"):
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')} {os.getuid()}"
    except OSError:
        return ""


def meet(exchange: Callable[[Any], Any], rank: int, size: int, **options: Any) -> Shared | None:
    """Memory that all ranks of a group share, if they are on one machine.

    Args:
        exchange: gives the arrays of all ranks for that of this one.
        rank: the number of this one.
        size: how many there are.
        options: those of `Shared`.

    Returns:
        None, on all ranks, if they are not or the system does not allow it.
    """

    def told(text: str) -> list[str]:
        mine = np.frombuffer(text.encode().ljust(_TEXT)[:_TEXT], np.uint8)
        return [bytes(row).decode().strip() for row in exchange(mine)]

    machines = set(told(_machine()))
    if not 1 < size <= _MOST or len(machines) != 1 or "" in machines:
        return None
    memory, watched = -1, []
    name = f"cotangent-{secrets.token_hex(8)}"
    try:
        if rank == 0:
            memory = os.memfd_create(name)
            os.ftruncate(memory, size * (_LINE + 2 * _SLOT))
    except OSError:
        memory = -1
    found = [each.split() for each in told(f"{os.getpid()} {memory} {name}")]
    try:
        process, number, name = found[0]
        path = f"/proc/{process}/fd/{number}"
        if rank and os.readlink(path).startswith(f"/memfd:{name}"):
            memory = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if memory >= 0:
            watched = [os.pidfd_open(int(each[0])) for each in found]
    except OSError:
        pass
    if all(told("yes" if watched else "")):
        return Shared(memory, watched, rank, **options)
    for each in (memory, *watched):
        if each >= 0:
            os.close(each)
    return None


class Shared:
    """The memory, and the collectives over it.

    Args:
        memory: its file, which becomes this object's.
        watched: a file for each rank's process that can be read when that has ended; likewise.
        rank: the number of this one.
        timeout: of each wait, in seconds.
        failed: makes the error for a rank that has ended or is late.
    """

    def __init__(
        self,
        memory: int,
        watched: list[int],
        rank: int,
        timeout: float,
        failed: Callable[[int, str], Exception],
    ) -> None:
        self.rank, self.size = rank, len(watched)
        self._timeout, self._failed = timeout, failed
        self._watched = watched
        whole = np.frombuffer(mmap.mmap(memory, 0), np.uint8)
        os.close(memory)
        heads = whole[: self.size * _LINE].reshape(self.size, _LINE)
        self._stages = heads[:, :4].view(np.uint32)[:, 0]
        self._told = heads[:, 8:24].view(np.uint64)
        self._addresses = [ctypes.c_void_p(whole.ctypes.data + each * _LINE) for each in range(self.size)]
        self._slots = whole[self.size * _LINE :].reshape(2, self.size, _SLOT)
        self._stage = self._round = 0
        self._system: Any = ctypes.CDLL(None, use_errno=True).syscall
        self._pause = _Time(0, _PAUSE)
        self._polled = select.poll()
        for each in watched:
            self._polled.register(each, select.POLLIN)

    def close(self) -> None:
        """Let go of the other processes; the memory goes with the last array over it."""
        for each in self._watched:
            os.close(each)
        self._watched = []

    def ended(self) -> list[int]:
        """The ranks whose processes have ended."""
        polled = select.poll()  # the other one belongs to the thread of the collectives
        for each in self._watched:
            polled.register(each, select.POLLIN)
        files = {file for file, _ in polled.poll(0)}
        return [rank for rank, file in enumerate(self._watched) if file in files]

    # -- stages --

    def _advance(self) -> None:
        """Count up this rank's stage, and wait for the others to come to it."""
        self._stage = stage = self._stage + 1 & 0xFFFFFFFF
        self._stages[self.rank] = stage
        self._system(_FUTEX, self._addresses[self.rank], _WAKE, self.size, None, None, 0)
        for step in range(1, self.size):
            self._wait((self.rank + step) % self.size, stage)

    def _wait(self, rank: int, stage: int) -> None:
        end = 0.0
        for turn in itertools.count():
            seen = int(self._stages[rank])
            if (seen - stage & 0xFFFFFFFF) < 1 << 31:
                return
            if turn < _SPINS:
                continue
            if not end:
                end = time.monotonic() + self._timeout
            address = self._addresses[rank]
            self._system(_FUTEX, address, _WAIT, ctypes.c_uint32(seen), ctypes.byref(self._pause), None, 0)
            if int(self._stages[rank]) != seen:
                continue
            if any(file == self._watched[rank] for file, _ in self._polled.poll(0)):
                raise self._failed(rank, "its process has ended")
            if time.monotonic() > end:
                raise self._failed(rank, f"nothing came within {self._timeout:g} s")

    def _put(self, what: int, piece: Any, told: bool = True) -> list[Any]:
        """Begin a round with a piece of this rank's.

        Args:
            what: a number for what is done; all ranks do the same.
            piece: an array, of one size on all ranks.
            told: whether the others need it.

        Returns:
            the ranks' pieces.

        Raises:
            DistBackendError: if a rank does not come.
            RuntimeError: if one does something else.
        """
        turn = self._round & 1
        self._round += 1
        count = piece.nbytes
        slots = [slot[:count].view(piece.dtype).reshape(piece.shape) for slot in self._slots[turn]]
        if told:
            slots[self.rank][...] = piece
        self._told[self.rank, turn] = mine = what << 40 | count
        self._advance()
        for rank, other in enumerate(self._told[:, turn].tolist()):
            if other != mine:
                raise RuntimeError(
                    f"rank {self.rank} runs another collective than rank {rank}, or one of another size: at"
                    f" this point {count} bytes and {other & (1 << 40) - 1}"
                )
        return slots

    # -- collectives --

    def supports(self, array: Any, operation: str = "SUM") -> bool:
        """Whether there are collectives for this dtype and operation: for all of them."""
        return True

    def all_reduce(self, flat: Any, operation: str) -> None:
        """Reduce a flat array over all ranks, in place."""
        combine, n = OPERATIONS[operation], self.size
        for part in _stretches(flat.size, flat.itemsize, _SLOT):
            piece = flat[part]
            slots = self._put(1, piece)
            if n == 2 or piece.nbytes <= _SMALL:
                _reduce(combine, slots, piece)
                continue
            parts = [slice(piece.size * r // n, piece.size * (r + 1) // n) for r in range(n)]
            mine = parts[self.rank]
            _reduce(combine, [slot[mine] for slot in slots], slots[self.rank][mine])
            self._advance()
            for slot, each in zip(slots, parts, strict=True):
                piece[each] = slot[each]

    def reduce_scatter_rows(self, rows: Any, operation: str) -> Any:
        """The reduction of the row with this rank's number, in its place."""
        mine = rows[self.rank]
        for part in _stretches(mine.size, rows.itemsize, _SLOT // self.size):
            slots = self._put(2, rows[:, part])
            _reduce(OPERATIONS[operation], [slot[self.rank] for slot in slots], mine[part])
        return mine

    def all_gather(self, array: Any, out: Any) -> None:
        """Fill `out` with the arrays of all ranks."""
        flat, whole = array.reshape(-1), out.reshape(self.size, -1)
        for part in _stretches(flat.size, flat.itemsize, _SLOT):
            for slot, row in zip(self._put(3, flat[part]), whole, strict=True):
                row[part] = slot

    def broadcast(self, array: Any, root: int) -> None:
        """Fill a contiguous array with the root's."""
        flat = array.reshape(-1)
        for part in _stretches(flat.size, flat.itemsize, _SLOT):
            slots = self._put(4, flat[part], self.rank == root)
            if self.rank != root:
                flat[part] = slots[root]


def _stretches(count: int, itemsize: int, size: int) -> Iterator[slice]:
    """Parts of a flat array of at most so many bytes; one of none, if it is empty."""
    step = max(1, size // itemsize)
    for start in range(0, count, step) or (0,):
        yield slice(start, min(start + step, count))


def _reduce(combine: Any, slots: list[Any], out: Any) -> None:
    """In the order of ranks, so that all get the same bits; `out` may be one of the slots."""
    total = slots[0]
    for slot in slots[1:-1]:
        total = combine(total, slot)
    combine(total, slots[-1], out=out)
