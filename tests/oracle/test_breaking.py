"""Samples that break things, of every operator; `tools/check_breaking.py` makes all changes of each."""

from __future__ import annotations

import pytest
from opdb.breaking import CHANGES, Breaker, drawn
from opdb.breaking_excused import EXCUSED
from opdb.catalogue import OPERATORS
from opdb.excused import EXCUSED as OTHERWISE_EXCUSED


@pytest.mark.parametrize("name", [n for n in OPERATORS if n not in OTHERWISE_EXCUSED])
def test_an_operator_takes_what_breaks_others(name: str) -> None:
    change = drawn(name)
    found = Breaker(OPERATORS[name], 2).run(change)
    if change not in EXCUSED.get(name, {}):  # others may agree in so few samples; the tool tells
        assert not found.first, found.first


def test_only_pairs_are_excused() -> None:
    assert EXCUSED.keys() <= OPERATORS.keys()
    assert all(pairs and pairs.keys() <= CHANGES.keys() and all(pairs.values()) for pairs in EXCUSED.values())
