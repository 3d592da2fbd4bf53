"""Measurements that are made up, in both libraries: statistics, printed form, tables."""

from __future__ import annotations

from typing import Any

import pytest
import torch.utils.benchmark as theirs

import cotangent.utils.benchmark as ours

ONE: dict[str, Any] = {"times": [0.0011]}
SAMPLES: list[dict[str, Any]] = [
    ONE,
    {"times": [1e-3, 1.1e-3]},
    {
        "times": [1e-3, 1.1e-3, 2e-3, 4e-3],
        "label": "l",
        "sub_label": "s",
        "description": "d",
        "num_threads": 4,
    },
    {"times": [1.2e-3] * 100, "label": "l", "sub_label": "s"},
    {"times": [1e-2, 1.2e-2, 1.1e-2, 1.3e-2], "label": "l", "env": "e"},
    {"times": [1e-3, 1.1e-3], "sub_label": "s"},
    {"times": [1e-3, 1.1e-3], "stmt": "a = 1\nb = 2", "sub_label": "s", "setup": "x = 1"},
    {"times": [1e-9 * i for i in range(1, 300)], "setup": "x = 1\ny = 2"},
    {"times": [1e-3] * 9 + [5e-3], "stmt": "a = 1\nb = 2\nc", "setup": "x = 1", "description": "d"},
    {"times": [1.0, 1.01, 1.02, 0.99, 1.005], "n": 1, "stmt": "    foo\n    bar", "setup": ""},
    {"times": [130.0] * 4 + [120.0], "n": 1, "setup": "x"},
    {"times": [3e-6 * (1 + 0.001 * i) for i in range(50)], "n": 1},
]


def measurement(library: Any, times: list[float], n: int = 10, **fields: Any) -> Any:
    spec = library.TaskSpec(fields.pop("stmt", "f(x)"), fields.pop("setup", "pass"), **fields)
    return library.Measurement(n, list(times), spec)


@pytest.mark.parametrize("sample", SAMPLES)
def test_statistics_and_printed_form(sample: dict[str, Any]) -> None:
    mine, other = measurement(ours, **sample), measurement(theirs, **sample)
    mine_first, _, mine_rest = repr(mine).partition("\n")
    other_first, _, other_rest = repr(other).partition("\n")
    assert mine_rest == other_rest
    assert mine_first.split(" at ")[0] == other_first.split(" at ")[0]
    for name in ("times", "median", "mean", "iqr"):
        assert getattr(mine, name) == pytest.approx(getattr(other, name), rel=1e-12, abs=1e-18), name
    names = (
        "significant_figures", "has_warnings", "title", "env", "as_row_name", "num_threads", "stmt",
    )  # fmt: skip
    for name in names:
        assert getattr(mine, name) == getattr(other, name), name
    for threshold in (0.01, 0.1, 0.5):
        assert mine.meets_confidence(threshold) == other.meets_confidence(threshold)


def test_merged() -> None:
    def merged(library: Any) -> list[tuple[list[float], int, str]]:
        made = [measurement(library, **sample) for sample in (*SAMPLES, ONE)]
        return [(m.raw_times, m.number_per_run, m.title) for m in library.Measurement.merge(made)]

    assert merged(ours) == merged(theirs)
    assert ours.Measurement.merge([]) == []


def grid(library: Any, noise: float, **fields: Any) -> list[Any]:
    """Times of three implementations at two sizes on one and on four threads, one of them missing."""
    made = []
    for threads in (4, 1):
        for size, base in (("size 8", 1.1e-6), ("size 100000", 3.456e-3)):
            for name, factor in (("numpy", 1.0), ("with a long description", 1.37), ("c", 3.1), ("d", 1.05)):
                if (threads, size, name) == (4, "size 8", "c"):
                    continue
                spread = noise if name == "c" else 0.01
                times = [base * factor * threads * (1 + spread * i) for i in range(20)]
                names = {"label": "Lab", "sub_label": size, "description": name, **fields}
                made.append(measurement(library, times, num_threads=threads, **names))
    return made


def grids(library: Any, which: str) -> list[Any]:
    if which == "environments":
        return grid(library, 0.01, env="A") + grid(library, 0.01, env="longer")
    if which == "labels":
        return grid(library, 0.01, label="one") + grid(library, 0.01, label=None, sub_label=None)
    return grid(library, 0.4 if which == "noisy" else 0.01)


@pytest.mark.parametrize("which", ["calm", "noisy", "environments", "labels"])
@pytest.mark.parametrize("trim", [False, True])
@pytest.mark.parametrize("warn", [False, True])
@pytest.mark.parametrize("colour", [None, False, True])
def test_tables(which: str, trim: bool, warn: bool, colour: bool | None) -> None:
    def table(library: Any) -> str:
        compare = library.Compare(grids(library, which))
        if trim:
            compare.trim_significant_figures()
        if warn:
            compare.highlight_warnings()
        if colour is not None:
            compare.colorize(rowwise=colour)
        return str(compare)

    assert table(ours) == table(theirs)


CALLS = """
b.select_unit(3e-12), b.select_unit(3e-7), b.select_unit(3e-5), b.select_unit(0.3), b.select_unit(3e5)
b.select_unit(0)
[b.unit_to_english(u) for u in ("ns", "us", "ms", "s")]
b.unit_to_english("m")
b.trim_sigfig(1234.567, 2), b.trim_sigfig(0.00123456, 3), b.trim_sigfig(1.5, 1), b.trim_sigfig(99.99, 3)
b.trim_sigfig(0, 2)
b.trim_sigfig(-1.0, 2)
b.ordered_unique([3, 1, 3, 2])
b.Compare([3])
str(b.Compare([]))
b.Measurement(1, [], b.TaskSpec("x", "pass")).median
b.Timer(language="ada")
b.Timer(3)
b.Timer(global_setup="int x;")
b.Timer("pass", num_threads=0).timeit(1)
b.Timer("y").timeit(1)
b.Timer("raise ValueError(3)").timeit(1)
b.Timer("pass").timeit(0).median
b.Timer("pass").repeat()
b.Timer("pass").autorange()
b.Timer("\\n    a = 1\\n    b = a\\n", "\\n  x = 1\\n").timeit(1).task_spec.summarize()
b.Timer("torch.ones(1)", label="l", env="e", num_threads=2).timeit(3).num_threads
""".strip().split("\n")


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str) -> None:
    def outcome(library: Any) -> object:
        try:
            return eval(call, {"b": library})
        except Exception as error:
            return type(error), str(error)

    assert outcome(ours) == outcome(theirs)
