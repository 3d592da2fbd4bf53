"""Threads that serve calls: as many as calls are waiting at once, so that calls within calls always go on."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from ...futures import Future

__all__ = ["Alarm", "Pool"]


class Pool:
    """Runs functions in threads that are kept for the next ones.

    Args:
        name: what the threads are called.

    Example:
        >>> import queue
        >>> from cotangent.distributed.rpc.threads import Pool
        >>> pool, done = Pool("example"), queue.SimpleQueue()
        >>> pool.submit(lambda: done.put(1))
        >>> done.get()
        1
        >>> pool.close()
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[queue.SimpleQueue[Any]] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, task: Callable[[], Any]) -> None:
        """Run a function in a thread.

        Args:
            task: the function; it handles its own errors.
        """
        with self._lock:
            box = self._idle.pop() if self._idle else None
        if box is None:
            box = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(box,), daemon=True, name=self._name).start()
        box.put(task)

    def _work(self, box: queue.SimpleQueue[Any]) -> None:
        while (task := box.get()) is not None:
            task()
            del task
            with self._lock:
                if self._closed:
                    return
                self._idle.append(box)

    def close(self) -> None:
        """Let the threads end."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for box in idle:
            box.put(None)


class Alarm:
    """Calls functions at their times, in one thread, for futures that are not done by then.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.rpc.threads import Alarm
        >>> alarm, future = Alarm(), torch.futures.Future()
        >>> alarm.at(0.0, future, lambda late: late.set_result("rang"))
        >>> future.wait()
        'rang'
        >>> alarm.close()
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Any, Callable[[Any], Any]]] = []
        self._count = itertools.count()
        self._most = 1000
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._watch, daemon=True, name="rpc-timeouts").start()

    def at(self, when: float, future: Future[Any], task: Callable[[Any], Any]) -> None:
        """Call a function with a future at a time of `time.monotonic`.

        Args:
            when: the time.
            future: the future, which is not kept alive.
            task: the function, which is quick.
        """
        with self._changed:
            if len(self._due) > self._most:
                self._due = [entry for entry in self._due if (f := entry[2]()) is not None and not f.done()]
                heapq.heapify(self._due)
                self._most = 1000 + 2 * len(self._due)
            heapq.heappush(self._due, (when, next(self._count), weakref.ref(future), task))
            if self._due[0][0] == when:
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                _, _, reference, task = heapq.heappop(self._due)
            future = reference()
            if future is not None and not future.done():
                task(future)
            del future

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
