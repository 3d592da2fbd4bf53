"""Each operator of the table against what PyTorch answered when tools/record_samples.py was last run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import TABLE
from samples.case import Bound, OpCase, Sample
from samples.compare import GRADIENTS, VALUES, as_array
from samples.digest import digest, gradients, results, summary
from samples.library import xp

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "op_results.json").read_text(encoding="utf-8")
)["cases"]

# The recorded number is rounded to so much of itself.
ROUNDING = 1e-5


def check(what: str, result: Any, expected: list[Any], limits: Any) -> None:
    """One result against its recorded summary."""
    found = summary(xp, result)
    if len(expected) == 1:
        assert found == expected, what
        return
    assert [*found[:2], *found[3:]] == [*expected[:2], *expected[3:]], what
    relative, absolute = limits.get(expected[0], (0.0, 0.0))
    actual, magnitude = digest(as_array(xp, result))
    room = relative * magnitude + absolute * result.numel() + ROUNDING * abs(expected[2])
    assert abs(actual - expected[2]) <= room, f"{what}: digest {actual}, recorded {expected[2]}"


def check_all(
    case: OpCase, dtype: str, kind: str, of: Callable[..., list[Any]], samples: list[Sample], limits: Any
) -> None:
    """Every sample of a case in one dtype."""
    expected = RECORDED[case.name][kind][dtype]
    assert len(samples) == len(expected), f"{case.name} {dtype}: run tools/record_samples.py again"
    for position, (sample, answers) in enumerate(zip(samples, expected, strict=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = of(xp, case, Bound(case, sample))
        assert len(given) == len(answers), f"{case.name}[{position}] {dtype}: number of results"
        for result, answer in zip(given, answers, strict=True):
            check(f"{case.name}[{position}] {dtype}", result, answer, limits)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_values_are_the_recorded_ones(case: OpCase) -> None:
    assert set(RECORDED[case.name]["values"]) == set(case.dtypes)
    for dtype in case.dtypes:
        check_all(case, dtype, "values", results, case.sampled(dtype), {**VALUES, **case.tolerance})


@pytest.mark.parametrize("case", [c for c in TABLE if c.gradient_dtypes()], ids=lambda case: case.name)
def test_gradients_are_the_recorded_ones(case: OpCase) -> None:
    loose = {dtype: limit for dtype, limit in case.tolerance.items() if limit > GRADIENTS[dtype]}
    for dtype in case.gradient_dtypes():
        samples = [sample for sample in case.sampled(dtype) if sample.grad]
        check_all(case, dtype, "gradients", gradients, samples, {**GRADIENTS, **loose})


def test_nothing_else_is_recorded() -> None:
    assert set(RECORDED) == {case.name for case in TABLE}
