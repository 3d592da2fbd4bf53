"""`torch.monitor`: counts and sums over windows of time, and events for whoever wants to hear of them."""

from __future__ import annotations

import enum
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

__all__ = [
    "Aggregation", "Event", "EventHandlerHandle", "Stat", "TensorboardEventHandler", "data_value_t",
    "log_event", "register_event_handler", "unregister_event_handler",
]  # fmt: skip

STAT_EVENT: Final = "torch.monitor.Stat"
data_value_t = int | float | bool | str


class Aggregation(enum.Enum):
    """What a `Stat` tells of the values of a window."""

    VALUE = 0  # the last one
    MEAN = 2
    COUNT = 3
    SUM = 4
    MAX = 5
    MIN = 6


class Event:
    """Something that happened.

    Args:
        name: what.
        timestamp: when.
        data: numbers, booleans and texts by name.

    Raises:
        TypeError: for anything else.
    """

    def __init__(self, name: str, timestamp: datetime, data: Mapping[str, data_value_t]) -> None:
        fits = isinstance(name, str) and isinstance(timestamp, datetime) and isinstance(data, Mapping)
        if not fits or not all(isinstance(value, data_value_t) for value in data.values()):
            raise TypeError(
                "__init__(): incompatible constructor arguments. The following argument types are "
                "supported:\n    1. torch._C._monitor.Event(name: str, timestamp: datetime.datetime, data: "
                f"collections.abc.Mapping[str, data_value_t])\n\nInvoked with: {name!r}, {timestamp!r}, "
                f"{data!r}"
            )
        self.name = name
        self.timestamp = timestamp
        self.data = dict(data)


class EventHandlerHandle:
    """Stands for a handler that has been registered.

    Args:
        handler: the handler.
    """

    def __init__(self, handler: Callable[[Event], Any]) -> None:
        self._handler = handler


_handlers: Final[list[EventHandlerHandle]] = []
_lock: Final = threading.RLock()


def log_event(event: Event) -> None:
    """Tell all handlers of an event.

    Args:
        event: the event.

    Raises:
        TypeError: if it is none.

    Example:
        >>> import datetime
        >>> import cotangent as torch
        >>> handle = torch.monitor.register_event_handler(lambda event: print(event.name, event.data))
        >>> torch.monitor.log_event(torch.monitor.Event("epoch", datetime.datetime.now(), {"loss": 0.5}))
        epoch {'loss': 0.5}
        >>> torch.monitor.unregister_event_handler(handle)
    """
    if not isinstance(event, Event):
        raise TypeError(
            "log_event(): incompatible function arguments. The following argument types are supported:\n"
            f"    1. (event: torch._C._monitor.Event) -> None\n\nInvoked with: {event!r}"
        )
    with _lock:
        listening = list(_handlers)
    for handle in listening:
        handle._handler(event)


def register_event_handler(callback: Callable[[Event], Any]) -> EventHandlerHandle:
    """Have every event told to a function.

    Args:
        callback: called with the event, in the thread that logs it.
    """
    handle = EventHandlerHandle(callback)
    with _lock:
        _handlers.append(handle)
    return handle


def unregister_event_handler(handler: EventHandlerHandle) -> None:
    """Tell a function of no more events.

    Args:
        handler: what `register_event_handler` returned; nothing happens if it is known no more.
    """
    with _lock:
        if handler in _handlers:
            _handlers.remove(handler)


class Stat:
    """Statistics of values that are added, over windows of time; each window's are logged as an event.

    Args:
        name: the name, which the event's data have before the statistic: `name.sum`.
        aggregations: which statistics.
        window_size: the length of a window.
        max_samples: a window ends for good with so many values; what comes until the next is left out.

    Example:
        >>> import datetime
        >>> import cotangent as torch
        >>> kinds = torch.monitor.Aggregation
        >>> stat = torch.monitor.Stat("steps", [kinds.SUM, kinds.COUNT], datetime.timedelta(hours=1), 2)
        >>> stat.add(1.0)
        >>> stat.add(2.0)
        >>> stat.get()[kinds.SUM], stat.count
        (3.0, 0)
    """

    def __init__(
        self,
        name: str,
        aggregations: Sequence[Aggregation],
        window_size: timedelta,
        max_samples: int = 2**63 - 1,
    ) -> None:
        self._name = name
        self._kinds = tuple(dict.fromkeys(map(Aggregation, aggregations)))
        self._length = max(window_size.total_seconds(), 1e-3)
        self._most = max_samples
        self._lock = threading.RLock()
        self._last: dict[Aggregation, float] = dict.fromkeys(self._kinds, 0.0)
        self._window = self._now()
        self._full = False
        self._clear()

    def _now(self) -> int:
        return int(time.time() / self._length)

    def _clear(self) -> None:
        self._count, self._value, self._sum = 0, 0.0, 0.0
        self._max, self._min = -math.inf, math.inf

    def _told(self, kind: Aggregation) -> float:
        if kind is Aggregation.MEAN:
            return self._sum / self._count
        return float(getattr(self, f"_{kind.name.lower()}"))

    def _close(self) -> None:
        """End the window: what it tells is kept and logged."""
        if not self._count:
            return
        self._last = {kind: self._told(kind) for kind in self._kinds}
        self._clear()
        data = {f"{self._name}.{kind.name.lower()}": value for kind, value in self._last.items()}
        log_event(Event(STAT_EVENT, datetime.now(), data))

    def _turn(self) -> None:
        """End the window if its time is over."""
        if (now := self._now()) != self._window:
            self._close()
            self._window, self._full = now, False

    def add(self, v: float) -> None:
        """Add a value.

        Args:
            v: the value.
        """
        with self._lock:
            self._turn()
            if self._full:
                return
            self._value = float(v)
            self._count += 1
            self._sum += self._value
            self._max, self._min = max(self._max, self._value), min(self._min, self._value)
            if self._count >= self._most:
                self._full = True
                self._close()

    def get(self) -> dict[Aggregation, float]:
        """The statistics of the last window that has ended; zeros before."""
        with self._lock:
            self._turn()
            return dict(self._last)

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def count(self) -> int:
        """How many values the present window has."""
        with self._lock:
            self._turn()
            return self._count

    def __del__(self) -> None:
        if hasattr(self, "_count"):
            self._close()


class TensorboardEventHandler:
    """Writes the statistics that are logged to TensorBoard.

    Args:
        writer: a `SummaryWriter`.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def __call__(self, event: Event) -> None:
        """Write an event, if it is one of a `Stat`.

        Args:
            event: the event.
        """
        if event.name == STAT_EVENT:
            for name, value in event.data.items():
                self._writer.add_scalar(name, value, walltime=event.timestamp.timestamp())
