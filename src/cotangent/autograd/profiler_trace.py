"""Profiles as files for trace viewers (chrome://tracing), with arrows from forward to backward.

The format is described in "Trace Event Format" (Google, 2016); names of categories and arguments are those
that PyTorch's traces use, which TensorBoard and other viewers of such traces look for.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterable
from typing import Any

__all__ = ["trace_of", "write_trace"]


def trace_of(
    events: Iterable[Any], metadata: dict[str, Any] | None = None, began: float = 0.0
) -> dict[str, Any]:
    """The content of a trace file.

    Args:
        events: FunctionEvents.
        metadata: further entries at its top.
        began: microseconds added to all times.

    Returns:
        what is to be written as JSON.
    """
    pid = os.getpid()
    out: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "ts": began, "pid": pid, "tid": 0, "args": {"name": "python"}},
        {"ph": "M", "name": "process_labels", "ts": began, "pid": pid, "tid": 0, "args": {"labels": "CPU"}},
    ]
    threads: dict[int, int] = {}
    recorded: dict[int, Any] = {}
    backward: dict[int, Any] = {}
    total = 0
    for event in events:
        threads.setdefault(event.thread, len(threads) + 1)
        arguments: dict[str, Any] = {"Ev Idx": event.id}
        if event.sequence_nr >= 0:
            arguments["Sequence number"] = event.sequence_nr
            (backward if event.backward else recorded).setdefault(event.sequence_nr, event)
        if event.input_shapes:
            arguments["Input Dims"] = event.input_shapes
        if event.stack:
            arguments["Call stack"] = ";".join(event.stack)
        if event.flops:
            arguments["Flops"] = event.flops
        place = {"pid": pid, "tid": event.thread}
        category = "user_annotation" if event.is_user_annotation else "cpu_op"
        at = {"ts": event.time_range.start + began, "dur": event.cpu_time_total}
        out.append({"ph": "X", "cat": category, "name": event.name, **place, **at, "args": arguments})
        if event.self_cpu_memory_usage:
            total += event.self_cpu_memory_usage
            figures = {"Total Allocated": total, "Bytes": event.self_cpu_memory_usage, "Device Type": 0}
            out.append(
                {
                    "ph": "i", "cat": "cpu_instant_event", "s": "t", "name": "[memory]", **place,
                    "ts": event.time_range.end + began, "args": {**figures, "Ev Idx": event.id},
                }
            )  # fmt: skip
    for number in recorded.keys() & backward.keys():
        for phase, event in (("s", recorded[number]), ("f", backward[number])):
            arrow = {"ph": phase, "id": number, "pid": pid, "tid": event.thread, "cat": "fwdbwd"}
            arrow |= {"name": "fwdbwd", "ts": event.time_range.start + began}
            out.append(arrow | ({"bp": "e"} if phase == "f" else {}))
    for thread, order in threads.items():
        named = {"name": f"thread {thread} (python)"}
        out.append({"ph": "M", "name": "thread_name", "ts": began, "pid": pid, "tid": thread, "args": named})
        sort = {"sort_index": order}
        out.append(
            {"ph": "M", "name": "thread_sort_index", "ts": began, "pid": pid, "tid": thread, "args": sort}
        )
    top = {"schemaVersion": 1, "displayTimeUnit": "ms", "baseTimeNanoseconds": time.time_ns()}
    return {**top, **(metadata or {}), "traceEvents": out}


def write_trace(
    events: Iterable[Any], path: str, metadata: dict[str, Any] | None = None, began: float = 0.0
) -> None:
    """Write a trace file (see `trace_of`); compressed if its name ends in ".gz"."""
    text = json.dumps(trace_of(events, {"traceName": path, **(metadata or {})}, began))
    if path.endswith(".gz"):
        with gzip.open(path, "wt", encoding="utf-8") as packed:
            packed.write(text)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
