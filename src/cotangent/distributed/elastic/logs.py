"""Where the launcher lets the output of ranks go: to the terminal, to files, or to both."""

from __future__ import annotations

import re
import secrets
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Final

__all__ = ["Logs", "streams"]

_PAUSE: Final = 0.1  # seconds between looks at the files that are shown
_NAMES: Final = ("stdout", "stderr")
_EACH: Final = re.compile(r"[0123]|(\d:[0123],)*\d:[0123]")


def streams(text: str, count: int) -> list[int]:
    """Which streams of each rank are meant: bit 0 is stdout, bit 1 is stderr.

    Args:
        text: a number for all ranks, or RANK:NUMBER,...
        count: how many ranks there are.

    Raises:
        ValueError: for another form.

    Example:
        >>> from cotangent.distributed.elastic.logs import streams
        >>> streams("0:1,1:2", 3)
        [1, 2, 0]
    """
    if not _EACH.fullmatch(text):
        raise ValueError(rf"{text} does not match: <^[0123]$> or <^(\d:[0123],)*(\d:[0123])$>")
    if ":" not in text:
        return [int(text)] * count
    given = dict(part.split(":") for part in text.split(","))
    return [int(given.get(str(rank), "0")) for rank in range(count)]


class _Shown:
    """A file whose lines are repeated on a stream of the launcher as they come."""

    def __init__(
        self, file: Path, prefix: str, to: Any, filters: list[str], extra: Path, shown: bool
    ) -> None:
        self._file = file.open("rb")
        self._prefix, self._to, self._filters, self._shown = prefix.encode(), to, filters, shown
        self._extra = extra.open("ab") if filters else None
        self._rest = b""

    def look(self, last: bool = False) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        if last and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        whole = [self._prefix + line + b"\n" for line in lines]
        if self._extra is not None:
            chosen = [w for w in whole if any(f in w.decode(errors="replace") for f in self._filters)]
            self._extra.write(b"".join(chosen))
            self._extra.flush()
        if whole and self._shown:
            self._to.write(b"".join(whole).decode(errors="replace"))
            self._to.flush()
        if last:
            self._file.close()
            if self._extra is not None:
                self._extra.close()


class Logs:
    """The output of the ranks of one launcher.

    Args:
        folder: where files are kept; without one they are temporary.
        run_id: name of the job; a folder of its own begins with it.
        redirects: for each rank which streams go to files only.
        tee: for each rank which streams go to files and, with the rank's name, to the terminal.
        shown: the ranks whose output is shown; None for all.
        filters: for stdout and stderr texts; lines with one of them are also written to a file for all ranks.
    """

    def __init__(
        self,
        folder: str | None,
        run_id: str,
        redirects: list[int],
        tee: list[int],
        shown: set[int] | None,
        filters: tuple[list[str], list[str]],
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="torchelastic_")
        base = folder if self._temporary is None else self._temporary.name
        self.folder = Path(str(base)) / f"{run_id}_{secrets.token_hex(4)}"
        self._redirects, self._tee, self._only, self._filters = redirects, tee, shown, filters
        self._shown: list[_Shown] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def place(self, attempt: int, rank: int) -> Path:
        """The folder of a rank, made if it is not there.

        Args:
            attempt: how often ranks were started before.
            rank: its number on this node.
        """
        place = self.folder / f"attempt_{attempt}" / str(rank)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def files(self, attempt: int, rank: int, prefix: str) -> list[IO[bytes] | None]:
        """What a rank's stdout and stderr are; None for the terminal.

        Args:
            attempt: how often ranks were started before.
            rank: its number on this node.
            prefix: of its lines on the terminal.
        """
        place = self.place(attempt, rank)
        visible = self._only is None or rank in self._only
        found: list[IO[bytes] | None] = []
        for bit, (name, filters) in enumerate(zip(_NAMES, self._filters, strict=True)):
            tee = self._tee[rank] >> bit & 1
            if not tee and not self._redirects[rank] >> bit & 1 and visible:
                found.append(None)
                continue
            path = place / f"{name}.log"
            found.append(path.open("wb"))
            if tee:
                extra = place.parent / f"filtered_{name}.log"
                self._shown.append(_Shown(path, prefix, getattr(sys, name), filters, extra, visible))
        return found

    def begin(self) -> None:
        """Repeat on the terminal what the files get."""
        if self._shown:
            self._ended.clear()
            self._thread = threading.Thread(target=self._repeat, daemon=True, name="logs")
            self._thread.start()

    def _repeat(self) -> None:
        while not self._ended.wait(_PAUSE):
            for each in self._shown:
                each.look()

    def end(self) -> None:
        """Repeat the rest: all ranks of this attempt have ended."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None
        for each in self._shown:
            each.look(last=True)
        self._shown = []

    def close(self) -> None:
        """Remove what is temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()
