"""`torch.cuda.streams` without CUDA: classes that can be named, and contexts that change nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

from ..streams import Stream as _Stream
from .texts import dummy

__all__ = ["Event", "ExternalStream", "Stream", "StreamContext", "stream"]

Event = dummy("Event")


class Stream(_Stream):
    """An order of work on a CUDA device, which needs one.

    Args:
        device: which.
        priority: of the stream.

    Raises:
        RuntimeError: always.
    """

    def __new__(cls, device: Any = None, priority: int = 0, **kwargs: Any) -> NoReturn:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class ExternalStream(Stream):
    """A stream that was made elsewhere, which needs a device."""


class StreamContext:
    """For a block: work goes to a stream; without a device nothing changes.

    Args:
        stream: the stream, or None.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def stream(stream: Any) -> StreamContext:
    """A block in which work goes to a stream.

    Args:
        stream: the stream, or None.

    Example:
        >>> import cotangent as torch
        >>> with torch.cuda.stream(None):
        ...     torch.ones(1)
        tensor([1.])
    """
    return StreamContext(stream)
