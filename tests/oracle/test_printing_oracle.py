"""The printed form of tensors, side by side with PyTorch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st
from printing_cases import PICKED, cotangent_text, drawn_case
from record_printing import torch_text

from cotangent import printing


def test_picked() -> None:
    assert [cotangent_text(case) for case in PICKED] == [torch_text(case) for case in PICKED]


@settings(max_examples=500)
@given(st.integers(0, 2**63))
def test_drawn(seed: int) -> None:
    case = drawn_case(seed)
    assert cotangent_text(case) == torch_text(case)


@pytest.mark.parametrize(
    "calls",
    [
        [{"precision": 3, "sci_mode": True}, {"linewidth": 9}],
        [{"profile": "short", "threshold": 3}, {"profile": "full", "edgeitems": 1}, {"profile": "x"}],
        [{"profile": "short"}, {"precision": None, "profile": "default", "sci_mode": False}],
    ],
)
def test_options(calls: list[dict[str, object]]) -> None:
    states = []
    for module in (torch._tensor_str, printing):
        module.set_printoptions(profile="default")
        seen = []
        for call in calls:
            module.set_printoptions(**call)  # type: ignore[arg-type]
            seen.append(module.get_printoptions())
        module.set_printoptions(profile="default")
        states.append(seen)
    assert states[0] == states[1]
