"""What a profile is made of: events, their sums per name, and the table that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]

_SORTABLE: Final = (
    "cpu_time", "cpu_time_total", "self_cpu_time_total", "count", "cpu_memory_usage", "self_cpu_memory_usage",
)  # fmt: skip


def duration_text(us: float) -> str:
    """A time in microseconds, in the unit that suits it."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class Interval:
    """A stretch of time, in microseconds since the profile began."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """Its length in microseconds."""
        return self.end - self.start


class FunctionEvent:
    """One call of an operation."""

    count = 1
    cpu_memory_usage = self_cpu_memory_usage = 0
    is_async = is_remote = False
    node_id = -1

    def __init__(
        self, number: int, name: str, thread: int, start: float, shapes: list[Any], user: bool
    ) -> None:
        self.id = number
        self.name = name
        self.thread = thread
        self.time_range = Interval(start, start)
        self.input_shapes = shapes
        self.is_user_annotation = user
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []

    @property
    def key(self) -> str:
        """The name it is summed under."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from call to return."""
        return self.time_range.elapsed_us()

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds outside of the events inside it."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def cpu_time_str(self) -> str:
        """`cpu_time` with its unit."""
        return duration_text(self.cpu_time)

    cpu_time_total_str = cpu_time_str

    @property
    def self_cpu_time_total_str(self) -> str:
        """`self_cpu_time_total` with its unit."""
        return duration_text(self.self_cpu_time_total)

    def __repr__(self) -> str:
        children = [child.id for child in self.cpu_children]
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} cpu_children={children} "
            f"thread={self.thread} input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg:
    """All calls of one name."""

    cpu_memory_usage = self_cpu_memory_usage = 0

    def __init__(self, key: str, shapes: list[Any]) -> None:
        self.key = key
        self.input_shapes = shapes
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0

    def add(self, event: FunctionEvent) -> FunctionEventAvg:
        """Count one more event."""
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        return self

    @property
    def cpu_time(self) -> float:
        """Microseconds per call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """`cpu_time` with its unit."""
        return duration_text(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """`cpu_time_total` with its unit."""
        return duration_text(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """`self_cpu_time_total` with its unit."""
        return duration_text(self.self_cpu_time_total)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes}>"
        )


class EventList(list[Any]):
    """Events in the order of their calls, or their sums per name."""

    def __init__(self, events: Iterable[Any] = (), whole: float | None = None) -> None:
        super().__init__(events)
        # Time of a list of sums is that of the list of events it was made from.
        self._whole = whole

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all the events."""
        if self._whole is not None:
            return self._whole
        return float(sum(event.self_cpu_time_total for event in self))

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """The events summed per name.

        Args:
            group_by_input_shape: keep calls on other shapes apart.

        Returns:
            a list of FunctionEventAvg in the order of the first calls.
        """
        sums: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else []
            key = (event.key, repr(shapes))
            if key not in sums:
                sums[key] = FunctionEventAvg(event.key, shapes)
            sums[key].add(event)
        return EventList(sums.values(), self.self_cpu_time_total)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        total = FunctionEventAvg("Total", [])
        for event in self:
            total.add(event)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The events as a table.

        Args:
            sort_by: "cpu_time", "cpu_time_total", "self_cpu_time_total" or "count", largest first.
            row_limit: number of rows shown; -1 for all.
            max_src_column_width: accepted for PyTorch's sake; sources are not recorded.
            max_name_column_width: longer names are cut, in characters.
            max_shapes_column_width: longer shapes are cut, in characters.
            header: a line above the table.
            top_level_events_only: leave out what ran inside other events.

        Returns:
            lines of text.

        Raises:
            AttributeError: if `sort_by` is no such number.
        """
        if not self:
            return ""
        rows: list[Any] = list(self)
        if sort_by is not None:
            if sort_by not in _SORTABLE:
                raise AttributeError(
                    f"events have no {sort_by!r} to sort by; they have {', '.join(_SORTABLE)}"
                )
            rows.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        if top_level_events_only:
            rows = [event for event in rows if getattr(event, "cpu_parent", None) is None]
        whole = self.self_cpu_time_total
        names = _column([event.key for event in rows], max_name_column_width)
        shapes = [str(event.input_shapes) for event in rows]
        columns: list[tuple[str, int, Callable[[Any], str]]] = [
            ("Name", names, lambda event: _cut(event.key, names)),
            ("Self CPU %", 12, lambda event: _percent(event.self_cpu_time_total, whole)),
            ("Self CPU", 12, lambda event: event.self_cpu_time_total_str),
            ("CPU total %", 12, lambda event: _percent(event.cpu_time_total, whole)),
            ("CPU total", 12, lambda event: event.cpu_time_total_str),
            ("CPU time avg", 12, lambda event: event.cpu_time_str),
            ("# of Calls", 12, lambda event: str(event.count)),
        ]
        if any(event.input_shapes for event in rows):
            wide = _column(shapes, max_shapes_column_width)
            columns.append(("Input Shapes", wide, lambda event: _cut(str(event.input_shapes), wide)))
        rule = "".join("-" * width + "  " for _, width, _ in columns)
        lines = [rule, "".join(f"{title:>{width}}  " for title, width, _ in columns), rule]
        for event in rows[: len(rows) if row_limit < 0 else row_limit]:
            lines.append("".join(f"{value(event):>{width}}  " for _, width, value in columns))
        lines += [rule, f"Self CPU time total: {duration_text(whole)}", ""]
        if header is not None:
            lines[:0] = ["=" * len(rule), header]
        return "\n".join(lines)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer (chrome://tracing).

        Args:
            path: name of the JSON file.
        """
        trace = [
            {
                "name": event.name, "ph": "X", "ts": event.time_range.start, "dur": event.cpu_time_total,
                "tid": event.thread, "pid": "CPU functions", "args": {},
            }
            for event in self
        ]  # fmt: skip
        Path(path).write_text(json.dumps(trace), encoding="utf-8")

    def __str__(self) -> str:
        return self.table()


def _percent(part: float, whole: float) -> str:
    return f"{part * 100 / whole if whole else 0:.2f}%"


def _column(texts: list[str], longest: int | None) -> int:
    width = max(map(len, texts), default=0) + 4
    return width if longest is None else min(width, longest)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
