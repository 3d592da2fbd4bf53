"""Programs on which cotangent and PyTorch once differed: now they agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs.found import FOUND as FIRST, outcome
from programs.found_edges import FOUND_EDGES

import cotangent

FOUND = FIRST | FOUND_EDGES
DATA = Path(__file__).parent.parent / "data" / "programs_found.json"
SEEN = json.loads(DATA.read_text(encoding="utf-8"))["seen"]


@pytest.mark.parametrize("name", FOUND)
def test_a_program_does_what_pytorch_does(name: str) -> None:
    assert outcome(cotangent, *FOUND[name]) == SEEN[name]


def test_every_recording_belongs_to_a_program() -> None:
    assert SEEN.keys() == FOUND.keys()
