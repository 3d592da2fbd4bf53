"""PyTorch's own sample inputs of its own operators, and its own wrong calls.

`tools/check_op_db.py` prints the same comparison and the counts; OPDB_SAMPLES=0 takes all samples.
"""

from __future__ import annotations

from functools import cache

import pytest
from opdb.catalogue import OPERATORS, SAMPLES
from opdb.excused import EXCUSED, EXCUSED_ERRORS
from opdb.judge import Judge, Verdict


@cache
def verdict_on(name: str) -> Verdict:
    """What came of the operator; compared once for both tests."""
    return Judge(OPERATORS[name], SAMPLES).run()


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_agrees(name: str) -> None:
    verdict = verdict_on(name)
    if name in EXCUSED:
        assert verdict.state != "agrees", "agrees: take it off tests/opdb/excused.py"
    else:
        assert verdict.state == "agrees", verdict.first


@pytest.mark.parametrize("name", [n for n in OPERATORS if OPERATORS[n].error_inputs_func is not None])
def test_wrong_calls_raise_the_same(name: str) -> None:
    verdict = verdict_on(name)
    if name in EXCUSED_ERRORS:
        assert verdict.errors_same < verdict.errors, "raises the same: take it off tests/opdb/excused.py"
    elif verdict.state != "missing":
        assert verdict.errors_same == verdict.errors, verdict.error


def test_only_operators_are_excused() -> None:
    assert EXCUSED.keys() | EXCUSED_ERRORS.keys() <= OPERATORS.keys()
    assert all(EXCUSED.values()) and all(EXCUSED_ERRORS.values())


def test_at_most_five_percent_are_excused() -> None:
    assert len(EXCUSED) <= 0.05 * len(OPERATORS), sorted(EXCUSED)
