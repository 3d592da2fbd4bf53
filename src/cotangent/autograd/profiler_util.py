"""What a profile is made of: events, their sums per name, and the table that shows them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, Final

from .profiler_lines import LineList, by_line
from .profiler_trace import write_trace

__all__ = ["DeviceType", "EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]

_METRICS: Final = tuple(f"self_{device}_time_total" for device in ("cpu", "cuda", "xpu", "privateuse1"))
_FLOPS: Final = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")
_NO_SPACES: Final = str.maketrans(" ;\t\n", "____")


class DeviceType(enum.Enum):
    """Where an event ran."""

    CPU = 0


def duration_text(us: float, unit: str | None = None) -> str:
    """A time in microseconds, in the unit that suits it or in the one given ("s", "ms" or "us")."""
    if unit == "s" or (unit is None and us >= 1e6):
        return f"{us / 1e6:.3f}s"
    if unit == "ms" or (unit is None and us >= 1e3):
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def memory_text(size: int) -> str:
    """A number of bytes in the unit that suits it."""
    for power, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if abs(size) >= 1 << power:
            return f"{size / (1 << power):.2f} {unit}"
    return f"{size} B"


class Interval:
    """A stretch of time, in microseconds since the profile began."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """Its length in microseconds."""
        return self.end - self.start


class _Times:
    """Texts of times, and the numbers of other devices, which are zero here."""

    cpu_time: float
    cpu_time_total: float
    self_cpu_time_total: float

    device_time = device_time_total = self_device_time_total = 0.0
    device_memory_usage = self_device_memory_usage = 0
    device_time_str = device_time_total_str = self_device_time_total_str = "0.000us"

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


class FunctionEvent(_Times):
    """One call of an operation.

    Args:
        id: its number.
        name: what ran.
        thread: the thread it ran in.
        start_us: when it began, in microseconds.
        end_us: when it ended.
        overload_name: which overload of an operation.
        fwd_thread: the thread of the forward pass.
        input_shapes: shapes of the operands.
        stack: the user's lines that led to it, innermost first.
        scope: kind of the event.
        cpu_memory_usage: bytes allocated less bytes freed while it ran.
        is_async: whether it went on after it had returned.
        is_remote: whether it ran elsewhere.
        sequence_nr: number of the node that it recorded, or whose backward it is; -1 for none.
        node_id: number of the process; -1 if there is one only.
        is_legacy: kept for PyTorch's sake.
        flops: floating-point operations, 0 or None where not known.
        is_user_annotation: whether it is a block that the user named.
        place: (code object, instruction) of the user's line it belongs to; of a backward the forward's line.
        backward: whether it is part of a backward pass.

    Example:
        >>> import cotangent as torch
        >>> event = torch.autograd.profiler.FunctionEvent(1, "mine", 1, 0.0, 2.5)
        >>> event.cpu_time_str
        '2.500us'
    """

    count = 1
    device_type = DeviceType.CPU
    device_index = 0

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        overload_name: str | None = None,
        fwd_thread: int | None = None,
        input_shapes: list[Any] | None = None,
        stack: list[str] | None = None,
        scope: int = 0,
        cpu_memory_usage: int = 0,
        is_async: bool = False,
        is_remote: bool = False,
        sequence_nr: int = -1,
        node_id: int = -1,
        is_legacy: bool = False,
        flops: int | None = None,
        is_user_annotation: bool | None = False,
        place: Any = None,
        backward: bool = False,
    ) -> None:
        self.id = id
        self.name = self.trace_name = name
        self.overload_name = overload_name
        self.thread = thread
        self.fwd_thread = fwd_thread
        self.time_range = Interval(start_us, end_us)
        self.input_shapes = input_shapes
        self.stack = stack
        self.scope = scope
        self.cpu_memory_usage = cpu_memory_usage
        self.is_async = is_async
        self.is_remote = is_remote
        self.sequence_nr = sequence_nr
        self.node_id = node_id
        self.is_legacy = is_legacy
        self.flops = flops
        self.is_user_annotation = is_user_annotation
        self.place = place
        self.backward = backward
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []

    @property
    def key(self) -> str:
        """The name it is summed under."""
        return self.name

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Enter an event that ran inside this one."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Say which event this one ran inside of."""
        self.cpu_parent = parent

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds from call to return."""
        return self.time_range.elapsed_us()

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds outside of the events inside it."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes allocated less bytes freed, outside of the events inside it."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        children = [child.id for child in self.cpu_children]
        return (
            f"<FunctionEvent id={self.id} name={self.name} overload_name={self.overload_name} "
            f"device_type=DeviceType.CPU node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} cpu_children={children} "
            f"None_time=0.000us name={self.name} thread={self.thread} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} None_memory_usage=0 is_async={self.is_async} "
            f"is_remote={self.is_remote} seq_nr={self.sequence_nr} is_legacy={self.is_legacy}>"
        )


class FunctionEventAvg(_Times):
    """All calls of one name."""

    device_type = DeviceType.CPU

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.node_id = 0
        self.is_async = self.is_remote = self.is_legacy = False
        self.is_user_annotation: bool | None = None
        self.overload_name: str | None = None
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.input_shapes: Any = None
        self.stack: list[str] | None = None
        self.scope: int | None = None
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.cpu_children: list[FunctionEvent] | None = None
        self.cpu_parent: FunctionEvent | None = None
        self.flops = 0

    def add(self, event: Any) -> FunctionEventAvg:
        """Count one more event, or a sum of events."""
        if self.key is None:
            self.key = event.key
            for name in (
                "node_id", "is_async", "is_remote", "cpu_parent", "cpu_children", "overload_name",
                "input_shapes", "stack", "scope", "is_legacy", "is_user_annotation",
            ):  # fmt: skip
                setattr(self, name, getattr(event, name))
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_memory_usage += event.self_cpu_memory_usage
        self.flops += event.flops or 0
        return self

    __iadd__ = add

    @property
    def cpu_time(self) -> float:  # type: ignore[override]
        """Microseconds per call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time=0.000us cuda_time=0.000us "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


class EventList(list[Any]):
    """Events in the order of their calls, or their sums per name.

    Args:
        events: the events.
        use_device: accepted for PyTorch's sake.
        profile_memory: whether memory was looked at.
        with_flops: whether floating-point operations were counted.
    """

    def __init__(
        self,
        events: Iterable[Any] = (),
        *,
        use_device: str | None = None,
        profile_memory: bool = False,
        with_flops: bool = False,
    ) -> None:
        super().__init__(events)
        self._profile_memory = profile_memory
        self._with_flops = with_flops

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all the events."""
        return float(sum(event.self_cpu_time_total for event in self))

    def _populate_cpu_children(self) -> None:
        """Find out from their times which events ran inside which others of the same thread."""
        running: dict[int, list[FunctionEvent]] = {}
        order = sorted(self, key=lambda event: (event.time_range.start, -event.time_range.end))
        for event in (event for event in order if not event.is_async):
            outer = running.setdefault(event.thread, [])
            span = event.time_range
            while outer and (span.start >= outer[-1].time_range.end or span.end > outer[-1].time_range.end):
                outer.pop()
            if outer:
                outer[-1].append_cpu_child(event)
                event.set_cpu_parent(outer[-1])
            outer.append(event)

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events summed per name.

        Args:
            group_by_input_shapes: keep calls on other shapes apart.
            group_by_stack_n: keep calls apart that differ in their innermost so many lines.
            group_by_overload_name: keep overloads apart.

        Returns:
            a list of FunctionEventAvg in the order of the first calls.
        """
        sums: dict[Any, FunctionEventAvg] = {}
        for event in self:
            stack = list(event.stack or ())[:group_by_stack_n]
            key: tuple[Any, ...] = (
                event.key,
                event.node_id,
                event.is_legacy,
                event.is_user_annotation,
                tuple(stack),
            )
            key += (repr(event.input_shapes) if group_by_input_shapes else "",)
            key += (event.overload_name if group_by_overload_name else "",)
            if key not in sums:
                sums[key] = FunctionEventAvg()
            sums[key].add(event)
        for (*_, stack_key, _, _), total in sums.items():
            total.stack = list(stack_key)
            if not group_by_input_shapes:
                total.input_shapes = ""
            if not group_by_overload_name:
                total.overload_name = ""
        return EventList(sums.values(), profile_memory=self._profile_memory, with_flops=self._with_flops)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
            total.key = None
        total.key = "Total"
        return total

    def by_line(self) -> LineList:
        """The events summed per line of the program: forward and backward side by side (see `LineList`).

        Example:
            >>> import cotangent as torch
            >>> x = torch.ones(3, requires_grad=True)
            >>> with torch.autograd.profiler.profile() as prof:
            ...     y = x.exp()
            ...     y.sum().backward()
            >>> [(row.forward_count, row.backward_count) for row in prof.by_line()]
            [(1, 1), (1, 2)]
        """
        return by_line(self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as a table.

        Args:
            sort_by: a number of the events, such as "cpu_time_total", "self_cpu_memory_usage" or "count":
                largest first.
            row_limit: number of rows shown; -1 for all.
            max_src_column_width: longer source locations lose their beginning, in characters.
            max_name_column_width: longer names are cut, in characters.
            max_shapes_column_width: longer shapes are cut, in characters.
            header: a line above the table.
            top_level_events_only: leave out what ran inside other events.
            time_unit: "s", "ms" or "us" for all times; None for what suits each.

        Returns:
            lines of text.

        Raises:
            AttributeError: if `sort_by` is no such number.
        """
        if not self:
            return ""
        limits = (max_src_column_width, max_name_column_width, max_shapes_column_width)
        return _Table(self, sort_by, limits, time_unit).text(row_limit, header, top_level_events_only)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer (chrome://tracing, Perfetto).

        Args:
            path: name of the JSON file; compressed if it ends in ".gz".
        """
        write_trace(self, path)

    def export_stacks(self, path: str, metric: str) -> None:
        """Write stacks with their times, as flame graph programs read them.

        Args:
            path: name of the file.
            metric: which time, such as "self_cpu_time_total".

        Raises:
            ValueError: for another metric.
        """
        if metric not in _METRICS:
            raise ValueError(f"metric should be one of: {list(_METRICS)}")
        lines = []
        for event in self:
            value = int(event.self_cpu_time_total) if metric == _METRICS[0] else 0
            if event.stack and value > 0:
                stack = ";".join(entry.translate(_NO_SPACES) for entry in reversed(event.stack))
                lines.append(f"{stack} {value}\n")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)

    def __str__(self) -> str:
        return self.table()


class _Table:
    """The layout of one table."""

    def __init__(
        self,
        events: EventList,
        sort_by: str | None,
        limits: tuple[int, int | None, int | None],
        time_unit: str | None,
    ) -> None:
        self.events: list[Any] = list(events)
        if sort_by is not None:
            wanted = sort_by.replace("cuda", "device")
            self.events.sort(key=lambda event: getattr(event, wanted), reverse=True)
        self.unit = time_unit
        self.whole = events.self_cpu_time_total
        # (title, width, whether it stands on the left, text of an event)
        self.columns: list[tuple[str, int, bool, Callable[[Any], str]]] = []
        source, name, shapes = limits
        self._names(name)
        self._times()
        if events._profile_memory:
            self._add("CPU Mem", lambda event: memory_text(event.cpu_memory_usage))
            self._add("Self CPU Mem", lambda event: memory_text(event.self_cpu_memory_usage))
        self._add("# of Calls", lambda event: str(event.count))
        self._where(source, shapes)
        if events._with_flops:
            self._flops()

    def _add(self, title: str, text: Callable[[Any], str], width: int = 12, left: bool = False) -> None:
        self.columns.append((title, width, left, text))

    def _names(self, longest: int | None) -> None:
        width = _column([event.key for event in self.events], longest)
        self._add("Name", lambda event: _cut(event.key, width), width)
        if any(event.overload_name for event in self.events):
            self._add("Overload Name", lambda event: _cut(event.overload_name or "", width), width)

    def _times(self) -> None:
        whole, unit = self.whole, self.unit
        self._add("Self CPU %", lambda event: _percent(event.self_cpu_time_total, whole))
        self._add("Self CPU", lambda event: duration_text(event.self_cpu_time_total, unit))
        self._add("CPU total %", lambda event: _percent(event.cpu_time_total, whole))
        self._add("CPU total", lambda event: duration_text(event.cpu_time_total, unit))
        self._add("CPU time avg", lambda event: duration_text(event.cpu_time, unit))

    def _where(self, longest_source: int, longest_shapes: int | None) -> None:
        if any(event.input_shapes for event in self.events):
            wide = _column([str(event.input_shapes) for event in self.events], longest_shapes)
            self._add("Input Shapes", lambda event: str(event.input_shapes)[:wide], wide)
        places = [event.stack for event in self.events if event.stack]
        if places:
            room = min(max(len(entry) for stack in places for entry in stack) + 4, longest_source)
            self.room = room
            self._add(
                "Source Location",
                lambda event: _ending(event.stack[0], room) if event.stack else "",
                room,
                True,
            )

    def _flops(self) -> None:
        counted = [event.flops for event in self.events if event.flops]
        if not counted:
            return
        step = 0
        while step < len(_FLOPS) - 1 and min(counted) >= 1000 ** (step + 1):
            step += 1
        self._add(
            f"Total {_FLOPS[step]}",
            lambda event: f"{event.flops * 10.0 ** (-3 * step):.3f}" if event.flops else "--",
        )

    def _row(self, texts: Iterable[str]) -> str:
        return "".join(
            f"{text:<{width}}  " if left else f"{text:>{width}}  "
            for text, (_, width, left, _) in zip(texts, self.columns, strict=True)
        )

    def text(self, row_limit: int, header: str | None, top_level_only: bool) -> str:
        """All lines."""
        rule = "".join("-" * width + "  " for _, width, _, _ in self.columns)
        double = "=" * (len(rule) - 2)
        lines = [double, header] if header is not None else []
        if top_level_only:
            lines += [double, "This report only display top-level ops statistics"]
        lines += [rule, self._row(title for title, *_ in self.columns), rule]
        shown = [e for e in self.events if not top_level_only or e.cpu_parent is None]
        for event in shown[: len(shown) if row_limit < 0 else row_limit]:
            lines.append(self._row(text(event) for *_, text in self.columns))
            if any(left for _, _, left, _ in self.columns):
                lines += self._more_places(event)
        lines += [rule, f"Self CPU time total: {duration_text(self.whole, self.unit)}", ""]
        return "\n".join(lines)

    def _more_places(self, event: Any) -> list[str]:
        """The further lines of a stack, and an empty one."""
        rest = [*(_ending(entry, self.room) for entry in (event.stack or ())[1:]), ""]
        return [self._row(entry if left else "" for _, _, left, _ in self.columns) for entry in rest]


def _percent(part: float, whole: float) -> str:
    return f"{part * 100 / whole:.2f}%" if whole else "NaN"


def _column(texts: list[str], longest: int | None) -> int:
    width = max(map(len, texts), default=0) + 4
    return width if longest is None else min(width, longest)


def _cut(text: str, width: int) -> str:
    return text if len(text) < width - 3 or len(text) <= width else text[: width - 3] + "..."


def _ending(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[3 - width :]
