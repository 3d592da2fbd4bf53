"""Bad input is answered as PyTorch answers it: exception type and text, warning category and text.

The snippets stand in ``error_cases/*.txt``; ``data/errors.json`` holds what PyTorch said to each, recorded
by ``tools/record_errors.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from error_cases.runner import read_cases, run_snippet

import cotangent as torch

HERE = Path(__file__).resolve().parent
CASES: list[dict[str, Any]] = json.loads((HERE / "data" / "errors.json").read_text(encoding="utf-8"))["cases"]


def name_of(case: dict[str, Any]) -> str:
    """The pytest id of a case: its family and name."""
    return f"{case['family']}.{case['name']}"


def compared(outcome: dict[str, Any], compare: str) -> dict[str, Any]:
    """The part of an outcome that the case says to compare."""
    kept = {"type": outcome["type"], "text": outcome["text"], "warnings": outcome["warnings"]}
    if compare == "type":
        kept["text"] = None
    if compare == "first line":
        kept["text"] = (outcome["text"] or "").partition("\n")[0]
        kept["warnings"] = [[category, text.partition("\n")[0]] for category, text in outcome["warnings"]]
    return kept


@pytest.fixture(autouse=True)
def every_warning_every_time() -> Iterator[None]:
    """Warnings that are told once a process are told to each case."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_bad_input(case: dict[str, Any]) -> None:
    """The snippet raises and warns as it does under PyTorch."""
    outcome = run_snippet(case["source"], torch)
    assert outcome["type"] == case["type"], f"{outcome['type']}: {outcome['text']}"
    assert compared(outcome, case["compare"]) == compared(case, case["compare"])


@pytest.mark.parametrize("case", [case for case in CASES if "ok" in case], ids=name_of)
def test_twin(case: dict[str, Any]) -> None:
    """The same call done right raises nothing, warns nothing and gives PyTorch's result."""
    outcome = run_snippet(case["ok"]["source"], torch)
    assert outcome == {"type": None, "text": None, "warnings": [], "result": case["ok"]["result"]}


def test_table_is_recorded_from_the_snippets() -> None:
    """No snippet was changed, added or removed without recording the table again."""
    written = [(c.family, c.name, c.compare, c.source, c.ok) for c in read_cases(HERE / "error_cases")]
    keys = ("family", "name", "compare", "source")
    recorded = [(*(case[key] for key in keys), case.get("ok", {}).get("source")) for case in CASES]
    assert recorded == written
