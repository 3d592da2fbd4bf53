"""`torch.futures`: results that come later."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A result that comes later, from another thread or process.

    Args:
        devices: accepted as in PyTorch.

    Example:
        >>> import cotangent as torch
        >>> future = torch.futures.Future()
        >>> twice = future.then(lambda done: done.value() * 2)
        >>> future.set_result(21)
        >>> twice.wait()
        42
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._arrived = threading.Lock()  # held until the result is there
        self._arrived.acquire()
        self._guard = threading.Lock()
        self._callbacks: list[Callable[[Future[T]], Any]] = []
        self._finished = False
        self._value: Any = None
        self._error: BaseException | None = None

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("Can not pickle torch.futures.Future")

    def done(self) -> bool:
        """Whether there is a result, or an exception."""
        return self._finished

    def wait(self) -> T:
        """The result, once it is there.

        Raises:
            Exception: the one that was set instead.
        """
        if not self._finished:
            with self._arrived:
                pass
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # the exception's traceback would refer to what refers to it
        return self._value  # type: ignore[no-any-return]

    def value(self) -> T:
        """The result of a future that is done.

        Raises:
            RuntimeError: if it is not.
        """
        if not self._finished:
            raise RuntimeError("value() on a Future that is not done; wait() waits for it")
        return self.wait()

    def exception(self) -> BaseException | None:
        """The exception of a future that is done, if it ended with one."""
        return self._error

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Call a function with this future when it is done; what it returns or raises is dropped.

        Args:
            callback: takes the future.
        """

        def guarded(future: Future[T]) -> None:
            try:
                callback(future)
            except Exception:
                traceback.print_exc(file=sys.stderr)

        self._after(guarded)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what a function returns that is called with this one when it is done.

        Args:
            callback: takes the future; an exception in it is the cause of the new future's RuntimeError.
        """
        result: Future[Any] = Future()

        def follow(future: Future[T]) -> None:
            try:
                result.set_result(callback(future))
            except Exception as error:
                calls = traceback.extract_tb(error.__traceback__)[:0:-1]
                at = "".join(f"  {c.filename}({c.lineno}): {c.name}\n" for c in calls)
                told = RuntimeError(
                    "Got the following error when running the callback: "
                    f"{type(error).__name__}: {error}\n\nAt:\n{at}"
                )
                told.__cause__ = error
                result.set_exception(told)

        self._after(follow)
        return result

    def set_result(self, result: T) -> None:
        """Set the result.

        Args:
            result: the result.

        Raises:
            RuntimeError: if there is one already.
        """
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Set an exception instead of a result.

        Args:
            result: the exception.
        """
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def try_finish(self, value: Any, error: BaseException | None) -> bool:
        """Set a result or an exception unless one is there; returns whether it was set."""
        with self._guard:
            if self._finished:
                return False
            self._value, self._error, self._finished = value, error, True
            callbacks, self._callbacks = self._callbacks, []
        self._arrived.release()
        for callback in callbacks:
            callback(self)
        return True

    def has_callbacks(self) -> bool:
        """Whether finishing it will run functions."""
        return bool(self._callbacks)

    def wait_for(self, seconds: float) -> bool:
        """Whether it is done within so many seconds."""
        if not self._finished and self._arrived.acquire(timeout=seconds):
            self._arrived.release()
        return self._finished

    def _finish(self, value: Any, error: BaseException | None) -> None:
        if not self.try_finish(value, error):
            raise RuntimeError(
                "Attempting to mark a completed Future as complete again. Note that a Future can only be "
                "marked completed once."
            )

    def _after(self, callback: Callable[[Future[T]], Any]) -> None:
        with self._guard:
            if not self._finished:
                self._callbacks.append(callback)
                return
        callback(self)


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future that is done when all of some are; its result is the list of them.

    Args:
        futures: the futures.

    Example:
        >>> import cotangent as torch
        >>> one, two = torch.futures.Future(), torch.futures.Future()
        >>> both = torch.futures.collect_all([one, two])
        >>> one.set_result(1), both.done(), two.set_result(2)
        (None, False, None)
        >>> [future.wait() for future in both.wait()]
        [1, 2]
    """
    if any(future is None for future in futures):
        raise RuntimeError("Future can't be None")
    result: Future[list[Future[Any]]] = Future()
    if not futures:
        result.set_result([])
        return result
    left, guard = [len(futures)], threading.Lock()

    def one_less(_: Future[Any]) -> None:
        with guard:
            left[0] -= 1
            last = not left[0]
        if last:
            result.set_result(futures)

    for future in futures:
        future._after(one_less)
    return result


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The results of all, once they are there.

    Args:
        futures: the futures.

    Raises:
        Exception: the first that one of them ended with.
    """
    return [future.wait() for future in collect_all(futures).wait()]
