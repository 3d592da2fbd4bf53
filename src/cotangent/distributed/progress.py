"""One display of progress for all ranks: `for batch in progress(loader)` on each of them, shown by rank 0.

The other ranks tell their counts through the store that all have met in, a few times a second at most, so
nothing is added to what the ranks exchange and nobody waits for anybody. PyTorch has no such function; it is
the package's own.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Final

from .. import lazy
from .group import ProcessGroup, is_initialized, resolve
from .store import DistError

__all__ = ["progress"]

_console: Any = lazy.module("rich.console")
_bars: Any = lazy.module("rich.progress")
_LINE_EVERY: Final = 30.0  # seconds between lines where there is no terminal
_made: Final[weakref.WeakKeyDictionary[ProcessGroup, int]] = weakref.WeakKeyDictionary()


class _Counts:
    """How many steps each rank has done.

    Args:
        group: the ranks; None stands for this process alone.
    """

    def __init__(self, group: ProcessGroup | None) -> None:
        self.group = group
        self.rank, size = (0, 1) if group is None else (group.rank(), group.size())
        self.known = [0] * size
        if group is not None:
            number = _made[group] = _made.get(group, 0) + 1
            self.name = f"progress/{group.group_name}/{number}"

    def exchange(self, done: int) -> list[int]:
        """Tell this rank's count; on rank 0, what all have told."""
        more, self.known[self.rank] = done - self.known[self.rank], done
        if self.group is None:
            return self.known
        store = self.group.store
        try:
            if self.rank:
                store.add(f"{self.name}/{self.rank}", more)
            else:
                self.known[1:] = [store.add(f"{self.name}/{r}", 0) for r in range(1, len(self.known))]
        except DistError:
            pass  # the store has ended, of which the next collective tells more
        return self.known


def _ranks(counts: list[int]) -> str:
    """What is to be said of the ranks: how many there are, and who is behind."""
    if len(counts) == 1:
        return ""
    slowest = min(range(len(counts)), key=counts.__getitem__)
    behind = max(counts) - counts[slowest]
    return f"{len(counts)} ranks" + (f", rank {slowest} is {behind} behind" if behind > 1 else "")


class _Bar:
    """In a terminal: a line that changes. It shows what all ranks have done."""

    def __init__(self, description: str, total: int | None, file: Any) -> None:
        columns = ("{task.description}", "{task.fields[speed]}", "{task.fields[ranks]}")
        text, speed, ranks = (_bars.TextColumn(column) for column in columns)
        self._bar = _bars.Progress(
            text, _bars.BarColumn(), _bars.MofNCompleteColumn(), speed, ranks, _bars.TimeRemainingColumn(),
            console=_console.Console(file=file), auto_refresh=False,
        )  # fmt: skip
        self._task = self._bar.add_task(description, total=total, speed="", ranks="")
        self._start = time.monotonic()
        self._bar.start()

    def show(self, counts: list[int], last: bool) -> None:
        speed = sum(counts) / max(time.monotonic() - self._start, 1e-9)
        self._bar.update(
            self._task, completed=min(counts), speed=f"{speed:.1f}/s", ranks=_ranks(counts), refresh=True
        )
        if last:
            self._bar.stop()


class _Lines:
    """Elsewhere: a line now and then, and one at the end."""

    def __init__(self, description: str, total: int | None, file: Any) -> None:
        self._description, self._total, self._file = description, total, file
        self._start = self._line = time.monotonic()

    def show(self, counts: list[int], last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._line < _LINE_EVERY:
            return
        self._line = now
        of = "" if self._total is None else f" of {self._total}"
        speed = f"{sum(counts) / max(now - self._start, 1e-9):.1f}/s"
        parts = [f"{min(counts)}{of}", f"{now - self._start:.1f} s", speed, _ranks(counts)]
        print(
            f"{self._description}: {', '.join(part for part in parts if part)}", file=self._file, flush=True
        )


def progress(
    iterable: Iterable[Any],
    description: str = "progress",
    total: int | None = None,
    group: Any = None,
    every: float = 0.2,
    file: Any = None,
) -> Iterator[Any]:
    """Go through something on every rank; rank 0 shows how far all of them are, and who is behind.

    In a terminal this is one line that changes; elsewhere a line every 30 seconds and one at the end.

    Args:
        iterable: what to go through, such as a DataLoader; each rank has its own.
        description: what is shown before the numbers.
        total: how many steps there will be, unless the iterable tells.
        group: the ranks; all processes by default, or this one alone if there is no process group.
        every: seconds between two looks.
        file: where to; the standard error output by default.

    Returns:
        an iterator over the same.

    Example:
        >>> import sys
        >>> from cotangent.distributed.progress import progress
        >>> sum(progress([1, 2, 3], "adding", file=sys.stdout))  # doctest: +ELLIPSIS
        adding: 3 of 3, 0.0 s, .../s
        6
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    counts = _Counts(resolve(group) if group is not None or is_initialized() else None)
    file = sys.stderr if file is None else file
    display = None
    if counts.rank == 0:
        display = (_Bar if file.isatty() else _Lines)(description, total, file)
    done, told = 0, time.monotonic()
    try:
        for item in iterable:
            yield item
            done += 1
            if time.monotonic() - told < every:
                continue
            told = time.monotonic()
            everyone = counts.exchange(done)
            if display is not None:
                display.show(everyone, False)
    finally:
        everyone = counts.exchange(done)
        if display is not None:
            display.show(everyone, True)
