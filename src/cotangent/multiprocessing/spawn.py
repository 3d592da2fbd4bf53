"""Starting the ranks of a program: `torch.multiprocessing.spawn`."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

__all__ = [
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "spawn", "start_processes",
]  # fmt: skip


class ProcessException(Exception):
    """A process that was started has failed.

    Args:
        msg: what happened.
        error_index: which.
        pid: its process number.
    """

    __slots__ = ("error_index", "error_pid", "msg", "pid")

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid


class ProcessRaisedException(ProcessException):
    """It raised an exception."""


class ProcessExitedException(ProcessException):
    """It ended with a signal or an exit status.

    Args:
        msg, error_index, error_pid: as for ProcessException.
        exit_code: the status.
        signal_name: the signal, if that was it.
    """

    __slots__ = ("exit_code", "signal_name")

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], errors: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent gets its own
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """Processes that were started, to be joined.

    Args:
        processes: the processes.
        errors: for each a queue with its traceback.
    """

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes = processes
        self._errors = errors
        self._running = {process.sentinel: number for number, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """Their process numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for them; when one fails the others are ended.

        Args:
            timeout: seconds to wait; until one ends by default.
            grace_period: seconds that the others get to end by themselves.

        Returns:
            whether all have ended.

        Raises:
            ProcessRaisedException: if one raised an exception; its traceback is in the message.
            ProcessExitedException: if one ended otherwise.
        """
        failed = None
        for sentinel in wait(list(self._running), timeout) if self._running else ():
            number = self._running.pop(sentinel)
            process = self.processes[number]
            process.join()
            if process.exitcode != 0:
                failed = number
                break
        if failed is None:
            return not self._running
        for process in self.processes:
            if grace_period is not None:
                process.join(grace_period)
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(5.0)
            if process.is_alive():
                process.kill()
                process.join()
        self._fail(failed)
        raise AssertionError("a failed process has an error")

    def _fail(self, number: int) -> None:
        process = self.processes[number]
        code, pid = process.exitcode, process.pid
        if self._errors[number].empty():
            if code < 0:
                name = signal.Signals(-code).name
                raise ProcessExitedException(
                    f"process {number} terminated with signal {name}", number, pid, code, name
                )
            raise ProcessExitedException(
                f"process {number} terminated with exit code {code}", number, pid, code
            )
        text = self._errors[number].get()
        raise ProcessRaisedException(
            f"\n\n-- Process {number} terminated with the following error:\n{text}", number, pid
        )


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
    numa_options: Any = None,
) -> ProcessContext | None:
    """Start processes that run `fn(number, *args)`.

    Args:
        fn: a function at the top of a module.
        args: its further arguments.
        nprocs: how many.
        join: whether to wait for them.
        daemon: whether they end with this process.
        start_method: "spawn", "fork" or "forkserver".
        numa_options: accepted as in PyTorch.

    Returns:
        the processes, if they are not waited for.

    Raises:
        ProcessRaisedException, ProcessExitedException: if one fails.

    Example:
        >>> import math
        >>> from cotangent.multiprocessing import start_processes
        >>> start_processes(math.sqrt, nprocs=2, start_method="fork")
    """
    context: Any = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for number in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, number, args, queue), daemon=daemon)
        process.start()
        processes.append(process)
        errors.append(queue)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Start processes that run `fn(number, *args)`, each a fresh interpreter.

    Args:
        fn, args, nprocs, join, daemon: as for `start_processes`.
        start_method: only "spawn".

    Returns:
        the processes, if they are not waited for.

    Raises:
        ProcessRaisedException, ProcessExitedException: if one fails.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
