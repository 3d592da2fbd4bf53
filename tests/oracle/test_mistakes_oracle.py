"""The texts of common mistakes are PyTorch's, to the letter; what is added stands in notes."""

import re
import sys
from pathlib import Path

import pytest
import torch

import cotangent

sys.path.insert(0, str(Path(__file__).parents[1] / "autograd"))
from mistakes import MISTAKES, Mistake
from test_notes import NAMES, run


@pytest.mark.parametrize("mistake", MISTAKES, ids=NAMES)
def test_the_text_is_that_of_pytorch(mistake: Mistake, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    ours, theirs = (run(mistake.broken, path, module) for module in (cotangent, torch))
    assert theirs is not None
    assert type(ours) is type(theirs)
    assert str(ours) == re.sub(r" \(Triggered internally at .*\)$", "", str(theirs))


@pytest.mark.parametrize("mistake", MISTAKES, ids=NAMES)
def test_the_fix_works_with_pytorch(mistake: Mistake, tmp_path: Path) -> None:
    assert run(mistake.fixed, tmp_path / "fixed.py", torch) is None
