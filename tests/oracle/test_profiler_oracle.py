"""Profiles read as PyTorch's: tables and sums of the same events, counts of operations, files, complaints."""

from __future__ import annotations

import gzip
import json
import random
import warnings
from pathlib import Path
from typing import Any

import pytest

import cotangent
import cotangent.autograd.profiler_util as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.autograd.profiler_util")

WAYS: list[dict[str, Any]] = [
    {},
    {"sort_by": "cpu_time_total"},
    {"sort_by": "self_cpu_time_total", "row_limit": 3},
    {"sort_by": "count", "row_limit": -1, "header": "A header"},
    {"sort_by": "cpu_memory_usage", "time_unit": "ms"},
    {"time_unit": "s"},
    {"max_name_column_width": 20, "max_shapes_column_width": 12},
    {"max_name_column_width": None, "max_shapes_column_width": None},
    {"top_level_events_only": True, "header": "Top"},
    {"max_src_column_width": 20},
]


def events(module: Any, seed: int, flops: bool, stacks: bool) -> list[Any]:
    """Calls inside calls, drawn at random, as events of one of the two libraries."""
    draw = random.Random(seed)
    made: list[Any] = []

    def call(start: float, depth: int, parent: Any) -> float:
        name = draw.choice(("aten::add", "aten::mm", "MulBackward0", "x" * 70, "a", "ProfilerStep#3"))
        shapes = [[draw.randrange(9) for _ in range(draw.randrange(9))] for _ in range(draw.randrange(4))]
        stack = [
            f"file{draw.randrange(3)}.py({draw.randrange(4)}): f" * draw.randrange(1, 4) for _ in range(3)
        ]
        end = start + draw.choice((0.5, 3.0, 1234.5, 2e6))
        options: dict[str, Any] = {
            "input_shapes": shapes, "stack": stack if stacks else [], "sequence_nr": draw.randrange(5),
            "cpu_memory_usage": draw.choice((0, 12, -2048, 3 << 20, 5 << 30)),
            "flops": draw.choice((0, 1500, 2_000_000, 7 * 10**12)) if flops else 0,
            "overload_name": draw.choice(("", "Tensor")), "is_user_annotation": name.startswith("Prof"),
        }  # fmt: skip
        event = module.FunctionEvent(len(made), name, 1, start, end, **options)
        made.append(event)
        if parent is not None:
            parent.append_cpu_child(event)
            event.set_cpu_parent(parent)
        inner = start
        while depth < 3 and draw.random() < 0.6:
            inner = call(inner, depth + 1, event)
        return max(end, inner)

    at = 0.0
    for _ in range(12):
        at = call(at, 0, None)
    return made


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_tables(seed: int, way: dict[str, Any]) -> None:
    # PyTorch puts operations and source locations under each other's titles; so one or the other.
    options: dict[str, Any] = {"flops": seed % 2 == 0, "stacks": seed % 2 == 1}
    lists = both(seed, profile_memory=seed < 3, with_flops=True, **options)
    compare(lists, lambda found: found.table(**way))
    compare(lists, lambda found: found.key_averages().table(**way))
    compare(lists, lambda found: found.key_averages(True, 2).table(**way))
    compare(lists, lambda found: found.key_averages(False, 1, True).table(**way))


def both(seed: int, *, flops: bool, stacks: bool, **options: Any) -> list[Any]:
    """The same events as lists of PyTorch's and ours."""
    lists = [m.EventList(events(m, seed, flops, stacks), **options) for m in (theirs, ours)]
    lists[0]._tree_built = True  # who ran inside whom is said by the events
    return lists


def compare(lists: list[Any], look: Any) -> None:
    expected, found = (look(events) for events in lists)
    assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_texts_of_events_and_sums(seed: int, tmp_path: Path) -> None:
    lists = both(seed, flops=True, stacks=True)
    compare(lists, repr)
    compare(lists, lambda found: repr(found.key_averages()))
    compare(lists, lambda found: [repr(avg) for avg in found.key_averages(True, 1)])
    compare(lists, lambda found: repr(found.total_average()))
    compare(lists, lambda found: found.self_cpu_time_total)
    compare(lists, lambda found: [(a.key, a.count, a.flops, a.stack) for a in found.key_averages(True, 2)])
    for metric in ("self_cpu_time_total", "self_cuda_time_total", "nonsense"):

        def stacks(found: Any, metric: str = metric) -> str:
            try:
                found.export_stacks(str(tmp_path / "stacks"), metric)
            except ValueError as error:
                return str(error)
            return (tmp_path / "stacks").read_text()

        compare(lists, stacks)


def test_operations_are_counted_alike() -> None:
    def counted(torch: Any) -> dict[str, int]:
        F = torch.nn.functional
        with torch.profiler.profile(with_flops=True) as prof:
            F.conv2d(torch.randn(2, 4, 9, 9), torch.randn(6, 2, 3, 3), padding=1, stride=2, groups=2)
            torch.bmm(torch.randn(2, 3, 4), torch.randn(2, 4, 5))
            torch.baddbmm(torch.randn(2, 3, 5), torch.randn(2, 3, 4), torch.randn(2, 4, 5))
            torch.mm(torch.randn(3, 4), torch.randn(4, 6))
            F.linear(torch.randn(5, 3), torch.randn(2, 3), torch.randn(2))
            torch.exp(torch.randn(3, 4) + torch.randn(4)) * 2
        return {avg.key: avg.flops for avg in prof.key_averages() if avg.flops}

    assert counted(cotangent) == counted(torch)


def complaints(torch: Any, folder: Path) -> list[Any]:
    """What is said of wrong use."""
    found: list[Any] = []

    def attempt(action: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found.append(repr(action()))
            except Exception as error:
                found.append((type(error).__name__, str(error)))

    fresh = torch.profiler.profile()
    attempt(fresh.key_averages)
    attempt(fresh.events)
    attempt(lambda: fresh.export_chrome_trace(str(folder / "trace")))
    attempt(lambda: fresh.export_stacks(str(folder / "stacks")))
    attempt(fresh.stop)
    attempt(fresh.step)
    attempt(lambda: torch.profiler.profile(use_cuda=False) and None)
    attempt(lambda: torch.autograd.profiler.profile(use_cuda=True) and None)
    attempt(lambda: torch.profiler.schedule(wait=1, warmup=0, active=1) and None)
    attempt(lambda: torch.profiler.schedule(wait=-1, warmup=1, active=1))
    unfinished = torch.autograd.profiler.profile()
    attempt(lambda: str(unfinished))
    attempt(lambda: unfinished.export_stacks("a", "b"))
    for emit in (torch.autograd.profiler.emit_itt, torch.autograd.profiler.emit_nvtx):
        attempt(emit(enabled=False).__enter__)

        def block(emit: Any = emit) -> None:
            with emit() as entered:
                assert isinstance(entered, emit)

        attempt(block)
    with torch.profiler.profile() as taken:
        torch.ones(2)
    attempt(lambda: taken.export_stacks(str(folder / "stacks")))
    return found


def test_complaints(tmp_path: Path) -> None:
    assert complaints(cotangent, tmp_path) == complaints(torch, tmp_path)


def test_the_trace_file_has_the_entries_that_viewers_read(tmp_path: Path) -> None:
    def trace(torch: Any, name: str) -> dict[str, Any]:
        model = torch.nn.Linear(3, 2)
        x = torch.randn(4, 3)
        kept = {"record_shapes": True, "profile_memory": True}
        with torch.profiler.profile(**kept) as prof, torch.profiler.record_function("mine"):
            model(x).sum().backward()
        prof.add_metadata_json("mine", '{"a": [1, 2]}')
        prof.export_chrome_trace(str(tmp_path / name))
        opener = gzip.open if name.endswith(".gz") else open
        with opener(tmp_path / name, "rt") as file:
            found: dict[str, Any] = json.load(file)
        return found

    expected, found = trace(torch, "theirs.json"), trace(cotangent, "ours.json.gz")
    assert {"schemaVersion", "trace_id", "displayTimeUnit", "record_shapes", "profile_memory"} <= set(found)
    assert found["mine"] == {"a": [1, 2]}
    for category, phase in (("cpu_op", "X"), ("user_annotation", "X"), ("cpu_instant_event", "i")):
        one, other = (first(t, category, phase) for t in (expected, found))
        assert set(other) == set(one)
    starts = {e["id"] for e in found["traceEvents"] if e["ph"] == "s"}
    ends = {e["id"] for e in found["traceEvents"] if e["ph"] == "f"}
    assert starts == ends
    assert len(starts) >= 3  # t, addmm, sum
    linear = first(found, "cpu_op", "X", "aten::addmm")["args"]["Input Dims"]
    assert linear[:3] == first(expected, "cpu_op", "X", "aten::addmm")["args"]["Input Dims"][:3]


def first(trace: dict[str, Any], category: str, phase: str, name: str | None = None) -> dict[str, Any]:
    return next(
        event
        for event in trace["traceEvents"]
        if event.get("cat") == category and event["ph"] == phase and name in (None, event["name"])
    )
