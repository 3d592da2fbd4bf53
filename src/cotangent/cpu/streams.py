"""Streams of work on the CPU, for programs that are written for any device: everything is done at once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["Event", "Stream", "StreamContext", "current_stream", "stream"]


class Stream:
    """An order of work, which on the CPU is the order of the program.

    Args:
        priority: accepted.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.Stream().wait_stream(torch.cpu.current_stream())
    """

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Wait for another stream: it has done everything."""

    def record_event(self) -> None:
        """Note a moment: there is nothing to wait for later."""

    def wait_event(self, event: Any) -> None:
        """Wait for a moment: it has passed."""


class Event:
    """A moment in a stream, which has passed.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.Event().query()
        True
    """

    def query(self) -> bool:
        """Whether it has passed: yes."""
        return True

    def record(self, stream: Any = None) -> None:
        """Note this moment."""

    def synchronize(self) -> None:
        """Wait for it: it has passed."""

    def wait(self, stream: Any = None) -> None:
        """Let a stream wait for it: it has passed."""


_default = Stream()
_current = [_default]


def current_stream(device: Any = None) -> Stream:
    """The stream in use.

    Args:
        device: accepted.

    Example:
        >>> import cotangent as torch
        >>> s = torch.cpu.Stream()
        >>> with torch.cpu.stream(s):
        ...     torch.cpu.current_stream() is s
        True
    """
    return _current[0]


class StreamContext(AbstractContextManager[None]):
    """Uses a stream in a `with` block.

    Args:
        stream: the stream; None for no change.
    """

    cur_stream: Stream | None

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self.prev_stream = _default

    def __enter__(self) -> None:
        if self.stream is not None:
            self.prev_stream, _current[0] = _current[0], self.stream

    def __exit__(self, *error: object) -> None:
        if self.stream is not None:
            _current[0] = self.prev_stream


def stream(stream: Stream | None) -> StreamContext:
    """Use a stream in a `with` block.

    Args:
        stream: the stream; None for no change.

    Returns:
        the block's context.
    """
    return StreamContext(stream)
