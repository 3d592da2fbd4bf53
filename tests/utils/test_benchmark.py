"""torch.utils.benchmark on a clock of our own and on the real one."""

from __future__ import annotations

import time

import pytest

import cotangent as torch
from cotangent.utils.benchmark import Compare, Measurement, Timer


class Clock:
    """A clock that only moves when `work` is called."""

    def __init__(self) -> None:
        self.now = 0.0
        self.runs = 0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.runs += 1
        self.now += seconds


def test_timeit_warms_up_and_measures_once() -> None:
    clock = Clock()
    m = Timer("clock.work(0.5)", globals={"clock": clock}, timer=clock).timeit(300)
    assert m.raw_times == [150.0]
    assert m.median == m.mean == 0.5
    assert clock.runs == 303


def test_blocks_grow_until_they_are_a_thousandth_of_the_time() -> None:
    clock = Clock()
    told: list[tuple[int, float]] = []
    timer = Timer("clock.work(2**-14)", globals={"clock": clock}, timer=clock)
    m = timer.blocked_autorange(lambda number, taken: told.append((number, taken)), min_run_time=1.0)
    assert m.number_per_run == 100
    assert len(m.times) == 164
    assert m.median == 2**-14
    assert told == [(100, taken) for taken in m.raw_times]


def test_adaptive_measures_until_times_agree() -> None:
    clock = Clock()
    seconds = iter([1.0, 1.0, 1.0, 9.0, 9.0, *[1.0] * 100])
    timer = Timer("clock.work(next(seconds))", globals={"clock": clock, "seconds": seconds}, timer=clock)
    m = timer.adaptive_autorange(max_run_time=1000.0)
    assert m.number_per_run == 1
    assert m.raw_times[:4] == [1.0, 1.0, 9.0, 9.0]
    assert len(m.raw_times) > 4
    assert m.meets_confidence()
    assert not Measurement(1, m.raw_times[:-1], m.task_spec).meets_confidence()


def test_adaptive_ends_after_the_longest_time() -> None:
    clock = Clock()
    timer = Timer("clock.work(1 + clock.runs)", globals={"clock": clock}, timer=clock)
    m = timer.adaptive_autorange(max_run_time=20.0)
    assert sum(m.raw_times[:-1]) <= 20.0 < sum(m.raw_times)


def test_the_statement_runs_on_the_threads_asked_for() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    Timer("seen.append(torch.get_num_threads())", globals={"seen": seen}, num_threads=before + 2).timeit(2)
    assert set(seen) == {before + 2}
    assert torch.get_num_threads() == before


def test_real_times(capsys: pytest.CaptureFixture[str]) -> None:
    made = [
        Timer("time.sleep(0.002)", "import time", label="sleep", description="2 ms").timeit(5),
        Timer("sleep(0.004)", globals={"sleep": time.sleep}, label="sleep", description="4 ms").timeit(5),
        Timer("(x @ x).sum()", globals={"x": torch.ones(16, 16)}, label="product").blocked_autorange(
            min_run_time=0.02
        ),
    ]
    assert made[0].median >= 0.002
    assert made[1].median >= 0.004
    assert sum(made[2].raw_times) >= 0.02
    Compare(made).print()
    printed = capsys.readouterr().out
    assert "2 ms" in printed
    assert "product" in printed


def test_statements_in_other_languages_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="C\\+\\+ cannot be timed"):
        Timer("x", language="c++")
    with pytest.raises(NotImplementedError, match="blocked_autorange"):
        Timer("pass").collect_callgrind()
