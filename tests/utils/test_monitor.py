"""`torch.monitor`: windows of values and events."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

import cotangent as torch
from cotangent.monitor import Aggregation, Event, Stat


@pytest.fixture
def heard() -> Any:
    found: list[Event] = []
    handle = torch.monitor.register_event_handler(found.append)
    yield found
    torch.monitor.unregister_event_handler(handle)
    torch.monitor.unregister_event_handler(handle)


def test_a_window_ends_with_its_last_sample(heard: list[Event]) -> None:
    stat = Stat("loss", list(Aggregation), timedelta(hours=100), 3)
    assert set(stat.get().values()) == {0.0}
    for value in (1, 5):
        stat.add(value)
    assert stat.count == 2
    assert not heard
    stat.add(3)
    stat.add(100)  # left out, as its window is over
    expected = {"VALUE": 3.0, "MEAN": 3.0, "COUNT": 3.0, "SUM": 9.0, "MAX": 5.0, "MIN": 1.0}
    assert {kind.name: value for kind, value in stat.get().items()} == expected
    assert stat.count == 0
    assert [event.name for event in heard] == ["torch.monitor.Stat"]
    assert heard[0].data == {f"loss.{name.lower()}": value for name, value in expected.items()}


def test_a_window_ends_with_its_time(heard: list[Event]) -> None:
    stat = Stat("steps", (Aggregation.SUM, Aggregation.SUM), timedelta(milliseconds=1))
    deadline = time.monotonic() + 10
    while not heard and time.monotonic() < deadline:
        stat.add(2)
        time.sleep(0.002)
    assert heard[0].data == {"steps.sum": 2.0}


def test_what_is_left_is_told_in_the_end(heard: list[Event]) -> None:
    stat = Stat("a", [Aggregation.COUNT], timedelta(hours=100))
    stat.add(1)
    del stat
    assert [event.data for event in heard] == [{"a.count": 1.0}]


def test_events(heard: list[Event]) -> None:
    event = Event("mine", datetime(2020, 1, 1), {"text": "b", "number": 2.5, "true": True})
    torch.monitor.log_event(event)
    assert heard == [event]
    with pytest.raises(TypeError, match="incompatible constructor arguments"):
        Event("mine", datetime(2020, 1, 1), {"list": [1]})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"event: torch._C._monitor.Event"):
        torch.monitor.log_event(3)  # type: ignore[arg-type]


def test_tensorboard_hears_of_statistics_only() -> None:
    written: list[Any] = []

    class Writer:
        def add_scalar(self, *args: Any, **kwargs: Any) -> None:
            written.append((args, kwargs))

    handler = torch.monitor.TensorboardEventHandler(Writer())
    when = datetime(2020, 1, 1)
    handler(Event("torch.monitor.Stat", when, {"a.sum": 10.0}))
    handler(Event("other", when, {"a.sum": 11.0}))
    assert written == [(("a.sum", 10.0), {"walltime": when.timestamp()})]
