"""Measuring how long a statement takes (`torch.utils.benchmark`)."""

from __future__ import annotations

import enum
import sys
import textwrap
import timeit
from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np

from .common import Measurement, TaskSpec, set_torch_threads

__all__ = ["Language", "Timer", "timer"]

_PACKAGE: Final = __name__.partition(".")[0]
_MOST_RUNS: Final = 2**31 - 1
_Callback = Callable[[int, float], Any] | None


class Language(enum.Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


def timer() -> float:
    """The time in seconds, from an arbitrary moment on."""
    return timeit.default_timer()


def _tidy(code: str) -> str:
    """Code as written in a block string: without the common indentation and the line break at either end."""
    return textwrap.dedent(code).removeprefix("\n").rstrip()


class Timer:
    """Measures how long a Python statement takes, on a given number of threads, after a warm-up.

    Args:
        stmt: the statement.
        setup: what runs once before each measurement.
        global_setup: for other languages than Python; must be empty.
        timer: the clock.
        globals: names that the statement uses; `torch` is there without being named.
        label: what the statement does; `Compare` makes a table for each.
        sub_label: which variant this is, such as a size.
        description: which implementation.
        env: which environment.
        num_threads: on how many threads it computes.
        language: "python".

    Raises:
        ValueError: for a statement that is no text, an unknown language, or a `global_setup`.
        NotImplementedError: for C++, as nothing here is compiled with it.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.benchmark import Timer
        >>> m = Timer("x + 1", globals={"x": torch.ones(3)}).timeit(100)
        >>> m.number_per_run, 0 < m.median < 1
        (100, True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language in (Language.CPP, "cpp", "c++"):
            raise NotImplementedError(
                "statements in C++ cannot be timed: cotangent has no C++ library to compile them against. "
                "Write the statement in Python."
            )
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError(f"Invalid language `{language}`.")
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply be moved "
                "to `setup`."
            )
        stmt, setup = _tidy(stmt), _tidy(setup)
        names = {"torch": sys.modules[_PACKAGE], **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._task_spec = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )  # fmt: skip

    def _seconds(self, number: int) -> float:
        # Never zero, as others divide by it.
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Run the statement so many times, after a hundredth as many to warm up.

        Args:
            number: how many times.

        Returns:
            A measurement with one time.
        """
        with set_torch_threads(self._task_spec.num_threads):
            self._seconds(max(int(number // 100), 2))
            return Measurement(number, [self._seconds(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Not in PyTorch either.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: _Callback = None) -> NoReturn:
        """Not in PyTorch either.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def collect_callgrind(
        self, number: int = 100, *, repeats: int | None = None, collect_baseline: bool = True,
        retain_out_file: bool = False,
    ) -> NoReturn:  # fmt: skip
        """Instructions cannot be counted: Valgrind knows nothing of code that is generated at run time.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "instructions are not counted: Valgrind does not follow kernels that are generated at run "
            "time; measure times with `blocked_autorange`"
        )

    def _runs_in_block(self, least: float) -> int:
        """The power of ten from which on reading the clock is under a ten-thousandth of the time."""
        reading = float(np.median([self._seconds(0) for _ in range(5)]))
        number = 1
        while True:
            taken = self._seconds(number)
            exact = reading / taken <= 1e-4 and taken >= least / 1000
            if exact or taken > least or number * 10 > _MOST_RUNS:
                return number
            number *= 10

    def _measure(
        self,
        block: float,
        least: float,
        most: float | None,
        callback: _Callback,
        enough: Callable[[Measurement], bool],
    ) -> Measurement:
        """Measure blocks of runs until enough is known and `least` seconds have gone, or `most` have."""
        with set_torch_threads(self._task_spec.num_threads):
            number = self._runs_in_block(block)
            found = Measurement(number, [], self._task_spec)
            total = 0.0
            done = False
            while total < least or not done:
                taken = self._seconds(number)
                found.raw_times.append(taken)
                total += taken
                if callback is not None:
                    callback(number, taken)
                done = enough(found)
                if most and total > most:
                    break
        return found

    def blocked_autorange(self, callback: _Callback = None, min_run_time: float = 0.2) -> Measurement:
        """Run the statement in blocks so long that reading the clock does not matter, for at least that time.

        Args:
            callback: is called after each block with its number of runs and its time.
            min_run_time: seconds.

        Returns:
            A measurement with a time for each block.
        """
        return self._measure(min_run_time, min_run_time, None, callback, lambda found: True)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: _Callback = None,
    ) -> Measurement:
        """Run the statement in blocks until their times agree.

        Args:
            threshold: the middle half of the times must differ by less than this share of the median.
            min_run_time: seconds before that counts.
            max_run_time: seconds after which it ends in any case.
            callback: is called after each block with its number of runs and its time.

        Returns:
            A measurement with a time for each block.
        """
        return self._measure(
            0.05, min_run_time, max_run_time, callback,
            lambda found: len(found.raw_times) > 3 and found.meets_confidence(threshold),
        )  # fmt: skip
