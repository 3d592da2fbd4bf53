"""Messages from rank to rank in the order in which a program starts them, also from whichever sends first.

MPI can receive from any rank; Gloo's binding only from a named one. There a send waits until the other side
receives. One that has waited for a moment looks in the store whether its receiver takes messages from any
rank, and if so announces itself there by its number; the receiver takes the first message announced to it
that it has not taken yet. From then on the sender announces messages to that rank at once.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import numpy as np

from .gloo import DistBackendError, Gloo
from .mpi import MPI
from .store import DistError, Store

__all__ = ["Mail"]

_MOMENT: Final = 0.003  # seconds that a send waits before it looks whether it should announce itself
_PAUSE: Final = 0.0003
_LONGEST: Final = 0.02

_Line = tuple[str, int | None, int]  # what is done, with whom, and the messages' tag


class Mail:
    """The messages of one rank of a group.

    Args:
        link: the group's connections.
        store: where messages are announced.
        timeout: how long to wait for a message from any rank.
    """

    def __init__(self, link: Gloo | MPI, store: Store, timeout: timedelta) -> None:
        self._link, self._store = link, store
        self._timeout = timeout.total_seconds()
        self._lock = threading.Condition()
        self._last: dict[_Line, threading.Event] = {}  # of each line, what was started last
        self._sent: dict[tuple[int, int], int] = {}  # how many messages, by rank and tag
        self._taken: dict[tuple[int, int], int] = {}
        self._waiting: dict[tuple[int, int], tuple[int, float]] = {}
        self._open: set[int] = set()  # ranks that take messages from any rank
        self._told: dict[tuple[int, int], int] = {}
        self._telling = threading.Lock()
        self._opened = self._closed = False
        self._watcher: threading.Thread | None = None

    def _queued(self, *line: Any) -> tuple[threading.Event | None, threading.Event]:
        """A place at the end of a line: what comes before, and what tells that this one is done."""
        mine = threading.Event()
        before = self._last.get(line)
        self._last[line] = mine
        return before, mine

    @contextmanager
    def _turn(self, line: _Line, before: threading.Event | None, mine: threading.Event) -> Iterator[None]:
        if before is not None:
            before.wait()
        try:
            yield
        finally:
            mine.set()
            with self._lock:
                if self._last.get(line) is mine:
                    del self._last[line]

    def send(self, array: Any, peer: int, tag: int) -> Callable[[], None]:
        """Queue a message after those to the same rank that were queued before.

        Args:
            array: contiguous.
            peer: the rank.
            tag: tells messages apart.

        Returns:
            what sends it.
        """
        line = "send", peer, tag
        array = array if array.nbytes else np.zeros(1, np.uint8)  # so that somebody waits for it
        with self._lock:
            place = self._queued(*line)
            number = self._sent[peer, tag] = self._sent.get((peer, tag), 0) + 1

        def run() -> None:
            with self._turn(line, *place), self._announced(peer, tag, number):
                self._link.send(array, peer, tag)

        return run

    def recv(self, array: Any, peer: int | None, tag: int) -> Callable[[], int]:
        """Queue for a message.

        Args:
            array: contiguous; filled.
            peer: the rank that sends it, or None for any.
            tag: of the message.

        Returns:
            what receives it and returns the rank that has sent it.
        """
        line = "recv", peer, tag
        array = array if array.nbytes else np.zeros(1, np.uint8)
        with self._lock:
            place = self._queued(*line)
            if peer is not None:
                self._taken[peer, tag] = self._taken.get((peer, tag), 0) + 1

        def run() -> int:
            with self._turn(line, *place):
                if peer is not None:
                    self._link.recv(array, peer, tag)
                    return peer
                if isinstance(self._link, MPI):
                    return self._link.recv_any(array, tag)
                found, before, mine = self._chosen(self._link, tag)
            with self._turn(("recv", found, tag), before, mine):
                self._link.recv(array, found, tag)
            return found

        return run

    # -- announcements, for Gloo --

    @contextmanager
    def _announced(self, peer: int, tag: int, number: int) -> Iterator[None]:
        """While a message is being sent, the other side can come to know of it."""
        if isinstance(self._link, MPI):
            yield
            return
        if peer in self._open:
            self._announce(peer, tag, number)
            yield
            return
        with self._lock:
            self._waiting[peer, tag] = number, time.monotonic()
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True, name="announcements")
                self._watcher.start()
            self._lock.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop((peer, tag), None)

    def _announce(self, peer: int, tag: int, number: int) -> None:
        with self._telling:  # the watcher may come late with an older one
            if number > self._told.get((peer, tag), 0):
                self._told[peer, tag] = number
                self._store.set(f"mail/{peer}/{tag}/{self._link.rank}", str(number))

    def _watch(self) -> None:
        """Announce messages that wait for a rank which takes them from any."""
        pause = _MOMENT
        try:
            while not self._closed:
                with self._lock:
                    while not (self._waiting or self._closed):
                        pause = _MOMENT
                        self._lock.wait()
                time.sleep(pause)
                with self._lock:
                    old = time.monotonic() - _MOMENT
                    late = {key: number for key, (number, since) in self._waiting.items() if since <= old}
                for (peer, tag), number in late.items():
                    if self._store.check([f"mail/{peer}/open"]):
                        self._announce(peer, tag, number)
                        self._open.add(peer)
                        with self._lock:
                            if self._waiting.get((peer, tag), (0,))[0] == number:  # no later one
                                del self._waiting[peer, tag]
                pause = min(pause * 1.3, _LONGEST) if late else _MOMENT
        except DistError:
            pass  # nobody serves the store any more: the messages themselves will fail

    def _chosen(self, link: Gloo, tag: int) -> tuple[int, threading.Event | None, threading.Event]:
        """A rank that has sent a message which nobody takes, and the place in its line to take it."""
        me, size = link.rank, link.size
        if not self._opened:
            self._store.set(f"mail/{me}/open", "")
            self._opened = True
        end = time.monotonic() + self._timeout
        pause = _PAUSE
        for turn in itertools.count():
            for step in range(1, size):
                peer = (me + turn + step) % size
                told = None if peer == me else self._store.get_now(f"mail/{me}/{tag}/{peer}")
                with self._lock:
                    if told is not None and int(told) > (taken := self._taken.get((peer, tag), 0)):
                        self._taken[peer, tag] = taken + 1
                        return peer, *self._queued("recv", peer, tag)
            if time.monotonic() > end:
                raise DistBackendError(
                    f"rank {me} of {size} could not receive from any rank: none has sent a message with the"
                    f" tag {tag} within {self._timeout:g} s"
                )
            link.check_others()
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)
        raise AssertionError

    def close(self) -> None:
        """No more messages."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
