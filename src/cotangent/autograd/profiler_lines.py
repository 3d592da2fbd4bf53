"""A profile by lines of the program, with what a line costs in forward and in backward side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .where import place

__all__ = ["LineList", "LineTimes", "by_line"]


class LineTimes:
    """What one line of the program cost.

    Attributes:
        file: its file.
        line: its number.
        text: what is written there.
        forward_time: microseconds of the operations it called.
        backward_time: microseconds of their backward.
        forward_count: number of operations.
        backward_count: number of backwards.
        memory: bytes that its operations allocated less what they freed, if memory was looked at.
        flops: floating-point operations, forward and backward, if they were counted.
    """

    def __init__(self, file: str, line: int, text: str) -> None:
        self.file = file
        self.line = line
        self.text = text
        self.forward_time = self.backward_time = 0.0
        self.forward_count = self.backward_count = 0
        self.memory = self.flops = 0

    @property
    def total_time(self) -> float:
        """Microseconds, forward and backward."""
        return self.forward_time + self.backward_time

    def __repr__(self) -> str:
        return (
            f"<LineTimes {os.path.basename(self.file)}:{self.line} forward={self.forward_time:.3f}us "
            f"backward={self.backward_time:.3f}us>"
        )


class LineList(list[LineTimes]):
    """Lines in the order in which they were met."""

    def table(self, sort_by: str | None = "total_time", row_limit: int = 30) -> str:
        """The lines as a table.

        Args:
            sort_by: an attribute of LineTimes, largest first; None for the order of the program's run.
            row_limit: number of rows shown; -1 for all.

        Returns:
            lines of text.
        """
        rows = list(self)
        if sort_by is not None:
            rows.sort(key=lambda row: getattr(row, sort_by), reverse=True)
        rows = rows[: len(rows) if row_limit < 0 else row_limit]
        whole = sum(row.total_time for row in self) or 1.0
        more = [name for name in ("memory", "flops") if any(getattr(row, name) for row in self)]
        heads = ["forward", "backward", "total %", "calls", *more]
        table = [[*heads, "line"]]
        for row in rows:
            where = f"{os.path.basename(row.file)}:{row.line}  {row.text}"
            table.append(
                [
                    f"{row.forward_time / 1e3:.3f}ms", f"{row.backward_time / 1e3:.3f}ms",
                    f"{100 * row.total_time / whole:.1f}", f"{row.forward_count}+{row.backward_count}",
                    *(f"{getattr(row, name):,}" for name in more), where,
                ]
            )  # fmt: skip
        widths = [max(len(line[i]) for line in table) for i in range(len(heads))]
        return "\n".join(
            "  ".join([*(f"{text:>{width}}" for text, width in zip(line, widths, strict=False)), line[-1]])
            for line in table
        )

    def __str__(self) -> str:
        return self.table()


def by_line(events: Iterable[Any]) -> LineList:
    """Sum events by the lines of the program that they belong to."""
    found: dict[Any, LineTimes] = {}
    places: dict[Any, LineTimes] = {}
    for event in events:
        if event.place is None or event.is_user_annotation:
            continue
        row = places.get(event.place)
        if row is None:
            at = place(*event.place)
            if at.file.startswith("<frozen"):  # a module that was imported meanwhile
                continue
            row = found.setdefault((at.file, at.line), LineTimes(at.file, at.line, at.text.strip()))
            places[event.place] = row
        if event.backward:
            row.backward_time += event.self_cpu_time_total
            row.backward_count += event.cpu_parent is None or not event.cpu_parent.backward
        else:
            row.forward_time += event.self_cpu_time_total
            row.forward_count += event.cpu_parent is None or bool(event.cpu_parent.is_user_annotation)
        row.memory += event.self_cpu_memory_usage
        row.flops += event.flops or 0
    return LineList(found.values())
