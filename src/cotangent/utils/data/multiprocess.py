"""One pass of a loader whose batches are made by worker processes.

Indices go to the workers in turn, `prefetch_factor` of them ahead for each; what comes back is put in
order. Each worker sends through a pipe of its own, so that the end of the process is the end of the pipe:
a worker that is killed is noticed at once and is an error, whatever it was doing.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import time
import weakref
from multiprocessing.connection import wait
from typing import Any, Final

from ..._utils import ExceptionWrapper
from ._utils.worker import Ended, Order, Resume, run
from .shared import forget, loads, prefix_of

__all__ = ["Workers"]

_PATIENCE: Final = 5.0  # seconds a worker gets to end by itself


class Workers:
    """The worker processes of a loader and what they have been asked for.

    Args:
        loader: the loader.
        context: of multiprocessing: how processes are started.
        seed: of the pass.
    """

    def __init__(self, loader: Any, context: Any, seed: int) -> None:
        self.count: int = loader.num_workers
        self.ahead: int = loader.prefetch_factor
        self.timeout: float = loader.timeout
        self.in_order: bool = loader.in_order
        prefix = prefix_of(f"{os.getpid()}-{secrets.token_hex(6)}")
        self.processes: list[Any] = []
        self.queues: list[Any] = []
        self.pipes: list[Any] = []
        # Runs when the pass is collected or the interpreter ends, whichever comes first.
        self.close = weakref.finalize(self, _end, self.processes, self.queues, self.pipes, prefix)
        forked = context.get_start_method() == "fork"
        for number in range(self.count):
            receiving, sending = context.Pipe(duplex=False)
            indices = context.Queue()
            indices.cancel_join_thread()
            self.queues.append(indices)
            order = Order(
                dataset=loader.dataset,
                batched=loader._auto_collation,
                collate_fn=loader.collate_fn,
                drop_last=loader.drop_last,
                kind=loader._dataset_kind,
                seed=seed,
                init=loader.worker_init_fn,
                worker=number,
                workers=self.count,
                prefix=f"{prefix}-{number}",
            )
            others = [*self.pipes, receiving] if forked else []
            process = context.Process(
                target=run, args=(order, indices, sending, os.getpid(), others), daemon=True
            )
            self.pipes.append(receiving)
            try:
                process.start()
            except BaseException:
                self.close()
                raise
            finally:
                sending.close()  # the worker's end is the worker's alone
            self.processes.append(process)

    def begin(self, indices: Any) -> None:
        """Start a pass: ask for the first batches.

        Args:
            indices: iterator over the indices of each batch.
        """
        self.indices = indices
        self.sent = 0
        self.wanted = 0
        # Tasks under way: number -> worker, and what has come before its turn: number -> batch.
        self.under_way: dict[int, int] = {}
        self.early: dict[int, Any] = {}
        self.active = [True] * self.count
        self.turn = itertools.cycle(range(self.count))
        for _ in range(self.ahead * self.count):
            self._ask()

    def resume(self, seed: int | None) -> None:
        """Make kept workers ready for another pass; what they still owe of the last one is dropped.

        Args:
            seed: of pipes that draw numbers.
        """
        for queue in self.queues:
            queue.put(Resume(seed))
        waiting = self.count
        while waiting:
            _, value = self._receive()
            waiting -= isinstance(value, Resume)

    def next(self) -> Any:
        """The next batch.

        Raises:
            StopIteration: at the end of the pass.
            RuntimeError: if a worker has ended by itself, or takes too long.
        """
        while True:
            task, value = self._arrived()
            worker = self.under_way.pop(task)
            if self.in_order:
                self.wanted = task + 1
            if isinstance(value, Ended):
                self.active[worker] = False
                self._ask()
                continue
            self._ask()
            if isinstance(value, ExceptionWrapper):
                value.reraise()
            return value

    def _arrived(self) -> tuple[int, Any]:
        """The number and the batch whose turn it is."""
        while self.under_way:
            if self.in_order:
                while self.wanted not in self.under_way:  # tasks of streams that had ended
                    self.wanted += 1
                if self.wanted in self.early:
                    return self.wanted, self.early.pop(self.wanted)
            task, value = self._receive()
            if not self.in_order or task == self.wanted:
                return task, value
            self.early[task] = value
        raise StopIteration

    def _ask(self) -> None:
        """Ask a worker whose turn it is for one more batch, if there is one to ask for."""
        if not any(self.active):
            return
        try:
            wanted = next(self.indices)
        except StopIteration:
            return
        most = -(-len(self.under_way) // sum(self.active))
        for worker in self.turn:
            if self.active[worker] and (
                self.in_order or sum(w == worker for w in self.under_way.values()) <= most
            ):
                break
        self.queues[worker].put((self.sent, wanted))
        self.under_way[self.sent] = worker
        self.sent += 1

    def _receive(self) -> tuple[int, Any]:
        """The next message of any worker."""
        limit = time.monotonic() + self.timeout if self.timeout > 0 else None
        while True:
            left = None if limit is None else max(0.0, limit - time.monotonic())
            ready = wait(self.pipes, left)
            if not ready:
                self.close()
                raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")
            pipe: Any = ready[0]
            try:
                message = pipe.recv_bytes()
            except (EOFError, OSError):
                self._lost(self.pipes.index(pipe))
            found: tuple[int, Any] = loads(message)
            return found

    def _lost(self, number: int) -> None:
        process = self.processes[number]
        process.join(_PATIENCE)
        code, pid = process.exitcode, process.pid
        self.close()
        if code is not None and code < 0:
            name = signal.strsignal(-code)
            raise RuntimeError(f"DataLoader worker (pid {pid}) is killed by signal: {name}. ")
        raise RuntimeError(f"DataLoader worker (pid(s) {pid}) exited unexpectedly")


def _end(processes: list[Any], queues: list[Any], pipes: list[Any], prefix: str) -> None:
    """End the workers, by force where they do not listen, and remove what they left."""
    for queue in queues:
        try:
            queue.put(None)
        except (ValueError, OSError):
            pass
    for pipe in pipes:
        pipe.close()
    limit = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, limit - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    for queue in queues:
        queue.close()
    forget(prefix)
